import contextlib
import errno
import hashlib
import io
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from model.data import download as module
from model.data import trickle
from model.data.download import DownloadError, download

BODY = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(BODY).hexdigest()
HALF = len(BODY) // 2


@dataclass
class Mirror:
    """What one server sends, how it misbehaves, and what it was asked."""

    body: bytes = BODY
    honours_range: bool = True
    tells_length: bool = True
    content_range: str | None = None
    redirect: str | None = None
    cuts: list[int] = field(default_factory=list)
    hold: threading.Event | None = None
    ranges: list[str | None] = field(default_factory=list)
    url: str = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers["Range"]
        self.ranges.append(asked)
        if self.hold:
            self.hold.wait(20)
        if self.redirect:
            handler.send_response(302)
            handler.send_header("Location", self.redirect)
            handler.end_headers()
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.honours_range else 0
        if start >= len(self.body):
            handler.send_error(416)
            return
        self._send(handler, start)

    def _send(self, handler: BaseHTTPRequestHandler, start: int) -> None:
        handler.send_response(206 if start else 200)
        if start:
            span = f"bytes {start}-{len(self.body) - 1}/{len(self.body)}"
            handler.send_header("Content-Range", self.content_range or span)
        if self.tells_length:
            handler.send_header("Content-Length", str(len(self.body) - start))
        handler.end_headers()
        end = self.cuts.pop(0) if self.cuts else len(self.body)
        handler.wfile.write(self.body[start:end])


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Mirror]]:
    monkeypatch.setenv("no_proxy", "*")
    servers = []

    def start(**behaviour: object) -> Mirror:
        mirror = Mirror(**behaviour)  # type: ignore[arg-type]

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Keep the test's output clean."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        servers.append((server, thread))
        mirror.url = f"http://127.0.0.1:{server.server_port}/file.gz"
        return mirror

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def dead_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as taken:  # bound but not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/file.gz"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "file.gz"


@pytest.fixture
def part(target: Path) -> Path:
    target.parent.mkdir()
    return target.with_name("file.gz.part")


def assert_done(target: Path) -> None:
    assert target.read_bytes() == BODY
    assert [path.name for path in target.parent.iterdir()] == ["file.gz"]


