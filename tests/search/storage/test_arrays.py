"""Dataclasses as files: bit for bit the same, None where damaged or absent, else an error."""

from dataclasses import dataclass, fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from search.errors import StoreError
from search.storage import load_arrays, save_arrays


@dataclass(frozen=True)
class Part:
    """All kinds of plain values."""

    count: int
    share: float
    name: str
    known: bool


@dataclass(frozen=True)
class Whole:
    """Arrays beside a value of its own kind."""

    narrow: NDArray[np.float32]
    part: Part
    wide: NDArray[np.int64]
    text: str = ""


WHOLE = Whole(
    np.array([[np.nan, -0.0, np.inf]], np.float32),
    Part(2**62, 0.1 + 0.2, "Zoë", known=False),
    np.arange(3),
    "10.0.0.1",
)


def assert_same(one, other):
    assert other.part == one.part
    assert [type(getattr(other.part, f.name)) for f in fields(Part)] == [int, float, str, bool]
    assert (other.narrow.dtype, other.narrow.shape) == (one.narrow.dtype, one.narrow.shape)
    assert other.narrow.tobytes() == one.narrow.tobytes()
    assert (other.wide.dtype, other.wide.tolist()) == (one.wide.dtype, one.wide.tolist())
    assert other.text == one.text


def test_it_comes_back_bit_for_bit_with_one_entry_for_each_field(tmp_path):
    save_arrays(tmp_path / "whole.npz", WHOLE)
    assert_same(WHOLE, load_arrays(tmp_path / "whole.npz", Whole))
    with np.load(tmp_path / "whole.npz", allow_pickle=False) as saved:
        assert sorted(saved) == sorted(
            ["narrow", "count", "share", "name", "known", "wide", "text"]
        )


def test_a_file_that_is_absent_or_of_another_kind_is_none(tmp_path):
    assert load_arrays(tmp_path / "none.npz", Whole) is None
    (tmp_path / "file").write_bytes(b"")
    assert load_arrays(tmp_path / "file" / "below.npz", Whole) is None
    (tmp_path / "folder.npz").mkdir()
    assert load_arrays(tmp_path / "folder.npz", Whole) is None
    save_arrays(tmp_path / "part.npz", WHOLE.part)
    assert load_arrays(tmp_path / "part.npz", Whole) is None
    assert load_arrays(tmp_path / "part.npz", Part) == WHOLE.part


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_damaged_file_is_itself_or_none(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("arrays") / "whole.npz"
    save_arrays(path, WHOLE)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    loaded = load_arrays(path, Whole)
    if loaded is not None:
        assert_same(WHOLE, loaded)


def test_a_file_that_cannot_be_fetched_is_neither_absent_nor_damaged(tmp_path, broken_reads):
    save_arrays(tmp_path / "whole.npz", WHOLE)
    with broken_reads(), pytest.raises(StoreError) as caught:
        load_arrays(tmp_path / "whole.npz", Whole)
    assert "does not answer" in str(caught.value)
    assert_same(WHOLE, load_arrays(tmp_path / "whole.npz", Whole))


def test_a_lack_of_memory_is_no_damage(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise MemoryError

    save_arrays(tmp_path / "whole.npz", WHOLE)
    monkeypatch.setattr(np, "load", refuse)
    with pytest.raises(MemoryError):
        load_arrays(tmp_path / "whole.npz", Whole)
