"""The final training: the textbook's result, in spite of lost workers."""

import numpy as np
import pytest
from textbook import averaged

from cluster.errors import ClusterError
from cluster.executor import SerialExecutor
from cluster.outcomes import Lost
from model.data.dataset import Dataset
from model.examples import Examples
from model.softmax import SoftmaxRegression
from search.config import Params
from search.engine import final_scores
from search.engine.attempts import MAX_ATTEMPTS
from search.engine.refits import SoftmaxTraining, final_models, refit
from search.errors import InterruptedSweepError

PARAMS = Params(batch_size=8, learning_rate=1e-6, epochs=3, alpha=1.0)


def images(n, seed):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    return np.clip(rng.normal(128, 50, (n, 12)) + 40 * (y[:, None] == np.arange(12) % 3), 0, 255), y


X, Y = images(600, 0)
X_TEST, Y_TEST = images(30, 1)
DATA = Dataset("tiny", X.astype(np.uint8), Y, X_TEST.astype(np.uint8), Y_TEST)
EXAMPLES = Examples.from_dataset(DATA, 0.25, seed=0)
TRAINING = SoftmaxTraining(PARAMS, DATA, "last", EXAMPLES)


class LosingExecutor(SerialExecutor):
    """Loses the first so many tasks."""

    def __init__(self, losses):
        super().__init__()
        self.losses = losses

    def wait(self, timeout):
        (task,) = super().wait(timeout)
        self.losses -= 1
        return [task if self.losses < 0 else Lost(task.key, "WorkerCrashedError")]


def never():
    return False


def trained(executor, interrupted=never):
    """Train once, with one seed, and return each readout."""
    ((seed, result),) = refit(TRAINING, [7], executor, interrupted)
    assert seed == 7
    return result


@pytest.mark.parametrize("losses", [0, MAX_ATTEMPTS - 1])
def test_the_final_model_is_the_textbooks_on_all_images(losses):
    models = final_models(trained(LosingExecutor(losses)), PARAMS, DATA)
    textbooks = {
        "last": SoftmaxRegression(8, 1e-6, 3, 1.0, seed=7, dtype=np.float64).fit(
            EXAMPLES.X, EXAMPLES.y, 3
        ),
        "average": averaged(8, 1e-6, 3, 1.0, EXAMPLES.X, EXAMPLES.y, 3, seed=7),
    }
    tested = final_scores(models, DATA)
    assert models.keys() == tested.keys() == textbooks.keys()
    X_test = DATA.X_test.astype(np.float32)
    for name, textbook in textbooks.items():
        model = models[name]
        np.testing.assert_allclose(model.W, textbook.W, atol=1e-4 * np.abs(textbook.W).max())
        np.testing.assert_allclose(model.b, textbook.b, atol=1e-4 * np.abs(textbook.b).max())
        assert tested[name].cost == pytest.approx(textbook.cost(X_test, Y_TEST), rel=1e-4)
        assert tested[name].accuracy == np.mean(textbook.predict(X_test) == Y_TEST)


def test_a_final_training_that_always_loses_its_worker_gives_up():
    with pytest.raises(ClusterError, match=r"has failed 5 times.*The log is complete"):
        trained(LosingExecutor(MAX_ATTEMPTS))


def test_an_interruption_ends_the_wait():
    executor = SerialExecutor()
    executor.wait = lambda timeout: []
    with pytest.raises(InterruptedSweepError):
        trained(executor, lambda: True)


def test_what_is_done_is_taken_before_an_interruption():
    executor, stopped = SerialExecutor(), []

    def wait(timeout):
        stopped.append(True)
        return SerialExecutor.wait(executor, timeout)

    executor.wait = wait
    assert set(trained(executor, lambda: bool(stopped)).states) == {"last", "average"}


def test_without_test_images_there_is_no_test_result():
    models = final_models(trained(SerialExecutor()), PARAMS, DATA)
    assert final_scores(models, Dataset("tiny", DATA.X, DATA.y)) == {}
