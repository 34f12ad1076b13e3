"""What is sent: whatever was there before, and wherever a command was killed."""

from contextlib import suppress
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from remembered import Killed, Remembered

from search.testing.trackers import a_run, a_trial
from search.trackers import changes, send

NUMBERS = st.integers(0, 8)
STATES = st.sampled_from(["COMPLETE", "PRUNED", "FAIL"])
TRIALS = st.dictionaries(NUMBERS, STATES).map(
    lambda found: [a_trial(number, state) for number, state in found.items()]
)


@given(TRIALS, st.dictionaries(NUMBERS, st.sampled_from(["", "other", "same"])))
def test_afterwards_the_tracker_has_what_the_run_has(trials, kinds):
    marks = {trial.number: trial.mark for trial in trials}
    known = {n: marks.get(n, "gone") if kind == "same" else kind for n, kind in kinds.items()}
    found = changes(trials, known)
    assert set(found.remove) <= known.keys() & marks.keys()
    after = {n: mark for n, mark in known.items() if n not in found.remove}
    added = {trial.number: trial.mark for trial in found.add}
    assert not after.keys() & added.keys()
    assert (after | added).items() >= marks.items()
    assert (after | added).keys() == known.keys() | marks.keys()
    assert changes(trials, after | added).add == ()


@given(st.lists(st.tuples(TRIALS, st.integers(0, 30)), min_size=1, max_size=4), TRIALS)
def test_killed_anywhere_and_called_again_it_has_each_trial_once(killed, last):
    run, rows, said = a_run(9), [], {}
    for trials, writes in killed:
        with suppress(Killed):
            send(run, trials, Remembered(rows, said, run, writes))
    send(run, last, Remembered(rows, said, run))
    wanted = {trial.number: trial.mark for trial in last}
    found = [(row[1], row[2]) for row in rows if row[1] in wanted]
    assert sorted(found) == sorted(wanted.items())
    assert not send(run, last, Remembered(rows, said, run)).anything


def test_a_mark_tells_whatever_is_told():
    trial = a_trial(3)
    others = [
        replace(trial, state="FAIL"),
        replace(trial, value=0.1),
        replace(trial, params={**trial.params, "alpha": 0.0}),
        replace(trial, figures={**trial.figures, "val_cost": float("nan")}),
        replace(trial, facts={**trial.facts, "node": "elsewhere"}),
        replace(trial, series={"reports": ((1, 0.7),)}),
        replace(trial, finished_at=trial.started_at),
    ]
    assert len({trial.mark, *(other.mark for other in others)}) == 1 + len(others)
    assert replace(trial).mark == trial.mark


def test_the_mark_of_a_run_tells_its_files_and_its_end(tmp_path):
    report = tmp_path / "report.html"
    report.write_text("one")
    run = replace(a_run(2), files=(report,))
    marks = {run.mark, replace(run, finished=True).mark, replace(run, figures={}).mark}
    report.write_text("two")
    assert len(marks | {replace(run).mark}) == 4
