"""A run as a version without seals has left it."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq


def without_seals(run: Path) -> None:
    """Take the seals out of all files of a run, and what the manifest says of them."""
    for path in run.rglob("*.json"):
        data = json.loads(path.read_bytes())
        data.pop("seal", None)
        if path.name == "manifest.json":
            del data["run"]
            data["schema_version"] = 3
        path.write_text(json.dumps(data))
    for path in run.rglob("*.npz"):
        with np.load(path) as saved:
            arrays = {name: saved[name] for name in saved.files if name != "version"}
        np.savez(path, **arrays)
    for path in run.rglob("*.parquet"):
        table = pq.ParquetFile(path).read().replace_schema_metadata(None)
        pq.write_table(table, path, write_page_checksum=True)
