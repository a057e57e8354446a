"""Which body parts move with which component, for a recording that has both."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.coupling import Coupling, band_limited_speed, couple
from element_facerhythm.core.decomposition.loadings import real_loadings
from element_facerhythm.errors import KeypointError, ParameterError
from element_facerhythm.io.project import Project
from element_facerhythm.io.stored_factors import fitted_windows, project_courses, project_factors
from element_facerhythm.keypoints.predictions import Predictions
from element_facerhythm.keypoints.product import read_keypoints
from element_facerhythm.pipeline.records import ModelSummary
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
    """

    model_key: str
    component_index: int
    individual: str
    body_part: str
    coupling: Coupling


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
    models = summarise_models(project)
    return tuple(pair for model in models for pair in _pairs(project, model, predictions))


def _pairs(
    project: Project, model: ModelSummary, predictions: Predictions
) -> Iterator[ComponentBodyPart]:
    rate = project.frame_rate_hz
    clocks = [project.clock(video) for video in range(len(project.video_keys))]
    courses_of = _courses(project, model.model_key)
    windows = fitted_windows(project, with_breaks=False)
    for index, component in enumerate(model.components):
        centre, width = component.centroid_frequency_hz, component.bandwidth_hz
        courses = courses_of.get(index, {})
        if not courses or not (math.isfinite(centre) and centre > 0):
            continue
        if not all(np.isfinite(loadings).all() for loadings in courses.values()):
            continue
        spans = _spans(project, list(courses))
        centres = [windows[video].centres for video in courses]
        for i, individual in enumerate(predictions.individuals):
            for k, part in enumerate(predictions.body_parts):
                speeds = [
                    _speed(
                        np.asarray(predictions.positions[span, i, k], np.float64),
                        clocks[video],
                        centre_hz=centre,
                        bandwidth_hz=width if math.isfinite(width) else 0.0,
                    )
                    for video, span in zip(courses, spans, strict=True)
                ]
                known = [speed for speed in speeds if speed is not None]
                if len(known) < len(speeds):
                    continue
                coupling = couple(list(courses.values()), known, centres, frame_rate_hz=rate)
                if coupling is not None:
                    yield ComponentBodyPart(model.model_key, index, individual, part, coupling)


def _speed(
    positions: NDArray[np.float64], clock: Clock, *, centre_hz: float, bandwidth_hz: float
) -> NDArray[np.float64] | None:
    """(T,) band-limited speed of a track between gaps of its clock; NaN in stretches that are too short."""
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
