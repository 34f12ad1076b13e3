"""What the service remembers: whole or absent, once, and never more than it may."""

import itertools
import os
import sqlite3
import subprocess
import sys
import threading
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving import Clock, in_threads

from search.errors import ConfigError
from search.ledger import DeletedSweepError, Ledger, LedgerError, RepeatedKeyError, Submission
from search.queue import CANCEL, PAUSE, RUN, STOP, Queue, decayed


def submission(person="ann", key=None, digest=b"1", **more):
    return Submission(**{
        "person": person, "queue": "all", "priority": 0, "name": "grid", "settings": {"seed": 1},
        "options": {"refits": 1}, "dataset": {"fingerprint": "f"}, "total": 8,
        "folder": lambda sweep: f"/runs/{sweep}", "request_digest": digest, "idempotency_key": key,
    } | more)  # fmt: skip


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger(tmp_path, clock):
    ledger = Ledger(tmp_path / "ledger.sqlite", clock)
    for name in ("ann", "bob"):
        ledger.people.add(name)
    yield ledger
    ledger.close()


def test_a_token_is_known_until_it_is_revoked_or_expires_and_stands_nowhere(
    ledger, clock, tmp_path
):
    token = ledger.people.add_token("cleo", "viewer", expires_at=clock.now + 60)
    other = ledger.people.add_token("cleo", "admin")
    assert ledger.people.caller(token).person == "cleo"
    assert [ledger.people.caller(t).role for t in (token, other)] == ["viewer", "admin"]
    clock.now += 60
    assert ledger.people.caller(token) is None
    ledger.people.revoke(2)
    ledger.people.revoke(2)
    assert ledger.people.caller(other) is None
    assert ledger.people.caller("no such token \udcff") is None
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert token.encode() not in written
    assert other.encode() not in written
    assert (tmp_path / "ledger.sqlite").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("role", "allowed"), [("viewer", 1), ("submitter", 2), ("admin", 3)])
def test_a_role_allows_what_lesser_ones_do(ledger, role, allowed):
    caller = ledger.people.caller(ledger.people.add_token("cleo", role))
    assert [caller.may(r) for r in ("viewer", "submitter", "admin")] == [
        i < allowed for i in range(3)
    ]


def test_there_is_no_other_role_and_no_other_token(ledger):
    with pytest.raises(ConfigError, match=r"no role 'root'; roles are viewer, submitter, admin"):
        ledger.people.add_token("cleo", "root")
    with pytest.raises(ConfigError, match="no token 7"):
        ledger.people.revoke(7)


def test_the_same_key_is_the_same_sweep_and_another_request_under_it_is_refused(ledger):
    first, is_new = ledger.sweeps.submit(submission(key="k"))
    again, again_new = ledger.sweeps.submit(submission(key="k"))
    assert (is_new, again_new, again) == (True, False, first)
    with pytest.raises(RepeatedKeyError, match="'k' was used for another request"):
        ledger.sweeps.submit(submission(key="k", digest=b"2"))
    other, is_new = ledger.sweeps.submit(submission("bob", key="k"))
    assert is_new
    assert other.id != first.id


def test_64_threads_with_8_keys_make_8_sweeps(ledger):
    found = in_threads(64, lambda n: ledger.sweeps.submit(submission(key=f"k{n % 8}"))[0].id)
    assert len(set(found)) == 8
    assert len(ledger.sweeps.live()) == 8


def test_what_is_removed_is_not_seen_and_its_key_stays_taken(ledger):
    row, _ = ledger.sweeps.submit(submission(key="k"))
    ledger.sweeps.end(row.id, "done")
    ledger.sweeps.remove(row.id)
    assert ledger.sweeps.page() == []
    assert ledger.sweeps.find(row.id) is None
    with pytest.raises(DeletedSweepError, match=f"{row.id}.*'k', was deleted.*give a new key"):
        ledger.sweeps.repeated("ann", "k", b"1")
    with pytest.raises(RepeatedKeyError, match="another request"):
        ledger.sweeps.repeated("ann", "k", b"2")


def test_a_sweep_ends_once(ledger):
    row, _ = ledger.sweeps.submit(submission())
    assert ledger.sweeps.end(row.id, "done")
    assert not ledger.sweeps.end(row.id, "failed", "late")
    assert ledger.sweeps.get(row.id).ended == "done"
    with pytest.raises(ValueError, match="has ended"):
        ledger.sweeps.want(row.id, PAUSE)


