"""What a component looks like: its strongest episodes side by side, in step, as one movie."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from element_facerhythm.errors import RequestError
from element_facerhythm.io.project import Project
from element_facerhythm.movies.canvas import Canvas
from element_facerhythm.movies.component import ShownComponent
from element_facerhythm.movies.encoding import movie_writer
from element_facerhythm.movies.episodes import Episode, strongest_episodes
from element_facerhythm.movies.layers import ComponentPoints
from element_facerhythm.movies.source import FrameSource
from element_facerhythm.movies.span import Span, span_at
from element_facerhythm.movies.tracks import Tracks
from element_facerhythm.movies.view import View, around_points, even
from element_facerhythm.video.clock import Clock
from element_facerhythm.video.reader import RgbFrame

_GRID_ASPECT = 16 / 9
_GAP_PX = 4
_TILE_UNIT = 0.75


@dataclass(frozen=True)
class ClipsRequest:
    """What the clips of a component shall show.

    Attributes
    ----------
    n, seconds
        How many episodes at most, and how long each.
    speed
        1 is real time.
    magnify
        Factor on displacements.
    width_px
        Width of the whole grid.
    """

    n: int = 12
    seconds: float = 5.0
    speed: float = 1.0
    magnify: float = 1.0
    width_px: int = 1280


@dataclass(frozen=True, eq=False)
class ClipsPlan:
    """Clips of one component that can be written.

    Attributes
    ----------
    component
        The component.
    episodes
        Strongest first.
    sources, clocks
        Frames, and their times, of each sequence that an episode is of.
    request
        How they are shown.
    notes
        What was left out.
    """

    component: ShownComponent
    episodes: tuple[Episode, ...]
    sources: Mapping[int, FrameSource]
    clocks: Sequence[Clock]
    request: ClipsRequest
    notes: tuple[str, ...]

    @property
    def span(self) -> Span:
        """Which frames are shown, of the longest of the clips."""
        rate_hz = self.clocks[self.episodes[0].video_index].frame_rate_hz
        longest = max(episode.stop - episode.first for episode in self.episodes)
        return span_at(0, longest, rate_hz, self.request.speed)


def check_clips(request: ClipsRequest) -> None:
    """Refuse a request that no recording could meet.

    Raises
    ------
    RequestError
        It asks for no clip, for one of no length, or for a grid too narrow or wide.
    """
    if not 1 <= request.n <= 64:
        raise RequestError(f"--n is {request.n}; expected 1 to 64 clips")
    if not 0 < request.seconds <= 600:
        raise RequestError(f"--seconds is {request.seconds:g}; expected more than 0, 600 at most")
    if not 320 <= request.width_px <= 4096:
        raise RequestError(f"--width is {request.width_px}; expected 320 to 4096")


def plan_clips(
    component: ShownComponent,
    source_of: Callable[[int], FrameSource],
    clocks: Sequence[Clock],
    request: ClipsRequest,
) -> ClipsPlan:
    """Choose the episodes of a component, and find their frames.

    Parameters
    ----------
    component
        The component.
    source_of
        Finds the frames of a sequence; asked for those alone that are shown.
    clocks
        Of all sequences.
    request
        How many, and how long.

    Raises
    ------
    RequestError
        The component has no peak, or a video is not there.
    """
    episodes = strongest_episodes(
        list(component.courses.values()), clocks, n=request.n, seconds=request.seconds
    )
    if not episodes:
        raise RequestError(f"component {component.index} is nowhere above 0: it has no episode")
    notes = []
    if len(episodes) < request.n:
        notes.append(
            f"component {component.index}: {len(episodes)} of {request.n} clips; there are no more peaks "
            f"whose {request.seconds:g} s do not overlap with those of a stronger one"
        )
    sources = {video: source_of(video) for video in sorted({e.video_index for e in episodes})}
    rates = {clocks[video].frame_rate_hz for video in sources}
    assert len(rates) == 1  # a recording has one
    span = span_at(0, 1, rates.pop(), request.speed)
    if span.step > 1:
        notes.append(f"component {component.index}: of {span.step} frames one is shown")
    return ClipsPlan(component, episodes, sources, clocks, request, tuple(notes))


def write_clips(
    plan: ClipsPlan,
    project: Project,
    path: Path,
    advance: Callable[[int], None] = lambda done: None,
) -> None:
    """Write the clips of a component as one movie, whole or not at all.

    Parameters
    ----------
    plan
        What it shows.
    project
        The project.
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
    with ExitStack() as stack:
        tiles = [
            _Tile(plan, project, number, span.step, columns_of(plan, project))
            for number in range(len(plan.episodes))
        ]
        pictures = [stack.enter_context(closing(tile.pictures())) for tile in tiles]  # type: ignore[type-var]
        grid = ClipGrid(len(tiles), columns_of(plan, project), tiles[0].view.shown_px)
        add = stack.enter_context(
            movie_writer(path, size_px=grid.size_px, frame_rate_hz=span.shown_rate_hz)
        )
        for n_done in range(1, span.n_pictures + 1):
            add(grid.joined([next(one) for one in pictures]))
            advance(n_done)


