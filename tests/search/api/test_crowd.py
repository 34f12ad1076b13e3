"""Many who look: answers worked out once, news told once for all, and a share of the processors."""

import asyncio
import json
import time
from contextlib import ExitStack

import httpx2
import pytest
from over_http import asked, listening
from serving import Gate, serving

from search.api import allowance, broadcast
from search.api.allowance import Allowance, Turns
from search.api.app import make_app
from search.api.door import CALLER
from search.api.kept import Kept
from search.api.rates import Rates
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
    monkeypatch.setattr("search.api.kept._SECONDS", 1e9)
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
    monkeypatch.setattr("search.api.kept._SECONDS", 1e9)
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
def streams(tmp_path):
    """Return a function that follows what happens, and the service that tells it."""
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
            assert next(lines).startswith("retry")
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


def test_answers_have_a_share_and_what_was_saved():
    used, now, needed = [0.0], [0.0], [True]
    mine = Allowance(0.1, 2.0, lambda: needed[0], lambda: used[0], lambda: now[0])
    used[0] = 1.9
    assert mine.wait() == 0
    used[0] = 2.5
    assert mine.wait() == pytest.approx(5)
    now[0] = 6.0
    assert mine.wait() == 0
    now[0] = 1e6  # no more is saved than that
    used[0] += 3.0
    assert mine.wait() == pytest.approx(10)
    needed[0] = False
    assert mine.wait() == 0


def test_what_is_owed_is_bounded_whatever_was_used():
    used, now = [0.0], [0.0]
    mine = Allowance(0.1, 2.0, lambda: True, lambda: used[0], lambda: now[0])
    used[0] = 1000.0
    assert mine.wait() == pytest.approx(2.0 / 0.1)
    now[0] = 21.0
    assert mine.wait() == 0


class _Counted:
    """An allowance of which something is left when a test says so."""

    def __init__(self, wait=0.2):
        self.left, self._wait = 0, wait

    def wait(self):
        return 0.0 if self.left > 0 else self._wait


def coming(leaves=None):
    """Return what gives a body, and that the client leaves when an event is set."""
    messages = [{"type": "http.request", "body": b"whole", "more_body": False}]

    async def receive():
        if not messages:
            await (leaves or asyncio.Event()).wait()
            return {"type": "http.disconnect"}
        return messages.pop()

    return receive


async def take_turn(turns, number, path="/v1/sweeps", leaves=None, **more):
    """Ask with a token; return the status."""
    statuses = []

    async def send(message):
        statuses.append(message.get("status"))

    scope = {"type": "http", "path": path, "number": number, "headers": [], CALLER: "ann", **more}
    await turns(scope, coming(leaves), send)
    return statuses[0] if statuses else None


def test_beyond_the_share_requests_come_one_after_the_other_in_their_order(monkeypatch):
    monkeypatch.setattr(allowance, "_MOST_WAITING", 6)
    mine, order, inside, go_on = _Counted(), [], [], asyncio.Event()

    async def app(scope, receive, send):
        inside.append(scope["number"])
        assert len(inside) == 1
        order.append(scope["number"])
        assert scope["number"] == 99 or (await receive())["body"] == b"whole"
        await asyncio.sleep(0)
        inside.remove(scope["number"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await go_on.wait()  # who reads slowly holds up nobody

    async def main():
        turns = Turns(app, mine, "/v1/datasets/")
        tasks = [asyncio.create_task(take_turn(turns, number)) for number in range(8)]
        scope = {"type": "http", "path": "/page.css", "number": 99}

        async def send(message):
            pass

        page = asyncio.create_task(turns(scope, None, send))
        await asyncio.sleep(0.05)
        assert order == [99]  # who comes without a token waits for nothing
        mine.left = 1
        while len(order) < 7:
            await asyncio.sleep(0.001)
        go_on.set()
        await page
        return await asyncio.gather(*tasks)

    statuses = asyncio.run(main())
    assert order == [99, *range(6)]
    assert statuses == [200] * 6 + [503] * 2


@pytest.mark.parametrize("how", ["leaves", "cancelled"])
def test_who_leaves_gives_the_place_up(monkeypatch, how):
    monkeypatch.setattr(allowance, "_MOST_WAITING", 3)
    mine, order = _Counted(1e9), []

    async def app(scope, receive, send):
        order.append(scope["number"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def main():
        turns, leaves = Turns(app, mine, "/v1/datasets/"), asyncio.Event()
        paths = ["/v1/sweeps", "/v1/plan", "/v1/sweeps"]
        tasks = [
            asyncio.create_task(take_turn(turns, number, path, leaves))
            for number, path in enumerate(paths)
        ]
        await asyncio.sleep(0.01)
        assert await take_turn(turns, 3) == 503
        if how == "leaves":
            leaves.set()
            assert await asyncio.gather(*tasks) == [None] * 3
        else:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        mine.left = 1
        return await take_turn(turns, 4), turns._waiting, turns._turn.locked()

    assert asyncio.run(main()) == (200, 0, False)
    assert order == [4]


def test_what_is_used_meanwhile_makes_nobody_wait_without_end():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    turns = Turns(app, _Counted(0.01), "/v1/datasets/")  # nothing is ever left
    assert asyncio.run(take_turn(turns, 1)) == 200
    assert asyncio.run(take_turn(turns, 2, "/v1/datasets/x")) == 200


def test_nobody_at_the_door_waits_for_a_transaction_and_a_ledger_that_fails_is_said(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("search.api.kept._SECONDS", 1e9)
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


def test_who_is_refused_takes_no_turn(tmp_path, monkeypatch):
    monkeypatch.setattr("search.api.door._REFUSED_SECONDS", 0.0)
    with serving(tmp_path) as served:
        app = make_app(served.desk, Rates(1.0, 1, lambda: 0.0), _Counted(1e9))

    async def main():
        statuses = [await take_turn(app, n, method="GET", client=("::1", 1)) for n in range(2)]
        path = "/v1/openapi.json"
        return [*statuses, await take_turn(app, 2, path, method="GET", client=("::1", 1))]

    assert asyncio.run(asyncio.wait_for(main(), 60)) == [401, 429, 429]


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