def test_pages_have_each_sweep_once_the_newest_first(ledger):
    ids = [ledger.sweeps.submit(submission((n % 2 and "ann") or "bob"))[0].id for n in range(7)]
    seen, before = [], None
    while page := ledger.sweeps.page(before, limit=3):
        seen += [row.id for row in page]
        before = page[-1].place
    assert seen == ids[::-1]
    assert [row.id for row in ledger.sweeps.page(person="ann")] == ids[1::2][::-1]


def test_pages_of_what_has_ended_begin_with_the_last_that_did_so(ledger, clock):
    ids = [ledger.sweeps.submit(submission())[0].id for _ in range(9)]
    live, ended = [ids[0], ids[4]], ids[8:4:-1] + ids[3:0:-1]  # in another order than they came in
    for n, sweep in enumerate(ended):
        clock.now += n % 3  # some at the same moment
        ledger.sweeps.end(sweep, "done")
    moments = {sweep: ledger.sweeps.get(sweep).ended_at for sweep in ended}
    seen, before = [], None
    while page := ledger.sweeps.page(before, limit=2, which="ended"):
        seen += [row.id for row in page]
        before = page[-1].place
        ledger.sweeps.remove(page[-1].id)  # the next page goes on behind it all the same
    assert sorted(seen) == sorted(ended)
    assert [moments[sweep] for sweep in seen] == sorted(moments.values(), reverse=True)
    assert [row.id for row in ledger.sweeps.page(which="live")] == live[::-1]
    last = ledger.sweeps.page(limit=1, which="live")[0].place
    assert [row.id for row in ledger.sweeps.page(last, which="live")] == live[:1]


def test_nothing_of_a_transaction_that_fails_is_there(ledger):
    def fail():
        with ledger.transaction():
            ledger.sweeps.submit(submission())
            with ledger.transaction():
                ledger.queues.put(Queue("team", 2))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert ledger.sweeps.live() == []
    assert [queue.name for queue in ledger.queues.all()] == ["all"]


def test_a_lease_ends_once_and_what_it_took_is_counted(ledger, clock):
    row, _ = ledger.sweeps.submit(submission())
    lease = ledger.leases.start(row.id, cores=2.0, seconds=10.0, name="advance")
    (ann, bob) = ledger.people.all()
    assert (ann.use, bob.use) == (20.0, 0.0)
    clock.now += 4.0
    assert ledger.leases.end(lease)
    assert not ledger.leases.end(lease)
    (ann, _) = ledger.people.all()
    assert ann.use == pytest.approx(decayed(20.0, 4.0) - 12.0)
    assert ledger.leases.all() == []


def test_a_lease_is_never_given_twice_even_after_a_restart(tmp_path, clock):
    ledger = Ledger(tmp_path / "l", clock)
    ledger.people.add("ann")
    row, _ = ledger.sweeps.submit(submission())
    first = ledger.leases.start(row.id, 1.0, 1.0, "x")
    assert ledger.leases.forget_all() == 1
    ledger.close()
    ledger = Ledger(tmp_path / "l", clock)
    assert ledger.leases.start(row.id, 1.0, 1.0, "x").id > first.id
    ledger.close()


def test_who_comes_back_has_used_as_much_as_who_has_used_least(ledger):
    ledger.people.charge("ann", 50.0)
    ledger.people.enter("bob", ["ann"])
    assert [person.use for person in ledger.people.all()] == [50.0, 50.0]


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(5, 40))
def test_used_is_the_sum_of_live_leases_after_any_sequence(tmp_path_factory, seed, steps):
    random, clock = Random(seed), Clock()
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "l", clock)
    ledger.people.add("ann")
    rows = [ledger.sweeps.submit(submission())[0] for _ in range(3)]
    live = {}
    for _ in range(steps):
        clock.now += random.random()
        if live and random.random() < 0.5:
            lease = live.pop(random.choice(list(live)))
            assert ledger.leases.end(lease)
        else:
            lease = ledger.leases.start(random.choice(rows).id, random.choice([0.5, 2]), 1.0, "x")
            live[lease.id] = lease
        kept = ledger.leases.all()
        assert {lease.id for lease in kept} == set(live)
        assert all(person.use >= 0 for person in ledger.people.all())
    for lease in live.values():
        ledger.leases.end(lease)
    assert ledger.leases.all() == []
    ledger.close()


