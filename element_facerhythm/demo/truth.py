"""How far the answers are from what was planted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from element_facerhythm.figures.components import ComponentPicture
    from element_facerhythm.io.project import Project
    from element_facerhythm.synthetic import Scene, Source

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TrackingTruth:
    """Distances in pixels between tracks and truth, over the point-frames in plain view.

    `error_*` compare with the track that a perfect flow would give under the parameters' relaxation
    (a leaky sum of the true steps); `displacement_error_*` with the true positions themselves, from
    which relaxation takes slow motion away on purpose.
    """

    error_median_px: float
    error_p95_px: float
    displacement_error_median_px: float
    displacement_error_p95_px: float
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


def compare_with_truth(project: Project, scene: Scene, *, relaxation: float) -> Truth:
    """Compare a finished project of the scene's video with the scene."""
    return Truth(
        tracking=_compare_tracking(project, scene, relaxation=relaxation),
        rhythms=tuple(_compare_rhythms(project, scene)),
    )


def expected_track(
    positions_px: FloatArray, home_px: FloatArray, *, relaxation: float
) -> FloatArray:
    """(T, P, 2) track of a perfect flow that is pulled home by `relaxation` in every frame."""
    steps = np.diff(positions_px, axis=0, prepend=positions_px[:1])
    track = np.empty_like(positions_px)
    offset = positions_px[0] - home_px
    for index, step in enumerate(steps):
        offset = (offset + step) * (1 - relaxation)
        track[index] = home_px + offset
    return track


def _compare_tracking(project: Project, scene: Scene, *, relaxation: float) -> TrackingTruth:
    home = project.point_positions.astype(np.float64)
    tracking = project.tracking(0)
    tracked = np.asarray(tracking.points, dtype=np.float64)
    true = scene.true_positions(home)
    hidden = scene.occluded(home)
    flagged = np.zeros(hidden.shape, dtype=bool)
    flagged[tracking.violation_rows, tracking.violation_cols] = True
    in_view = ~hidden & ~flagged
    error = np.linalg.norm(tracked - expected_track(true, home, relaxation=relaxation), axis=-1)
    displacement_error = np.linalg.norm(tracked - true, axis=-1)
    return TrackingTruth(
        error_median_px=float(np.median(error[in_view])),
        error_p95_px=float(np.quantile(error[in_view], 0.95)),
        displacement_error_median_px=float(np.median(displacement_error[in_view])),
        displacement_error_p95_px=float(np.quantile(displacement_error[in_view], 0.95)),
        n_hidden=int(hidden.sum()),
        hidden_flagged_fraction=float(flagged[hidden].mean()) if hidden.any() else float("nan"),
    )


def _compare_rhythms(project: Project, scene: Scene) -> list[RhythmTruth]:
    """Pair planted rhythms with components so that the congruences are largest together."""
    from scipy.optimize import linear_sum_assignment

    from element_facerhythm.figures.components import component_pictures

    pictures = component_pictures(project)
    frequencies = project.frequencies_hz.astype(np.float64)
    planted = [s for s in scene.sources if _is_within(s, frequencies)]
    pairs = [[_congruences(project, scene, s, picture) for picture in pictures] for s in planted]
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
                found_hz=pictures[column].peak_frequency_hz,
                bin_width_hz=_bin_width(frequencies, planted_hz),
                component_index=int(column),
                place_congruence=place,
                time_congruence=time,
            )
        )
    return found


def _is_within(source: Source, frequencies_hz: FloatArray) -> bool:
    hz = source.frequency_hz
    return hz is not None and frequencies_hz[0] <= hz <= frequencies_hz[-1]


def _bin_width(frequencies_hz: FloatArray, planted_hz: float) -> float:
    above = int(np.searchsorted(frequencies_hz, planted_hz))
    above = min(max(above, 1), len(frequencies_hz) - 1)
    return float(frequencies_hz[above] - frequencies_hz[above - 1])


def _congruences(
    project: Project, scene: Scene, source: Source, picture: ComponentPicture
) -> tuple[float, float]:
    weight = source.region.weight(project.point_positions)
    pattern = np.abs(np.outer(source.direction, weight))
    if len(picture.maps) == 1:
        pattern = np.linalg.norm(pattern, axis=0, keepdims=True)
    _, found = picture.time_courses[0]
    return _cosine(pattern, picture.maps), _cosine(_planted_course(project, scene, source), found)


def _planted_course(project: Project, scene: Scene, source: Source) -> FloatArray:
    """(W,) amplitude that the project's own filter bank gives for the planted movement alone."""
    from element_facerhythm.core.spectral import make_filter_bank, variable_q_transform

    settings = project.config["VQT_Analyzer"]["params_VQT"]
    bank = make_filter_bank(
        frame_rate_hz=project.frame_rate_hz,
        q_low=settings["Q_lowF"],
        q_high=settings["Q_highF"],
        freq_min_hz=settings["F_min"],
        freq_max_hz=settings["F_max"],
        n_freq_bins=settings["n_freq_bins"],
    )
    trace = source.time_course(scene.times_s())[None].astype(np.float32)
    amplitude = variable_q_transform(
        trace,
        bank,
        downsample_factor=settings["downsample_factor"],
        padding=settings["padding"],
        take_abs=True,
        device="cpu",
    )
    row = int(np.argmin(np.abs(project.frequencies_hz - (source.frequency_hz or 0.0))))
    return np.asarray(amplitude)[0, row].astype(np.float64)


def _cosine(one: npt.NDArray[np.floating], other: npt.NDArray[np.floating]) -> float:
    a, b = np.ravel(one).astype(np.float64), np.ravel(other).astype(np.float64)
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norm if norm > 0 else 0.0
