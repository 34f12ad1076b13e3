"""Hooks from Python and from the command line."""

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx2
import pytest
from over_http import asked
from serving import Gate

from search.client import KINDS, Client, ServiceError
from search.client.client import TOKEN
from search.serve import main as serve


class Receiver(BaseHTTPRequestHandler):
    """Takes what a hook is told."""

    got = ()

    def do_POST(self):
        type(self).got += (self.headers["webhook-id"],)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@contextmanager
def receiving():
    """Give the address of somebody who is told, and what came there."""

    class Mine(Receiver):
        got = ()

    with HTTPServer(("127.0.0.1", 0), Mine) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/told", Mine
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def there(tmp_path):
    """Give an address that may be told, the service's, and who asks it."""
    with (
        receiving() as (address, got),
        asked(tmp_path, lambda: Gate(0), hooks=["127.0.0.1"]) as person,
    ):
        token = person("ann")._http.headers["authorization"].removeprefix("Bearer ")
        yield address, got, person.url, token


def test_they_are_listed_added_tested_and_removed_from_python(there):
    address, got, url, token = there
    with Client(url, token) as client:
        assert client.hooks.list() == []
        made = client.hooks.add(address, ["done", "submitted"])
        assert made["secret"].startswith("whsec_")
        assert client.hooks.list() == [{k: v for k, v in made.items() if k != "secret"}]
        sent = client.hooks.test(made["id"])
        assert (sent["outcome"], got.got) == ("answered 204", (sent["id"],))
        assert client.hooks.deliveries(made["id"]) == [sent]
        assert client.hooks.remove(made["id"]) is None
        assert client.hooks.list() == []
        with pytest.raises(ServiceError, match="no hook"):
            client.hooks.test(made["id"])
        with pytest.raises(ServiceError, match="not allowed"):
            client.hooks.add("https://elsewhere.example/x")


def test_the_same_from_the_command_line(there, capfd, monkeypatch):
    address, got, url, token = there
    monkeypatch.setenv(TOKEN, token)

    def run(*args, code=0):
        assert serve(["hook", *args, "--server", url]) == code
        return capfd.readouterr()

    assert run("list").out == "There is no hook.\n"
    added = run("add", address, "--kind", "done")
    assert re.fullmatch(r"whsec_\S+\n", added.out)
    number = re.search(r"Hook (\d+)\.", added.err)[1]
    assert re.search(rf"{number} +ann +done +{address}", run("list").out)
    assert run("deliveries", number).out == "Nothing was sent to it yet.\n"
    assert "answered 204" in run("test", number).out
    assert re.search(r"test +1 +- +answered 204", run("deliveries", number).out)
    assert len(got.got) == 1
    gone = run("add", "http://127.0.0.1:1/x")
    other = re.search(r"Hook (\d+)\.", gone.err)[1]
    assert f"Hook {other} did not get the event: " in run("test", other, code=1).err
    assert "is removed" in run("remove", number).out
    said = run("add", address, "--kind", "nonsense", code=2).err
    assert "done" in said
    assert "Traceback" not in said


def test_who_adds_one_never_adds_two_by_a_lost_answer():
    seen = []

    def answer(request):
        seen.append(request)
        raise httpx2.ReadError("gone")

    with (
        Client("http://service", "token", transport=httpx2.MockTransport(answer)) as client,
        pytest.raises(ServiceError),
    ):
        client.hooks.add("https://host/x")
    assert len(seen) == 1


def test_the_kinds_are_those_of_the_service():
    from typing import get_args

    from search.api.answers import Kind

    assert get_args(Kind) == KINDS


def test_a_sweep_that_has_not_changed_is_not_sent_again():
    asked_with = []

    def answer(request):
        asked_with.append(request.headers.get("If-None-Match"))
        if asked_with[-1] == '"a"':
            return httpx2.Response(304)
        return httpx2.Response(200, json={"state": "running"}, headers={"ETag": '"a"'})

    with Client("http://service", "token", transport=httpx2.MockTransport(answer)) as client:
        assert client.get("x") == client.get("x") == {"state": "running"}
        assert client.get("y") == {"state": "running"}
    assert asked_with == [None, '"a"', None]