@settings(max_examples=60)
@given(st.lists(st.sampled_from([RUN, PAUSE, STOP, CANCEL]), max_size=6))
def test_what_is_wanted_is_what_the_rules_say_whatever_was_asked(tmp_path_factory, asked):
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "l", Clock())
    ledger.people.add("ann")
    row, _ = ledger.sweeps.submit(submission())
    final = {STOP, CANCEL}
    for want in asked:
        before = ledger.sweeps.get(row.id).wanted
        try:
            after = ledger.sweeps.want(row.id, want).wanted
        except ValueError:
            assert before in final
            assert ledger.sweeps.get(row.id).wanted == before
        else:
            assert after == want
    ledger.close()


def test_events_come_in_order_and_those_of_a_sweep_apart(ledger):
    for i in range(5):
        ledger.events.add(f"s{i % 2}", "ann", "state", n=i)
    assert [event.detail["n"] for event in ledger.events.after(0)] == list(range(5))
    assert [event.detail["n"] for event in ledger.events.after(2, "s0")] == [2, 4]
    assert ledger.events.newest == 5
    assert [event.detail["n"] for event in ledger.events.before()] == [4, 3, 2, 1, 0]
    assert [event.detail["n"] for event in ledger.events.before(5, "s0", limit=1)] == [2]
    assert [event.detail["n"] for event in ledger.events.before(3, "s0")] == [0]


def test_events_and_acts_do_not_grow_without_end(ledger, monkeypatch):
    from search.ledger import events

    monkeypatch.setattr(events, "_KEPT", 3)
    caller = ledger.people.caller(ledger.people.add_token("ann", "admin"))
    for i in range(9):
        ledger.events.add(None, "ann", "state", n=i)
        ledger.events.record(caller, "look", str(i))
    assert [event.detail["n"] for event in ledger.events.after(0)] == [6, 7, 8]
    assert [act.target for act in ledger.events.acts()] == ["8", "7", "6"]


def test_a_queue_is_removed_only_where_nothing_was_submitted_to_it(ledger):
    ledger.queues.put(Queue("team", 2, 4))
    ledger.sweeps.submit(submission(queue="team"))
    for name, why in (("all", "always there"), ("team", "sweeps were submitted")):
        with pytest.raises(ConfigError, match=why):
            ledger.queues.remove(name)
    with pytest.raises(ConfigError, match=r"no queue 'x'; queues are all, team"):
        ledger.queues.check("x")
    ledger.queues.put(Queue("other", 1))
    ledger.queues.remove("other")
    assert [queue.name for queue in ledger.queues.all()] == ["all", "team"]


@given(spans=st.lists(st.tuples(st.floats(0, 50), st.floats(0, 50)), min_size=1, max_size=8))
@settings(max_examples=25, deadline=None)
def test_the_seconds_of_a_sweep_are_those_in_which_any_lease_of_it_lived(tmp_path_factory, spans):
    clock = Clock(0.0)
    ledger = Ledger(tmp_path_factory.mktemp("busy") / "l.sqlite", clock)
    ledger.people.add("ann")
    mine, other = (ledger.sweeps.submit(submission())[0].id for _ in range(2))
    events = sorted(
        (at, which, number)
        for number, (start, length) in enumerate(spans)
        for at, which in ((start, 0), (start + length, 1))
    )
    leases = {}
    for clock.now, which, number in events:
        if which == 0:
            leases[number] = ledger.leases.start(mine, 1.0, 1.0, "task")
        else:
            ledger.leases.end(leases.pop(number))
    clock.now += 1000
    # The union of the spans, by the length of what is covered between any two bounds.
    bounds = sorted({at for at, _, _ in events})
    covered = sum(
        after - before
        for before, after in itertools.pairwise(bounds)
        if any(start <= before and after <= start + length for start, length in spans)
    )
    assert ledger.sweeps.busy_seconds(mine) == pytest.approx(covered, abs=1e-6)
    assert ledger.sweeps.busy_seconds(other) == 0
    ledger.close()


