"""What is drawn of each component: its loadings, how much it explains, how wide and how stable it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.decomposition.half_power import half_power_band
from element_facerhythm.core.decomposition.loadings import real_loadings
from element_facerhythm.figures.style import stated_number
from element_facerhythm.figures.time_axis import video_extents
from element_facerhythm.io.stored_factors import (
    project_courses,
    project_factors,
    project_maps,
    project_spectra,
)

if TYPE_CHECKING:
    from element_facerhythm.core.decomposition.factors import Factors
    from element_facerhythm.io.project import Project
    from element_facerhythm.io.stored_model import StoredModel

Loadings = npt.NDArray[np.floating]
TimesAndLoadings = tuple[npt.NDArray[np.float64], Loadings]
"""Times in s, and loadings."""


@dataclass(frozen=True)
class ComponentPanels:
    """One component, ready to draw. Complex loadings are shown by their magnitude.

    Attributes
    ----------
    maps
        (2, P) spatial loading of each point for x and y; (1, P) where the model does not
        separate the directions.
    frequency
        (F,) loadings.
    videos
        Numbers of the videos that the model is of.
    time_courses
        One (times in s, loadings) pair for each of them, times on the axis of all videos together; NaN
        where the recording paused.
    explained_variance, stability
        None where the writer did not store them.
    peak_frequency_hz, half_power_hz
        Where the loading is largest, and between what frequencies its power is above half of that.
    norm
        Of the component as a tensor: its weight times the norms of its loadings.
    """

    maps: Loadings
    frequency: Loadings
    videos: tuple[int, ...]
    time_courses: tuple[TimesAndLoadings, ...]
    explained_variance: float | None
    peak_frequency_hz: float
    half_power_hz: tuple[float, float]
    stability: float | None
    norm: float

    @property
    def direction_shares(self) -> npt.NDArray[np.float64]:
        """`maps` as magnitudes whose squares sum to that of `norm`: comparable between components."""
        return np.abs(self.maps.astype(np.float64) * self.scales[0])

    @property
    def point_shares(self) -> npt.NDArray[np.float64]:
        """(P,) the same of both directions together."""
        return np.asarray(np.linalg.norm(self.direction_shares, axis=0))

    @property
    def frequency_shares(self) -> npt.NDArray[np.float64]:
        """(F,) `frequency` so scaled; with its signs."""
        return self.frequency.astype(np.float64) * self.scales[1]

    @property
    def time_shares(self) -> tuple[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]], ...]:
        """`time_courses` so scaled, over all videos together; with their signs."""
        factor = self.scales[2]
        return tuple((times, own.astype(np.float64) * factor) for times, own in self.time_courses)

    @cached_property
    def scales(self) -> tuple[float, float, float]:
        """Factors of maps, frequencies and time courses that make their squares sum to that of `norm`."""
        every = np.concatenate([loadings for _, loadings in self.time_courses])
        return self._scale(self.maps), self._scale(self.frequency), self._scale(every)

    def _scale(self, values: Loadings) -> float:
        known = values[np.isfinite(values)].astype(np.float64)
        return self.norm / (float(np.linalg.norm(known)) or 1.0)


def component_panels(project: Project, model_key: str = "0") -> list[ComponentPanels]:
    """Gather what is drawn of every component, in the stored order.

    Parameters
    ----------
    project
        With its tracks, spectrograms and decomposition.
    model_key
        Of the decomposition; a key of `Project.models`.

    Raises
    ------
    ProjectError
        There is no such model, or a product is missing or damaged.
    ParameterError
        The model has no points, frequencies or time to draw.
    """
    models = project.models()
    factors = project_factors(project, model_key, models)
    maps = project_maps(project, factors).loadings.values()
    spectra = project_spectra(project, factors)
    time_courses = _time_courses_on_one_axis(project, factors)
    model, exponent = models[model_key], _exponent(project)
    norms = _norms(model)
    return [
        ComponentPanels(
            maps=real_loadings(np.stack([direction[index] for direction in maps])),
            frequency=real_loadings(spectra.loadings[index]),
            videos=tuple(video for video, _ in time_courses[index]),
            time_courses=tuple(course for _, course in time_courses[index]),
            explained_variance=_entry(model.explained_variance, index),
            peak_frequency_hz=float(peak_hz),
            half_power_hz=half_power_band(
                spectra.loadings[index], spectra.frequencies_hz, exponent=exponent
            ),
            stability=_entry(model.stability, index),
            norm=float(norms[index]),
        )
        for index, peak_hz in enumerate(spectra.peaks_hz)
    ]


def _entry(values: npt.NDArray[np.floating] | None, index: int) -> float | None:
    return None if values is None else float(values[index])


def _norms(model: StoredModel) -> npt.NDArray[np.float64]:
    """(R,) norm of each component; 0 for one whose loadings are not finite."""
    norms = np.abs(model.weights.astype(np.float64))
    for factor in model.factors.values():
        norms = norms * np.linalg.norm(factor.astype(np.result_type(factor, np.float64)), axis=0)
    return np.where(np.isfinite(norms), norms, 0.0)


def _exponent(project: Project) -> float:
    """Power that magnitudes were raised to."""
    stated = stated_number(project.settings("VQT_Analyzer"), "spectrogram_exponent", 1.0)
    return stated if stated > 0 else 1.0


def _time_courses_on_one_axis(
    project: Project, factors: Factors
) -> dict[int, list[tuple[int, TimesAndLoadings]]]:
    """Time courses by component, each with its video, the videos one after another."""
    starts = video_extents(project).starts_s
    found: dict[int, list[tuple[int, TimesAndLoadings]]] = {}
    for course in project_courses(project, factors):
        video = course.video_index
        times_s = starts[video] + course.times_s - project.clock(video).times_s[0]
        found.setdefault(course.component_index, []).append(
            (video, (times_s, real_loadings(course.loadings)))
        )
    return found
