"""Videos of a project directory that are still there, as rows of a recording."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from element_facerhythm.errors import PathError
from element_facerhythm.linking import active_link, relative_to_roots

if TYPE_CHECKING:
    from element_facerhythm.io.project import Project
    from element_facerhythm.pipeline.results.recording_match import EnteredRecording

logger = logging.getLogger(__name__)


def surviving_videos(
    project: "Project", *, allow_incomplete: bool = False
) -> tuple[list[dict[str, Any]], str, float | None]:
    """Return file rows of the project's videos, if all are where it records them, below the directories.

    Parameters
    ----------
    project
        An opened project directory.
    allow_incomplete
        Take files that were cut off up to their last whole frame; those that were analysed so are in any
        case.

    Returns
    -------
    tuple
        The rows; the part of their frames that was analysed ('A:B'; '' for all); and the frame rate that was
        given for them. Nothing of all where a video is gone.

    Raises
    ------
    ProjectError
        A video is there, and is not the one that was analysed.
    """
    from element_facerhythm.pipeline.results.recording_match import require_recording
    from element_facerhythm.pipeline.run.run_file import run_facts

    paths = [Path(path) for path in project.video_paths]
    if not all(path.is_absolute() and path.exists() for path in paths):
        return [], "", None
    run = run_facts(project.directory, project.roots) if project.is_ours("Dataset_videos") else {}
    times = run.get("times") or [None] * len(paths)
    dirs = active_link().search_dirs()
    try:
        rows = [
            {
                "file_id": index,
                "file_path": relative_to_roots(path, dirs),
                "times_path": times_path_of(own or ""),
                "allow_incomplete": allow_incomplete
                or bool(run.get("incomplete", {}).get(path.name)),
            }
            for index, (path, own) in enumerate(zip(paths, times, strict=True))
        ]
    except PathError as error:
        logger.info("the project's videos are not entered: %s", error)
        return [], "", None
    frames, given_hz = run.get("frames"), run.get("frame_rate_hz")
    require_recording(project, _probed_recording(paths, times, rows, frames, given_hz))
    return rows, "" if frames is None else f"{frames[0]}:{frames[1]}", given_hz


def _probed_recording(
    paths: Sequence[Path],
    times: Sequence[str | None],
    rows: Sequence[Mapping[str, Any]],
    frames: tuple[int, int] | None,
    given_hz: float | None,
) -> "EnteredRecording":
    """Facts of videos that are not entered yet."""
    from element_facerhythm.pipeline.results.recording_match import EnteredRecording, EnteredVideo
    from element_facerhythm.video import probe_video
    from element_facerhythm.video.clock import common_rate_hz

    videos = [
        probe_video(
            path, frame_rate_hz=given_hz, times=own, allow_incomplete=row["allow_incomplete"]
        )
        for path, own, row in zip(paths, times, rows, strict=True)
    ]
    return EnteredRecording(
        width_px=videos[0].width_px,
        height_px=videos[0].height_px,
        frame_rate_hz=common_rate_hz([video.clock for video in videos]),
        header_frame_rate_hz=videos[0].header_frame_rate_hz,
        rate_source=videos[0].clock.source,
        n_frames=sum(video.n_frames for video in videos),
        videos=tuple(
            EnteredVideo(
                video.path.name,
                video.n_frames,
                video.sha256,
                None if video.clock.is_plain else video.clock.times_s,
            )
            for video in videos
        ),
        frames=frames,
    )


def times_path_of(given: str) -> str:
    """Choice of a file of times as the row holds it; PathError where it lies outside the directories."""
    from element_facerhythm.video.time_files import FROM_STAMPS

    if given in ("", FROM_STAMPS):
        return given
    return relative_to_roots(Path(given).resolve(), active_link().search_dirs())
