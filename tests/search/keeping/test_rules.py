"""Which runs go: the rules as properties."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from search.keeping import FINISHED, RUNNING, UNFINISHED, KeptRun, Rules, why_kept

NOW = 1000.0
RUNS = st.lists(
    st.builds(
        KeptRun,
        path=st.just(Path("run")),
        state=st.sampled_from([FINISHED, UNFINISHED, RUNNING]),
        changed_at=st.integers(0, 1000).map(float),
        size=st.just(0),
    ),
    max_size=12,
)
RULES = st.builds(
    Rules,
    older_than=st.none() | st.integers(0, 1200).map(float),
    keep_last=st.integers(0, 5),
    unfinished=st.booleans(),
)


def gone(runs, rules):
    return [run for run, reason in zip(runs, why_kept(runs, rules, NOW), strict=True) if not reason]


@given(RUNS, RULES)
def test_what_goes_may_go_by_every_rule(runs, rules):
    for run in gone(runs, rules):
        assert run.state == FINISHED or (rules.unfinished and run.state == UNFINISHED)
        assert rules.older_than is None or NOW - run.changed_at >= rules.older_than


@given(RUNS, RULES)
def test_what_could_go_stays_for_a_reason(runs, rules):
    able = [r for r in runs if r.state == FINISHED or (rules.unfinished and r.state == UNFINISHED)]
    old = [r for r in able if rules.older_than is None or NOW - r.changed_at >= rules.older_than]
    went = gone(runs, rules)
    # So many stay as are kept at least; of those that are old, no more than that.
    assert len(able) - len(went) >= min(rules.keep_last, len(able))
    assert len(old) - len(went) <= rules.keep_last
    # None goes that is newer than one which stays only because it is among the newest.
    stays = [r for r in old if all(r is not w for w in went)]
    assert all(w.changed_at <= r.changed_at for w in went for r in stays)


@given(RUNS, RULES, st.integers(0, 5))
def test_stricter_rules_delete_no_more(runs, rules, more):
    stricter = Rules(rules.older_than, rules.keep_last + more, unfinished=False)
    kept = {id(run) for run in gone(runs, rules)}
    if not rules.unfinished:
        assert {id(run) for run in gone(runs, stricter)} <= kept


@given(RUNS, RULES, st.randoms())
def test_the_order_of_runs_does_not_matter(runs, rules, random):
    runs = [KeptRun(Path(str(k)), r.state, r.changed_at + k / 100, 0) for k, r in enumerate(runs)]
    shuffled = random.sample(runs, len(runs))
    assert {r.path for r in gone(runs, rules)} == {r.path for r in gone(shuffled, rules)}
