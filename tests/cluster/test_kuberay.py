"""Kubernetes, KubeRay and Ray's autoscaler take the manifests, and what these promise holds."""

import copy
import json
import re
import shlex
import tomllib
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

import cluster
from search.run import _parser

ROOT = Path(__file__).parents[2]
FOLDER = Path(cluster.__file__).parent / "kuberay"
SCHEMA = json.loads((Path(__file__).parent / "kuberay" / "rayjob.schema.json").read_text())
JOB, CLAIM, READER = (
    yaml.safe_load((FOLDER / f"{name}.yaml").read_text()) for name in ("rayjob", "runs", "reader")
)
CLUSTER = JOB["spec"]["rayClusterSpec"]
HEAD, (WORKERS,) = CLUSTER["headGroupSpec"], CLUSTER["workerGroupSpecs"]
PODS = {
    "head": HEAD["template"]["spec"],
    "worker": WORKERS["template"]["spec"],
    "submitter": JOB["spec"]["submitterPodTemplate"]["spec"],
    "reader": READER["spec"],
}
KUBERNETES = ("1.30", "1.37")
DOCKERFILE = ROOT / "Dockerfile"
UNITS = {"Mi": 2**20, "Gi": 2**30}


def changed(manifest, path, value):
    """Return a copy with another value at a path of keys and places in lists; None removes it."""
    manifest = copy.deepcopy(manifest)
    *way, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    place = manifest
    for step in way:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return manifest


def in_template(pod):
    return {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {}, "template": {"spec": pod}}


def container(role):
    (only,) = PODS[role]["containers"]
    return only


def number_of_bytes(quantity):
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


def pins():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return dict(line.split()[0].split("==") for line in lines if "==" in line)


def mounts(role):
    """Return where the pod's container has which of the pod's volumes."""
    volumes = {volume["name"]: volume for volume in PODS[role].get("volumes", [])}
    found = container(role).get("volumeMounts", [])
    return {mount["mountPath"]: volumes[mount["name"]] for mount in found}


def test_the_job_is_one_that_kuberay_takes():
    jsonschema.validate(JOB, SCHEMA)


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("spec/entrypont", "python", "'entrypont' was unexpected"),
        ("spec/backoffLimit", "3", "'3' is not of type 'integer'"),
        ("spec/rayClusterSpec/rayversion", "2.60.0", "'rayversion' was unexpected"),
        ("spec/rayClusterSpec/headGroupSpec", None, "'headGroupSpec' is a required property"),
        ("spec/rayClusterSpec/authOptions/mode", "tokens", "'tokens' is not one of"),
        ("spec/rayClusterSpec/autoscalerOptions/idleTimeout", 60, "'idleTimeout' was unexpected"),
        ("spec/rayClusterSpec/autoscalerOptions/resources/limit", {}, "'limit' was unexpected"),
        ("spec/rayClusterSpec/headGroupSpec/rayStartParams/num-cpus", 0, "0 is not of type"),
        ("spec/rayClusterSpec/workerGroupSpecs/0/maxReplicas", None, "'maxReplicas' is a required"),
        ("spec/rayClusterSpec/workerGroupSpecs/0/replica", 1, "'replica' was unexpected"),
    ],
)
def test_a_slip_in_the_job_is_found(path, value, complaint):
    with pytest.raises(jsonschema.ValidationError, match=re.escape(complaint)):
        jsonschema.validate(changed(JOB, path, value), SCHEMA)


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_takes_the_rest(version):
    for resource in (CLAIM, READER, *map(in_template, PODS.values())):
        kubernetes_validate.validate(resource, version, strict=True)


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("template/spec/restartpolicy", "Never", "'restartpolicy' was unexpected"),
        ("template/spec/containers/0/image", 1, "1 is not of type 'string'"),
        ("template/spec/containers/0/name", None, "'name' is a required property"),
        ("template/spec/containers/0/securityContext/runAsNonroot", True, "'runAsNonroot' was"),
        ("template/spec/volumes/0/emptyDir/sizelimit", "1Gi", "'sizelimit' was unexpected"),
    ],
)
def test_a_slip_in_a_pod_is_found(path, value, complaint):
    slip = changed(in_template(PODS["worker"]), path, value)
    with pytest.raises(kubernetes_validate.ValidationError, match=re.escape(complaint)):
        kubernetes_validate.validate(slip, KUBERNETES[-1], strict=True)


