"""What pages are told of a project in JSON: texts and few numbers; arrays go as bytes."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from element_facerhythm.core.decomposition.half_power import half_power_band
from element_facerhythm.core.decomposition.loadings import TimeCourse
from element_facerhythm.figures import figure_names
from element_facerhythm.figures.component_panels import ComponentPanels
from element_facerhythm.gui.look_clips import EPISODE_S, N_EPISODES
from element_facerhythm.gui.look_project import BLOCK_FRAMES, LookProject
from element_facerhythm.io.stored_factors import (
    project_factors,
    project_spectra,
)
from element_facerhythm.movies.episodes import strongest_episodes
from element_facerhythm.pipeline.records import ModelSummary, ProjectSummary


def project_facts(look: LookProject) -> dict[str, Any]:
    """Return what a page needs before anything else; reads no array that grows with the recording but times.

    Parameters
    ----------
    look
        The project.
    """
    project = look.project
    height, width = look.size_px
    return {
        "id": look.id,
        "name": look.directory.resolve().name,
        "directory": str(look.directory),
        "layout": project.layout,
        "frame_rate_hz": project.frame_rate_hz,
        "n_points": len(project.point_positions),
        "n_frequencies": len(project.frequencies_hz),
        "width_px": width,
        "height_px": height,
        "block_frames": BLOCK_FRAMES,
        "regions": [name for name, _ in look.regions],
        "models": [{"key": key, "rank": len(model.weights)} for key, model in look.models.items()],
        "videos": [_sequence_facts(look, index) for index in range(look.n_sequences)],
        "figures": list(figure_names(project)),
        "notes": list(look.notes),
    }


def _sequence_facts(look: LookProject, index: int) -> dict[str, Any]:
    clock = look.clocks[index]
    return {
        "name": look.project.video_names[index],
        "n_frames": clock.n_frames,
        "frame_rate_hz": clock.frame_rate_hz,
        "start_s": float(clock.times_s[0]),
        "duration_s": clock.duration_s,
        "is_plain": clock.is_plain,
        "n_windows": look.project.spectrogram(index).shape[3],
        "has_confidence": look.confidences[index] is not None,
        "parts": [asdict(part) for part in look.parts[index]],
    }


def model_facts(look: LookProject, key: str) -> dict[str, Any]:
    """Return peak, half-power band, scales and strongest episodes of each component of a model.

    The scales are those of figures: factors of maps, spectra and time courses, so that components compare.

    Parameters
    ----------
    look
        The project.
    key
        Of the model.
    """
    project = look.project
    factors = project_factors(project, key, look.models)
    courses = look.courses(key)
    spectra = project_spectra(project, factors)
    stated = project.settings("VQT_Analyzer").get("spectrogram_exponent", 1.0)
    exponent = float(stated) if isinstance(stated, int | float) else 1.0
    bands = [
        half_power_band(own, spectra.frequencies_hz, exponent=exponent) for own in spectra.loadings
    ]
    return {
        "largest": [_largest(panel) for panel in look.panels(key)],
        "scales": [list(map(as_number, panel.scales)) for panel in look.panels(key)],
        "videos": sorted({course.video_index for course in courses}),
        "components": [
            {
                "peak_frequency_hz": as_number(peak),
                "half_power_hz": [as_number(edge) for edge in band],
                "episodes": _episodes(look, [c for c in courses if c.component_index == index]),
            }
            for index, (peak, band) in enumerate(zip(spectra.peaks_hz, bands, strict=True))
        ],
    }


def _largest(panel: ComponentPanels) -> list[float | None]:
    """Largest loading of a point, at a frequency and at a moment: of what `ComponentPanels.scales` scale."""
    every = np.concatenate([loadings for _, loadings in panel.time_courses])
    lengths = np.linalg.norm(panel.maps.astype(np.float64), axis=0)
    parts = (lengths, panel.frequency, every)
    return [as_number(np.nanmax(np.abs(part), initial=0.0)) for part in parts]


def _episodes(look: LookProject, courses: list[TimeCourse]) -> list[dict[str, Any]]:
    found = strongest_episodes(courses, look.clocks, n=N_EPISODES, seconds=EPISODE_S)
    return [asdict(episode) for episode in found]


def summary_facts(summary: ProjectSummary) -> dict[str, Any]:
    """Return the numbers of rows and figures.

    Parameters
    ----------
    summary
        Of the project.
    """
    return {
        "quality": [_finite(asdict(verdict)) for verdict in summary.quality],
        "models": {model.model_key: _model(model) for model in summary.models},
        "videos": [
            {
                "n_violations": video.n_violations,
                "violation_fraction": as_number(video.violation_fraction),
                "violation_frame_fraction": as_number(video.violation_frame_fraction),
                "n_dropped_frames": video.n_dropped_frames,
                "n_held_frames": video.n_held_frames,
                "n_dark_frames": video.n_dark_frames,
                "n_frozen_frames": video.n_frozen_frames,
            }
            for video in summary.videos
        ],
    }


def point_facts(summary: ProjectSummary, point: int) -> dict[str, Any]:
    """Return the numbers of one point.

    Parameters
    ----------
    summary, point
        Of the project, and which point.
    """
    return _finite(asdict(summary.points[point]))


def _model(model: ModelSummary) -> dict[str, Any]:
    return {
        "method": model.method,
        "explained_variance": as_number(model.explained_variance),
        "r_squared": as_number(model.r_squared),
        "stability": as_number(model.stability),
        "components": [_finite(asdict(component)) for component in model.components],
    }


def as_number(value: Any) -> float | None:
    """Return a number for JSON; None where it is not finite."""
    number = float(value)
    return number if math.isfinite(number) else None


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: as_number(value) if isinstance(value, float | np.floating) else value
        for name, value in values.items()
    }
