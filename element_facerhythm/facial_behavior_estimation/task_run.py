"""Running a task: the analysis of its videos, or loading its project directory.

Nothing here needs the database: all that a task depends on is passed in plain values.
"""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from element_facerhythm.database.keys import key_text
from element_facerhythm.database.settings import device_of_this_process
from element_facerhythm.errors import ProjectError, VideoError
from element_facerhythm.facial_behavior_estimation.entered_files import EnteredFile
from element_facerhythm.facial_behavior_estimation.entered_recording import recording_as_entered
from element_facerhythm.facial_behavior_estimation.packed_arrays import PackedArray, unpack_array
from element_facerhythm.facial_behavior_estimation.param_set import parameters_as_entered
from element_facerhythm.facial_behavior_estimation.recording import Key, resolved_times
from element_facerhythm.facial_behavior_estimation.roi import (
    FaceRhythmROI,
    labelled,
    rois_as_entered,
)
from element_facerhythm.facial_behavior_estimation.task import FaceRhythmTask
from element_facerhythm.linking import active_link, resolve_new_path, resolve_path
from element_facerhythm.pipeline.run.frame_range import frame_range
from element_facerhythm.pipeline.run.ownership import DirectoryOwner, is_owned_by

if TYPE_CHECKING:
    from element_facerhythm.core.rois import Rois
    from element_facerhythm.parameters import OpenParameters
    from element_facerhythm.pipeline import RunRecord


@dataclass(frozen=True)
class TaskInputs:
    """Everything that a task depends on, in plain values."""

    task_mode: str
    output_dir: str
    files: tuple[EnteredFile, ...]
    facts: tuple[Any, ...]  # of `COMPARED_FACTS`
    frame_times: tuple[PackedArray | None, ...]
    frames: str
    given_frame_rate_hz: float | None
    parameters: str
    parameter_sha256: str
    polygons: tuple[tuple[str, str], ...]  # role, vertices as JSON
    labels: tuple[tuple[str, str, str], ...]  # role, name, kind of each of them
    masks: tuple[PackedArray | None, PackedArray | None, PackedArray | None]
    rois_sha256: str
    owner: DirectoryOwner


def run_task(key: Key, inputs: TaskInputs) -> "RunRecord":
    """Run the analysis (task mode `trigger`), or open the project directory that is taken over (`load`).

    Parameters
    ----------
    key
        Primary key of the task.
    inputs
        What it depends on.

    Raises
    ------
    RequestError
        Parameters, regions or files are not those that were entered; a video or the project directory is
        missing; or the project is of another recording or another task.
    ProcessingError
        The analysis failed.
    """
    return _load(key, inputs) if inputs.task_mode == "load" else _trigger(key, inputs)


def _trigger(key: Key, inputs: TaskInputs) -> "RunRecord":
    """Run the analysis on the files that were probed; VideoError where they changed since."""
    from element_facerhythm.pipeline import RunRequest, run_project

    dirs = active_link().search_dirs()
    if not inputs.files:
        raise VideoError(
            f"recording {key_text(key)} has no video file: its facts come from a project directory, so its "
            "task_mode can only be 'load'"
        )
    output_dir = inputs.output_dir or FaceRhythmTask.infer_output_dir(key)
    directory = resolve_new_path(output_dir, active_link().processed_dir())
    return run_project(
        RunRequest(
            videos=tuple(resolve_path(file.path, dirs) for file in inputs.files),
            video_sha256=tuple(file.sha256 for file in inputs.files),
            rois=_entered_rois(key, inputs),
            parameters=_entered_parameters(key, inputs),
            project_dir=directory,
            device=device_of_this_process(),
            owner=inputs.owner,
            frames=frame_range(inputs.frames),
            frame_rate_hz=inputs.given_frame_rate_hz,
            times=tuple(resolved_times(file.times_path, dirs) for file in inputs.files),
            times_sha256=tuple(file.times_sha256 for file in inputs.files),
            # results that this task has not made itself stay
            overwrite=is_owned_by(directory, inputs.owner),
            allow_incomplete=True,  # asked about when RecordingInfo read the same bytes
        )
    )


def _load(key: Key, inputs: TaskInputs) -> "RunRecord":
    """Open an existing project directory, and check that it is of this recording and this task."""
    from element_facerhythm.pipeline.results.load import load_project_of

    if not inputs.output_dir:
        raise ProjectError(
            "a task with task_mode 'load' needs its output_dir: the project directory, relative to a root "
            "or to the processed data directory"
        )
    dirs = active_link().search_dirs()
    return load_project_of(
        resolve_path(inputs.output_dir, dirs),
        dirs,
        recording=recording_as_entered(
            inputs.facts, inputs.files, map(unpack_array, inputs.frame_times), inputs.frames
        ),
        rois=_entered_rois(key, inputs),
        parameters=_entered_parameters(key, inputs),
    )


def _entered_parameters(key: Key, inputs: TaskInputs) -> "OpenParameters":
    """Parameters of a task, once it is certain that they are those that were entered."""
    tree = json.loads(inputs.parameters)
    return parameters_as_entered(key["paramset_id"], tree, inputs.parameter_sha256)


def _entered_rois(key: Key, inputs: TaskInputs) -> "Rois":
    """Regions of interest of a task, once it is certain that they are those that were entered."""
    names = ("point_positions", "seed_mask", "visible_mask")
    masks = dict(zip(names, map(unpack_array, inputs.masks), strict=True))
    own_key = {name: key[name] for name in FaceRhythmROI.primary_key}
    polygons = ((role, json.loads(vertices)) for role, vertices in inputs.polygons)
    rois = rois_as_entered(own_key, polygons, masks, inputs.rois_sha256)
    return labelled(rois, inputs.labels)
