"""Odd surroundings: an encoding without the letters of a name, a working directory that is gone."""

import io
import sys

import pytest
from command_line import invoke, write_grid

from search import runs, status


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_letters_that_an_encoding_lacks_are_escaped(encoding, tmp_path, monkeypatch):
    folder = tmp_path / "größe-日本"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    for command in (lambda: runs.main([str(tmp_path)]), lambda: status.main([str(folder)])):
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding) for _ in range(2))
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        assert command() in (0, 2)
        assert rb"\u65e5\u672c" in b"".join(s.detach().getvalue() for s in (out, err))


def test_a_working_directory_that_is_gone_is_one_message(tmp_path, monkeypatch, capfd):
    write_grid(tmp_path / "grid.toml", "digits")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    outcome = invoke(capfd, "--grid", tmp_path / "grid.toml")
    assert outcome.code == 2
    assert "The working directory cannot be used: No such file or directory." in outcome.err
    assert status.main([]) == 2
