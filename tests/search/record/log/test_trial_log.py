"""The trial log: what is shown as done is there, whole, for any parquet reader."""

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.seal import EARLIER, Seal
from search.errors import StoreError
from search.record import (
    COMPLETE,
    FAIL,
    PRUNED,
    SOFTMAX_LAYOUT,
    TrialLog,
    link_name,
    of_replicates,
    read_columns,
    read_new_columns,
)
from search.record.log.reading import SCHEMA, part_problem, read_part, scan
from search.record.log.trial_log import link_of

METADATA = {"dataset": "digits", "fingerprint": "0123456789abcdef"}


def rows(numbers=(7, 9), costs=(0.5, np.nan), **replaced):
    """Return the columns of one link, some of its trials diverged."""
    costs = np.array(costs, np.float64)
    finite = np.isfinite(costs)
    columns = {
        "number": np.array(numbers, np.int64),
        "state": np.where(finite, COMPLETE, FAIL),
        "batch_size": 32,
        "learning_rate": np.full(len(costs), 5e-7),
        "epochs": 5,
        "alpha": np.full(len(costs), 0.1),
        "val_cost": costs,
        "val_accuracy": np.where(finite, 0.75, np.nan),
        "val_cost_avg": costs / 2,
        "val_accuracy_avg": np.where(finite, 0.875, np.nan),
        "last_cost": costs,
        "last_epoch": 5,
        "reports": None,
        "seconds": 0.25,
        "pack": 3,
        "node": "10.0.0.1",
        "started_at": 1_700_000_000.0,
        "finished_at": 1_700_000_000.123456,
        "attempt": 2,
        "error": [None if ok else "diverged" for ok in finite],
        "source": None,
    }
    return columns | replaced


@pytest.fixture
def trial_log(tmp_path):
    return TrialLog(tmp_path / "trials", METADATA)


def append(trial_log, pack, epoch, columns):
    """Log the rows of one link."""
    trial_log.write(link_name(pack, epoch), columns)


def files(trial_log):
    return sorted(path.name for path in trial_log.folder.iterdir())


def numbers(trial_log):
    return sorted(trial_log.columns("number")[0].tolist())


# --- Rows


def test_rows_come_back_with_types_times_and_nulls(trial_log):
    append(trial_log, 3, 5, rows())
    complete, failed = trial_log.read().to_pylist()
    assert complete == {
        "number": 7,
        "state": "COMPLETE",
        "batch_size": 32,
        "learning_rate": 5e-7,
        "epochs": 5,
        "alpha": 0.1,
        "val_cost": 0.5,
        "val_accuracy": 0.75,
        "val_cost_avg": 0.25,
        "val_accuracy_avg": 0.875,
        "train_cost": None,
        "last_cost": 0.5,
        "last_epoch": 5,
        "reports": None,
        "seconds": 0.25,
        "pack": 3,
        "node": "10.0.0.1",
        "started_at": datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
        "finished_at": datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC),
        "attempt": 2,
        "error": None,
        "source": None,
        **dict.fromkeys(of_replicates(SOFTMAX_LAYOUT)),
    }
    figures = ("val_cost", "val_accuracy", "val_cost_avg", "val_accuracy_avg", "last_cost")
    nulls = dict.fromkeys(figures)
    assert failed == complete | nulls | {"number": 9, "state": "FAIL", "error": "diverged"}


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(st.integers(0, 2**63 - 1), st.floats(width=64), min_size=1, max_size=20),
    st.floats(0, 4e9),
)
def test_numbers_and_costs_come_back_bit_for_bit(tmp_path_factory, trials, started_at):
    trial_log = TrialLog(tmp_path_factory.mktemp("trials"))
    costs = np.array(list(trials.values()))
    append(trial_log, 0, 5, rows(list(trials), costs, started_at=started_at))
    number, cost, start = trial_log.columns("number", "val_cost", "started_at")
    assert dict(zip(number.tolist(), map(repr, cost.tolist()), strict=True)) == {
        n: repr(c) for n, c in trials.items()
    }
    assert start[0] == np.rint(started_at * 1e6).astype("datetime64[us]")


def test_a_pruned_trial_keeps_its_newest_cost_and_what_was_reported(trial_log):
    reports = [[(2, 0.75), (4, np.inf)], []]
    pruned = rows(costs=(np.nan, np.nan), state=PRUNED, last_cost=(0.625, np.inf), last_epoch=4)
    append(trial_log, 3, 4, pruned | {"reports": reports, "source": "elsewhere, trial 8"})
    one, other = trial_log.read().to_pylist()
    assert [row["reports"] for row in (one, other)] == reports
    assert [row["last_cost"] for row in (one, other)] == [0.625, np.inf]
    assert (one["state"], one["val_cost"], one["last_epoch"]) == ("PRUNED", None, 4)
    assert one["source"] == "elsewhere, trial 8"


