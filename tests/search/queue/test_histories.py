"""Whole histories of decisions: who runs, after any events, with restarts at any moment.

Between two events from outside (a link ends, a sweep comes, somebody asks for something, a machine
comes or goes, time passes), who runs changes at most by the starts of one decision. A decision ends
nothing that runs, and after it there is nothing to decide. So it changes at most as often as there
were links waiting, and as the free cores hold the smallest of them. Over a whole history that is no
more often than there were links. So a sweep is opened or closed once at most, too: which ones
are to be open depends on what was asked alone.
"""

import json
import random
from collections import Counter
from dataclasses import asdict, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from test_order import applied

from search.queue import (
    PAUSE,
    RUN,
    Asked,
    Lease,
    Person,
    Queue,
    Snapshot,
    Sweep,
    decayed,
    decide,
    entered,
    open_sweeps,
)

NAMES = ("ann", "bob", "cleo")
QUEUES = ("all", "team")
CORES = st.sampled_from([0.5, 1.0, 2.0])


def used(snapshot, queue=None):
    return sum(lease.cores for lease in snapshot.leases if queue in (None, lease.queue))


class History(RuleBasedStateMachine):
    """What a service does, event by event."""

    def __init__(self):
        super().__init__()
        queues = (Queue("all", 1.0), Queue("team", 2.0, 3.0))
        self.now = Snapshot(4.0, tuple(map(Person, NAMES)), queues, ())
        self.submitted, self.starts, self.lost, self.place = 0, 0, 0, 0
        # What may have exceeded a quota: what ran when it was lowered.
        self.excused = Counter()

    # --- Events from outside, after each of which the service decides.

    @initialize(cores=st.sampled_from([1.0, 4.0]))
    def begin(self, cores):
        self.now = replace(self.now, cores=cores)

    @rule(
        person=st.sampled_from(NAMES), queue=st.sampled_from(QUEUES), priority=st.integers(-1, 1),
        links=st.integers(1, 4), cores=CORES, seconds=st.sampled_from([1.0, 6.0]),
    )  # fmt: skip
    def submit(self, person, queue, **more):
        busy = {sweep.person for sweep in self.now.sweeps if sweep.links}
        self.place += 1
        sweep = Sweep(f"s{self.place}", person, queue, self.place, **more)
        self.submitted += sweep.links
        if person not in busy:
            active = [other for other in self.now.people if other.name in busy]
            self._person(person, lambda found: replace(found, use=entered(found, active)))
        self.now = replace(self.now, sweeps=(*self.now.sweeps, sweep))
        self._decide()

    @precondition(lambda self: self.now.leases)
    @rule(data=st.data(), lost=st.booleans())
    def a_link_ends(self, data, lost):
        """It is finished, or its worker is lost and it waits again."""
        at = data.draw(st.integers(0, len(self.now.leases) - 1))
        lease = self.now.leases[at]
        if lost:
            self.lost += 1
            self._sweep(lease.sweep, lambda sweep: replace(sweep, links=sweep.links + 1))
        leases = self.now.leases[:at] + self.now.leases[at + 1 :]
        self.now = replace(self.now, leases=leases)
        self._decide()

    @rule(seconds=st.sampled_from([1.0, 600.0, 86400.0]))
    def time_passes(self, seconds):
        people = tuple(replace(p, use=decayed(p.use, seconds)) for p in self.now.people)
        self.now = replace(self.now, people=people)
        self._decide()

    @rule(cores=st.sampled_from([1.0, 2.0, 4.0, 8.0]))
    def machines_come_or_go(self, cores):
        self.now = replace(self.now, cores=cores)
        self._decide()

    @rule(most=st.sampled_from([0.5, 2.0, 3.0, 100.0]), cores=st.sampled_from([0.0, 2.0]))
    def a_quota_changes(self, most, cores):
        self.now = replace(self.now, queues=(self.now.queues[0], Queue("team", cores, most)))
        self._decide()

    @rule(name=st.sampled_from(NAMES), weight=st.sampled_from([0.5, 1.0, 4.0]))
    def a_weight_changes(self, name, weight):
        self._person(name, lambda found: replace(found, weight=weight))
        self._decide()

    @precondition(lambda self: self.now.sweeps)
    @rule(data=st.data(), priority=st.integers(-2, 2), queue=st.sampled_from(QUEUES))
    def a_sweep_is_moved(self, data, priority, queue):
        name = data.draw(st.sampled_from([sweep.name for sweep in self.now.sweeps]))
        self._sweep(name, lambda sweep: replace(sweep, priority=priority, queue=queue))
        leases = tuple(
            replace(lease, queue=queue) if lease.sweep == name else lease
            for lease in self.now.leases
        )
        self.now = replace(self.now, leases=leases)
        self._decide()

    @precondition(lambda self: self.now.sweeps)
    @rule(data=st.data())
    def a_sweep_is_cancelled(self, data):
        name = data.draw(st.sampled_from([sweep.name for sweep in self.now.sweeps]))
        self.now = replace(
            self.now,
            sweeps=tuple(sweep for sweep in self.now.sweeps if sweep.name != name),
            leases=tuple(lease for lease in self.now.leases if lease.sweep != name),
        )
        self._decide()

    @rule()
    def the_service_is_killed(self):
        """Its tasks die with it, and wait again."""
        links = Counter(lease.sweep for lease in self.now.leases)
        self.lost += links.total()
        sweeps = tuple(replace(s, links=s.links + links[s.name]) for s in self.now.sweeps)
        self.now = replace(self.now, sweeps=sweeps, leases=())
        self._decide()

    def _sweep(self, name, change):
        sweeps = (change(sweep) if sweep.name == name else sweep for sweep in self.now.sweeps)
        self.now = replace(self.now, sweeps=tuple(sweeps))

    def _person(self, name, change):
        people = (change(p) if p.name == name else p for p in self.now.people)
        self.now = replace(self.now, people=tuple(people))

    # --- What holds after each.

    def _decide(self):
        before = self.now
        decision = decide(before)
        assert decide(read_again(before)) == decision
        free = before.cores - used(before)
        if decision.starts:
            smallest = min(s.cores for s in before.sweeps if s.links)
            assert len(decision.starts) <= free / smallest
        assert len(decision.starts) <= sum(sweep.links for sweep in before.sweeps)
        self.now = applied(before, decision.starts)
        self.starts += len(decision.starts)
        # What ran runs on.
        assert not Counter(before.leases) - Counter(self.now.leases)
        for _ in range(3):  # however often it looks again
            again = decide(read_again(self.now))
            assert again.starts == ()
            assert {w.sweep for w in again.waits} == {s.name for s in self.now.sweeps if s.links}
        assert used(self.now) <= max(self.now.cores, used(before))
        for queue in self.now.queues:
            most = max(queue.most, used(before, queue.name))
            assert used(self.now, queue.name) <= most

    @invariant()
    def no_link_starts_more_often_than_it_was_asked_for(self):
        assert self.starts <= self.submitted + self.lost

    @invariant()
    def idle_is_idle(self):
        if not self.now.leases:
            assert [used(self.now, queue) for queue in (None, *QUEUES)] == [0, 0, 0]
            limits = {queue.name: queue.most for queue in self.now.queues}
            able = [
                s for s in self.now.sweeps
                if s.links and s.cores <= min(self.now.cores, limits[s.queue])
            ]  # fmt: skip
            assert able == []  # nothing that could run waits beside idle cores

    def teardown(self):
        """Let all that can run come to its end: it does, and nothing is used then."""
        for _ in range(self.submitted + self.lost + 1):
            if not self.now.leases:
                break
            self.now = replace(self.now, leases=self.now.leases[1:])
            self._decide()
        assert self.now.leases == ()
        assert used(self.now) == 0


