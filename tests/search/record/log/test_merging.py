"""A log of many files brought into few: every reader sees the same rows at every moment."""

import threading

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_trial_log import METADATA, rows

from search.errors import StoreError
from search.record import SOFTMAX_LAYOUT, TrialLog, link_name, read_columns, read_new_columns
from search.record.log import trial_log as trial_log_module
from search.record.log.reading import SCHEMA, read_log
from search.storage import place

RUN = "a1b2"
MANY = 8


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    """Few files are two, and a merged one has no more than six rows."""
    monkeypatch.setattr(trial_log_module, "_FEW", 2)
    monkeypatch.setattr(trial_log_module, "_MOST_ROWS", 6)


def log_of(folder):
    return TrialLog(folder, METADATA, RUN)


def filled(folder, count=MANY):
    """Return a log with the rows of so many links, two trials each."""
    log = log_of(folder)
    for k in range(count):
        log.write(link_name(k, 4), rows((2 * k, 2 * k + 1)))
    return log


def content(folder):
    """Return all rows, as a reader of another process sees them."""
    return read_log(folder, run=RUN).sort_by("number").to_pylist()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_rows_are_the_same_and_the_files_are_few(tmp_path):
    log = filled(tmp_path)
    before = content(tmp_path)
    log.merge()
    assert content(tmp_path) == before
    assert log.read().sort_by("number").to_pylist() == before
    assert names(tmp_path) == ["merged-2.parquet", "merged-3.parquet", "merged.parquet"]
    kept = pq.read_schema(tmp_path / "merged.parquet").metadata
    assert kept[b"fingerprint"].decode() == METADATA["fingerprint"]
    assert pq.read_schema(tmp_path / "merged.parquet").equals(SCHEMA)


def test_any_parquet_reader_sees_each_row_once(tmp_path):
    filled(tmp_path).merge()
    assert sorted(pq.read_table(tmp_path)["number"].to_pylist()) == list(range(2 * MANY))


def test_a_log_of_few_files_stays_as_it_is(tmp_path):
    log = filled(tmp_path, 2)
    before = names(tmp_path)
    log.merge()
    assert names(tmp_path) == before


def test_names_stay_taken(tmp_path):
    log = filled(tmp_path)
    log.merge()
    for one in (log, log_of(tmp_path)):
        assert one.has(link_name(3, 4))
        assert not one.has(link_name(3, 8))
    log.write(link_name(3, 4), rows((100, 101)))
    assert f"{link_name(3, 4)}-2.parquet" in names(tmp_path)
    assert len(content(tmp_path)) == 2 * MANY + 2


