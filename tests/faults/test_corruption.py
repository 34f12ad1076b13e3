"""Every file that a run reads back, damaged: the right numbers or one message, nothing else.

The full form changes every byte of a file of each kind, and each file of whole runs in many ways,
and takes an hour:

    python -m pytest -m rehearsal tests/faults/test_corruption.py -s

It prints how many cases had which outcome, and the seed, which ``FAULTS_SEED`` sets.
"""

import os
import pickle
import shutil
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from random import Random

import numpy as np
import pytest
from command_line import invoke, table
from damages import Damage, all_of, cut, doubled, emptied, files_of, flipped, some_of, zeroed
from runs import KINDS, command, make_runs

from model.errors import PacksweepError
from model.optima import AlphaOptimum
from model.pack import PackState
from model.seal import Seal
from model.softmax import SoftmaxRegression
from model.trainers.final_state import FinalState
from model.trainers.states import States
from search.record import SOFTMAX_LAYOUT, Checkpoint, Proposals, RunFolder, TrialLog, read_log
from search.record.resamples import Resampled
from search.storage import load_arrays, parse_json

SEED = int(os.environ.get("FAULTS_SEED", "1"))


@pytest.fixture(scope="module", params=KINDS)
def runs(request, tmp_path_factory):
    """Return a kind, and a folder with its runs."""
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_runs(folder, request.param, _run)
    return request.param, folder


def _run(*arguments):
    from search.run import main

    assert main(list(arguments)) == 0


# --- One file, read by its reader


def model_of(path, seal, softmax):
    return vars(SoftmaxRegression.load(path, seal)) if softmax else asdict(FinalState.load(path))


def read_back(folder, kind, path, layout):
    """Return what is believed of a file, as bytes; None where nothing is."""
    softmax = layout == SOFTMAX_LAYOUT
    seal = Seal(folder.run, f"{path.parent.name}/{path.name}")
    try:
        match kind:
            case "manifest":
                value = asdict(folder.existing_manifest())
            case "summary":
                value = folder.read_summary()
            case "final trainings":
                with suppress(ValueError):  # what its reader catches
                    return pickle.dumps(parse_json(path.read_bytes(), folder.seal(path)))
                return None
            case "model":
                value = model_of(path, folder.seal(path), softmax)
            case "trials" | "replicates" | "reused trials":
                value = read_log(path.parent, run=folder.run, layout=layout).to_pylist()
            case "staged trials":
                value = TrialLog(path.parent, run=folder.run, layout=layout).staged() or None
            case "state of a pack":
                value = load_arrays(path, Checkpoint, seal, state=PackState if softmax else States)
            case "resampled costs":
                value = load_arrays(path, Resampled, seal)
            case "optimum":
                value = load_arrays(path, AlphaOptimum, seal)
            case "proposal":
                value = Proposals(path.parent, folder.run, layout).read()
    except PacksweepError:
        return None
    return None if value is None else pickle.dumps(value)


def outcomes(run, kind, path, damages):
    """Count what becomes of a file's damages; what is believed must be what was written."""
    content, told, folder = path.read_bytes(), Counter(), RunFolder(run)
    layout = folder.layout
    expected = read_back(folder, kind, path, layout)
    assert expected is not None
    for damage in damages:
        damaged = damage(content)
        if damaged == content:
            continue
        path.write_bytes(damaged)
        believed = read_back(folder, kind, path, layout)
        told["refused" if believed is None else "right"] += 1
        assert believed in (None, expected), f"{kind}: {path} after {damage}"
    path.write_bytes(content)
    return told


def of_each_kind(folder):
    for state in ("whole", "half"):
        for kind, path in files_of(folder / state).items():
            yield folder / state, kind, path


def test_a_damaged_file_is_believed_as_it_was_or_not_at_all(runs):
    _, folder = runs
    random = Random(SEED)
    for run, kind, path in of_each_kind(folder):
        assert outcomes(run, kind, path, some_of(path.read_bytes(), random, 60))["refused"] > 60


@pytest.mark.rehearsal
@pytest.mark.timeout(7200)
def test_every_byte_of_a_file_of_each_kind(runs, capsys):
    name, folder = runs
    for run, kind, path in of_each_kind(folder):
        told = outcomes(run, kind, path, all_of(path.stat().st_size))
        with capsys.disabled():
            sys.stdout.write(f"\n{name}, {run.name}, {kind}: {dict(told)}")


