"""Checks an address before Ray does, which would try for minutes and fill the terminal."""

import json
import os
import platform
from collections.abc import Callable
from typing import Any

import grpc
import ray
from ray._private.grpc_utils import init_grpc_channel
from ray._raylet import AuthenticationMode, get_authentication_mode  # type: ignore[attr-defined]  # compiled
from ray.core.generated import gcs_service_pb2 as gcs
from ray.core.generated import gcs_service_pb2_grpc as gcs_grpc
from ray.core.generated import ray_client_pb2 as client
from ray.core.generated import ray_client_pb2_grpc as client_grpc
from ray.exceptions import AuthenticationError

from cluster.errors import AddressError
from cluster.token import place_of_a_token

CLIENT = "ray://"

_SECONDS = 5.0
_WAY_IN = (
    "Put the cluster's token (`ray get-auth-token` prints it on the cluster's head) into "
    "~/.ray/auth_token, or name its file in RAY_AUTH_TOKEN_PATH, and set RAY_AUTH_MODE=token."
)


def knock(address: str) -> None:
    """Refuse an address where there is no cluster that this program can work with.

    Parameters
    ----------
    address : str
        ``host:port`` of a cluster's head, or ``ray://host:port`` of its server for clients
        outside; what names no port, such as ``auto``, is left to Ray.

    Raises
    ------
    AddressError
        Within seconds, with the way out: where nothing answers, something else does, the token is
        refused, or the cluster has another version of Ray or Python.
    """
    if address.startswith(("http://", "https://")):
        raise AddressError(
            f"{address} is a dashboard. Join the cluster at host:6379 from one of its machines or "
            "at ray://host:10001 from elsewhere, or hand the command over to it: "
            f"`ray job submit --address {address} -- python -m search.run ...`."
        )
    place = address.removeprefix(CLIENT)
    if not place.rpartition(":")[2].isdigit():
        return
    ask = _ask_client_server if address.startswith(CLIENT) else _ask_head
    versions = _answer(address, place, ask)
    _check_versions(address, versions)


def _answer(
    address: str, place: str, ask: Callable[[grpc.Channel], dict[str, str]]
) -> dict[str, str]:
    try:
        with init_grpc_channel(place, [("grpc.enable_http_proxy", 0)]) as channel:
            return ask(channel)
    except (AuthenticationError, RuntimeError) as error:
        message = f"There is no token for {address}: {_first_sentence(error)} {_WAY_IN}"
        raise AddressError(message) from error
    except grpc.RpcError as error:
        raise AddressError(_refusal(address, error)) from error


def _refusal(address: str, error: Any) -> str:
    """Say why a call has failed, and what to do about it."""
    code = error.code()
    if code == grpc.StatusCode.UNAUTHENTICATED:
        return _no_entry(address)
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        silent = code == grpc.StatusCode.DEADLINE_EXCEEDED
        reason = f"silent for {_SECONDS:g} s" if silent else _last_part(error.details())
        return (
            f"No Ray cluster answers at {address}: {reason}. Check the address (`ray start --head` "
            "prints it) and that this machine reaches it, or leave --address out."
        )
    return (
        f"What answers at {address} is not a Ray cluster, or not this port of it ({code.name}). "
        "The head itself is at host:6379, its server for machines outside at ray://host:10001."
    )


def _no_entry(address: str) -> str:
    """Say whether a wrong token was shown, or none at all."""
    if get_authentication_mode() == AuthenticationMode.TOKEN:
        return f"The Ray cluster at {address} wants another token. {_WAY_IN}"
    mode = os.environ.get("RAY_AUTH_MODE")
    reason = f"RAY_AUTH_MODE is {mode}" if mode else "RAY_AUTH_MODE is not set"
    place = place_of_a_token()
    way = f"Set RAY_AUTH_MODE=token to show the one of {place}." if place else _WAY_IN
    return f"The Ray cluster at {address} asks for a token, and none is shown: {reason}. {way}"


def _ask_head(channel: grpc.Channel) -> dict[str, str]:
    request = gcs.InternalKVGetRequest(namespace=b"cluster", key=b"CLUSTER_METADATA")
    reply = gcs_grpc.InternalKVGcsServiceStub(channel).InternalKVGet(request, timeout=_SECONDS)
    found: dict[str, str] = json.loads(reply.value or "{}")
    return found


def _ask_client_server(channel: grpc.Channel) -> dict[str, str]:
    """Return nothing: this server tells its versions only to a session, where Ray compares them."""
    request = client.ClusterInfoRequest(type=client.ClusterInfoType.PING)
    stub = client_grpc.RayletDriverStub(channel)
    stub.ClusterInfo(request, timeout=_SECONDS, metadata=[("client_id", f"knock-{os.getpid()}")])
    return {}


def _check_versions(address: str, theirs: dict[str, str]) -> None:
    mine = {"ray_version": ray.__version__, "python_version": platform.python_version()}
    if any(theirs.get(name, mine[name]) != mine[name] for name in mine):
        raise AddressError(
            f"The cluster at {address} runs Ray {theirs['ray_version']} on Python "
            f"{theirs['python_version']}, this command Ray {mine['ray_version']} on Python "
            f"{mine['python_version']}: they must be the same. Run the command in the cluster's "
            "image or environment, or install these versions here."
        )


def _first_sentence(error: BaseException) -> str:
    return str(error).strip().partition(". ")[0].partition("\n")[0] + "."


def _last_part(details: str | None) -> str:
    """Return the end of gRPC's chain of reasons, which is the system's own."""
    return (details or "unknown").rpartition(": ")[2].rstrip("]")
