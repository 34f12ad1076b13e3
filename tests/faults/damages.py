"""What can become of a file that nobody meant to change."""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

Damage = Callable[[bytes], bytes]


def flipped(at: int, mask: int) -> Damage:
    """Change some bits of one byte."""
    return lambda content: content[:at] + bytes([content[at] ^ mask]) + content[at + 1 :]


def cut(size: int) -> Damage:
    """Keep the first bytes alone."""
    return lambda content: content[:size]


def emptied(content: bytes) -> bytes:
    """Leave nothing."""
    return content[:0]


def doubled(content: bytes) -> bytes:
    """Repeat everything."""
    return content + content


def zeroed(content: bytes) -> bytes:
    """Leave a hole, as a file system may after a power cut."""
    return bytes(len(content))


def all_of(size: int) -> Iterator[Damage]:
    """Yield every cut and every flip of one bit and of all bits of a byte."""
    yield from (emptied, doubled, zeroed)
    for at in range(size):
        yield cut(at)
        yield flipped(at, 1 << at % 8)
        yield flipped(at, 0xFF)


def some_of(content: bytes, random: Random, count: int) -> Iterator[Damage]:
    """Yield a sample of them, and every flip where the seal stands."""
    yield from (emptied, doubled, zeroed)
    seal = content.rfind(b"packsweep-seal")
    yield from (flipped(at, 1) for at in range(seal, min(seal + 40, len(content))))
    for _ in range(count):
        at = random.randrange(len(content))
        yield random.choice([flipped(at, random.randrange(1, 256)), cut(at)])


def files_of(run: Path) -> dict[str, Path]:
    """Return one file of each kind that a run reads back, by a name for people."""
    patterns = {
        "manifest": "manifest.json",
        "summary": "summary.json",
        "final trainings": "refits.json",
        "model": "best_model.npz",
        "trials": "trials/[!.]*.parquet",
        "staged trials": "trials/.staged-*.parquet",
        "replicates": "replicates/[!.]*.parquet",
        "reused trials": "reused/*.parquet",
        "state of a pack": "checkpoints/*.npz",
        "resampled costs": "resamples/[!.]*.npz",
        "optimum": "optimum/*.npz",
        "proposal": "proposals/*.json",
    }
    found = {kind: sorted(run.glob(pattern)) for kind, pattern in patterns.items()}
    return {kind: paths[0] for kind, paths in found.items() if paths}