# --- A run, continued by its command


def whole_file_damages(path, strange, random):
    """Return what can happen to a file of a run, by name."""
    size = path.stat().st_size
    found: dict[str, Damage] = {
        "flipped": flipped(random.randrange(size), random.randrange(1, 256)),
        "cut": cut(random.randrange(size)),
        "emptied": emptied,
        "doubled": doubled,
        "zeroed": zeroed,
    }
    if strange.is_file():
        found["swapped"] = lambda _: strange.read_bytes()
    return found


def cases(folder, random):
    """Yield the state of a run, a file of it, and what becomes of that file."""
    for state in ("whole", "half"):
        for path in files_of(folder / state).values():
            name = path.relative_to(folder / state)
            for damage in whole_file_damages(path, folder / "strange" / name, random).items():
                yield state, name, damage
            yield state, name, ("removed", None)
            yield state, name, ("copied", None)


def damaged_run(folder, state, name, damage):
    """Return a copy of a run in which one file is damaged."""
    run, (what, change) = folder / "damaged", damage
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(folder / state, run)
    path = run / name
    if what == "removed":
        path.unlink()
    elif what == "copied":
        shutil.copy(path, path.with_stem(f"{path.stem} (conflicted copy)"))
    else:
        path.write_bytes(change(path.read_bytes()))
    return run


def assert_right_or_one_message(folder, kind, run, outcome, case):
    """Compare a continued run with the one that nobody has touched."""
    assert "Traceback" not in outcome.err, case
    if outcome.code:
        lines = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
        assert (outcome.code in (1, 2), len(lines)) == (True, 1), (case, outcome)
        return "told"
    expected, found = table(folder / "whole"), table(run)
    layout = RunFolder(folder / "whole").layout
    for column in ("number", "state", "last_epoch", *layout.axes):
        assert found[column].tolist() == expected[column].tolist(), (case, column)
    for column in layout.figures:
        np.testing.assert_allclose(found[column], expected[column], rtol=1e-5, err_msg=str(case))
    one, other = (RunFolder(path).read_summary() for path in (folder / "whole", run))
    assert (other.best.params, other.test) == (one.best.params, one.test), case
    paths = [path / "best_model.npz" for path in (folder / "whole", run)]
    if layout == SOFTMAX_LAYOUT:
        models = [SoftmaxRegression.load(path).W.tobytes() for path in paths]
    else:
        models = [FinalState.load(path).content for path in paths]
    assert models[0] == models[1], case
    return "right"


def rehearse(kind, folder, capfd, monkeypatch, chosen):
    """Continue runs of which a file is damaged, and count the outcomes."""
    monkeypatch.chdir(folder)
    told = Counter()
    for state, name, damage in chosen:
        run = damaged_run(folder, state, name, damage)
        outcome = invoke(capfd, *command(kind, "damaged"))
        case = (kind, state, str(name), damage[0], f"seed {SEED}")
        told[assert_right_or_one_message(folder, kind, run, outcome, case)] += 1
    return told


def test_a_run_with_a_damaged_file_ends_right_or_with_one_message(runs, capfd, monkeypatch):
    kind, folder = runs
    random = Random(SEED)
    chosen = random.sample(list(cases(folder, random)), 12)
    assert rehearse(kind, folder, capfd, monkeypatch, chosen)["right"] >= 3


@pytest.mark.rehearsal
@pytest.mark.timeout(7200)
def test_each_file_of_runs_damaged_in_each_way(runs, capfd, monkeypatch):
    kind, folder = runs
    random = Random(SEED)
    chosen = [case for _ in range(3) for case in cases(folder, random)]
    told = rehearse(kind, folder, capfd, monkeypatch, chosen)
    with capfd.disabled():
        sys.stdout.write(f"\n{kind}, seed {SEED}: {dict(told)}")


def test_a_manifest_of_another_run_is_told_and_nothing_is_moved(runs, capfd, monkeypatch):
    _, folder = runs
    if not (folder / "strange").is_dir():
        pytest.skip("this kind has no second run")
    monkeypatch.chdir(folder)
    run = damaged_run(folder, "half", Path("manifest.json"), ("copied", None))
    shutil.copy(folder / "strange" / "manifest.json", run)
    outcome = invoke(capfd, "--resume", "damaged", "--executor", "serial")
    assert outcome.code == 2
    assert "of another run than the manifest.json" in outcome.err
    assert not (run / "set-aside").exists()
