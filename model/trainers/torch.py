"""A base for trainers of PyTorch's modules."""

import contextlib
import copy
import io
import warnings
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from model.features import Features
from model.trainers.estimators import check_names
from model.trainers.figures import classification_figures
from model.trainers.rows import Rows
from model.trainers.trainer import HasModelFile, OwnFormat, Params, Predicts, TakesSchedules

_SCORED_AT_ONCE = 1024
"""Rows; always as many, since a product of another size rounds otherwise."""


class TorchTrainer(OwnFormat, TakesSchedules, HasModelFile, Predicts):
    """A classifier in PyTorch: a subclass gives the module, and what it wants to change.

    An epoch goes once through the rows in the order of the epoch, in mini-batches; the last one
    may be smaller. PyTorch's own random numbers (dropout, noise) begin again in each epoch, by its
    seed; the first weights have their own seed. A state holds the module's and the
    optimiser's `state_dict`, in PyTorch's format.

    It runs on the GPU where PyTorch sees one, else on the processor, in `Rows.threads` threads;
    ``CUDA_VISIBLE_DEVICES`` says which. On a GPU, what is exact depends on the operations that the
    module uses: deterministic ones are chosen where PyTorch has them.

    Attributes
    ----------
    names : tuple of str or None
        The hyperparameters that there are, so that a wrong name is refused before anything is
        trained; None if they are not listed.
    live : tuple of str
        Those that may have a schedule: ``learning_rate``, unless overridden. What follows from them
        in `optimiser` changes with them, and so may what `loss` and `batch_size` make of them.

    Examples
    --------
    >>> class Net(TorchTrainer):
    ...     version = "1"
    ...     names = ("width", "dropout", "learning_rate", "batch_size")
    ...
    ...     def model(self, params, n_features, n_classes):
    ...         return torch.nn.Sequential(
    ...             torch.nn.Linear(n_features, params["width"]),
    ...             torch.nn.ReLU(),
    ...             torch.nn.Dropout(params["dropout"]),
    ...             torch.nn.Linear(params["width"], n_classes),
    ...         )
    >>> data = Rows(np.arange(20, dtype=np.float32)[:, None], np.arange(20) // 10, n_classes=2)
    >>> trainer, params = Net(), {"width": 4, "dropout": 0.5, "learning_rate": 0.01}
    >>> state = trainer.advance(None, params, range(0, 5), data)
    >>> sorted(trainer.score(state, data))
    ['accuracy', 'cost']
    """

    names: ClassVar[tuple[str, ...] | None] = None
    live = ("learning_rate",)
    ending = "pt"

    @abstractmethod
    def model(self, params: Params, n_features: int, n_classes: int) -> torch.nn.Module:
        """Return the module with its first weights, on the processor.

        Parameters
        ----------
        params : mapping
            The hyperparameters.
        n_features, n_classes : int
            A mini-batch is a float32 tensor of shape (n, n_features); the module turns it into
            one of shape (n, n_classes), whose softmax are the probabilities.
        """

    def optimiser(self, params: Params, module: torch.nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser: Adam with the hyperparameter ``learning_rate``, unless overridden.

        Its learning rate must not follow from the number of calls; what changes from epoch to
        epoch belongs into the state.
        """
        return torch.optim.Adam(module.parameters(), lr=float(params["learning_rate"]))

    def loss(self, params: Params, outputs: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        """Return the loss of each row, shape (n,): the cross-entropy, unless overridden.

        Parameters
        ----------
        params : mapping
        outputs : Tensor of shape (n, n_classes)
        classes : Tensor of shape (n,), int64
        """
        del params
        return torch.nn.functional.cross_entropy(outputs, classes, reduction="none")

    def batch_size(self, params: Params) -> int:
        """Return the rows of a mini-batch: the hyperparameter ``batch_size``, or 32."""
        return int(params.get("batch_size", 32))

    def advance(
        self, state: dict[str, Any] | None, params: Params, epochs: range, data: Rows
    ) -> dict[str, Any]:
        """Return the module and the optimiser after some more epochs."""
        with _in_threads(data.threads), _seeded(data.rng()):
            module, device = self.model(params, data.X.shape[1], data.n_classes), _device()
            module.to(device)
            optimiser = self.optimiser(params, module)
            if state is not None:
                module.load_state_dict(state["module"])
                # It would go on in the tensors that it is given.
                optimiser.load_state_dict(copy.deepcopy(state["optimiser"]))
                self._change(optimiser, state["params"], params, module)
            module.train()
            for epoch in epochs:
                with _seeded(data.rng(epoch)):
                    self._train(params, module, optimiser, data.order(epoch), data, device)
            found = {"module": module.state_dict(), "optimiser": optimiser.state_dict()}
            return {"params": dict(params), **_copied(found)}

    def score(self, state: dict[str, Any], data: Rows) -> dict[str, float]:
        """Return the cost and the accuracy."""
        outputs = self._outputs(state, data)
        found = torch.softmax(outputs.double(), dim=1).numpy()
        # Outputs near 0 may differ where their probabilities are rounded to the same number.
        return classification_figures(found, data, outputs.argmax(dim=1).numpy())

    def probabilities(self, state: dict[str, Any], data: Rows) -> NDArray[np.floating]:
        """Return the softmax of what the module says."""
        found: NDArray[np.floating] = torch.softmax(
            self._outputs(state, data).double(), dim=1
        ).numpy()
        return found

    def predict(self, state: dict[str, Any], data: Rows) -> NDArray[np.integer]:
        """Return the class of the largest output of the module."""
        found: NDArray[np.integer] = self._outputs(state, data).argmax(dim=1).numpy()
        return found

    def _outputs(self, state: dict[str, Any], data: Rows) -> torch.Tensor:
        """Return what the module says of each row, shape (n, n_classes)."""
        with _in_threads(data.threads), _seeded(data.rng()), torch.inference_mode():
            module, device = self.model(state["params"], data.X.shape[1], data.n_classes), _device()
            module.load_state_dict(state["module"])
            module.to(device).eval()
            found = [
                module(_tensor(data.X, rows, device)).cpu()
                for rows in _batches(np.arange(len(data.y)), _SCORED_AT_ONCE)
            ]
        return torch.cat(found)

    def dump(self, state: dict[str, Any]) -> bytes:
        """Return the state in PyTorch's format."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        return buffer.getvalue()

    def load(self, content: bytes) -> dict[str, Any]:
        """Return the state, with its tensors in the processor's memory."""
        found: dict[str, Any] = torch.load(
            io.BytesIO(content), map_location="cpu", weights_only=True
        )
        return found

    def model_file(
        self, state: dict[str, Any], features: Features, classes: Sequence[Any]
    ) -> bytes:
        """Return a checkpoint for ``torch.load(..., weights_only=True)``.

        ``state_dict`` is the module's, ``params`` what `model` made it of; the module takes
        ``(x - shift) * scale`` in float32, and ``classes`` are the labels of its outputs.
        """
        buffer = io.BytesIO()
        content = {
            "state_dict": state["module"],
            "params": state["params"],
            "shift": torch.from_numpy(features.shift.copy()),
            "scale": torch.from_numpy(features.scale.copy()),
            "classes": list(classes),
        }
        torch.save(content, buffer)
        return buffer.getvalue()

    def check(self, params: Params) -> None:
        """Refuse hyperparameters that are not among `names`."""
        if self.names is not None:
            check_names(type(self).__name__, params, self.names, {})

    def _change(
        self,
        optimiser: torch.optim.Optimizer,
        before: Params,
        now: Params,
        module: torch.nn.Module,
    ) -> None:
        """Give an optimiser what follows from the hyperparameters that have changed."""
        if all(before.get(name) == now.get(name) for name in self.live):
            return
        old, new = (self.optimiser(params, module).param_groups for params in (before, now))
        for group, was, becomes in zip(optimiser.param_groups, old, new, strict=True):
            changed = {k: v for k, v in becomes.items() if k != "params" and v != was.get(k)}
            group.update(changed)

    def _train(
        self,
        params: Params,
        module: torch.nn.Module,
        optimiser: torch.optim.Optimizer,
        order: np.ndarray[Any, np.dtype[np.intp]],
        data: Rows,
        device: torch.device,
    ) -> None:
        """Train an epoch."""
        for rows in _batches(order, self.batch_size(params)):
            optimiser.zero_grad()
            losses = self.loss(
                params, module(_tensor(data.X, rows, device)), _tensor(data.y, rows, device)
            )
            if data.weights is None:
                loss = losses.mean()
            else:
                weights = _tensor(data.weights, rows, device).to(losses.dtype)
                loss = (weights * losses).sum() / weights.sum()
            loss.backward()
            optimiser.step()


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _batches(order: Any, size: int) -> Iterator[Any]:
    return (order[i : i + size] for i in range(0, len(order), size))


def _tensor(values: Any, rows: Any, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(values[rows]).to(device)  # a copy: the rows are shared


def _copied(found: Any) -> Any:
    """Return the same with its own tensors, in the processor's memory."""
    if isinstance(found, torch.Tensor):
        return found.detach().to("cpu", copy=True)
    if isinstance(found, dict):
        return {key: _copied(value) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return type(found)(_copied(value) for value in found)
    return found


@contextlib.contextmanager
def _seeded(rng: np.random.Generator) -> Iterator[None]:
    """Let PyTorch's random numbers begin at their own place, and be untouched after it."""
    with torch.random.fork_rng():
        torch.manual_seed(int(rng.integers(2**63)))
        yield


@contextlib.contextmanager
def _in_threads(count: int) -> Iterator[None]:
    """Compute in so many threads, with deterministic operations, as far as PyTorch has them."""
    threads, exact = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.set_num_threads(count)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have a deterministic")
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(exact, warn_only=warned)
