"""A project as its page needs it: opened once, read in parts."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.decomposition.loadings import TimeCourse
from element_facerhythm.core.gaps import breaks_at
from element_facerhythm.core.tracking.flag_episodes import flag_episodes, frame_spans
from element_facerhythm.errors import RequestError
from element_facerhythm.figures.component_panels import ComponentPanels, component_panels
from element_facerhythm.gui.asked_work import AskedWork
from element_facerhythm.gui.look_signals import LookSignals
from element_facerhythm.gui.mean_spectrograms import stored_mean, write_means
from element_facerhythm.gui.mean_traces import write_mean_traces
from element_facerhythm.gui.opened import Opened, OpenedProject
from element_facerhythm.gui.preparation import Preparation, Step
from element_facerhythm.gui.selections import Selection, parse_selection, points_within
from element_facerhythm.gui.sequences import SequencePart, changed_videos, sequence_parts
from element_facerhythm.gui.side_files import drop_oldest, side_file
from element_facerhythm.gui.spectrogram_tiles import Magnitudes
from element_facerhythm.gui.trace_pyramid import TracePyramid, build_pyramid
from element_facerhythm.io.layout import PRODUCTS
from element_facerhythm.io.lazy import LazyArray
from element_facerhythm.io.project import Project
from element_facerhythm.io.region_labels import full_labels
from element_facerhythm.io.stored_factors import project_courses, project_factors
from element_facerhythm.pipeline.records import ProjectSummary
from element_facerhythm.pipeline.results.project_summary import summarise_project
from element_facerhythm.pipeline.run.light import frame_kinds
from element_facerhythm.video.clock import Clock

BLOCK_FRAMES = 256
_SELECTIONS_KEPT = 16


@dataclass(frozen=True, eq=False)
class FrameBlock:
    """Points in `BLOCK_FRAMES` frames, or fewer at the end.

    Attributes
    ----------
    displacements
        (n, P, 2) float16 pixels.
    confidence
        (n, P) float16; None where the tracking tells none.
    flagged_frames, flagged_points
        (N,) int32 frame, counted from that of the block, and point of each flag.
    """

    displacements: npt.NDArray[np.float16]
    confidence: npt.NDArray[np.float16] | None
    flagged_frames: npt.NDArray[np.int32]
    flagged_points: npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Flags:
    """What went wrong when, in one sequence.

    Attributes
    ----------
    rows, cols
        (N,) frame and point of each flag, frames rising.
    shares
        (T,) share of the points that are flagged.
    episodes
        (n, 2) spans in which many are.
    held, dark, frozen
        (n, 2) spans of such frames; empty where the project does not say.
    """

    rows: npt.NDArray[np.int32]
    cols: npt.NDArray[np.int32]
    shares: npt.NDArray[np.float32]
    episodes: npt.NDArray[np.int32]
    held: npt.NDArray[np.int32]
    dark: npt.NDArray[np.int32]
    frozen: npt.NDArray[np.int32]


class LookProject:
    """Reads a project for its page; of what grows with the recording it keeps clocks, flags and courses.

    Parameters
    ----------
    opened
        Videos that are there.
    directory
        The project.

    Raises
    ------
    ProjectError
        A product is missing or damaged.
    """

    def __init__(self, opened: Opened, directory: OpenedProject) -> None:
        self.id, self.directory = directory.id, directory.directory
        self.opened, self.videos = opened, directory.videos
        self.project = Project.open(directory.directory)
        self.project.require(*PRODUCTS)
        self.parts, self.notes = sequence_parts(opened, directory, self.project)
        self._lock = threading.Lock()
        self._flags: dict[int, Flags] = {}
        self._courses: tuple[str, tuple[TimeCourse, ...]] | None = None
        self._panels: tuple[str, list[ComponentPanels]] | None = None
        self._magnitudes: OrderedDict[tuple[int, str], Magnitudes] = OrderedDict()
        self.preparation = Preparation([
            Step("traces", self._make_pyramid),
            Step("spectrograms", self._make_means),
            Step("summary", lambda _note: summarise_project(self.directory)),
            Step("videos", lambda _note: changed_videos(opened, directory, self.project)),
        ])  # fmt: skip
        self.asked = AskedWork()
        self.signals = LookSignals(self.project)

    def close(self) -> None:
        """Stop what is made in the background."""
        self.preparation.close()
        self.asked.close()

    @property
    def n_sequences(self) -> int:
        """Number of tracked sequences."""
        return len(self.parts)

    @cached_property
    def clocks(self) -> tuple[Clock, ...]:
        """When the frames of each sequence were taken."""
        return tuple(map(self.project.clock, range(self.n_sequences)))

    @cached_property
    def models(self) -> dict[str, Any]:
        """Decompositions by key."""
        return dict(self.project.models())

    @cached_property
    def tracks(self) -> tuple[LazyArray, ...]:
        """(T, P, 2) positions of each sequence; on disk until sliced."""
        return tuple(self.project.tracking(i).points for i in range(self.n_sequences))

    @cached_property
    def confidences(self) -> tuple[LazyArray | None, ...]:
        """(T, P) confidence of each sequence; None where the tracking tells none."""
        return tuple(self.project.tracking(i).confidence for i in range(self.n_sequences))

    def courses(self, key: str) -> tuple[TimeCourse, ...]:
        """Time courses of all components of a model; those of the last model are kept."""
        kept = self._courses
        if kept is None or kept[0] != key:
            factors = project_factors(self.project, key, self.models)
            kept = self._courses = (key, project_courses(self.project, factors))
        return kept[1]

    def panels(self, key: str) -> list[ComponentPanels]:
        """Return what figures draw of each component of a model; that of the last model is kept."""
        kept = self._panels
        if kept is None or kept[0] != key:
            kept = self._panels = (key, component_panels(self.project, key))
        return kept[1]

    @cached_property
    def size_px(self) -> tuple[int, int]:
        """Height and width of the frame that was analysed."""
        height, width = self.project.example_image().shape[:2]
        return height, width

    @cached_property
    def regions(self) -> list[tuple[str, npt.NDArray[np.float64]]]:
        """Name and polygon (n, 2) of each region that points were seeded in."""
        rois = self.project.rois()
        labels = full_labels(rois)["points"]
        return [
            (label.name or "", polygon)
            for label, polygon in zip(labels, rois.seed_polygons, strict=True)
        ]

    @property
    def summary(self) -> ProjectSummary | None:
        """The numbers of rows and figures; None while they are gathered.

        Raises
        ------
        FaceRhythmError
            They cannot be had.
        """
        summary: ProjectSummary | None = self.preparation.result("summary")
        return summary

    def sequence(self, index: int) -> tuple[SequencePart, ...]:
        """Return the parts of a sequence; RequestError where there is none of that number."""
        if not 0 <= index < self.n_sequences:
            raise RequestError(
                f"video {index} was asked for; the project has 0 to {self.n_sequences - 1}"
            )
        return self.parts[index]

    def require_point(self, point: int) -> int:
        """Return a point's index; RequestError where there is no such point."""
        n_points = len(self.project.point_positions)
        if not 0 <= point < n_points:
            raise RequestError(
                f"point {point} was asked for; the project has points 0 to {n_points - 1}"
            )
        return point

    def flags(self, index: int) -> Flags:
        """Return what went wrong when in a sequence."""
        with self._lock:
            if index not in self._flags:
                self._flags[index] = self._read_flags(index)
            return self._flags[index]

    def block(self, index: int, number: int) -> FrameBlock:
        """Points in one block of frames of a sequence.

        Parameters
        ----------
        index
            Number of the sequence.
        number
            Of the block: it begins at frame ``number * BLOCK_FRAMES``.

        Raises
        ------
        RequestError
            There is no such block.
        """
        first, n_frames = number * BLOCK_FRAMES, self.project.n_frames[index]
        if not 0 <= first < n_frames:
            raise RequestError(f"block {number} was asked for; the video has {n_frames} frames")
        flags, confidences = self.flags(index), self.confidences[index]
        rows = slice(first, min(first + BLOCK_FRAMES, n_frames))
        moved = np.asarray(self.tracks[index][rows], np.float32) - self.project.point_positions
        with np.errstate(over="ignore"):
            displacements = moved.astype(np.float16)
        confidence = None if confidences is None else confidences[rows]
        own = slice(*np.searchsorted(flags.rows, [rows.start, rows.stop]))
        return FrameBlock(displacements, confidence, flags.rows[own] - first, flags.cols[own])

    def traces(self) -> TracePyramid | None:
        """Traces of points at any zoom; None while they are made.

        Raises
        ------
        FaceRhythmError
            They could not be made.
        """
        path: Path | None = self.preparation.result("traces")
        if path is None:
            return None
        return TracePyramid(path, self.tracks, self.project.point_positions)

    def magnitudes(self, index: int, selection: str) -> Magnitudes | None:
        """Spectrogram of a selection; None while it is made.

        Parameters
        ----------
        index
            Number of the sequence.
        selection
            As `parse_selection` reads it.

        Raises
        ------
        RequestError
            There is no such selection.
        FaceRhythmError
            It could not be made.
        """
        own = self.require_selection(selection)
        with self._lock:
            kept = self._magnitudes.get((index, selection))
        if kept is not None:
            return kept
        if own.kind == "point":
            spectrogram = self.project.spectrogram(index)
            arrays = [
                LazyArray(spectrogram.path, spectrogram.dataset, (axis, own.number))
                for axis in (0, 1)
            ]
        else:
            path: Path | None = self.spectrogram_step(own).finished()
            if path is None:
                return None
            arrays = [stored_mean(path, index, own.name)]
        found = Magnitudes(arrays, self.breaks(index))
        with self._lock:
            self._magnitudes[index, selection] = found
            while len(self._magnitudes) > _SELECTIONS_KEPT:
                self._magnitudes.popitem(last=False)
        return found

    def require_selection(self, text: str) -> Selection:
        """Return a selection; RequestError where the project has none such, or no point lies in it."""
        selection = parse_selection(text)
        if selection.kind == "point":
            self.require_point(selection.number)
        elif selection.kind == "region" and selection.number >= len(self.regions):
            raise RequestError(
                f"region {selection.number} was asked for; the project has {len(self.regions)}"
            )
        elif selection.kind == "area" and not self.members(selection).any():
            raise RequestError("no point lies within the line; draw it around some")
        return selection

    def members(self, selection: Selection) -> npt.NDArray[np.bool_]:
        """(P,) which points a selection is of."""
        positions = self.project.point_positions
        if selection.kind == "all":
            return np.ones(len(positions), np.bool_)
        if selection.kind == "point":
            return np.arange(len(positions)) == selection.number
        is_region = selection.kind == "region"
        polygon = self.regions[selection.number][1] if is_region else selection.polygon
        return points_within(polygon, positions, self.size_px)

    def spectrogram_step(self, selection: Selection) -> Step:
        """Return the step that makes the mean spectrogram of a selection."""
        if selection.kind != "area":
            return self.preparation.steps["spectrograms"]
        name, member = self._named(selection)
        return self.asked.step(
            f"spectrogram-{name}",
            lambda note: self._write_means(f"area-{name}", {"area": member}, note),
        )

    def trace_step(self, selection: Selection) -> Step:
        """Return the step that makes the mean trace of a selection."""
        name, member = self._named(selection)
        return self.asked.step(f"trace-{name}", lambda note: self._write_trace(name, member, note))

    def _named(self, selection: Selection) -> tuple[str, npt.NDArray[np.bool_]]:
        """Points of a selection, and a name that is that of the same points alone."""
        member = self.members(selection)
        return hashlib.sha256(np.packbits(member).tobytes()).hexdigest()[:20], member

    def breaks(self, index: int) -> tuple[int, ...]:
        """Windows of a sequence before which the recording paused."""
        pauses = [gap.after_frame for gap in self.clocks[index].pauses]
        return breaks_at(self.project.window_centres(index), pauses)

    def _read_flags(self, index: int) -> Flags:
        tracking, n_frames = self.project.tracking(index), self.project.n_frames[index]
        rows, cols = tracking.flags_by_frame()
        n_points = len(self.project.point_positions)
        shares = (np.bincount(rows, minlength=n_frames) / n_points).astype(np.float32)
        kinds = frame_kinds(tracking)
        spans = [frame_spans(np.unique(frames)) for frames in kinds or ((), (), ())]
        episodes = flag_episodes(shares, self.clocks[index].frame_rate_hz)
        return Flags(rows, cols, shares, episodes, *spans)

    def _make_pyramid(self, note: Callable[[float], None]) -> Path:
        path = side_file("traces", self.project.product_path("PointTracker"))
        if not path.is_file():
            total = sum(points.shape[0] for points in self.tracks)
            build_pyramid(
                path, self.tracks, self.project.point_positions, lambda n: note(n / total)
            )
            drop_oldest()
        return path

    def _make_means(self, note: Callable[[float], None]) -> Path:
        kinds = ["all", *(f"region:{number}" for number in range(len(self.regions)))]
        groups = {kind: self.members(parse_selection(kind)) for kind in kinds}
        return self._write_means("spectrograms", groups, note)

    def _write_means(
        self, kind: str, groups: Mapping[str, npt.NDArray[np.bool_]], note: Callable[[float], None]
    ) -> Path:
        path = side_file(kind, self.project.product_path("VQT_Analyzer"))
        if not path.is_file():
            arrays = [self.project.spectrogram(i) for i in range(self.n_sequences)]
            write_means(path, arrays, groups, note)
            drop_oldest()
        return path

    def _write_trace(
        self, name: str, member: npt.NDArray[np.bool_], note: Callable[[float], None]
    ) -> Path:
        path = side_file(f"mean-{name}", self.project.product_path("PointTracker"))
        if not path.is_file():
            write_mean_traces(path, self.tracks, self.project.point_positions, member, note)
            drop_oldest()
        return path
