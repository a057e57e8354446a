"""Results of facemap, taken over as the signals of a recording.

Everything is checked first; then a project directory is written below the processed data directory, and the
recording, its regions and a task that loads the directory are entered in one transaction.
"""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from element_facerhythm import facial_behavior_estimation as fbe
from element_facerhythm.errors import RequestError
from element_facerhythm.facial_behavior_estimation.task_directories import directory_of
from element_facerhythm.files.digest import file_sha256
from element_facerhythm.ingest.entering import (
    enter_at_once,
    enter_recording,
    enter_task,
    modification_time,
)
from element_facerhythm.ingest.registered import Registered
from element_facerhythm.ingest.session import enter_device, enter_session, session_key
from element_facerhythm.ingest.session_choice import SessionChoice
from element_facerhythm.linking import active_link, relative_to_roots, resolve_path

if TYPE_CHECKING:
    from element_facerhythm.core.rois import Rois
    from element_facerhythm.io.facemap_proc import FacemapProc
    from element_facerhythm.io.facemap_signals import FacemapSignals
    from element_facerhythm.video import VideoMetadata

_DIGITS = 12


def register_facemap(
    choice: SessionChoice,
    proc_file: Path,
    videos: Sequence[Path] = (),
    *,
    recording_id: int = 0,
) -> Registered:
    """Enter what facemap measured in a recording, and a task that takes it over (`load`).

    Parameters
    ----------
    choice
        Session and device of the recording, and facts for rows that are new.
    proc_file
        A ``_proc.npy`` or ``_proc.mat`` of facemap.
    videos
        The videos that it was measured in, in order, which may have other names now; empty: those of the
        recording where it is entered, else those of facemap's names, where facemap says or beside its file.
    recording_id
        Number of the recording in its session.

    Raises
    ------
    RequestError
        The file is none of facemap's, or of other videos; a video is not found; or the database holds
        something else under the same key. Nothing was entered, and nothing is left.
    """
    from element_facerhythm.io.facemap_proc import read_facemap_proc
    from element_facerhythm.io.facemap_signals import cut_between_videos, signals_of_facemap
    from element_facerhythm.parameters.recorded import partly_known
    from element_facerhythm.pipeline.facemap_match import require_match
    from element_facerhythm.video import probe_video

    proc = read_facemap_proc(proc_file)
    signals = signals_of_facemap(proc)
    key = {**session_key(choice), "recording_id": recording_id}
    paths = list(videos) or _videos_of(key, proc)
    files = _file_rows(paths)
    probed = [probe_video(path) for path in paths]
    signals.notes += require_match(proc, signals, probed, renamed=bool(videos))
    cut_between_videos(signals, [video.n_frames for video in probed])
    sha256 = file_sha256(proc_file)
    place = directory_of(key, f"facemap_{sha256[:_DIGITS]}", relative=False, mkdir=False)
    is_new = not place.exists()
    try:
        if is_new:
            _write(place, proc, signals, probed, sha256)
        output_dir = relative_to_roots(place, active_link().search_dirs())
        parameters = partly_known({}, sha256)[0]
        task = {"task_mode": "load", "output_dir": output_dir, "frames": ""}

        def enter() -> Registered:
            done = Registered(notes=list(signals.notes))
            enter_session(done, choice, probed[0].recording_time or modification_time(paths[0]))
            enter_recording(done, recording_id, enter_device(done, choice), files)
            enter_task(done, _rois(signals), parameters, task)
            return done

        return enter_at_once(enter)
    except BaseException:
        if is_new:
            shutil.rmtree(place, ignore_errors=True)
            _remove_empty(place.parent, active_link().processed_dir())
        raise


def _remove_empty(folder: Path, root: Path) -> None:
    """Remove a folder and those above it, below a root, as far as they are empty."""
    with suppress(OSError):
        while folder != root and folder.is_relative_to(root):
            folder.rmdir()
            folder = folder.parent


def _videos_of(key: dict[str, Any], proc: "FacemapProc") -> list[Path]:
    """Files of the recording where it is entered, else those that facemap names."""
    dirs = active_link().search_dirs()
    rows = (fbe.VideoRecording.File() & key).to_dicts(order_by="file_id")
    if rows:
        return [Path(resolve_path(row["file_path"], dirs)) for row in rows]
    found = [proc.path.absolute().parent / name for name in proc.file_names]
    missing = [path for path in found if not path.is_file()]
    if missing:
        raise RequestError(
            f"{proc.path} was measured in {', '.join(proc.file_names[:4])}, and {missing[0]} is not there: "
            "give the videos with --video, in order"
        )
    return found


def _file_rows(paths: Sequence[Path]) -> list[dict[str, Any]]:
    dirs = active_link().search_dirs()
    return [
        {"file_id": i, "file_path": relative_to_roots(path.resolve(), dirs), "times_path": ""}
        for i, path in enumerate(paths)
    ]


def _write(
    place: Path,
    proc: "FacemapProc",
    signals: "FacemapSignals",
    videos: "Sequence[VideoMetadata]",
    sha256: str,
) -> None:
    """Write the project directory under another name first, so that it appears whole."""
    from element_facerhythm.io.facemap_project import write_facemap_project
    from element_facerhythm.video.clock import common_rate_hz

    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(f".{place.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    inputs = [
        {
            "name": video.path.name,
            "sha256": video.sha256,
            "size_bytes": video.size_bytes,
            "n_frames": video.n_frames,
        }
        for video in videos
    ]
    completed = datetime.fromtimestamp(proc.path.stat().st_mtime, UTC)
    try:
        write_facemap_project(
            beside,
            signals,
            inputs={"videos": inputs, "width_px": proc.width_px, "height_px": proc.height_px},
            digests={proc.path.name: sha256, **{v.path.name: v.sha256 for v in videos}},
            completed_utc=completed.isoformat(timespec="seconds"),
            run_info={
                "frame_rate": common_rate_hz([video.clock for video in videos]),
                "frame_height_width": [proc.height_px, proc.width_px],
                "num_frames_total": proc.n_frames,
                "metadata": {"paths_videos": [str(video.path) for video in videos]},
            },
        )
        beside.rename(place)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _rois(signals: "FacemapSignals") -> "Rois":
    """Regions of facemap as polygons that hold a signal and seed no points."""
    from element_facerhythm.core.rois import RegionLabel, Rois

    rois = Rois(
        signal_polygons=tuple(np.asarray(region.polygon) for region in signals.regions),
        signal_labels=tuple(RegionLabel(region.name, region.kind) for region in signals.regions),
    )
    return replace(rois, source="facemap")