def test_a_trial_that_no_pack_has_trained_has_none(trial_log):
    trial_log.write("reused", rows(pack=None))
    assert trial_log.read("pack", "attempt").to_pylist() == [{"pack": None, "attempt": 2}] * 2


def test_rows_of_some_trials_come_in_the_order_of_their_numbers(trial_log):
    append(trial_log, 3, 5, rows((9, 2)))
    append(trial_log, 3, 10, rows((4, 7)))
    found = trial_log.rows([7, 9, 4, 100])
    assert [row["number"] for row in found] == [4, 7, 9]
    assert found[0] == next(row for row in trial_log.read().to_pylist() if row["number"] == 4)
    assert trial_log.rows([]) == []


def test_an_empty_log_has_all_columns(trial_log):
    assert trial_log.read().schema.names == SCHEMA.names
    number, cost = trial_log.columns("number", "val_cost")
    assert (number.dtype, cost.dtype, len(number), len(cost)) == (np.int64, np.float64, 0, 0)


def test_the_log_is_all_links_together(trial_log):
    for pack, epoch, first in [(0, 5, 0), (0, 10, 2), (1, 5, 4)]:
        append(trial_log, pack, epoch, rows((first, first + 1)))
    assert numbers(trial_log) == [0, 1, 2, 3, 4, 5]


def test_rows_that_stand_are_never_replaced(trial_log):
    append(trial_log, 3, 5, rows(attempt=1))
    for numbers_of in ((8, 10), (11, 12)):
        append(trial_log, 3, 5, rows(numbers_of, attempt=2))
    names = [f"pack-00003-epoch-000005{end}.parquet" for end in ("-2", "-3", "")]
    assert files(trial_log) == names
    assert all(link_of(name.removesuffix(".parquet")) == (3, 5) for name in names)
    number, attempt = trial_log.columns("number", "attempt")
    assert sorted(zip(number.tolist(), attempt.tolist(), strict=True)) == [
        (7, 1), (8, 2), (9, 1), (10, 2), (11, 2), (12, 2),
    ]  # fmt: skip


def test_a_reader_of_new_files_alone_sees_the_log_as_any_reader_does(tmp_path, monkeypatch):
    names, known, read = SCHEMA.names, {}, []
    coded = ("state", "epochs", "alpha", "pack", "node", "error", "source")
    from search.record.log import growing

    really_read = growing.read_whole
    monkeypatch.setattr(growing, "read_whole", lambda p: read.append(p) or really_read(p))

    def look(run):
        read.clear()
        found = read_new_columns(
            tmp_path, known, *names, run=run, layout=SOFTMAX_LAYOUT, coded=coded
        )
        files_read = len(read)
        whole = read_columns(tmp_path, *names, run=run)
        order, other = (np.argsort(columns[0]) for columns in (found, whole))
        for name, mine, theirs in zip(names, found, whole, strict=True):
            if name not in ("replicates", "reports"):
                np.testing.assert_array_equal(mine[order], theirs[other], err_msg=name)
        return len(found[0]), files_read

    log = TrialLog(tmp_path, run="one")
    assert look("one") == (0, 0)
    log.write(link_name(0, 4), rows((1, 2)))
    log.write(link_name(1, 4), rows((3, 4), pack=None))
    assert look("one") == (4, 2)
    log.write(link_name(0, 8), rows((5, 6)))
    assert look("one") == (6, 1)
    (tmp_path / f"{link_name(1, 4)}.parquet").unlink()
    assert look("one") == (4, 0)
    for path in tmp_path.glob("*.parquet"):
        path.unlink()
    TrialLog(tmp_path, run="two").write(link_name(0, 4), rows((8, 9), costs=(0.25, 0.5)))
    assert look("two") == (2, 1)  # another run, under the same name
    TrialLog(tmp_path, run="two").write(link_name(0, 8), rows((9, 10)))
    with pytest.raises(StoreError, match="more than one row of trial 9"):
        look("two")


def test_a_trial_with_two_rows_is_named_with_the_way_out(trial_log):
    append(trial_log, 3, 5, rows())
    append(trial_log, 3, 10, rows((9, 10)))
    with pytest.raises(StoreError, match=r"more than one row of trial 9\. With .*--resume"):
        trial_log.read()


def test_another_store_on_the_folder_sees_the_same(trial_log):
    append(trial_log, 3, 5, rows())
    assert numbers(TrialLog(trial_log.folder)) == [7, 9]


# --- Staged, then published


