"""Paths in an object store: read from URIs, used as paths are, over the real protocol of S3."""

import errno
import http.server
import socket
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from search.engine import Refits
from search.errors import LockedError, ObjectStoreError, RunFolderError, StoreError
from search.plan import Pack
from search.record import Checkpoints, Proposals, Resamples, RunFolder, TrialLog, read_log
from search.storage import (
    RemotePath,
    object_store,
    place,
    prepare_folder,
    rename_durably,
    write_atomically,
    write_durably,
)
from search.storage.object_store import ObjectStore, reason
from search.storage.writer_memory import WriterMemory

pytestmark = pytest.mark.xdist_group("s3")

SECRET = "wJalr+XUtnFEMI%2FK7MDENG"


# --- From texts to paths


@pytest.mark.parametrize(
    "text", ["runs/full", "/runs", "a:b", "s3:/runs", "C:/runs", "a b?c#d%20", "x//y"]
)
def test_what_is_no_uri_is_a_plain_path(text):
    assert place(text) == Path(text)
    assert place(Path(text)) == Path(text)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("file:///runs/full", "/runs/full"),
        ("file://localhost/a%20b", "/a b"),
        ("FILE:///a?b".replace("?", "%3F"), "/a?b"),
    ],
)
def test_the_uri_of_a_file_is_its_path(text, path):
    assert place(text) == Path(path)


@pytest.mark.parametrize("text", ["file://host/runs", "file://", "file:///a?b=c"])
def test_the_uri_of_a_file_elsewhere_is_refused(text):
    with pytest.raises(RunFolderError, match="Give file:///path"):
        place(text)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("s3://bucket/runs/full", "bucket/runs/full"),
        ("s3://bucket/runs/full/", "bucket/runs/full"),
        ("S3://bucket/a b", "bucket/a b"),
        ("s3://bucket/a%3Fb%25", "bucket/a?b%"),
        ("s3://bucket/größe", "bucket/größe"),
        ("gs://bucket/run", "bucket/run"),
        ("gcs://bucket/run", "bucket/run"),
        ("gs://anonymous@bucket/run?project_id=mine", "bucket/run"),
    ],
)
def test_a_uri_names_a_folder_in_a_bucket_and_its_text_names_it_again(text, key):
    path = place(text)
    assert isinstance(path, RemotePath)
    assert path.key == key
    again = place(str(path))
    assert (again, again.store.address, hash(again)) == (path, path.store.address, hash(path))


def test_a_path_is_shown_as_it_was_given():
    text = "s3://bucket/my runs/größe?endpoint_override=http://127.0.0.1:9000&region=eu-west-1"
    assert str(place(text)) == text
    assert str(place(text) / "manifest.json") == text.replace("?", "/manifest.json?")
    assert repr(place("s3://b/c")) == "RemotePath('s3://b/c')"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("http://host/runs", "http:// is not a store that a run can be in; there are s3://, gs://"),
        ("s3:///runs", "lacks a bucket"),
        ("s3://bucket", "s3://bucket lacks a plain name for the folder"),
        ("s3://bucket/", "lacks a plain name"),
        ("s3://bucket/a/../b", "lacks a plain name"),
        ("s3://bucket/a//b", "lacks a plain name"),
        ("s3://bucket/run?endpoint=x", "no option endpoint; there are endpoint_override, region"),
        ("s3://bucket:9000/run", "has a colon"),
        ("s3://[bucket/run", "cannot be read"),
        ("s3://key@bucket/run", "s3://KEY:SECRET@bucket"),
        ("gs://key:secret@bucket/run", "gs://anonymous@bucket"),
    ],
)
def test_a_uri_that_names_no_folder_says_what_is_wrong(text, problem):
    with pytest.raises(RunFolderError) as caught:
        place(text)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f"s3://AKIA:{SECRET}@bucket/run",
        f"s3://AKIA:{SECRET}@bucket",
        f"s3://AKIA:{SECRET}@bucket/run?secret_key={SECRET}",
        f"s3://AKIA:{SECRET.replace('%2F', '/')}@bucket/run",
        f"s3://AKIA:{SECRET.replace('%2F', '?')}@bucket/run",
        f"s3://AKIA:{SECRET.replace('%2F', '#')}@bucket/run",
        f"s3://AKIA:{SECRET}@[bucket/run",
        f"s4://AKIA:{SECRET}@bucket/run",
        f"gs://AKIA:{SECRET}@bucket/run",
        f"s3://bucket/run?endpoint_override=http://AKIA:{SECRET}@host:9000",
    ],
)
def test_no_text_shows_a_login(text):
    try:
        path = place(text)
    except RunFolderError as error:
        shown = str(error)
    else:
        shown = f"{path} {path!r} {path.store.address!r} {path / 'x'} {path.parent}"
    assert "AKIA" not in shown
    assert "wJalr" not in shown
    assert "MDENG" not in shown


