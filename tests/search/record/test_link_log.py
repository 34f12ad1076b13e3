"""Links as data: a line each, whatever a kill has cut, and those of the earlier version."""

from dataclasses import replace

import pytest

from search.record import LinkRecord, RunFolder, read_links
from search.record.link_log import LinkLog

ONE = LinkRecord(7, "batch=1024", 0, 5, 64, 5, 1.7e9 + 0.125, 1.7e9 + 9.625, "192.0.2.2", 1)
OTHER = replace(ONE, start_epoch=5, epoch=10, attempt=2, node='"\n')


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path)


def test_a_run_without_files_tells_of_no_link(folder):
    assert read_links(folder) == []


def test_links_come_back_as_they_were_whoever_writes_on(folder):
    for record in (ONE, OTHER):
        LinkLog(folder.links).append(record)
    assert read_links(folder) == [ONE, OTHER]
    assert len(folder.links.read_text().splitlines()) == 2


def test_a_line_that_was_cut_at_any_byte_costs_no_other(folder):
    LinkLog(folder.links).append(ONE)
    whole = folder.links.read_bytes()
    for size in range(len(whole)):
        folder.links.write_bytes(whole + whole[:size])
        LinkLog(folder.links).append(OTHER)
        # A line that lacks its end alone is whole.
        assert read_links(folder) == [ONE] * (1 + (size == len(whole) - 1)) + [OTHER]


@pytest.mark.parametrize("line", ["", "7", "[]", "null", '{"pack": 7}', "\0\xff"])
def test_what_is_no_link_is_passed_over(folder, line):
    folder.links.write_bytes(line.encode("latin-1") + b"\n")
    LinkLog(folder.links).append(ONE)
    assert read_links(folder) == [ONE]


def test_a_later_versions_entries_are_passed_over(folder):
    LinkLog(folder.links).append(ONE)
    line = folder.links.read_text()
    folder.links.write_text(line.replace("{", '{"flops": 1e9, ', 1))
    assert read_links(folder) == [ONE]


def test_a_disk_that_refuses_stops_nobody(folder):
    LinkLog(folder.path / "none" / "links.jsonl").append(ONE)
    folder.links.mkdir()
    LinkLog(folder.links).append(ONE)
    assert read_links(folder) == []


def test_the_earlier_versions_sentences_come_first(folder):
    folder.log.write_text(
        "2026-01-01 10:00:10,500 INFO done: pack 7, advance batch=1024 epochs 0-5 width=64, "
        "trained 5 epochs in 9.50 s on 192.0.2.2\n<script>\n"
        "2026-01-01 10:00:11,500 WARNING lost: advance batch=8 epochs 0-5 width=64, attempt 1: it\n"
        "2026-01-01 10:00:12,500 INFO trained: pack 7, advance batch=1024 epochs 5-10 width=64, "
        "5 epochs in 9.50 s on 192.0.2.2\n"
    )
    LinkLog(folder.links).append(OTHER)
    first, second = read_links(folder)
    assert second == OTHER
    assert first.finished_at - first.started_at == pytest.approx(9.5)
    times = {"started_at": ONE.started_at, "finished_at": ONE.finished_at}
    assert replace(first, **times) == ONE