@pytest.mark.parametrize("left", range(4))
def test_killed_at_any_step_nothing_is_lost_and_nothing_counts_twice(tmp_path, monkeypatch, left):
    """After each merged file, and between those and the deletion of what they replace."""
    log = filled(tmp_path)
    before, done = content(tmp_path), []
    really = trial_log_module.write_whole

    def killed(path, data):
        if len(done) == left:
            raise KeyboardInterrupt
        done.append(path)
        really(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(trial_log_module, "write_whole", killed)
        patch.setattr(TrialLog, "_delete_replaced", lambda _: done and left == 3 and 1 / 0)
        with pytest.raises(KeyboardInterrupt if left < 3 else ZeroDivisionError):
            log.merge()
    assert content(tmp_path) == before
    again, known = log_of(tmp_path), {}
    assert again.read().sort_by("number").to_pylist() == before
    new = read_new_columns(tmp_path, known, "number", run=RUN, layout=SOFTMAX_LAYOUT)
    assert sorted(new[0]) == list(range(2 * MANY))
    assert [problem for _, problem in again.problems() if problem] == []
    again.merge()
    assert content(tmp_path) == before
    # No more than two stay beside the merged ones: too few to be merged.
    assert sum(not name.startswith("merged") for name in names(tmp_path)) <= 2


@pytest.mark.parametrize("unwanted", [{3}, {0, 1, 2, 3, 4, 5}, {3, 9}, set(range(2 * MANY))])
def test_killed_while_rows_of_a_merged_log_are_dropped_no_row_counts_twice(
    tmp_path, monkeypatch, unwanted
):
    """Between a file of the rows that stay and the deletion of those that it replaces."""
    log = filled(tmp_path)
    log.merge()
    assert all(name.startswith("merged") for name in names(tmp_path))
    before, really = content(tmp_path), trial_log_module.write_whole
    for steps in range(1, 4):
        written = []

        def killed(path, data, written=written, steps=steps):
            if len(written) == steps:
                raise KeyboardInterrupt
            written.append(path)
            really(path, data)

        with monkeypatch.context() as patch:
            patch.setattr(trial_log_module, "write_whole", killed)
            patch.setattr(TrialLog, "_delete_replaced", lambda _: 1 / 0)
            with pytest.raises((KeyboardInterrupt, ZeroDivisionError)):
                log_of(tmp_path).drop(lambda row: row["number"] in unwanted)
        # Some are gone, all others are there once, and no file is thought to be damaged.
        left = content(tmp_path)
        assert {row["number"] for row in before} - {row["number"] for row in left} <= unwanted
        assert [row for row in before if row["number"] not in unwanted] == [
            row for row in left if row["number"] not in unwanted
        ]
        new = read_new_columns(tmp_path, {}, "number", run=RUN, layout=SOFTMAX_LAYOUT)
        assert sorted(new[0]) == [row["number"] for row in left]
        assert [problem for _, problem in log_of(tmp_path).problems() if problem] == []
    again = log_of(tmp_path)
    again.drop(lambda row: row["number"] in unwanted)
    assert [row["number"] for row in content(tmp_path)] == [
        row["number"] for row in before if row["number"] not in unwanted
    ]
    again.merge()
    assert len(content(tmp_path)) == 2 * MANY - len(unwanted)


def test_a_damaged_merged_file_replaces_nothing(tmp_path, monkeypatch):
    log = filled(tmp_path)
    before = content(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(TrialLog, "_delete_replaced", lambda _: None)
        log.merge()
    path = tmp_path / "merged.parquet"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match="cannot be believed"):
        content(tmp_path)
    again = log_of(tmp_path)
    [(wrong, _)] = [(p, problem) for p, problem in again.problems() if problem]
    assert wrong == path
    again.set_aside(path)
    assert content(tmp_path) == before
    again.merge()
    assert content(tmp_path) == before


@settings(max_examples=30)
@given(st.floats(0, 1, exclude_max=True), st.integers(0, 7))
def test_one_flipped_bit_is_found(tmp_path_factory, where, bit):
    folder = tmp_path_factory.mktemp("log")
    filled(folder, 3).merge()
    path = folder / "merged.parquet"
    data = bytearray(path.read_bytes())
    data[int(where * len(data))] ^= 1 << bit
    path.write_bytes(data)
    with pytest.raises(StoreError):
        content(folder)
    assert any(problem for _, problem in log_of(folder).problems())


@settings(max_examples=30)
@given(st.lists(st.integers(0, 5) | st.just("merge") | st.just("open"), max_size=25))
def test_whatever_comes_between_the_log_is_what_was_written(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("log")
    log, written = log_of(folder), 0
    for step in steps:
        if step == "merge":
            log.merge()
        elif step == "open":
            log = log_of(folder)
        else:
            log.write(link_name(step, 4), rows((2 * written, 2 * written + 1)))
            written += 1
        assert sorted(read_columns(folder, "number", run=RUN)[0]) == list(range(2 * written))


def test_readers_see_every_row_while_files_are_merged(tmp_path):
    log, seen, wrong = filled(tmp_path, 30), [], []
    ended = threading.Event()

    def look(read):
        while not ended.is_set():
            try:
                found = read()
            except StoreError as error:
                wrong.append(error)
                return
            seen.append(len(found))

    known = {}
    readers = [
        lambda: read_columns(tmp_path, "number", run=RUN)[0],
        lambda: read_new_columns(tmp_path, known, "number", run=RUN, layout=SOFTMAX_LAYOUT)[0],
    ]
    threads = [threading.Thread(target=look, args=[read]) for read in readers]
    for thread in threads:
        thread.start()
    log.merge()
    ended.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert set(seen) == {60}


def test_in_an_object_store_too(s3):
    folder = place(s3.uri("run/trials"))
    log = filled(folder)
    before = content(folder)
    log.merge()
    assert content(folder) == before
    assert sorted(path.name for path in folder.iterdir()) == [
        "merged-2.parquet", "merged-3.parquet", "merged.parquet"
    ]  # fmt: skip
    assert log_of(folder).has(link_name(0, 4))


def test_columns_of_a_merged_file_have_their_types(tmp_path):
    log = filled(tmp_path)
    before = log.columns()
    log.merge()
    after = log_of(tmp_path).columns()
    for one, other in zip(before, after, strict=True):
        assert one.dtype == other.dtype
    np.testing.assert_array_equal(np.sort(before[0]), np.sort(after[0]))


def test_a_name_that_leads_nowhere_is_left_out_and_holds_nobody_up(tmp_path):
    filled(tmp_path, 2)
    (tmp_path / "gone.parquet").symlink_to(tmp_path / "nowhere")
    assert len(content(tmp_path)) == 4
    found = read_new_columns(tmp_path, {}, "number", run=RUN, layout=SOFTMAX_LAYOUT)
    assert len(found[0]) == 4


def test_what_is_damaged_is_not_merged(tmp_path):
    log = filled(tmp_path)
    (tmp_path / f"{link_name(3, 4)}.parquet").write_bytes(b"PAR1 nothing else")
    log.merge()
    assert not list(tmp_path.glob("merged*"))
