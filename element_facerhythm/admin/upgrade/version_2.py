"""Changes of version 2: names of columns got one meaning each, recordings a clock, runs their parameters.

Version 1 is that of databases from before versions were recorded.
"""

from __future__ import annotations

from element_facerhythm.admin.upgrade import values
from element_facerhythm.admin.upgrade.changes import Changes, Fill, of_table

RENAMED = {
    "VideoRecording": {"given_frame_rate_hz": "frame_rate_hz"},
    "RecordingInfo": {"facts_source": "source"},
    "RecordingInfo.File": {
        "file_n_frames": "n_frames",
        "file_n_frames_header": "n_frames_header",
        "file_frame_rate_hz": "frame_rate_hz",
        "file_duration_s": "duration_s",
        "file_size_bytes": "size_bytes",
        "file_sha256": "sha256",
        "file_frame_times": "frame_times",
        "file_recording_time": "recording_time",
    },
    "FaceRhythmParamSet": {"paramset_description": "description"},
    "FaceRhythmROI": {"roi_description": "description"},
    "FaceRhythmROI.Polygon": {
        "polygon_centroid_x_px": "centroid_x_px",
        "polygon_centroid_y_px": "centroid_y_px",
    },
    "FaceRhythmProcessing": {"project_dir": "output_dir", "compute_device": "device"},
    "FaceRhythmProcessing.Stage": {"stage_device": "device"},
    "FaceRhythmProcessing.Product": {
        "product_path": "file_path",
        "product_size_bytes": "size_bytes",
        "product_sha256": "sha256",
    },
    "FacialRhythm": {
        "analysis_frame_rate_hz": "frame_rate_hz",
        "n_tracked_frames": "n_frames",
        "tracked_duration_s": "duration_s",
    },
    "FacialRhythm.Video": {
        "video_n_frames": "n_frames",
        "video_duration_s": "duration_s",
        "video_n_dropped_frames": "n_dropped_frames",
        "video_n_gaps": "n_gaps",
        "video_rate_changes": "rate_changes",
        "video_n_violations": "n_violations",
        "video_violation_fraction": "violation_fraction",
        "video_frame_times": "frame_times",
    },
    "FacialRhythm.Point": {"point_violation_fraction": "violation_fraction"},
    "FacialRhythm.Decomposition": {
        "r_squared": "explained_variance",  # it was about the mean
        "model_stability": "stability",
    },
    # it held a squared correlation; the explained variance of a component is new, and not known of old ones
    "FacialRhythm.Component": {"squared_correlation": "explained_variance"},
    "FacialRhythm.ComponentVideoFactor": {
        "video_dimension": "dimension",
        "n_video_loadings": "n_loadings",
        "video_loadings": "loadings",
    },
    "KeypointModel.File": {
        "model_file_path": "file_path",
        "model_size_bytes": "size_bytes",
        "model_sha256": "sha256",
    },
    "KeypointInferenceTask": {
        "inference_task_mode": "task_mode",
        "inference_output_dir": "output_dir",
        "inference_task_description": "task_description",
    },
    "KeypointInferenceTask.File": {
        "prediction_file_id": "file_id",
        "prediction_file_path": "file_path",
    },
    "KeypointInference": {
        "prediction_frame_rate_hz": "file_frame_rate_hz",
        "inference_software": "source_software",
        "inference_device": "device",
        "inference_package_version": "package_version",
        "used_bbox": "bbox",
        "keypoints_path": "file_path",
        "keypoints_size_bytes": "size_bytes",
        "keypoints_sha256": "sha256",
        "inference_notes": "notes",
    },
    "KeypointInference.Library": {
        "inference_library_name": "library_name",
        "inference_library_version": "library_version",
    },
    "KeypointRhythm.Pair": {
        "paired_individual": "individual",
        "n_compared_windows": "n_windows",
    },
    "Worker": {
        "worker_device": "device",
        "worker_package_version": "package_version",
        "worker_started_time": "started_time",
        "n_jobs_done": "n_done",
        "n_jobs_failed": "n_failed",
    },
    "ActiveJob": {
        "active_table": "table_name",
        "active_job_id": "job_id",
        "active_job_key": "job_key",
        "current_attempt": "attempt",
        "current_stage": "stage",
    },
    "JobAttempt": {"attempt_worker_id": "worker_id", "last_stage": "stage"},
}

