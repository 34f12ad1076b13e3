"""Whose turn it is: nobody waits for what another has asked, and all have a share together."""

import asyncio
import random
import selectors

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving import serving, still

from search.api.app import make_app
from search.api.entrance import turns as turns_module
from search.api.entrance.allowance import AT_ONCE_SECONDS, Account, Allowance
from search.api.entrance.bodies import CALLER
from search.api.entrance.door import WHO
from search.api.entrance.rates import Rates
from search.api.entrance.turns import Turns

SHARE = 0.1


class SimulatedLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to whatever comes next, so that hours take a moment."""

    def __init__(self):
        loop, self.clock = self, 0.0

        class Selector(selectors.SelectSelector):
            def select(self, timeout=None):
                assert timeout is not None, "everybody waits for ever"
                loop.clock += timeout
                return super().select(0)

        super().__init__(Selector())

    def time(self):
        return self.clock


class Machine:
    """What answers cost: an app of which each request takes its scope's processor seconds."""

    def __init__(self, needed=True):
        self.spent, self.inside, self.most, self.order = 0.0, {}, 0, []
        self.needed, self.loop = needed, SimulatedLoop()
        self.allowance = Allowance(SHARE, 1.0, lambda: self.needed, self.used, self.loop.time)
        self.turns = Turns(self, self.allowance, "/v1/datasets/")

    def run(self, main):
        """Run a coroutine by a simulated clock."""
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            return runner.run(main)

    def used(self):
        """Return the processor seconds that were used: each who is inside has a core."""
        return self.spent + sum(self.loop.time() - began for began in self.inside.values())

    async def __call__(self, scope, receive, send):
        request, began = (object(), account_of(scope)), self.loop.time()
        if any(account == request[1] for _, account in self.inside):
            assert not self.allowance.owes(request[1]), "who owes is answered one by one"
        self.inside[request] = began
        self.most = max(self.most, len(self.inside))
        self.order.append(scope["number"])
        await asyncio.sleep(scope["cost"])
        del self.inside[request]
        self.spent += self.loop.time() - began
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def ask(self, who, cost=0.01, number=0, path="/v1/sweeps", leaves=None):
        """Ask once; return the status, and how long the answer took."""
        loop, statuses = asyncio.get_running_loop(), []
        began = loop.time()

        async def send(message):
            statuses.append(message.get("status"))

        scope = {"type": "http", "path": path, "headers": [], WHO: who, "cost": cost,
                 "number": number}  # fmt: skip
        await self.turns(scope, coming(leaves), send)
        return statuses[0] if statuses else None, loop.time() - began


def account_of(scope):
    """Return who pays."""
    return Account(scope[WHO], "export" if scope["path"].endswith(("/log", "/folder")) else "")


def coming(leaves=None):
    """Return what gives a body, and that the client leaves when an event is set."""
    messages = [{"type": "http.request", "body": b"whole", "more_body": False}]

    async def receive():
        if not messages:
            await (leaves or asyncio.get_running_loop().create_future())
            return {"type": "http.disconnect"}
        return messages.pop()

    return receive


# --- What is owed, and by whom.


@pytest.fixture
def machine():
    class Plain:
        used, now, needed = 0.0, 0.0, True

        def spend(self, seconds, *accounts):
            for account in accounts:
                self.allowance.enter(account)
            self.used += seconds
            for account in accounts:
                self.allowance.leave(account)

    plain = Plain()
    plain.allowance = Allowance(
        SHARE, 2.0, lambda: plain.needed, lambda: plain.used, lambda: plain.now
    )
    return plain


ANN, BOB = Account("ann"), Account("bob")


def test_what_was_saved_comes_first_and_then_who_has_used_it_waits(machine):
    machine.spend(2.0, ANN)
    assert machine.allowance.wait(ANN) == 0
    assert machine.allowance.is_short
    machine.spend(0.5 + AT_ONCE_SECONDS, ANN)
    assert machine.allowance.wait(ANN) == pytest.approx(5)
    assert machine.allowance.wait(BOB) == 0
    machine.now = 5.0
    assert machine.allowance.wait(ANN) == 0
    machine.now = 1e6  # no more is saved than that
    machine.spend(3.0, ANN)
    assert machine.allowance.wait(ANN) == pytest.approx((1.0 - AT_ONCE_SECONDS) / SHARE)
    machine.needed = False
    assert machine.allowance.wait(ANN) == 0
    assert not machine.allowance.is_short


def test_what_comes_in_is_shared_by_those_who_owe(machine):
    machine.spend(2.0)
    machine.spend(0.6, ANN, BOB)
    for account in (ANN, BOB):
        assert machine.allowance.wait(account) == pytest.approx(0.4 / SHARE)
    machine.spend(0.5, BOB)
    assert machine.allowance.wait(ANN) == pytest.approx(0.4 / SHARE)
    assert machine.allowance.wait(BOB) == pytest.approx((0.3 + 0.7) / SHARE)
    machine.now = 6.0  # ann owes nothing any more
    assert machine.allowance.wait(BOB) == pytest.approx(4.0)