def test_staged_rows_are_hidden_from_every_reader_until_they_are_published(trial_log):
    append(trial_log, 3, 5, rows())
    trial_log.stage("later", rows((8, 10)))
    for _ in range(2):  # for this writer and for the next one
        assert numbers(trial_log) == [7, 9]
        dataset = pyarrow.dataset.dataset(trial_log.folder, format="parquet")
        assert sorted(dataset.to_table()["number"].to_pylist()) == [7, 9]
        assert pq.read_table(trial_log.folder).num_rows == 2
        assert trial_log.staged() == ["later"]
        trial_log = TrialLog(trial_log.folder)
    trial_log.publish("later")
    assert trial_log.staged() == []
    assert numbers(trial_log) == [7, 8, 9, 10]


def test_discarded_rows_are_gone_and_published_ones_stay(trial_log):
    append(trial_log, 3, 5, rows())
    staged = trial_log.stage(link_name(3, 5), rows((1, 2)))
    trial_log.stage("later", rows((8, 10)))
    for name in (staged, "later", "later"):
        trial_log.discard(name)
    assert trial_log.staged() == []
    assert files(trial_log) == ["pack-00003-epoch-000005.parquet"]
    assert numbers(trial_log) == [7, 9]


def test_all_that_is_staged_is_named(trial_log):
    links = [(0, 5), (0, 10), (3, 5), (123_456, 1_234_567)]
    for pack, epoch in reversed(links):
        trial_log.stage(link_name(pack, epoch), rows())
    trial_log.stage("reused", rows())
    append(trial_log, 4, 5, rows())
    *names, last = trial_log.staged()
    assert [link_of(name) for name in names] == links
    assert (last, link_of(last)) == ("reused", None)


@given(st.integers(0, 10**7), st.integers(0, 10**8))
def test_a_link_is_known_by_its_name(pack, epoch):
    assert link_of(link_name(pack, epoch)) == (pack, epoch)


@pytest.mark.parametrize("name", ["reused", "wave-00001-reused", f"{link_name(3, 5)}-pruned", ""])
def test_other_names_are_no_link(name):
    assert link_of(name) is None


def test_rows_that_were_not_staged_cannot_be_published(trial_log):
    with pytest.raises(StoreError, match=r"pack-00003-epoch-000005.parquet could not be written"):
        trial_log.publish(link_name(3, 5))


def test_publishing_survives_a_crash_of_the_machine(trial_log, monkeypatch):
    trial_log.stage(link_name(3, 5), rows())
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda fd: flushed.append(stat.S_ISDIR(os.fstat(fd).st_mode)))
    trial_log.publish(link_name(3, 5))
    assert flushed == [True]


# --- Other readers


def test_descriptions_and_the_data_set_travel_in_the_schema(trial_log):
    append(trial_log, 3, 5, rows())
    (name,) = files(trial_log)
    schema = pq.read_schema(trial_log.folder / name)
    assert schema.equals(SCHEMA.with_metadata(METADATA), check_metadata=False)
    assert schema.metadata == {b"dataset": b"digits", b"fingerprint": b"0123456789abcdef"}
    for field in schema:
        assert len(field.metadata[b"description"]) > 10


def test_any_reader_can_read_the_log_while_a_writer_is_at_work(trial_log):
    append(trial_log, 3, 5, rows())
    append(trial_log, 3, 10, rows((8, 10), (0.25, 0.75)))
    (trial_log.folder / ".tmp-of-a-writer").write_bytes(b"PAR1 half a file")
    dataset = pyarrow.dataset.dataset(trial_log.folder, format="parquet")
    assert sorted(dataset.to_table()["number"].to_pylist()) == [7, 8, 9, 10]
    assert pq.read_table(trial_log.folder).num_rows == 4
    assert numbers(trial_log) == [7, 8, 9, 10]


def test_pandas_reads_the_log_while_a_writer_is_at_work(trial_log):
    pandas = pytest.importorskip("pandas")
    append(trial_log, 3, 5, rows())
    (trial_log.folder / ".tmp-of-a-writer").write_bytes(b"PAR1 half a file")
    frame = pandas.read_parquet(trial_log.folder).set_index("number")
    assert frame.loc[7, "val_cost"] == 0.5
    assert frame["val_cost"].isna().tolist() == [False, True]
    assert str(frame["finished_at"].dtype.tz) == "UTC"


# --- What may go wrong


