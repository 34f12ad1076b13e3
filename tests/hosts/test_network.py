"""What the tests on several hosts rely on: hosts that are as separate as machines."""

import socket
import sys
from pathlib import Path

import pytest
from network import NOWHERE, Network, why_not
from ray_cluster import wait_for

pytestmark = pytest.mark.skipif(why_not() is not None, reason=f"no hosts: {why_not()}")

# Accepts one connection, and says how it ended.
SERVER = """
import socket, sys
connection, _ = socket.create_server((sys.argv[1], 80)).accept()
print("accepted", flush=True)
print("closed" if connection.recv(1) == b"" else "data", flush=True)
"""


@pytest.fixture
def pair(tmp_path):
    with Network([tmp_path, Path(sys.prefix)]) as network:
        yield network.host(), network.host()


def top_of(path):
    """Return the folder of /tmp that a path is in, if it is in one."""
    return Path(*path.parts[:3]) if path.is_relative_to("/tmp") else None


def words(host, *command):
    return host.run(*command, capture_output=True, check=True).stdout.split()


def test_a_host_has_a_name_processes_and_folders_of_its_own(pair, tmp_path):
    for host in pair:
        assert words(host, "hostname") == [host.name]
        assert host.name != socket.gethostname()
        assert len(host.titles()) == 1
        assert words(host, "ls", "/dev/shm") == []
        seen = {Path("/tmp", name) for name in words(host, "ls", "/tmp")}
        # Nothing but the way to what is visible.
        assert seen == {top_of(path) for path in (tmp_path, Path(sys.prefix))} - {None}
    pair[0].run("touch", "/tmp/private", tmp_path / "shared", check=True)
    assert pair[1].run("test", "-e", "/tmp/private").returncode == 1
    assert (tmp_path / "shared").exists()


def test_nothing_comes_through_a_cut_and_all_of_it_later(pair):
    one, other = pair
    server = other.start(sys.executable, "-c", SERVER, other.address)
    assert not one.reaches(NOWHERE, 80)
    other.cut()
    assert not one.reaches(other.address, 80)
    other.heal()
    wait_for(lambda: one.reaches(other.address, 80))
    assert server.wait(30) == 0


def test_a_host_that_is_killed_takes_its_processes_along_and_tells_nobody(pair):
    one, other = pair
    with one.start(sys.executable, "-c", SERVER, one.address, stdout=-1) as server:
        wait_for(lambda: "80" in " ".join(words(one, "ss", "-Hltn")))
        client = other.start("bash", "-c", f"exec 3<>/dev/tcp/{one.address}/80; sleep 60")
        assert server.stdout.readline() == "accepted\n"
        other.kill()
        assert client.wait(30) == -9
        other.boot()
        assert len(other.titles()) == 1
        assert server.poll() is None  # still waits for the client
        server.kill()
