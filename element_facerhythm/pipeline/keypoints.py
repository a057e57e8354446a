"""Keypoints of a recording: predicted by facemap's network, or taken from another tracker's files.

Either way the result is one HDF5 file of our own (`keypoints.product`) in a directory, and a record of
what it holds; neither knows of a database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from element_facerhythm.core.device import resolve_device
from element_facerhythm.digest import file_sha256
from element_facerhythm.errors import KeypointError
from element_facerhythm.io.h5 import remove_leftovers
from element_facerhythm.keypoints.predictions import Predictions, joined, require_fit
from element_facerhythm.keypoints.product import (
    PRODUCT_NAME,
    read_facts,
    read_keypoints,
    track_name,
    write_keypoints,
)
from element_facerhythm.keypoints.statistics import TrackStatistics, track_statistics
from element_facerhythm.pipeline.lock import project_lock
from element_facerhythm.pipeline.ownership import (
    DirectoryOwner,
    claim_directory,
    require_owner,
)
from element_facerhythm.pipeline.progress import ambient_progress
from element_facerhythm.pipeline.proposal import propose_rois_for_video
from element_facerhythm.pipeline.records import ProductRecord, Progress
from element_facerhythm.pipeline.runner import package_versions
from element_facerhythm.video import (
    VideoMetadata,
    probe_video,
    require_entered,
    require_same_format,
    require_unchanged,
    signatures_of,
)

if TYPE_CHECKING:
    from element_facerhythm.keypoints.facemap_frames import BoundingBox
    from element_facerhythm.keypoints.facemap_model import FacemapModel

FORMAT_VERSION = 1
"""Raised by hand, with a line in the changelog, when predictions from the same weights change."""

Corners = tuple[int, int, int, int]
"""x1, x2, y1, y2 in pixels of the full frame; x to the right, y down."""

BoxChoice = Literal["auto"] | tuple[Corners, ...] | None
"""What the network is shown: where the recording moves; one box per video or for all; everything."""

_BOX_MARGIN = 0.1  # of the larger side, around what moves


@dataclass(frozen=True)
class KeypointRequest:
    """Keypoints to predict with facemap's network.

    Attributes
    ----------
    videos
        Files of one recording, in order.
    model_file
        Weights, as facemap saves them.
    body_parts
        What the network's outputs are, in order.
    output_dir
        Directory of the result; made where it is missing.
    box
        What the network is shown.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda[:n]"``.
    model_sha256
        Expected digest of the weights; None does not check.
    owner
        The task that the directory belongs to; None for a run without a database.
    video_sha256
        Expected digest of each video, where they were entered before; None does not check.
    batch_size, mixed_precision
        As in `keypoints.facemap_run.predict_keypoints`.
    """

    videos: tuple[Path, ...]
    model_file: Path
    body_parts: tuple[str, ...]
    output_dir: Path
    box: BoxChoice = None
    device: str = "auto"
    model_sha256: str | None = None
    owner: DirectoryOwner | None = None
    video_sha256: tuple[str, ...] | None = None
    batch_size: int | None = None
    mixed_precision: bool | None = None


@dataclass(frozen=True)
class KeypointRecord:
    """What a run or a load gave.

    Attributes
    ----------
    product
        The file.
    statistics
        Of every track.
    tracks
        Name of the group of each track, by individual and body part.
    n_frames, n_dimensions, dtype
        Length of the tracks; 2 or 3; numpy type.
    source_software
        Who predicted.
    seconds
        What the prediction took; None where that is not known.
    device
        Where it was computed; ``"unknown"`` for loaded files.
    boxes
        What the network was shown of each video; empty for loaded files.
    versions
        Of this package and the libraries that computed.
    completed_utc
        When the file was written.
    reused
        Whether it was there already.
    notes
        Remarks for people.
    """

    product: ProductRecord
    statistics: tuple[TrackStatistics, ...]
    tracks: dict[tuple[str, str], str]
    n_frames: int
    n_dimensions: int
    dtype: str
    source_software: str
    seconds: float | None
    device: str
    boxes: tuple[Corners, ...]
    versions: dict[str, str]
    completed_utc: str
    reused: bool
    notes: tuple[str, ...] = field(default=())

    @property
    def frames_per_s(self) -> float | None:
        """Frames predicted per second; None where that is not known."""
        return self.n_frames / self.seconds if self.seconds else None


def run_keypoints(request: KeypointRequest, *, progress: Progress | None = None) -> KeypointRecord:
    """Predict the keypoints of a recording.

    Everything is checked before the first frame is read. A file that the same weights made of the same
    videos and boxes is taken as it is.

    Raises
    ------
    RequestError
        The weights, the body parts, a box or a video are wrong; nothing was written.
    ProcessingError
        A frame could not be decoded.
    """
    from element_facerhythm.keypoints.facemap_model import load_facemap_model
    from element_facerhythm.keypoints.facemap_run import SOURCE_SOFTWARE

    progress = progress or ambient_progress()
    device = resolve_device(request.device)
    signatures = signatures_of(request.videos)
    videos = [probe_video(path) for path in request.videos]
    require_same_format(videos)
    if request.video_sha256 is not None:
        require_entered(videos, request.video_sha256)
    model = load_facemap_model(
        request.model_file, request.body_parts, device=device, sha256=request.model_sha256
    )
    boxes = _boxes(request.box, videos, progress)
    fingerprint = {
        "format_version": FORMAT_VERSION,
        "model_sha256": file_sha256(request.model_file),
        "body_parts": list(request.body_parts),
        "boxes": [list(_corners(box)) for box in boxes],
        "videos": [video.sha256 for video in videos],
    }
    path = request.output_dir / PRODUCT_NAME
    require_owner(request.output_dir, request.owner)
    request.output_dir.mkdir(parents=True, exist_ok=True)
    with project_lock(request.output_dir):
        remove_leftovers(request.output_dir)
        if request.owner is not None:
            claim_directory(request.output_dir, request.owner)
        facts = read_facts(path) if path.exists() else {}
        reused = facts.get("fingerprint") == fingerprint
        if not reused:
            facts = _predict(request, videos, boxes, model, progress)
            facts["fingerprint"] = fingerprint
            predictions = facts.pop("predictions")
            require_unchanged(videos, signatures)
            write_keypoints(path, predictions, facts)
    return _record(
        path,
        read_keypoints(path),
        videos,
        facts,
        source_software=SOURCE_SOFTWARE,
        reused=reused,
        boxes=tuple(_corners(box) for box in boxes),
    )


def load_keypoints(
    files: Sequence[Path],
    source_software: str,
    *,
    n_frames: Sequence[int],
    frame_rate_hz: float,
    output_dir: Path,
    body_parts: Sequence[str] | None = None,
    owner: DirectoryOwner | None = None,
) -> KeypointRecord:
    """Take in what another tracker predicted.

    Parameters
    ----------
    files
        One file for the recording, or one for each of its videos, in order.
    source_software
        Who wrote them; a name of `keypoints.formats.LOADED`.
    n_frames
        Frames of each video.
    frame_rate_hz
        Of the recording.
    output_dir
        Directory of the result; made where it is missing.
    body_parts
        What the files must name, all of it and nothing else, and the order to keep them in; None takes
        what they name.
    owner
        The task that the directory belongs to; None for a run without a database.

    Raises
    ------
    ProjectError
        The directory belongs to another task.
    KeypointError
        A file cannot be read, or does not fit the videos or the body parts; nothing was written.
    """
    require_owner(output_dir, owner)
    predictions = read_fitting(
        files, source_software, n_frames=n_frames, frame_rate_hz=frame_rate_hz
    )
    if body_parts is not None:
        predictions = predictions.reordered(body_parts)
    facts = {
        "fingerprint": {
            "format_version": FORMAT_VERSION,
            "files": [file_sha256(path) for path in files],
            "source_software": source_software,
            "body_parts": list(predictions.body_parts),
        },
        "versions": package_versions(),
        "completed_utc": _now(),
    }
    output_dir.mkdir(parents=True, exist_ok=True)
    path = output_dir / PRODUCT_NAME
    with project_lock(output_dir):
        remove_leftovers(output_dir)
        if owner is not None:
            claim_directory(output_dir, owner)
        stored = read_facts(path) if path.exists() else {}
        if stored.get("fingerprint") == facts["fingerprint"]:
            facts = stored  # rows may hold the digest of this very file
        else:
            write_keypoints(path, predictions, facts)
    return _record(
        path,
        predictions,
        (),
        facts,
        source_software=source_software,
        first_frames=_starts(n_frames),
        frame_rate_hz=frame_rate_hz,
    )


def read_fitting(
    files: Sequence[Path], source_software: str, *, n_frames: Sequence[int], frame_rate_hz: float
) -> Predictions:
    """Read predictions that fit a recording; arguments and errors as of `load_keypoints`."""
    from element_facerhythm.keypoints.formats import read_predictions

    if len(files) not in (1, len(n_frames)):
        raise KeypointError(
            f"{len(files)} files of predictions were given for {len(n_frames)} videos; expected one for the "
            "recording, or one for each video in their order"
        )
    lengths = [sum(n_frames)] if len(files) == 1 else list(n_frames)
    parts = []
    for path, n in zip(files, lengths, strict=True):
        part = read_predictions(path, source_software, frame_rate_hz=frame_rate_hz)
        require_fit(part, n_frames=n, frame_rate_hz=frame_rate_hz, source=path)
        parts.append(part)
    return joined(parts)


def _predict(
    request: KeypointRequest,
    videos: Sequence[VideoMetadata],
    boxes: Sequence[BoundingBox],
    model: FacemapModel,
    progress: Progress,
) -> dict[str, Any]:
    from element_facerhythm.keypoints.facemap_run import predict_keypoints

    total = sum(video.n_frames for video in videos)
    with progress.stage("keypoint_inference", total, "frames") as tell:
        run = predict_keypoints(
            videos,
            boxes,
            model,
            batch_size=request.batch_size,
            mixed_precision=request.mixed_precision,
            on_frames=tell,
        )
    return {
        "predictions": run.predictions,
        "seconds": run.seconds,
        "device": str(model.device),
        "versions": {**package_versions(), "facemap": version("facemap")},
        "completed_utc": _now(),
    }


def _boxes(
    choice: BoxChoice, videos: Sequence[VideoMetadata], progress: Progress
) -> list[BoundingBox]:
    """One box per video, within the frame."""
    from element_facerhythm.keypoints.facemap_frames import BoundingBox

    width, height = videos[0].width_px, videos[0].height_px
    if choice is None:
        boxes = [BoundingBox.whole(width, height)]
    elif choice == "auto":
        boxes = [_moving_box(videos[0], progress)]
    else:
        boxes = [BoundingBox(*corners) for corners in choice]
    if len(boxes) not in (1, len(videos)):
        raise KeypointError(
            f"{len(boxes)} bounding boxes were given for {len(videos)} videos; expected one for all, or "
            "one for each"
        )
    for box in boxes:
        box.require_within(width, height)
    return boxes * len(videos) if len(boxes) == 1 else boxes


def _moving_box(video: VideoMetadata, progress: Progress) -> BoundingBox:
    """Box around what moves, with a margin: on a video of a face, the face."""
    import numpy as np

    from element_facerhythm.keypoints.facemap_frames import BoundingBox

    rois, _ = propose_rois_for_video(video.path, video.n_frames, progress=progress)
    corners = np.concatenate([np.asarray(polygon) for polygon in rois.seed_polygons])
    low, high = corners.min(axis=0), corners.max(axis=0)
    margin = _BOX_MARGIN * (high - low).max()
    left, top = np.floor(np.maximum(low - margin, 0)).astype(int)
    limit = [video.width_px, video.height_px]
    right, bottom = np.ceil(np.minimum(high + margin, limit)).astype(int)
    return BoundingBox(int(left), int(right), int(top), int(bottom))


def _corners(box: BoundingBox) -> Corners:
    return box.left, box.right, box.top, box.bottom


def _starts(n_frames: Sequence[int]) -> tuple[int, ...]:
    return tuple(sum(n_frames[:i]) for i in range(len(n_frames)))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _record(
    path: Path,
    predictions: Predictions,
    videos: Sequence[VideoMetadata],
    facts: dict[str, Any],
    *,
    source_software: str,
    reused: bool = False,
    boxes: tuple[Corners, ...] = (),
    first_frames: tuple[int, ...] | None = None,
    frame_rate_hz: float | None = None,
) -> KeypointRecord:
    rate = frame_rate_hz if frame_rate_hz is not None else videos[0].frame_rate_hz
    starts = first_frames if first_frames is not None else _starts([v.n_frames for v in videos])
    return KeypointRecord(
        product=ProductRecord("Keypoints", path, path.stat().st_size, file_sha256(path)),
        statistics=tuple(track_statistics(predictions, frame_rate_hz=rate, first_frames=starts)),
        tracks={
            (individual, part): track_name(predictions, individual, part)
            for individual in predictions.individuals
            for part in predictions.body_parts
        },
        n_frames=predictions.n_frames,
        n_dimensions=predictions.n_dimensions,
        dtype=str(predictions.positions.dtype),
        source_software=source_software,
        seconds=facts.get("seconds"),
        device=facts.get("device", "unknown"),
        boxes=boxes,
        versions=dict(facts["versions"]),
        completed_utc=facts["completed_utc"],
        reused=reused,
    )
