"""Write the tables of docs/data.md: what is read, and how accurate it is beside scikit-learn.

    python scripts/data_page.py formats      # seconds; a test holds the page to it
    python scripts/data_page.py accuracy     # minutes; Fashion-MNIST is among the data sets

Each file of the first table is made by the very line that the table shows.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np

from model.data.description import describe
from model.data.found import HELP, Reading
from model.data.sources import load_dataset
from model.errors import DataError

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "data.md"
ACCURACY = ROOT / "docs" / "data-accuracy.json"

# (format, what makes the file, the path, what --target and the like say)
Case = tuple[str, str, str, Mapping[str, Any]]

CASES: list[Case] = [
    ("npz", 'np.savez("iris.npz", X=X, y=y)', "iris.npz", {}),
    (
        "npz, test rows too",
        'np.savez("parts.npz", X_train=X, y_train=y, X_test=X_test, y_test=y_test)',
        "parts.npz", {},
    ),
    (
        "npz as Keras has it",
        'np.savez("keras.npz", x_train=images, y_train=digits, x_test=images, y_test=digits)',
        "keras.npz", {},
    ),
    (
        "npz as MedMNIST has it",
        'np.savez("med.npz", train_images=images, train_labels=digits[:, None], '
        "val_images=images, val_labels=digits[:, None])",
        "med.npz", {},
    ),
    ("npz, other names", 'np.savez("other.npz", vectors=X, topic=y)', "other.npz",
     {"keys": {"X": "vectors", "y": "topic"}}),
    ("npz, weighted rows", 'np.savez("weighted.npz", X=X, y=y, sample_weight=weights)',
     "weighted.npz", {}),
    ("npz, one-hot labels", 'np.savez("onehot.npz", X=images, y=np.eye(10)[digits])',
     "onehot.npz", {}),
    ("a folder of npy",
     'np.save("npy/X_train.npy", X); np.save("npy/y_train.npy", y)', "npy", {}),
    (
        "a folder of IDX",
        'Path("idx/train-images-idx3-ubyte").write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, '
        "*images.shape) + images.tobytes()); "
        'Path("idx/train-labels-idx1-ubyte").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, '
        "len(digits)) + digits.astype(np.uint8).tobytes())",
        "idx", {},
    ),
    ("CSV", 'frame.to_csv("iris.csv", index=False)', "iris.csv", {"target": "species"}),
    ("CSV, compressed", 'frame.to_csv("iris.csv.gz", index=False)', "iris.csv.gz",
     {"target": "species"}),
    ("CSV that lacks values",
     'frame.mask(frame == 5.0).to_csv("holes.csv", index=False)', "holes.csv",
     {"target": "species"}),
    ("the same with --missing mean",
     'frame.mask(frame == 5.0).to_csv("holes.csv", index=False)', "holes.csv",
     {"target": "species", "missing": "mean"}),
    ("Parquet", 'frame.to_parquet("iris.parquet")', "iris.parquet", {"target": "species"}),
    ("Feather", 'frame.to_feather("iris.feather")', "iris.feather", {"target": "species"}),
    ("Arrow",
     'with pa.ipc.new_file("iris.arrow", table.schema) as file: file.write(table)', "iris.arrow",
     {"target": "species"}),
    ("a folder of tables",
     'frame[::2].to_csv("tables/train.csv", index=False); '
     'frame[1::2].to_csv("tables/test.csv", index=False)',
     "tables", {"target": "species"}),
    ("text, booleans and dates",
     'mixed.to_csv("mixed.csv", index=False)', "mixed.csv", {"target": "bought"}),
    ("svmlight",
     'dump_svmlight_file(X, places, "iris.svm", zero_based=False)', "iris.svm", {}),
    ("safetensors", 'save_file({"X": X, "y": places}, "iris.safetensors")',
     "iris.safetensors", {}),
    ("HDF5", 'file = h5py.File("iris.h5", "w"); file["X"] = X; file["y"] = places; file.close()',
     "iris.h5", {}),
    ("a pickle", 'Path("iris.pkl").write_bytes(pickle.dumps((X, y)))', "iris.pkl", {}),
    ("a page in place of a download",
     'Path("page.npz").write_text("<!DOCTYPE html><html></html>")', "page.npz", {}),
    ("a Git LFS pointer",
     'Path("lfs.parquet").write_text("version https://git-lfs.github.com/spec/v1\\n")',
     "lfs.parquet", {"target": "species"}),
    ("an Excel sheet",
     'with zipfile.ZipFile("iris.xlsx", "w") as file: file.writestr("[Content_Types].xml", "")',
     "iris.xlsx", {"target": "species"}),
    ("a zip", 'with zipfile.ZipFile("iris.zip", "w") as file: file.writestr("iris.csv", "a,b")',
     "iris.zip", {}),
    ("a cut download", 'Path("cut.npz").write_bytes(Path("iris.npz").read_bytes()[:900])',
     "cut.npz", {}),
]  # fmt: skip


def names() -> dict[str, Any]:
    """Return what the lines of the table may use: iris, small images, and libraries."""
    import gzip
    import pickle
    import struct
    import zipfile

    import h5py
    import pandas as pd
    import pyarrow as pa
    from safetensors.numpy import save_file
    from sklearn.datasets import dump_svmlight_file, load_digits, load_iris

    iris, small = load_iris(), load_digits()
    X, y = iris.data, iris.target_names[iris.target]
    columns = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    frame = pd.DataFrame(X, columns=columns).assign(species=y)
    mixed = pd.DataFrame(
        {
            "colour": ["red", "blue"] * 30,
            "new": [True, True, False] * 20,
            "day": pd.date_range("2024-01-01", periods=60),
            "bought": ["yes", "yes", "no"] * 20,
        }
    )
    return {
        "np": np, "pa": pa, "Path": Path, "h5py": h5py, "gzip": gzip, "pickle": pickle,
        "struct": struct,
        "zipfile": zipfile, "save_file": save_file, "dump_svmlight_file": dump_svmlight_file,
        "X": X[::2].copy(), "y": y[::2], "X_test": X[1::2], "y_test": y[1::2],
        "places": iris.target[::2].copy(),
        "weights": np.linspace(1, 2, 75), "images": small.images[:300].astype(np.uint8),
        "digits": small.target[:300], "frame": frame, "table": pa.Table.from_pandas(frame),
        "mixed": mixed,
    }  # fmt: skip


def formats() -> str:
    """Make each file in an empty folder, load it, and return the table."""
    rows = ["| format | code that makes the file | result |", "| --- | --- | --- |"]
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        for name in ("npy", "idx", "tables"):
            Path(name).mkdir()
        scope = names()
        for title, line, path, reading in CASES:
            exec(line, scope)
            rows.append(f"| {title} | `{line}` | {_outcome(path, reading)} |")
    return "\n".join(rows)


def _outcome(path: str, reading: Mapping[str, Any]) -> str:
    try:
        data = load_dataset(path, Reading(**reading), notify=print)
    except DataError as error:
        return f"refused: {_cell(str(error).removesuffix(HELP))}"
    return _cell(describe(data, path))


def _cell(text: str) -> str:
    return re.sub(r"\s*\n\s*", "; ", text).replace("|", "\\|").strip()


def accuracy_table(results: Mapping[str, Any]) -> str:
    """Return the table of accuracies."""
    rows = [
        "| data set | training rows | test rows | packsweep | LogisticRegression | our time |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in results["data_sets"].items():
        ours, theirs = (f"{100 * row[key]:.2f} %" for key in ("ours", "scikit_learn"))
        rows.append(
            f"| {name} | {row['train']:,} | {row['test']:,} | {ours} | {theirs} "
            f"| {row['seconds']:.0f} s |"
        )
    return "\n".join([*rows, "", f"Measured on {results['machine']}, {results['date']}."])


def measure(executor: str) -> None:
    """Measure the accuracies and write them down."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    found = {}
    for name, (X, y, X_test, y_test) in splits():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.npz"
            np.savez(path, X=X, y=y, X_test=X_test, y_test=y_test)
            began = time.perf_counter()
            command = [sys.executable, "-m", "search.run", "--dataset", str(path)]
            command += ["--grid", "tabular", "--executor", executor, "--no-progress"]
            subprocess.run([*command, "--run-dir", f"{folder}/run"], check=True, cwd=ROOT)
            seconds = time.perf_counter() - began
            summary = json.loads((Path(folder) / "run" / "summary.json").read_text())
        theirs = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(X, y)
        found[name] = {
            "train": len(y), "test": len(y_test), "ours": summary["test"]["accuracy"],
            "scikit_learn": theirs.score(X_test, y_test), "seconds": seconds,
        }  # fmt: skip
        print(name, found[name])
    cores = len(os.sched_getaffinity(0))
    results = {
        "date": time.strftime("%Y-%m-%d"), "machine": f"{cores} cores of {_processor()}",
        "data_sets": found,
    }  # fmt: skip
    ACCURACY.write_text(json.dumps(results, indent=2) + "\n")


