"""Classes as their user writes them: in the manifest, and in the schema of the log."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from model.data.assembly import assemble
from model.data.found import Found, Part
from search.config import SweepConfig
from search.record import RunFolder, new_manifest, open_books
from search.record.log.reading import SCHEMA

CONFIG = SweepConfig.from_dict({
    "name": "mine", "dataset": "./mine.npz",
    "space": {"batch_size": [8], "learning_rate": [1e-3], "epochs": [5], "alpha": [0.0]},
})  # fmt: skip


def data_of(labels):
    X = np.arange(2.0 * len(labels)).reshape(-1, 2)
    return assemble(Found(name="mine", train=Part(X, np.array(labels), "mine: X", "mine: y")))


LABELS = [["b", "a", "ü"], [3, 1, 2], [True, False, True], [-1.0, 1.0, 1.0]]


@pytest.mark.parametrize("labels", LABELS)
def test_classes_that_are_no_plain_numbers_stand_in_the_manifest_and_the_log(tmp_path, labels):
    data = data_of(labels)
    folder = RunFolder(tmp_path)
    folder.write_manifest(new_manifest(CONFIG, data))
    told = json.loads((tmp_path / "manifest.json").read_text())["dataset"]["classes"]
    assert told == sorted(set(labels))
    assert [type(label) for label in told] == [type(label) for label in sorted(set(labels))]
    metadata = metadata_of(open_books(CONFIG, data, folder))
    assert json.loads(metadata[b"classes"]) == told
    assert metadata[b"fingerprint"] == data.fingerprint.encode()


def test_plain_classes_leave_no_trace(tmp_path):
    data = data_of([2, 0, 1])
    assert set(new_manifest(CONFIG, data).dataset) == {"name", "fingerprint"}
    folder = RunFolder(tmp_path)
    folder.write_manifest(new_manifest(CONFIG, data))
    metadata = metadata_of(open_books(CONFIG, data, folder))
    assert set(metadata) == {b"dataset", b"fingerprint"}


def test_a_manifest_that_knows_no_classes_is_of_the_same_run():
    new = new_manifest(CONFIG, data_of(["b", "a", "c"]))
    known = {name: new.dataset[name] for name in ("name", "fingerprint")}
    assert replace(new, dataset=known).differences(new) == []


def metadata_of(books):
    """Return the metadata of a file that the log writes."""
    columns = {field.name: None for field in SCHEMA} | {
        "number": [0], "state": "FAIL", "started_at": 0.0, "finished_at": 1.0,
    }  # fmt: skip
    books.trial_log.write("rows", columns)
    return pq.read_schema(next(books.trial_log.folder.glob("*.parquet"))).metadata
