"""What is known of the final model, as plain values: for the card's JSON and files' metadata."""

import json
import math
from collections.abc import Mapping
from typing import Any

from search.portable.winner import Winner


def figures(winner: Winner) -> dict[str, Any]:
    """Return what the card says, as plain values for JSON; null where a number is not finite."""
    summary, manifest = winner.summary, winner.manifest
    told = summary.to_json()
    found = {
        "model": {
            "trainer": summary.trainer or "softmax",
            "classes": winner.classes,
            "features": summary.features,
            "feature_names": list(winner.feature_names),
        },
        "readout": summary.select,
        "objective": summary.compared_by.name,
        "trials": told["trials"],
        **{name: told[name] for name in ("best", "test", "dataset")},
        **{name: told.get(name) for name in ("refits", "indistinguishable", "guessing")},
        "seed": winner.config.seed,
        "run": manifest.run,
        "created_at": manifest.created_at,
        "versions": manifest.versions,
    }
    return {name: _finite(value) for name, value in found.items()}


def figures_json(winner: Winner) -> bytes:
    """Return `figures` as a JSON file."""
    text = json.dumps(figures(winner), indent=2, ensure_ascii=False)
    return f"{text}\n".encode()


def about(winner: Winner) -> dict[str, Any]:
    """Return what a file with a place for metadata says of its model."""
    known = figures(winner)
    return {
        **known["model"],
        "columns_of_text": {c.name: list(c.categories) for c in winner.columns if c.categories},
        "params": known["best"]["params"],
        **{name: known[name] for name in ("test", "dataset", "seed", "run")},
        "packsweep": winner.manifest.versions.get("packsweep"),
    }


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(inside) for key, inside in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inside) for inside in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
