"""Finding keypoints in space from what the database holds, in plain values."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from element_facerhythm.errors import KeypointError
from element_facerhythm.facial_behavior_estimation.packed_arrays import PackedArray, unpack_array
from element_facerhythm.facial_behavior_estimation.product_files import File, fetch_verified_file
from element_facerhythm.files.digest import file_sha256
from element_facerhythm.keypoint_inference.camera import calibrated
from element_facerhythm.pipeline.records import ProductRecord

if TYPE_CHECKING:
    from element_facerhythm.keypoints.cameras import View
    from element_facerhythm.keypoints.cameras.summary import PointSummary

SPACE_PRODUCT = "Keypoints3D"


@dataclass(frozen=True)
class ViewInputs:
    """A camera, when its frames were taken, and the file of its keypoints.

    Attributes
    ----------
    recording_id
        Its recording.
    camera
        Columns of its row of `Camera`.
    keypoints
        Path, relative to a data directory, and digest.
    frame_rate_hz, frame_size_px
        Of the recording.
    times_s
        (T,) times of its frames from its first one; None where they are equally spaced.
    """

    recording_id: int
    camera: Mapping[str, Any]
    keypoints: File
    frame_rate_hz: float
    frame_size_px: tuple[int, int]
    times_s: PackedArray | None


@dataclass(frozen=True)
class ViewRecord:
    """What became of a camera's keypoints; as the columns of `Keypoint3D.View`."""

    recording_id: int
    n_matched_frames: int
    median_apart_s: float
    error_px: float | None
    used_fraction: float | None


@dataclass(frozen=True)
class SpaceRecord:
    """What was found, and where it was written.

    Attributes
    ----------
    product
        The file.
    views
        The cameras, the first one first.
    points
        Statistics of each body part of each individual.
    tracks
        Group of each individual and body part in the file.
    n_frames, dtype
        Of each track.
    n_ambiguous
        Points with two positions as likely as each other.
    seconds
        That it took.
    notes
        Remarks.
    """

    product: ProductRecord
    views: tuple[ViewRecord, ...]
    points: "tuple[PointSummary, ...]"
    tracks: dict[tuple[str, str], str]
    n_frames: int
    dtype: str
    n_ambiguous: int
    seconds: float
    notes: tuple[str, ...]


def run_space(
    views: Sequence[ViewInputs], body_parts: Sequence[str], output_dir: Path
) -> SpaceRecord:
    """Find keypoints in space, and write them.

    Parameters
    ----------
    views
        The cameras, the first one first.
    body_parts
        Of the model.
    output_dir
        Directory that the file is written into.

    Raises
    ------
    RequestError
        A file is missing or changed, or cameras and keypoints do not fit together.
    """
    from element_facerhythm.keypoints.cameras import reconstruct
    from element_facerhythm.keypoints.cameras.results import write_reconstruction
    from element_facerhythm.keypoints.cameras.summary import point_summaries
    from element_facerhythm.keypoints.product import track_name

    started = time.monotonic()
    cameras = [calibrated(view.camera) for view in views]
    names = [camera.name for camera in cameras]
    if len(set(names)) < len(names):
        raise KeypointError(f"two cameras of the calibration are named {names}; expected each once")
    made = reconstruct(cameras, [_view(v) for v in views])
    path = output_dir / f"{SPACE_PRODUCT}.h5"
    facts = {"recordings": [view.recording_id for view in views]}
    plain = not any(camera.is_fisheye for camera in cameras)
    write_reconstruction(made, path, facts=facts, overwrite=True, in_layout=plain)
    predictions, match = made.predictions(), made.seen.match
    seen = np.asarray(np.isfinite(made.seen.pixels).all(axis=4))
    return SpaceRecord(
        product=ProductRecord(SPACE_PRODUCT, path, path.stat().st_size, file_sha256(path)),
        views=tuple(
            ViewRecord(
                view.recording_id,
                int(match.n_matched[v]),
                float(match.apart_s[v]),
                float(made.errors_px[v][made.used[v]].mean()) if made.used[v].any() else None,
                float(made.used[v].sum() / seen[v].sum()) if seen[v].any() else None,
            )
            for v, view in enumerate(views)
        ),
        points=tuple(s for s in point_summaries(made) if s.body_part in body_parts),
        tracks={(i, k): track_name(predictions, i, k) for i, k in predictions.tracks()},
        n_frames=len(made.positions),
        dtype=str(predictions.positions.dtype),
        n_ambiguous=made.n_ambiguous,
        seconds=time.monotonic() - started,
        notes=made.notes,
    )


def _view(view: ViewInputs) -> "View":
    from dataclasses import replace

    from element_facerhythm.keypoints.cameras import View
    from element_facerhythm.keypoints.product import read_keypoints

    path = fetch_verified_file(*view.keypoints)
    own = view.camera
    predictions = replace(read_keypoints(path), frame_rate_hz=view.frame_rate_hz)
    apart_s = own["max_apart_s"]
    return View(
        own["calibrated_camera"],
        predictions,
        unpack_array(view.times_s),
        float(own["clock_start_s"]),
        path,
        view.frame_size_px,
        threshold_px=float(own["max_error_px"]),
        min_likelihood=float(own["min_likelihood"]),
        tolerance_s=None if apart_s is None else float(apart_s),
    )