def test_a_killed_writer_leaves_the_old_rows_and_what_it_left_is_removed(trial_log):
    append(trial_log, 3, 5, rows())
    code = """if True:
        import os, pathlib, signal, sys, time
        # The signal may hit another thread first, and this one must not go on.
        os.fsync = lambda descriptor: (os.kill(os.getpid(), signal.SIGKILL), time.sleep(60))
        import test_trial_log
        trial_log = test_trial_log.TrialLog(pathlib.Path(sys.argv[1]))
        test_trial_log.append(trial_log, 3, 5, test_trial_log.rows((1, 2)))
    """
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    killed = subprocess.run(
        [sys.executable, "-c", code, str(trial_log.folder)],
        env=os.environ | {"PYTHONPATH": path},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(files(trial_log)) == 2
    assert numbers(trial_log) == [7, 9]
    again = TrialLog(trial_log.folder)
    assert numbers(again) == [7, 9]
    for name in again.staged():  # if it came that far
        again.discard(name)
    assert files(again) == ["pack-00003-epoch-000005.parquet"]
    assert numbers(again) == [7, 9]


def test_rows_that_were_staged_in_part_are_not_there(trial_log):
    append(trial_log, 3, 5, rows())
    trial_log.stage(link_name(3, 10), rows((8, 10)))
    path = trial_log.folder / ".staged-pack-00003-epoch-000010.parquet"
    whole = path.read_bytes()
    for size in [*range(0, len(whole), 50), len(whole) - 1]:
        path.write_bytes(whole[:size])
        assert trial_log.staged() == []
        assert files(trial_log) == ["pack-00003-epoch-000005.parquet"]
    path.write_bytes(whole)
    assert trial_log.staged() == [link_name(3, 10)]


def assert_refuses_and_keeps_the_old_rows(trial_log, new_rows):
    before = files(trial_log)
    for epoch in (5, 10):  # beside a file of the name, and alone
        with pytest.raises(StoreError, match=r"parquet could not be .* No space"):
            append(trial_log, 3, epoch, new_rows)
        assert files(trial_log) == before
        assert numbers(trial_log) == [7, 9]


def test_without_space_the_old_rows_stay_and_nothing_is_left(trial_log, monkeypatch):
    def no_space(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    append(trial_log, 3, 5, rows())
    monkeypatch.setattr(os, "fsync", no_space)
    assert_refuses_and_keeps_the_old_rows(trial_log, rows((1, 2)))


@contextmanager
def small_disk(path):
    """Mount a file system of 128 KiB where the system lets us."""
    path.mkdir()
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("only root can mount a small file system")
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(path)]
    done = subprocess.run(mount, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def test_a_full_disk_costs_no_row_and_takes_more_when_there_is_room_again(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        trial_log = TrialLog(disk / "trials", METADATA)
        append(trial_log, 3, 5, rows())
        ballast = disk / "ballast"
        with pytest.raises(OSError, match="No space left"):
            ballast.write_bytes(bytes(2**20))
        assert_refuses_and_keeps_the_old_rows(trial_log, rows((1, 2)))
        ballast.unlink()
        append(trial_log, 3, 10, rows((1, 2)))
        assert numbers(trial_log) == [1, 2, 7, 9]


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="file/trials cannot be used"):
        TrialLog(tmp_path / "file" / "trials")


def assert_read_names(trial_log, name):
    with pytest.raises(StoreError, match=rf"{name} cannot be believed: .*--resume .*set aside"):
        trial_log.read()


@pytest.mark.parametrize("size", [0, 3, 4, 100, -100, -8, -1])
def test_a_truncated_file_is_named(trial_log, size):
    append(trial_log, 3, 5, rows())
    append(trial_log, 3, 10, rows((8, 10)))
    path = trial_log.folder / "pack-00003-epoch-000010.parquet"
    path.write_bytes(path.read_bytes()[:size])
    assert_read_names(trial_log, path.name)


def test_a_flipped_bit_in_the_rows_is_no_other_cost(trial_log):
    append(trial_log, 3, 5, rows(costs=(0.5, 0.625)))
    (path,) = trial_log.folder.iterdir()
    whole = path.read_bytes()
    at = whole.index(np.float64(0.625).tobytes())
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    assert_read_names(trial_log, path.name)


def test_the_parquet_file_of_another_program_is_named(trial_log):
    append(trial_log, 3, 5, rows())
    pq.write_table(pa.table({"x": [1, 2]}), trial_log.folder / "foreign.parquet")
    assert_read_names(trial_log, "foreign.parquet")


def test_a_lack_of_memory_is_no_damage(tmp_path, monkeypatch):
    asked = 4096

    def refuse(*_, **__):
        raise pa.ArrowMemoryError(f"malloc of size {asked} failed")

    monkeypatch.setattr(pq, "ParquetFile", refuse)
    for act in (
        lambda: part_problem(b"", Seal(EARLIER)),
        lambda: read_part(b"", "number"),
        lambda: scan(tmp_path, [b""], ["number"]),
    ):
        with pytest.raises(MemoryError, match="size 4096"):
            act()
    asked = 2**60  # as a damaged length does
    assert "not a whole parquet file" in part_problem(b"", Seal(EARLIER))
