"""Hooks: signed, each event under one name, tried again until it arrives."""

import base64
import hashlib
import hmac
import json
from contextlib import contextmanager

import httpx2
import pytest
from serving import Clock, wait_for

from search.errors import ConfigError
from search.ledger import ADMIN, Ledger
from search.service import ForbiddenError
from search.service.hooks import Hooks, next_attempt, signature

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
        delivery = made.test(hook)
        assert (delivery.kind, delivery.outcome, delivery.due_at) == ("test", "answered 418", None)
        assert ledger.hooks.due(10) == []


def test_only_its_owner_and_an_administrator_have_a_hook(tmp_path):
    with hooks(tmp_path, lambda _: httpx2.Response(200)) as (ledger, made, ann, bob):
        hook = made.add(ann, URL, ["done"])
        with pytest.raises(ForbiddenError, match="is ann's"):
            made.get(bob, hook.id)
        root = ledger.people.caller(ledger.people.add_token("root", ADMIN))
        ledger.events.add("a" * 10, "ann", "done")
        made.remove(root, made.get(root, hook.id))
        assert ledger.hooks.all() == []
        assert ledger.hooks.due(10) == []


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
            made.test(hook)
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
