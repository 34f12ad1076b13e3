"""Optima as plain tasks: found once, whatever is lost, and to Newton's own figures."""

import numpy as np
import pytest

from cluster.errors import ClusterError
from cluster.executor import SerialExecutor
from cluster.outcomes import Lost
from model.data.dataset import Dataset
from model.examples import Examples
from model.features import Features
from model.optima import find_optimum, score_weights
from model.optima import newton as module_newton
from model.optima import optimum as module
from model.optima.newton import softmax_optimum
from model.pack import PackState, advance
from model.scoring import penalty
from model.softmax import cost
from model.steps import run_to_end
from search.config import SweepConfig
from search.engine import Optima
from search.engine.attempts import MAX_ATTEMPTS
from search.errors import ConfigError, InterruptedSweepError, StoreError
from search.session.checks import alphas_of

ALPHAS = (1.0, 100.0, 1e4)


def tiny(features="raw"):
    random = np.random.default_rng(0)
    X, y = random.integers(0, 256, (60, 6), np.uint8), np.arange(60) % 3
    X[:, 5] = 9  # standardized, it is nothing
    data = Dataset("tiny", X, y, X[:20], np.roll(y[:20], 1))
    return data, Examples.from_dataset(data, 0.25, 1, features=features)


DATA, EXAMPLES = tiny()


class Workers(SerialExecutor):
    """Pretends to have some workers; counts the tasks at a time, and loses as many of an alpha."""

    def __init__(self, workers=1, losses=None):
        super().__init__()
        self.workers, self.losses, self.most, self.order = workers, losses or {}, 0, []

    def submit(self, key, name, function, *args, **options):
        super().submit(key, name, function, *args, **options)
        self.most = max(self.most, len(self._queue))
        self.order.append(key.key)

    def wait(self, timeout):
        ended = super().wait(timeout)
        return [self._lost(task) or task for task in ended]

    def _lost(self, task):
        alpha = task.key.key
        self.losses[alpha] = self.losses.get(alpha, 0) - 1
        return Lost(task.key, "WorkerCrashedError") if self.losses[alpha] >= 0 else None


def never():
    return False


def assert_same(one, other):
    for name in ("alpha", "cost", "gradient_norm", "converged", "val_cost", "val_accuracy"):
        assert getattr(one, name) == getattr(other, name)
    np.testing.assert_array_equal(one.W, other.W)
    np.testing.assert_array_equal(one.b, other.b)


@pytest.mark.parametrize("features", ["raw", "unit", "standardized"])
def test_it_is_newtons_optimum_of_what_trains_the_trials(features):
    data, examples = tiny(features)
    found = run_to_end(find_optimum(examples, 10.0))
    n = examples.n_train
    newton = softmax_optimum(
        examples.X[:n], examples.y[:n], 10.0, 3, gradient_norm=module.GRADIENT_NORM
    )
    assert found.converged
    assert (found.cost, found.gradient_norm) == (newton.penalised_cost, newton.gradient_norm)
    validation = examples.X[n:].astype(np.float64)
    expected = cost(newton.W, newton.b, validation, examples.y[n:])
    assert found.val_cost == pytest.approx(expected, 1e-12)
    logits = validation @ newton.W + newton.b
    assert found.val_accuracy == np.mean(logits.argmax(axis=1) == examples.y[n:])
    seen = Features(found.shift, found.scale).apply(data.X_test)
    np.testing.assert_array_equal(seen, examples.features.apply(data.X_test))
    tested = score_weights(found.W, found.b, seen, data.y_test)
    expected = cost(newton.W, newton.b, seen.astype(np.float64), data.y_test)
    assert tested.cost == pytest.approx(expected, 1e-12)


def test_one_that_is_not_reached_is_a_bound(monkeypatch):
    best = run_to_end(find_optimum(EXAMPLES, 0.01))
    monkeypatch.setattr(module, "MAX_ITERATIONS", 2)
    found = run_to_end(find_optimum(EXAMPLES, 0.01))
    assert not found.converged
    assert found.gradient_norm > module.GRADIENT_NORM
    assert found.cost > best.cost


def test_no_descent_ends_below_it():
    n = EXAMPLES.n_train
    X, y = EXAMPLES.X[:n], EXAMPLES.y[:n]
    alphas = np.array(ALPHAS)
    optima = np.array([run_to_end(find_optimum(EXAMPLES, alpha)).cost for alpha in ALPHAS])
    for rate in (1e-7, 1e-6, 1e-5):
        state = PackState.start(
            15, np.full(3, rate), alphas, n_features=X.shape[1], n_classes=3, seed=0
        )
        for epochs in (1, 20, 400):
            state = advance(state, X, y, epochs)
            trained = [cost(*map(np.float64, state.weights(m)), X, y) for m in range(3)]
            assert (trained + penalty(state) - optima > -1e-6).all()


def test_a_penalty_is_that_of_all_classes():
    state = PackState.start(
        8, np.full(3, 1e-6), np.array(ALPHAS), n_features=6, n_classes=3, seed=0
    )
    state = advance(state, EXAMPLES.X, EXAMPLES.y, 3)
    expected = [
        alpha / 2 * (state.weights(m)[0].astype(np.float64) ** 2).sum()
        for m, alpha in enumerate(ALPHAS)
    ]
    np.testing.assert_allclose(penalty(state), expected, rtol=1e-5)


