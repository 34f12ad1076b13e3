"""Trainers other than the project's own: a grid with eight numbers of epochs, here and elsewhere.

Each grid is run four times on the same cores: as it is; its longest trials alone; every trial on
its own in Ray Tune, by a function that reports once; and in Optuna, one process for each core that
shares a study in a journal file. All train with the same trainer, rows, seed and scores, so the
costs must be the same to the bit. Wall times are of whole commands or calls, start-up included.
Eight numbers of epochs from 16 to 30 are 184 epochs apart and 30 together: 6.1 times is the most
that sharing can give. The rows are the first 5000 training images of Fashion-MNIST.

    python benchmarks/shared_epochs.py [NAME ...]        about an hour; needs ray[tune] and torch

`packs` is a row of its own: 16 models of one's own, in numpy, side by side and one by one.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from harness import PACKAGES, RESULTS, report

CORES = 2
EPOCHS = [16, 18, 20, 22, 24, 26, 28, 30]
ROUNDS = [32, 36, 40, 44, 48, 52, 56, 60]
NET = '''
import torch

from model.trainers.torch import TorchTrainer


class Net(TorchTrainer):
    """A perceptron with dropout."""

    version = "1"

    def model(self, params, n_features, n_classes):
        return torch.nn.Sequential(
            torch.nn.Linear(n_features, 256),
            torch.nn.ReLU(),
            torch.nn.Dropout(params["dropout"]),
            torch.nn.Linear(256, n_classes),
        )
'''
GRIDS = {
    "MLPClassifier": (
        "partial_fit:sklearn.neural_network.MLPClassifier",
        {
            "hidden_layer_sizes": [256, 512], "alpha": [0.0001, 0.01],
            "learning_rate_init": [0.0003, 0.001], "epochs": EPOCHS,
        },
    ),
    "HistGradientBoosting": (
        "warm_start:sklearn.ensemble.HistGradientBoostingClassifier",
        {"max_leaf_nodes": [4, 8], "learning_rate": [0.05, 0.1], "epochs": ROUNDS},
    ),
    "XGBoost": (
        "xgboost",
        {"subsample": [0.5], "max_depth": [2, 4], "learning_rate": [0.1, 0.3], "epochs": ROUNDS},
    ),
    "LightGBM": (
        "lightgbm",
        {
            "bagging_fraction": [0.5, 0.8], "bagging_freq": [1], "num_leaves": [4, 8],
            "learning_rate": [0.05, 0.1], "epochs": ROUNDS,
        },
    ),
    "torch": (
        "net:Net",
        {
            "dropout": [0.2, 0.5], "learning_rate": [0.0001, 0.0003, 0.001, 0.003],
            "epochs": EPOCHS,
        },
    ),
}  # fmt: skip


def write_grid(folder: Path, trainer: str, space: dict) -> None:
    lines = [f"{name} = {json.dumps(values)}" for name, values in space.items()]
    text = "\n".join([f'trainer = "{trainer}"', 'dataset = "./data.npz"', "[space]", *lines])
    (folder / "grid.toml").write_text(text + "\n")


def write_rows(folder: Path) -> None:
    from model.data.sources import load_dataset

    data = load_dataset("fashion-mnist", notify=print)
    np.savez(folder / "data.npz", X=np.float32(data.X[:5000]) / 255, y=data.y[:5000])


def swept(folder: Path, trainer: str, space: dict) -> tuple[float, pd.DataFrame]:
    """Return the seconds of the command, and its log."""
    write_grid(folder, trainer, space)
    run = folder / f"run-{len(list(folder.glob('run-*')))}"
    command = [
        sys.executable, "-m", "search.run", "--grid", "./grid.toml", "--no-progress",
        "--workers", str(CORES), "--run-dir", str(run),
    ]  # fmt: skip
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=_environment(folder))
    seconds = time.perf_counter() - began
    return seconds, pd.read_parquet(run / "trials").sort_values("number", ignore_index=True)


def _environment(folder: Path) -> dict[str, str]:
    paths = [
        str(Path(__file__).resolve().parents[1]),
        str(folder),
        os.environ.get("PYTHONPATH", ""),
    ]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def examples_of(folder: Path):
    from model.data.sources import load_dataset
    from model.examples import Examples
    from model.trainers.tasks import rows_of

    found = Examples.from_dataset(load_dataset(str(folder / "data.npz"), notify=print), 0.2, 0)
    return [rows_of(part, 10, 0) for part in (found.training(0), found.validation(0))]


def alone(trainer: str, params: dict, rows) -> float:
    """Return the cost of one trial, trained on its own."""
    from threadpoolctl import threadpool_limits

    from model.trainers import load_trainer

    loaded = load_trainer(trainer)
    with threadpool_limits(1):
        rest = {name: value for name, value in params.items() if name != "epochs"}
        state = loaded.advance(None, rest, range(params["epochs"]), rows[0])
        return loaded.score(state, rows[1])["cost"]


def in_ray_tune(folder: Path, trainer: str, space: dict, rows) -> tuple[float, list[float]]:
    import ray
    from ray import tune

    def trial(config, rows):
        sys.path.insert(0, str(folder))
        tune.report({"cost": alone(trainer, config, rows)})

    began = time.perf_counter()
    environment = {"env_vars": {"PYTHONPATH": _environment(folder)["PYTHONPATH"]}}
    ray.init(
        address="local", num_cpus=CORES, include_dashboard=False, log_to_driver=False,
        logging_level="ERROR", runtime_env=environment,
    )  # fmt: skip
    try:
        with tempfile.TemporaryDirectory() as storage:
            tuner = tune.Tuner(
                tune.with_resources(tune.with_parameters(trial, rows=rows), {"cpu": 1}),
                param_space={name: tune.grid_search(values) for name, values in space.items()},
                run_config=tune.RunConfig(storage_path=storage, verbose=0),
            )
            results = tuner.fit()
            found = {_key(result.config, space): result.metrics["cost"] for result in results}
    finally:
        ray.shutdown()
    return time.perf_counter() - began, [found[key] for key in _keys(space)]


def in_optuna(folder: Path, trainer: str, space: dict, rows) -> tuple[float, list[float]]:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sys.path.insert(0, str(folder))
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as storage:
        journal = str(Path(storage) / "journal.log")

        def study():
            return optuna.create_study(
                study_name="grid",
                storage=JournalStorage(JournalFileBackend(journal)),
                sampler=optuna.samplers.GridSampler(space, seed=0),
                load_if_exists=True,
            )

        def work():
            study().optimize(
                lambda t: alone(
                    trainer, {n: t.suggest_categorical(n, v) for n, v in space.items()}, rows
                )
            )

        study()
        workers = [multiprocessing.get_context("fork").Process(target=work) for _ in range(CORES)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        found = {_key(t.params, space): t.value for t in study().trials if t.value is not None}
    return time.perf_counter() - began, [found[key] for key in _keys(space)]


def _key(params: dict, space: dict) -> tuple:
    return tuple(params[name] for name in space)


def _keys(space: dict) -> list[tuple]:
    from itertools import product

    return list(product(*space.values()))


def measured(name: str) -> dict:
    trainer, space = GRIDS[name]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "net.py").write_text(NET)
        write_rows(folder)
        swept(folder, trainer, {**space, "epochs": space["epochs"][:1]})  # checks it, warms caches
        rows = examples_of(folder)
        ours, log = swept(folder, trainer, space)
        summary = json.loads((folder / "run-1" / "summary.json").read_text())
        longest, _ = swept(folder, trainer, {**space, "epochs": space["epochs"][-1:]})
        tune_s, tuned = in_ray_tune(folder, trainer, space, rows)
        optuna_s, studied = in_optuna(folder, trainer, space, rows)
    costs = log["val_cost"].tolist()
    return {
        "trials": len(log),
        "grid_s": ours,
        "grid_training_s": summary["timing"]["training_s"],
        "longest_s": longest,
        "ray_tune_s": tune_s,
        "optuna_s": optuna_s,
        "same_as_alone": int(
            np.sum([a == b == c for a, b, c in zip(costs, tuned, studied, strict=True)])
        ),
    }


OWN = """
import numpy as np

