"""Hosts on one machine: each with a network address, processes and a memory of its own.

A host is a set of Linux namespaces, held open by its first process. When that
is killed, the kernel ends all the others at once, as a power cut would. Hosts
hang on a switch, which is a network namespace too, so nothing of a network is
seen outside it, and any number of networks may use the same addresses. A
first process ends with whoever started it, so nothing is left behind.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Self

import psutil

TOOLS = ("bash", "ip", "mount", "nsenter", "setpriv", "taskset", "unshare")
PREFIX = "10.77.0"
# The way out of the network: packets that go there are heard of no more.
NOWHERE = f"{PREFIX}.250"

# What a first process says when it is ready; it ends when its standard input does.
_READY, _STAY = "ready", "echo ready; read _"

# The folders that are named stay where they are; the rest of /tmp is empty and its own.
_BOOT = f"""
set -e
mount -t proc proc /proc
mount -t tmpfs tmpfs /dev/shm
mount --bind /dev/null /etc/resolv.conf
hostname "$1"
shift
ip link set lo up
for folder; do exec {{fd}}<"$folder"; descriptors+=("$fd"); done
mount -t tmpfs tmpfs /tmp
for folder; do
    mkdir -p "$folder"
    mount --no-canonicalize --bind "/proc/self/fd/${{descriptors[0]}}" "$folder"
    descriptors=("${{descriptors[@]:1}}")
done
{_STAY}
"""
_SWITCH = f"""
set -e
ip link add switch type bridge
ip link set switch up
{_STAY}
"""


class HostError(Exception):
    """A host or a switch could not be made."""


class _FirstProcess:
    """Holds namespaces open.

    Parameters
    ----------
    kinds : sequence of str
        The namespaces, as `unshare` calls them.
    script : str
        For bash, with `args`; must end in `_STAY`.
    """

    def __init__(self, kinds: Sequence[str], script: str, *args: str) -> None:
        flags = [f"--{kind}" for kind in kinds]
        self._process = subprocess.Popen(
            ["unshare", *flags, "--fork", "--kill-child", "bash", "-c", script, "host", *args],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != _READY:
            raise HostError(self._process.communicate()[1].strip())
        self.pid = child_of(self._process)

    def kill(self) -> None:
        """End it, and with it all that is in its namespaces."""
        with self._process:
            if self._process.poll() is None:
                os.kill(self.pid, signal.SIGKILL)


class Network:
    """A switch and the hosts on it.

    Parameters
    ----------
    visible : sequence of Path
        Folders that all hosts see where they are; of /tmp they see nothing else.
    """

    def __init__(self, visible: Sequence[Path] = ()) -> None:
        self.visible = [str(path) for path in visible if path.is_relative_to("/tmp")]
        self.hosts: list[Host] = []
        self._switch = _FirstProcess(["net"], _SWITCH)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        """Take everything down."""
        for host in self.hosts:
            host.kill()
        self._switch.kill()

    def host(self, cores: Sequence[int] = ()) -> "Host":
        """Add a host; its commands may use some cores only, where these are given."""
        self.hosts.append(Host(self, len(self.hosts) + 1, cores))
        return self.hosts[-1]

    def plug(self, host: "Host", pid: int) -> None:
        """Connect a host by a wire that is new, because the old one went with the host."""
        port, wire = host.name, f"eth0 netns {pid}"
        self._ip(f"link add {port} type veth peer name {wire}")
        self._ip(f"link set {port} master switch up")

    def switch_port(self, host: "Host", state: str) -> None:
        """Turn a host's port "up" or "down"."""
        self._ip(f"link set {host.name} {state}")

    def unplug(self, host: "Host") -> None:
        """Take a host's wire away."""
        self._ip(f"link delete {host.name}")

    def _ip(self, words: str) -> None:
        inside = ["nsenter", "--net", "--target", str(self._switch.pid)]
        subprocess.run([*inside, "ip", *words.split()], check=True)


