"""Brings up docker-compose.yml for real, sweeps on it, loses workers, and takes it down.

``python scripts/compose_check`` needs a Docker engine and Compose, and a registry or debootstrap.
Where something of that is not there it says so and ends well.
"""

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import checks
import images
from stack import Stack, compose_command, run


@contextmanager
def timed(what: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    print(f"{time.monotonic() - start:6.1f} s  {what}", flush=True)


def reason_to_skip(compose: list[str] | None, chosen: dict[str, str]) -> str | None:
    """Return what is not there, if anything."""
    if compose is None:
        return "there is no Docker Compose"
    engine = subprocess.run(["docker", "info"], capture_output=True, check=False)
    if engine.returncode != 0:
        return "no Docker engine answers"
    return images.missing(chosen)


def build(chosen: dict[str, str], compose: list[str], *, cold: bool) -> None:
    with timed("images of Debian's packages"):
        images.make(chosen)
    with timed("build, from nothing" if cold else "build, with what is cached"):
        images.build(chosen, compose, cached=not cold)
    with timed("build, with nothing changed"):
        images.build(chosen, compose, cached=True)
    size = images.size(chosen["PACKSWEEP_IMAGE"]) - images.size(chosen["BASE_IMAGE"])
    print(f"{size / 1e6:6.0f} MB on its base", flush=True)


def started(stack: Stack) -> set[str]:
    """Bring up two workers; return the addresses of all nodes but the head."""
    with timed("up: head, two workers, the service, Prometheus"):
        stack.up(2)
        workers = {stack.address(container) for container in stack.containers("worker")}
        checks.targets_are_up(stack, workers | {stack.address(stack.containers("head")[0])})
    return workers


def small_sweep(stack: Stack, workers: set[str]) -> None:
    with timed("the smoke grid"):
        checks.ended(stack.sweep("--grid", "smoke", "--run-dir", "/runs/smoke"))
    checks.complete(stack, "smoke", 16, workers)


def sweep_with_a_worker_killed(stack: Stack, workers: set[str]) -> None:
    with timed(f"{checks.TRIALS} trials, one of two workers killed in the middle"):
        sweep = checks.start_sweep(stack, "killed", workers)
        run("docker", "kill", stack.containers("worker")[1])
        checks.ended(sweep)
    log = checks.complete(stack, "killed", checks.TRIALS, workers)
    lost = checks.lost_links(log)
    checks.require(f"{len(lost)} links were lost, and tried again", lost)
    checks.measured(stack, "killed", checks.TRIALS)


def sweep_with_a_worker_stopped(stack: Stack, workers: set[str]) -> None:
    with timed(f"{checks.TRIALS} trials, one of two workers stopped in the middle"):
        sweep = checks.start_sweep(stack, "stopped", workers)
        with timed("stop of a worker with links under way"):
            run("docker", "stop", stack.containers("worker")[1])
        checks.ended(sweep)
    log = checks.complete(stack, "stopped", checks.TRIALS, workers)
    lost = checks.lost_links(log)
    checks.require("no link was lost" + "".join(f", not even {line}" for line in lost), not lost)


def sweep_by_the_service(stack: Stack, workers: set[str]) -> None:
    """A worker is killed in the middle of it, and then the service."""
    with timed("the service answers"):
        client = checks.served(stack)
    with timed(f"{checks.TRIALS} trials, a worker killed and then the service, which starts again"):
        sweep = client.submit(toml=checks.GRID, key="check")["id"]
        checks.begun(client, sweep, 1)
        run("docker", "kill", stack.containers("worker")[1])
        checks.begun(client, sweep, checks.TRIALS // 4)
        (container,) = stack.containers("service")
        run("docker", "kill", container)
        run("docker", "start", container)
        client = checks.served(stack)
        same = client.submit(toml=checks.GRID, key="check")["id"]
        checks.require("the same request is the same sweep after it", same == sweep)
        checks.done(client, sweep, workers)


def check(stack: Stack) -> None:
    workers = started(stack)
    checks.closed_to_others(stack)
    checks.protected_by_a_token(stack)
    checks.dashboards_are_files(stack)
    small_sweep(stack, workers)
    sweep_with_a_worker_killed(stack, workers)
    sweep_with_a_worker_stopped(stack, started(stack))
    sweep_by_the_service(stack, started(stack))


def _told_to_end(*_: object) -> None:
    # Others send it twice, to the process and to its group, and the second would end the end.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit("told to end")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cold", action="store_true", help="build the image without the cache")
    parser.add_argument("--remove-images", action="store_true", help="keep no image of the check")
    options = parser.parse_args()
    # Told to end, it takes its containers down as after any other error.
    signal.signal(signal.SIGTERM, _told_to_end)
    compose, chosen = compose_command(), images.settings()
    skipped = reason_to_skip(compose, chosen)
    if compose is None or skipped:
        print(f"skipped: {skipped}")
        return
    with timed("all"):
        build(chosen, compose, cold=options.cold)
        with Stack(compose, chosen) as stack:
            check(stack)
    if options.remove_images:
        run("docker", "image", "rm", *images.made())


if __name__ == "__main__":
    main()
