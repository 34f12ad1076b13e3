"""What the benchmarks share: the machine's description, results as JSON, tables."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.dataset

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("numpy", "scipy", "numba", "ray", "pyarrow", "scikit-learn")


def machine(packages: Sequence[str] = PACKAGES) -> dict[str, Any]:
    """Return what the figures depend on."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in packages},
        "date": datetime.now(UTC).date().isoformat(),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    named = {key.strip(): value.strip() for key, value in fields.items()}
    wide = "AVX-512" if "avx512f" in named.get("flags", "") else "AVX2"
    return f"{named.get('model name', platform.machine())}, {wide}"


def trials_of(run: Path) -> pd.DataFrame:
    """Return the log of a run, as any reader of parquet does, in the order of the trials."""
    log = pyarrow.dataset.dataset(run / "trials").to_table().to_pandas()
    return log.sort_values("number", ignore_index=True)


def gemm_rate(cores: Sequence[int]) -> float:
    """Return the float32 rate of 2048-cubed products, one process per core, summed, in GFLOP/s."""
    code = (
        "import os, sys, time\n"
        "os.sched_setaffinity(0, {int(sys.argv[1])})\n"
        "import numpy as np\n"
        "a = np.random.default_rng(0).random((2048, 2048), np.float32); c = a @ a\n"
        "end = time.perf_counter() + 3; n = 0; start = time.perf_counter()\n"
        "while time.perf_counter() < end: np.matmul(a, a.T.copy(), out=c); n += 1\n"
        "print(n * 2 * 2048**3 / (time.perf_counter() - start) / 1e9)"
    )
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(core)],
            stdout=subprocess.PIPE,
            env=env,
        )
        for core in cores
    ]
    return sum(float(process.communicate()[0]) for process in processes)


def table(rows: dict[str, dict[str, Any]]) -> str:
    """Lay out one line for each name, one column for each key; a dash where there is no value."""
    keys = list(dict.fromkeys(key for row in rows.values() for key in row))
    lines = [["", *keys]]
    lines += [[name, *(_shown(row.get(key, "-")) for key in keys)] for name, row in rows.items()]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def report(
    name: str, figures: dict[str, Any], *, keep: bool, packages: Sequence[str] = PACKAGES
) -> None:
    """Print the figures as a table, and as JSON; keep them in the results folder."""
    width = max(len(key) for key in figures)
    for key, value in figures.items():
        if isinstance(value, dict):
            print(f"{key}:\n{table(value)}")
        else:
            print(f"{key:<{width}}  {_shown(value)}")
    text = json.dumps({"machine": machine(packages), "figures": figures}, indent=2) + "\n"
    print(text, end="")
    if keep:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(text)
