"""The promises of docker-compose.yml; scripts/compose_check brings it up for real."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml

from model.pack import PackState
from search.plan.widths import WIDEST

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
COMPOSE = yaml.safe_load(FILE.read_text())
SERVICES = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OURS = ROOT / "cluster" / "compose"
LASTING = {"head", "worker", "service", "prometheus", "grafana"}

every_service = pytest.mark.parametrize("name", sorted(SERVICES))


def mounts(name):
    """Source and mode by target; the long form is that of a volume that Prometheus writes to."""
    short = [mount for mount in SERVICES[name].get("volumes", []) if isinstance(mount, str)]
    parts = [(*mount.split(":"), "rw")[:3] for mount in short]
    return {target: (source, mode) for source, target, mode in parts}


def seconds(text):
    return int(text.removesuffix("s"))


def test_it_is_what_the_published_schema_of_compose_allows():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    result = subprocess.run([*command, FILE], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("program", [["docker", "compose"], ["docker-compose"]], ids=" ".join)
def test_compose_itself_reads_it(program):
    if (
        shutil.which(program[0]) is None
        or subprocess.run([*program, "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip(f"{' '.join(program)} is not installed")
    command = [*program, "--file", FILE, "config", "--quiet"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_these_are_all_services():
    assert set(SERVICES) == LASTING | {"token", "sweep"}


@every_service
def test_ports_are_open_on_this_machine_alone(name):
    service = SERVICES[name]
    assert service.get("network_mode") != "host"
    for port in service.get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\$\{\w+_PORT:-\d+\}:\d+", port)


@every_service
def test_it_has_limits_and_says_what_happens_when_it_ends(name):
    service = SERVICES[name]
    assert "mem_limit" in service
    assert service["restart"] == ("unless-stopped" if name in LASTING else "no")
    assert ("healthcheck" in service) == (name in LASTING)
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}


@every_service
def test_it_has_no_rights_that_it_does_not_need(name):
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert service.get("user", "10001:10001") == "10001:10001"


@every_service
def test_the_token_is_read_only_for_all_but_its_maker(name):
    modes = {"token": ("token", "rw"), "grafana": None}
    assert mounts(name).get("/token") == modes.get(name, ("token", "ro"))


@every_service
def test_ray_is_never_without_its_token(name):
    if "PACKSWEEP_IMAGE" not in SERVICES[name]["image"]:
        return
    environment = SERVICES[name]["environment"]
    assert environment["RAY_AUTH_MODE"] == "token"
    assert environment["RAY_AUTH_TOKEN_PATH"] == "/token/ray"


@every_service
def test_it_waits_for_what_it_needs(name):
    waits = {
        service: how["condition"] for service, how in SERVICES[name].get("depends_on", {}).items()
    }
    assert set(waits.values()) <= {"service_healthy", "service_completed_successfully"}
    assert all((how == "service_healthy") == (service in LASTING) for service, how in waits.items())
    assert waits or name == "token"


@pytest.mark.parametrize("name", ["head", "worker", "service"])
def test_shared_memory_holds_the_object_store(name):
    (store,) = re.findall(r"--object-store-memory=(\d+)", " ".join(SERVICES[name]["command"]))
    megabytes = int(SERVICES[name]["shm_size"].removesuffix("m"))
    assert int(store) < megabytes * 2**20


def test_a_worker_is_given_the_time_that_it_takes_to_finish():
    worker = SERVICES["worker"]
    drain = worker["environment"]["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"]
    assert seconds(worker["stop_grace_period"]) > int(drain)


@pytest.mark.parametrize("name", ["head", "worker"])
def test_what_a_link_returns_is_not_left_on_its_node(name):
    limit = int(SERVICES[name]["environment"]["RAY_max_direct_call_object_size"])
    widest = PackState.start(
        8, np.ones(WIDEST), np.ones(WIDEST), n_features=784, n_classes=10, seed=0
    )  # fmt: skip
    assert 2 * widest.V.nbytes < limit


def test_the_sweep_is_a_job_of_the_full_grid_and_starts_when_asked_for():
    sweep = SERVICES["sweep"]
    assert sweep["profiles"] == ["sweep"]
    command = " ".join([*sweep["entrypoint"], *sweep["command"]])
    assert command == (
        "ray job submit -- python -m search.run --address head:6379 "
        "--grid full --run-dir /runs/full"
    )
    assert mounts("head")["/runs"] == ("runs", "rw")


def test_the_service_keeps_its_folder_where_the_first_token_is_made_for_its_user_alone():
    (serve,) = re.findall(r"search\.serve --host .*", SERVICES["service"]["command"][-1])
    (token,) = re.findall(r"search\.serve token add .*\)", SERVICES["token"]["command"][-1])
    assert "--root /runs/service" in serve
    assert "--root /runs/service" in token
    for name in ("service", "token"):
        assert mounts(name)["/runs"] == ("runs", "rw")
    # What a worker runs is code of those who submit.
    assert "/runs" not in mounts("worker")
    assert "umask 377" in SERVICES["token"]["command"][-1]


def test_images_are_pinned():
    pinned = r"\w[\w./-]+:v?\d+\.\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?"
    for name in ("prometheus", "grafana"):
        assert re.fullmatch(rf"\$\{{\w+_IMAGE:-{pinned}\}}", SERVICES[name]["image"])
    base = re.search(r"^ARG BASE_IMAGE=(.*)$", DOCKERFILE, re.MULTILINE)[1]
    assert re.fullmatch(pinned, base)
    assert SERVICES["token"]["build"]["args"]["BASE_IMAGE"] == f"${{BASE_IMAGE:-{base}}}"
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {
        "${BASE_IMAGE}", "dependencies",
    }  # fmt: skip


def test_the_image_is_not_run_by_root_and_its_user_is_the_one_of_prometheus():
    assert re.findall(r"^USER (\w+)$", DOCKERFILE, re.MULTILINE) == ["packsweep"]
    uid, gid = SERVICES["prometheus"]["user"].split(":")
    assert f"--gid {gid} packsweep" in DOCKERFILE
    assert f"--uid {uid} " in DOCKERFILE


def test_the_image_gets_all_that_the_wheel_is_made_of():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    wanted = {*wheel["packages"], *wheel["force-include"], project["project"]["readme"]}
    wanted |= {*project["project"]["license-files"], "pyproject.toml", "requirements.lock"}
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in lines if line.startswith("!")} == wanted


def test_no_address_of_a_package_index_is_written_down():
    args = SERVICES["token"]["build"]["args"]
    assert {name for name in args if name.startswith("PIP_")} == set(
        re.findall(r"^ARG (PIP_\w+)$", DOCKERFILE, re.MULTILINE)
    )
    assert all(args[name] is None for name in args if name.startswith("PIP_"))


def test_prometheus_asks_the_head_with_the_token():
    (scrape,) = yaml.safe_load((OURS / "prometheus.yml").read_text())["scrape_configs"]
    (discovery,) = scrape["http_sd_configs"]
    assert discovery["url"] == "http://head:8265/api/prometheus/sd"
    assert discovery["authorization"] == {
        "type": "Bearer",
        "credentials_file": SERVICES["head"]["environment"]["RAY_AUTH_TOKEN_PATH"],
    }


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_can_read_its_settings():
    command = ["promtool", "check", "config", OURS / "prometheus.yml"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_grafana_has_the_data_source_that_ray_shows_its_panels_with():
    provisioned = yaml.safe_load((OURS / "grafana/datasources/prometheus.yml").read_text())
    (source,) = provisioned["datasources"]
    environment = SERVICES["head"]["environment"]
    assert source["name"] == environment["RAY_PROMETHEUS_NAME"]
    assert source["url"] == environment["RAY_PROMETHEUS_HOST"]
    assert source["isDefault"] is True


def test_grafana_reads_our_dashboard_and_those_that_the_head_writes():
    provisioned = yaml.safe_load((OURS / "grafana/dashboards/files.yml").read_text())
    folders = {provider["options"]["path"] for provider in provisioned["providers"]}
    mounted = mounts("grafana")
    ours, rays = "/etc/grafana/dashboards", "/etc/grafana/ray"
    assert folders == {ours, rays}
    assert mounted[ours] == ("./cluster/grafana", "ro")
    assert mounted[rays] == ("dashboards", "ro")
    written = SERVICES["head"]["environment"]["RAY_METRICS_GRAFANA_DASHBOARD_OUTPUT_DIR"]
    assert mounts("head")[written] == ("dashboards", "rw")
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{ours}/packsweep.json"
    assert (ROOT / "cluster/grafana/packsweep.json").is_file()


@every_service
def test_what_is_mounted_from_this_folder_is_there(name):
    for source, mode in mounts(name).values():
        if source.startswith("./"):
            assert (ROOT / source).exists()
            assert mode == "ro"
        else:
            assert source in COMPOSE["volumes"]
