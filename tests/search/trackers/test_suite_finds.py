"""The suite for trackers finds what breaks its contract."""

import pytest
from remembered import Remembered

from search.testing import TrackerSuite
from search.testing.trackers import a_run, a_trial, known_of, sent_to


class Doubling(Remembered):
    """Adds each trial twice."""

    def add(self, trials):
        super().add([*trials, *trials])


class Keeping(Remembered):
    """Removes nothing."""

    def remove(self, numbers):
        pass


class Clearing(Remembered):
    """Removes the trials of a run that stay as well."""

    def remove(self, numbers):
        self.rows[:] = [row for row in self.rows if row[0] != self.run.id]


class Mixing(Remembered):
    """Takes the trials of all runs for those of its own."""

    def known(self):
        return {number: mark for _, number, mark, _, _ in self.rows}


class Forgetting(Remembered):
    """Knows no trial again."""

    def known(self):
        return {}


class Restless(Remembered):
    """Always says the run anew."""

    def conclude(self, run):
        return super().conclude(run) or True


class Stateless(Remembered):
    """Takes every trial for complete."""

    def write(self, row):
        super().write((*row[:3], "COMPLETE", row[4]))


BROKEN = [
    (Doubling, "test_each_trial_is_there_once_with_its_state"),
    (Stateless, "test_each_trial_is_there_once_with_its_state"),
    (Restless, "test_the_same_again_changes_nothing"),
    (Forgetting, "test_the_same_again_changes_nothing"),
    (Forgetting, "test_a_run_that_has_gone_on_is_completed"),
    (Keeping, "test_what_has_changed_takes_the_place_of_what_was"),
    (Clearing, "test_what_has_changed_takes_the_place_of_what_was"),
    (Keeping, "test_what_was_killed_is_completed_without_doubles"),
    (Mixing, "test_runs_do_not_meet"),
    (Restless, "test_values_of_every_kind_are_taken"),
]


def place_of(kind):
    """Return what the suite's fixtures give, for a place in memory."""
    rows, said = [], {}
    return (
        lambda run: kind(rows, said, run),
        lambda run: [(row[1], row[3]) for row in rows if row[0] == run.id],
    )


@pytest.mark.parametrize(("kind", "test"), BROKEN)
def test_a_tracker_that_breaks_its_contract_fails(kind, test):
    with pytest.raises(AssertionError):
        getattr(TrackerSuite(), test)(*place_of(kind))


class TestRemembered(TrackerSuite):
    """And passes one that keeps it."""

    @pytest.fixture
    def place(self):
        return place_of(Remembered)

    @pytest.fixture
    def opened(self, place):
        return place[0]

    @pytest.fixture
    def stored(self, place):
        return place[1]


def test_a_trial_that_the_run_has_no_more_stays():
    opened, _ = place_of(Remembered)
    sent_to(opened, a_run(2), [a_trial(0), a_trial(1)])
    assert not sent_to(opened, a_run(2), [a_trial(0)]).new
    assert known_of(opened, a_run(2)).keys() == {0, 1}
