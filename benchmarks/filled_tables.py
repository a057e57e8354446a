"""What the generated rows of each table hold, in SQL that MySQL, MariaDB and PostgreSQL understand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType

import numpy as np

from benchmarks.filled_values import (
    FRAME_RATE_HZ,
    FRAMES_PER_VIDEO,
    LIBRARIES,
    PRODUCTS,
    STAGES,
    Rows,
    Shape,
    between,
    noise,
)

Json = Callable[[str], str]
ANALYSIS = {"paramset_id": "0", "roi_id": "0"}
RECORDING_DIR = (
    "CONCAT('subject-', r.subject, '/session-', r.session_id, '/recording-', r.recording_id)"
)
PROJECT_DIR = f"CONCAT({RECORDING_DIR}, '/paramset-0_roi-0')"
TIME = "TIMESTAMP '2026-04-01 12:00:00'"
DURATION_S = FRAMES_PER_VIDEO / FRAME_RATE_HZ
N_BODY_PARTS = 15


def digest(salt: int, *aliases: str) -> str:
    """Return SQL of 64 digits in the place of a SHA-256."""
    digits = ", ".join(f"{alias}.number" for alias in ("r", *aliases))
    return f"LPAD(CONCAT({salt}, {digits}), 64, '0')"


def one_in(every: int) -> str:
    """Return an SQL condition that takes one recording in so many."""
    return f"MOD(r.number, {every}) = 0"


def chosen(values: tuple[str, ...], alias: str) -> str:
    """Return SQL of one of several texts, by the number of a series."""
    cases = " ".join(f"WHEN {i} THEN '{value}'" for i, value in enumerate(values))
    return f"CASE {alias}.number {cases} END"


def packed(values: np.ndarray) -> bytes:
    """Bytes of a `<blob>` column."""
    from datajoint import blob

    return bytes(blob.pack(values))


def recording_rows(fbe: ModuleType, shape: Shape, json: Json) -> Iterator[Rows]:
    """Files, facts, regions of interest and tasks."""
    videos = {"v": shape.n_videos}
    file_path = f"CONCAT({RECORDING_DIR}, '/part', v.number, '.mp4')"
    n_frames = str(shape.n_videos * FRAMES_PER_VIDEO)
    yield Rows(fbe.VideoRecording.File, {"file_id": "v.number", "file_path": file_path}, videos)
    yield Rows(
        fbe.RecordingInfo,
        {
            "facts_source": "'video'", "n_files": str(shape.n_videos), "width_px": "640", "height_px": "480",
            "frame_rate_hz": str(FRAME_RATE_HZ), "n_frames": n_frames, "n_frames_header": n_frames,
            "duration_s": str(shape.n_videos * DURATION_S), "size_bytes": "4000000000",
            "recording_time": TIME, "frame_rate_source": "'stamps'", "jitter_s": "0.0001",
            "rate_changes": "false", "n_dropped_frames": "0", "n_gaps": "0",
        },
        {},
    )  # fmt: skip
    yield Rows(
        fbe.RecordingInfo.File,
        {
            "file_id": "v.number", "file_n_frames": str(FRAMES_PER_VIDEO), "file_n_frames_header": "null",
            "file_duration_s": str(DURATION_S), "codec": "'h264'", "pixel_format": "'yuv420p'",
            "file_size_bytes": "400000000", "file_sha256": digest(1, "v"), "file_recording_time": TIME,
            "file_frame_rate_hz": str(FRAME_RATE_HZ),
        },
        videos,
    )  # fmt: skip
    yield Rows(fbe.FaceRhythmROI, {"roi_id": "0", "rois_sha256": digest(2)}, {})
    yield Rows(
        fbe.FaceRhythmROI.Polygon,
        {
            "roi_id": "0", "role": "CASE p.number WHEN 0 THEN 'points' ELSE 'mask' END",
            "polygon_index": "0", "roi_name": "CASE p.number WHEN 0 THEN 'points_0' ELSE 'mask_0' END",
            "region_kind": "CASE p.number WHEN 0 THEN 'motion' ELSE 'mask' END",
            "n_vertices": "4", "area_px2": between(2e4, 6e4, 3, "p"),
            "vertices": json("'[[160.0, 120.0], [480.0, 120.0], [480.0, 360.0], [160.0, 360.0]]'"),
            "polygon_centroid_x_px": between(300, 340, 4, "p"),
            "polygon_centroid_y_px": between(220, 260, 5, "p"),
        },
        {"p": 2},
    )  # fmt: skip
    yield Rows(
        fbe.FaceRhythmTask,
        {"paramset_id": "t.number", "roi_id": "0", "task_mode": "'trigger'"},
        {"t": 2},
    )


def result_rows(fbe: ModuleType, shape: Shape, json: Json) -> Iterator[Rows]:
    """Yield a finished run, its tracking, spectra and components."""
    yield from processing_rows(fbe, json)
    yield from tracking_rows(fbe, shape, json)
    yield from quality_rows(fbe)
    yield from component_rows(fbe, shape)


def processing_rows(fbe: ModuleType, json: Json) -> Iterator[Rows]:
    """Yield the run, its stages, products and libraries."""
    processing = fbe.FaceRhythmProcessing
    yield Rows(
        processing,
        {
            **ANALYSIS, "project_dir": PROJECT_DIR, "layout": "'element-facerhythm 1'",
            "processing_time": TIME, "total_seconds": between(100, 900, 6),
            "compute_device": "'cpu'",
            "package_version": "'0.1.0'", "parameters_fitted": json("'[]'"), "notes": json("'[]'"),
        },
        {},
    )  # fmt: skip
    yield Rows(
        processing.Stage,
        {
            **ANALYSIS, "stage": chosen(STAGES, "s"), "seconds": between(1, 400, 7, "s"),
            "stage_device": "CASE MOD(r.number, 4) WHEN 0 THEN 'cuda' ELSE 'cpu' END", "reused": "false",
            "completed_time": TIME,
        },
        {"s": len(STAGES)},
    )  # fmt: skip
    yield Rows(
        processing.Product,
        {
            **ANALYSIS, "product": chosen(PRODUCTS, "s"), "product_size_bytes": "250000000",
            "product_path": f"CONCAT({PROJECT_DIR}, '/analysis_files/', {chosen(PRODUCTS, 's')}, '.h5')",
            "product_sha256": digest(8, "s"),
        },
        {"s": len(PRODUCTS)},
    )  # fmt: skip
    yield Rows(
        processing.Library,
        {**ANALYSIS, "library_name": chosen(LIBRARIES, "s"), "library_version": "'1.2.3'"},
        {"s": len(LIBRARIES)},
    )


def tracking_rows(fbe: ModuleType, shape: Shape, json: Json) -> Iterator[Rows]:
    """Yield the results' own table, videos, points, traces and frequencies."""
    rhythm, n_points = fbe.FacialRhythm, str(shape.n_points)
    n_frames = shape.n_videos * FRAMES_PER_VIDEO
    violations = f"POWER({noise(10)}, 6) * 0.05"
    yield Rows(
        rhythm,
        {
            **ANALYSIS, "analysis_frame_rate_hz": str(FRAME_RATE_HZ), "n_videos": str(shape.n_videos),
            "n_tracked_frames": str(n_frames), "tracked_duration_s": str(n_frames / FRAME_RATE_HZ),
            "n_points": n_points, "n_frequencies": str(shape.n_frequencies),
            "n_violations": f"FLOOR({violations} * {n_frames * shape.n_points})",
            "violation_fraction": violations,
        },
        {},
    )  # fmt: skip
    yield Rows(
        rhythm.Video,
        {
            **ANALYSIS, "video_index": "v.number", "video_n_frames": str(FRAMES_PER_VIDEO),
            "file_name": "CONCAT('part', v.number, '.mp4')", "video_duration_s": str(DURATION_S),
            "video_n_violations": "1000", "video_violation_fraction": f"POWER({noise(11, 'v')}, 6) * 0.05",
            "violation_frame_fraction": f"POWER({noise(12, 'v')}, 3) * 0.2",
            "n_windows": str(shape.n_windows),
            "points": json(reference("v", f"[{FRAMES_PER_VIDEO}, {n_points}, 2]")),
            "spectrogram": json(
                reference("v", f"[2, {n_points}, {shape.n_frequencies}, {shape.n_windows}]")
            ),
            "window_centres": "%s", "window_times_s": "%s",
            "video_n_dropped_frames": "0", "video_n_gaps": "0", "video_rate_changes": "false",
        },
        {"v": shape.n_videos},
        args=(
            packed(np.arange(shape.n_windows, dtype=np.float32) * 20),
            packed(np.arange(shape.n_windows) * 20 / FRAME_RATE_HZ),
        ),
    )  # fmt: skip
    yield Rows(
        rhythm.Point,
        {
            **ANALYSIS, "point_index": "p.number", "x_px": between(160, 480, 13, "p"),
            "y_px": between(120, 360, 14, "p"), "rms_displacement_px": between(0.1, 4, 15, "p"),
            "max_displacement_px": between(1, 20, 16, "p"),
            "path_length_px": between(1e4, 9e4, 17, "p"), "mean_speed_px_s": between(2, 25, 18, "p"),
            "point_violation_fraction": f"POWER({noise(19, 'p')}, 6) * 0.1",
        },
        {"p": shape.n_points},
    )  # fmt: skip
    trace = reference("v", f"[{FRAMES_PER_VIDEO}, 2]", more=", \"point_index\": ', p.number, '")
    yield Rows(
        rhythm.PointTrace,
        {**ANALYSIS, "point_index": "p.number", "video_index": "v.number", "trace": json(trace)},
        {"v": shape.n_videos, "p": shape.n_points},
        where=one_in(shape.large_every),
    )
    yield Rows(
        rhythm.Frequency,
        {**ANALYSIS, "frequency_index": "f.number", "frequency_hz": "1e0 + f.number"},
        {"f": shape.n_frequencies},
    )


