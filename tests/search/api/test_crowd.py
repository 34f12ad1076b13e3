"""Many who look: answers worked out once, news told once for all, and a share of the processors."""

import asyncio
import json
import time
from contextlib import ExitStack

import httpx2
import pytest
from over_http import asked, listening
from serving import Gate, serving

from search.api import broadcast
from search.api.entrance.kept import Kept
from search.api.entrance.rates import Rates
from search.errors import StoreError
from search.service import Desk


@pytest.fixture
def ann(tmp_path):
    with asked(tmp_path) as person:
        yield person("ann")


@pytest.fixture
def counted(monkeypatch):
    """Return how often what was worked out, by its path."""
    counts = {}
    really = Kept._work_out

    async def work_out(self, scope, key, version):
        counts[scope["path"]] = counts.get(scope["path"], 0) + 1
        return await really(self, scope, key, version)

    monkeypatch.setattr(Kept, "_work_out", work_out)
    return counts


def test_what_has_not_changed_is_worked_out_once_and_not_sent_again(ann, counted, monkeypatch):
    monkeypatch.setattr("search.api.entrance.kept._SECONDS", 1e9)
    sweep = ann.submit()["id"]
    ann.ended(sweep)
    path = f"sweeps/{sweep}/trials"
    answers = [ann("GET", path) for _ in range(5)]
    assert len({answer.content for answer in answers}) == 1
    assert counted[f"/v1/{path}"] == 1
    tag = answers[0].headers["etag"]
    same = ann("GET", path, expect=304, headers={"If-None-Match": f'"other", {tag}'})
    assert (same.content, same.headers["etag"]) == (b"", tag)
    assert "content-length" not in same.headers or same.headers["content-length"] == "0"
    assert ann("GET", path, headers={"If-None-Match": '"other"'}).content == answers[0].content


def test_whoever_changes_something_sees_it_at_once(ann, monkeypatch):
    monkeypatch.setattr("search.api.entrance.kept._SECONDS", 1e9)
    sweep = ann.submit()["id"]
    for priority in range(20):
        ann("PATCH", f"sweeps/{sweep}", json={"priority": priority})
        assert ann.json("GET", f"sweeps/{sweep}")["priority"] == priority
        assert ann.json("GET", "sweeps")["sweeps"][0]["priority"] == priority


def test_one_person_s_answers_are_not_another_s(tmp_path):
    with asked(tmp_path, lambda: Gate(0)) as person:
        ann, bob, root = person("ann"), person("bob"), person("root", "admin")
        mine = ann.submit()["id"]
        for _ in range(2):
            assert [s["id"] for s in ann.json("GET", "sweeps?mine=true")["sweeps"]] == [mine]
            for query in ("%6dine=true", "limit=9&m%69ne=1"):  # the same, written otherwise
                assert [s["id"] for s in ann.json("GET", f"sweeps?{query}")["sweeps"]] == [mine]
                assert bob.json("GET", f"sweeps?{query}")["sweeps"] == []
            assert [bob.json("GET", "me")["person"], ann.json("GET", "me")["person"]] == [
                "bob", "ann",
            ]  # fmt: skip
            assert root.json("GET", "acts")
            bob("GET", "acts", expect=403)


def test_who_a_token_is_is_worked_out_once_for_each_and_anew_when_something_happens(
    tmp_path, counted, monkeypatch
):
    monkeypatch.setattr("search.api.entrance.kept._SECONDS", 1e9)
    with asked(tmp_path, lambda: Gate(0)) as person:
        ann, bob = person("ann"), person("bob", "viewer")
        for _ in range(3):
            told = [one.json("GET", "me") for one in (ann, bob)]
            assert [(who["person"], who["role"]) for who in told] == [
                ("ann", "submitter"), ("bob", "viewer"),
            ]  # fmt: skip
        assert counted["/v1/me"] == 2
        sweep = ann.submit()["id"]
        events = bob.json("GET", "events/past")
        assert bob.json("GET", "me")["event"] >= events[-1]["id"] > told[1]["event"]
        assert events[-1]["sweep"] == sweep


