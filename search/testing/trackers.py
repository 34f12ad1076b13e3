"""The suite for trackers: what every place must do to which a run is taken."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from search.record import COMPLETE, FAIL, PRUNED, Layout
from search.trackers import Run, Sent, Tracker, Trial, send

_BEGUN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

# Quotes, a line's end, what a terminal obeys, a path, Markdown.
_ODD = "a'b\"\n\x1b[2J ../é|%s 漢"

Open = Callable[[Run], Tracker]
Stored = Callable[[Run], Sequence[tuple[int, str]]]


class TrackerSuite:
    """What every tracker must do; see `search.trackers.protocol.Tracker`.

    A subclass has two fixtures. ``opened`` returns a function from a `Run` to its tracker, in a
    place that is empty at first, and opened again in each call as by another process. ``stored``
    returns a function from a `Run` to the number and the state (``COMPLETE``, ``PRUNED``,
    ``FAIL``) of each of its trials in that place, as the tracker's own library reads them.

    Examples
    --------
    In a file of tests::

        import pytest
        from search.testing import TrackerSuite

        class TestMine(TrackerSuite):
            @pytest.fixture
            def opened(self, tmp_path):
                return lambda run: MyTracker(tmp_path / "there", run)

            @pytest.fixture
            def stored(self, tmp_path):
                return lambda run: read_with_the_library(tmp_path / "there", run.id)
    """

    def test_each_trial_is_there_once_with_its_state(self, opened: Open, stored: Stored) -> None:
        """They are known by their marks, and seen by the tracker's own reader."""
        trials = [a_trial(0), a_trial(1, PRUNED), a_trial(2, FAIL), a_trial(11)]
        sent = sent_to(opened, a_run(4), trials)
        assert (sent.new, sent.changed, sent.same, sent.run) == (4, 0, 0, True)
        assert known_of(opened, a_run(4)) == {trial.number: trial.mark for trial in trials}
        assert sorted(stored(a_run(4))) == [(0, COMPLETE), (1, PRUNED), (2, FAIL), (11, COMPLETE)]

    def test_the_same_again_changes_nothing(self, opened: Open, stored: Stored) -> None:
        """Neither trials nor the entries of the run."""
        trials = [a_trial(0), a_trial(1)]
        sent_to(opened, a_run(2), trials)
        sent = sent_to(opened, a_run(2), trials)
        assert (sent.same, sent.anything) == (2, False)
        assert len(stored(a_run(2))) == 2

    def test_a_run_that_has_gone_on_is_completed(self, opened: Open, stored: Stored) -> None:
        """New trials are added, wherever their numbers fall."""
        sent_to(opened, a_run(3), [a_trial(1)])
        finished = replace(a_run(3), ended=3, finished=True, ended_at=_BEGUN + timedelta(hours=1))
        sent = sent_to(opened, finished, [a_trial(0), a_trial(1), a_trial(2)])
        assert (sent.new, sent.changed, sent.same, sent.run) == (2, 0, 1, True)
        assert sorted(stored(finished)) == [(n, COMPLETE) for n in range(3)]
        assert not sent_to(opened, finished, [a_trial(n) for n in range(3)]).anything

    def test_what_has_changed_takes_the_place_of_what_was(
        self, opened: Open, stored: Stored
    ) -> None:
        """A trial that was trained again has its new state alone, and the others stay."""
        sent_to(opened, a_run(3), [a_trial(0), a_trial(1, FAIL), a_trial(2)])
        now = [a_trial(0), a_trial(1), a_trial(2)]
        sent = sent_to(opened, a_run(3), now)
        assert (sent.new, sent.changed, sent.same) == (0, 1, 2)
        assert sorted(stored(a_run(3))) == [(n, COMPLETE) for n in range(3)]
        assert known_of(opened, a_run(3)) == {trial.number: trial.mark for trial in now}

    def test_what_was_killed_is_completed_without_doubles(
        self, opened: Open, stored: Stored
    ) -> None:
        """Killed after some trials, and after all of them but before the run's entries."""
        trials = [a_trial(n) for n in range(4)]
        with closing(opened(a_run(4))) as tracker:
            tracker.add(trials[:2])
        with closing(opened(a_run(4))) as tracker:
            assert set(tracker.known()) == {0, 1}
            tracker.remove([1])
        with closing(opened(a_run(4))) as tracker:
            assert set(tracker.known()) == {0}
            tracker.add(trials[1:])
        assert sent_to(opened, a_run(4), trials).run
        assert sorted(stored(a_run(4))) == [(n, COMPLETE) for n in range(4)]

    def test_runs_do_not_meet(self, opened: Open, stored: Stored) -> None:
        """Two runs of one grid, under two names."""
        one, other = a_run(2), replace(a_run(2), id="b" * 8, name_there="second")
        sent_to(opened, one, [a_trial(0), a_trial(1)])
        sent_to(opened, other, [a_trial(1)])
        assert known_of(opened, one).keys() == {0, 1}
        assert known_of(opened, other).keys() == {1}
        assert (len(stored(one)), len(stored(other))) == (2, 1)

    def test_values_of_every_kind_are_taken(self, opened: Open, stored: Stored) -> None:
        """Texts, true and false, none; figures that are not numbers; any characters; replicates."""
        odd = replace(
            a_trial(0, FAIL),
            params={"loss": _ODD, "warm": True, "alpha": 1e-300, "epochs": 2**40},
            figures={"last_cost": float("inf"), "val_cost": float("nan"), "val_top-5 %": 1e300},
            facts={"error": _ODD, "node": "", "pack": 3, "attempt": 2},
            series={"reports": ((1, 0.5), (2, float("inf"))), "val_x/y": ((0, 0.1), (1, 0.2))},
        )
        run = replace(
            a_run(2),
            axes={"loss": (_ODD, "b"), "warm": (True, False), "alpha": (1e-300, 1.0),
                  "epochs": (1, 2**40)},
            layout=Layout((("loss", "O"), ("warm", "|b1"), ("alpha", "<f8"), ("epochs", "<i8"))),
            settings={"space": _ODD * 500, "none": ""},
            figures={"best_cost": float("nan"), "trials_total": 2.0},
            texts={"dataset": _ODD, "version_x-y": "1"},
        )  # fmt: skip
        bare = replace(a_trial(1), params={"epochs": 1}, figures={})
        sent_to(opened, run, [odd, bare])
        assert sorted(stored(run)) == [(0, FAIL), (1, COMPLETE)]
        assert not sent_to(opened, run, [odd, bare]).anything

    def test_a_run_that_was_extended_keeps_its_trials(self, opened: Open, stored: Stored) -> None:
        """With other values of its hyperparameters, and other settings."""
        sent_to(opened, a_run(2), [a_trial(0), a_trial(1)])
        wider = replace(
            a_run(12),
            axes={"alpha": (0.0, 10.0, 30.0), "epochs": (1, 3)},
            settings={"seed": "more"},
        )
        trials = [a_trial(0), a_trial(1), replace(a_trial(11), params={"alpha": 30.0, "epochs": 1})]
        sent_to(opened, wider, trials)
        assert sorted(stored(wider)) == [(n, COMPLETE) for n in (0, 1, 11)]
        assert not sent_to(opened, wider, trials).anything

    def test_no_trial_has_ended_yet(self, opened: Open, stored: Stored) -> None:
        """A run without a result is exported, and gets its trials later."""
        assert known_of(opened, a_run(1)) == {}
        assert sent_to(opened, a_run(1), []).run
        assert list(stored(a_run(1))) == []
        assert sent_to(opened, a_run(1), [a_trial(0)]).new == 1