def test_nothing_that_requests_have_used_is_forgiven(machine):
    machine.spend(1000.0, ANN)
    assert machine.allowance.owes(ANN)
    assert machine.allowance.wait(ANN) == pytest.approx((998.0 - AT_ONCE_SECONDS) / SHARE)
    machine.spend(1000.0)  # while nobody was answered: it holds up others for a while alone
    assert machine.allowance.wait(BOB) == 0
    assert machine.allowance.wait(ANN) == pytest.approx((998.0 - AT_ONCE_SECONDS + 2.0) / SHARE)


# --- Arrivals.

# Of each: how many ask at the same time, again and again; what each answer costs; of which kind.
FLOODS = st.lists(
    st.tuples(st.integers(1, 12), st.floats(0.1, 3.0), st.booleans()), min_size=1, max_size=4
)


async def ask_again_and_again(machine, who, cost, path, until):
    """Ask as long as that, and come again where there is no place."""
    while machine.loop.time() < until:
        status, seconds = await machine.ask(who, cost, path=path)
        assert status in {200, 503}
        assert seconds <= 30.0 + cost + 1e-6
        if status == 503:
            await asyncio.sleep(1.0)


@settings(max_examples=15, deadline=None)
@given(FLOODS, st.integers(0, 2**32))
def test_whoever_asks_for_little_never_waits_and_all_have_their_share(floods, seed):
    machine, light, chance = Machine(), [], random.Random(seed)

    async def one():
        # So much that what four heavy ones leave over is enough.
        while machine.loop.time() < 200:
            light.append(await machine.ask("light", 0.01))
            await asyncio.sleep(6 * 0.01 / SHARE + chance.random())

    async def main():
        floods_of_all = [
            ask_again_and_again(
                machine, f"heavy {who}", cost, "/v1/sweeps/ab/log" if exports else "/v1/sweeps", 200
            )
            for who, (clients, cost, exports) in enumerate(floods)
            for _ in range(clients)
        ]
        await asyncio.gather(one(), *floods_of_all)
        return machine.loop.time()

    ended = machine.run(main())
    assert {status for status, _ in light} == {200}
    assert max(seconds for _, seconds in light) < 0.01 + 1e-6
    # What was saved, what has come in, and what each may owe by those that it had at once.
    at_once = sum(
        min(clients, 2 if exports else 8) * cost + AT_ONCE_SECONDS
        for clients, cost, exports in floods
    )
    assert machine.used() <= 1.0 + SHARE * ended + at_once + AT_ONCE_SECONDS
    assert not machine.turns._lines


@pytest.mark.parametrize("cost", [0.2, 0.5, 2.0])
@pytest.mark.parametrize("pause", [0.0, 10.0, 30.0])
def test_one_who_asks_eight_times_at_once_has_no_more_than_the_share(cost, pause):
    machine = Machine()

    async def flood():
        while machine.loop.time() < 1000:
            await ask_again_and_again(machine, "ann", cost, "/v1/sweeps", machine.loop.time() + 1)
            await asyncio.sleep(pause)

    async def main():
        await asyncio.gather(*(flood() for _ in range(8)))
        return machine.loop.time()

    ended = machine.run(main())
    assert machine.used() <= 1.0 + SHARE * ended + 8 * cost + AT_ONCE_SECONDS


def test_many_who_flood_have_equal_parts_and_the_share_together():
    machine, answers = Machine(), dict.fromkeys("abcde", 0)

    async def flood(who):
        while asyncio.get_running_loop().time() < 1000:
            status, _ = await machine.ask(who, 0.05)
            assert status == 200
            answers[who] += 1

    async def main():
        # Of one of them there are many.
        await asyncio.gather(*(flood(who) for who in "abcdeeeeee"))

    machine.run(main())
    assert machine.used() == pytest.approx(1000 * SHARE, rel=0.05)
    assert max(answers.values()) <= 1.1 * min(answers.values())


def test_the_requests_of_one_line_come_one_after_the_other_in_their_order():
    machine = Machine()

    async def main():
        await machine.ask("ann", 1.5)
        return await asyncio.gather(*(machine.ask("ann", 0.2, number) for number in range(1, 7)))

    found = machine.run(main())
    assert [status for status, _ in found] == [200] * 6
    assert machine.order == [0, 1, 2, 3, 4, 5, 6]
    assert machine.most == 1