def test_a_whole_file_with_its_progress(serve: Callable[..., Mirror], target: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    mirror = serve()
    result = download([mirror.url], SHA256, target, progress=lambda *step: seen.append(step))
    assert result == target
    assert_done(target)
    assert seen[0] == (0, len(BODY))
    assert seen[-1] == (len(BODY), len(BODY))
    assert seen == sorted(seen)


def test_a_server_that_tells_no_length(serve: Callable[..., Mirror], target: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    mirror = serve(tells_length=False)
    download([mirror.url], SHA256, target, progress=lambda *step: seen.append(step))
    assert_done(target)
    assert seen[-1] == (len(BODY), None)


def test_a_file_that_is_there_and_right_is_not_fetched(
    serve: Callable[..., Mirror], target: Path, part: Path
) -> None:
    mirror = serve()
    target.write_bytes(BODY)
    download([mirror.url], SHA256, target)
    assert mirror.ranges == []


def test_a_damaged_file_is_replaced(serve: Callable[..., Mirror], target: Path, part: Path) -> None:
    target.write_bytes(BODY[:-1])
    download([serve().url], SHA256, target)
    assert_done(target)


def test_a_partial_file_is_continued(
    serve: Callable[..., Mirror], target: Path, part: Path
) -> None:
    mirror = serve()
    part.write_bytes(BODY[:HALF])
    seen: list[tuple[int, int | None]] = []
    download([mirror.url], SHA256, target, progress=lambda *step: seen.append(step))
    assert_done(target)
    assert mirror.ranges == [f"bytes={HALF}-"]
    assert seen[0] == (HALF, len(BODY))


@pytest.mark.parametrize("behaviour", [{"honours_range": False}, {"content_range": "bytes 7-9/10"}])
def test_a_server_that_does_not_continue_starts_over(
    serve: Callable[..., Mirror], target: Path, part: Path, behaviour: dict[str, object]
) -> None:
    part.write_bytes(BODY[:HALF])
    download([serve(**behaviour).url], SHA256, target)
    assert_done(target)


def test_a_partial_file_that_is_too_long_is_fetched_again(
    serve: Callable[..., Mirror], target: Path, part: Path
) -> None:
    mirror = serve()  # answers 416: there is nothing beyond the end
    part.write_bytes(BODY + b"more")
    download([mirror.url], SHA256, target)
    assert_done(target)
    assert mirror.ranges == [f"bytes={len(BODY) + 4}-", None]


def test_a_partial_file_that_is_complete_needs_no_network(
    dead_url: str, target: Path, part: Path
) -> None:
    part.write_bytes(BODY)
    download([dead_url], SHA256, target)
    assert_done(target)


def test_a_partial_file_with_a_wrong_beginning_gets_a_clean_start(
    serve: Callable[..., Mirror], target: Path, part: Path
) -> None:
    mirror = serve()
    part.write_bytes(b"x" * HALF)
    download([mirror.url], SHA256, target)
    assert_done(target)
    assert mirror.ranges == [f"bytes={HALF}-", None]


def test_a_dead_source_then_a_good_one(
    serve: Callable[..., Mirror], dead_url: str, target: Path
) -> None:
    download([dead_url, serve().url], SHA256, target)
    assert_done(target)


def test_a_wrong_file_then_a_good_one(serve: Callable[..., Mirror], target: Path) -> None:
    good = serve()
    download([serve(body=b"<html>Log in first</html>").url, good.url], SHA256, target)
    assert_done(target)
    assert good.ranges == [None]  # the wrong bytes were discarded, not continued


def test_a_connection_that_breaks_is_continued(serve: Callable[..., Mirror], target: Path) -> None:
    mirror = serve(cuts=[HALF, HALF + 1000])
    download([mirror.url], SHA256, target)
    assert_done(target)
    assert mirror.ranges == [None, f"bytes={HALF}-", f"bytes={HALF + 1000}-"]


def test_what_arrived_is_kept_for_the_next_call(serve: Callable[..., Mirror], target: Path) -> None:
    broken = serve(cuts=[HALF, HALF])  # the second try gets no further
    with pytest.raises(DownloadError, match=f"ended after {HALF} of {len(BODY)} bytes"):
        download([broken.url], SHA256, target)
    assert not target.exists()
    good = serve()
    download([good.url], SHA256, target)
    assert_done(target)
    assert good.ranges == [f"bytes={HALF}-"]


def test_an_interrupt_keeps_what_arrived(serve: Callable[..., Mirror], target: Path) -> None:
    def interrupt(done: int, total: int | None) -> None:
        if done:
            raise KeyboardInterrupt

    mirror = serve()
    with pytest.raises(KeyboardInterrupt):
        download([mirror.url], SHA256, target, progress=interrupt)
    download([mirror.url], SHA256, target)
    assert_done(target)
    assert mirror.ranges[1] is not None


def test_all_sources_fail_each_with_its_reason(
    serve: Callable[..., Mirror], dead_url: str, target: Path
) -> None:
    urls = [
        dead_url,
        serve(body=b"").url,
        serve(body=b"other").url,
        serve(redirect="ftp://127.0.0.1/file.gz").url,
        "file:///etc/passwd",
        "http://[bad/file.gz",
    ]
    with pytest.raises(DownloadError) as caught:
        download(urls, SHA256, target)
    lines = str(caught.value).splitlines()
    reasons = [
        "Connection refused",
        "answered 416",
        f"expected {SHA256}",
        "ftp",
        "only http and https",
        "Invalid IPv6 URL",
    ]
    for line, url, reason in zip(lines[1:-1], urls, reasons, strict=True):
        assert line.startswith(f"  {url}: ")
        assert reason in line
    assert "FASHION_MNIST_DIR" in lines[-1]
    assert "--dataset digits" in lines[-1]
    assert list(target.parent.iterdir()) == []


def test_a_silent_server_is_left(
    serve: Callable[..., Mirror], target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 0.1)
    release = threading.Event()
    mirror = serve(hold=release)
    with pytest.raises(DownloadError, match=r"no answer within 0\.1 seconds"):
        download([mirror.url], SHA256, target)
    release.set()


def trickling(body: bytes, beginning: int, ended: threading.Event) -> Iterator[str]:
    """Serve raw bytes: some at once, then one in a while until nobody takes them."""
    listening = socket.create_server(("127.0.0.1", 0))

    def send() -> None:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(4096)
            connection.sendall(body[:beginning])
            for i in range(beginning, len(body)):
                if ended.wait(0.01):
                    return
                connection.sendall(body[i : i + 1])

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/file.gz"
    finally:
        ended.set()
        thread.join()
        listening.close()


@pytest.mark.parametrize("where", ["header", "body"])
def test_a_server_that_trickles_is_left_and_what_arrived_is_kept(
    serve: Callable[..., Mirror], target: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(trickle, "_WINDOW_S", 0.3)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
    beginning = {"header": 3, "body": len(head) + 100}[where]
    ended = threading.Event()
    with contextlib.contextmanager(trickling)(head + BODY, beginning, ended) as url:
        with pytest.raises(DownloadError, match=r"sent \d+ bytes in 0\.[3-9] seconds"):
            download([url], SHA256, target)
        kept = target.with_name("file.gz.part")
        assert kept.exists() == (where == "body")
        good = serve()
        assert download([good.url], SHA256, target) == target
    assert_done(target)
    assert (good.ranges[0] is not None) == (where == "body")


def test_a_server_that_never_stops_is_stopped(
    serve: Callable[..., Mirror], target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_BYTES", HALF)
    with pytest.raises(DownloadError, match=f"sends more than {HALF} bytes"):
        download([serve().url], SHA256, target)
    assert list(target.parent.iterdir()) == []


def test_a_full_disk_is_not_blamed_on_the_source(
    serve: Callable[..., Mirror], target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk(io.FileIO):
        def write(self, data: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "FileIO", FullDisk)
    unused = serve()
    with pytest.raises(DownloadError, match=r"cannot be stored \(No space left on device\)"):
        download([serve().url, unused.url], SHA256, target)
    assert unused.ranges == []


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match=r"cannot be stored .*FASHION_MNIST_DIR"):
        download(["http://127.0.0.1/x"], SHA256, tmp_path / "file" / "x.gz")


def test_two_at_once_take_turns(serve: Callable[..., Mirror], target: Path) -> None:
    release = threading.Event()
    mirror = serve(hold=release)
    failures: list[Exception] = []

    def fetch() -> None:
        try:
            download([mirror.url], SHA256, target)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    release.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert mirror.ranges == [None]
    assert_done(target)
