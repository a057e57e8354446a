"""Which body parts move with which component, for a recording that has both."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.coupling import Coupling, band_limited_speed, couple
from element_facerhythm.core.decomposition.loadings import real_loadings
from element_facerhythm.core.false_discovery import q_values
from element_facerhythm.errors import KeypointError, ParameterError
from element_facerhythm.io.project import Project
from element_facerhythm.io.stored_factors import fitted_windows, project_courses, project_factors
from element_facerhythm.keypoints.predictions import Predictions
from element_facerhythm.keypoints.product import read_keypoints
from element_facerhythm.pipeline.results.model_summary import summarise_models
from element_facerhythm.video.clock import Clock

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ComponentBodyPart:
    """Coupling of one body part with one component.

    Attributes
    ----------
    model_key, component_index
        The component.
    individual, body_part
        The track.
    coupling
        See `core.coupling.Coupling`.
    q_value
        Benjamini and Hochberg's, over all pairs of the two; None where there is no p.
    """

    model_key: str
    component_index: int
    individual: str
    body_part: str
    coupling: Coupling
    q_value: float | None = None


def couple_components(
    project_dir: Path, keypoints: Path, roots: Iterable[str | Path] = ()
) -> tuple[ComponentBodyPart, ...]:
    """Correlate every component of a project with every track of a file of keypoints.

    Pairs are left out where a track is missing in more than half of the frames, where the component's
    band lies beyond what the frame rate shows, where one of the two does not change, and where a component's
    loadings are not finite.

    Parameters
    ----------
    project_dir
        The project.
    keypoints
        The file of keypoints.
    roots
        Data directories that files of the project may be links into; see `Project.open`.

    Raises
    ------
    ProjectError
        The project or the file is incomplete.
    KeypointError
        The two have different numbers of frames.
    """
    project = Project.open(project_dir, roots)
    predictions = read_keypoints(keypoints)
    if predictions.n_frames != sum(project.n_frames):
        raise KeypointError(
            f"{keypoints} has {predictions.n_frames} frames, the project {project_dir} "
            f"{sum(project.n_frames)}: they are of different recordings"
        )
    pairs = tuple(_pairs(project, predictions))
    found = q_values([pair.coupling.p_value for pair in pairs])
    return tuple(replace(pair, q_value=q) for pair, q in zip(pairs, found, strict=True))


@dataclass(frozen=True, eq=False)
class ComponentCourse:
    """When a component is strong, in the videos that its model is of.

    Attributes
    ----------
    model_key, component_index
        The component.
    centre_hz, bandwidth_hz
        Middle and width of its band.
    loadings
        (W,) loadings over time, of each video.
    window_centres
        (W,) frames at the middle of the windows, of each video.
    spans
        Frames of each video within the recording.
    clocks
        Of each video.
    """

    model_key: str
    component_index: int
    centre_hz: float
    bandwidth_hz: float
    loadings: tuple[NDArray[np.float64], ...]
    window_centres: tuple[NDArray[np.floating], ...]
    spans: tuple[slice, ...]
    clocks: tuple[Clock, ...]

    def band_limited(self, positions: NDArray[np.floating]) -> list[NDArray[np.float64]] | None:
        """(T,) speed within the band, in each video, of positions (T, D) of the whole recording.

        None where it cannot be had in one of them; NaN in stretches that are too short.
        """
        speeds = [
            band_speed(
                np.asarray(positions[span], np.float64),
                clock,
                centre_hz=self.centre_hz,
                bandwidth_hz=self.bandwidth_hz,
            )
            for span, clock in zip(self.spans, self.clocks, strict=True)
        ]
        known = [speed for speed in speeds if speed is not None]
        return known if len(known) == len(speeds) else None


def component_courses(project: Project) -> Iterator[ComponentCourse]:
    """Yield the components of all models whose band and loadings over time are known and finite."""
    clocks = [project.clock(video) for video in range(len(project.video_keys))]
    windows = fitted_windows(project, with_breaks=False)
    for model in summarise_models(project):
        courses_of = _courses(project, model.model_key)
        for index, component in enumerate(model.components):
            centre, width = component.centroid_frequency_hz, component.bandwidth_hz
            courses = courses_of.get(index, {})
            if not courses or not (math.isfinite(centre) and centre > 0):
                continue
            if not all(np.isfinite(loadings).all() for loadings in courses.values()):
                continue
            yield ComponentCourse(
                model.model_key,
                index,
                centre,
                width if math.isfinite(width) else 0.0,
                tuple(courses.values()),
                tuple(windows[video].centres for video in courses),
                tuple(_spans(project, list(courses))),
                tuple(clocks[video] for video in courses),
            )


def _pairs(project: Project, predictions: Predictions) -> Iterator[ComponentBodyPart]:
    rate = project.frame_rate_hz
    for course in component_courses(project):
        for i, individual in enumerate(predictions.individuals):
            for k, part in enumerate(predictions.body_parts):
                speeds = course.band_limited(predictions.positions[:, i, k])
                if speeds is None:
                    continue
                coupling = couple(
                    course.loadings, speeds, course.window_centres, frame_rate_hz=rate
                )
                if coupling is not None:
                    yield ComponentBodyPart(
                        course.model_key, course.component_index, individual, part, coupling
                    )


def band_speed(
    positions: NDArray[np.float64], clock: Clock, *, centre_hz: float, bandwidth_hz: float
) -> NDArray[np.float64] | None:
    """(T,) band-limited speed between gaps of a clock; NaN in stretches that are too short.

    Parameters
    ----------
    positions
        (T, D) of a track, or of anything else that moves; NaN where not known.
    clock
        When the frames were taken.
    centre_hz, bandwidth_hz
        As of `core.coupling.band_limited_speed`.

    Returns
    -------
    (T,) float64, or None where no stretch has a value.
    """
    speed = np.full(len(positions), np.nan)
    for stretch in clock.stretches:
        frames = slice(stretch.first, stretch.stop)
        part, samples = positions[frames], np.arange(stretch.n_samples)
        if stretch.knots is not None:
            part = np.stack([np.interp(samples, stretch.knots, axis) for axis in part.T], axis=1)
        found = band_limited_speed(
            part,
            frame_rate_hz=clock.frame_rate_hz,
            centre_hz=centre_hz,
            bandwidth_hz=bandwidth_hz,
        )
        if found is not None and stretch.knots is not None:
            found = np.interp(stretch.knots, samples, found)
        if found is not None:
            speed[frames] = found
    return None if np.isnan(speed).all() else speed


def _courses(project: Project, model_key: str) -> dict[int, dict[int, NDArray[np.float64]]]:
    """Return the loadings over time by component and video, of complex ones the magnitude."""
    try:
        courses = project_courses(project, project_factors(project, model_key), with_breaks=False)
    except ParameterError as error:
        logger.info("%s: model %s: %s", project.directory, model_key, error)
        return {}
    found: dict[int, dict[int, NDArray[np.float64]]] = {}
    for course in courses:
        loadings = real_loadings(course.loadings).astype(np.float64)
        found.setdefault(course.component_index, {})[course.video_index] = loadings
    return found


def _spans(project: Project, videos: list[int]) -> list[slice]:
    """Frames of these videos within the recording."""
    starts = np.concatenate([[0], np.cumsum(project.n_frames)])
    return [slice(int(starts[video]), int(starts[video + 1])) for video in videos]
