"""Whether a project directory is of a recording: videos, sizes, rate, frames and clock compared.

A difference in what both record is refused; what a layout does not record is noted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PureWindowsPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import ProjectError
from element_facerhythm.files.texts import shortened
from element_facerhythm.io.product_stamps import stage_fingerprint
from element_facerhythm.io.project import Project
from element_facerhythm.parameters.open import shortened_list
from element_facerhythm.pipeline.run.fingerprint import times_sha256
from element_facerhythm.pipeline.run.sequences import FrameRange

_SAME_RATE = 1e-3
"""Share by which two measurements of one frame rate may differ."""

_LARGEST = 1e12
_MOST_FAULTS = 6
_MOST_LISTED = 12


@dataclass(frozen=True, eq=False)
class EnteredVideo:
    """A video of a recording, as it was entered.

    Attributes
    ----------
    name
        File name.
    n_frames, sha256
        Counted frames, and digest of the content.
    times_s
        (T,) seconds of its frames; None where they are equally spaced.
    """

    name: str
    n_frames: int
    sha256: str
    times_s: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class EnteredRecording:
    """A recording that a project is stated to be of.

    Attributes
    ----------
    width_px, height_px
        Size of its frames.
    frame_rate_hz, header_frame_rate_hz
        Measured (or given) rate, and what the first file's header claims; None where that is not known.
    rate_source
        Where the rate is from, as in `Clock.source`; ``"project"`` where it is a project's.
    n_frames
        Of all videos.
    videos
        In order; empty where the facts come from a project and no file was entered.
    frames
        The part that is asked for; None for all.
    """

    width_px: int
    height_px: int
    frame_rate_hz: float
    header_frame_rate_hz: float | None
    rate_source: str
    n_frames: int
    videos: tuple[EnteredVideo, ...] = ()
    frames: FrameRange | None = None


@dataclass(frozen=True)
class _Part:
    """Frames ``[first, stop)`` of an entered video that a project should have analysed."""

    video: EnteredVideo
    first: int
    stop: int

    @property
    def n_frames(self) -> int:
        return self.stop - self.first


def require_recording(project: Project, recording: EnteredRecording) -> tuple[str, ...]:
    """Refuse a project of another recording.

    Parameters
    ----------
    project
        The project directory.
    recording
        What was entered.

    Returns
    -------
    tuple
        Notes: what the project or the recording does not record, so that it could not be compared; and
        videos that were renamed.

    Raises
    ------
    ProjectError
        Names, sizes, frame rate, frames, clock or content of the videos differ; the message says how.
    """
    notes: list[str] = []
    parts = _parts(recording)
    faults = [
        *_size_faults(project, recording),
        *_rate_faults(project, recording, notes),
        *_length_faults(project, recording, parts, notes),
    ]
    if parts:
        faults += _video_faults(project, parts, notes)
        faults += _clock_faults(project, recording, parts)
    else:
        notes.append(
            "the recording has no video files (its facts come from a project): names, contents and frames "
            "per video were not compared"
        )
    if faults:
        more = f" (and {len(faults) - _MOST_FAULTS} more)" if len(faults) > _MOST_FAULTS else ""
        raise ProjectError(
            f"{project.directory} is not of this recording: {'; '.join(faults[:_MOST_FAULTS])}{more}. Give "
            "the right output_dir, or enter the project as a recording of its own"
        )
    return tuple(notes)


def _entered_parts(lengths: Sequence[int], frames: FrameRange | None) -> list[tuple[int, int, int]]:
    """Return number, first frame and the one after the last of each video that a range takes frames of."""
    first, stop = frames or (0, sum(lengths))
    found, before = [], 0
    for number, n_frames in enumerate(lengths):
        low, high = max(first - before, 0), min(stop - before, n_frames)
        if low < high:
            found.append((number, low, high))
        before += n_frames
    return found


def _parts(recording: EnteredRecording) -> list[_Part]:
    lengths = [video.n_frames for video in recording.videos]
    return [
        _Part(recording.videos[number], first, stop)
        for number, first, stop in _entered_parts(lengths, recording.frames)
    ]


def _size_faults(project: Project, recording: EnteredRecording) -> Iterator[str]:
    """Compare every size that a project records."""
    expected = (recording.height_px, recording.width_px)
    info = project.section_info("Dataset_videos")
    rois = project.section_info("ROIs").get("img_hw")
    metadata = info.get("metadata")
    of_videos = metadata.get("frame_height_width") if isinstance(metadata, Mapping) else None
    found = {
        "Dataset_videos.h5": project.example_image().shape[:2],
        "run_info.json (Dataset_videos)": info.get("frame_height_width"),
        "run_info.json (ROIs)": rois,
        **{f"run_info.json (video {i})": s for i, s in enumerate(_as_list(of_videos))},
    }
    for place, size in found.items():
        if isinstance(size, (list, tuple)) and tuple(size[:2]) != expected:
            shown = " x ".join(shortened(number) for number in reversed(size[:2]))
            yield (
                f"{place} has frames of {shown} px, the recording {expected[1]} x {expected[0]} px "
                "(width x height)"
            )


def _rate_faults(project: Project, recording: EnteredRecording, notes: list[str]) -> Iterator[str]:
    """Compare the frame rate that a project was analysed with, its clamp set aside."""
    rates = {"frame_rate": project.frame_rate_hz}
    clamp = project.settings("Dataset_videos").get("frame_rate_clamp")
    if clamp is not None:
        if not _is_near(clamp, project.frame_rate_hz):
            yield (
                f"it was analysed at {project.frame_rate_hz:g} Hz, and config.yaml clamps to "
                f"{shortened(clamp)} Hz"
            )
        metadata = project.section_info("Dataset_videos").get("metadata")
        own = _as_list(metadata.get("frame_rate") if isinstance(metadata, Mapping) else None)
        rates = {f"frame_rate of video {i}": rate for i, rate in enumerate(own)}
        if not rates:
            notes.append(
                "the project clamps the frame rate and does not record that of its videos, which was not "
                "compared"
            )
    header_hz = None if _is_timed(project) else recording.header_frame_rate_hz
    for name, rate in rates.items():
        if _is_near(rate, recording.frame_rate_hz):
            continue
        if _is_near(rate, header_hz):
            notes.append(
                f"the project was analysed with the rate that the header claims, {rate:g} Hz, and the frames "
                f"come at {recording.frame_rate_hz:g} Hz: its frequencies and times are off by that ratio"
            )
            return
        yield f"its {name} is {shortened(rate)} Hz, the recording's {recording.frame_rate_hz:g} Hz"
        return


def _length_faults(
    project: Project, recording: EnteredRecording, parts: Sequence[_Part], notes: list[str]
) -> Iterator[str]:
    """Compare tracked frames, and those that the project says its videos have."""
    tracked = project.n_frames
    lengths = [part.n_frames for part in parts]
    if not lengths:
        first, stop = recording.frames or (0, recording.n_frames)
        if sum(tracked) != stop - first:
            yield f"it holds {sum(tracked)} tracked frames, {_asked(recording)} {stop - first}"
        return
    expected = [sum(lengths)] if project.contiguous else lengths
    if list(tracked) != expected:
        yield (
            f"it holds {_listed(tracked)} tracked frames, {_asked(recording)} {_listed(expected)}"
        )
    metadata = project.section_info("Dataset_videos").get("metadata")
    counted = metadata.get("num_frames") if isinstance(metadata, Mapping) else None
    if not isinstance(counted, list):
        notes.append(f"layout {project.layout} does not record the frames of each video")
    elif counted != lengths:
        yield (f"its videos have {_listed(counted)} frames, {_asked(recording)} {_listed(lengths)}")


def _asked(recording: EnteredRecording) -> str:
    return "the task asks for" if recording.frames else "the recording has"


def _video_faults(project: Project, parts: Sequence[_Part], notes: list[str]) -> Iterator[str]:
    """Compare names, and contents where these are recorded."""
    names = [PureWindowsPath(path).name for path in project.video_paths]
    expected = [part.video.name for part in parts]
    analysed = _analysed(project)
    if analysed is None:
        notes.append(
            f"layout {project.layouts['Dataset_videos']} records no digests of its videos: they were "
            "compared by name, size, rate and frames"
        )
    elif len(analysed) != len(parts):
        yield f"it was made from {len(analysed)} videos, {len(parts)} are entered"
    else:
        for video, part in zip(analysed, parts, strict=True):
            yield from _content_faults(video, part)
    if names != expected:
        listed = f"{_listed(names)} in the project, {_listed(expected)} in the recording"
        if analysed is None or len(names) != len(expected):
            yield f"its videos have other names: {listed}"
        else:
            notes.append(f"the videos were renamed since (their contents are the same): {listed}")


def _content_faults(video: Mapping[str, Any], part: _Part) -> Iterator[str]:
    """Compare a video that was analysed with the one that was entered."""
    if video.get("sha256") != part.video.sha256:
        yield (
            f"{part.video.name} is another video than the one that was analysed (SHA-256 "
            f"{part.video.sha256[:12]}... and {str(video.get('sha256'))[:12]}...)"
        )
    elif video.get("n_frames") != part.video.n_frames:
        yield (
            f"{part.video.name} had {shortened(video.get('n_frames'))} frames when it was analysed, and "
            f"{part.video.n_frames} now"
        )
    else:
        frames = video.get("frames", [0, part.video.n_frames])
        if frames != [part.first, part.stop]:
            yield (
                f"frames {shortened(frames)} of {part.video.name} were analysed, the task asks for "
                f"[{part.first}, {part.stop}]"
            )


def _analysed(project: Project) -> list[Mapping[str, Any]] | None:
    """Facts of the videos that a project of this package was made from; None where it records none."""
    if not project.is_ours("Dataset_videos"):
        return None
    inputs = _inputs(project, "Dataset_videos")
    videos = inputs.get("videos")
    if not isinstance(videos, list) or not all(isinstance(video, Mapping) for video in videos):
        raise ProjectError(
            f"{project.product_path('Dataset_videos')} does not say what videos it was made from; restore "
            "it, or run the project again"
        )
    return videos


def _clock_faults(
    project: Project, recording: EnteredRecording, parts: Sequence[_Part]
) -> Iterator[str]:
    """Compare the times of the frames that spectrograms of this package were made with."""
    clocks = _inputs(project, "VQT_Analyzer").get("clock") if _is_timed(project) else None
    if not isinstance(clocks, list) or not all(isinstance(clock, Mapping) for clock in clocks):
        return
    sources = {str(clock.get("source")) for clock in clocks}
    if sources != {recording.rate_source}:
        yield (
            f"the times of its frames come from {_listed(sorted(sources))}, those of the recording from "
            f"{recording.rate_source}"
        )
    elif len(clocks) == len(parts):
        for clock, part in zip(clocks, parts, strict=True):
            times = part.video.times_s
            if times is not None:
                own = times_sha256(times[part.first : part.stop])
                if own != clock.get("times_sha256"):
                    yield f"the frames of {part.video.name} were taken at other times"


def _is_timed(project: Project) -> bool:
    """Whether this package made the spectrograms, with the times of the frames: no compat, no clamp."""
    clamp = project.settings("Dataset_videos").get("frame_rate_clamp")
    if clamp is not None or not project.is_ours("VQT_Analyzer"):
        return False
    tracker = stage_fingerprint(project.product_path("PointTracker")) or {}
    parameters = tracker.get("parameters")
    return isinstance(parameters, Mapping) and parameters.get("rewind") != "face-rhythm"


def _inputs(project: Project, name: str) -> Mapping[str, Any]:
    inputs = (stage_fingerprint(project.product_path(name)) or {}).get("inputs")
    return inputs if isinstance(inputs, Mapping) else {}


def _listed(values: Sequence[Any]) -> str:
    """Values for a message, shortened: those of a project may be of any type and length."""
    texts = [shortened(value) for value in values]
    return shortened_list([text.strip("'") for text in texts], _MOST_LISTED)


def _is_near(rate: Any, other: float | None) -> bool:
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate < _LARGEST:
        return False
    return other is not None and abs(rate - other) <= _SAME_RATE * other


def _as_list(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else ()
