"""Files that are whole or absent, on a disk or in an object store.

It knows bytes and paths, how to write them so that they survive, and who may write. It never
knows what a file means: no trial, no setting, no run.
"""

from search.storage.arrays import load_arrays, save_arrays
from search.storage.durable import (
    all_within,
    is_there,
    listed,
    prepare_folder,
    read_whole,
    remove,
    rename_durably,
    write_atomically,
    write_durably,
    write_whole,
)
from search.storage.growing import growing_file
from search.storage.json_files import json_content, parse_json
from search.storage.object_store import NO_BUCKET
from search.storage.remote_path import Place, RemotePath, place
from search.storage.run_lock import find_writer, lock, say_nothing
from search.storage.seals import seal_of
from search.storage.writers import Writer

__all__ = [
    "NO_BUCKET",
    "Place",
    "RemotePath",
    "Writer",
    "all_within",
    "find_writer",
    "growing_file",
    "is_there",
    "json_content",
    "listed",
    "load_arrays",
    "lock",
    "parse_json",
    "place",
    "prepare_folder",
    "read_whole",
    "remove",
    "rename_durably",
    "save_arrays",
    "say_nothing",
    "seal_of",
    "write_atomically",
    "write_durably",
    "write_whole",
]
