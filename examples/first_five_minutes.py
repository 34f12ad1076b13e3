"""The first five minutes: a sweep over data in memory, its best model, its log and its report."""

from sklearn.datasets import load_iris

import search

iris = load_iris(as_frame=True)
species = iris.target_names[iris.target]

found = search.sweep(
    {
        "features": "standardized",
        "space": {
            "batch_size": [8, 32],
            "learning_rate": [0.01, 0.1, 1.0],
            "epochs": [5, 10, 20],
            "alpha": [0.0, 0.01],
        },
    },
    (iris.data, species),
    executor="serial",  # in this process; without this on all cores
    progress=False,
)
print("best params:    ", found.best_params)
print("validation cost:", round(found.best_cost, 4))
print("first flower:   ", found.model.predict(iris.data.to_numpy()[:1])[0])
print("trials in the log:", len(found.log()))
print("report:         ", found.report.name)
