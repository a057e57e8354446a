"""Writers of the five products, in face-rhythm's names, order, shapes and types.

Each writer yields a file under a temporary name; the product appears, finished, when the block ends
well. What this package adds (polygons, weights, measures of fit) lies in datasets of other names, and the
proof of validity in attributes of the root group.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

import element_facerhythm
from element_facerhythm.core.decomposition import Decomposition
from element_facerhythm.core.rois import PlacedRois, Rois
from element_facerhythm.core.spectral import FilterBank
from element_facerhythm.core.tracking import Mesh
from element_facerhythm.io.content_digest import seal
from element_facerhythm.io.h5 import atomic_h5, make_room, write_text_attribute, write_tree
from element_facerhythm.io.product_stamps import (
    ATTRIBUTE_FINGERPRINT,
    ATTRIBUTE_FORMAT,
    ATTRIBUTE_INPUTS,
    ATTRIBUTE_PACKAGE,
    ATTRIBUTE_RECORD,
    FORMAT_VERSION,
)
from element_facerhythm.video.clock import Clock


@dataclass(frozen=True, eq=False)
class WindowAxis:
    """Windows of a sequence, and its clock.

    Attributes
    ----------
    centres
        (W,) float32 frame at the centre of each spectrogram window.
    times_s
        (W,) seconds at the centre of each window.
    clock
        When the frames were taken.
    """

    centres: NDArray[np.float32]
    times_s: NDArray[np.float64]
    clock: Clock


Stamp = Callable[[], Mapping[str, str]]
"""Called when a product is finished; returns the JSON texts of its attributes."""


@contextmanager
def new_product(path: Path, stamp: Stamp) -> Iterator[h5py.File]:
    """Yield a new product to fill; its attributes and the digest of its content follow at the very end.

    Parameters
    ----------
    path
        Where it appears when the block ends well; a file there is replaced.
    stamp
        Called when the product is full; returns the texts of `ATTRIBUTE_FINGERPRINT`, `ATTRIBUTE_INPUTS` and
        `ATTRIBUTE_RECORD`, such as `stamp_texts` makes.
    """
    with atomic_h5(path) as file:
        yield file
        file.attrs[ATTRIBUTE_FORMAT] = FORMAT_VERSION
        write_text_attribute(file, ATTRIBUTE_PACKAGE, element_facerhythm.__version__)
        texts = stamp()
        for name in (ATTRIBUTE_FINGERPRINT, ATTRIBUTE_INPUTS, ATTRIBUTE_RECORD):
            write_text_attribute(file, name, texts[name])
        seal(file)


def write_dataset(file: h5py.File, example_image: NDArray[np.uint8]) -> None:
    """Fill Dataset_videos.h5.

    Parameters
    ----------
    file
        The new product.
    example_image
        (H, W, 3) first frame of the first video.
    """
    write_tree(file, {"example_image": example_image})


def write_rois(
    file: h5py.File,
    rois: Rois,
    placed: PlacedRois,
    example_image: NDArray[np.uint8],
    background_image: NDArray[np.uint8] | None = None,
) -> None:
    """Fill ROIs.h5: masks, outlines, seed points, and every polygon as it was drawn.

    Parameters
    ----------
    file
        The new product.
    rois
        Whose polygons are stored; face-rhythm's ``roi_points`` get the first of each kind.
    placed
        The masks (H, W) and points (P, 2) that they make on the frame.
    example_image
        (H, W, 3) frame to see them on.
    background_image
        (H, W) mean of frames from all over the recording.
    """
    polygons = {"points": rois.seed_polygons, "mask": rois.mask_polygons}
    outlines = [group[0] for group in polygons.values() if group]
    optional = {"exclude": rois.exclude_polygons, "signals": rois.signal_polygons}
    polygons |= {role: group for role, group in optional.items() if group}
    background = {} if background_image is None else {"background_image": background_image}
    write_tree(
        file,
        {
            "mask_images": {"mask_0": placed.seed_mask, "mask_1": placed.visible_mask},
            "roi_points": {f"ROI_{i}": outline for i, outline in enumerate(outlines)},
            "point_positions": placed.point_positions,
            "exampleImage": example_image,
            "num_points": np.int64(len(placed.point_positions)),
            **background,
            "polygons": {
                key: {str(i): polygon for i, polygon in enumerate(group)}
                for key, group in polygons.items()
            },
        },
    )


def start_point_tracker(
    file: h5py.File,
    placed: PlacedRois,
    mesh: Mesh,
    n_frames: Sequence[int],
    *,
    has_confidence: bool = False,
) -> list[tuple[h5py.Dataset, h5py.Dataset | None]]:
    """Lay out PointTracker.h5; return the datasets of each sequence, to be filled.

    They are the tracks (T, P, 2), and the confidences (T, P), if there are any.

    Parameters
    ----------
    file
        The new product.
    placed
        Where the P points are seeded, and which pixels are visible.
    mesh
        Their neighbours.
    n_frames
        T of each sequence.
    has_confidence
        Whether the tracks will have one.

    Raises
    ------
    OSError
        There is no room for the tracks.
    """
    write_tree(
        file,
        {
            "point_positions": placed.point_positions,
            "neighbors": mesh.neighbors,
            "mesh_d0": mesh.rest_offsets,
            "mask": placed.visible_mask,
        },
    )
    shape = placed.point_positions.shape
    make_room(file, sum(n_frames) * math.prod(shape) * np.float32().nbytes)
    group = file.create_group("points_tracked", track_order=True)
    tracks = [
        group.create_dataset(str(i), shape=(n, *shape), dtype=np.float32)
        for i, n in enumerate(n_frames)
    ]
    if not has_confidence:
        return [(track, None) for track in tracks]
    group = file.create_group("confidence", track_order=True)
    return [
        (track, group.create_dataset(str(i), shape=track.shape[:2], dtype=np.float16))
        for i, track in enumerate(tracks)
    ]


def write_violations(
    file: h5py.File,
    shapes: Sequence[tuple[int, int]],
    flags: Sequence[tuple[NDArray[np.int32], NDArray[np.int32]]],
) -> None:
    """Finish PointTracker.h5 with the flagged (frame, point) entries of each sequence.

    Parameters
    ----------
    file
        The product that `start_point_tracker` laid out.
    shapes
        (T, P) of each sequence.
    flags
        Of each sequence, (N,) frames and (N,) points of the entries; see `TrackedVideo`.
    """
    write_tree(
        file,
        {
            "violations": {
                str(i): {
                    "row": rows,
                    "col": cols,
                    "data": np.ones(len(rows), dtype=bool),
                    "shape": np.array(shape, dtype=np.int64),
                }
                for i, (shape, (rows, cols)) in enumerate(zip(shapes, flags, strict=True))
            }
        },
    )


def write_light(
    file: h5py.File,
    frame_light: Sequence[NDArray[np.float32]],
    held_frames: Sequence[NDArray[np.int32]],
) -> None:
    """Add to PointTracker.h5 what is known of the light of each sequence; see `TrackedVideo`.

    Parameters
    ----------
    file
        The product that `start_point_tracker` laid out.
    frame_light
        Of each sequence, (T, 3): gray level, contrast, difference to the frame before.
    held_frames
        Of each sequence, (N,) frames in which the points were held in place.
    """
    write_tree(
        file,
        {
            "frame_light": {str(i): light for i, light in enumerate(frame_light)},
            "held_frames": {str(i): frames for i, frames in enumerate(held_frames)},
        },
    )


def start_spectrograms(
    file: h5py.File,
    bank: FilterBank,
    axes: Sequence[WindowAxis],
    n_points: int,
    *,
    take_abs: bool,
) -> list[h5py.Dataset]:
    """Lay out VQT_Analyzer.h5; return the (2, P, F, W) dataset of each sequence, to be filled.

    Parameters
    ----------
    file
        The new product.
    bank
        The F filters, which are stored, too.
    axes
        Of each sequence; their lengths are W.
    n_points
        P.
    take_abs
        Whether float32 magnitudes are to be stored; else complex64.

    Raises
    ------
    OSError
        There is no room for the spectrograms.
    """
    write_tree(
        file,
        {
            "VQT": {"filters": bank.filters, "wins": bank.windows},
            "frequencies": bank.frequencies_hz,
        },
    )
    group = file.create_group("spectrograms", track_order=True)
    dtype = np.dtype(np.float32 if take_abs else np.complex64)
    shapes = [(2, n_points, len(bank.frequencies_hz), len(axis.centres)) for axis in axes]
    make_room(file, sum(math.prod(shape) for shape in shapes) * dtype.itemsize)
    return [
        group.create_dataset(str(i), shape=shape, dtype=dtype) for i, shape in enumerate(shapes)
    ]


def finish_spectrograms(
    file: h5py.File,
    axes: Sequence[WindowAxis],
    point_positions: NDArray[np.float32],
) -> None:
    """Finish VQT_Analyzer.h5: windows and clocks of the sequences, and where the points were seeded.

    Parameters
    ----------
    file
        The product that `start_spectrograms` laid out.
    axes
        Of each sequence.
    point_positions
        (P, 2) in pixels; stored as (2 P,), all x, then all y, like face-rhythm's traces.
    """
    write_tree(
        file,
        {
            "x_axis": {str(i): axis.centres for i, axis in enumerate(axes)},
            "window_times_s": {str(i): axis.times_s for i, axis in enumerate(axes)},
            "clock": {str(i): _clock_tree(axis.clock) for i, axis in enumerate(axes)},
            "point_positions": point_positions.T.reshape(-1),
        },
    )


def _clock_tree(clock: Clock) -> dict[str, Any]:
    return {
        "frame_times_s": clock.times_s,
        "gap_after_frame": np.array([gap.after_frame for gap in clock.gaps], dtype=np.int64),
        "gap_s": np.array([gap.seconds for gap in clock.gaps], dtype=np.float64),
        "gap_n_missing": np.array([gap.n_missing for gap in clock.gaps], dtype=np.int64),
        "is_even": np.int64(clock.is_even),
        "jitter_s": np.float64(clock.jitter_s),
        "source": clock.source,
    }


def write_decomposition(file: h5py.File, decomposition: Decomposition, method: str) -> None:
    """Fill TCA.h5; weights and measures of fit go beside what face-rhythm stores.

    Parameters
    ----------
    file
        The new product.
    decomposition
        All models, and the names of their axes.
    method
        Name of the method that fitted them, stored with each model.
    """
    tree = decomposition.run_data
    order = (
        "factors",
        "names_dims_array_preDecomp",
        "name_dim_dictElements_preDecomp",
        "factors_rearranged",
        "names_dims_array",
        "name_dim_dictElements",
    )
    fits = {
        key: {
            "method": method,
            "explained_variance": model.explained_variance,
            "squared_correlation": model.squared_correlation,
            "explained_variance_total": np.float64(model.explained_variance_total),
            "relative_error": np.float64(model.relative_error),
            "r_squared": np.float64(model.r_squared),
            "n_iterations": np.int64(-1 if model.n_iterations is None else model.n_iterations),
            **({} if model.stability is None else {"stability": model.stability}),
        }
        for key, model in decomposition.models.items()
    }
    write_tree(file, {name: tree[name] for name in order})
    write_tree(
        file,
        {"weights": {k: m.weights for k, m in decomposition.models.items()}, "fit": fits},
    )


def stamp_texts(
    fingerprint: Mapping[str, Any], inputs: Mapping[str, str], record: Mapping[str, Any]
) -> dict[str, str]:
    """Make the JSON texts of a product's attributes, by the names of the attributes.

    Parameters
    ----------
    fingerprint
        Of the stage: what its product depends on.
    inputs
        SHA-256 by name of what the stage read: videos, ROIs, the product before it.
    record
        How it ran: stage, seconds, when it was completed, device, versions.
    """
    values = (fingerprint, inputs, record)
    names = (ATTRIBUTE_FINGERPRINT, ATTRIBUTE_INPUTS, ATTRIBUTE_RECORD)
    return {n: json.dumps(v, allow_nan=False) for n, v in zip(names, values, strict=True)}
