"""A cluster of docker-compose.yml under a name of its own, so that no other is touched."""

import json
import os
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]

_PORTS = ("DASHBOARD_PORT", "PROMETHEUS_PORT", "SERVICE_PORT")


def run(*command: str | Path, **options: Any) -> str:
    """Run a command and return what it prints; its errors go to the terminal."""
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options)
    return done.stdout.strip()


def compose_command() -> list[str] | None:
    """Return the plugin of Docker, or the older program, or nothing."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) is None:
            continue
        version = subprocess.run([*command, "version"], capture_output=True, check=False)
        if version.returncode == 0:
            return command
    return None


def _free_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return str(taken.getsockname()[1])


class Stack:
    """The containers of one check; leaving it takes them down with their volumes and network.

    Parameters
    ----------
    compose : list of str
        How Compose is called.
    settings : dict
        Variables of docker-compose.yml, beside the ports.
    """

    def __init__(self, compose: list[str], settings: dict[str, str]) -> None:
        project = f"packsweep-check-{os.getpid()}"
        self.ports = {name: _free_port() for name in _PORTS}
        self.environment = os.environ | settings | self.ports | {"COMPOSE_PROJECT_NAME": project}
        self._compose = [*compose, "--file", str(ROOT / "docker-compose.yml")]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is not None:
                print(self.compose("logs", "--tail", "40"), flush=True)
        finally:
            self.compose("--profile", "sweep", "down", "--volumes", "--remove-orphans", "-t", "5")

    def command(self, *args: str) -> list[str]:
        return [*self._compose, *args]

    def compose(self, *args: str) -> str:
        return run(*self.command(*args), env=self.environment, cwd=ROOT)

    def up(self, workers: int) -> None:
        services = ("head", "worker", "service", "prometheus")
        self.compose("up", "--detach", "--no-build", "--scale", f"worker={workers}", *services)

    def sweep(self, *args: str) -> subprocess.Popen[str]:
        """Start a sweep as a job of the cluster."""
        command = self.command("run", "--rm", "-T", "sweep", *args)
        return subprocess.Popen(
            command, env=self.environment, cwd=ROOT, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def containers(self, service: str = "") -> list[str]:
        """Return the running ones, in the order of their numbers."""
        ids = self.compose("ps", "-q", *filter(None, [service])).split()
        states = [self.inspect(container) for container in ids]
        running = [state for state in states if state["State"]["Running"]]
        return [state["Id"] for state in sorted(running, key=lambda state: state["Name"])]

    def inspect(self, container: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(run("docker", "inspect", container))[0]
        return found

    def address(self, container: str) -> str:
        (network,) = self.inspect(container)["NetworkSettings"]["Networks"].values()
        return str(network["IPAddress"])

    def execute(self, service: str, *command: str) -> str:
        return run("docker", "exec", self.containers(service)[0], *command)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Ask Prometheus."""
        question = urllib.parse.urlencode({"query": expression})
        url = f"http://127.0.0.1:{self.ports['PROMETHEUS_PORT']}/api/v1/query?{question}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return result

    def value(self, expression: str) -> float | None:
        """Ask Prometheus for one number, or nothing where there is none."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else None
