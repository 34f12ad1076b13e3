"""News for who follows: how sweeps stand now, whenever somebody begins, and each in one line."""

import asyncio
from contextlib import aclosing

import pytest
from serving import still, written

from search.api import broadcast as broadcast_module
from search.api.broadcast import Broadcast
from search.client.stream import told_by
from search.service import Board, Progress


@pytest.fixture
def there(tmp_path, monkeypatch):
    """Give a service in which nothing runs, and news that are looked for all the time."""
    monkeypatch.setattr(broadcast_module, "_LOOK_SECONDS", 0.01)
    with still(tmp_path) as served:
        yield served


def board(*sweeps, running=1):
    """Return a board with open sweeps, each of the same version."""
    return Board(
        running={sweep: running for sweep in sweeps if running},
        progress={sweep: Progress(version=3) for sweep in sweeps},
        open=frozenset(sweeps),
    )


async def heard(stream):
    """Return what a stream tells next."""
    text = await asyncio.wait_for(anext(stream), 30)
    return list(told_by(text.decode().split("\n")))


def followed(there, act):
    """Call something with a broadcast and a function that follows."""

    async def main():
        broadcast = Broadcast(there.desk, most=10, most_of_one=10)
        token = there.person("ann").token
        await act(broadcast, lambda sweep=None: aclosing(broadcast.follow(sweep, None, token)))

    asyncio.run(main())


def test_of_a_sweep_that_has_ended_nobody_is_told_that_it_runs(there):
    sweep, ledger = written(there), there.service.ledger
    there.service.shown = board(sweep)

    async def act(broadcast, follow):
        async with follow() as first:
            assert await heard(first) == []
            (told,) = await heard(first)
            assert (told.kind, told.data["state"], told.data["running"]) == (
                "progress", "running", 1,
            )  # fmt: skip
            ledger.sweeps.end(sweep, "done")
            there.service.shown = Board()
            async with follow(sweep) as second:
                assert await heard(second) == []
                ledger.events.add(sweep, "ann", "done")
                assert [told.kind for told in await heard(second)] == ["done"]
            assert broadcast._told == {}

    followed(there, act)


def test_one_that_stands_otherwise_is_told_anew_though_no_link_has_ended(there):
    sweep, ledger = written(there), there.service.ledger
    there.service.shown = board(sweep)

    async def act(_, follow):
        async with follow() as first:
            assert await heard(first) == []
            assert [told.data["state"] for told in await heard(first)] == ["running"]
            ledger.sweeps.want(sweep, "pause")
            there.service.shown = board(sweep, running=0)
            async with follow(sweep) as second:
                assert await heard(second) == []
                assert [told.data["state"] for told in await heard(second)] == ["paused"]
                while (await heard(first))[-1].data["state"] != "paused":
                    pass
                ledger.sweeps.move(sweep, priority=7)
                for stream in (first, second):
                    assert [told.data["priority"] for told in await heard(stream)] == [7]

    followed(there, act)


def test_tasks_under_way_are_no_news_but_for_who_begins(there):
    sweep, ledger = written(there), there.service.ledger
    there.service.shown = board(sweep)

    async def act(_, follow):
        async with follow() as first:
            assert await heard(first) == []
            assert [told.data["running"] for told in await heard(first)] == [1]
            there.service.shown = board(sweep, running=2)
            async with follow() as second:
                assert await heard(second) == []
                assert [told.data["running"] for told in await heard(second)] == [2]
                ledger.events.add(sweep, "ann", "changed")
                assert [told.kind for told in await heard(first)] == ["changed"]

    followed(there, act)


def test_a_text_with_other_ends_of_lines_is_told_in_one_line(there):
    sweep = written(there)
    reason = "a\x85b\u2028c\u2029d\x0be é"

    async def act(_, follow):
        async with follow() as stream:
            assert await heard(stream) == []
            there.service.ledger.events.add(sweep, "ann", "failed", reason=reason)
            text = (await asyncio.wait_for(anext(stream), 30)).decode()
            (told,) = told_by(text.splitlines())
            assert told.data["detail"]["reason"] == reason
            there.service.ledger.sweeps.held_up(sweep, reason)
            there.service.shown = board(sweep)
            (told,) = told_by((await asyncio.wait_for(anext(stream), 30)).decode().splitlines())
            assert told.data["reason"] == reason

    followed(there, act)
