"""A cluster of three hosts: a head that computes nothing, and two that have one core and two."""

from pathlib import Path
from unittest.mock import patch

import pytest
from command_line import pretend, write_grid, write_images
from network import Network
from ray_cluster import RayCluster

import search

BATCH_SIZES = [4, 8, 16, 32]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with data and a grid of 12 links that are thought to take a second each.

    Its plan is the same for any number of workers up to four.
    """
    path = tmp_path_factory.mktemp("hosts")
    write_images(path / "data.npz", rows=1000, pixels=784, classes=10)
    write_grid(
        path / "grid.toml",
        "./data.npz",
        batch_size=BATCH_SIZES,
        learning_rate=[1e-8, 1e-7],
        epochs=[20, 40, 60],
        alpha=[0.0, 1.0],
    )
    return path


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Return a network whose hosts see the code and what the tests write."""
    code = Path(search.__file__).parents[1]
    with Network([tmp_path_factory.getbasetemp(), code]) as network:
        yield network


@pytest.fixture(scope="module")
def cluster(network, folder):
    """Return a cluster with its head alone."""
    head = network.host()
    _measured(head)
    with RayCluster(network, folder, head) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def laptop(network):
    """Return a host that is not part of the cluster."""
    host = network.host()
    _measured(host)
    return host


def _measured(host):
    """Let commands that run on a host know already what their arithmetic costs."""
    with patch("platform.node", lambda: host.name):
        for workers in range(1, 5):
            pretend(5e-5, BATCH_SIZES, 784, 10, workers=workers)


@pytest.fixture(scope="module")
def small(network):
    return network.host()


@pytest.fixture(scope="module")
def large(network):
    return network.host()
