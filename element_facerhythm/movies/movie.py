"""A movie of the tracks of a recording: planned in full, then written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from element_facerhythm.core.decomposition.loadings import TimeCourse
from element_facerhythm.errors import KeypointError, RequestError, VideoError
from element_facerhythm.io.project import Project
from element_facerhythm.movies.canvas import Canvas
from element_facerhythm.movies.component import one_component, shown_components
from element_facerhythm.movies.encoding import movie_writer
from element_facerhythm.movies.episodes import strongest_episodes
from element_facerhythm.movies.layers import (
    Arrows,
    ComponentPoints,
    Flags,
    Keypoints,
    Layer,
    Outline,
    PlainPoints,
)
from element_facerhythm.movies.source import FrameSource
from element_facerhythm.movies.span import (
    MOST_FRAMES_PER_S,
    Span,
    chosen_frames,
    liveliest_frames,
    span_at,
)
from element_facerhythm.movies.tracks import Tracks
from element_facerhythm.movies.view import View, whole_frame
from element_facerhythm.video.clock import Clock
from element_facerhythm.video.packets import scan_packets
from element_facerhythm.video.reader import RgbFrame

KINDS = ("points", "arrows", "flags", "keypoints", "component")
USUAL_SECONDS = 10.0
"""Length of a movie where no span was asked for."""

_ARROW_SHARE = 0.08
_MAGNIFICATIONS = (1, 2, 5, 10, 20, 50)


@dataclass(frozen=True)
class MovieRequest:
    """What a movie shall show.

    Attributes
    ----------
    what
        One of `KINDS`.
    component, model_key
        Number of the component, and key of its model (None: the first).
    video_index
        Number of the tracked sequence.
    frames, span_s
        Part of the sequence, in frames or in seconds; without either, ten seconds in which most moves, or in
        which the component is strongest.
    speed
        1 is real time, 0.25 four times as slow.
    magnify
        Factor on displacements; 1 if None, and for arrows one at which they are seen.
    width_px
        Width of the movie; the frames' own if None, but 480 at least and 1280 at most.
    keypoints, likelihood
        File of keypoints that are drawn as well, and the least likelihood of those that are.
    most_per_s
        Largest frame rate of the movie.
    """

    what: str = "points"
    component: int | None = None
    model_key: str | None = None
    video_index: int = 0
    frames: tuple[int, int] | None = None
    span_s: tuple[float | None, float | None] = (None, None)
    speed: float = 1.0
    magnify: float | None = None
    width_px: int | None = None
    keypoints: Path | None = None
    likelihood: float = 0.5
    most_per_s: float = MOST_FRAMES_PER_S


@dataclass(frozen=True, eq=False)
class MoviePlan:
    """A movie that can be written: everything was checked.

    Attributes
    ----------
    source, clock, span, view, layers
        Which frames, when they were, and what is drawn on them.
    notes
        What was chosen or left out.
    """

    source: FrameSource
    clock: Clock
    span: Span
    view: View
    layers: tuple[Layer, ...]
    notes: tuple[str, ...] = field(default=())


def plan_movie(project: Project, source: FrameSource, request: MovieRequest) -> MoviePlan:
    """Check a request, and choose what it leaves open.

    Parameters
    ----------
    project
        The project.
    source
        Its frames; see `frame_source`.
    request
        What to show.

    Raises
    ------
    RequestError
        A part of the request does not fit the project; the message says what would.
    """
    _check_kind(request)
    index = request.video_index
    clock = project.clock(index)
    given = chosen_frames(clock, frames=request.frames, span_s=request.span_s)
    tracks = Tracks(project, index)
    size_px = _frame_size_px(project, source)
    view = whole_frame(size_px, request.width_px)
    notes: list[str] = []
    layers: list[Layer] = []
    if "ROIs" in {product.name for product in project.products}:
        layers.append(Outline.of(project.rois(), size_px))
    if request.what == "component":
        components, remarks = shown_components(project, request.model_key)
        shown = one_component(components, request.component or 0)
        notes += remarks
        if given is None:
            given = _strongest_span(project, shown.courses.get(index), notes)
        magnify = request.magnify or 1.0
        strengths = shown.strengths(index, clock)
        layers.append(ComponentPoints(tracks, shown.loadings, strengths, shown.name, magnify))
    if given is None:
        given = liveliest_frames(project, index, USUAL_SECONDS)
        if given != (0, clock.n_frames):
            notes.append(f"frames {given[0]} to {given[1] - 1} are shown, where points move most")
    span = span_at(*given, clock.frame_rate_hz, request.speed, request.most_per_s)
    layers += _track_layers(request, tracks, view, span)
    if request.keypoints is not None:
        layers.append(_keypoints(project, source, request, notes))
    notes += [*source.notes, *_span_notes(clock, span, request.speed)]
    return MoviePlan(source, clock, span, view, tuple(layers), tuple(notes))


def write_movie(
    plan: MoviePlan, path: Path, advance: Callable[[int], None] = lambda done: None
) -> None:
    """Write a movie, whole or not at all.

    Parameters
    ----------
    plan
        What it shows.
    path
        The file; one that is there is replaced.
    advance
        Called with the number of pictures done.

    Raises
    ------
    ProcessingError
        A frame could not be decoded, or the movie not be encoded.
    """
    span = plan.span
    frames = plan.source.frames(span.first, span.stop, span.step)
    rate_hz = span.shown_rate_hz
    with (
        closing(frames),  # type: ignore[type-var]
        movie_writer(path, size_px=plan.view.shown_px, frame_rate_hz=rate_hz) as add,
    ):
        numbers = range(span.first, span.stop, span.step)
        for n_done, (number, frame) in enumerate(zip(numbers, frames, strict=True), start=1):
            add(drawn_picture(plan, Canvas(plan.view, frame, number)))
            advance(n_done)


def drawn_picture(plan: MoviePlan, canvas: Canvas) -> RgbFrame:
    """Draw all layers and the words, and return the picture.

    Parameters
    ----------
    plan
        What is drawn.
    canvas
        With the frame.
    """
    for layer in plan.layers:
        layer.draw(canvas)
    captions = (layer.caption(canvas.number) for layer in plan.layers)
    canvas.words([_moment(plan, canvas.number), *captions])
    return canvas.picture


def _moment(plan: MoviePlan, number: int) -> str:
    """Time and frame; where the sequence is a part of files, also the frame of the file."""
    text = f"{plan.clock.times_s[number]:.3f} s   frame {number}"
    path, in_file = plan.source.place(number)
    if in_file == number and len(plan.source.parts) == 1:
        return text
    return f"{text}   ({path.name} {in_file})"


def _check_kind(request: MovieRequest) -> None:
    if request.what not in KINDS or (request.what == "component") != (
        request.component is not None
    ):
        raise RequestError(
            f"--what is {request.what!r}; expected points, arrows, flags, keypoints, or component:K with the "
            "number of a component"
        )
    if request.what == "keypoints" and request.keypoints is None:
        raise RequestError("--what keypoints needs a file of keypoints (--keypoints FILE)")
    if request.magnify is not None and not 0 < request.magnify <= 1000:
        raise RequestError(
            f"--magnify is {request.magnify:g}; expected a number above 0, such as 10"
        )


def _frame_size_px(project: Project, source: FrameSource) -> tuple[int, int]:
    """Width and height of the frames, which are those that were analysed.

    Raises
    ------
    VideoError
        They have another size.
    """
    with closing(source.frames(0, 1)) as frames:  # type: ignore[type-var]
        height, width = next(iter(frames)).shape[:2]
    analysed = project.example_image().shape[:2]
    if analysed != (height, width):
        raise VideoError(
            f"{source.parts[0].path} has frames of {width} x {height} px, and those that were analysed have "
            f"{analysed[1]} x {analysed[0]}; give the video that was analysed (--video)"
        )
    return width, height


def _strongest_span(
    project: Project, course: TimeCourse | None, notes: list[str]
) -> tuple[int, int] | None:
    """Frames around the highest peak of a component in a video; None where it has none there."""
    if course is None:
        notes.append("the component's model is not of this video: its strength is not known here")
        return None
    clocks = [project.clock(i) for i in range(len(project.video_keys))]
    found = strongest_episodes([course], clocks, n=1, seconds=USUAL_SECONDS)
    if not found:
        return None
    (episode,) = found
    if (episode.first, episode.stop) != (0, clocks[episode.video_index].n_frames):
        notes.append(
            f"frames {episode.first} to {episode.stop - 1} are shown, around {episode.peak_s:.2f} s, where "
            "the component is strongest"
        )
    return episode.first, episode.stop


def _track_layers(request: MovieRequest, tracks: Tracks, view: View, span: Span) -> Sequence[Layer]:
    magnify = request.magnify or 1.0
    if request.what == "points":
        return [PlainPoints(tracks, magnify)]
    if request.what == "flags":
        return [Flags(tracks, magnify)]
    if request.what == "arrows":
        return [Arrows(tracks, request.magnify or _seen_magnification(tracks, view, span))]
    return []


def _seen_magnification(tracks: Tracks, view: View, span: Span) -> float:
    """Return the largest round factor at which nearly all arrows stay short beside the frame."""
    sampled = np.unique(np.linspace(span.first, span.stop - 1, 50).astype(int))
    lengths = [np.hypot(*tracks.displacements(int(frame)).T) for frame in sampled]
    reach = float(np.quantile(np.concatenate(lengths), 0.99)) or 1.0
    fitting = [m for m in _MAGNIFICATIONS if m * reach <= _ARROW_SHARE * view.width_px]
    return float(max(fitting, default=1))


def _keypoints(
    project: Project, source: FrameSource, request: MovieRequest, notes: list[str]
) -> Keypoints:
    """Read keypoints, and take the rows of the sequence.

    Raises
    ------
    KeypointError
        They are in space, or of another number of frames than the recording.
    """
    from element_facerhythm.keypoints.product import read_keypoints

    assert request.keypoints is not None
    found = read_keypoints(request.keypoints)
    if found.n_dimensions != 2:
        raise KeypointError(
            f"{request.keypoints} has positions in space; expected x and y in pixels of the frame"
        )
    first = _first_row(project, source, request, found.n_frames)
    rows = slice(first, first + source.n_frames)
    likelihood = found.likelihood[rows].reshape(source.n_frames, -1)
    several = len(found.individuals) > 1
    names = tuple(
        f"{individual} {part}" if several else part
        for individual in found.individuals
        for part in found.body_parts
    )
    if not np.isfinite(likelihood).any():
        notes.append(f"{request.keypoints} tells no likelihood: every keypoint is drawn")
    else:
        notes.append(f"keypoints with a likelihood below {request.likelihood:g} are left out")
    positions = found.positions[rows].reshape(source.n_frames, -1, 2)
    return Keypoints(positions, likelihood, names, request.likelihood)


def _first_row(project: Project, source: FrameSource, request: MovieRequest, n_rows: int) -> int:
    """Row of the keypoints that belongs to the first frame of the sequence."""
    tracked, own = project.n_frames, source.parts[0]
    starts = {sum(tracked): sum(tracked[: request.video_index]), source.n_frames: 0}
    if len(source.parts) == 1:  # of which a part may have been analysed
        starts.setdefault(scan_packets(own.path).n_frames, own.first)
    if n_rows not in starts:
        raise KeypointError(
            f"{request.keypoints} has {n_rows} frames; expected {' or '.join(map(str, sorted(starts)))}: "
            "those of the tracked sequence, of the recording or of the video file"
        )
    return starts[n_rows]


def _span_notes(clock: Clock, span: Span, speed: float) -> list[str]:
    notes = []
    if span.step > 1:
        notes.append(
            f"of {span.step} frames one is shown: screens show no more than some 60 in a second; "
            f"--speed {speed / span.step:.3g} shows all"
        )
    inside = [gap for gap in clock.gaps if span.first <= gap.after_frame < span.stop - 1]
    if inside:
        seconds = sum(gap.seconds for gap in inside)
        notes.append(
            f"frames are missing in {len(inside)} places of the span ({seconds:.2f} s): the movie goes on"
        )
    return notes