def quality_rows(fbe: ModuleType) -> Iterator[Rows]:
    """Yield the verdicts: of a hundred, four warn and one is red."""
    from element_facerhythm.parameters.quality import QualityLimits

    names = tuple(QualityLimits.model_fields)
    value = noise(39, "q")
    yield Rows(
        fbe.FacialRhythm.Quality,
        {
            **ANALYSIS, "quality_name": chosen(names, "q"), "value": value,
            "threshold": f"CASE WHEN {value} > 0.99 THEN 0.99 ELSE 0.95 END",
            "verdict": f"CASE WHEN {value} > 0.99 THEN 'red' WHEN {value} > 0.95 THEN 'warn' ELSE 'ok' END",
            "message": "'What was found: a sentence of usual length on what to do in the face of it'",
        },
        {"q": len(names)},
    )  # fmt: skip


def reference(video: str, shape: str, more: str = "") -> str:
    """Return SQL of the JSON that a `<facerhythm_array>` column stores."""
    return (
        f'CONCAT(\'{{"path": "\', {PROJECT_DIR}, \'/analysis_files/PointTracker.h5", "dataset": '
        f'"points_tracked/\', {video}.number, \'", "shape": {shape}, "dtype": "float32", '
        f'"sha256": "\', {digest(9)}, \'"{more}}}\')'
    )


