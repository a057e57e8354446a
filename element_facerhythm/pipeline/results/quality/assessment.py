"""All checks of one project."""

from __future__ import annotations

from collections.abc import Mapping

from element_facerhythm.errors import ParameterError
from element_facerhythm.io.project import Project
from element_facerhythm.parameters.quality import QualityLimits
from element_facerhythm.parameters.reading import parameters_from_mapping
from element_facerhythm.pipeline.records import ProjectSummary, Verdict
from element_facerhythm.pipeline.results.model_summary import as_model
from element_facerhythm.pipeline.results.quality.clock import (
    clock_measures,
    run_file_of,
    suspect_frames,
)
from element_facerhythm.pipeline.results.quality.components import data_measures, model_measures
from element_facerhythm.pipeline.results.quality.judging import judge
from element_facerhythm.pipeline.results.quality.picture import FrameLight, light_measures
from element_facerhythm.pipeline.results.quality.tracks import track_measures


def assess(project: Project, summary: ProjectSummary) -> tuple[Verdict, ...]:
    """Judge whether the results of a project are plausible.

    Parameters
    ----------
    project
        A finished project, of this package or of face-rhythm.
    summary
        Its numbers; `summarise_project` returns them together with these verdicts.

    Returns
    -------
    tuple of Verdict
        One per check, in the order of `QualityLimits`.

    Raises
    ------
    ParameterError
        ``run.json`` holds limits that are invalid.
    ProjectError
        A product is missing or damaged.
    """
    models = {key: as_model(stored) for key, stored in project.models().items()}
    n_frames = sum(video.n_frames for video in summary.videos)
    frequencies_hz = summary.frequencies_hz
    measures = {
        measure.name: measure
        for group in (
            data_measures(models, summary.videos, frequencies_hz, project.element_axis()),
            track_measures(project, summary.videos, summary.points),
            light_measures(_lights(project), summary.frame_rate_hz),
            clock_measures(project, n_frames),
            [suspect_frames(project, n_frames)],
            model_measures(summary.models, models, frequencies_hz, summary.n_points),
        )
        for measure in group
    }
    limits = limits_of(project)
    return tuple(judge(measures[name], limits) for name in QualityLimits.model_fields)


def limits_of(project: Project) -> QualityLimits:
    """Limits that a project was run with; the defaults where it does not say.

    Raises
    ------
    ParameterError
        The limits in ``run.json`` are invalid.
    """
    parameters = run_file_of(project).get("parameters")
    limits = parameters.get("Quality") if isinstance(parameters, Mapping) else None
    if limits is None:
        return QualityLimits()
    try:
        return parameters_from_mapping({"Quality": limits}, quote=False).parameters.Quality
    except ParameterError as error:
        raise ParameterError(
            f"{project.directory / 'run.json'} does not say with what limits its results are judged: "
            f"{error}; run the project again (the stages that are there are reused)"
        ) from error


def _lights(project: Project) -> list[FrameLight] | None:
    """Light of every tracked video; None where one has none."""
    lights = []
    for index, name in enumerate(project.video_names):
        tracking = project.tracking(index)
        if tracking.frame_light is None or tracking.held_frames is None:
            return None
        lights.append(FrameLight(name, tracking.frame_light, tracking.held_frames))
    return lights