def test_a_login_in_a_uri_is_used():
    address = place(f"s3://AKIA:{SECRET}@bucket/run").store.address
    assert (address.user, address.secret) == ("AKIA", "wJalr+XUtnFEMI/K7MDENG")


def test_paths_are_made_of_each_other():
    run = place("s3://bucket/runs/full")
    assert (run.name, run.parent.name, (run / "a.tar.gz").stem) == ("full", "runs", "a.tar")
    assert run.with_name("other") == run.parent / "other" == place("s3://bucket/runs/other")
    assert run.absolute() is run.resolve() is run
    assert sorted([run / "b", run / "a"]) == [run / "a", run / "b"]
    assert run != place("s3://bucket/runs/full?region=x")
    assert run != Path("s3://bucket/runs/full")


# --- In a store


def test_a_folder_is_there_as_long_as_something_is_in_it(s3):
    run = s3.path("runs/one")
    assert not run.exists()
    assert list(run.iterdir()) == []
    (run / "manifest.json").write_bytes(b"{}")
    assert (run.exists(), run.is_dir(), run.is_file()) == (True, True, False)


def test_an_object_is_opened_to_be_read_alone(s3):
    with pytest.raises(ValueError, match="write_bytes"):
        s3.path("run/file").open("w")


@pytest.mark.parametrize("write", [write_atomically, write_durably])
def test_an_object_is_written_by_one_request(s3, write):
    path = s3.path("run/file")
    for content in (b"old and long", b"new", b"x" * 2**20):
        write(path, lambda file, content=content: file.write(content))
    before = s3.requests()
    assert [request for request in before if request[0] == "PUT"] == [before[0]] * 3

    def fails(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(path, fails)
    assert s3.requests() == []


def test_a_writer_that_must_not_write_does_not(s3):
    path = s3.path("run/file")
    path.write_bytes(b"mine")

    def refuse():
        raise LockedError("taken")

    path.store.guard = refuse
    for change in (
        lambda: path.write_bytes(b"other"),
        path.unlink,
        lambda: rename_durably(path, path.with_name("other")),
        lambda: path.store.delete_folder(path.parent.key),
    ):
        with pytest.raises(LockedError, match="taken"):
            change()
    assert s3.names("run") == ["file"]
    assert s3.path("run/file").read_bytes() == b"mine"


def test_what_the_one_writer_has_learned_and_written_is_not_asked_for_again(s3):
    folder = s3.path("run/checkpoints")
    (folder / "old").write_bytes(b"old")
    folder.store.guard = lambda: None
    prepare_folder(folder)
    (folder / "new").write_bytes(b"new")
    s3.requests()
    assert [path.name for path in folder.glob("*")] == ["new", "old"]
    assert (folder / "new").read_bytes() == b"new"
    assert ((folder / "new").exists(), (folder / "none").exists()) == (True, False)
    (folder / "none").unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        (folder / "none").read_bytes()
    assert s3.requests() == []


def test_a_memory_forgets_what_was_not_used_for_longest(monkeypatch):
    monkeypatch.setattr("search.storage.writer_memory._BYTES", 10)
    memory = WriterMemory()
    for key in "abc":
        memory.keep(key, key.encode() * 3)
    assert memory.content("a") == b"aaa"
    memory.keep("d", b"dddd")
    assert [memory.content(key) for key in "abcd"] == [b"aaa", None, b"ccc", b"dddd"]
    memory.keep("c", b"", version=2)
    assert (memory.content("c"), memory.content("c", 2)) == (None, b"")


# --- What goes wrong


@contextmanager
def refusing(status):
    """A server that refuses everybody."""

    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(status)

        do_HEAD = do_PUT = do_GET  # noqa: N815 - the library's names

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def failure(action):
    with pytest.raises(OSError) as caught:  # noqa: PT011 - what it says is the test's subject
        action()
    assert caught.value.errno == errno.EIO
    return caught.value.strerror


@pytest.mark.parametrize("status", [401, 403])
def test_a_login_that_is_refused_says_where_another_can_be_given(s3, status):
    with refusing(status) as endpoint:
        path = place(f"s3://bucket/run?endpoint_override={endpoint}")
        assert "set AWS_ACCESS_KEY_ID" in failure(path.exists)
        assert "set AWS_ACCESS_KEY_ID" in failure(lambda: path.write_bytes(b"x"))


def test_a_bucket_that_is_not_there_is_named_with_the_way_out(s3):
    path = place(f"s3://no-such-bucket/run?endpoint_override={s3.endpoint}")
    assert "no such bucket; create it" in failure(lambda: path.write_bytes(b"x"))
    with pytest.raises(
        StoreError, match=r"s3://no-such-bucket/run\?.* could not be written"
    ) as told:
        write_atomically(path, lambda file: file.write(b"x"))
    assert str(told.value).endswith(
        "What was logged before is safe; give the same command to continue."
    )
    assert "disk" not in str(told.value)


def test_a_store_that_does_not_answer_is_not_waited_for_long(s3, monkeypatch):
    monkeypatch.setattr(object_store, "_TRIES", 1)
    monkeypatch.setattr(object_store, "_REQUEST_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        path = place(
            f"s3://bucket/run?endpoint_override=http://127.0.0.1:{silent.getsockname()[1]}"
        )
        assert "the store does not answer" in failure(path.exists)
    assert "the store does not answer" in failure(path.exists)


READERS = {
    "trials/.staged-a.parquet": lambda run: TrialLog(run / "trials").staged(),
    "trials/a.parquet": lambda run: read_log(run / "trials"),
    "checkpoints/pack-00003.npz": lambda run: Checkpoints(run / "checkpoints").load(PACK),
    "resamples/a.npz": lambda run: list(Resamples(run / "resamples").parts()),
    "proposals/wave-00000.json": lambda run: Proposals(run / "proposals").read(),
    "manifest.json": lambda run: RunFolder(run).read_manifest(),
    "summary.json": lambda run: RunFolder(run).read_summary(),
    "refits.json": lambda run: Refits(RunFolder(run), None, None, None).done(),
}
COLUMNS = {"learning_rate": np.ones(1), "alpha": np.ones(1)}
PACK = Pack(3, {"batch_size": 16}, COLUMNS, (5,), np.zeros((1, 1), np.int64))


def away(store, key):
    raise ObjectStoreError(errno.EIO, "the store does not answer", store.address.uri(key))


@pytest.mark.parametrize("name", READERS)
def test_what_a_store_does_not_give_is_neither_absent_nor_damaged(s3, monkeypatch, name):
    (s3.path("run") / name).write_bytes(b"perhaps whole")
    monkeypatch.setattr(ObjectStore, "fetched", away)
    with pytest.raises(StoreError) as told:
        READERS[name](s3.path("run"))
    assert str(told.value) == (
        f"{s3.path('run') / name} cannot be used: the store does not answer. What was logged "
        "before is safe; give the same command to continue."
    )
    assert s3.names("run") == [name]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("AWS Error UNKNOWN (HTTP status 301) during HeadObject", "?region=NAME"),
        ("AWS Error UNKNOWN (HTTP status 400) during HeadObject", "the region"),
        ("google::cloud::Status(PERMISSION_DENIED: x)", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("When x: AWS Error SLOW_DOWN during Put: wait. (Request ID: 7)",
         "AWS Error SLOW_DOWN during Put: wait."),
        ("something else\nmore of it", "something else"),
    ],
)  # fmt: skip
def test_errors_of_a_store_are_told_in_words(text, said):
    assert said in reason(text)
    assert "\n" not in reason(text)
