"""Who is next: what holds for every snapshot, and what a minute of many people comes to."""

import heapq
from collections import Counter, defaultdict
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.queue import Lease, Person, Queue, Snapshot, Sweep, decayed, decide, entered

QUEUES = ("all", "team")


@st.composite
def snapshots(draw):
    people = tuple(
        Person(
            name, draw(st.sampled_from([0.5, 1.0, 2.0])), draw(st.sampled_from([0.0, 3.0, 50.0]))
        )
        for name in ("ann", "bob", "cleo")
    )
    queues = (
        Queue("all", draw(st.sampled_from([0, 2, 8]))),
        Queue("team", draw(st.sampled_from([0, 1, 4])), draw(st.sampled_from([1, 3, 100]))),
    )
    sweeps = tuple(
        Sweep(
            f"s{i}", draw(st.sampled_from([p.name for p in people])), draw(st.sampled_from(QUEUES)),
            place=i, priority=draw(st.integers(-1, 1)), links=draw(st.integers(0, 4)),
            cores=draw(st.sampled_from([0.5, 1.0, 2.0, 16.0])),
            seconds=draw(st.sampled_from([1, 6])),
        )
        for i in range(draw(st.integers(0, 6)))
    )  # fmt: skip
    leases = tuple(
        Lease("gone", draw(st.sampled_from(QUEUES)), draw(st.sampled_from([0.5, 1.0, 2.0])))
        for _ in range(draw(st.integers(0, 3)))
    )
    return Snapshot(draw(st.sampled_from([1, 4, 8])), people, queues, sweeps, leases)


def applied(snapshot, starts):
    """Return what a snapshot is after some starts."""
    sweeps = {sweep.name: sweep for sweep in snapshot.sweeps}
    people = {person.name: person for person in snapshot.people}
    leases = list(snapshot.leases)
    for start in starts:
        sweep = sweeps[start.sweep]
        sweeps[sweep.name] = replace(sweep, links=sweep.links - 1)
        leases.append(Lease(sweep.name, sweep.queue, sweep.cores))
        person = people[sweep.person]
        people[person.name] = replace(person, use=person.use + sweep.cores * sweep.seconds)
    return replace(
        snapshot,
        people=tuple(people.values()),
        sweeps=tuple(sweeps.values()),
        leases=tuple(leases),
    )


def used(snapshot, queue=None):
    return sum(lease.cores for lease in snapshot.leases if queue in (None, lease.queue))


@given(snapshots())
@settings(max_examples=300)
def test_nobody_gets_what_is_not_there(snapshot):
    decision = decide(snapshot)
    after = applied(snapshot, decision.starts)
    assert used(after) <= max(snapshot.cores, used(snapshot))
    assert all(sweep.links >= 0 for sweep in after.sweeps)
    for queue in snapshot.queues:
        assert used(after, queue.name) <= max(queue.most, used(snapshot, queue.name))
    left = {sweep.name for sweep in after.sweeps if sweep.links}
    assert {wait.sweep for wait in decision.waits} == left
    assert all(wait.reason for wait in decision.waits)
    assert [wait.position for wait in decision.waits] == list(range(1, len(left) + 1))


@given(snapshots())
@settings(max_examples=300)
def test_a_decision_leaves_nothing_to_decide(snapshot):
    # So between two outside events who runs changes once, however often it is asked.
    after = applied(snapshot, decide(snapshot).starts)
    assert decide(after).starts == ()


@given(snapshots(), st.randoms())
@settings(max_examples=200)
def test_the_order_of_rows_has_no_part_in_it(snapshot, random):
    def mixed(rows):
        return tuple(random.sample(rows, len(rows)))

    other = Snapshot(
        snapshot.cores, mixed(snapshot.people), mixed(snapshot.queues), mixed(snapshot.sweeps),
        mixed(snapshot.leases),
    )  # fmt: skip
    assert decide(other) == decide(snapshot)


