"""Commands that only look at a run: they import nothing that takes a second and is of no use."""

import subprocess
import sys

import numpy as np
import pytest
from reports import finished_run

LOOK = """
import sys
from search.commands import main
code = main()
print(code, *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""

# A column of numbers, a null and a text each way: what makes pyarrow look for pandas.
SPARED = """
import sys
import pyarrow as pa
from search import command
from search.record import load_table, spare_pandas
finders = list(sys.meta_path)
spare_pandas()
assert sys.meta_path == finders  # a caller's process, in which nothing is hidden
command._own_process.set()
spare_pandas()
finders = list(sys.meta_path)
table = pa.table({"x": pa.array([1.5, None]), "s": pa.array(["one", None])})
assert [column.to_numpy().tolist()[0] for column in table.columns] == [1.5, "one"]
assert "pandas" not in sys.modules
spare_pandas()
assert sys.meta_path == finders
frame = load_table(sys.argv[1], "pandas")
import pandas
assert isinstance(frame, pandas.DataFrame)
assert len(frame) == 16
assert pa.array(pandas.Series([1.5, float("nan")])).null_count == 1
spare_pandas()
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("runs") / "run", np.linspace(1, 2, 16))[0].path


def python(code, *args):
    command = [sys.executable, "-c", code, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", ["status", "runs", "report", "model"])
def test_a_look_at_a_run_imports_neither_pandas_nor_scikit_learn(run, command):
    done = python(LOOK, command, run.parent if command == "runs" else run)
    code, *imported = done.stderr.splitlines()[-1].split()
    assert code == "0", done.stderr
    assert "pyarrow" in imported
    assert not {"pandas", "sklearn", "optuna", "ray"} & set(imported)


def test_who_makes_a_data_frame_finds_pandas_all_the_same(run):
    done = python(SPARED, run)
    assert done.returncode == 0, done.stderr
