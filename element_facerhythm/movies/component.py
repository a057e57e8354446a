"""One component as a movie shows it: how strong at each point, and in each frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.decomposition.loadings import TimeCourse, real_loadings
from element_facerhythm.errors import RequestError
from element_facerhythm.io.project import Project
from element_facerhythm.io.stored_factors import (
    project_courses,
    project_factors,
    project_maps,
    project_spectra,
)
from element_facerhythm.video.clock import Clock


@dataclass(frozen=True, eq=False)
class ShownComponent:
    """A component of a model.

    Attributes
    ----------
    index
        Its number.
    peak_frequency_hz
        Where its spectrum is highest.
    loadings
        (P,) length of the vector of its loadings along x and y at each point, the largest 1.
    courses
        Its time course in each video that the model is of.
    """

    index: int
    peak_frequency_hz: float
    loadings: npt.NDArray[np.float64]
    courses: Mapping[int, TimeCourse]

    @property
    def name(self) -> str:
        """Number and frequency."""
        return f"component {self.index}   {self.peak_frequency_hz:.1f} Hz"

    def strengths(self, video_index: int, clock: Clock) -> npt.NDArray[np.float64]:
        """(T,) strength in each frame of a video, the largest of all videos 1; NaN where there is no window.

        Parameters
        ----------
        video_index
            Number of the sequence; NaN alone where the model is not of it.
        clock
            Of this sequence.
        """
        if video_index not in self.courses:
            return np.full(clock.n_frames, np.nan)
        top = max(_magnitudes(course).max(initial=0.0) for course in self.courses.values())
        own = self.courses[video_index]
        heights = np.abs(real_loadings(own.loadings)).astype(np.float64) / (top or 1.0)
        return np.interp(clock.times_s, own.times_s, heights, left=np.nan, right=np.nan)


def shown_components(
    project: Project, model_key: str | None = None
) -> tuple[tuple[ShownComponent, ...], tuple[str, ...]]:
    """Components of a model, and a note where it was chosen among several.

    Parameters
    ----------
    project
        With its decomposition.
    model_key
        Of the model; the first if None.

    Raises
    ------
    RequestError
        There is no such model, it has no points, frequencies or time, or a product is missing or damaged.
    """
    project.require("PointTracker", "VQT_Analyzer", "TCA")
    models = project.models()
    key = next(iter(models)) if model_key is None else model_key
    notes: tuple[str, ...] = ()
    if model_key is None and len(models) > 1:
        notes = (f"of {len(models)} models, {key!r} is shown; --model chooses another",)
    factors = project_factors(project, key, models)
    maps = np.abs(np.stack(list(project_maps(project, factors).loadings.values())))
    lengths = np.sqrt(np.square(maps.astype(np.float64)).sum(axis=0))
    courses: dict[int, dict[int, TimeCourse]] = {}
    for course in project_courses(project, factors):
        courses.setdefault(course.component_index, {})[course.video_index] = course
    peaks_hz = project_spectra(project, factors).peaks_hz
    shown = (
        ShownComponent(
            i, float(peaks_hz[i]), lengths[i] / (lengths[i].max() or 1.0), courses.get(i, {})
        )
        for i in range(len(lengths))
    )
    return tuple(shown), notes


def one_component(components: tuple[ShownComponent, ...], index: int) -> ShownComponent:
    """Return the component with a number.

    Parameters
    ----------
    components
        Of a model.
    index
        The number, from 0.

    Raises
    ------
    RequestError
        There is none.
    """
    if not 0 <= index < len(components):
        raise RequestError(
            f"there is no component {index}; the model has {len(components)}, numbered from 0"
        )
    return components[index]


def _magnitudes(course: TimeCourse) -> npt.NDArray[np.float64]:
    """Finite magnitudes of a time course."""
    values = np.abs(real_loadings(course.loadings)).astype(np.float64)
    return values[np.isfinite(values)]