def test_a_kill_costs_the_seconds_of_a_sweep_one_task_at_most(tmp_path):
    clock = Clock(0.0)
    ledger = Ledger(tmp_path / "l.sqlite", clock)
    ledger.people.add("ann")
    sweep = ledger.sweeps.submit(submission())[0].id
    first = ledger.leases.start(sweep, 1.0, 1.0, "one")
    clock.now = 10.0
    ledger.leases.start(sweep, 1.0, 1.0, "two")
    clock.now = 20.0
    ledger.leases.end(first)
    clock.now = 25.0
    assert ledger.sweeps.busy_seconds(sweep) == 25.0
    ledger.close()
    again = Ledger(tmp_path / "l.sqlite", clock)
    again.leases.forget_all()
    clock.now = 100.0
    assert again.sweeps.busy_seconds(sweep) == 20.0
    again.close()


def test_a_ledger_of_the_version_before_gets_what_it_lacks(tmp_path, monkeypatch):
    from search.ledger import database

    with monkeypatch.context() as patch:
        patch.setattr(database, "VERSION", 2)
        patch.setattr(database, "_STEPS", database._STEPS[:2])
        old = Ledger(tmp_path / "l.sqlite")
        old.people.add("ann")
        sweep = old.sweeps.submit(submission())[0].id
        old.close()
    ledger = Ledger(tmp_path / "l.sqlite")
    assert ledger.sweeps.busy_seconds(sweep) == 0
    ledger.leases.end(ledger.leases.start(sweep, 1.0, 1.0, "task"))
    ledger.close()


@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_many_that_open_an_older_ledger_or_none_at_once_all_find_it_whole(
    tmp_path, monkeypatch, version
):
    from search.ledger import database

    path = tmp_path / "l.sqlite"
    if version:
        with monkeypatch.context() as patch:
            patch.setattr(database, "VERSION", version)
            patch.setattr(database, "_STEPS", database._STEPS[:version])
            database.Database(path).close()
    really, start = database.Database._file_version, threading.Barrier(8)

    def all_together(self):
        found = really(self)
        if not self._depth:
            start.wait(30)  # all have seen the version before
        return found

    monkeypatch.setattr(database.Database, "_file_version", all_together)

    def opened(number):
        ledger = Ledger(path)
        ledger.people.add(f"person {number}")
        ledger.close()

    assert in_threads(8, opened) == [None] * 8
    monkeypatch.undo()
    ledger = Ledger(path)
    assert len(ledger.people.all()) == 8
    assert ledger.sweeps.live() == []
    ledger.close()


def test_a_ledger_of_another_version_and_what_is_none_are_refused_in_one_message(tmp_path):
    connection = sqlite3.connect(tmp_path / "newer")
    connection.execute("pragma user_version = 99")
    connection.close()
    with pytest.raises(LedgerError, match="has version 99, and this program reads 4"):
        Ledger(tmp_path / "newer")
    (tmp_path / "none").write_text("no ledger at all, but long enough to be looked at\n" * 50)
    with pytest.raises(LedgerError, match="cannot be opened: file is not a database"):
        Ledger(tmp_path / "none")
    with pytest.raises(LedgerError, match="cannot be opened"):
        Ledger(tmp_path / "no folder" / "l")


_WRITER = """
import os, sys
from search.ledger import Ledger
from test_ledger import submission
ledger = Ledger(__import__("pathlib").Path(sys.argv[1]))
ledger.people.add("ann")
print("ready", flush=True)
while True:
    with ledger.transaction():
        row, _ = ledger.sweeps.submit(submission())
        lease = ledger.leases.start(row.id, 1.0, 5.0, "x")
        ledger.events.add(row.id, "ann", "submitted")
    ledger.leases.end(lease)
"""


def test_killed_while_it_writes_it_holds_each_transaction_whole_or_not(tmp_path):
    path = tmp_path / "ledger.sqlite"
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        assert writer.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            writer.wait(0.05)
        writer.kill()
        writer.wait()
        writer.stdout.close()
        ledger = Ledger(path)
        sweeps = ledger.sweeps.page(limit=10**6)
        assert len(ledger.events.after(0, limit=10**6)) == len(sweeps) > 0
        assert len(ledger.leases.all()) <= 1
        ledger.leases.forget_all()
        assert ledger.leases.all() == []
        ledger.close()