class Still:
    """A desk at which nothing changes."""

    class ledger:  # noqa: N801
        version = 1

    class board:  # noqa: N801
        version, progress = (), {}


async def ask(kept):
    """Ask for the list; return the body of the answer."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": "/v1/sweeps", "query_string": b"", "headers": [],
    }  # fmt: skip
    await kept(scope, None, send)
    return sent[-1]["body"]


def test_what_many_ask_for_at_once_is_worked_out_once_and_who_leaves_takes_it_from_nobody():
    calls, go_on = [], asyncio.Event()

    async def app(scope, receive, send):
        calls.append(scope["path"])
        await go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"here"})

    async def main():
        kept = Kept(app, Still)
        first = asyncio.create_task(ask(kept))
        others = [asyncio.create_task(ask(kept)) for _ in range(9)]
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        go_on.set()
        return await asyncio.gather(*others)

    assert asyncio.run(main()) == [b"here"] * 9
    assert len(calls) == 1


def test_what_a_command_may_have_written_since_is_looked_at_after_a_second():
    calls, now = [], [1000.0]

    async def app(scope, receive, send):
        calls.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"%d" % len(calls)})

    async def main():
        kept, found = Kept(app, Still, lambda: now[0]), []
        for now[0] in (1000.0, 1000.9, 1001.1):
            found.append(await ask(kept))
        return found

    assert asyncio.run(main()) == [b"1", b"1", b"2"]


@pytest.fixture
def streams(tmp_path, monkeypatch):
    """Return a function that follows what happens, and the service that tells it."""
    monkeypatch.setattr("search.api.app.MOST_STREAMS_OF_ONE", 10)
    with serving(tmp_path, lambda: Gate(0)) as served, ExitStack() as stack:
        url = stack.enter_context(listening(served.desk))
        token = served.service.ledger.people.add_token("ann", "submitter")
        client = stack.enter_context(httpx2.Client(timeout=30))

        def follow(**params):
            headers = {"Authorization": f"Bearer {token}"}
            if "last" in params:
                headers["Last-Event-ID"] = str(params.pop("last"))
            stream = client.stream("GET", f"{url}/v1/events", headers=headers, params=params)
            answer = stack.enter_context(stream)
            lines = answer.iter_lines()
            line = next(lines)
            assert line.startswith("retry"), line
            return lines

        yield served, follow


def told(lines, count, only=None):
    """Return the kinds and sweeps of so many events, or of so many of one kind."""
    found, kind = [], ""
    while len(found) < count:
        line = next(lines)
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: ") and kind != "progress" and only in {None, kind}:
            found.append((kind, json.loads(line.removeprefix("data: "))["sweep"]))
    return found


def test_all_who_follow_hear_everything_once_and_it_is_looked_for_once(streams, monkeypatch):
    served, follow = streams
    looks = []
    really = broadcast.Broadcast._news

    def news(self, newest, known):
        looks.append(newest)
        return really(self, newest, known)

    monkeypatch.setattr(broadcast.Broadcast, "_news", news)
    ten = [follow() for _ in range(10)]
    start = time.monotonic()
    sweeps = [served.submit(grid="smoke", seed=seed) for seed in range(3)]
    for lines in ten:
        heard = [sweep for _, sweep in told(lines, 3, "submitted")]
        assert heard == sweeps
    assert len(looks) <= 3 + (time.monotonic() - start) / broadcast._LOOK_SECONDS


def test_who_comes_back_misses_nothing_and_hears_nothing_twice(streams):
    served, follow = streams
    first = served.submit(grid="smoke")
    lines = follow(last=0)
    assert told(lines, 1) == [("submitted", first)]
    newest = served.service.ledger.events.newest
    other = follow()
    served.desk.change(served.person("ann"), first, priority=3)
    again = follow(last=newest)
    for stream in (other, again):
        assert told(stream, 1) == [("changed", first)]


def test_who_comes_back_late_hears_all_in_parts_that_cost_no_more_than_others(streams):
    served, follow = streams
    events = served.service.ledger.events
    with served.service.ledger.transaction():
        for number in range(1500):
            events.add(f"{number:010x}", "ann", "changed")
    first = list(follow(last=0))  # it ends
    assert [line for line in first if line.startswith("id")] == [
        f"id: {n + 1}" for n in range(1000)
    ]
    second = follow(last=1000)
    assert [sweep for _, sweep in told(second, 500)] == [f"{n:010x}" for n in range(1000, 1500)]
    later = served.submit(grid="smoke")
    assert told(second, 1) == [("submitted", later)]


def test_what_was_missed_is_read_before_the_answer_begins(streams, monkeypatch):
    served, follow = streams
    served.submit(grid="smoke")

    def cannot(*_):
        raise StoreError("the ledger cannot be used")

    monkeypatch.setattr(broadcast.Broadcast, "_after", cannot)
    with pytest.raises(AssertionError, match="the ledger cannot be used"):
        follow(last=0)


@pytest.mark.parametrize("last", [10**17, 10**18 - 1])
def test_who_has_seen_an_event_of_another_ledger_hears_what_happens_from_now_on(streams, last):
    served, follow = streams
    served.submit(grid="smoke")
    lines = follow(last=last)
    sweep = served.submit(grid="smoke", seed=1)
    assert told(lines, 1) == [("submitted", sweep)]


def test_a_stream_of_one_sweep_has_nothing_of_another(streams):
    served, follow = streams
    first = served.submit(grid="smoke")
    lines = follow(sweep=first)
    served.submit(grid="smoke", seed=1)
    served.desk.change(served.person("ann"), first, priority=3)
    served.desk.change(served.person("ann"), first, priority=4)
    assert {sweep for _, sweep in told(lines, 2)} == {first}


def test_a_reader_who_falls_behind_is_left_and_the_newest_progress_replaces_older():
    stream = broadcast._Stream(None, 1)
    for version in range(3):
        stream.tell([broadcast.Part("a", 0, b"%d" % version, version)])
    assert [part.text for part in stream.waiting] == [b"2"]
    stream.tell([broadcast.Part("a", n + 1, b"x") for n in range(broadcast._MOST_WAITING)])
    assert stream.ended


def test_nobody_at_the_door_waits_for_a_transaction_and_a_ledger_that_fails_is_said(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("search.api.entrance.kept._SECONDS", 1e9)
    with asked(tmp_path, lambda: Gate(0)) as person:
        ann, ledger = person("ann"), person.served.service.ledger
        tag = ann("GET", "sweeps").headers["etag"]
        with ledger.transaction():  # in this thread: others wait for its end
            ann("GET", "nowhere", expect=404)
            ledger.people.add_token("cleo", "viewer")
            ann("GET", "sweeps", expect=304, headers={"If-None-Match": tag})
        ledger._database._looking.close()
        answer = ann("GET", "me", expect=503)
        assert "cannot be used" in answer.json()["detail"]


def test_a_flood_is_told_when_to_come_again_before_anything_is_done_for_it(tmp_path, monkeypatch):
    rates = Rates(per_second=1.0, burst=3, now=lambda: 0.0)
    with asked(tmp_path, rates=rates) as person:
        ann = person("ann")
        for _ in range(3):
            ann("GET", "me")
        monkeypatch.setattr(Desk, "see", None)  # nothing is looked at
        answer = ann("GET", "sweeps", expect=429)
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["content-type"] == "application/problem+json"


def test_one_token_has_its_part_of_the_streams(streams):
    _, follow = streams
    kept = [follow() for _ in range(10)]
    with pytest.raises(AssertionError):
        follow()
    assert next(kept[0]).startswith(": from")
