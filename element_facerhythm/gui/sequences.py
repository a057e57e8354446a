"""Which frame of which opened video each frame of a tracked sequence is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from element_facerhythm.errors import FaceRhythmError
from element_facerhythm.gui.opened import Opened, OpenedProject
from element_facerhythm.io.project import Project
from element_facerhythm.movies.source import RecordedVideo, recorded_videos
from element_facerhythm.video import video_change


@dataclass(frozen=True)
class SequencePart:
    """Frames ``[first, first + n_frames)`` of a video, which follow each other in a tracked sequence.

    Attributes
    ----------
    video
        Identifier of the opened video; None where its frames cannot be shown.
    first, n_frames
        Which of its frames.
    """

    video: str | None
    first: int
    n_frames: int


def frames_of_videos(project: Project) -> list[tuple[RecordedVideo, int | None]]:
    """Return what a project says of each of its videos, and how many of its frames it used.

    Where it does not say where it stopped, as face-rhythm's does not, it may say how many frames there are.

    Parameters
    ----------
    project
        The project.
    """
    videos = recorded_videos(project)
    metadata = project.section_info("Dataset_videos").get("metadata")
    counts = metadata.get("num_frames") if isinstance(metadata, Mapping) else None
    if not isinstance(counts, list) or len(counts) != len(videos):
        counts = [None] * len(videos)
    return [
        (video, (n if type(n) is int else None) if video.stop is None else video.stop - video.first)
        for video, n in zip(videos, counts, strict=True)
    ]


def sequence_parts(
    opened: Opened, directory: OpenedProject, project: Project
) -> tuple[tuple[tuple[SequencePart, ...], ...], tuple[str, ...]]:
    """Return the parts of each tracked sequence, and sentences on what cannot be shown.

    Parameters
    ----------
    opened
        Videos that are there.
    directory, project
        The project, as it was opened.
    """
    notes, parts = [], []
    used = frames_of_videos(project)
    for (recorded, n_used), video in zip(used, directory.videos, strict=True):
        why = _why_not_shown(opened, video, recorded, n_used)
        if why is not None:
            notes.append(f"{recorded.path} {why}: its frames are not shown")
        parts.append(SequencePart(None if why else video, recorded.first, n_used or 0))
    n_tracked = project.n_frames
    together = [tuple(parts)] if len(n_tracked) == 1 else [(part,) for part in parts]
    sequences = []
    for own, n_frames in zip(together, n_tracked, strict=True):
        if len(own) == 1 and not own[0].n_frames:
            own = (SequencePart(own[0].video, own[0].first, n_frames),)
        if sum(part.n_frames for part in own) != n_frames:
            notes.append(
                f"the project does not say which frames its {n_frames} tracked ones are: none is shown"
            )
            own = (SequencePart(None, 0, n_frames),)
        sequences.append(own)
    return tuple(sequences), tuple(notes)


def _why_not_shown(
    opened: Opened, video: str | None, recorded: RecordedVideo, n_used: int | None
) -> str | None:
    if video is None:
        return "is not on this machine"
    found = opened.videos[video]
    try:
        metadata = found.metadata
    except FaceRhythmError as error:
        return f"cannot be read ({error})"
    if recorded.size_bytes is not None and found.path.is_file():
        size = found.path.stat().st_size
        if size != recorded.size_bytes:
            return f"has {size} bytes now and had {recorded.size_bytes} when it was analysed"
    if n_used is not None and recorded.first + n_used > metadata.n_frames:
        return f"has {metadata.n_frames} frames now, fewer than were analysed"
    return None


def changed_videos(opened: Opened, directory: OpenedProject, project: Project) -> tuple[str, ...]:
    """Sentences on videos that are not those that were analysed; reads them whole where it has to.

    Parameters
    ----------
    opened, directory, project
        As of `sequence_parts`.
    """
    notes = []
    for video, recorded in zip(directory.videos, recorded_videos(project), strict=True):
        if video is None or recorded.sha256 is None:
            continue
        path = opened.videos[video].path
        try:
            change = video_change(path, recorded.sha256, recorded.size_bytes)
        except (FaceRhythmError, OSError) as error:
            change = str(error)
        if change is not None:
            notes.append(f"{path.name} is not the video that was analysed: {change}")
    return tuple(notes)
