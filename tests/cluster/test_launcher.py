"""The settings for `ray up` are ones that Ray takes, and what they run does what it should."""

import copy
import re
import shlex
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

import cluster
from search.run import _parser

ROOT = Path(__file__).parents[2]
FOLDER = Path(cluster.__file__).parent / "launcher"
AWS, LOCAL = (yaml.safe_load((FOLDER / f"{name}.yaml").read_text()) for name in ("aws", "local"))
HEAD = AWS["available_node_types"]["head"]
BOTH = pytest.mark.parametrize("settings", [AWS, LOCAL], ids=["aws", "local"])
PAGE = (ROOT / "docs" / "cluster.md").read_text()


def as_ray_reads(settings):
    # Here: it imports ray, which the executor prepares the environment for.
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared = prepare_config(copy.deepcopy(settings))
    validate_config(prepared)
    return prepared


@BOTH
def test_ray_takes_the_settings(settings):
    prepared = as_ray_reads(settings)
    workers = prepared["available_node_types"]
    assert prepared["max_workers"] == sum(kind["max_workers"] for kind in workers.values())


@pytest.mark.parametrize(
    ("slip", "complaint"),
    [
        ({"setup_command": []}, "'setup_command' was unexpected"),
        ({"idle_timeout_minutes": "2"}, "'2' is not of type 'number'"),
        ({"head_node_type": "heads"}, "must be one of `available_node_types`"),
        ({"max_workers": -1}, "-1 is less than the minimum"),
        ({"auth": {"ssh_usr": "ubuntu"}}, "'ssh_usr' was unexpected"),
        ({"available_node_types": {"head": HEAD | {"resource": {}}}}, "'resource' was unexpected"),
        ({"available_node_types": {"head": HEAD | {"min_workers": 9}}}, "smaller than the sum"),
    ],
)
def test_a_slip_is_found(slip, complaint):
    with pytest.raises((jsonschema.ValidationError, ValueError), match=complaint):
        as_ray_reads(AWS | slip)


@BOTH
def test_ray_start_knows_the_options(settings):
    from ray.scripts.scripts import start

    for role in ("head", "worker"):
        *_, command = settings[f"{role}_start_ray_commands"]
        name, verb, *options = shlex.split(command.rpartition(";")[2])
        assert (name, verb) == ("ray", "start")
        given = start.make_context("start", options).params
        assert given["head"] == (role == "head")


@BOTH
def test_every_machine_has_the_token_and_asks_for_it(settings, tmp_path):
    assert settings["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    (tmp_path / "packsweep").mkdir()
    writing = settings["setup_commands"][-2:]
    shell = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    for command in writing * 2:  # a cluster may be set up again
        subprocess.run(["bash", "-c", command], env=shell, check=True)
    assert (tmp_path / ".bashrc").read_text().count("packsweep") == 1
    asked = "source ~/.bashrc; echo $RAY_AUTH_MODE $PATH"
    answer = subprocess.run(
        ["bash", "-c", asked], env=shell, check=True, capture_output=True, text=True
    )
    assert answer.stdout == f"token {tmp_path}/packsweep/venv/bin:/usr/bin:/bin\n"


def test_both_install_in_the_same_way():
    own = [command for command in AWS["setup_commands"] if "sudo" not in command]
    assert own == LOCAL["setup_commands"]
    assert AWS["file_mounts"] == LOCAL["file_mounts"]
    assert (ROOT / AWS["file_mounts"]["~/packsweep/requirements.lock"]).is_file()


def test_workers_are_spot_machines_and_the_head_is_not():
    head, worker = (AWS["available_node_types"][name] for name in ("head", "worker"))
    assert worker["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert "InstanceMarketOptions" not in head["node_config"]
    assert head["resources"] == {"CPU": 0}


def commands(page):
    """Return the sweeps that a page tells to start, as the command line reads them."""
    lines = page.replace("\\\n", " ")
    found = re.findall(r"(?:search\.run|packsweep) (--grid .*?)(?=['`\n])", lines)
    return [_parser().parse_args(shlex.split(args, comments=True)) for args in found]


def test_the_page_gives_commands_that_there_are():
    worker = AWS["available_node_types"]["worker"]
    cores = worker["max_workers"] * worker["resources"]["CPU"]
    assert cores in {vars(args).get("workers") for args in commands(PAGE)}
    for path in re.findall(r"cluster/(?:kuberay|launcher)/\w+\.yaml", PAGE):
        assert (ROOT / path).is_file()
