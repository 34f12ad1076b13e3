"""What the tests on several hosts rely on: hosts that are as separate as machines."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from network import NOWHERE, Network, why_not
from ray_cluster import wait_for

pytestmark = pytest.mark.skipif(why_not() is not None, reason=f"no hosts: {why_not()}")

# Accepts every connection, and says what comes through each: packets may be late by seconds, so a
# knock can come between.
SERVER = """
import socket, sys, threading

def tell(connection):
    print("accepted", flush=True)
    while data := connection.recv(99):
        print(data.decode().strip() or "knock", flush=True)
    print("closed", flush=True)

server = socket.create_server((sys.argv[1], 80))
while True:
    threading.Thread(target=tell, args=[server.accept()[0]], daemon=True).start()
"""
# Connects, and sends what it is given.
CLIENT = "exec 3<>/dev/tcp/$0/80; cat >&3"


@pytest.fixture
def pair(tmp_path):
    with Network([tmp_path, Path(sys.prefix)]) as network:
        yield network.host(), network.host()


def top_of(path):
    """Return the folder of /tmp that a path is in, if it is in one."""
    return Path(*path.parts[:3]) if path.is_relative_to("/tmp") else None


def serve(host, path):
    """Start the server, and return what reads what it has said so far."""
    with path.open("w") as file:
        server = host.start(sys.executable, "-c", SERVER, host.address, stdout=file)

    def said():
        assert server.poll() is None
        return path.read_text().split()

    wait_for(lambda: ":80 " in host.run("ss", "-Hltn", capture_output=True).stdout)
    return said


def words(host, *command):
    return host.run(*command, capture_output=True, check=True).stdout.split()


def test_a_host_has_a_name_processes_and_folders_of_its_own(pair, tmp_path):
    for host in pair:
        assert words(host, "hostname") == [host.name]
        assert host.name != socket.gethostname()
        assert len(host.titles()) == 1
        assert words(host, "ls", "/dev/shm") == []
        seen = {Path("/tmp", name) for name in words(host, "ls", "/tmp")}
        # Nothing but the way to what is visible.
        assert seen == {top_of(path) for path in (tmp_path, Path(sys.prefix))} - {None}
    pair[0].run("touch", "/tmp/private", tmp_path / "shared", check=True)
    assert pair[1].run("test", "-e", "/tmp/private").returncode == 1
    assert (tmp_path / "shared").exists()


def test_nothing_comes_through_a_cut_and_all_of_it_later(pair, tmp_path):
    one, other = pair
    said = serve(other, tmp_path / "said")
    assert not one.reaches(NOWHERE, 80)
    with one.start("bash", "-c", CLIENT, other.address, stdin=subprocess.PIPE) as client:
        wait_for(lambda: said() == ["accepted"])
        other.cut()
        client.stdin.write("late\n")
        client.stdin.flush()
        assert not one.reaches(other.address, 80)
        assert said() == ["accepted"]
        other.heal()
        wait_for(lambda: "late" in said())
        wait_for(lambda: one.reaches(other.address, 80))
        wait_for(lambda: "knock" in said())
        assert client.poll() is None


def test_a_host_that_is_killed_takes_its_processes_along_and_tells_nobody(pair, tmp_path):
    one, other = pair
    said = serve(one, tmp_path / "said")
    with other.start("bash", "-c", CLIENT, one.address, stdin=subprocess.PIPE) as client:
        wait_for(lambda: said() == ["accepted"])
        other.kill()
        assert client.wait(30) == -9
    other.boot()
    assert len(other.titles()) == 1
    assert said() == ["accepted"]  # still waits for the client
