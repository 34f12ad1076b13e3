"""Trainers of one's own: good ones, and some that break a promise each."""

import ctypes
import math
import os
import sys
import time

import numpy as np

from model.trainers import KeepsPast, Packs, TakesSchedules, Trainer, classification_figures


def probabilities(W, X):
    Z = X @ W
    Z -= Z.max(axis=-1, keepdims=True)
    np.exp(Z, out=Z)
    return Z / Z.sum(axis=-1, keepdims=True)


class Descent(Trainer):
    """Softmax regression by mini-batches, with momentum in the state."""

    version = "1"

    def advance(self, state, params, epochs, data):
        W, V = self.start(data) if state is None else state
        for epoch in epochs:
            for rows in np.array_split(data.order(epoch), 6):
                delta = probabilities(W, data.X[rows]) - np.eye(data.n_classes)[data.y[rows]]
                V = 0.9 * V - self.rate(params, epoch, epochs) * data.X[rows].T @ delta / len(rows)
                W = W + V
        return W, V

    def start(self, data):
        shape = data.X.shape[1], data.n_classes
        return np.zeros(shape), np.zeros(shape)

    def rate(self, params, epoch, epochs):
        return params["learning_rate"]

    def score(self, state, data):
        return classification_figures(probabilities(state[0], data.X), data)


class Dropout(Descent):
    """Drops features of each epoch, by the epoch's random numbers."""

    def random(self, data, epoch):
        return data.rng(epoch)

    def advance(self, state, params, epochs, data):
        W, V = self.start(data) if state is None else state
        for epoch in epochs:
            kept = self.random(data, epoch).random(data.X.shape[1]) < 0.7
            delta = probabilities(W, data.X * kept) - np.eye(data.n_classes)[data.y]
            V = 0.9 * V - params["learning_rate"] * (data.X * kept).T @ delta / len(data.y)
            W = W + V
        return W, V


class Packed(Descent, Packs):
    """Trains models side by side in one product; each has its own learning rate."""

    pack_by = ("kind",)
    widest = 16
    tolerance = 1e-6

    def advance_pack(self, states, params, epochs, data):
        begun = [self.start(data) if state is None else state for state in states]
        W, V = (np.stack(parts) for parts in zip(*begun, strict=True))
        rates = np.array([p["learning_rate"] for p in params])[:, None, None]
        for epoch in epochs:
            for rows in np.array_split(data.order(epoch), 6):
                delta = probabilities(W, data.X[rows]) - np.eye(data.n_classes)[data.y[rows]]
                V = 0.9 * V - rates * (data.X[rows].T @ delta) / len(rows)
                W = W + V
        return list(zip(W, V, strict=True))


class Scheduled(Descent, TakesSchedules):
    """Its learning rate may change; momentum shows what a state has gone through."""

    live = ("learning_rate",)


class ScheduledPack(Packed, TakesSchedules):
    live = ("learning_rate",)


class KeepsRate(Scheduled):
    """Keeps the first learning rate in its state, as an optimiser would."""

    def advance(self, state, params, epochs, data):
        rate, inner = (params["learning_rate"], None) if state is None else state
        return rate, super().advance(inner, {"learning_rate": rate}, epochs, data)

    def score(self, state, data):
        return super().score(state[1], data)


class CountsCalls(Scheduled):
    """Warms up anew in each call whose learning rate is another one."""

    def advance(self, state, params, epochs, data):
        before, inner = (params["learning_rate"], None) if state is None else state
        first = 0.1 if before != params["learning_rate"] else 1.0
        for epoch in epochs:
            now = {"learning_rate": params["learning_rate"] * first}
            inner = super().advance(inner, now, range(epoch, epoch + 1), data)
        return params["learning_rate"], inner

    def score(self, state, data):
        return super().score(state[1], data)


class Growing(KeepsPast):
    """Adds a column of steps in each round, and so knows its past."""

    version = "1"

    def advance(self, state, params, epochs, data):
        rounds = [] if state is None else list(state)
        for _ in epochs:
            W = sum(rounds, np.zeros((data.X.shape[1], data.n_classes)))
            delta = probabilities(W, data.X) - np.eye(data.n_classes)[data.y]
            rounds.append(-params["learning_rate"] * data.X.T @ delta / len(data.y))
        return rounds

    def score(self, state, data):
        return self.score_at(state, len(state), data)

    def score_at(self, state, epoch, data):
        return classification_figures(probabilities(sum(state[:epoch]), data.X), data)


# --- Each of these breaks one promise

_count = 0


class GlobalCounter(Descent):
    def rate(self, params, epoch, epochs):
        global _count  # noqa: PLW0603
        _count += 1
        return params["learning_rate"] / (1 + 0.01 * _count)


class RememberingObject(Descent):
    """Keeps what it needs in itself: the count goes on here, and is gone elsewhere."""

    def __init__(self):
        self.seen = {}

    def rate(self, params, epoch, epochs):
        if epoch == 0:
            self.seen.clear()
        self.seen[epoch] = True
        return params["learning_rate"] / len(self.seen)