@pytest.mark.parametrize(("path", "most"), [("/v1/sweeps/ab/log", 2), ("/v1/sweeps", 8)])
def test_one_line_has_so_many_places_though_nothing_is_trained(path, most):
    machine = Machine(needed=False)

    async def main():
        await asyncio.gather(*(machine.ask("ann", path=path) for _ in range(50)))

    machine.run(main())
    assert (machine.most, len(machine.order)) == (most, 50)


def test_an_export_makes_nothing_else_of_the_same_token_wait():
    machine = Machine()

    async def main():
        await machine.ask("ann", 5.0, path="/v1/sweeps/0123456789/folder")
        light = await machine.ask("ann")
        return light, await machine.ask("ann", path="/v1/sweeps/0123456789/log")

    (status, seconds), (refused, at_once) = machine.run(main())
    assert (status, seconds) == (200, pytest.approx(0.01))
    assert (refused, at_once) == (503, 0)  # in 39 s; nobody is held on to so long


# --- Places.


def test_one_who_takes_all_places_gives_the_last_one_to_somebody_else(monkeypatch):
    monkeypatch.setattr(turns_module, "_MOST_WAITING", 6)
    machine = Machine()

    async def main():
        for who, cost in (("ann", 1.6), ("bob", 1.2), ("cleo", 1.2)):
            await machine.ask(who, cost)
        tasks = [asyncio.create_task(machine.ask("ann", number=n)) for n in range(1, 8)]
        await asyncio.sleep(0)
        others = [
            asyncio.create_task(machine.ask(who, number=10)) for who in ("bob", "cleo", "bob")
        ]
        return [[status for status, _ in await asyncio.gather(*found)] for found in (tasks, others)]

    ann, others = machine.run(main())
    # One came when all places were taken; then each of the others took the last place of the line.
    assert ann == [200, 200, 200, 503, 503, 503, 503]
    assert others == [200] * 3


@pytest.mark.parametrize("how", ["leaves", "cancelled"])
@pytest.mark.parametrize("path", ["/v1/sweeps", "/v1/sweeps/ab/log"])
def test_who_leaves_gives_the_place_up(how, path):
    machine = Machine()

    async def main():
        await machine.ask("ann", 2.0, path=path)
        leaves = asyncio.get_running_loop().create_future()
        tasks = [
            asyncio.create_task(machine.ask("ann", number=n, path=path, leaves=leaves))
            for n in (1, 2, 3)
        ]
        await asyncio.sleep(1)
        if how == "leaves":
            leaves.set_result(None)
        else:
            for task in tasks:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not machine.turns._lines
        await machine.ask("ann", number=4, path=path)
        return machine.order

    assert machine.run(main()) == [0, 4]
    assert not machine.turns._lines


def test_many_who_have_left_leave_no_place_taken():
    machine = Machine()

    async def main():
        await machine.ask("ann", 2.0)
        leaves = machine.loop.create_future()
        machine.loop.call_later(0.01, leaves.set_result, None)
        # All places of all, twice.
        for _ in range(2):
            left = await asyncio.gather(*(machine.ask("ann", leaves=leaves) for _ in range(200)))
            assert {status for status, _ in left} == {None}
        return await machine.ask("ann"), await machine.ask("bob")

    ann, bob = machine.run(main())
    assert (ann[0], bob[0]) == (200, 200)


def test_who_leaves_lets_the_next_one_come():
    machine = Machine()

    async def main():
        await machine.ask("ann", 1.5)
        leaves = machine.loop.create_future()
        first = asyncio.create_task(machine.ask("ann", number=1, leaves=leaves))
        await asyncio.sleep(0)
        second = asyncio.create_task(machine.ask("ann", number=2))
        await asyncio.sleep(1)
        leaves.set_result(None)
        return await first, await second

    (none, _), (status, seconds) = machine.run(main())
    assert (none, status, seconds) == (None, 200, pytest.approx(4.0, abs=0.05))


def test_nobody_waits_longer_than_is_said():
    machine = Machine()

    async def main():
        await machine.ask("ann", 2.0)
        return await asyncio.gather(*(machine.ask("ann", 1.0) for _ in range(8)))

    found = machine.run(main())
    assert [status for status, _ in found] == [200] * 3 + [503] * 5
    assert all(seconds <= 30 + 1e-6 for _, seconds in found)
    assert not machine.turns._lines


def test_when_training_ends_who_waits_comes_at_once():
    machine = Machine()

    async def main():
        await machine.ask("ann", 3.0)
        tasks = [asyncio.create_task(machine.ask("ann")) for _ in range(20)]
        await asyncio.sleep(5)
        assert len(machine.order) == 1
        machine.needed = False
        return await asyncio.gather(*tasks)

    for status, seconds in machine.run(main()):
        assert (status, seconds < 6.1) == (200, True)


