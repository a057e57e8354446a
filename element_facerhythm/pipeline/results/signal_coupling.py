"""Which signals of the face go with which component, for a recording that has both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.coupling import Coupling, couple
from element_facerhythm.core.false_discovery import q_values
from element_facerhythm.io.project import Project
from element_facerhythm.io.stored_signals import SignalKind, signals_of_project
from element_facerhythm.pipeline.results.component_coupling import (
    ComponentCourse,
    component_courses,
)
from element_facerhythm.pipeline.results.signal_summary import require_same_recording, trace_of

Trace: TypeAlias = Literal[
    "motion energy", "pupil area", "eye opening", "running speed", "motion SVD", "movie SVD"
]
MOST_COMPONENTS = 20
"""Of a decomposition: those with the largest singular values are compared."""

_LEVELS: dict[SignalKind, Trace] = {
    "motion": "motion energy", "pupil": "pupil area", "blink": "eye opening",
    "running": "running speed",
}  # fmt: skip
_OSCILLATING: dict[str, Trace] = {"motion_svd": "motion SVD", "movie_svd": "movie SVD"}


@dataclass(frozen=True)
class ComponentSignal:
    """Coupling of one signal with one component.

    Attributes
    ----------
    model_key, component_index
        The component of the decomposition of rhythms.
    region_index, trace
        The region, and which of its traces.
    trace_component
        Which singular vector, of a trace that has several; else 0.
    coupling
        See `core.coupling.Coupling`; the correlation may be negative, and p is of both signs.
    q_value
        Benjamini and Hochberg's, over all pairs of the recording; None where there is no p.
    """

    model_key: str
    component_index: int
    region_index: int
    trace: Trace
    trace_component: int
    coupling: Coupling
    q_value: float | None = None


@dataclass(frozen=True, eq=False)
class _Signal:
    """A trace (T,) of the whole recording; `oscillates` where its movement in a band is what counts."""

    region_index: int
    trace: Trace
    trace_component: int
    values: NDArray[np.float64]
    oscillates: bool


def couple_signals(
    project_dir: Path, roots: Iterable[str | Path] = ()
) -> tuple[ComponentSignal, ...]:
    """Correlate every component of a project with every signal of its FacialSignal.h5.

    Of a level (motion energy, area of a pupil, opening of an eye, speed of running) the mean over the time
    between two windows of the spectrogram is compared; of a singular vector, which swings with what moves,
    its speed within the component's band, as of a body part. Pairs are left out where a signal is not known
    in more than half of the frames, or does not change, and where the band lies beyond what the frame rate
    shows.

    Parameters
    ----------
    project_dir
        The project.
    roots
        Data directories that files of the project may be links into; see `Project.open`.

    Raises
    ------
    ProjectError
        The project is incomplete, or the signals are of another recording.
    """
    project = Project.open(project_dir, roots)
    signals = tuple(_signals(project))
    pairs = tuple(
        pair for course in component_courses(project) for pair in _pairs(project, course, signals)
    )
    found = q_values([pair.coupling.p_value for pair in pairs])
    return tuple(replace(pair, q_value=q) for pair, q in zip(pairs, found, strict=True))


def couple_both_signs(
    course: ComponentCourse, values: list[NDArray[np.float64]], *, frame_rate_hz: float
) -> Coupling | None:
    """Correlation of larger size, positive or negative, of a component with a signal.

    Parameters
    ----------
    course
        The component.
    values
        (T,) of each of its videos; windows where it is NaN are left out.
    frame_rate_hz
        Frames per second.

    Returns
    -------
    Coupling, with twice the p of the sign that was found, at most 1; None where one of the two does not
    change.
    """
    both = [
        couple(
            course.loadings,
            [sign * value for value in values],
            course.window_centres,
            frame_rate_hz=frame_rate_hz,
        )
        for sign in (1.0, -1.0)
    ]
    rising, falling = both
    if rising is None or falling is None:
        return None
    sign = 1 if rising.correlation >= falling.correlation else -1
    found = rising if sign > 0 else falling
    p_value = None if found.p_value is None else min(2 * found.p_value, 1.0)
    return replace(found, correlation=sign * found.correlation, p_value=p_value)


def mean_around(values: NDArray[np.float64], n_frames: int) -> NDArray[np.float64]:
    """Mean over the frames around each frame that have a value; NaN where none of them has.

    Parameters
    ----------
    values
        (T,) with NaN where not known.
    n_frames
        How many frames around each are averaged over.
    """
    known = np.isfinite(values)
    kernel = np.ones(min(max(n_frames, 1), len(values)))
    n_known = np.convolve(known.astype(float), kernel, "same")
    sums = np.convolve(np.where(known, values, 0.0), kernel, "same")
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(n_known > 0.5, sums / n_known, np.nan)


def _signals(project: Project) -> Iterator[_Signal]:
    stored = signals_of_project(project)
    require_same_recording(project, stored)
    for region in stored.regions:
        level = trace_of(region)
        if level is not None:
            yield _Signal(region.index, _LEVELS[region.kind], 0, level, False)
        for name, svd in region.svd.items():
            if svd.projection is None:
                continue
            first = min(MOST_COMPONENTS, svd.n_components)
            columns = svd.projection[:, :first].astype(np.float64)
            for index, values in enumerate(columns.T):
                yield _Signal(region.index, _OSCILLATING[name], index, values, True)


def _pairs(
    project: Project, course: ComponentCourse, signals: Iterable[_Signal]
) -> Iterator[ComponentSignal]:
    rate = project.frame_rate_hz
    for signal in signals:
        values = _compared(course, signal)
        coupling = None if values is None else couple_both_signs(course, values, frame_rate_hz=rate)
        if coupling is not None:
            yield ComponentSignal(
                course.model_key,
                course.component_index,
                signal.region_index,
                signal.trace,
                signal.trace_component,
                coupling,
            )


def _compared(course: ComponentCourse, signal: _Signal) -> list[NDArray[np.float64]] | None:
    """Values (T,) of a signal in each video of a component, as they are compared; None: not known enough."""
    if np.isfinite(signal.values).mean() < 0.5:
        return None
    if signal.oscillates:
        return course.band_limited(signal.values[:, None])
    steps = [int(np.median(np.diff(c))) if len(c) > 1 else 1 for c in course.window_centres]
    return [
        mean_around(signal.values[span], step)
        for span, step in zip(course.spans, steps, strict=True)
    ]