from model.trainers import Packs, classification_figures


class Softmax(Packs):
    version = "1"
    widest = 16
    tolerance = 1e-4

    def advance(self, state, params, epochs, data):
        return self.advance_pack([state], [params], epochs, data)[0]

    def advance_pack(self, states, params, epochs, data):
        start, k = np.zeros((data.X.shape[1], data.n_classes), np.float32), len(states)
        W = np.hstack([start if state is None else state for state in states])
        rates = np.repeat([p["rate"] for p in params], data.n_classes).astype(np.float32)
        one_hot = np.eye(data.n_classes, dtype=np.float32)
        for epoch in epochs:
            order = data.order(epoch)
            for i in range(0, len(order), 32):
                X, y = data.X[order[i : i + 32]], data.y[order[i : i + 32]]
                Z = (X @ W).reshape(len(y), k, -1)
                Z = np.exp(Z - Z.max(axis=2, keepdims=True))
                delta = Z / Z.sum(axis=2, keepdims=True) - one_hot[y][:, None]
                W = W - rates * (X.T @ delta.reshape(len(y), -1)) / len(y)
        return np.split(W, k, axis=1)

    def score(self, state, data):
        Z = data.X @ state.astype(np.float64)
        Z = np.exp(Z - Z.max(axis=1, keepdims=True))
        return classification_figures(Z / Z.sum(axis=1, keepdims=True), data)
"""


def packed() -> dict:
    """Return what one product for 16 models of one's own saves, and how far it is from alone."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "own.py").write_text(OWN)
        write_rows(folder)
        sys.path.insert(0, str(folder))
        from threadpoolctl import threadpool_limits

        from model.trainers import load_trainer

        trainer, (training, scoring) = load_trainer("own:Softmax"), examples_of(folder)
        params = [{"rate": float(rate)} for rate in np.geomspace(0.01, 0.3, 16)]
        with threadpool_limits(1):
            trainer.advance(None, params[0], range(1), training)
            began = time.perf_counter()
            alone_ = [trainer.advance(None, mine, range(10), training) for mine in params]
            apart_s, began = time.perf_counter() - began, time.perf_counter()
            together = trainer.advance_pack([None] * 16, params, range(10), training)
            together_s = time.perf_counter() - began
        costs = [
            [trainer.score(s, scoring)["cost"] for s in states] for states in (alone_, together)
        ]
        return {
            "apart_s": apart_s,
            "together_s": together_s,
            "times": apart_s / together_s,
            "largest_difference": float(np.abs(np.subtract(*costs) / costs[0]).max()),
        }


def main() -> None:
    names = sys.argv[1:] or [*GRIDS, "packs"]
    kept = RESULTS / "shared_epochs.json"
    figures = json.loads(kept.read_text())["figures"] if kept.exists() else {"trainers": {}}
    for name in names:  # what is not named stays as it was found before
        if name == "packs":
            figures["packs"] = {"16 models": packed()}
        else:
            figures["trainers"][name] = measured(name)
    report("shared_epochs", figures, keep=True, packages=[*PACKAGES, "xgboost-cpu", "lightgbm"])


if __name__ == "__main__":
    main()
