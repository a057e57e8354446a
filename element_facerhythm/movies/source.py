"""The frames that a project's points were tracked in, wherever its videos lie now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PureWindowsPath
from typing import Any

from element_facerhythm.errors import PathError, ProjectError, VideoError
from element_facerhythm.io.data_paths import ROOT_VARIABLE, as_roots, resolve_path
from element_facerhythm.io.product_stamps import stage_fingerprint
from element_facerhythm.io.project import Project
from element_facerhythm.video import Levels, iterate_rgb_frames, video_change
from element_facerhythm.video.packets import scan_packets
from element_facerhythm.video.reader import LevelChoice, RgbFrame


@dataclass(frozen=True)
class RecordedVideo:
    """A video as a project refers to it.

    Attributes
    ----------
    path
        As its writer knew it.
    sha256, size_bytes
        Of its content; None where the project does not say.
    first, stop
        Frames of it that were tracked; `stop` is None where the project does not say: to its end.
    """

    path: str
    sha256: str | None = None
    size_bytes: int | None = None
    first: int = 0
    stop: int | None = None

    @property
    def name(self) -> str:
        """File name, also of a path of another system."""
        return PureWindowsPath(self.path).name


@dataclass(frozen=True)
class SourcePart:
    """Frames ``[first, stop)`` of a video file."""

    path: Path
    first: int
    stop: int


@dataclass(frozen=True)
class FrameSource:
    """Frames of one tracked sequence.

    Attributes
    ----------
    parts
        Where they are, in order of time.
    levels
        Of video of more than 8 bits: those that it was tracked with, or its own.
    notes
        What could not be compared.
    """

    parts: tuple[SourcePart, ...]
    levels: LevelChoice = "own"
    notes: tuple[str, ...] = ()

    @property
    def n_frames(self) -> int:
        """Frames of all parts."""
        return sum(part.stop - part.first for part in self.parts)

    def place(self, frame: int) -> tuple[Path, int]:
        """File that holds a frame of the sequence, and the frame's number in it."""
        for part in self.parts:
            if frame < part.stop - part.first:
                return part.path, part.first + frame
            frame -= part.stop - part.first
        raise IndexError(frame)

    def frames(self, first: int, stop: int, step: int = 1) -> Iterator[RgbFrame]:
        """Frames ``first, first + step, ...`` below `stop`, in colour.

        Parameters
        ----------
        first, stop, step
            Frames of the sequence.

        Raises
        ------
        DecodeError
            One cannot be decoded.
        """
        begin = 0
        for part in self.parts:
            end = begin + part.stop - part.first
            low = first if first >= begin else first + -(-(begin - first) // step) * step
            high = min(stop, end)
            if low < high:
                offset = part.first - begin
                frames = iterate_rgb_frames(
                    part.path, start=low + offset, stop=high + offset, levels=self.levels
                )
                with closing(frames):  # type: ignore[type-var]
                    yield from islice(frames, None, None, step)
            begin = end


def recorded_videos(project: Project) -> tuple[RecordedVideo, ...]:
    """Return the videos that a project is of, with what it says about their content.

    Raises
    ------
    ProjectError
        The project does not name its videos, or contradicts itself.
    """
    paths = project.video_paths
    if not project.is_ours("Dataset_videos"):
        return tuple(map(RecordedVideo, paths))
    product = project.product_path("Dataset_videos")
    facts = (stage_fingerprint(product) or {}).get("inputs", {}).get("videos")
    if not isinstance(facts, list) or len(facts) != len(paths):
        raise ProjectError(
            f"{product} does not say what videos it was made from; restore it, or run the project again"
        )
    return tuple(_recorded(product, path, fact) for path, fact in zip(paths, facts, strict=True))


def frame_source(
    project: Project,
    video_index: int,
    *,
    given: Sequence[Path] = (),
    roots: Iterable[str | Path] = (),
    is_checked: bool = False,
) -> FrameSource:
    """Find the frames of one tracked sequence, and see to it that they are those that were tracked.

    A video is looked for where the project says, then beside the project, then below the roots: at the end of
    its recorded path, as much of that as there is.

    Parameters
    ----------
    project
        The project, with its tracks.
    video_index
        Number of the sequence.
    given
        Where the videos are, one for each of the project, in its order; empty to look for them.
    roots
        Data directories.
    is_checked
        Whether the contents were compared just now, as by the run that made the project.

    Raises
    ------
    VideoError
        A video is not found, or is not the one that was analysed.
    ProjectError
        The project does not say what its videos are, or has other tracks than they have frames.
    """
    recorded = recorded_videos(project)
    if given and len(given) != len(recorded):
        raise VideoError(
            f"{len(given)} videos were given and {project.directory} is of {len(recorded)} "
            f"({', '.join(video.name for video in recorded)}); give one for each, in this order"
        )
    own = range(len(recorded)) if len(project.video_keys) == 1 else (video_index,)
    parts = []
    for number in own:
        places = [given[number]] if given else places_of_video(project, recorded[number], roots)
        path = _found(project, recorded[number], places, is_checked)
        stop = recorded[number].stop
        parts.append(
            SourcePart(
                path, recorded[number].first, scan_packets(path).n_frames if stop is None else stop
            )
        )
    notes: tuple[str, ...] = ()
    if recorded[own[0]].sha256 is None:
        notes = (
            f"the project records no digest of its videos: {', '.join(str(part.path) for part in parts)} "
            "was compared by the number and the size of its frames",
        )
    source = FrameSource(tuple(parts), _levels(project), notes)
    n_tracked = project.n_frames[video_index]
    if source.n_frames != n_tracked:
        raise VideoError(
            f"{', '.join(str(part.path) for part in parts)}: {source.n_frames} frames, and "
            f"{project.directory} has tracks of {n_tracked}; give the videos that were analysed (--video)"
        )
    return source


def _recorded(product: Path, path: str, facts: Any) -> RecordedVideo:
    try:
        first, stop = facts.get("frames", (0, facts["n_frames"]))
        size = facts.get("size_bytes")
        return RecordedVideo(
            path, str(facts["sha256"]), None if size is None else int(size), int(first), int(stop)
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ProjectError(
            f"{product} does not say what video {path} was; restore it, or run the project again"
        ) from error


def places_of_video(
    project: Project, video: RecordedVideo, roots: Iterable[str | Path] = ()
) -> list[Path]:
    """Where a video may lie, the likeliest first.

    Parameters
    ----------
    project, video
        The project, and one of its videos.
    roots
        Data directories.
    """
    places = [Path(video.path)] if Path(video.path).is_absolute() else []
    directory = project.directory.absolute()
    places += [directory / video.name, directory.parent / video.name]
    parts = [part for part in PureWindowsPath(video.path).parts if not part.endswith(("\\", "/"))]
    allowed = as_roots(roots)
    for start in range(len(parts) if allowed else 0):
        with suppress(
            PathError
        ):  # it is not below the roots; where it is not found at all, that is told
            places.append(resolve_path("/".join(parts[start:]), allowed))
    return list(dict.fromkeys(places))


def _found(
    project: Project, video: RecordedVideo, places: Sequence[Path], is_checked: bool
) -> Path:
    changes = []
    for place in places:
        if not place.exists():
            continue
        change = None
        if video.sha256 is not None and not is_checked:
            change = video_change(place, video.sha256, video.size_bytes)
        if change is None:
            return place
        changes.append(f"{place} is not the video that was analysed: {change}")
    remedy = f"say where it is with --video, once for each video, or add its directory to {ROOT_VARIABLE}"
    if changes:
        raise VideoError(f"{'; '.join(changes)}; {remedy}")
    raise VideoError(
        f"video {video.name} of {project.directory} is not on this machine (looked for "
        f"{', '.join(map(str, places))}); {remedy}"
    )


def _levels(project: Project) -> LevelChoice:
    if not project.is_ours("PointTracker"):
        return "own"
    parameters = (stage_fingerprint(project.product_path("PointTracker")) or {}).get("parameters")
    levels = parameters.get("levels") if isinstance(parameters, dict) else None
    try:
        return "own" if levels is None else Levels(float(levels[0]), float(levels[1]))
    except (TypeError, ValueError, IndexError) as error:
        raise ProjectError(
            f"{project.product_path('PointTracker')} does not say with what levels it was tracked; restore "
            "it, or run the project again"
        ) from error
