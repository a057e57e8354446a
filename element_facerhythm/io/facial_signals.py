"""Writer of FacialSignal.h5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np

from element_facerhythm.core.motion import SignalRecorder, SignalRegion, StreamedSvd
from element_facerhythm.io.h5 import make_room, write_tree

_ROWS_AT_ONCE = 4096


def write_facial_signals(
    file: h5py.File,
    recorder: SignalRecorder,
    decompositions: dict[tuple[int, str], StreamedSvd],
    n_frames: Sequence[int],
) -> None:
    """Fill FacialSignal.h5.

    Parameters
    ----------
    file
        The new product.
    recorder
        Which has taken every frame.
    decompositions
        By region and name of the movie: those of the recorder, or of a second pass.
    n_frames
        Of each video.

    Raises
    ------
    OSError
        There is no room.
    """
    settings = recorder.settings
    regions = file.create_group("regions", track_order=True)
    for i, region in enumerate(settings.regions):
        group = regions.create_group(str(i), track_order=True)
        write_tree(group, {**_place(region), **recorder.series[i]})
        for (index, name), svd in decompositions.items():
            if index == i:
                part = group.create_group(name, track_order=True)
                _write_svd(part, region, svd, recorder, name)
    write_tree(
        file,
        {
            "summary": {
                "mean_frame": recorder.mean_frame,
                "mean_motion": recorder.mean_motion,
                "bin_px": np.int64(settings.bin_px),
                "n_frames": np.array(n_frames, np.int64),
            }
        },
    )


def _place(region: SignalRegion) -> dict[str, Any]:
    return {
        "name": region.name,
        "kind": region.kind,
        "polygon": np.asarray(region.polygon, np.float64),
        "x_range": np.array(region.x_range, np.int64),
        "y_range": np.array(region.y_range, np.int64),
        "x_range_bin": np.array(region.x_range_bin, np.int64),
        "y_range_bin": np.array(region.y_range_bin, np.int64),
    }


def _write_svd(
    group: h5py.Group,
    region: SignalRegion,
    svd: StreamedSvd,
    recorder: SignalRecorder,
    name: str,
) -> None:
    """Projections go to the file block by block; frames that were not taken are NaN."""
    n_frames, n = recorder.settings.n_frames, svd.n_found()
    n_values = (n_frames + region.bin_mask.size) * n
    make_room(group, n_values * np.float32().nbytes)
    projection = group.create_dataset("projection", (n_frames, n), np.float32)
    taken = recorder.frames_of(name)
    for first in range(0, n_frames, _ROWS_AT_ONCE):
        rows = np.arange(first, min(first + _ROWS_AT_ONCE, n_frames))
        if not np.isin(rows, taken).all():
            projection[first : first + len(rows)] = np.float32(np.nan)
    found = svd.finish(projection, taken)
    mask = np.zeros((n, *region.bin_mask.shape), np.float32)
    mask[:, region.bin_mask] = found.masks
    write_tree(
        group,
        {
            "mask": mask,
            "singular_values": found.singular_values,
            "share_of_variance": found.share_of_variance,
        },
    )
    group.attrs["total_variance"] = found.total_variance
    group.attrs["relative_error"] = found.relative_error
    group.attrs["method"] = np.bytes_(found.method.encode())
    group.attrs["n_frames"] = found.n_frames
