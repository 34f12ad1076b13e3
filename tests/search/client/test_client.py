"""The client of a service: what it sends again, and how it reads a stream."""

import json
import math

import httpx2
import pytest
from command_line import write_grid
from hypothesis import given
from hypothesis import strategies as st

from search import run
from search.api.answers import SweepIn
from search.client import Client, ServiceError, commands
from search.client import client as client_module
from search.client.client import _file_name
from search.client.stream import told_by
from search.errors import ConfigError


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(client_module, "_PAUSE_SECONDS", 0.0)


def client_of(answers, seen):
    """Return a client whose requests get these answers, one after the other."""
    left = iter(answers)

    def answer(request):
        seen.append(request)
        found = next(left)
        if isinstance(found, Exception):
            raise found
        return found

    return Client("http://service", "token", transport=httpx2.MockTransport(answer))


def ok(**content):
    return httpx2.Response(200, json=content)


def test_a_lost_answer_is_asked_for_again_under_the_same_key():
    seen = []
    lost = [httpx2.ReadError("gone"), httpx2.Response(503, json={"detail": "busy"})]
    with client_of([*lost, ok(id="a")], seen) as client:
        assert client.submit("smoke") == {"id": "a"}
    keys = {request.headers["Idempotency-Key"] for request in seen}
    assert (len(seen), len(keys)) == (3, 1)
    assert {request.content for request in seen} == {b'{"grid":"smoke"}'}
    assert {request.headers["Authorization"] for request in seen} == {"Bearer token"}


def test_two_submissions_have_two_keys():
    seen = []
    with client_of([ok(id="a"), ok(id="b")], seen) as client:
        client.submit("smoke")
        client.submit("smoke")
    assert len({request.headers["Idempotency-Key"] for request in seen}) == 2


def test_a_refusal_is_told_with_the_service_s_words_and_asked_once():
    seen = []
    refused = httpx2.Response(422, json={"detail": "There is no grid x."})
    with client_of([refused], seen) as client, pytest.raises(ServiceError, match="no grid x") as e:
        client.submit("x")
    assert (e.value.status, e.value.exit_code, len(seen)) == (422, 2, 1)


def test_a_service_that_is_not_there_is_named_after_some_attempts():
    seen = []
    with (
        client_of([httpx2.ConnectError("refused")] * 9, seen) as client,
        pytest.raises(ServiceError, match="http://service cannot be reached: refused") as error,
    ):
        client.me()
    assert (error.value.exit_code, len(seen)) == (1, 5)


@pytest.mark.parametrize("content", [b"<html>", b"\xff", b""])
def test_what_is_no_service_is_told(content):
    with (
        client_of([httpx2.Response(200, content=content)], []) as client,
        pytest.raises(ServiceError, match="is it a service"),
    ):
        client.me()


@pytest.mark.parametrize("url", ["service", "ftp://service", "", "http://[::1"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(ConfigError, match=r"cannot be used|not an address of a service"):
        Client(url, "token").me()


def test_pages_are_read_to_their_end():
    seen = []
    pages = [
        ok(columns=["number"], rows=[[0], [1]], after="x", total=3),
        ok(columns=["number"], rows=[[2]], after=None, total=3),
    ]
    with client_of(pages, seen) as client:
        assert [row["number"] for row in client.trials("a")] == [0, 1, 2]
    assert seen[1].url.params["after"] == "x"


def test_a_stream_that_breaks_goes_on_behind_the_last_event():
    seen = []

    def broken():
        yield b'id: 7\nevent: state\ndata: {"n": 1}\n\n'
        raise httpx2.ReadError("gone")

    whole = httpx2.Response(200, content=b'id: 8\nevent: done\ndata: {"n": 2}\n\n')
    with client_of([httpx2.Response(200, content=broken()), whole], seen) as client:
        events = client.events()
        assert [next(events).data["n"] for _ in range(2)] == [1, 2]
        events.close()
    assert [request.headers.get("Last-Event-ID") for request in seen] == [None, "7"]


@given(
    st.lists(
        st.tuples(
            st.none() | st.integers(0, 9), st.sampled_from(["state", "progress"]),
            st.dictionaries(st.text(max_size=3), st.integers(), max_size=2), st.booleans(),
        )
    )
)  # fmt: skip
def test_a_stream_is_read_as_it_was_written(events):
    import json

    lines = []
    for number, kind, data, chatty in events:
        lines += [": still here", ""] if chatty else []
        lines += [] if number is None else [f"id: {number}"]
        lines += [f"event: {kind}", f"data: {json.dumps(data)}", ""]
    found = [(told.id, told.kind, told.data) for told in told_by(lines)]
    assert found == [(number, kind, data) for number, kind, data, _ in events]


@given(st.text(min_size=1, max_size=200))
def test_any_file_has_a_name_that_a_service_takes(name):
    import re
    from pathlib import Path

    if name in {".", ".."} or "/" in name or "\0" in name:
        return
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", _file_name(Path(name)))


def test_every_option_of_a_sweep_is_sent_or_refused():
    """None is left out without a word; these are on this side, or what is trained on what."""
    options = {action.dest for action in run._parser()._actions}
    here = {"help", "server", "progress", "dry_run", "json", "grid", "dataset"}
    # Sent as the value of the objective, once that is known to be the cost.
    assert options - here - {"target_cost"} == {*commands._ASKED, *run._ELSEWHERE}
    assert {*commands._ASKED} <= set(SweepIn.model_fields)


@pytest.mark.parametrize("value", [math.nan, math.inf, "\ud800"])
def test_what_json_has_no_word_for_is_the_service_s_to_refuse(value):
    seen = []
    refused = httpx2.Response(422, json={"detail": "It is not a finite number."})
    with client_of([refused], seen) as client, pytest.raises(ServiceError, match="not a finite"):
        client.submit("smoke", target_value=value)
    told = json.loads(seen[0].content)["target_value"]
    assert told == value or (told != told and value != value)  # noqa: PLR0124 - NaN


def test_what_is_no_json_is_refused_before_it_is_sent():
    seen = []
    with client_of([], seen) as client, pytest.raises(ConfigError, match="not JSON"):
        client.submit("smoke", seed={1, 2})
    assert not seen


@pytest.mark.parametrize(
    ("objective", "args"),
    [("", ["--objective", "accuracy"]), ('objective = "accuracy"\n', [])],
)
def test_a_target_cost_is_refused_where_the_cost_does_not_count(
    tmp_path, monkeypatch, capsys, objective, args
):
    write_grid(tmp_path / "mine.toml", "digits")
    grid = (tmp_path / "mine.toml").read_text()
    (tmp_path / "mine.toml").write_text(objective + grid)
    monkeypatch.setenv(client_module.TOKEN, "token")
    asked = ["--grid", str(tmp_path / "mine.toml"), "--target-cost", "0.9", *args]
    assert run.main([*asked, "--server", "http://127.0.0.1:9"]) == 2
    assert "Give --target-value 0.9" in capsys.readouterr().err
