"""The suite for trainers of one's own, passed by those that come with it."""

import pytest

from search.testing import TrainerSuite


@pytest.mark.xdist_group("softmax suite")
class TestSoftmax(TrainerSuite):
    trainer = "softmax"
    params = tuple(
        {"batch_size": 8, "learning_rate": 0.01, "alpha": alpha} for alpha in (0.0, 0.1, 1.0)
    )


@pytest.mark.xdist_group("descent suite")
class TestDescent(TrainerSuite):
    trainer = "partial_fit:sklearn.linear_model.SGDClassifier"
    params = ({"loss": "log_loss", "average": True},)


class Counting(TrainerSuite):
    trainer = "partial_fit:sklearn.naive_bayes.GaussianNB"

    def rows(self):
        type(self).made = getattr(type(self), "made", 0) + 1
        return super().rows()


def test_a_class_of_tests_trains_once():
    suite = Counting()
    suite.test_epochs_may_be_cut_anywhere()
    suite.test_twice_the_same_is_the_same()
    assert Counting.made == 1


def test_what_is_wrong_is_the_message(monkeypatch):
    class Broken(TrainerSuite):
        trainer = "softmax"
        params = ({"batch_size": 8, "learning_rate": "fast", "alpha": 0.0},)

    with pytest.raises(AssertionError, match="ValueError"):
        Broken().test_it_trains_and_is_scored()
