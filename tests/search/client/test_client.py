"""The client of a service: what it sends again, and how it reads a stream."""

import json
import math

import httpx2
import pytest
from command_line import write_grid
from hypothesis import example, given
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


def stream_of(*parts):
    """Return an answer with a stream, which breaks behind its parts."""

    def broken():
        yield from parts
        raise httpx2.ReadError("gone")

    return httpx2.Response(200, content=broken())


def test_a_stream_that_breaks_before_its_first_event_misses_none_of_the_gap():
    seen = []
    told = b'event: progress\ndata: {"n": 1}\n\n'
    answers = [
        stream_of(b"retry: 1000\n: from 41\n\n", told),
        # Of what it asks for now, what comes after 41 may still be missing as it breaks again.
        stream_of(b"retry: 1000\n: from 43\n\n"),
        stream_of(b'id: 42\nevent: done\ndata: {"n": 2}\n\n'),
    ]
    with client_of(answers, seen) as client:
        events = client.events()
        assert [next(events).data["n"] for _ in range(2)] == [1, 2]
        events.close()
    assert [request.headers.get("Last-Event-ID") for request in seen] == [None, "41", "41"]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_stream_that_is_refused_for_a_while_is_asked_for_again_when_it_is_said(
    status, monkeypatch
):
    seen, pauses = [], []
    monkeypatch.setattr(client_module.time, "sleep", pauses.append)
    refused = httpx2.Response(status, json={"detail": "too many"}, headers={"Retry-After": "7"})
    with client_of([refused, refused, stream_of(b'event: a\ndata: {"n": 1}\n\n')], seen) as client:
        events = client.events()
        assert next(events).data == {"n": 1}
        events.close()
    assert pauses == [7.0, 7.0]
    with client_of([refused] * 9, seen := []) as client, pytest.raises(ServiceError) as error:
        next(client.events())
    assert (error.value.status, len(seen)) == (status, 5)


def test_a_stream_that_is_refused_for_good_is_told_at_once():
    seen = []
    refused = httpx2.Response(401, json={"detail": "The token is unknown."})
    with client_of([refused], seen) as client, pytest.raises(ServiceError, match="unknown"):
        next(client.events())
    assert len(seen) == 1


@given(st.text(), st.integers(1, 5))
@example("a\u2028b\x85c\u2029d\x0be\r", 2)
def test_any_text_is_read_of_a_stream_however_it_is_cut(text, size):
    data = f"data: {json.dumps({'text': text}, ensure_ascii=False)}\n\n".encode(errors="replace")
    parts = [data[i : i + size] for i in range(0, len(data), size)]
    with client_of([httpx2.Response(200, content=iter(parts))], []) as client:
        (told,) = [next(client.events())]
    assert told.data["text"] == text.encode(errors="replace").decode()


def test_a_deletion_whose_answer_was_lost_is_one_that_was_done():
    lost, gone = httpx2.ReadError("gone"), httpx2.Response(404, json={"detail": "no sweep a"})
    events = [{"id": 1, "kind": "done"}, {"id": 2, "kind": "deleted", "detail": {"bytes": 70}}]
    seen = []
    with client_of([lost, gone, httpx2.Response(200, json=events)], seen) as client:
        assert client.delete("a") == 70
    assert [request.method for request in seen] == ["DELETE", "DELETE", "GET"]
    with client_of([httpx2.Response(504), gone], []) as client:
        client.hooks.remove(7)


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_was_never_there_is_not_deleted_though_an_answer_was_lost(dry_run):
    lost, gone = httpx2.ReadError("gone"), httpx2.Response(404, json={"detail": "no sweep a"})
    nothing = httpx2.Response(200, json=[])
    for answers in ([gone], [lost, gone, nothing]):
        with client_of(answers, []) as client, pytest.raises(ServiceError, match="no sweep a") as e:
            client.delete("a", dry_run=dry_run)
        assert e.value.status == 404
    with client_of([gone], []) as client, pytest.raises(ServiceError):
        client.hooks.remove(7)


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
