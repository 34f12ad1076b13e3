"""The protocol of a trainer: a function of a state and a range of epochs, and nothing else."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from model.features import Features
from model.trainers.rows import Rows

PROTOCOL = 1
"""The version of this protocol. What is here stays as it is; what is new gets a base class."""

Value = int | float | str | bool
"""A value of a hyperparameter."""

Params = Mapping[str, Value]
"""The hyperparameters of a training, by name, without its number of epochs."""

State = Any
"""What a trainer knows after some epochs: anything that can be written down."""


class Trainer(ABC):
    """Trains in epochs or rounds, and is scored where the sweep asks for it.

    The engine decides which epochs are trained when and where. It calls `advance` with the range
    that comes next, on any machine, perhaps long after the range before, and keeps the states.
    The result is that of training in one go if a trainer keeps three promises:

    1. Nothing depends on how the epochs are cut into ranges. The state has all that the next range
       needs: momentum, counters, caches.
    2. All randomness comes from ``data.rng(epoch)`` and ``data.order(epoch)``.
    3. The number of epochs of a trial is not known. A schedule over all of them takes that number
       as a separate hyperparameter, which makes trials of other lengths different trainings.

    `python -m search.check_trainer` tests all three. A subclass is made without arguments, or an
    object of it is named; either is pickled to the workers. More can be promised by the base
    classes `Packs`, `KeepsPast`, `TakesSchedules`, `OwnFormat` and `Predicts`. Nothing is guessed
    from the name of a method.

    Attributes
    ----------
    version : str
        Part of a run's identity: a run is not continued by another version. Change it with
        whatever changes a result.
    exact : bool
        Whether the first of the three demands is met to the bit. If not, say so: the epochs are
        then cut at the same places whatever happens.
    metrics : tuple of str
        What `score` returns: ``cost``, by which trials are compared, less is better;
        ``accuracy``, which is shown with it; and any others, which the log keeps.

    Examples
    --------
    Logistic regression of two classes, one step of gradient descent in each epoch:

    >>> import numpy as np
    >>> class Logistic(Trainer):
    ...     version = "1"
    ...
    ...     def advance(self, state, params, epochs, data):
    ...         w = np.zeros(data.X.shape[1]) if state is None else state
    ...         for _ in epochs:
    ...             p = 1 / (1 + np.exp(-data.X @ w))
    ...             w = w - params["learning_rate"] * data.X.T @ (p - data.y) / len(data.y)
    ...         return w
    ...
    ...     def score(self, state, data):
    ...         p = 1 / (1 + np.exp(-data.X @ state))
    ...         return classification_figures(np.column_stack([1 - p, p]), data)
    >>> from model.trainers import Rows, classification_figures
    >>> data = Rows(np.array([[-1.0], [1.0]], np.float32), np.array([0, 1]), n_classes=2)
    >>> trainer, params = Logistic(), {"learning_rate": 1.0}
    >>> state = trainer.advance(None, params, range(0, 3), data)
    >>> state = trainer.advance(state, params, range(3, 8), data)
    >>> sorted(trainer.score(state, data))
    ['accuracy', 'cost']
    """

    version: ClassVar[str]
    exact: ClassVar[bool] = True
    metrics: ClassVar[tuple[str, ...]] = ("cost", "accuracy")

    @abstractmethod
    def advance(self, state: State | None, params: Params, epochs: range, data: Rows) -> State:
        """Return the state after some more epochs.

        Parameters
        ----------
        state : object or None
            The state that `advance` returned for the earlier epochs, a copy that may be changed;
            None before the first epoch.
        params : mapping of str to int, float, str or bool
            The hyperparameters, all but the epochs.
        epochs : range
            The epochs to train, counted from 0, at least one. It begins where the state stands.
        data : Rows
            The rows that train. They are shared, and cannot be written to.
        """

    @abstractmethod
    def score(self, state: State, data: Rows) -> Mapping[str, float]:
        """Return a figure for each of `metrics`.

        It must not change the state: training goes on from it.

        Parameters
        ----------
        state : object
            The state that `advance` has returned.
        data : Rows
            Rows that the state was not trained on.
        """

    def check(self, params: Params) -> None:
        """Refuse hyperparameters that this trainer does not have or cannot take.

        It is called with the params of trials before anything is trained, so that a wrong name
        costs no sweep.

        Raises
        ------
        ValueError
            If one is unknown or has a value that cannot be; the message is for the user.
        """
        del params


class Packs(Trainer):
    """A trainer that trains several models faster side by side than one after the other.

    Attributes
    ----------
    pack_by : tuple of str
        Hyperparameters that all models of a pack have in common.
    widest : int
        Number of models that a pack has at most.
    tolerance : float
        Relative difference of a cost that a pack may make, by rounding; 0 if it makes none.
    """

    pack_by: ClassVar[tuple[str, ...]] = ()
    widest: ClassVar[int] = 64
    tolerance: ClassVar[float] = 0.0

    @abstractmethod
    def advance_pack(
        self,
        states: Sequence[State | None],
        params: Sequence[Params],
        epochs: range,
        data: Rows,
    ) -> Sequence[State]:
        """Return the state of each model after some more epochs, in their order.

        Parameters
        ----------
        states : sequence of object or None
            As in `advance`, one for each model, all at the same epoch.
        params : sequence of mapping
            The hyperparameters of each model, alike in `pack_by`.
        epochs, data
            As in `advance`.
        """


class KeepsPast(Trainer):
    """A trainer whose state holds its past: the first 7 rounds of 20 are the model of 7 rounds.

    Trees that are added to each other are such models. They are scored at any epoch from a later
    state, so that their rounds need not be cut where a trial ends.

    Attributes
    ----------
    grain : int
        Training continues only from states at a multiple of this number of epochs. A library that
        restarts its random numbers in each call needs ranges that always begin at the same places.
    """

    grain: ClassVar[int] = 1

    @abstractmethod
    def score_at(self, state: State, epoch: int, data: Rows) -> Mapping[str, float]:
        """Return what `score` returned if the state were that after its first `epoch` epochs.

        Parameters
        ----------
        state : object
            A state at that epoch or later.
        epoch : int
            Number of epochs, at least 1.
        data : Rows
            As in `score`.
        """


class TakesSchedules(Trainer):
    """A trainer some of whose hyperparameters may change between two epochs.

    A grid may then have schedules of them. Trials whose schedules agree up to an epoch share all
    that is trained up to there. The trainer knows nothing of that: `advance` gets a range of
    epochs in which nothing changes, with the values of these epochs.

    Attributes
    ----------
    live : tuple of str
        The names of these hyperparameters. Each is looked at in every call: a value that is kept in
        the state, as optimisers do, is replaced by what `params` says.
    """

    live: tuple[str, ...] = ()


class Predicts(Trainer):
    """A trainer whose model predicts the class of a row.

    `python -m search.model --predict` calls it. `score` must judge these predictions: the reported
    accuracy is then that of the saved model's predictions.
    """

    @abstractmethod
    def probabilities(self, state: State, data: Rows) -> NDArray[np.floating]:
        """Return the probability of each class for each row, shape (n, n_classes).

        Parameters
        ----------
        state : object
            The state that `advance` has returned.
        data : Rows
            Rows whose classes are not known: `Rows.y` says nothing.
        """

    def predict(self, state: State, data: Rows) -> NDArray[np.integer]:
        """Return the class of each row, shape (n,): the most probable one, unless overridden.

        Override it in a trainer that decides by something other than probabilities, such as
        margins: ties of rounded probabilities would hide its decision.
        """
        found: NDArray[np.integer] = self.probabilities(state, data).argmax(axis=1)
        return found


class OwnFormat(Trainer):
    """A trainer that writes its states itself, instead of having them pickled."""

    @abstractmethod
    def dump(self, state: State) -> bytes:
        """Return a state as bytes."""

    @abstractmethod
    def load(self, content: bytes) -> State:
        """Return the state that `dump` made these bytes of.

        It is called on workers alone, with what a worker has dumped.
        """


class HasModelFile(Trainer):
    """A trainer whose library has its own file for a fitted model.

    `python -m search.model` writes it for the best combination of a run.

    Attributes
    ----------
    ending : str
        The ending of such files, such as ``ubj``.
    """

    ending: ClassVar[str]

    @abstractmethod
    def model_file(self, state: State, features: Features, classes: Sequence[Any]) -> bytes:
        """Return the file.

        Parameters
        ----------
        state : object
            The state that `advance` has returned.
        features : Features
            The transform of the rows with which it was trained.
        classes : sequence
            The labels as their user writes them, in the order of the trainer's numbers.

        Raises
        ------
        ValueError
            If the file cannot hold what the model needs; the message is for the user.
        """


def refuse_transformed(library: str, features: Features) -> None:
    """Refuse a model of transformed rows, where the file of its library has no place for that.

    Raises
    ------
    ValueError
    """
    if not features.changes_nothing:
        raise ValueError(
            f"a file of {library} takes rows as they are, and this model was trained on scaled "
            'ones. Train it with features = "raw": trees do not depend on the scale of a feature'
        )
