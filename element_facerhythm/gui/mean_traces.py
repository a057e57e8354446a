"""The mean displacement of some points, written once, in one pass over the tracks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from element_facerhythm.io.h5 import atomic_h5, make_room
from element_facerhythm.io.lazy import LazyArray

_BLOCK_BYTES = 16 << 20


def write_mean_traces(
    path: Path,
    tracks: Sequence[LazyArray],
    home: npt.NDArray[np.float32],
    member: npt.NDArray[np.bool_],
    on_share: Callable[[float], None],
) -> None:
    """Write the mean displacement (T, 2) in px of some points in each sequence, whole or not at all.

    Parameters
    ----------
    path
        The side file.
    tracks
        (T, P, 2) positions of each sequence; read in blocks of frames.
    home
        (P, 2) where the points were seeded.
    member
        (P,) which points are averaged, at least one.
    on_share
        Called with the share that is done, 0 to 1; what it raises ends the work.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    total, n_done = sum(points.shape[0] for points in tracks), 0
    n_rows = max(_BLOCK_BYTES // home.nbytes, 1)
    with atomic_h5(path) as file:
        for index, points in enumerate(tracks):
            n_frames = points.shape[0]
            make_room(file, n_frames * 8)
            mean = file.create_dataset(str(index), (n_frames, 2), np.float32)
            for first in range(0, n_frames, n_rows):
                block = np.asarray(points[first : first + n_rows], np.float32)[:, member]
                mean[first : first + n_rows] = (block - home[member]).mean(axis=1, dtype=np.float64)
                n_done += len(block)
                on_share(n_done / total)


def stored_trace(path: Path, index: int) -> LazyArray:
    """Mean displacement (T, 2) in px of a sequence; on disk until sliced.

    Parameters
    ----------
    path
        What `write_mean_traces` wrote.
    index
        Number of the sequence.
    """
    return LazyArray(path, str(index))
