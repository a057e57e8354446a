"""`python -m tests.fuzz.two_rounds DIRECTORY N`: make N inputs twice, and print which differ."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

from tests.fuzz.inputs import make_input
from tests.fuzz.seeds import make_seeds
from tests.fuzz.surroundings import Surroundings


def content(path: Path) -> str:
    """Return a digest of everything below a path."""
    digest = hashlib.sha256()
    for entry in sorted([path, *path.rglob("*")]):
        digest.update(os.fsencode(entry.name))
        if entry.is_symlink():
            digest.update(os.fsencode(entry.readlink()))
        elif entry.is_file() and entry.stat().st_size < 1 << 30:
            digest.update(entry.read_bytes())
    return digest.hexdigest()


def main(directory: Path, n_inputs: int) -> None:
    """Make the inputs, and print numbers of those that differ, how many are distinct, and the targets."""
    good = make_seeds(directory / "good")
    rounds, targets = [], set()
    place = Surroundings(directory / "place")
    for _ in range(2):
        made = []
        for number in range(n_inputs):
            place.clear()
            given = make_input(1, number, good, place)
            targets.add(given.target.name)
            made.append(content(given.path))
        rounds.append(made)
    place.close()
    different = [n for n in range(n_inputs) if rounds[0][n] != rounds[1][n]]
    n_distinct = len(set(rounds[0]))
    print(
        json.dumps({"different": different, "n_distinct": n_distinct, "targets": sorted(targets)})
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