_IF_RUN = "CASE WHEN {{FaceRhythmTask.task_mode}} = 'trigger' THEN {{FaceRhythmParamSet.{}}} END"

FILLED = (
    Fill(
        "FaceRhythmParamSet",
        "parameters",
        "what the parameter tree has had since is added with its default, and parameter_sha256 is made anew",
        rows=values.parameter_sets,
    ),
    *of_table(
        "RecordingInfo",
        (
            "frame_rate_source",
            "CASE WHEN facts_source = 'video' THEN 'header' ELSE 'project' END",
            "where version 1 took the frame rate from: the header of the file, or the project",
        ),
        (
            "header_frame_rate_hz",
            "CASE WHEN facts_source = 'video' THEN frame_rate_hz END",
            "the frame rate, which version 1 took from the header; NULL for facts of a project",
        ),
    ),
    *of_table(
        "RecordingInfo.File",
        (
            "file_frame_rate_hz",
            "{RecordingInfo.frame_rate_hz}",
            "that of the recording, which version 1 required of all its files",
        ),
    ),
    *of_table(
        "FaceRhythmROI.Polygon",
        (
            "roi_name",
            "CONCAT(role, '_', polygon_index)",
            "points_0, mask_0 and so on: version 1 knew no names",
        ),
        (
            "region_kind",
            "CASE WHEN role = 'points' THEN 'motion' ELSE 'mask' END",
            "motion for points and mask for masks, as of regions whose kind nobody gave",
        ),
    ),
    *of_table(
        "KeypointModel.File",
        (
            "model_file_name",
            "REVERSE(SUBSTRING(REVERSE(model_file_path), 1, "
            "CASE WHEN POSITION('/' IN model_file_path) > 0 "
            "THEN POSITION('/' IN REVERSE(model_file_path)) - 1 ELSE CHAR_LENGTH(model_file_path) END))",
            "the last part of model_file_path; the weights themselves come into the database when the same "
            "model is entered again",
        ),
    ),
    *of_table(
        "FaceRhythmProcessing",
        (
            "run_parameters",
            _IF_RUN.format("parameters"),
            "those of the parameter set, which version 1 ran as they are; NULL for projects taken over",
        ),
        (
            "run_parameter_sha256",
            _IF_RUN.format("parameter_sha256"),
            "that of the parameter set; NULL for projects taken over",
        ),
        ("parameters_fitted", "'[]'", "an empty list: version 1 fitted no parameter"),
        ("entered_schema_version", "1", "1"),
    ),
    *of_table(
        "FacialRhythm.Decomposition",
        (
            "model_explained_variance",
            "1 - relative_error * relative_error",
            "1 - relative_error^2, which is the same; NULL where that is not known",
        ),
    ),
    *of_table(
        "FacialRhythm.Video",
        (
            "video_n_dropped_frames",
            "0",
            "0: version 1 interpolated traces across no missing frames",
        ),
        ("video_n_gaps", "0", "0: version 1 cut windows at no gap, and looked for none"),
        (
            "video_rate_changes",
            "'0'",
            "false: version 1 interpolated traces to no other rate",
        ),
    ),
    Fill(
        "FacialRhythm.Video",
        "window_times_s",
        "window_centres divided by the frame rate of the analysis",
        rows=values.window_times,
    ),
    *of_table(
        "KeypointInference",
        (
            "n_filled_frames",
            "0",
            "0: version 1 refused predictions of fewer frames than the recording",
        ),
    ),
    Fill(
        "KeypointInference.BodyPartPosition",
        "individual_index",
        "the place of the animal in its file of tracks; where that is not on this machine, by name, as "
        "version 1 gave them, which is told",
        rows=values.individual_order,
    ),
)

VERSION_2 = Changes(RENAMED, FILLED)
