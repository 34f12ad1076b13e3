"""PyTorch on the processor: one model for each process, or all columns of a stack at once.

The update is written out in tensors. That is faster than autograd with
torch.optim.SGD, by a factor of three at a batch size of 8, and does the same.
A stack is all pairs of learning rate and alpha with one batch size and one
number of epochs. Its weights stand side by side in one matrix, so that plain
matrix products serve all models: faster than torch.bmm and torch.func.vmap.
"""

import time
from collections.abc import Iterator
from itertools import groupby

import torch
from torch.nn.functional import cross_entropy, one_hot

from model.shuffle import epoch_order
from peers.processes import held_task, run_pool
from peers.task import Outcome, Task, Trial

Batches = Iterator[tuple[torch.Tensor, torch.Tensor]]


def run(task: Task) -> list[Outcome]:
    """Train one model after another in a pool of as many processes as cores."""
    return run_pool(_train, task.trials, task, _one_thread)


def run_stacked(task: Task) -> list[Outcome]:
    """Train one stack after another in a pool of as many processes as cores."""
    stacks = [list(trials) for _, trials in groupby(task.trials, _stack)]
    outcomes = run_pool(_train_stack, stacks, task, _one_thread)
    return [outcome for stack in outcomes for outcome in stack]


def _stack(trial: Trial) -> tuple[int, int]:
    return trial.params["batch_size"], trial.params.epochs


def _one_thread() -> None:
    torch.set_num_threads(1)


@torch.inference_mode()
def _train(trial: Trial) -> Outcome:
    started, p, c = time.time(), trial.params, held_task().examples.n_classes
    X_validation, y_validation = _validation()
    W, b = torch.zeros(X_validation.shape[1], c), torch.zeros(c)
    for X, y in _batches(p["batch_size"], p.epochs):
        delta = torch.softmax(torch.addmm(b, X, W), 1)
        delta[torch.arange(len(y)), y] -= 1
        delta /= len(y)
        W.sub_(torch.addmm(W, X.T, delta, beta=p["alpha"]), alpha=p["learning_rate"])
        b.sub_(delta.sum(0), alpha=p["learning_rate"])
    cost = cross_entropy(torch.addmm(b, X_validation, W), y_validation).item()
    return Outcome(trial.number, cost, started, time.time())


@torch.inference_mode()
def _train_stack(trials: list[Trial]) -> list[Outcome]:
    """Train M models; the weights have the shape (D, M c), the bias (M, c)."""
    started, p, c = time.time(), trials[0].params, held_task().examples.n_classes
    M, D = len(trials), held_task().examples.X.shape[1]
    rate = torch.tensor([[trial.params["learning_rate"]] for trial in trials], dtype=torch.float64)
    alpha = torch.tensor([[trial.params["alpha"]] for trial in trials], dtype=torch.float64)
    decay = (1 - rate * alpha).expand(M, c).reshape(1, -1).float()
    rate = rate.float()
    W, b = torch.zeros(D, M * c), torch.zeros(M, c)
    for X, y in _batches(p["batch_size"], p.epochs):
        delta = torch.softmax((X @ W).view(-1, M, c).add_(b), 2)
        delta -= one_hot(y, c)[:, None]
        delta *= -rate / len(y)
        W.mul_(decay).addmm_(X.T, delta.view(-1, M * c))
        b += delta.sum(0)
    costs = _stack_costs(W.view(D, M, c), b)
    finished = time.time()
    return [
        Outcome(trial.number, cost, started, finished)
        for trial, cost in zip(trials, costs, strict=True)
    ]


def _stack_costs(W: torch.Tensor, b: torch.Tensor) -> list[float]:
    X, y = _validation()
    return [cross_entropy(torch.addmm(b[m], X, W[:, m]), y).item() for m in range(len(b))]


def _batches(batch_size: int, epochs: int) -> Batches:
    task = held_task()
    n = task.examples.n_train
    X, y = torch.from_numpy(task.examples.X[:n]), torch.from_numpy(task.examples.y[:n])
    for epoch in range(epochs):
        order = torch.from_numpy(epoch_order(n, task.seed, epoch))
        for rows in order.split(batch_size):
            yield X[rows], y[rows]


def _validation() -> tuple[torch.Tensor, torch.Tensor]:
    examples = held_task().examples
    n = examples.n_train
    return torch.from_numpy(examples.X[n:]), torch.from_numpy(examples.y[n:])
