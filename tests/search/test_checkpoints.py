"""Pack states on disk: bitwise the same, or as if they were not there."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.pack import PackState
from search.checkpoints import Checkpoint, Checkpoints
from search.planner import Pack

RATES, ALPHAS = np.array([1e-7, 1e-6]), np.array([0.0, 10.0])
PACK = Pack(3, 16, RATES, ALPHAS, (5, 10), np.arange(4).reshape(2, 2))


def trained(epoch=5, seed=2**62):
    """Return a state whose arrays hold all that floats can be."""
    rng = np.random.default_rng(epoch)
    state = PackState.start(16, RATES, ALPHAS, n_features=4, n_classes=3, seed=seed)
    V = rng.normal(size=state.V.shape).astype(np.float32)
    V[0] = [np.nan, np.inf, -0.0, 1e-45]
    return replace(state, epoch=epoch, V=V, scale=rng.normal(size=2))


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "checkpoints")


def test_a_state_comes_back_bit_for_bit(checkpoints):
    state = trained()
    checkpoints.save(PACK, Checkpoint(state, 0.1))
    checkpoint = checkpoints.load(PACK)
    loaded = checkpoint.state
    assert checkpoint.unlogged_seconds == 0.1
    assert checkpoints.epoch(PACK) == 5
    for field in fields(PackState):
        saved, back = getattr(state, field.name), getattr(loaded, field.name)
        assert type(saved) is type(back)
        if isinstance(saved, np.ndarray):
            assert (saved.dtype, saved.shape) == (back.dtype, back.shape)
            assert saved.tobytes() == back.tobytes()
        else:
            assert saved == back


def test_the_newest_state_is_kept(checkpoints):
    for epoch in (5, 10):
        checkpoints.save(PACK, Checkpoint(trained(epoch)))
    assert checkpoints.load(PACK).state.epoch == checkpoints.epoch(PACK) == 10
    assert len(list(checkpoints.folder.iterdir())) == 1


def test_there_is_none_at_first_and_after_remove(checkpoints):
    assert checkpoints.load(PACK) is None
    checkpoints.save(PACK, Checkpoint(trained()))
    checkpoints.remove(PACK)
    assert checkpoints.load(PACK) is None
    checkpoints.remove(PACK)


@pytest.mark.parametrize("epoch", [1, 5, 10, 11])
def test_the_epoch_is_that_of_the_newest_state(checkpoints, epoch):
    assert checkpoints.epoch(PACK) == 0
    checkpoints.save(PACK, Checkpoint(trained(12)))
    checkpoints.save(PACK, Checkpoint(trained(epoch)))
    assert checkpoints.epoch(PACK) == checkpoints.load(PACK).state.epoch == epoch


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 12345.678])
def test_the_time_without_rows_comes_back(checkpoints, seconds):
    checkpoints.save(PACK, Checkpoint(trained(), seconds))
    assert checkpoints.load(PACK).unlogged_seconds == seconds


@pytest.mark.parametrize(
    "other",
    [
        replace(PACK, alpha=ALPHAS[::-1]),
        replace(PACK, learning_rate=RATES * 2),
        replace(PACK, learning_rate=RATES[:1], alpha=ALPHAS[:1]),
        replace(PACK, batch_size=32),
    ],
    ids=["alpha", "learning rate", "fewer", "batch size"],
)
def test_the_state_of_other_trajectories_cannot_be_used(checkpoints, other):
    checkpoints.save(PACK, Checkpoint(trained()))
    assert checkpoints.load(other) is None
    assert checkpoints.epoch(other) == 0


def test_packs_do_not_share_a_state(checkpoints):
    checkpoints.save(PACK, Checkpoint(trained()))
    assert checkpoints.load(replace(PACK, index=4)) is None


def test_a_state_cut_off_at_any_byte_is_none(checkpoints):
    checkpoints.save(PACK, Checkpoint(trained()))
    (path,) = checkpoints.folder.iterdir()
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert checkpoints.load(PACK) is None


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_state_with_a_damaged_byte_is_itself_or_none(tmp_path_factory, data):
    checkpoints = Checkpoints(tmp_path_factory.mktemp("checkpoints"))
    state = trained()
    checkpoints.save(PACK, Checkpoint(state, 0.1))
    (path,) = checkpoints.folder.iterdir()
    damaged = bytearray(path.read_bytes())
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(damaged)
    checkpoint = checkpoints.load(PACK)
    if checkpoint is not None:
        loaded = checkpoint.state
        assert checkpoint.unlogged_seconds == 0.1
        assert loaded.epoch == checkpoints.epoch(PACK) == state.epoch
        assert loaded.V.tobytes() == state.V.tobytes()
        assert loaded.scale.tobytes() == state.scale.tobytes()


@pytest.mark.parametrize(
    "content", [b"", b"not an archive", b"\x80\x04N.", b"PK\x05\x06" + bytes(18)]
)
def test_another_file_in_its_place_is_none(checkpoints, content):
    (checkpoints.folder / "pack-00003.npz").write_bytes(content)
    assert checkpoints.load(PACK) is None


def test_what_a_killed_writer_left_is_removed(checkpoints):
    leftover = checkpoints.folder / ".tmp-killed"
    leftover.write_bytes(b"half a state")
    Checkpoints(checkpoints.folder)
    assert not leftover.exists()
