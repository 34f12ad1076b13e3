"""Pack states on disk: bitwise the same, or as if they were not there."""

from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.pack import PackState
from search.errors import StoreError
from search.plan import Pack
from search.record import Checkpoint, Checkpoints

RATES, ALPHAS = np.array([1e-7, 1e-6]), np.array([0.0, 10.0])
COLUMNS = {"learning_rate": RATES, "alpha": ALPHAS}
PACK = Pack(3, {"batch_size": 16}, COLUMNS, (5, 10), np.arange(4).reshape(2, 2))
BOTH = np.array([0, 1])


def trained(epoch=5, seed=2**62):
    """Return a state whose arrays hold all that floats can be."""
    rng = np.random.default_rng(epoch)
    state = PackState.start(16, RATES, ALPHAS, n_features=4, n_classes=3, seed=seed)
    V = rng.normal(size=state.V.shape).astype(np.float32)
    V[0] = [np.nan, np.inf, -0.0, 1e-45]
    return replace(state, epoch=epoch, V=V, scale=rng.normal(size=2))


def checkpoint_of(state, columns=BOTH, seconds=(0.1, 0.2), **times):
    """Return where a pack stands that was reported once and in part."""
    reports = np.array([[0.5, np.nan], [np.inf, -0.0]])
    return Checkpoint(state, columns, np.array(seconds), reports, **times)


def assert_same(one, other):
    """Compare two values of a dataclass bit for bit."""
    for field in fields(one):
        saved, back = getattr(one, field.name), getattr(other, field.name)
        assert type(saved) is type(back)
        if isinstance(saved, np.ndarray):
            assert (saved.dtype, saved.shape) == (back.dtype, back.shape)
            assert saved.tobytes() == back.tobytes()
        elif is_dataclass(saved):
            assert_same(saved, back)
        else:
            assert saved == back


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "checkpoints")


def test_a_state_comes_back_bit_for_bit(checkpoints):
    times = {"node": "10.0.0.1", "started_at": 1.7e9 + 0.1, "finished_at": 1.7e9 + 0.3}
    for checkpoint in (checkpoint_of(trained()), checkpoint_of(trained(), **times, attempt=3)):
        checkpoints.save(PACK, checkpoint)
        assert_same(checkpoints.load(PACK), checkpoint)
        assert checkpoints.reached(PACK)[0] == 5


@pytest.mark.parametrize("columns", [[0], [1], [0, 1]])
def test_a_state_of_some_columns_says_which(checkpoints, columns):
    some = np.array(columns)
    checkpoint = checkpoint_of(trained().take(some), some)
    checkpoints.save(PACK, checkpoint)
    assert_same(checkpoints.load(PACK), checkpoint)
    epoch, reached = checkpoints.reached(PACK)
    assert (epoch, reached.tolist()) == (5, columns)


def test_before_its_first_epoch_a_pack_has_all_columns_and_nothing_behind_it():
    state = trained(0)
    checkpoint = Checkpoint.before(PACK, state)
    assert checkpoint.state is state
    assert (checkpoint.columns.tolist(), checkpoint.seconds.tolist()) == ([0, 1], [0, 0])
    assert checkpoint.reports.shape == PACK.numbers.shape
    assert np.isnan(checkpoint.reports).all()


def test_the_newest_state_is_kept(checkpoints):
    for epoch in (5, 10):
        checkpoints.save(PACK, checkpoint_of(trained(epoch)))
    assert checkpoints.load(PACK).state.epoch == checkpoints.reached(PACK)[0] == 10
    assert len(list(checkpoints.folder.iterdir())) == 1


def test_there_is_none_at_first_and_after_remove(checkpoints):
    assert checkpoints.load(PACK) is None
    checkpoints.save(PACK, checkpoint_of(trained()))
    checkpoints.remove(PACK)
    assert checkpoints.load(PACK) is None
    checkpoints.remove(PACK)


@given(st.sets(st.integers(0, 5)), st.sets(st.integers(0, 5)))
def test_only_the_states_that_are_to_be_kept_are_kept(tmp_path_factory, saved, kept):
    checkpoints = Checkpoints(tmp_path_factory.mktemp("checkpoints"))
    packs = [replace(PACK, index=index) for index in range(6)]
    for index in saved:
        checkpoints.save(packs[index], checkpoint_of(trained()))
    checkpoints.keep_only(packs[index] for index in kept)
    assert {p.index for p in packs if checkpoints.load(p)} == saved & kept
    assert len(list(checkpoints.folder.iterdir())) == len(saved & kept)


