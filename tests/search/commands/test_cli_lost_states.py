"""A pruned search whose states are lost: it trains again what is open, and loses no row."""

import pytest
from command_line import invoke, table, write_grid, write_images

from search.engine import Orchestrator


class Crash(BaseException):
    """Stands for a kill."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder with images and a grid that halving prunes at 2, 4 and 6 epochs."""
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "data.npz", rows=200)
    rates = [1e-7, 2e-7, 3e-7, 6e-7, 1e-6, 2e-6, 3e-6, 6e-6, 1e-5]
    grid = write_grid(
        tmp_path / "tiny.toml", "./data.npz", batch_size=[4], learning_rate=rates, epochs=[8],
        alpha=[0.0, 1.0, 3.0, 10.0, 30.0, 100.0],
    )  # fmt: skip
    grid.write_text(grid.read_text() + '[pruner]\nname = "halving"\ninterval = 2\n')
    return tmp_path


def crash_after(monkeypatch, links):
    """Let the commands to come die after some links."""
    record, left = Orchestrator._record, iter(range(links - 1))

    def crashing(*args):
        record(*args)
        if next(left, None) is None:
            raise Crash

    monkeypatch.setattr(Orchestrator, "_record", crashing)


@pytest.mark.parametrize("links", [1, 2, 3, 4])
def test_it_prunes_what_it_would_have_pruned(folder, capfd, monkeypatch, links):
    command = ("--grid", "./tiny.toml", "--executor", "serial", "--run-dir")
    assert invoke(capfd, *command, "whole").code == 0
    with monkeypatch.context() as patch:
        crash_after(patch, links)
        with pytest.raises(Crash):
            invoke(capfd, *command, "robbed")
    for state in (folder / "robbed" / "checkpoints").iterdir():
        state.unlink()
    assert invoke(capfd, *command, "robbed").code == 0
    one, other = table(folder / "whole"), table(folder / "robbed")
    for name in ("number", "state", "last_epoch"):
        assert one[name].tolist() == other[name].tolist()
    assert other.last_cost.to_numpy() == pytest.approx(one.last_cost.to_numpy(), rel=1e-6)
