"""What each command says of each state that a run can be in, compared with the run's files."""

import json
import re
import shutil
from contextlib import suppress

import pytest
from command_line import write_grid
from runs import make_runs

import search
from model.errors import PacksweepError
from search import export, runs, status
from search.report import __main__ as report
from search.run import main

STORAGE = "sqlite:///copies.db"


def resume(run):
    return main(["--resume", run, "--executor", "serial", "--no-progress"])


def load(run):
    try:
        print(f"{len(search.load(run))} rows")  # noqa: T201
    except PacksweepError as error:
        print(f"error: {error}")  # noqa: T201
        return error.exit_code
    return 0


COMMANDS = {
    "run": resume,
    "status": lambda run: status.main([run]),
    "runs": lambda run: runs.main(["."]),
    "export": lambda run: export.main([run, "--storage", STORAGE]),
    "report": lambda run: report.main([run]),
    "load": load,
}

# Of each state what each command says, and its exit code; the files are as the state's name says.
NO_RUN = "There is no run in"
LOST = r"8 of its\s16 trials\shave no\srow in its log\b.*--resume"
DAMAGED = "cannot be believed: "
TABLE = {
    "nothing": {
        "run": (2, NO_RUN), "status": (2, NO_RUN), "runs": (2, NO_RUN), "export": (2, NO_RUN),
        "report": (2, NO_RUN), "load": (2, NO_RUN),
    },
    "begun": {
        "run": (0, "16 complete"), "status": (0, "interrupted.*\n0 of 16 trials"),
        "runs": (0, r"interrupted +0/16"), "export": (0, "The other 16 trials.*no result yet"),
        "report": (2, "is not finished"), "load": (0, "^0 rows"),
    },
    "half": {
        "run": (0, "16 complete"), "status": (0, "interrupted.*\n8 of 16 trials.*8 complete"),
        "runs": (0, r"interrupted +8/16"),
        "export": (0, "8 trials are in.*\nThe other 8 trials.*no result yet"),
        "report": (2, "is not finished"), "load": (0, "^8 rows"),
    },
    "whole": {
        "run": (0, "16 complete"), "status": (0, "finished.*\n16 of 16 trials.*16 complete"),
        "runs": (0, r"finished +16/16"), "export": (0, "^16 trials are in[^\n]*\n$"),
        "report": (0, "report.html"), "load": (0, "^16 rows"),
    },
    "whole, with a log file damaged": {
        "run": (0, f"{DAMAGED}.*Its trials are trained again[^#]*16 complete"),
        "status": (1, f"{DAMAGED}.*--resume"), "runs": (0, r"finished +16/16"),
        "export": (1, f"{DAMAGED}.*--resume"), "report": (1, f"{DAMAGED}.*--resume"),
        "load": (1, f"{DAMAGED}.*--resume"),
    },
    "whole, with a log file gone": {
        "run": (0, "was finished, and files of it were changed[^#]*16 complete"),
        "status": (0, f"finished.*\n8 of 16 trials[^#]*{LOST}"), "runs": (0, r"finished +16/16"),
        "export": (0, f"8 trials are in[^#]*{LOST}"),
        "report": (0, f"{LOST}[^#]*report.html"), "load": (0, "^8 rows"),
    },
    "whole, with the model damaged": {
        "run": (0, "Training the best combination[^#]*16 complete"),
        "status": (0, "16 of 16 trials"), "runs": (0, r"finished +16/16"),
        "export": (0, "16 trials are in"), "report": (0, "report.html"), "load": (0, "^16 rows"),
    },
    "half, with the manifest damaged": {
        name: (0 if name == "runs" else 2, f"manifest.json {DAMAGED}.*--fresh")
        for name in COMMANDS
    },
    "half, of a newer version": {
        name: (0 if name == "runs" else 2, "has schema version 99, and this program reads 3 and 4")
        for name in COMMANDS
    },
    "diverged": {
        "run": (1, "none, every trial has failed[^#]*Every trial diverged"),
        "status": (0, "16 failed"), "runs": (0, r"finished +16/16 +-"),
        "export": (0, "16 trials are in"), "report": (0, "report.html"), "load": (0, "^16 rows"),
    },
    "pruned": {
        "run": (1, "none, every trial was pruned[^#]*Every trial was pruned before its end"),
        "status": (0, "8 pruned"), "runs": (0, r"finished +8/8 +-"),
        "export": (0, "8 trials are in"), "report": (0, "report.html"), "load": (0, "^8 rows"),
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a run in each state."""
    folder = tmp_path_factory.mktemp("states")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_runs(folder, "grid", lambda *arguments: main(list(arguments)))
        for state in TABLE:
            base = state.partition(",")[0]
            if base in ("half", "whole") and base != state:
                shutil.copytree(base, state)
        shutil.copytree("half", "begun", ignore=lambda *_: {"trials", "checkpoints", "resamples"})
        _flip(min((folder / "whole, with a log file damaged").glob("trials/*")))
        min((folder / "whole, with a log file gone").glob("trials/*")).unlink()
        _flip(folder / "whole, with the model damaged" / "best_model.npz")
        _flip(folder / "half, with the manifest damaged" / "manifest.json")
        newer = folder / "half, of a newer version" / "manifest.json"
        newer.write_text(json.dumps(json.loads(newer.read_text()) | {"schema_version": 99}))
        write_grid(
            folder / "fast.toml", "./data.npz", learning_rate=[1e35, 1e36], alpha=[1e30, 1e31]
        )
        main([*_grid("./fast.toml", "diverged")])
        grid = write_grid(folder / "strict.toml", "./data.npz", epochs=[3])
        pruner = "[pruner]\nname = 'optuna.pruners.ThresholdPruner'\ninterval = 1\n"
        grid.write_text(grid.read_text() + pruner + "options = { upper = 0.0 }\n")
        main([*_grid("./strict.toml", "pruned")])
    return folder


def _grid(grid, run):
    return ("--grid", grid, "--executor", "serial", "--no-progress", "--run-dir", run)


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("state", TABLE)
def test_every_command_says_what_the_files_are(folder, tmp_path, monkeypatch, capfd, state):
    for name, (code, sentence) in TABLE[state].items():
        place = tmp_path / name
        place.mkdir()
        with suppress(FileNotFoundError):
            shutil.copytree(folder / state, place / "run")
        monkeypatch.chdir(place)
        capfd.readouterr()
        found = COMMANDS[name]("run")
        out, err = capfd.readouterr()
        assert found == code, (state, name, out, err)
        text = re.sub(r"(?<=\w)\n(?=[a-z])", " ", err + out + err)
        assert re.search(sentence, text), (state, name, text)
        assert "Traceback" not in text