@given(snapshots(), st.integers(1, 3), st.data())
@settings(max_examples=300)
def test_a_higher_priority_never_delays(snapshot, more, data):
    if not snapshot.sweeps:
        return
    chosen = data.draw(st.sampled_from(snapshot.sweeps))
    raised = tuple(
        replace(s, priority=s.priority + more) if s == chosen else s for s in snapshot.sweeps
    )
    before, after = decide(snapshot), decide(replace(snapshot, sweeps=raised))

    def count(decision):
        return sum(start.sweep == chosen.name for start in decision.starts)

    assert count(after) >= count(before)
    if count(before) == count(after) > 0:
        first = [[s.sweep for s in d.starts].index(chosen.name) for d in (before, after)]
        assert first[1] <= first[0]


@given(snapshots())
@settings(max_examples=300)
def test_a_core_is_idle_only_for_a_reason(snapshot):
    after = applied(snapshot, decide(snapshot).starts)
    free = snapshot.cores - used(after)
    able = [
        s for s in after.sweeps
        if s.links and s.cores <= snapshot.cores
        and used(after, s.queue) + s.cores
        <= next(q.most for q in snapshot.queues if q.name == s.queue)
    ]  # fmt: skip
    # What is first needs more cores than are free.
    assert not able or max(s.cores for s in able) > free


def one(name="a", person="ann", queue="all", place=1, **more):
    return Sweep(name, person, queue, place, **more)


PEOPLE = (Person("ann"), Person("bob"))


@pytest.mark.parametrize(
    ("cores", "sweeps", "leases", "reason"),
    [
        (2, (one(cores=4.0),), (), "a link needs 4 cores, and the cluster has 2"),
        (
            4, (one(queue="small"),), (Lease("b", "small", 2),),
            "the queue small has 2 of the 2 cores that it may have, and a link needs 1",
        ),
        (2, (one(),), (Lease("b", "all", 2),), "all 2 cores are at work"),
        (2, (one(cores=2.0),), (Lease("b", "all"),), "1 of 2 cores are free, and a link needs 2"),
        (
            1, (one(), one("b", "bob", priority=5, place=2)), (Lease("c", "all"),),
            "all 1 cores are at work, and b is before it: its priority is 5, not 0",
        ),
        (
            1, (one(), one("b", "bob", place=0)), (Lease("c", "all"),),
            "all 1 cores are at work, and b is before it: it was submitted first",
        ),
        (
            1, (one(), one("b", "bob", queue="own", place=2)), (Lease("c", "all"),),
            "all 1 cores are at work, and b is before it: it has the cores of its own queue, own",
        ),
    ],
)  # fmt: skip
def test_each_wait_has_its_reason(cores, sweeps, leases, reason):
    queues = (Queue("all"), Queue("small", most=2), Queue("own", cores=2))
    waits = decide(Snapshot(cores, PEOPLE, queues, sweeps, leases)).waits
    assert {wait.sweep: wait.reason for wait in waits}["a"] == reason


# --- Over time


