"""Hooks: signed, each event under one name, tried again until it arrives."""

import base64
import hashlib
import hmac
import json
import socket
import threading
from contextlib import contextmanager, suppress

import httpx2
import pytest
from serving import Clock, wait_for

from search.errors import ConfigError
from search.ledger import ADMIN, Delivery, Ledger
from search.ledger import hooks as ledger_hooks
from search.service import ForbiddenError
from search.service import hooks as hooks_module
from search.service.hooks import Hooks, next_attempt, next_ones, signature

URL = "https://hooks.example/a"


@contextmanager
def hooks(root, answers, clock=None):
    """Give a ledger, hooks that send what `answers` gets, and two people."""
    ledger = Ledger(root / "ledger.sqlite", clock or Clock())
    made = Hooks(ledger, ["hooks.example"], lambda: httpx2.MockTransport(answers))
    people = ledger.people
    ann, bob = (people.caller(people.add_token(name, "submitter")) for name in ("ann", "bob"))
    made.start()
    try:
        yield ledger, made, ann, bob
    finally:
        made.stop()
        ledger.close()


def test_it_is_signed_as_the_specification_says():
    key = bytes(range(32))
    secret = "whsec_" + base64.b64encode(key).decode()
    mine = hmac.new(key, b'event_1_1.1700000000.{"a": 1}', hashlib.sha256).digest()
    made = signature(secret, "event_1_1", 1_700_000_000, '{"a": 1}')
    assert made == "v1," + base64.b64encode(mine).decode()


def test_the_pause_doubles_and_it_is_given_up_in_the_end():
    pauses = []
    attempts = 1
    while (at := next_attempt(attempts, 100.0)) is not None:
        pauses.append(at - 100.0)
        attempts += 1
    assert pauses[:4] == [5.0, 10.0, 20.0, 40.0]
    assert max(pauses) == 6 * 3600.0
    assert 86400 < sum(pauses) < 4 * 86400


def test_an_event_comes_once_signed_and_only_to_whose_sweep_it_is(tmp_path):
    got = []

    def answers(request):
        got.append(request)
        return httpx2.Response(204)

    with hooks(tmp_path, answers) as (ledger, made, ann, bob):
        hook = made.add(ann, URL, ["done"])
        made.add(bob, URL, ["done"])
        ledger.events.add("a" * 10, "ann", "submitted")
        ledger.events.add("a" * 10, "ann", "done", best={"cost": 0.4})
        wait_for(lambda: got and ledger.hooks.deliveries(hook.id)[0].attempts)
        (delivery,) = ledger.hooks.deliveries(hook.id)
    (request,) = got
    body = json.loads(request.content)
    assert (body["type"], body["data"]["sweep"]) == ("done", "a" * 10)
    assert body["data"]["best"] == {"cost": 0.4}
    assert request.headers["webhook-id"] == delivery.id
    assert request.headers["webhook-signature"] == signature(
        hook.secret,
        delivery.id,
        int(request.headers["webhook-timestamp"]),
        request.content.decode(),
    )
    assert (delivery.outcome, delivery.due_at) == ("answered 204", None)


def test_what_does_not_arrive_is_tried_again_under_the_same_name_also_after_a_restart(tmp_path):
    clock, names, states = Clock(), [], [500, None, 301, 200]

    def answers(request):
        names.append(request.headers["webhook-id"])
        state = states[len(names) - 1]
        if state is None:
            raise httpx2.ConnectError("nobody there")
        return httpx2.Response(state, headers={"location": "https://elsewhere.example"})

    with hooks(tmp_path, answers, clock) as (ledger, made, ann, _):
        hook = made.add(ann, URL, ["done"])
        ledger.events.add("a" * 10, "ann", "done")
        for attempt in (1, 2):
            wait_for(lambda n=attempt: ledger.hooks.deliveries(hook.id)[0].attempts == n)
            assert len(names) == attempt  # not before it is time
            clock.now += 5.0 * 2 ** (attempt - 1)
        assert ledger.hooks.deliveries(hook.id)[0].outcome == "ConnectError: nobody there"
    with hooks(tmp_path, answers, clock) as (ledger, *_):
        wait_for(lambda: ledger.hooks.deliveries(hook.id)[0].attempts == 3)
        clock.now += 20.0
        wait_for(lambda: ledger.hooks.deliveries(hook.id)[0].outcome == "answered 200")
    assert len(set(names)) == 1
    assert len(names) == 4


