"""Keypoints of a recording: predicted by facemap's network, or taken from another tracker's files.

Either way the result is one HDF5 file (`keypoints.product`) in a directory, and a record of what it holds;
neither refers to a database.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from element_facerhythm.core.device import resolve_device
from element_facerhythm.errors import KeypointError, ProjectError
from element_facerhythm.files.digest import file_change, file_sha256
from element_facerhythm.io.content_digest import Content, content_of
from element_facerhythm.keypoints.predictions import Predictions
from element_facerhythm.keypoints.product import (
    PRODUCT_NAME,
    read_facts,
    read_keypoints,
    track_name,
    write_keypoints,
)
from element_facerhythm.keypoints.ranges import outside_note
from element_facerhythm.keypoints.reading_options import ReadingOptions
from element_facerhythm.keypoints.statistics import track_statistics
from element_facerhythm.pipeline.keypoint_boxes import bounding_boxes, corners_of
from element_facerhythm.pipeline.keypoint_files import read_fitting
from element_facerhythm.pipeline.keypoint_records import (
    Corners,
    KeypointRecord,
    KeypointRequest,
)
from element_facerhythm.pipeline.progress import current_progress
from element_facerhythm.pipeline.records import ProductRecord, Progress
from element_facerhythm.pipeline.run.directory import check_writable, locked_place
from element_facerhythm.pipeline.run.ownership import DirectoryOwner
from element_facerhythm.pipeline.run.runner import package_versions
from element_facerhythm.pipeline.run.video_notes import video_notes
from element_facerhythm.video import (
    VideoMetadata,
    probe_video,
    require_entered,
    require_same_format,
    require_unchanged,
    share_levels,
    signatures_of,
)
from element_facerhythm.video.clock import common_rate_hz

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from element_facerhythm.keypoints.facemap_frames import BoundingBox
    from element_facerhythm.keypoints.facemap_model import FacemapModel

FORMAT_VERSION = 1
"""Raised by hand, with a line in the changelog, when predictions from the same weights change."""

_NO_OPTIONS = ReadingOptions()


def run_keypoints(request: KeypointRequest, *, progress: Progress | None = None) -> KeypointRecord:
    """Predict the keypoints of a recording.

    Everything is checked before the first frame is read. A file that the same weights made of the same
    videos and boxes is taken as it is.

    Parameters
    ----------
    request
        Videos, weights, boxes, and where the result goes.
    progress
        Where the run reports to; None: as `current_progress` says.

    Raises
    ------
    RequestError
        The weights, the body parts, a box, a video or the directory are wrong; nothing was written.
    ProcessingError
        A frame could not be decoded.
    """
    from element_facerhythm.keypoints.facemap_model import load_facemap_model
    from element_facerhythm.keypoints.facemap_run import SOURCE_SOFTWARE

    progress = progress or current_progress()
    device = resolve_device(request.device)
    check_writable(request.output_dir, files=(PRODUCT_NAME,), owner=request.owner)
    signatures = signatures_of(request.videos)
    # whether files that were cut off are accepted is decided when the recording is entered
    was_entered = request.video_sha256 is not None
    found = [
        probe_video(path, frame_rate_hz=request.frame_rate_hz, allow_incomplete=was_entered)
        for path in request.videos
    ]
    require_same_format(found)
    videos = share_levels(found)
    if request.video_sha256 is not None:
        require_entered(videos, request.video_sha256)
    model = load_facemap_model(
        request.model_file, request.body_parts, device=device, sha256=request.model_sha256
    )
    boxes = bounding_boxes(request.box, videos, progress)
    levels = videos[0].levels
    fingerprint = {
        "format_version": FORMAT_VERSION,
        "model_sha256": file_sha256(request.model_file),
        "body_parts": list(request.body_parts),
        "boxes": [list(corners_of(box)) for box in boxes],
        "videos": [video.sha256 for video in videos],
        **({} if levels is None else {"levels": [levels.low, levels.high]}),
    }
    with locked_place(request.output_dir, PRODUCT_NAME, request.owner) as path:
        facts, damage = _stored_facts(path, fingerprint)
        reused = bool(facts)
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
        frame_rate_hz=request.recording_rate_hz
        or common_rate_hz([video.clock for video in videos]),
        boxes=tuple(corners_of(box) for box in boxes),
        notes=(*video_notes(videos), *damage),
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
    options: ReadingOptions = _NO_OPTIONS,
    frame_size_px: tuple[int, int] | None = None,
    frame_times_s: Sequence[NDArray[np.floating] | None] | None = None,
) -> KeypointRecord:
    """Load what another tracker predicted.

    Parameters
    ----------
    files, source_software, n_frames, frame_rate_hz, options, frame_times_s
        As of `keypoint_files.read_fitting`.
    output_dir
        Directory of the result; made where it is missing.
    body_parts
        What the files must name, all of it and nothing else, and the order to keep them in; None takes
        what they name.
    owner
        The task that the directory belongs to; None for a run without a database.
    frame_size_px
        Width and height of the frame, to note positions outside of it; None notes nothing.

    Raises
    ------
    RequestError
        A file cannot be read, does not fit the videos or the body parts, or the directory cannot be written
        or belongs to another task.
    """
    check_writable(output_dir, files=(PRODUCT_NAME,), owner=owner)
    digests = [file_sha256(path) if path.is_file() else "" for path in files]
    placement = read_fitting(
        files,
        source_software,
        n_frames=n_frames,
        frame_rate_hz=frame_rate_hz,
        options=options,
        frame_times_s=frame_times_s,
    )
    predictions, notes = placement.predictions, placement.notes
    for path, sha256 in zip(files, digests, strict=True):
        if file_change(path, sha256) is not None:
            raise KeypointError(f"{path} changed while it was read; load it again when it is whole")
    if body_parts is not None:
        predictions = predictions.reordered(body_parts)
    if frame_size_px is not None:
        notes = (*notes, *outside_note(predictions, *frame_size_px))
    facts: dict[str, Any] = {
        "fingerprint": {
            "format_version": FORMAT_VERSION,
            "files": digests,
            "source_software": source_software,
            "body_parts": list(predictions.body_parts),
            "n_frames": list(n_frames),
            "frame_rate_hz": frame_rate_hz,
            "options": options.to_json(),
        },
        "n_filled_frames": placement.n_filled,
        "file_frame_rate_hz": placement.file_frame_rate_hz,
        "versions": package_versions(),
        "completed_utc": _now(),
    }
    with locked_place(output_dir, PRODUCT_NAME, owner) as path:
        stored, damage = _stored_facts(path, facts["fingerprint"])
        if stored:
            facts = stored  # rows may hold the digest of this file
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
        notes=(*damage, *notes),
    )


def record_of_file(
    path: Path, *, source_software: str, n_frames: Sequence[int], frame_rate_hz: float
) -> KeypointRecord:
    """Return the record of an existing file of this package, as the run that wrote it returned it.

    Parameters
    ----------
    path
        The file.
    source_software
        Who predicted.
    n_frames
        Frames of each video of the recording.
    frame_rate_hz
        Of the recording.

    Raises
    ------
    ProjectError, KeypointError
        The file is missing or damaged.
    """
    if content_of(path) is Content.DAMAGED:
        raise ProjectError(f"{path} is damaged: its content is not what was written")
    facts = read_facts(path)
    if not {"versions", "completed_utc"} <= set(facts):
        raise KeypointError(f"{path} was not written by this package; restore it from a backup")
    return _record(
        path,
        read_keypoints(path),
        (),
        facts,
        source_software=source_software,
        first_frames=_starts(n_frames),
        frame_rate_hz=frame_rate_hz,
    )


def _stored_facts(
    path: Path, fingerprint: dict[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Facts of a file that was made as wanted and is whole, else none; and a remark where it is damaged."""
    if not path.exists():
        return {}, ()
    if content_of(path) is Content.DAMAGED:
        return {}, (
            f"{path.name} was damaged: its content was not what was written; it was made again",
        )
    facts = read_facts(path)
    same = facts.get("fingerprint") == fingerprint and content_of(path) is Content.INTACT
    return (facts if same else {}), ()