class Host:
    """A machine of its own, as far as its processes can tell; running from the start.

    Attributes
    ----------
    name, address : str
    """

    def __init__(self, network: Network, number: int, cores: Sequence[int] = ()) -> None:
        self.name, self.address = f"host{number}", f"{PREFIX}.{number}"
        self._network, self._cores = network, cores
        self._first: _FirstProcess | None = None
        self._started: list[subprocess.Popen[str]] = []
        self.boot()

    @property
    def is_on(self) -> bool:
        """Whether it runs."""
        return self._first is not None

    def boot(self) -> None:
        """Start the host, with nothing but its first process."""
        kinds = ["net", "pid", "mount", "uts", "ipc"]
        self._first = _FirstProcess(kinds, _BOOT, self.name, *self._network.visible)
        self._network.plug(self, self._first.pid)
        for words in (
            f"addr add {self.address}/24 dev eth0",
            "link set eth0 up",
            f"neigh add {NOWHERE} lladdr 02:00:00:00:00:fe dev eth0 nud permanent",
            f"route add default via {NOWHERE}",
        ):
            self.run("ip", *words.split(), check=True)

    def kill(self) -> None:
        """Cut the power: all processes end, and nobody is told."""
        if self._first is not None:
            self._network.unplug(self)  # first, or the kernel would close the connections
            self._first.kill()
            self._first = None
            while self._started:
                self._started.pop().wait()

    def cut(self) -> None:
        """Let no packet in or out; the processes live on."""
        self._network.switch_port(self, "down")

    def heal(self) -> None:
        """Undo `cut`."""
        self._network.switch_port(self, "up")

    def start(
        self, *command: object, cwd: Path = Path("/"), **options: Any
    ) -> subprocess.Popen[str]:
        """Start a command on this host; killed, it ends, and `child_of` is the process itself."""
        self._started.append(subprocess.Popen(self._inside(command, cwd), text=True, **options))
        return self._started[-1]

    def run(
        self, *command: object, cwd: Path = Path("/"), **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on this host to its end."""
        return subprocess.run(self._inside(command, cwd), text=True, **options)  # noqa: PLW1510

    def reaches(self, address: str, port: int) -> bool:
        """Whether somebody answers at a port, within a second."""
        knock = f"echo > /dev/tcp/{address}/{port}"
        return self.run("timeout", 1, "bash", "-c", knock, capture_output=True).returncode == 0

    def titles(self) -> list[str]:
        """Return what the processes of this host call themselves."""
        assert self._first is not None, f"{self.name} is off"
        own = _process_space(self._first.pid)
        return [_title(pid) for pid in psutil.pids() if _process_space(pid) == own]

    def _inside(self, command: Sequence[object], cwd: Path) -> list[str]:
        assert self._first is not None, f"{self.name} is off"
        enter = ["nsenter", "--all", "--target", str(self._first.pid), f"--wdns={cwd}"]
        pinned = ["taskset", "--cpu-list", ",".join(map(str, self._cores))] if self._cores else []
        return [*enter, "setpriv", "--pdeathsig", "KILL", *pinned, *map(str, command)]


def _process_space(pid: int) -> str:
    """Return which processes a process can see, or nothing where it has ended."""
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return ""


def _title(pid: int) -> str:
    try:
        return " ".join(psutil.Process(pid).cmdline()).strip()
    except psutil.Error:
        return ""


def child_of(process: subprocess.Popen[str]) -> int:
    """Return the process that a wrapper, `unshare` or `nsenter`, starts in its place."""
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while process.poll() is None:
        if children := path.read_text().split():
            return int(children[0])
        time.sleep(0.001)
    raise HostError(f"{process.args} has ended with exit code {process.returncode}")


@cache
def why_not() -> str | None:
    """Return why no hosts can be made here, or None where they can."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"needs the commands {', '.join(missing)}"
    try:
        with Network() as network:
            network.host()
    except (HostError, OSError, subprocess.CalledProcessError) as error:
        return f"no namespaces can be made here (it takes root): {error}"
    return None
