"""JAX on the processor: all columns of a stack at once, compiled.

What a careful engineer writes: the update of one model as a function, `vmap` over the learning
rates and alphas of a stack, `scan` over the mini-batches of an epoch, and `jit` around it. A stack
is all pairs of learning rate and alpha with one batch size and one number of epochs.
"""

import os
import time
from functools import partial
from itertools import groupby
from typing import Any

# Before JAX is loaded: one thread for each process, as for all peers.
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from model.shuffle import epoch_order
from peers.processes import held_task, run_pool
from peers.task import Outcome, Task, Trial

Model = tuple[Array, Array]


def run_stacked(task: Task) -> list[Outcome]:
    """Train one stack after another in a pool of as many processes as cores."""
    stacks = [list(trials) for _, trials in groupby(task.trials, _stack)]
    outcomes = run_pool(_train_stack, stacks, task, start="spawn")
    return [outcome for stack in outcomes for outcome in stack]


def _stack(trial: Trial) -> tuple[int, int]:
    return trial.params["batch_size"], trial.params.epochs


def _step(model: Model, X: Array, y: Array, rate: Array, alpha: Array) -> Model:
    """Take one step of one model."""
    W, b = model
    delta = (jax.nn.softmax(X @ W + b) - jax.nn.one_hot(y, b.shape[0])) / X.shape[0]
    return W - rate * (X.T @ delta + alpha * W), b - rate * delta.sum(0)


@partial(jax.jit, donate_argnums=0)
def _epoch(models: Model, X: Array, y: Array, batches: Array, rate: Array, alpha: Array) -> Model:
    """Take the steps of whole mini-batches, whose rows are given, with all models."""
    step = jax.vmap(_step, in_axes=((0, 0), None, None, 0, 0))

    def one(models: Model, rows: Array) -> tuple[Model, None]:
        return step(models, X[rows], y[rows], rate, alpha), None

    return jax.lax.scan(one, models, batches)[0]


@jax.jit
def _costs(models: Model, X: Array, y: Array) -> Array:
    def cost(model: Model) -> Array:
        log_p = jax.nn.log_softmax(X @ model[0] + model[1])
        return -jnp.take_along_axis(log_p, y[:, None], 1).mean()

    return jax.lax.map(cost, models)


def _train_stack(trials: list[Trial]) -> list[Outcome]:
    started, p, examples = time.time(), trials[0].params, held_task().examples
    n, c = examples.n_train, examples.n_classes
    X, y = jnp.asarray(examples.X[:n]), jnp.asarray(examples.y[:n])
    rate, alpha = (
        jnp.asarray([trial.params[name] for trial in trials], jnp.float32)
        for name in ("learning_rate", "alpha")
    )
    models: Model = (
        jnp.zeros((len(trials), X.shape[1], c), jnp.float32), jnp.zeros((len(trials), c))
    )  # fmt: skip
    for epoch in range(p.epochs):
        order = epoch_order(n, held_task().seed, epoch)
        whole = n // p["batch_size"] * p["batch_size"]
        for rows in (order[:whole].reshape(-1, p["batch_size"]), order[whole:][None]):
            if rows.size:
                models = _epoch(models, X, y, jnp.asarray(rows), rate, alpha)
    costs: Any = np.asarray(
        _costs(models, jnp.asarray(examples.X[n:]), jnp.asarray(examples.y[n:]))
    )
    finished = time.time()
    return [
        Outcome(trial.number, float(cost), started, finished)
        for trial, cost in zip(trials, costs, strict=True)
    ]
