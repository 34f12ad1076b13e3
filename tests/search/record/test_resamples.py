"""Resampled costs on disk: what may be as good as the best, whole or left out."""

import numpy as np
import pytest

from model.bootstrap import RESAMPLES
from search.errors import StoreError
from search.record import Resampled, Resamples


def part_of(*costs):
    """Return trials with these costs, one after the other, whose resamples vary a little."""
    m = len(costs)
    noise = np.linspace(-1e-3, 1e-3, RESAMPLES, dtype=np.float32)
    resampled = (np.array(costs)[:, None] + noise).astype(np.float32)
    return Resampled(np.arange(4.0 * m).reshape(m, 4), np.array(costs), resampled)


@pytest.fixture
def resamples(tmp_path):
    return Resamples(tmp_path / "resamples")


def test_parts_come_back_bit_for_bit_in_the_order_of_their_names(resamples):
    for name, cost in (("b", 0.5), ("a", 0.4), ("b", 0.6)):
        resamples.save(name, part_of(cost), cost)
    a, b = resamples.parts()
    assert (a.cost.tolist(), b.cost.tolist()) == ([0.4], [0.6])
    for part, saved in ((a, part_of(0.4)), (b, part_of(0.6))):
        assert part.resampled.tobytes() == saved.resampled.tobytes()
        assert part.params.tobytes() == saved.params.tobytes()


def test_damaged_files_and_those_of_another_form_are_left_out(resamples, caplog):
    resamples.save("whole", part_of(0.5, 0.5), 0.5)
    whole = (resamples.folder / "whole.npz").read_bytes()
    (resamples.folder / "cut.npz").write_bytes(whole[:-30])
    fewer = part_of(0.5)
    fewer = Resampled(fewer.params, fewer.cost, fewer.resampled[:, :-1])
    for name, value in (("fewer", fewer), ("number", Resampled(*map(np.float64, (1, 2, 3))))):
        with (resamples.folder / f"{name}.npz").open("wb") as file:
            np.savez(file, **vars(value))
    (part,) = resamples.parts()
    assert part.cost.tolist() == [0.5, 0.5]
    assert [record.args[0].stem for record in caplog.records] == ["cut", "fewer", "number"]


def test_a_file_that_cannot_be_fetched_is_not_left_out(resamples, broken_reads):
    resamples.save("whole", part_of(0.5), 0.5)
    with broken_reads(), pytest.raises(StoreError, match="does not answer"):
        list(resamples.parts())
    assert len(list(resamples.parts())) == 1