class UnseededDropout(Dropout):
    def random(self, data, epoch):
        return np.random.default_rng()


FILE = sys.__stderr__  # open in every process, and nobody has to close it


class OpenFile(Descent):
    def advance(self, state, params, epochs, data):
        W, V = super().advance(state and state[:2], params, epochs, data)
        return W, V, FILE

    def score(self, state, data):
        return super().score(state[:2], data)


class Dart(Growing):
    """Makes earlier rounds smaller with each later one."""

    def advance(self, state, params, epochs, data):
        rounds = super().advance(state, params, range(0), data)
        for _ in epochs:
            rounds = [0.9 * steps for steps in super().advance(rounds, params, range(1), data)]
        return rounds


class Cosine(Descent):
    """Takes the end of a range for the end of training."""

    def rate(self, params, epoch, epochs):
        return params["learning_rate"] * (1 + math.cos(math.pi * epoch / epochs.stop)) / 2


class WritesToRows(Descent):
    def advance(self, state, params, epochs, data):
        data.X[:] /= 2
        return super().advance(state, params, epochs, data)


class WritesToParams(Descent):
    def advance(self, state, params, epochs, data):
        found = super().advance(state, params, epochs, data)
        params["learning_rate"] /= 2
        return found


class ScoreTrains(Descent):
    def score(self, state, data):
        state[0][:] *= 0.99
        return super().score(state, data)


class Slower(Descent):
    """Begins anew for each epoch, as one that retrains from scratch does."""

    def advance(self, state, params, epochs, data):
        for epoch in epochs:
            time.sleep(0.01 * epoch)
        return super().advance(state, params, epochs, data)


class FixedSeed(Dropout):
    """Its random numbers begin anew in each range."""

    def advance(self, state, params, epochs, data):
        self.rng = np.random.default_rng(0)
        return super().advance(state, params, epochs, data)

    def random(self, data, epoch):
        return self.rng


class Forgetful:
    """Weights with their momentum, which nobody writes down."""

    def __init__(self, W, V):
        self.W, self.V = W, V

    def __getstate__(self):
        return {"W": self.W, "V": np.zeros_like(self.W)}


class LosesMomentum(Descent):
    def advance(self, state, params, epochs, data):
        found = super().advance(state and (state.W, state.V), params, epochs, data)
        return Forgetful(*found)

    def score(self, state, data):
        return super().score((state.W, state.V), data)


class Noticing(Descent):
    """Counts its steps in the state, as it must, but rounds differently in each process."""

    def rate(self, params, epoch, epochs):
        return params["learning_rate"] * (1 + os.getpid() * 0.618 % 1 * 1e-4)  # neighbours too


class WritesPastProtection(Descent):
    """Writes to memory that numpy protects, as other libraries do that take it over."""

    def advance(self, state, params, epochs, data):
        address = ctypes.cast(data.X.ctypes.data, ctypes.POINTER(ctypes.c_float))
        np.ctypeslib.as_array(address, data.X.shape)[0, 0] += 1
        return super().advance(state, params, epochs, data)


class ReturnsNothing(Descent):
    def advance(self, state, params, epochs, data):
        super().advance(state, params, epochs, data)


class NoMapping(Descent):
    def score(self, state, data):
        return tuple(super().score(state, data).values())


class NoNumber(Descent):
    def score(self, state, data):
        return super().score(state, data) | {"cost": "low"}


class Exits(Descent):
    def advance(self, state, params, epochs, data):
        raise SystemExit(3)


class Refuses(Descent):
    def check(self, params):
        raise ValueError("learning_rate must be negative.")


class Loud(Descent):
    """Prints much, which hinders nobody."""

    def advance(self, state, params, epochs, data):
        print("y" * 100_000)  # noqa: T201
        return super().advance(state, params, epochs, data)


class DivergesAboveOne(Packed):
    """Its weights are not numbers at large rates, alone and in a pack."""

    def score(self, state, data):
        found = super().score(state[:2], data)
        return found | {"cost": math.nan} if np.abs(state[0]).max() > 5 else found


class ShortPack(Packed):
    def advance_pack(self, states, params, epochs, data):
        return super().advance_pack(states, params, epochs, data)[1:]


class OtherPack(Packed):
    def advance_pack(self, states, params, epochs, data):
        return super().advance_pack(states, [params[0]] * len(params), epochs, data)


class OtherMetric(Descent):
    def score(self, state, data):
        return {"loss": super().score(state, data)["cost"]}


class NotANumber(Descent):
    def score(self, state, data):
        return {"cost": math.nan, "accuracy": 0.0}


class Raises(Descent):
    def advance(self, state, params, epochs, data):
        raise RuntimeError("there is no GPU")


class Inexact(UnseededDropout):
    exact = False


class InexactPast(Growing):
    """Keeps a past that is another one each time, and says so."""

    exact = False

    def advance(self, state, params, epochs, data):
        rounds = super().advance(state, params, epochs, data)
        return [steps + 1e-3 * np.random.default_rng().random(steps.shape) for steps in rounds]