def columns_of(plan: ClipsPlan, project: Project) -> int:
    """Return the number of columns at which the grid is nearest to the shape of a screen.

    Parameters
    ----------
    plan
        With its episodes.
    project
        Says how wide and high a clip is.
    """
    (width, height) = _points_extent(project)
    n = len(plan.episodes)

    def misfit(columns: int) -> tuple[float, int]:
        rows = math.ceil(n / columns)
        return abs(math.log(columns * width / (rows * height) / _GRID_ASPECT)), rows * columns - n

    return min(range(1, n + 1), key=misfit)


def _points_extent(project: Project) -> tuple[float, float]:
    height, width = project.example_image().shape[:2]
    view = around_points(project.point_positions, (width, height), 640, 1.0)
    return view.width_px, view.height_px


def grid_of(plan: ClipsPlan, project: Project) -> ClipGrid:
    """Return where the clips stand in the movie.

    Parameters
    ----------
    plan
        With its episodes.
    project
        Says how wide and high a clip is.
    """
    columns = columns_of(plan, project)
    return ClipGrid(len(plan.episodes), columns, _view(plan, project, columns).shown_px)


def _view(plan: ClipsPlan, project: Project, columns: int) -> View:
    """Part of the frame that a clip shows."""
    height, width = project.example_image().shape[:2]
    shown = (plan.request.width_px - _GAP_PX * (columns - 1)) // columns
    return around_points(
        project.point_positions, (width, height), shown, max(_TILE_UNIT, shown / 640)
    )


class _Tile:
    """One clip: its frames with the component drawn on them, again from the start when they end."""

    def __init__(
        self, plan: ClipsPlan, project: Project, number: int, step: int, columns: int
    ) -> None:
        self._episode = plan.episodes[number]
        self._number, self._step = number, step
        video = self._episode.video_index
        self._source, self._clock = plan.sources[video], plan.clocks[video]
        self.tracks = Tracks(project, video)
        self._layer = ComponentPoints(
            self.tracks,
            plan.component.loadings,
            plan.component.strengths(video, self._clock),
            plan.component.name,
            plan.request.magnify,
        )
        self.view: View = _view(plan, project, columns)

    def pictures(self) -> Iterator[RgbFrame]:
        """Yield pictures without end."""
        numbers = range(self._episode.first, self._episode.stop, self._step)
        while True:
            frames = self._source.frames(self._episode.first, self._episode.stop, self._step)
            with closing(frames):  # type: ignore[type-var]
                for number, frame in zip(numbers, frames, strict=True):
                    canvas = Canvas(self.view, frame, number)
                    self._layer.draw(canvas)
                    canvas.words([self._words(number)], size=14)
                    yield canvas.picture

    def _words(self, number: int) -> str:
        share = f"{100 * self._episode.strength:.0f} %"
        return (
            f"{self._number + 1}   {self._clock.times_s[number]:.2f} s   frame {number}   {share}"
        )


@dataclass(frozen=True)
class ClipGrid:
    """Pictures of one size in rows and columns.

    Attributes
    ----------
    n, columns
        How many pictures, and how many of them stand side by side.
    tile_px
        Width and height of each.
    gap_px
        Between them.
    """

    n: int
    columns: int
    tile_px: tuple[int, int]
    gap_px: int = _GAP_PX

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of all together."""
        rows = math.ceil(self.n / self.columns)
        width, height = self.tile_px
        return (
            even(self.columns * width + self.gap_px * (self.columns - 1)),
            even(rows * height + self.gap_px * (rows - 1)),
        )

    def joined(self, pictures: Sequence[RgbFrame]) -> RgbFrame:
        """Put pictures side by side."""
        grid = np.full((self.size_px[1], self.size_px[0], 3), 24, np.uint8)
        width, height = self.tile_px
        for i, picture in enumerate(pictures):
            row, column = divmod(i, self.columns)
            top, left = row * (height + self.gap_px), column * (width + self.gap_px)
            grid[top : top + height, left : left + width] = picture
        return grid
