"""A process that reads damaged data sets, and may die of one.

It is told cases line by line, and answers each with a line: what became of it, and the memory that
it took beyond what the process had.
"""

import json
import resource
import sys
import warnings
from pathlib import Path

from damages import cut, doubled, emptied, flipped, zeroed

from model.data.found import Reading
from model.data.sources import load_dataset
from model.errors import DataError

PLAIN = {"emptied": emptied, "doubled": doubled, "zeroed": zeroed}


def damage_of(case):
    """Return what a case does to a file."""
    kind, *values = case
    return PLAIN[kind] if kind in PLAIN else {"cut": cut, "flipped": flipped}[kind](*values)


def peak():
    """Return the most bytes that this process has had since it was last forgotten."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def forget_peak():
    """Forget it; Linux alone can."""
    Path("/proc/self/clear_refs").write_text("5")


def main(path, target):
    """Read a file after each damage that standard input names."""
    content, reading = path.read_bytes(), Reading(target=target or None)
    written = load_dataset(str(path), reading, notify=lambda text: None).fingerprint
    for line in sys.stdin:
        path.write_bytes(damage_of(json.loads(line))(content))
        forget_peak()
        before = peak()
        try:
            found = load_dataset(str(path), reading, notify=lambda text: None).fingerprint
            told = "equal" if found == written else "another"
        except DataError as error:
            told = "refused" if "\n" not in str(error) else f"lines: {error}"
        except BaseException as error:
            told = f"{type(error).__name__}: {error}"
        sys.stdout.write(json.dumps([told, peak() - before]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main(Path(sys.argv[1]), sys.argv[2])