def a_run(total: int) -> Run:
    """Return a run that is not finished."""
    return Run(
        id="a" * 8,
        name="tiny",
        name_there="first",
        ended=0,
        total=total,
        finished=False,
        axes={"alpha": (0.0, 10.0), "epochs": (1, 3)},
        layout=Layout((("alpha", "<f8"), ("epochs", "<i4"))),
        settings={"seed": "0"},
        figures={"trials_total": float(total)},
        texts={"dataset": "digits", "command": "python -m search.run --resume 'x y'"},
        started_at=_BEGUN,
    )


def a_trial(number: int, state: str = COMPLETE) -> Trial:
    """Return a trial that has ended in a state."""
    complete = state == COMPLETE
    figures = {"val_cost": 0.5 + number / 100, "val_accuracy": 0.8} if complete else {}
    facts: dict[str, Any] = {"pack": 0, "node": "127.0.0.1", "attempt": 1}
    return Trial(
        number=number,
        state=state,
        value=figures.get("val_cost"),
        params={"alpha": 10.0, "epochs": 3},
        figures={**figures, "seconds": 0.25},
        facts=facts | ({"error": "diverged"} if state == FAIL else {}),
        series={"reports": ((1, 0.7),)} if state == PRUNED else {},
        last_epoch=1 if state == PRUNED else 3,
        started_at=_BEGUN + timedelta(seconds=number),
        finished_at=_BEGUN + timedelta(seconds=number + 5),
    )


def sent_to(opened: Open, run: Run, trials: Sequence[Trial]) -> Sent:
    """Send a run as a separate command does."""
    with closing(opened(run)) as tracker:
        return send(run, trials, tracker)


def known_of(opened: Open, run: Run) -> dict[int, str]:
    """Return what another process finds."""
    with closing(opened(run)) as tracker:
        return dict(tracker.known())