def test_a_test_says_at_once_how_it_went(tmp_path):
    with hooks(tmp_path, lambda _: httpx2.Response(418)) as (ledger, made, ann, _):
        hook = made.add(ann, URL, ["done"])
        delivery = made.test(ann, hook)
        assert (delivery.kind, delivery.outcome, delivery.due_at) == ("test", "answered 418", None)
        assert ledger.hooks.due() == []


def test_only_its_owner_and_an_administrator_have_a_hook(tmp_path):
    with hooks(tmp_path, lambda _: httpx2.Response(200)) as (ledger, made, ann, bob):
        hook = made.add(ann, URL, ["done"])
        with pytest.raises(ForbiddenError, match="is ann's"):
            made.get(bob, hook.id)
        root = ledger.people.caller(ledger.people.add_token("root", ADMIN))
        ledger.events.add("a" * 10, "ann", "done")
        made.remove(root, made.get(root, hook.id))
        assert ledger.hooks.all() == []
        assert ledger.hooks.due() == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8741/v1/sweeps", "https://169.254.169.254/latest", "file:///etc/passwd",
        "https://me@hooks.example/", "https://hooks.example.evil/", "https://", "hooks.example",
        "https://[::1", "https://hooks.example:99999999/",
    ],
)  # fmt: skip
def test_what_the_administrator_has_not_allowed_is_told_nothing(tmp_path, url):
    with hooks(tmp_path, lambda _: httpx2.Response(200)) as (ledger, made, ann, _):
        with pytest.raises(ConfigError, match=r"not an address|are not allowed"):
            made.add(ann, url, ["done"])
        assert ledger.hooks.all() == []


def test_old_deliveries_go(tmp_path):
    with hooks(tmp_path, lambda _: httpx2.Response(200)) as (ledger, made, ann, _):
        hook = made.add(ann, URL, ["state"])
        for _ in range(130):
            made.test(ann, hook)
        assert len(ledger.hooks.deliveries(hook.id, 1000)) == 100


def test_a_ledger_of_before_gets_what_it_lacks(tmp_path, monkeypatch):
    from search.ledger import database

    path = tmp_path / "ledger.sqlite"
    with monkeypatch.context() as earlier:
        earlier.setattr(database, "VERSION", 1)
        earlier.setattr(database, "_STEPS", database._STEPS[:1])
        database.Database(path).close()
    ledger = Ledger(path)
    ledger.people.add("ann")
    assert ledger.hooks.add("ann", URL, ["done"]).id == 1
    ledger.close()


def test_one_person_s_silent_hosts_hold_up_nobody_else(tmp_path):
    """Each of them waits until the other one's has arrived."""
    arrived, silent, most, lock = threading.Event(), [], [], threading.Lock()

    def answers(request):
        if request.url.path == "/good":
            arrived.set()
            return httpx2.Response(204)
        with lock:
            silent.append(request)
            most.append(len(silent))
        assert arrived.wait(60)
        with lock:
            silent.pop()
        return httpx2.Response(204)

    with hooks(tmp_path, answers) as (ledger, made, ann, bob):
        with ledger.transaction():
            for n in range(hooks_module.MOST_HOOKS):
                made.add(ann, f"{URL}/{n}", ["done"])
            good = made.add(bob, "https://hooks.example/good", ["done"])
            ledger.events.add("a" * 10, "ann", "done")
            ledger.events.add("b" * 10, "bob", "done")
        wait_for(lambda: ledger.hooks.deliveries(good.id)[0].outcome == "answered 204", 60)
        wait_for(lambda: not ledger.hooks.due(), 60)
    assert max(most) <= 2