def component_rows(fbe: ModuleType, shape: Shape) -> Iterator[Rows]:
    """Yield a model for each video, its components and their factors."""
    rhythm = fbe.FacialRhythm
    model = {**ANALYSIS, "model_key": "CONCAT('', v.number)"}
    component = {**model, "component_index": "c.number"}
    models = {"v": shape.n_videos}
    components = {**models, "c": shape.n_components}
    yield Rows(
        rhythm.Decomposition,
        {
            **model, "method": "'CP_NN_HALS'", "n_components": str(shape.n_components),
            "n_iterations": "100", "model_explained_variance": between(0.6, 0.95, 20, "v"),
            "r_squared": between(0.5, 0.9, 42, "v"),
            "model_stability": between(0.5, 1, 21, "v"), "relative_error": between(0.2, 0.6, 22, "v"),
        },
        models,
    )  # fmt: skip
    yield Rows(
        rhythm.Component,
        {
            **component, "weight": between(1, 100, 23, "v", "c"),
            "peak_frequency_hz": between(1, 30, 24, "v", "c"),
            "centroid_frequency_hz": between(1, 30, 25, "v", "c"),
            "bandwidth_hz": between(0.5, 6, 26, "v", "c"),
            "centroid_x_px": between(160, 480, 27, "v", "c"),
            "centroid_y_px": between(120, 360, 28, "v", "c"), "xy_ratio": noise(29, "v", "c"),
            "explained_variance": between(0.01, 0.3, 30, "v", "c"),
            "squared_correlation": between(0.05, 0.5, 43, "v", "c"),
            "stability": between(0.3, 1, 31, "v", "c"),
        },
        components,
    )  # fmt: skip
    random = np.random.default_rng(0)
    for dimension, length in (
        ("xy", 2),
        ("points", shape.n_points),
        ("frequency", shape.n_frequencies),
    ):
        yield Rows(
            rhythm.ComponentFactor,
            {
                **component,
                "dimension": f"'{dimension}'",
                "n_loadings": str(length),
                "loadings": "%s",
            },
            components,
            args=(packed(random.random(length, dtype=np.float32)),),
            where=one_in(shape.large_every),
        )
    yield Rows(
        rhythm.ComponentVideoFactor,
        {
            **component, "video_index": "v.number", "video_dimension": "'time'",
            "n_video_loadings": str(shape.n_windows), "video_loadings": "%s",
        },
        components,
        args=(packed(random.random(shape.n_windows, dtype=np.float32)),),
        where=one_in(shape.large_every),
    )  # fmt: skip


