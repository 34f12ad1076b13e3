"""Whoever is at an address is asked first, and refused in words and within seconds."""

import json
import platform
import socket
from concurrent import futures
from contextlib import contextmanager

import grpc
import pytest
import ray
from ray._private.authentication_test_utils import reset_auth_token_state
from ray.core.generated import gcs_service_pb2 as gcs

import cluster.knock
from cluster.connection import connect
from cluster.errors import AddressError
from cluster.knock import knock

OURS = {"ray_version": ray.__version__, "python_version": platform.python_version()}


@contextmanager
def head(answer):
    """Serve the one question of `knock` as a head does; `answer` gets the context of the call."""
    handler = grpc.unary_unary_rpc_method_handler(
        lambda request, context: gcs.InternalKVGetReply(value=answer(context)),
        request_deserializer=gcs.InternalKVGetRequest.FromString,
        response_serializer=gcs.InternalKVGetReply.SerializeToString,
    )
    service = grpc.method_handlers_generic_handler(
        "ray.rpc.InternalKVGcsService", {"InternalKVGet": handler}
    )
    server = grpc.server(futures.ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((service,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@contextmanager
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def saying(**versions):
    return lambda context: json.dumps(OURS | versions).encode()


@pytest.fixture(autouse=True)
def token(monkeypatch, tmp_path):
    """Give each test a token of its own; Ray keeps the one that it has read first."""
    (tmp_path / "token").write_text("s" * 32)
    with monkeypatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
        reset_auth_token_state()
        yield
    reset_auth_token_state()


def test_a_cluster_of_these_versions_is_welcome():
    with head(saying()) as address:
        knock(address)


@pytest.mark.parametrize(
    ("versions", "theirs"),
    [
        ({"ray_version": "2.1.0"}, f"Ray 2.1.0 on Python {platform.python_version()}"),
        ({"python_version": "3.9.1"}, f"Ray {ray.__version__} on Python 3.9.1"),
    ],
)
def test_other_versions_are_named_with_ours(versions, theirs):
    with head(saying(**versions)) as address, pytest.raises(AddressError) as refused:
        knock(address)
    message = str(refused.value)
    assert f"The cluster at {address} runs {theirs}, this command Ray {ray.__version__}" in message
    assert "must be the same" in message


def test_a_wrong_token_is_told_from_everything_else():
    def refuse(context):
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "InvalidAuthToken")

    with head(refuse) as address, pytest.raises(AddressError, match=r"wants another token\. Put"):
        knock(address)


@pytest.mark.parametrize(
    ("mode", "reason"),
    [(None, "is not set"), ("disabled", "is disabled")],
)
def test_a_token_that_is_not_shown_is_no_wrong_one(monkeypatch, tmp_path, mode, reason):
    """The head refuses as Ray's does, by what came along with the call."""

    def refuse(context):
        assert "authorization" not in dict(context.invocation_metadata())
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "no token")

    monkeypatch.delenv("RAY_AUTH_MODE")
    if mode:
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
    reset_auth_token_state()
    with head(refuse) as address, pytest.raises(AddressError) as refused:
        knock(address)
    assert f"asks for a token, and none is shown: RAY_AUTH_MODE {reason}." in str(refused.value)
    assert f"Set RAY_AUTH_MODE=token to show the one of {tmp_path / 'token'}." in str(refused.value)
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH")
    monkeypatch.setenv("HOME", str(tmp_path))
    with head(refuse) as address, pytest.raises(AddressError, match=r"is shown: .*Put the cluster"):
        knock(address)


def test_a_token_that_is_not_there_is_asked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))
    reset_auth_token_state()
    with pytest.raises(AddressError, match=r"There is no token for 127\.0\.0\.1:6379: .*none"):
        knock("127.0.0.1:6379")


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_where_nothing_listens_the_systems_reason_is_told(form):
    with listening() as place:
        address = form.format(place.rpartition(":")[2])
    with pytest.raises(AddressError, match=rf"No Ray cluster answers at {address}: Connection ref"):
        knock(address)


@pytest.mark.parametrize("form", ["{}", "ray://{}"])
def test_silence_ends_by_itself(monkeypatch, form):
    monkeypatch.setattr(cluster.knock, "_SECONDS", 0.3)
    with listening() as place, pytest.raises(AddressError, match="No Ray cluster answers at"):
        knock(form.format(place))


def test_the_port_of_the_head_is_not_that_for_clients():
    with head(saying()) as address, pytest.raises(AddressError, match=r"not this port of it.*6379"):
        knock(f"ray://{address}")


def test_a_dashboards_address_is_explained():
    with pytest.raises(AddressError, match=r"is a dashboard.*ray job submit --address http://h:8"):
        knock("http://h:8265")


@pytest.mark.parametrize("address", ["auto", "local", "some-name"])
def test_names_are_left_to_ray(address):
    knock(address)


def test_an_address_of_the_environment_is_named_as_such(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "http://h:8265")
    with pytest.raises(AddressError, match=r"is a dashboard.*http://h:8265 is RAY_ADDRESS; unset"):
        connect(None, None)
    with pytest.raises(AddressError, match=r"is a dashboard") as refused:
        connect("http://other:8265", None)
    assert "RAY_ADDRESS" not in str(refused.value)
