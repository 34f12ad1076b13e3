"""What the set-up installs with: uv as pip is set, pip where uv fails, all again after a break."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Notes what it is called with, and what it is told; ends as a file beside it says.
STAND_IN = """\
#!/bin/sh
[ "$1" = config ] && exit
echo "$(basename "$0") $* $UV_DEFAULT_INDEX" >> "$(dirname "$0")/calls"
exit "$(cat "$0.code")"
"""


@pytest.fixture
def install():
    """Return the script as a module."""
    spec = importlib.util.spec_from_file_location("install", ROOT / "scripts" / "install.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(install, tmp_path, monkeypatch):
    """Return a function: ends uv and pip as told; returns the exit code and what was called."""
    monkeypatch.setattr(install.sys, "prefix", str(tmp_path))
    for name in ("uv", "pip"):
        (tmp_path / name).write_text(STAND_IN)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(install, "UV", [str(tmp_path / "uv")])
    monkeypatch.setattr(install, "PIP", [str(tmp_path / "pip")])

    def ended(*codes):
        (tmp_path / "calls").unlink(missing_ok=True)
        for name, code in zip(("uv", "pip"), codes, strict=True):
            (tmp_path / f"{name}.code").write_text(str(code))
        code = install.main(["a-package"])
        return code, (tmp_path / "calls").read_text().splitlines()

    # Its settings come from pip itself, which the stand-in is not.
    monkeypatch.setattr(
        install, "settings_of_pip", lambda listed: {"index-url": "https://ours.example/simple"}
    )
    return ended


def test_uv_is_told_of_pips_index(run):
    code, (told,) = run(0, 0)
    assert code == 0
    assert told == "uv --quiet a-package https://ours.example/simple"


def test_where_uv_fails_pip_installs(run, capfd):
    code, calls = run(1, 0)
    assert code == 0
    assert calls[-1] == "pip install --quiet a-package "
    assert capfd.readouterr().err == "uv has not installed this; pip does, which takes longer\n"


def test_a_part_of_a_second_is_left_out_of_the_time_that_uv_waits(install):
    assert install.environment_of_uv({"timeout": "15.5"}, {})["UV_HTTP_TIMEOUT"] == "15"
    assert install.environment_of_uv({"timeout": "60"}, {})["UV_HTTP_TIMEOUT"] == "60"


def test_where_there_is_no_uv_pip_installs(run, tmp_path):
    (tmp_path / "uv").unlink()
    code, calls = run(0, 0)
    assert code == 0
    assert calls[-1] == "pip install --quiet a-package "


def test_what_was_not_ended_is_done_again_until_it_is(run):
    assert run(1, 1)[0] == 1
    _, calls = run(1, 0)
    assert "--reinstall" in calls[-2]
    assert "--force-reinstall" in calls[-1]
    _, calls = run(0, 0)
    assert "--reinstall" not in calls[-1]


def test_the_settings_are_those_that_pip_goes_by(install, tmp_path):
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://one.example/simple\ntrusted-host = one.example\n"
        "extra-index-url =\n    https://two.example/simple\n    https://three.example/simple\n"
        "[install]\ntrusted-host = two.example\n"
    )
    given = {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "PIP_INDEX_URL": "https://env.example"}
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], env=plain | given,
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    told = install.environment_of_uv(install.settings_of_pip(listed), {})
    assert told["UV_DEFAULT_INDEX"] == "https://env.example"
    assert told["UV_INDEX"] == "https://two.example/simple https://three.example/simple"
    assert told["UV_INSECURE_HOST"] == "two.example"
    own = install.environment_of_uv(install.settings_of_pip(listed), {"UV_DEFAULT_INDEX": "mine"})
    assert own["UV_DEFAULT_INDEX"] == "mine"


def test_what_the_image_runs_of_the_code_is_there():
    lines = re.findall(r'^RUN python -c "(.*)"$', (ROOT / "Dockerfile").read_text(), re.M)
    assert lines
    for line in lines:
        subprocess.run([sys.executable, "-c", line], cwd=ROOT, check=True)


@pytest.mark.parametrize("before", ["sys.argv = []", "del sys.argv"])
def test_the_package_is_imported_where_there_are_no_arguments(before):
    subprocess.run([sys.executable, "-c", f"import sys; {before}; import search"], check=True)
