"""A linear probe: softmax regression on embeddings in a memory-mapped file of float16."""

import tempfile
from pathlib import Path

import numpy as np

from search.estimators import PackSweepSearchCV, SoftmaxClassifier

rng = np.random.default_rng(0)
centres = rng.normal(size=(20, 64))
labels = rng.integers(0, 20, 3000)

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "embeddings.npy"
    np.save(path, (centres[labels] + rng.normal(0, 1.5, (3000, 64))).astype(np.float16))
    embeddings = np.load(path, mmap_mode="r")

    probe = SoftmaxClassifier(batch_size=64, average=True, random_state=0)
    space = {"epochs": [2, 5, 10], "alpha": [0.0, 1e-3, 1e-2], "learning_rate": [0.01, 0.03, 0.1]}
    found = PackSweepSearchCV(
        probe, space, resource="epochs", cv=3, folder=Path(folder) / "kept"
    ).fit(embeddings, labels)

print("best params:", found.best_params_)
print("accuracy:   ", round(found.best_score_, 3))
print("trainings:  ", found.n_trainings_, "for", len(found.cv_results_["params"]), "combinations")
