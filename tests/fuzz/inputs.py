"""One input: a good file, changed as a seed and a number say."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.mutations.blocks import mutate_bytes
from tests.fuzz.mutations.context import Context, Mutation
from tests.fuzz.mutations.hdf5 import mutate_hdf5, poison_attributes
from tests.fuzz.mutations.oddities import odd_name, replace_by_oddity
from tests.fuzz.mutations.payloads import mutate_weights
from tests.fuzz.mutations.projects import mutate_project
from tests.fuzz.mutations.texts import mutate_csv, mutate_json, mutate_yaml
from tests.fuzz.mutations.videos import disguise, mutate_video
from tests.fuzz.seeds import Good
from tests.fuzz.surroundings import Surroundings
from tests.fuzz.targets import TARGETS, Target

_BY_ENDING: dict[str, Mutation] = {
    ".json": mutate_json,
    ".geojson": mutate_json,
    ".yaml": mutate_yaml,
    ".csv": mutate_csv,
    ".pt": mutate_weights,
}
_HDF5_SIGNATURE = b"\x89HDF"
_ODD_NAMES = 0.04


@dataclass(frozen=True)
class Input:
    """What is tried.

    Attributes
    ----------
    target
        Who reads it.
    path
        Where it lies.
    changes
        Names of the mutations that made it.
    """

    target: Target
    path: Path
    changes: tuple[str, ...]


def make_input(
    seed: int, number: int, good: Good, place: Surroundings, targets: tuple[Target, ...] = TARGETS
) -> Input:
    """Make input `number` of `seed` in an empty place."""
    rng = random.Random(f"{seed}/{number}")
    (target,) = rng.choices(targets, [t.weight for t in targets])
    seeds = good.seeds[target.kind]
    source = rng.choice(seeds)
    context = Context(rng, place, [s for s in seeds if s.is_file()])
    name = odd_name(source.name, context) if rng.random() < _ODD_NAMES else source.name
    path = place.root / name
    if source.is_dir():
        shutil.copytree(source, path, symlinks=True)
    else:
        shutil.copyfile(source, path)
    changes = [_apply(change, path, context) for change in _chosen(target, path, good, rng)]
    return Input(target, path, tuple(changes))


def _chosen(target: Target, path: Path, good: Good, rng: random.Random) -> list[Mutation]:
    """Choose mutations: by what the file is, by its bytes, or both; seldom something else entirely."""
    if target.kind in ("project", "foreign"):
        return [mutate_project]
    way = rng.random()
    if way < 0.03:
        return [replace_by_oddity]
    if way < 0.05:
        return [_another_kind(good)]
    structure = _structure(target, path, rng)
    if way < 0.25:
        return [mutate_bytes]
    return [structure, mutate_bytes] if way < 0.33 else [structure]


def _structure(target: Target, path: Path, rng: random.Random) -> Mutation:
    if target.kind == "video":
        return disguise if rng.random() < 0.15 else mutate_video
    with path.open("rb") as file:
        is_hdf5 = file.read(4) == _HDF5_SIGNATURE
    if is_hdf5:
        poisonable = target.kind in ("DeepLabCut", "SLEAP") and rng.random() < 0.4
        return poison_attributes if poisonable else mutate_hdf5
    return _BY_ENDING.get(path.suffix.lower(), mutate_bytes)


def _another_kind(good: Good) -> Mutation:
    """Put a good file of any kind under the name of this one."""

    def another_kind(path: Path, context: Context) -> None:
        files = [p for seeds in good.seeds.values() for p in seeds if p.is_file()]
        shutil.copyfile(context.rng.choice(files), path)

    return another_kind


def _apply(change: Callable[[Path, Context], None], path: Path, context: Context) -> str:
    """Apply a mutation; where the file does not hold what it changes, change bytes."""
    try:
        change(path, context)
    except (
        OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError, MemoryError,
        OverflowError, IndexError,
    ) as error:  # fmt: skip
        if path.is_file():
            mutate_bytes(path, context)
        return f"{change.__name__} failed: {type(error).__name__}: {error}"[:200]
    return change.__name__