def read_again(snapshot):
    """Return the rows as a service that has started anew reads them, in any order."""
    rows = json.loads(json.dumps(asdict(snapshot)))
    mixed = random.Random(len(snapshot.leases))
    kinds = {"people": Person, "queues": Queue, "sweeps": Sweep, "leases": Lease}
    return Snapshot(
        rows["cores"],
        **{
            name: tuple(kind(**row) for row in mixed.sample(rows[name], len(rows[name])))
            for name, kind in kinds.items()
        },
    )


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=60, stateful_step_count=25)


# --- Which sweeps are open


@st.composite
def asked(draw):
    return [
        Asked(
            f"s{place}", draw(st.sampled_from(NAMES)), place, draw(st.integers(-1, 1)),
            draw(st.sampled_from([RUN, RUN, PAUSE])),
        )
        for place in range(draw(st.integers(0, 8)))
    ]  # fmt: skip


@given(asked(), st.sets(st.integers(0, 7)), st.integers(1, 4), st.randoms())
def test_between_two_events_a_sweep_is_opened_or_closed_once_at_most(rows, first, most, random):
    is_open = {row.sweep for row in rows if row.place in first}
    opened, closed = Counter(), Counter()
    for _ in range(20):  # turns of the service, in which some of what drains has drained
        wanted = open_sweeps(random.sample(rows, len(rows)), most)
        for sweep in sorted(is_open - set(wanted)):
            if random.random() < 0.7:
                is_open.remove(sweep)
                closed[sweep] += 1
        for sweep in wanted:
            if sweep not in is_open and len(is_open) < most:
                is_open.add(sweep)
                opened[sweep] += 1
    assert max((opened + closed).values(), default=0) <= 1
    assert (opened + closed).total() <= len(rows)


# --- A higher priority


def starts_of(sweep, sweeps, cores, moments):
    """Return when the links of a sweep start, where each link takes a moment."""
    people = {name: Person(name) for name in NAMES}
    waiting, times = {s.name: s for s in sweeps}, []
    for moment in range(moments):
        here = tuple(s for s in waiting.values() if s.place <= moment)
        snapshot = Snapshot(cores, tuple(people.values()), (Queue("all"),), here)
        after = applied(snapshot, decide(snapshot).starts)
        times += [moment] * sum(lease.sweep == sweep for lease in after.leases)
        waiting |= {s.name: s for s in after.sweeps}
        people = {person.name: person for person in after.people}
    return times


@given(
    st.lists(
        st.tuples(st.sampled_from(NAMES), st.integers(-1, 1), st.integers(1, 6)), min_size=1,
        max_size=6,
    ),
    st.integers(1, 3), st.integers(1, 3), st.data(),
)  # fmt: skip
@settings(max_examples=200)
def test_with_a_higher_priority_no_link_of_a_whole_history_starts_later(rows, cores, more, data):
    sweeps = [
        Sweep(f"s{i}", person, "all", i, priority=priority, links=links)
        for i, (person, priority, links) in enumerate(rows)
    ]
    chosen = data.draw(st.sampled_from(sweeps))
    raised = [replace(s, priority=s.priority + more) if s == chosen else s for s in sweeps]
    moments = len(rows) + sum(links for *_, links in rows)
    before, after = (starts_of(chosen.name, those, cores, moments) for those in (sweeps, raised))
    assert len(before) == len(after) == chosen.links
    assert all(b <= a for a, b in zip(before, after, strict=True))