class Cluster:
    """Sweeps that never end on workers that never rest, by the clock of a simulation."""

    def __init__(self, cores, people, queues, random):
        self.people = {person.name: person for person in people}
        self.cores, self.queues, self.random = cores, queues, random
        self.sweeps, self.running, self.now, self.done = {}, [], 0.0, []

    def submit(self, sweep):
        person = self.people[sweep.person]
        busy = {s.person for s in self.sweeps.values()} | {s.person for *_, s in self.running}
        if sweep.person not in busy:
            active = [self.people[name] for name in sorted(busy)]
            self.people[sweep.person] = replace(person, use=entered(person, active))
        self.sweeps[sweep.name] = sweep

    def run(self, until):
        """Go on until a time; note whose core-seconds were when."""
        while True:
            self._start()
            if not self.running or self.running[0][0] > until:
                break
            end, _, began, sweep = heapq.heappop(self.running)
            self._forget(end)
            # The person was counted what it should take, and pays for what it took.
            person = self.people[sweep.person]
            owed = sweep.cores * (end - began - sweep.seconds)
            self.people[sweep.person] = replace(person, use=max(0.0, person.use + owed))
            self.done.append((began, end, sweep))
        self._forget(until)

    def _forget(self, now):
        elapsed, self.now = now - self.now, now
        self.people = {
            name: replace(p, use=decayed(p.use, elapsed)) for name, p in self.people.items()
        }

    def _start(self):
        leases = tuple(Lease(s.name, s.queue, s.cores) for *_, s in self.running)
        snapshot = Snapshot(
            self.cores,
            tuple(self.people.values()),
            self.queues,
            tuple(self.sweeps.values()),
            leases,
        )
        for start in decide(snapshot).starts:
            sweep = self.sweeps[start.sweep]
            person = self.people[sweep.person]
            use = person.use + sweep.cores * sweep.seconds
            self.people[sweep.person] = replace(person, use=use)
            end = self.now + sweep.seconds * self.random.uniform(0.7, 1.3)
            heapq.heappush(self.running, (end, self.random.random(), self.now, sweep))

    def core_seconds(self, begin, end):
        """Return what each person had between two times."""
        found = Counter()
        spans = [*self.done, *((b, e, s) for e, _, b, s in self.running)]
        for began, ended, sweep in spans:
            found[sweep.person] += sweep.cores * max(0.0, min(end, ended) - max(begin, began))
        return found


@pytest.mark.parametrize("total", [500, pytest.param(10_000, marks=pytest.mark.rehearsal)])
def test_over_a_minute_shares_are_the_weights_whoever_comes_and_goes(total):
    random, minutes, arrivals = Random(1), 0, 0
    while arrivals < total:
        names = [f"p{i}" for i in range(random.randint(2, 4))]
        people = [Person(name, random.choice([1.0, 2.0, 4.0])) for name in names]
        cluster = Cluster(random.choice([4, 8, 16]), people, (Queue("all"),), random)
        here = defaultdict(float)  # since when each person has links to run
        for place in range(40):
            arrivals += 1
            person = random.choice(names)
            here.setdefault(person, cluster.now)
            cluster.submit(
                Sweep(f"{place}", person, "all", place, links=999, seconds=random.uniform(1, 6))
            )
            if place % 10 == 9:
                begin = cluster.now + 12  # what ran when somebody came has ended by then
                cluster.run(begin + 60)
                had, minutes = cluster.core_seconds(begin, begin + 60), minutes + 1
                weights = {p.name: p.weight for p in people if p.name in here}
                for name, weight in weights.items():
                    fair = cluster.cores * 60 * weight / sum(weights.values())
                    # A tenth, or a link: what runs cannot be parted.
                    assert had[name] == pytest.approx(fair, rel=0.1, abs=8), (name, weights, had)
            else:
                cluster.run(cluster.now + random.uniform(0, 5))
    assert minutes > total / 12


def test_cores_that_were_lent_come_back_within_a_link():
    cluster = Cluster(4, PEOPLE, (Queue("all"), Queue("team", cores=2)), Random(0))
    cluster.submit(one(links=999, seconds=5.0))
    cluster.run(60)
    assert cluster.core_seconds(20, 60)["ann"] == pytest.approx(160)
    cluster.submit(one("b", "bob", "team", 2, links=999, seconds=5.0))
    cluster.run(120)
    assert cluster.core_seconds(60 + 6.5, 120)["bob"] >= 2 * (60 - 6.5) * 0.9


def test_a_higher_priority_starts_within_a_link():
    cluster = Cluster(4, PEOPLE, (Queue("all"),), Random(0))
    cluster.submit(one(links=999, seconds=5.0))
    cluster.run(60)
    cluster.submit(one("b", "bob", place=2, links=999, seconds=5.0, priority=1))
    cluster.run(120)
    assert cluster.core_seconds(60 + 6.5, 113)["bob"] == pytest.approx(4 * (53 - 6.5))