def test_one_that_ends_lets_nobody_in_beside_another_one_of_who_owes():
    machine = Machine()

    async def main():
        async def later(at, cost, number):
            await asyncio.sleep(at)
            return await machine.ask("ann", cost, number)

        # The first two come together, before anything is owed, and the next ones after that.
        return await asyncio.gather(
            later(0, 3.0, 1), later(0, 0.7, 2), *(later(0.6, 0.05, n) for n in (3, 4, 5))
        )

    # A machine looks at each that begins.
    assert {status for status, _ in machine.run(main())} == {200}
    assert machine.most == 2


def test_who_reads_slowly_holds_up_nobody_and_uses_nothing():
    class Reads(Machine):
        async def __call__(self, scope, receive, send):
            assert (await receive())["body"] == b"whole"
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await asyncio.sleep(1000)
            await send({"type": "http.response.body", "body": b""})

    machine = Reads()

    async def main():
        begun = asyncio.Event()

        async def slow(message):
            begun.set()
            await asyncio.sleep(1e6)

        scope = {"type": "http", "path": "/v1/x", "headers": [], WHO: "ann"}
        tasks = [asyncio.create_task(machine.turns(scope, coming(), slow)) for _ in range(100)]
        await begun.wait()
        machine.spent += 100
        before = machine.allowance.wait(Account("ann"))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return before

    assert machine.run(main()) == 0


def test_what_is_sent_is_no_turn_of_anybody_and_its_pauses_cost_nothing():
    async def app(scope, receive, send):
        for _ in range(3):
            await receive()
        await send({"type": "http.response.start", "status": 201, "headers": []})

    machine = Machine()
    machine.turns = Turns(app, machine.allowance, "/v1/datasets/")

    async def main():
        async def receive():
            await asyncio.sleep(100)
            machine.spent += 50  # somebody else's
            return {"type": "http.request", "body": b"part", "more_body": True}

        async def send(message):
            statuses.append(message["status"])

        statuses = []
        scope = {"type": "http", "path": "/v1/datasets/x", "headers": [], WHO: "ann"}
        await asyncio.gather(*(machine.turns(dict(scope), receive, send) for _ in range(20)))
        return statuses, machine.allowance.wait(Account("ann", "upload"))

    assert machine.run(main()) == ([201] * 20, 0)


def test_a_stream_of_news_is_nobody_s_once_it_has_begun():
    async def app(scope, receive, send):
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for _ in range(10):
            await asyncio.sleep(10)
            await send({"type": "http.response.body", "body": b"news", "more_body": True})

    machine = Machine()
    machine.turns = Turns(app, machine.allowance, "/v1/datasets/")

    async def main():
        stream = asyncio.create_task(machine.ask("ann", path="/v1/events"))
        await asyncio.sleep(5)
        machine.spent += 3.0
        found = machine.allowance.wait(Account("ann"))
        await stream
        return found, machine.allowance._inside

    assert machine.run(main()) == (0, {})


# --- The door.


def test_who_is_refused_takes_no_turn(tmp_path, monkeypatch):
    monkeypatch.setattr("search.api.entrance.door._REFUSED_SECONDS", 0.0)
    machine = Machine()
    with serving(tmp_path) as served:
        app = make_app(served.desk, Rates(1.0, 1, lambda: 0.0), machine.allowance)

    async def ask(path):
        statuses = []

        async def send(message):
            statuses.append(message.get("status"))

        scope = {"type": "http", "path": path, "headers": [], "method": "GET", "client": ("::1", 1)}
        await app(scope, coming(), send)
        assert CALLER not in scope
        return statuses[0]

    async def main():
        return [await ask(path) for path in ("/v1/sweeps", "/v1/openapi.json", "/main.js")]

    assert machine.run(main()) == [401, 429, 429]
    assert not machine.order


@pytest.mark.parametrize("path", ["/", "/v1/openapi.json"])
def test_of_who_has_no_token_no_body_is_waited_for(tmp_path, monkeypatch, path):
    monkeypatch.setattr("search.api.entrance.bodies.BODY_SECONDS", 0.1)  # behind which is a 408
    statuses = []

    async def send(message):
        statuses.append(message.get("status"))

    async def ask(desk):
        allowance = Allowance(SHARE, 1.0, lambda: False, lambda: 0.0, lambda: 0.0)
        app = make_app(desk, Rates(1.0, 1, lambda: 0.0), allowance)
        scope = {"type": "http", "path": path, "headers": [(b"content-length", b"9")],
                 "method": "POST", "client": ("::1", 1), "query_string": b"", "root_path": "",
                 "scheme": "http", "server": ("::1", 1)}  # fmt: skip
        await asyncio.wait_for(app(scope, asyncio.Event().wait, send), 60)

    with still(tmp_path) as served:
        asyncio.run(ask(served.desk))
    assert statuses[0] == 405