def splits() -> Iterator[tuple[str, tuple[Any, Any, Any, Any]]]:
    """Give each data set with its split."""
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    for name in ("iris", "wine", "breast_cancer", "digits"):
        bunch = getattr(datasets, f"load_{name}")()
        y = bunch.target_names[bunch.target]
        X, X_test, y, y_test = train_test_split(
            bunch.data, y, test_size=0.3, random_state=0, stratify=y
        )
        yield name, (X, y, X_test, y_test)
    data = load_dataset("fashion-mnist", notify=print)
    yield "fashion-mnist", (data.X, data.y, data.X_test, data.y_test)


def _processor() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else "an unknown processor"


def with_section(page: str, name: str, table: str) -> str:
    """Return the page with another table between the marks of a section."""
    pattern = rf"(<!-- {name}: [^>]*-->\n).*?(<!-- end -->)"
    changed, count = re.subn(pattern, lambda m: f"{m[1]}{table}\n{m[2]}", page, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"{PAGE} has {count} sections {name}")
    return changed


def main() -> None:
    """Write the section that the command line names."""
    what = sys.argv[1]
    if what == "accuracy":
        measure(executor="ray")
        table = accuracy_table(json.loads(ACCURACY.read_text()))
    else:
        table = formats()
    PAGE.write_text(with_section(PAGE.read_text(), what, table))


if __name__ == "__main__":
    main()
