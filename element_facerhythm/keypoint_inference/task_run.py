"""Running a task: facemap's network on the videos, or reading predictions.

Nothing here needs the database: all that a task depends on is passed in plain values.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from element_facerhythm.database.settings import device_of_this_process
from element_facerhythm.errors import ConfigurationError, KeypointError, VideoError
from element_facerhythm.facial_behavior_estimation.entered_files import EnteredFile
from element_facerhythm.facial_behavior_estimation.packed_arrays import PackedArray, unpack_array
from element_facerhythm.facial_behavior_estimation.recording import Key
from element_facerhythm.keypoint_inference.facemap_result import FACEMAP_RESULT, facemap_result
from element_facerhythm.keypoint_inference.stored_weights import WEIGHTS_SUFFIX
from element_facerhythm.keypoint_inference.task import parse_bbox
from element_facerhythm.keypoints.reading_options import ReadingOptions
from element_facerhythm.linking import active_link, resolve_path
from element_facerhythm.pipeline.run.ownership import DirectoryOwner
from element_facerhythm.storage.cache import cache_path

if TYPE_CHECKING:
    from element_facerhythm.pipeline.keypoint_records import KeypointRecord


@dataclass(frozen=True)
class InferenceInputs:
    """Everything that a task depends on, in plain values."""

    task_mode: str
    output_dir: str
    bbox: Any
    videos: tuple[EnteredFile, ...]
    n_frames: int
    frame_rate_hz: float
    frame_size_px: tuple[int, int]
    given_frame_rate_hz: float | None
    frame_times: tuple[PackedArray | None, ...]
    files: tuple[str, ...]
    load_options: Any
    source_software: str
    body_parts: tuple[str, ...]
    model_file: tuple[str | None, str] | None  # path (None: out of the database), sha256
    owner: DirectoryOwner


def run_task(key: Key, inputs: InferenceInputs, output_dir: Path) -> "KeypointRecord":
    """Predict keypoints (task mode `trigger`), or read files of predictions (`load`).

    Parameters
    ----------
    key
        Primary key of the task.
    inputs
        What it depends on.
    output_dir
        Directory, absolute, that the file of keypoints is written into.

    Raises
    ------
    RequestError
        The task names no weights or no predictions that its mode needs, a file is missing, or predictions
        do not fit the recording or the model.
    ProcessingError
        Predicting failed.
    """
    return (_load if inputs.task_mode == "load" else _trigger)(key, inputs, output_dir)


def _trigger(key: Key, inputs: InferenceInputs, output_dir: Path) -> "KeypointRecord":
    """Run facemap's network on the files that were probed; VideoError where they changed since."""
    from element_facerhythm.pipeline.keypoint_records import KeypointRequest
    from element_facerhythm.pipeline.keypoint_run import run_keypoints

    dirs = active_link().search_dirs()
    if inputs.model_file is None:
        raise ConfigurationError(
            "the model has no file of weights, so its inference_task_mode can only be 'load'; enter the "
            "weights with KeypointModel.insert_new_model, or give the predictions to load"
        )
    if not inputs.videos:
        raise VideoError(
            "the recording has no video file, so its inference_task_mode can only be 'load'"
        )
    videos = tuple(resolve_path(file.path, dirs) for file in inputs.videos)
    if inputs.files:
        raise KeypointError(
            "the task has files of predictions, and inference_task_mode 'trigger': enter it with 'load' to "
            "take them, or without files to predict"
        )
    path, sha256 = inputs.model_file
    return run_keypoints(
        KeypointRequest(
            videos=videos,
            video_sha256=tuple(file.sha256 for file in inputs.videos),
            model_file=cache_path(sha256, WEIGHTS_SUFFIX)
            if path is None
            else resolve_path(path, dirs),
            model_sha256=sha256,
            body_parts=inputs.body_parts,
            output_dir=output_dir,
            owner=inputs.owner,
            frame_rate_hz=inputs.given_frame_rate_hz,
            recording_rate_hz=inputs.frame_rate_hz,
            box=parse_bbox(inputs.bbox),
            device=device_of_this_process(),
        )
    )


def _load(key: Key, inputs: InferenceInputs, output_dir: Path) -> "KeypointRecord":
    """Read predictions, and check that they are of this recording and this model."""
    from element_facerhythm.pipeline.keypoint_run import load_keypoints

    dirs = active_link().search_dirs()
    videos = [file.path for file in inputs.videos]
    files = [resolve_path(path, dirs) for path in inputs.files]
    files = files or facemap_result(key, inputs.output_dir, videos)
    if not files:
        raise KeypointError(
            "a task with inference_task_mode 'load' needs its predictions: enter their files in "
            "KeypointInferenceTask.File, or an inference_output_dir that holds facemap's result "
            f"(*{FACEMAP_RESULT})"
        )
    return load_keypoints(
        files,
        inputs.source_software,
        n_frames=[file.n_frames for file in inputs.videos] or [inputs.n_frames],
        frame_rate_hz=inputs.frame_rate_hz,
        output_dir=output_dir,
        body_parts=inputs.body_parts,
        owner=inputs.owner,
        options=ReadingOptions.from_json(inputs.load_options),
        frame_size_px=inputs.frame_size_px,
        frame_times_s=tuple(map(unpack_array, inputs.frame_times)) or None,
    )
