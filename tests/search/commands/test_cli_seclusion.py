"""A sweep on this machine is its user's alone: what listens, who may read, what is left."""

import os
import re
import shutil
import socket
import stat
import struct
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from command_line import (
    Hold,
    end,
    finish,
    logged_files,
    start,
    wait_until,
    write_grid,
    write_images,
)

pytestmark = [pytest.mark.ray, pytest.mark.xdist_group("ray")]

# Of /proc/net: 10 is LISTEN of TCP; UDP has no such state, what is bound is 07.
TABLES = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}


def bound(family):
    """Return the addresses at which processes listen: by the system's tables, not by Ray's word."""
    inodes = {}
    for process in family:
        for link in links_of(process):
            if found := re.fullmatch(r"socket:\[(\d+)\]", link):
                inodes[found[1]] = process
    return [
        (address, port, name, inodes[inode].name())
        for name, state in TABLES.items()
        for address, port, inode in entries(name, state)
        if inode in inodes
    ]


def links_of(process):
    for link in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(OSError):  # it has been closed
            yield str(link.readlink())


def entries(name, state):
    for line in Path("/proc/net", name).read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == state:
            address, _, port = fields[1].partition(":")
            yield readable(address), int(port, 16), fields[9]


def readable(address):
    """Return an address of /proc/net, which has words of four bytes in the machine's order."""
    words = [int(address[i : i + 8], 16) for i in range(0, len(address), 8)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    text = socket.inet_ntop(family, struct.pack(f"={len(words)}I", *words))
    return text.removeprefix("::ffff:")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return a home with a token that all can read, as Ray's own command leaves it."""
    home = tmp_path_factory.mktemp("home")
    (home / ".ray").mkdir()
    (home / ".ray/auth_token").write_text("0123456789abcdef" * 4)
    (home / ".ray/auth_token").chmod(0o644)
    return home


@pytest.fixture(scope="module")
def seen(tmp_path_factory, home):
    """Look at a sweep under way, and at what it leaves."""
    folder = tmp_path_factory.mktemp("secluded")
    temporary = Path(os.path.realpath("/tmp")) / f"pt-{os.getpid()}"
    temporary.mkdir()
    write_images(folder / "data.npz")
    write_grid(folder / "tiny.toml", "./data.npz")
    environment = os.environ | {"HOME": str(home), "TMPDIR": str(temporary)}
    environment = {name: environment[name] for name in environment if name[:4] != "RAY_"}
    hold = Hold(1, folder, "workers")
    args = ("--grid", "./tiny.toml", "--run-dir", "run", "--workers", 2)
    process = start(*args, cwd=folder, hold=hold, env=environment)
    try:
        wait_until(lambda: hold.waiting() and logged_files(folder / "run") >= 1, process)
        me = psutil.Process(process.pid)
        family = [me, *me.children(recursive=True)]
        found = {
            "bound": bound(family),
            "folders": [
                (path.name, path.lstat().st_uid, stat.S_IMODE(path.lstat().st_mode))
                for path in temporary.iterdir()
            ],
            "sockets": [link for member in family for link in unix_sockets(member)],
            "commands": [" ".join(member.cmdline()) for member in family],
            "temporary": str(temporary),
        }
        hold.go()
        found["outcome"] = finish(process)
        found["left"] = list(temporary.iterdir())
        yield found
    finally:
        end(process)
        shutil.rmtree(temporary)


def unix_sockets(process):
    return [c.laddr for c in process.net_connections("unix") if c.laddr]


def test_every_socket_of_a_local_sweep_is_on_the_loopback_interface(seen):
    assert len(seen["bound"]) >= 10
    names = {process for *_, process in seen["bound"]}
    assert {"gcs_server", "raylet"} <= names
    assert [entry for entry in seen["bound"] if entry[0] not in {"127.0.0.1", "::1"}] == []


def test_its_files_lie_in_a_folder_that_nobody_else_may_enter(seen):
    ours = [entry for entry in seen["folders"] if entry[0].startswith("packsweep-ray-")]
    assert [(uid, mode) for _, uid, mode in ours] == [(os.geteuid(), 0o700)]
    inside = f"{seen['temporary']}/{ours[0][0]}/"
    paths = [path for path in seen["sockets"] if path.startswith("/")]
    assert any("raylet" in path for path in paths)
    assert [path for path in paths if not path.startswith(inside)] == []


def test_nothing_of_it_is_left(seen):
    assert seen["outcome"].code == 0, seen["outcome"].err
    assert [path.name for path in seen["left"] if path.name.startswith("packsweep")] == []


def test_the_token_is_its_users_to_read_and_is_named_but_not_told(seen, home):
    path = home / ".ray/auth_token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    token = path.read_text()
    outcome = seen["outcome"]
    line = r"^Ray dashboard: http://127\.0\.0\.1:\d+ \(it asks for a token: paste what ~/\.ray/auth"
    assert re.search(line, outcome.err, re.MULTILINE)
    for text in (outcome.out, outcome.err, *seen["commands"]):
        assert token not in text