def find(folder, alphas=ALPHAS, executor=None, interrupted=never):
    return Optima(folder, alphas).find_missing(EXAMPLES, executor or Workers(), interrupted)


def missing(folder, alphas):
    return Optima(folder, alphas).missing


def test_each_is_told_when_it_is_found(tmp_path):
    told = []
    Optima(tmp_path, ALPHAS).find_missing(EXAMPLES, Workers(), never, told.append)
    assert told == [f"Optimum of alpha {alpha:g} found in 0 s" for alpha in ALPHAS]


def test_files_keep_it_whole_and_others_are_found_anew(tmp_path):
    find(tmp_path, (1.0,))
    (path,) = tmp_path.iterdir()
    (found,) = find(tmp_path, (1.0,))
    assert_same(found, run_to_end(find_optimum(EXAMPLES, 1.0)))
    assert missing(tmp_path, (1.0,)) == []
    path.with_name("alpha-2.0.npz").write_bytes(path.read_bytes())
    assert missing(tmp_path, (2.0, 3.0)) == [2.0, 3.0]
    whole = path.read_bytes()
    for damaged in (b"", whole[:100], whole[:-30]):
        path.write_bytes(damaged)
        assert missing(tmp_path, (1.0,)) == [1.0]


def test_one_that_cannot_be_fetched_is_not_found_again(tmp_path, broken_reads):
    find(tmp_path, (1.0,))
    with broken_reads(), pytest.raises(StoreError, match="does not answer"):
        Optima(tmp_path, (1.0,))
    assert missing(tmp_path, (1.0,)) == []


def test_what_is_on_disk_is_not_found_again(tmp_path):
    folder, inner, again = tmp_path / "optimum", Workers(), Workers()
    assert [optimum.alpha for optimum in find(folder, executor=inner)] == list(ALPHAS)
    assert inner.order == list(ALPHAS)
    more = (1e4, 5.0, 100.0, 1.0)
    assert Optima(folder, more).missing == [5.0]
    found = find(folder, more, again)
    assert (again.order, [optimum.alpha for optimum in found]) == ([5.0], sorted(more))
    for optimum in found:
        assert_same(optimum, run_to_end(find_optimum(EXAMPLES, optimum.alpha)))


def test_none_are_wanted_without_alphas(tmp_path):
    executor = Workers()
    assert (find(tmp_path / "optimum", (), executor), executor.order) == ([], [])
    assert not (tmp_path / "optimum").exists()


@pytest.mark.parametrize(("workers", "most"), [(1, 1), (4, 4), (8, 6)])
def test_as_many_run_at_a_time_as_there_are_workers(tmp_path, workers, most):
    executor = Workers(workers)
    find(tmp_path, range(1, 7), executor)
    assert executor.most == most


def test_a_lost_worker_is_tried_again(tmp_path):
    executor = Workers(losses={100.0: MAX_ATTEMPTS - 1})
    assert len(find(tmp_path, executor=executor)) == 3
    assert executor.order.count(100.0) == MAX_ATTEMPTS
    with pytest.raises(ClusterError, match=r"alpha 5 has failed 5 times.*leave --optimum out"):
        find(tmp_path, (5.0,), Workers(losses={5.0: MAX_ATTEMPTS}))


def test_an_interruption_is_answered_between_two_newton_steps(tmp_path, monkeypatch):
    steps, original = [], module_newton._Newton.step

    def step(self, wanted):
        steps.append(1)
        original(self, wanted)

    monkeypatch.setattr(module_newton._Newton, "step", step)
    run_to_end(find_optimum(EXAMPLES, 1.0))
    needed = len(steps)
    assert needed > 3
    for after in range(1, needed):
        steps.clear()
        asked = iter(range(100))
        last = after + 1  # asked before each wait, of which the first comes to the first step
        with pytest.raises(InterruptedSweepError):
            find(tmp_path, [1.0], interrupted=lambda last=last, asked=asked: next(asked) == last)
        assert len(steps) == after
    assert_same(find(tmp_path, [1.0])[0], run_to_end(find_optimum(EXAMPLES, 1.0)))


def test_an_interruption_keeps_what_is_found(tmp_path):
    with pytest.raises(InterruptedSweepError):
        find(tmp_path, interrupted=lambda: any(tmp_path.iterdir()))
    assert Optima(tmp_path, ALPHAS).missing == [100.0, 1e4]


def config(alpha, **more):
    space = {"batch_size": [8], "learning_rate": [1e-6], "epochs": [1], "alpha": alpha}
    data = {"name": "x", "dataset": "./data.npz", "seed": 0, "space": space, **more}
    return SweepConfig.from_dict(data)


def test_alphas_are_a_list_on_one_training_part():
    assert alphas_of(config([10, 0, 1.0], seeds=2)) == (0.0, 1.0, 10.0)
    with pytest.raises(ConfigError, match=r"there are 3\. Leave --optimum out, or folds"):
        alphas_of(config([1], folds=3))
    sampled = config({"low": 0.0, "high": 10.0}, sampler={"name": "random", "trials": 4})
    with pytest.raises(ConfigError, match=r"alpha is a range from 0 to 10\. Give alpha as a list"):
        alphas_of(sampled)
