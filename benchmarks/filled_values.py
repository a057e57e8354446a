"""Shape of the generated rows, and the numbers that stand in them, in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

FRAMES_PER_VIDEO = 36_000
FRAME_RATE_HZ = 100.0
STAGES = ("dataset", "rois", "point_tracking", "spectral_analysis", "decomposition")
PRODUCTS = ("Dataset_videos", "ROIs", "PointTracker", "VQT_Analyzer", "TCA")
LIBRARIES = ("av", "h5py", "numba", "numpy", "opencv", "scipy", "tensorly", "torch")
PRIME = 100_003


@dataclass(frozen=True)
class Shape:
    """How many rows a recording has."""

    n_videos: int = 10
    n_components: int = 10
    n_points: int = 300
    n_frequencies: int = 30
    n_windows: int = 1_800
    pairs_every: int = 20
    large_every: int = 100

    @property
    def largest_count(self) -> int:
        """Length that the series of numbers needs."""
        return max(self.n_videos, self.n_components, self.n_points, self.n_frequencies, 20)


SMALL = Shape(
    n_videos=2, n_components=3, n_points=10, n_frequencies=4, n_windows=20, pairs_every=5, large_every=5
)  # fmt: skip


@dataclass(frozen=True)
class Rows:
    """Rows of one table: what each column holds (SQL), and which recordings have them.

    `series` maps the alias of a series of numbers to its length; `args` are bound to the columns' `%s`.
    """

    table: Any
    columns: Mapping[str, str]
    series: Mapping[str, int]
    args: tuple[Any, ...] = ()
    where: str = ""


def noise(salt: int, *aliases: str) -> str:
    """Return SQL of a number from 0 to 1 that looks random and is the same in every run."""
    factors = np.random.default_rng(salt).integers(1_000, PRIME, len(aliases) + 2)
    terms = [
        f"{alias}.number * {factor}"
        for alias, factor in zip(("r", *aliases), factors, strict=False)
    ]
    return f"(MOD({' + '.join(terms)} + {factors[-1]}, {PRIME}) / {PRIME}e0)"


def between(low: float, high: float, salt: int, *aliases: str) -> str:
    """Return SQL of a number between two others."""
    return f"({low}e0 + {high - low}e0 * {noise(salt, *aliases)})"
