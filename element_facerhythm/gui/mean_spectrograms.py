"""Spectrograms averaged over all points and over those of each region, written once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from element_facerhythm.io.h5 import atomic_h5, make_room
from element_facerhythm.io.lazy import LazyArray

_BLOCK_BYTES = 16 << 20


def write_means(
    path: Path,
    spectrograms: Sequence[LazyArray],
    groups: Mapping[str, npt.NDArray[np.bool_]],
    on_share: Callable[[float], None],
) -> None:
    """Write mean magnitudes (F, W) over x, y and the points of each group, whole or not at all.

    Parameters
    ----------
    path
        The side file.
    spectrograms
        (2, P, F, W) of each sequence; read in blocks of windows and points.
    groups
        By name, (P,) which points belong to it.
    on_share
        Called with the share that is done, 0 to 1; what it raises ends the work.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    member = np.stack([np.asarray(own, np.float64) for own in groups.values()])
    counts = np.maximum(member.sum(axis=1), 1)
    total, n_done = sum(array.size for array in spectrograms), 0
    with atomic_h5(path) as file:
        for index, array in enumerate(spectrograms):
            _, n_points, n_frequencies, n_windows = array.shape
            stored = file.create_group(str(index))
            make_room(stored, len(groups) * n_frequencies * n_windows * 4)
            means = {
                name: stored.create_dataset(name, (n_frequencies, n_windows), np.float32)
                for name in groups
            }
            n_columns = max(_BLOCK_BYTES // (8 * n_frequencies * len(groups)), 1)
            for first in range(0, n_windows, n_columns):
                part = slice(first, min(first + n_columns, n_windows))
                n_together = max(_BLOCK_BYTES // (16 * n_frequencies * (part.stop - first)), 1)
                sums = np.zeros((len(groups), n_frequencies, part.stop - first))
                for point in range(0, n_points, n_together):
                    stop = min(point + n_together, n_points)
                    wanted = point + np.flatnonzero(member[:, point:stop].any(axis=0))
                    n_done += 2 * (stop - point) * n_frequencies * (part.stop - first)
                    if not len(wanted):
                        continue
                    read = slice(wanted[0], wanted[-1] + 1)
                    block = np.abs(np.asarray(array[:, read, :, part]))
                    sums += np.tensordot(
                        member[:, read], block.sum(axis=0, dtype=np.float64), axes=1
                    )
                    on_share(n_done / total)
                for place, mean in enumerate(means.values()):
                    mean[:, part] = sums[place] / (2 * counts[place])


def stored_mean(path: Path, index: int, name: str) -> LazyArray:
    """Mean spectrogram (F, W) of a group; on disk until sliced.

    Parameters
    ----------
    path
        What `write_means` wrote.
    index
        Number of the sequence.
    name
        Of the group.
    """
    return LazyArray(path, f"{index}/{name}")