def keypoint_rows(kpi: ModuleType, shape: Shape, json: Json) -> Iterator[Rows]:
    """Keypoints of every recording, and how they go with its components."""
    run = {"model_id": "0"}
    body_parts = tuple(kpi.KeypointModel.body_parts_of({"model_id": 0}))
    body_part = {"body_part": chosen(body_parts, "b"), "individual": "'animal'"}
    product = f"CONCAT({RECORDING_DIR}, '/keypoints_model-0/keypoints.h5')"
    yield Rows(kpi.KeypointInferenceTask, {**run, "inference_task_mode": "'load'"}, {})
    yield Rows(
        kpi.KeypointInference,
        {
            **run, "inference_completion_time": TIME, "frames_per_s": between(50, 500, 32),
            "inference_run_duration": between(100, 900, 33),
            "total_frame_count": str(shape.n_videos * FRAMES_PER_VIDEO), "n_individuals": "1",
            "n_filled_frames": "0",
            "inference_software": "'Facemap'", "inference_device": "'cpu'",
            "inference_package_version": "'0.1.0'", "keypoints_path": product,
            "keypoints_size_bytes": "65000000", "keypoints_sha256": digest(34),
            "inference_notes": json("'[]'"),
        },
        {},
    )  # fmt: skip
    track = json(
        f'CONCAT(\'{{"path": "\', {product}, \'", "dataset": "tracks", "shape": '
        f'[{shape.n_videos * FRAMES_PER_VIDEO}], "dtype": "float32", "sha256": "\', {digest(34)}, \'"}}\')'
    )
    yield Rows(
        kpi.KeypointInference.BodyPartPosition,
        {
            **run, **body_part, "individual_index": "0", "x_pos": track, "y_pos": track, "likelihood": track,
            "mean_likelihood": between(0.5, 1, 35, "b"),
            "confident_fraction": between(0.5, 1, 36, "b"),
            "median_speed_px_s": between(5, 60, 37, "b"),
            "missing_fraction": f"POWER({noise(38, 'b')}, 4)",
        },
        {"b": len(body_parts)},
    )  # fmt: skip
    pairs = {"v": shape.n_videos, "c": shape.n_components, "b": len(body_parts)}
    yield Rows(
        kpi.KeypointRhythm,
        {**run, **ANALYSIS, "n_pairs": str(int(np.prod(list(pairs.values()))))},
        {},
    )
    yield Rows(
        kpi.KeypointRhythm.Pair,
        {
            **run, **ANALYSIS, "body_part": chosen(body_parts, "b"), "paired_individual": "'animal'",
            "model_key": "CONCAT('', v.number)",
            "component_index": "c.number", "correlation": noise(39, "v", "c", "b"),
            "lag_s": between(-0.5, 0.5, 40, "v", "c", "b"), "p_value": noise(41, "v", "c", "b"),
            "n_compared_windows": str(shape.n_windows),
        },
        pairs,
        where=one_in(shape.pairs_every),
    )  # fmt: skip


def queue_rows(fbe: ModuleType) -> Iterator[Rows]:
    """Yield the queue: one analysis waits for each that is done; some failed or are set aside."""
    job = {"paramset_id": "1", "roi_id": "0", "priority": "5"}
    failed, set_aside = "MOD(r.number, 200) = 199", "MOD(r.number, 2000) = 1998"
    for status, where, message in (
        ("error", failed, "VideoError: the file cannot be read"),
        ("ignore", set_aside, ""),
        ("pending", f"NOT ({failed} OR {set_aside})", ""),
    ):
        yield Rows(
            fbe.FaceRhythmProcessing.jobs,
            {**job, "status": f"'{status}'", "error_message": f"'{message}'"},
            {},
            where=where,
        )
