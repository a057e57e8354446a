"""How far the answers are from what was planted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.arrays import Float64Array
from element_facerhythm.errors import ProjectError
from element_facerhythm.pipeline.run.run_file import parameters_of_run

if TYPE_CHECKING:
    from element_facerhythm.demo.synthetic import Scene, Source
    from element_facerhythm.figures.components import ComponentPanels
    from element_facerhythm.io.project import Project


@dataclass(frozen=True)
class TrackingTruth:
    """Distances in pixels between tracks and true positions, over the point-frames in plain view."""

    error_median_px: float
    error_p95_px: float
    n_hidden: int
    hidden_flagged_fraction: float


@dataclass(frozen=True)
class RhythmTruth:
    """One planted rhythm and the component that found it.

    `place_congruence` and `time_congruence` are cosines between planted and found: of the loadings
    over points and directions, and of the time course (what the same filter bank makes of the
    planted movement alone). 1 is the same up to a factor.
    """

    name: str
    planted_hz: float
    found_hz: float
    bin_width_hz: float
    component_index: int
    place_congruence: float
    time_congruence: float


@dataclass(frozen=True)
class Truth:
    """Both comparisons."""

    tracking: TrackingTruth
    rhythms: tuple[RhythmTruth, ...]


def compare_with_truth(project: Project, scene: Scene) -> Truth:
    """Compare a finished project of the scene's video with the scene.

    Parameters
    ----------
    project
        With its tracks, spectrograms and decomposition.
    scene
        What was rendered.

    Raises
    ------
    ProjectError
        A product is missing or damaged.
    ParameterError
        The decomposition has no points, frequencies or time to compare.
    """
    return Truth(
        tracking=_compare_tracking(project, scene),
        rhythms=tuple(_compare_rhythms(project, scene)),
    )


def _compare_tracking(project: Project, scene: Scene) -> TrackingTruth:
    home = project.point_positions.astype(np.float64)
    tracking = project.tracking(0)
    tracked = np.asarray(tracking.points, dtype=np.float64)
    true = scene.true_positions(home)
    hidden = scene.occluded(home)
    flagged = np.zeros(hidden.shape, dtype=bool)
    flagged[tracking.violation_rows, tracking.violation_cols] = True
    in_view = ~hidden & ~flagged
    error = np.linalg.norm(tracked - true, axis=-1)
    return TrackingTruth(
        error_median_px=float(np.median(error[in_view])),
        error_p95_px=float(np.quantile(error[in_view], 0.95)),
        n_hidden=int(hidden.sum()),
        hidden_flagged_fraction=float(flagged[hidden].mean()) if hidden.any() else float("nan"),
    )


def _compare_rhythms(project: Project, scene: Scene) -> list[RhythmTruth]:
    """Pair planted rhythms with components so that the congruences are largest together."""
    from scipy.optimize import linear_sum_assignment

    from element_facerhythm.figures.components import component_panels

    panels = component_panels(project)
    frequencies = project.frequencies_hz.astype(np.float64)
    planted = [s for s in scene.sources if _is_within(s, frequencies)]
    pairs = [[_congruences(project, scene, s, panel) for panel in panels] for s in planted]
    scores = np.prod(np.array(pairs), axis=-1)
    rows, columns = linear_sum_assignment(-scores)
    found = []
    for row, column in zip(rows, columns, strict=True):
        place, time = pairs[row][column]
        planted_hz = float(planted[row].frequency_hz or 0.0)
        found.append(
            RhythmTruth(
                name=planted[row].name,
                planted_hz=planted_hz,
                found_hz=panels[column].peak_frequency_hz,
                bin_width_hz=_bin_width(frequencies, planted_hz),
                component_index=int(column),
                place_congruence=place,
                time_congruence=time,
            )
        )
    return found


def _is_within(source: Source, frequencies_hz: Float64Array) -> bool:
    hz = source.frequency_hz
    return hz is not None and frequencies_hz[0] <= hz <= frequencies_hz[-1]


def _bin_width(frequencies_hz: Float64Array, planted_hz: float) -> float:
    above = int(np.searchsorted(frequencies_hz, planted_hz))
    above = min(max(above, 1), len(frequencies_hz) - 1)
    return float(frequencies_hz[above] - frequencies_hz[above - 1])


def _congruences(
    project: Project, scene: Scene, source: Source, panel: ComponentPanels
) -> tuple[float, float]:
    weight = source.region.weight(project.point_positions)
    pattern = np.abs(np.outer(source.direction, weight))
    if len(panel.maps) == 1:
        pattern = np.linalg.norm(pattern, axis=0, keepdims=True)
    _, found = panel.time_courses[0]
    return _cosine(pattern, panel.maps), _cosine(
        _planted_time_course(project, scene, source), found
    )


def _planted_time_course(project: Project, scene: Scene, source: Source) -> Float64Array:
    """(W,) amplitude that the project's own filter bank gives for the planted movement alone."""
    from element_facerhythm.core.spectral import variable_q_transform
    from element_facerhythm.pipeline.run.core_arguments import filter_bank, transform_options

    parameters = parameters_of_run(project.directory)
    if parameters is None:
        raise ProjectError(f"{project.directory} has no run.json; give the demo's own project")
    bank = filter_bank(parameters, project.frame_rate_hz)
    options = replace(transform_options(parameters), take_abs=True, averaging="exact")
    trace = source.time_course(scene.times_s())[None].astype(np.float32)
    amplitude = variable_q_transform(trace, bank, options)
    row = int(np.argmin(np.abs(project.frequencies_hz - (source.frequency_hz or 0.0))))
    return np.asarray(amplitude)[0, row].astype(np.float64)


def _cosine(one: npt.NDArray[np.floating], other: npt.NDArray[np.floating]) -> float:
    a, b = np.ravel(one).astype(np.float64), np.ravel(other).astype(np.float64)
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norm if norm > 0 else 0.0
