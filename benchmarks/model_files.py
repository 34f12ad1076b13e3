"""Check that each file of a final model is that model: ``python benchmarks/model_files.py RUN``.

Writes the files, reads each in a process of its own that knows nothing of this package, and
compares classes and probabilities of all test rows with those of the saved model. The data set
must be at hand.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from model.data.sources import load_dataset
from search.portable import export_model, load_winner

READERS = {
    "joblib": "import joblib; m = joblib.load('m.joblib'); y, p = m.predict(X), m.predict_proba(X)",
    "skops": "import skops.io; m = skops.io.load('m.skops', trusted=['numpy.dtype']); "
    "y, p = m.predict(X), m.predict_proba(X)",
    "onnx": "import onnxruntime as ort; s = ort.InferenceSession('m.onnx'); "
    "y, p = s.run(None, {'X': X.astype('f8')})",
    "safetensors": "from safetensors.numpy import load_file; a = load_file('m.safetensors'); "
    "seen = ((X - a['shift']) * a['scale']).astype('f4').astype('f8'); "
    "z = seen @ a['weights'] + a['bias']; y = classes[z.argmax(1)]; "
    "p = np.exp(z - z.max(1, keepdims=True)); p /= p.sum(1, keepdims=True)",
}
ALONE = """
import sys, numpy as np
X, classes = np.load("X.npy"), np.load("classes.npy")
{reader}
assert not {{"model", "search"}} & set(sys.modules)
np.savez("found.npz", y=y.astype(classes.dtype), p=p)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run
    winner = load_winner(run)
    config = winner.config
    data = load_dataset(config.dataset, config.reading.to_reading(), notify=print)
    if data.X_test is None or any(column.categories for column in data.columns):
        sys.exit("It takes test rows, without columns of text.")
    X, y = data.X_test, np.asarray(data.classes)[data.y_test]
    labels, p, told = winner.model.predict(X), winner.model.predict_proba(X), winner.summary.test
    ordered = np.sort(winner.model.logits(X), axis=1)
    closest = (ordered[:, -1] - ordered[:, -2]).min()
    print(f"the run: cost {told.cost:.10f}, correct {100 * told.accuracy:.2f} % of {len(X)}")
    print(f"the two largest logits of a row lie {closest:.1g} apart at least")
    with TemporaryDirectory() as folder:
        place = Path(folder)
        export_model(winner, [place / f"m.{ending}" for ending in READERS], run=run)
        np.save(place / "X.npy", X)
        np.save(place / "classes.npy", np.asarray(data.classes))
        for ending, reader in READERS.items():
            code = ALONE.format(reader=reader)
            subprocess.run([sys.executable, "-I", "-c", code], cwd=place, check=True)
            with np.load(place / "found.npz") as found:
                size = (place / f"m.{ending}").stat().st_size
                print(
                    f"{ending:<12} correct {100 * np.mean(found['y'] == y):.2f} %, another class "
                    f"{np.sum(found['y'] != labels)}, probabilities differ by "
                    f"{np.abs(found['p'] - p).max():.1g}, {size / 1000:.0f} kB"
                )


if __name__ == "__main__":
    main()
