"""Ours on the requests that `peer_run` takes, in a process of its own, stage by stage.

``python -m benchmarks.ours_run REQUEST.json ANSWER.json``. Beside ``jobs``, a request has ``variant``, a
name of `variants.VARIANTS`, and ``n_warm_up``: frames tracked beforehand, untimed, so that compiled
kernels are loaded.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.variants import DEFAULT, FLOWS
from element_facerhythm.core.decomposition import decompose
from element_facerhythm.core.rois import place_rois
from element_facerhythm.core.spectral import FilterBank, point_spectrograms
from element_facerhythm.core.tracking import TrackedVideo, VideoToTrack
from element_facerhythm.core.tracking.anchored import track_anchored
from element_facerhythm.core.tracking.videos import track_videos
from element_facerhythm.io.rois_file import read_rois
from element_facerhythm.parameters import parameters_from_mapping
from element_facerhythm.parameters.tree import Parameters
from element_facerhythm.pipeline.run.core_arguments import (
    anchored_settings,
    axis_plan,
    filter_bank,
    fit_settings,
    normalisation,
    tensor_scaling,
    tracking_mesh,
    tracking_settings,
    transform_options,
)
from element_facerhythm.pipeline.run.tracking_stage import n_cores
from element_facerhythm.pipeline.run.windows import sampled, window_layout
from element_facerhythm.video import VideoMetadata, iterate_gray_frames, probe_video
from element_facerhythm.video.clock import Clock


def main() -> None:
    """Answer one request."""
    request_path, answer_path = map(Path, sys.argv[1:])
    request = json.loads(request_path.read_text())
    variant = request.get("variant", "default")
    if n_warm_up := request.get("n_warm_up", 0):
        run_job({**request["jobs"][0], "steps": ["track"], "arrays": None}, variant, n_warm_up)
    answer = {"jobs": [run_job(job, variant)[0] for job in request["jobs"]]}
    answer_path.write_text(json.dumps(answer))


def run_job(
    job: Mapping[str, Any], variant: str = "default", n_frames: int | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run one job; return its facts, as the peer gives them, and its arrays."""
    parameters = parameters_from_mapping(job["parameters"]).parameters
    seconds: dict[str, float] = {}
    arrays: dict[str, Any] = {}
    started = time.perf_counter()
    tracks = _track(job, parameters, variant, n_frames)
    seconds["track"] = time.perf_counter() - started
    arrays |= {f"points/{i}": track.points for i, (track, _) in enumerate(tracks)}
    sure = {f"confidence/{i}": track.confidence for i, (track, _) in enumerate(tracks)}
    arrays |= {name: confidence for name, confidence in sure.items() if confidence is not None}
    if "vqt" in job["steps"]:
        started = time.perf_counter()
        arrays |= _vqt(job, parameters, tracks)
        seconds["vqt"] = time.perf_counter() - started
    if "tca" in job["steps"]:
        started = time.perf_counter()
        arrays |= _tca(parameters, arrays)
        seconds["tca"] = time.perf_counter() - started
    if job["arrays"] is not None:
        np.savez(job["arrays"], **arrays)
    facts = {
        "n_frames": sum(len(track.points) for track, _ in tracks),
        "n_points": len(tracks[0][1]),
        "n_flags": sum(len(track.violation_rows) for track, _ in tracks),
        "n_frames_processed": sum(track.n_frames_processed for track, _ in tracks),
    }
    return {"seconds": seconds, **facts}, arrays


def _track(
    job: Mapping[str, Any], parameters: Parameters, variant: str, n_frames: int | None
) -> list[tuple[TrackedVideo, Any]]:
    """Track every video, several at the same time; return tracks with the points' homes."""
    videos = [probe_video(Path(name)) for name in job["videos"]]
    placed = place_rois(
        read_rois(Path(job["rois"])),
        height_px=videos[0].height_px,
        width_px=videos[0].width_px,
        spacing_px=parameters.ROIs.make_rois.point_spacing,
    )
    home = placed.point_positions
    anchored = anchored_settings(parameters) if variant == DEFAULT else None
    lengths = [min(n_frames or video.n_frames, video.n_frames) for video in videos]
    to_track = [
        VideoToTrack(
            _opener(video), n, np.empty((n, len(home), 2), np.float32),
            confidence=None if anchored is None else np.empty((n, len(home)), np.float16),
        )
        for video, n in zip(videos, lengths, strict=True)
    ]  # fmt: skip
    if anchored is not None:
        tracks = track_anchored(
            to_track,
            home,
            anchored,
            mesh=tracking_mesh(parameters, home),
            visible_mask=placed.visible_mask,
            n_threads=n_cores(),
        )
        return [(track, home) for track in tracks]
    settings = FLOWS[variant](tracking_settings(parameters))
    tracks = track_videos(
        to_track,
        home,
        settings,
        mesh=tracking_mesh(parameters, home),
        visible_mask=placed.visible_mask,
        backend="opencv" if settings.dynamics.as_face_rhythm else "compiled",
        n_threads=n_cores(),
    )
    return [(track, home) for track in tracks]


def _opener(video: VideoMetadata) -> Callable[[int], Iterator[Any]]:
    return lambda start: iterate_gray_frames(video.path, start=start)


def _vqt(
    job: Mapping[str, Any], parameters: Parameters, tracks: list[tuple[TrackedVideo, Any]]
) -> dict[str, Any]:
    clocks = [probe_video(path).clock for path in job["videos"]]
    spectrograms = {
        f"spectrograms/{i}": spectrogram(parameters, track.points, home, clock)
        for i, ((track, home), clock) in enumerate(zip(tracks, clocks, strict=True))
    }
    return {**spectrograms, "frequencies": _filters(parameters).frequencies_hz}


def _filters(parameters: Parameters) -> FilterBank:
    """Make the filters at the sampling rate that the parameters name, as the peer does."""
    return filter_bank(parameters, float(parameters.VQT_Analyzer.params_VQT.Fs_sample))


def spectrogram(parameters: Parameters, points: Any, home: Any, clock: Clock | None = None) -> Any:
    """(2, P, F, W) spectrogram of tracks (T, P, 2), by the clock of their video where it is given."""
    bank = _filters(parameters)
    how = (bank, transform_options(parameters), normalisation(parameters))
    if clock is None or clock.n_frames != len(points):
        return point_spectrograms(points, home, *how)
    parts = [
        point_spectrograms(sampled(points, stretch), home, *how)
        for stretch, _ in window_layout(clock, bank, parameters).stretches
    ]
    return np.concatenate(parts, axis=-1)


def _tca(parameters: Parameters, arrays: Mapping[str, Any]) -> dict[str, Any]:
    spectrograms = {
        name.removeprefix("spectrograms/"): array
        for name, array in arrays.items()
        if name.startswith("spectrograms/")
    }
    plan, fit = axis_plan(parameters), fit_settings(parameters)
    decomposition = decompose(spectrograms, plan, fit, tensor_scaling(parameters))
    return {
        f"factors/{element}/{name}": factor
        for element, model in decomposition.models.items()
        for name, factor in model.factors.items()
    }


if __name__ == "__main__":
    main()