def test_ray_will_start_as_many_workers_as_the_command_counts_on():
    # Here: it imports ray, which the executor prepares the environment for.
    from ray.autoscaler._private.kuberay import autoscaling_config

    resource = {"metadata": {"name": "packsweep", "namespace": "default"}, "spec": CLUSTER}
    config = autoscaling_config._derive_autoscaling_config_from_ray_cr(resource)
    head, workers = (config["available_node_types"][name] for name in ("headgroup", "workers"))
    assert head["resources"]["CPU"] == 0
    assert entrypoint().workers == workers["max_workers"] * workers["resources"]["CPU"]


def entrypoint():
    python, module, name, *args = shlex.split(JOB["spec"]["entrypoint"])
    assert (python, module, name) == ("python", "-m", "search.run")
    return _parser().parse_args(args)


def test_the_command_joins_the_cluster_and_leaves_its_run_on_the_claim():
    args = entrypoint()
    assert args.address == "auto"
    assert (ROOT / "configs" / f"{args.grid}.toml").is_file()
    volume = mounts("head")[str(args.run_dir.parent)]
    assert volume["persistentVolumeClaim"]["claimName"] == CLAIM["metadata"]["name"]


def test_the_reader_finds_the_run_where_the_head_wrote_it():
    place = str(entrypoint().run_dir.parent)
    assert mounts("reader")[place] == mounts("head")[place]
    assert not any("persistentVolumeClaim" in volume for volume in mounts("worker").values())


def test_there_is_one_image_and_its_ray_is_the_one_that_kuberay_expects():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {container(role)["image"] for role in PODS} == {f"packsweep:{project['version']}"}
    assert CLUSTER["rayVersion"] == pins()["ray"]


@pytest.mark.parametrize("role", ["head", "worker"])
def test_a_pod_gets_what_it_asks_for(role):
    resources = container(role)["resources"]
    assert resources["requests"] == resources["limits"]
    assert resources["limits"]["cpu"].isdigit()  # KubeRay would round up


@pytest.mark.parametrize(("role", "group"), [("head", HEAD), ("worker", WORKERS)])
def test_links_images_and_ray_fit_into_the_memory(role, group):
    store = int(group["rayStartParams"]["object-store-memory"])
    shared = mounts(role)["/dev/shm"]["emptyDir"]
    assert shared["medium"] == "Memory"
    assert store <= number_of_bytes(shared["sizeLimit"])
    limits = container(role)["resources"]["limits"]
    needed = int(limits["cpu"]) * 300 * 10**6 + store + 10**9
    assert needed <= number_of_bytes(limits["memory"])


@pytest.mark.parametrize("role", PODS)
def test_a_pod_meets_kubernetes_restricted_standard(role):
    pod, inside = PODS[role]["securityContext"], container(role)["securityContext"]
    assert pod["runAsNonRoot"]
    assert pod["runAsUser"] == pod["runAsGroup"] == pod["fsGroup"] > 0
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert inside["allowPrivilegeEscalation"] is False
    assert inside["capabilities"] == {"drop": ["ALL"]}
    # The head's autoscaler alone has something to ask of Kubernetes.
    assert PODS[role].get("automountServiceAccountToken", True) == (role == "head")


@pytest.mark.skipif(not DOCKERFILE.exists(), reason="there is no Dockerfile")
def test_the_pods_run_as_the_user_of_the_image():
    uid = re.search(r"useradd .*?--uid[ =](\d+)", DOCKERFILE.read_text())[1]
    assert {pod["securityContext"]["runAsUser"] for pod in PODS.values()} == {int(uid)}


def test_kubernetes_waits_longer_than_ray_lets_links_end():
    from ray._private import ray_constants

    patience = ray_constants.RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S
    assert 0 < patience < PODS["worker"]["terminationGracePeriodSeconds"]