@pytest.mark.parametrize("epoch", [1, 5, 9, 10])
def test_the_epoch_is_that_of_the_newest_state(checkpoints, epoch):
    assert checkpoints.reached(PACK) == (0, None)
    checkpoints.save(PACK, checkpoint_of(trained(10)))
    checkpoints.save(PACK, checkpoint_of(trained(epoch)))
    assert checkpoints.reached(PACK)[0] == checkpoints.load(PACK).state.epoch == epoch


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 12345.678])
def test_the_time_without_rows_comes_back(checkpoints, seconds):
    checkpoints.save(PACK, checkpoint_of(trained(), seconds=(seconds, 1.0)))
    assert checkpoints.load(PACK).seconds.tolist() == [seconds, 1.0]


@pytest.mark.parametrize(
    "other",
    [
        replace(PACK, columns=COLUMNS | {"alpha": ALPHAS[::-1]}),
        replace(PACK, columns=COLUMNS | {"learning_rate": RATES * 2}),
        replace(
            PACK,
            columns={name: values[:1] for name, values in COLUMNS.items()},
            numbers=PACK.numbers[:1],
        ),
        replace(PACK, shared={"batch_size": 32}),
        replace(PACK, stops=(5, 7, 10), numbers=np.arange(6).reshape(2, 3)),
    ],
    ids=["alpha", "learning rate", "fewer", "batch size", "stops"],
)
def test_the_state_of_other_trajectories_cannot_be_used(checkpoints, other):
    checkpoints.save(PACK, checkpoint_of(trained()))
    assert checkpoints.load(other) is None
    assert checkpoints.reached(other) == (0, None)


def test_the_state_of_other_columns_cannot_be_used(checkpoints):
    one = np.array([1])
    for state, columns in (
        (trained().take(one), np.array([0])),  # not these
        (trained().take(one), np.array([2])),  # more than there are
        (trained(), one),  # fewer than it has
    ):
        checkpoints.save(PACK, checkpoint_of(state, columns))
        assert checkpoints.load(PACK) is None
        assert checkpoints.reached(PACK) == (0, None)


def test_packs_do_not_share_a_state(checkpoints):
    checkpoints.save(PACK, checkpoint_of(trained()))
    assert checkpoints.load(replace(PACK, index=4)) is None


def test_a_state_cut_off_at_any_byte_is_none(checkpoints):
    checkpoints.save(PACK, checkpoint_of(trained()))
    (path,) = checkpoints.folder.iterdir()
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert checkpoints.load(PACK) is None


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_state_with_a_damaged_byte_is_none(tmp_path_factory, data):
    checkpoints = Checkpoints(tmp_path_factory.mktemp("run") / "checkpoints")
    checkpoints.save(PACK, checkpoint_of(trained(), node="10.0.0.1"))
    (path,) = checkpoints.folder.iterdir()
    damaged = bytearray(path.read_bytes())
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(damaged)
    assert checkpoints.load(PACK) is None
    assert checkpoints.reached(PACK) == (0, None)


@pytest.mark.parametrize(
    "content", [b"", b"not an archive", b"\x80\x04N.", b"PK\x05\x06" + bytes(18)]
)
def test_another_file_in_its_place_is_none(checkpoints, content):
    (checkpoints.folder / "pack-00003.npz").write_bytes(content)
    assert checkpoints.load(PACK) is None


def test_a_state_that_cannot_be_fetched_is_not_taken_for_none(checkpoints, broken_reads):
    checkpoints.save(PACK, checkpoint_of(trained()))
    for ask in (checkpoints.load, checkpoints.reached):
        with broken_reads(), pytest.raises(StoreError, match="does not answer"):
            ask(PACK)
    assert checkpoints.reached(PACK)[0] == 5


def test_what_a_killed_writer_left_is_removed(checkpoints):
    leftover = checkpoints.folder / ".tmp-killed"
    leftover.write_bytes(b"half a state")
    Checkpoints(checkpoints.folder)
    assert not leftover.exists()