def test_four_people_s_silent_hosts_hold_up_no_fifth_one(tmp_path):
    """All that have had their turn are silent until what a fifth person waits for has come."""
    arrived, lock, turns = threading.Event(), threading.Lock(), []

    def answers(request):
        with lock:
            turns.append(request.url.path)
            mine = len(turns)
        if request.url.path == "/good":
            arrived.set()
        elif mine > 8:
            assert arrived.wait(30)
        return httpx2.Response(204)

    with hooks(tmp_path, answers) as (ledger, made, _, bob):
        people = [
            ledger.people.caller(ledger.people.add_token(f"silent {n}", "submitter"))
            for n in range(4)
        ]
        with ledger.transaction():
            for caller in people:
                for n in range(2):
                    made.add(caller, f"{URL}/{n}", ["done"])
            good = made.add(bob, "https://hooks.example/good", ["done"])
            for _ in range(20):
                for caller in people:
                    ledger.events.add("a" * 10, caller.person, "done")
            ledger.events.add("b" * 10, "bob", "done")
        wait_for(lambda: ledger.hooks.deliveries(good.id)[0].attempts, 60)
        assert arrived.is_set()
        wait_for(lambda: not ledger.hooks.due(), 60)
    assert turns.index("/good") < 16


def test_of_one_person_too_each_hook_has_its_turn():
    waiting = {1: 50, 2: 50, 3: 1, 4: 50}  # the first two are the oldest
    owners = {1: "ann", 2: "ann", 3: "ann", 4: "bob"}
    turns = {}
    for turn in range(1, 4):
        due = [Delivery(str(hook), hook, "done", "", 0, 0.0, "") for hook in waiting]
        found = [one.hook for one in next_ones(due, owners, [], turns)]
        turns |= {hook: 10 * turn + place for place, hook in enumerate(found)}
        assert len(found) == 3
        assert 4 in found
        if 3 in found:
            break
    assert turn == 2


class CutOff(httpx2.BaseTransport):
    """A request that fails as soon as its connection is cut, while that is still being cut."""

    def __init__(self):
        self.cut, self.has_failed = threading.Event(), threading.Event()

    def handle_request(self, request):
        assert self.cut.wait(60)
        raise httpx2.ReadError("it is gone", request=request)

    def close(self):
        self.cut.set()
        assert self.has_failed.wait(60)


class AtOnce(threading.Timer):
    """A timer whose time has come before anything else happens."""

    def start(self):
        self.function()


@contextmanager
def of_ann(root, transport):
    """Give hooks that nothing is sent to but tests, their owner and one of them."""
    ledger = Ledger(root / "ledger.sqlite")
    made = Hooks(ledger, ["hooks.example"], transport)
    ann = ledger.people.caller(ledger.people.add_token("ann", "submitter"))
    yield made, ann, made.add(ann, URL, ["done"])
    ledger.close()


def test_who_is_cut_off_is_told_so_however_soon_it_notices(tmp_path, monkeypatch):
    monkeypatch.setattr(hooks_module, "_WHOLE_SECONDS", 0.01)
    transport = CutOff()
    with of_ann(tmp_path, lambda: transport) as (made, ann, hook):
        try:
            outcome = made.test(ann, hook).outcome
        finally:
            transport.has_failed.set()
    assert outcome == "TimeoutError: no whole answer within 0.01 s"


def test_who_is_cut_off_before_anything_was_sent_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr(threading, "Timer", AtOnce)

    def transport():
        return httpx2.MockTransport(lambda _: httpx2.Response(200))

    with of_ann(tmp_path, transport) as (made, ann, hook):
        outcome = made.test(ann, hook).outcome
    assert outcome == "TimeoutError: no whole answer within 10 s"


def test_a_silent_host_does_not_hold_up_the_end_and_is_due_still(tmp_path, monkeypatch):
    monkeypatch.setattr(hooks_module, "_LAST_SECONDS", 0.05)
    under_way, may, threads = threading.Event(), threading.Event(), []

    def answers(request):
        threads.append(threading.current_thread())
        under_way.set()
        assert may.wait(10)
        return httpx2.Response(204)

    with hooks(tmp_path, answers) as (ledger, made, ann, _):
        hook = made.add(ann, URL, ["done"])
        ledger.events.add("a" * 10, "ann", "done")
        try:
            assert under_way.wait(60)
            made.stop()
            assert threads[0].is_alive()
        finally:
            may.set()
        threads[0].join(60)
        (delivery,) = ledger.hooks.due()
        assert (delivery.hook, delivery.attempts, delivery.outcome) == (hook.id, 0, "")