def _predict(
    request: KeypointRequest,
    videos: Sequence[VideoMetadata],
    boxes: Sequence[BoundingBox],
    model: FacemapModel,
    progress: Progress,
) -> dict[str, Any]:
    from element_facerhythm.keypoints.facemap_run import predict_keypoints

    total = sum(video.n_frames for video in videos)
    with progress.stage("keypoint_inference", total, "frames") as advance:
        run = predict_keypoints(
            videos,
            boxes,
            model,
            batch_size=request.batch_size,
            mixed_precision=request.mixed_precision,
            on_frames=advance,
        )
    return {
        "predictions": run.predictions,
        "seconds": run.seconds,
        "device": str(model.device),
        "versions": {**package_versions(), "facemap": version("facemap")},
        "completed_utc": _now(),
    }


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
    frame_rate_hz: float,
    notes: tuple[str, ...] = (),
) -> KeypointRecord:
    starts = first_frames if first_frames is not None else _starts([v.n_frames for v in videos])
    return KeypointRecord(
        product=ProductRecord("Keypoints", path, path.stat().st_size, file_sha256(path)),
        statistics=tuple(
            track_statistics(predictions, frame_rate_hz=frame_rate_hz, first_frames=starts)
        ),
        tracks={
            (individual, part): track_name(predictions, individual, part)
            for individual, part in predictions.tracks()
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
        individuals=predictions.individuals,
        variables=tuple(predictions.variables),
        n_filled_frames=int(facts.get("n_filled_frames", 0)),
        file_frame_rate_hz=facts.get("file_frame_rate_hz"),
        source_sha256=tuple(facts.get("fingerprint", {}).get("files", ())),
        notes=notes,
    )
