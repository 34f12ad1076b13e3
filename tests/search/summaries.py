"""What the tests of results share: a summary of which each names what it is about."""

from search.config import Params
from search.record import Arithmetic, Counts, DatasetName, Summary, Timing, TopTrial


def trial_of(number=10, alpha=0.1, **figures):
    """Return a trial with some of its figures given."""
    given = {"val_cost": 0.43, "val_accuracy": 0.85, "val_cost_avg": 0.42, "val_accuracy_avg": 0.86}
    return TopTrial(
        number=number,
        params=Params(batch_size=32, learning_rate=5e-7, epochs=35, alpha=alpha),
        **given | figures,
    )


def summary_of(**given):
    """Return a summary with some of its fields given."""
    timing = Timing(
        wall_s=95.0, startup_s=3.0, training_s=80.0, predicted_training_s=90.0, workers=2,
        compute_s=300.0, gflops=9.0,
    )  # fmt: skip
    fields = {
        "trials": Counts(total=16, complete=16, pruned=0, failed=0), "best": trial_of(),
        "top": (), "select": "last", "test": None, "tests": {}, "timing": timing,
        "dataset": DatasetName(name="digits", fingerprint="0123456789abcdef"),
        "arithmetic": Arithmetic(trained_epochs=280, unpruned_epochs=280),
    }  # fmt: skip
    return Summary(**fields | given)