def test_what_arrives_as_all_ends_is_written_down(tmp_path):
    under_way, may = threading.Event(), threading.Event()

    def answers(request):
        under_way.set()
        assert may.wait(60)
        return httpx2.Response(204)

    with hooks(tmp_path, answers) as (ledger, made, ann, _):
        hook = made.add(ann, URL, ["done"])
        ledger.events.add("a" * 10, "ann", "done")
        assert under_way.wait(60)
        made._stopping.set()  # as `stop` does first
        may.set()
        made.stop()
        assert ledger.hooks.deliveries(hook.id)[0].outcome == "answered 204"


def test_an_answer_that_comes_letter_by_letter_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr(hooks_module, "_WHOLE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip():
            with server.accept()[0] as connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                for _ in range(600):  # a letter before each time-out
                    connection.sendall(b"x")
                    if threading.Event().wait(0.05):
                        break

        dripping = threading.Thread(target=drip, daemon=True)
        dripping.start()
        ledger = Ledger(tmp_path / "ledger.sqlite")
        made = Hooks(ledger, ["127.0.0.1"])
        ann = ledger.people.caller(ledger.people.add_token("ann", "submitter"))
        hook = made.add(ann, f"http://127.0.0.1:{server.getsockname()[1]}/", ["done"])
        assert "no whole answer within 0.2 s" in made.test(ann, hook).outcome
        dripping.join(60)
        ledger.close()


def test_of_what_waits_for_a_hook_the_newest_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger_hooks, "_WAITING", 5)
    monkeypatch.setattr(ledger_hooks, "_KEPT", 3)
    ledger = Ledger(tmp_path / "ledger.sqlite", Clock())
    ledger.people.add("ann")
    hook = ledger.hooks.add("ann", URL, ["changed"])
    for _ in range(20):
        ledger.events.add("a" * 10, "ann", "changed")
    found = ledger.hooks.deliveries(hook.id)
    assert [one.id for one in found] == [f"event_{n}_{hook.id}" for n in range(20, 12, -1)]
    assert [one.due_at is None for one in found] == [False] * 5 + [True] * 3
    assert found[-1].outcome == "given up: 5 newer ones wait"
    assert [one.id for one in ledger.hooks.due()] == [f"event_16_{hook.id}"]
    ledger.close()


def test_how_much_waits_for_a_hook_does_not_make_the_look_longer(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite", clock := Clock())
    ledger.people.add("ann")
    made = [ledger.hooks.add("ann", URL, ["done"]) for _ in range(5)]
    looked = []
    for count in (10, 200):
        with ledger.transaction():
            for _ in range(count):
                ledger.events.add("a" * 10, "ann", "done")
        steps = []
        connection = ledger._database._connection
        connection.set_progress_handler(lambda seen=steps: seen.append(1) and None, 1)
        due = ledger.hooks.due()
        connection.set_progress_handler(None, 0)
        looked.append(len(steps))
        assert [one.id for one in due] == [f"event_1_{hook.id}" for hook in made]
    assert looked[0] == looked[1]
    ledger.hooks.tried(due[0], "answered 500", clock.now + 5.0)
    assert [one.id for one in ledger.hooks.due()] == [
        *(f"event_1_{hook.id}" for hook in made[1:]), f"event_2_{made[0].id}"
    ]  # fmt: skip
    clock.now += 5.0
    assert ledger.hooks.due() == [ledger.hooks.delivery(f"event_1_{made[0].id}"), *due[1:]]
    ledger.close()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("Hooks.Example", "https://hooks.example/a"), ("hooks.example", "https://HOOKS.example:8/"),
        ("hooks.example:443", "https://hooks.example/"), ("hooks.example:80", "http://hooks.example"),
        ("hooks.example:8", "https://hooks.example:8/"), ("[::1]:443", "https://[::1]/"),
        ("::1", "http://[::1]:8/"),
    ],
)  # fmt: skip
def test_a_host_is_allowed_however_it_is_written(tmp_path, host, url):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ann = ledger.people.caller(ledger.people.add_token("ann", "submitter"))
    assert Hooks(ledger, [host]).add(ann, url, ["done"]).url == url
    with pytest.raises(ConfigError, match="are not allowed"):
        Hooks(ledger, ["hooks.example:443"]).add(ann, "http://hooks.example/", ["done"])
    ledger.close()
