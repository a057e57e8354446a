"""The run of a task: one project directory, its products, and how long each stage took."""

import json
import os
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from element_facerhythm.errors import ConfigurationError, ProjectError, RoiError, VideoError
from element_facerhythm.facial_behavior_estimation.packed_arrays import (
    PackedArray,
    pack_array,
    unpack_array,
)
from element_facerhythm.facial_behavior_estimation.product_files import (
    keep_project,
    project_dir,  # noqa: F401  part of this module for callers
)
from element_facerhythm.facial_behavior_estimation.recording import (
    Key,
    RecordingInfo,
    VideoRecording,
    resolved_times,
    without_zone,
)
from element_facerhythm.facial_behavior_estimation.roi import FaceRhythmROI, rois_as_entered
from element_facerhythm.facial_behavior_estimation.schema import dj, schema
from element_facerhythm.facial_behavior_estimation.task import (
    FaceRhythmParamSet,
    FaceRhythmTask,
    check_task_mode,
    parameters_as_entered,
)
from element_facerhythm.facial_behavior_estimation.task_directories import owner_of
from element_facerhythm.linking import (
    active_link,
    relative_to_roots,
    resolve_new_path,
    resolve_path,
)
from element_facerhythm.pipeline.frame_range import frame_range
from element_facerhythm.pipeline.ownership import DirectoryOwner, is_owned_by
from element_facerhythm.pipeline.supervision import supervised
from element_facerhythm.stores import configured_store

if TYPE_CHECKING:
    from element_facerhythm.core.rois import Rois
    from element_facerhythm.parameters import OpenParameters, Parameters
    from element_facerhythm.pipeline import RunRecord

DEVICE_VARIABLE = "FACERHYTHM_DEVICE"


@dataclass(frozen=True)
class TaskInputs:
    """Everything that a task depends on, in plain values."""

    task_mode: str
    output_dir: str
    files: tuple[tuple[str, str, int], ...]  # path, sha256, frames
    n_frames: int
    frames: str
    given_frame_rate_hz: float | None
    times: tuple[tuple[str, str | None], ...]  # path, sha256
    parameters: str
    parameter_sha256: str
    polygons: tuple[tuple[str, str], ...]  # role, vertices as JSON
    masks: tuple[PackedArray | None, PackedArray | None, PackedArray | None]
    rois_sha256: str
    owner: DirectoryOwner


@schema
class FaceRhythmProcessing(dj.Computed):
    """A finished run (task mode 'trigger') or a project directory that was taken over ('load')."""

    definition = """
    # Runs of the analysis, and project directories taken over
    -> FaceRhythmTask
    -> RecordingInfo
    ---
    output_dir           : varchar(512) # project directory, relative to a data directory
    layout               : varchar(64)  # who wrote it, in which layout
    processing_time      : datetime     # when the last stage was completed, UTC
    total_seconds=null   : float64      # computing time of all stages; null if not known
    device               : varchar(64)  # device that computed
    package_version      : varchar(32)  # element-facerhythm that made this row
    run_parameters=null  : json         # parameters of the run, complete and closed; null if not known
    run_parameter_sha256=null : char(64) # digest of their canonical text; null if not known
    parameters_fitted    : json         # those that were fitted to the recording: name, value, reason
    notes                : json         # list of remarks on the run
    """

    class Stage(dj.Part):
        """How each stage went."""

        definition = """
        # Stages of the analysis
        -> master
        stage                : varchar(32) # name of the stage
        ---
        seconds=null         : float64     # computing time; null if not known
        device               : varchar(64) # device that computed
        reused               : bool        # the product was there already
        completed_time       : datetime    # when the product was written, UTC
        """

    class Product(dj.Part):
        """The HDF5 files of the project directory."""

        definition = """
        # Files that the analysis wrote
        -> master
        product              : varchar(32) # name of the product
        ---
        file_path            : varchar(512) # relative to the processed or a root data directory
        size_bytes           : int64       # file size
        sha256               : char(64)     # digest of the file's content
        """

    class Library(dj.Part):
        """Versions of the libraries that computed."""

        definition = """
        # Versions of the libraries that computed
        -> master
        library_name         : varchar(64) # name of the library
        ---
        library_version      : varchar(64) # its version
        """

    def make_fetch(self, key: Key) -> tuple[TaskInputs]:
        """Gather what the task depends on; small, and in a fixed order."""
        mode, output_dir, frames = (FaceRhythmTask() & key).fetch1(
            "task_mode", "output_dir", "frames"
        )
        parameters, sha256 = (FaceRhythmParamSet() & key).fetch1("parameters", "parameter_sha256")
        polygons = (FaceRhythmROI.Polygon() & key).to_dicts(order_by="role DESC, polygon_index")
        *masks, rois_sha256 = (FaceRhythmROI() & key).fetch1(
            "point_positions", "seed_mask", "visible_mask", "rois_sha256"
        )
        inputs = TaskInputs(
            task_mode=mode,
            output_dir=output_dir,
            files=RecordingInfo.entered_videos(key),
            n_frames=int((RecordingInfo() & key).fetch1("n_frames")),
            frames=frames,
            given_frame_rate_hz=(VideoRecording() & key).fetch1("frame_rate_hz"),
            times=RecordingInfo.entered_times(key),
            parameters=json.dumps(parameters, sort_keys=True),
            parameter_sha256=sha256,
            polygons=tuple((r["role"], json.dumps(r["vertices"])) for r in polygons),
            masks=tuple(map(_pack, masks)),  # type: ignore[arg-type]
            rois_sha256=rois_sha256,
            owner=owner_of(FaceRhythmTask, key),
        )
        return (inputs,)

    @classmethod
    def product_files(cls, key: Key) -> tuple[tuple[str, str, str], ...]:
        """Name, path (relative to the data directories) and SHA-256 of each product of a run.

        Raises
        ------
        ProjectError
            A row is missing that was there.
        """
        from element_facerhythm.io.layout import PRODUCTS

        rows = (cls.Product() & key).to_dicts(order_by="product")
        names = [row["product"] for row in rows]
        if sorted(names) != sorted(PRODUCTS):
            raise ProjectError(
                f"FaceRhythmProcessing.Product {key} names {', '.join(names) or 'nothing'}, expected "
                f"{', '.join(PRODUCTS)}: rows were taken out or added since the run. Delete the entry of "
                "FaceRhythmProcessing and populate again"
            )
        return tuple((row["product"], row["file_path"], row["sha256"]) for row in rows)

    @supervised
    def make_compute(
        self, key: Key, inputs: TaskInputs
    ) -> tuple["RunRecord", str, tuple[str, ...]]:
        """Run the analysis or load the project; nothing here touches the database."""
        check_task_mode(inputs.task_mode)  # rows can come in by other ways than insert()
        store = configured_store()  # one that cannot be used is told before the work
        run = _load if inputs.task_mode == "load" else _trigger
        record = run(key, inputs)
        dirs = active_link().search_dirs()
        product_paths = tuple(relative_to_roots(product.path, dirs) for product in record.products)
        keep_project(store, record)
        return record, relative_to_roots(record.project_dir, dirs), product_paths

    def make_insert(
        self, key: Key, record: "RunRecord", output_dir: str, product_paths: tuple[str, ...]
    ) -> None:
        """Write the row and its parts."""
        from element_facerhythm import __version__
        from element_facerhythm.pipeline.run_file import as_row

        parameters = record.parameters
        seconds = [stage.seconds for stage in record.stages]
        completed = [
            without_zone(datetime.fromisoformat(stage.completed_utc)) for stage in record.stages
        ]
        self.insert1(
            {
                **key,
                "output_dir": output_dir,
                "layout": record.layout,
                "processing_time": max(completed),
                "total_seconds": None if None in seconds else sum(seconds),  # type: ignore[arg-type]
                "device": record.device,
                "package_version": __version__,
                "run_parameters": parameters and json.loads(parameters.canonical_json()),
                "run_parameter_sha256": parameters and parameters.sha256(),
                "parameters_fitted": [as_row(value) for value in record.parameters_fitted],
                "notes": list(record.notes),
            }
        )
        self.Stage.insert(
            {
                **key,
                "stage": stage.name,
                "seconds": stage.seconds,
                "device": record.device,
                "reused": stage.reused,
                "completed_time": time,
            }
            for stage, time in zip(record.stages, completed, strict=True)
        )
        self.Product.insert(
            {
                **key,
                "product": product.name,
                "file_path": path,
                "size_bytes": product.size_bytes,
                "sha256": product.sha256,
            }
            for product, path in zip(record.products, product_paths, strict=True)
        )
        self.Library.insert(
            {**key, "library_name": name, "library_version": version}
            for name, version in record.versions.items()
        )


def _trigger(key: Key, inputs: TaskInputs) -> "RunRecord":
    """Run the analysis on the files that were probed, or say that they changed since."""
    from element_facerhythm.pipeline import RunRequest, run_project

    dirs = active_link().search_dirs()
    if not inputs.files:
        raise VideoError(
            f"recording {key} has no video file: its facts come from a project directory, so its "
            "task_mode can only be 'load'"
        )
    output_dir = inputs.output_dir or FaceRhythmTask.infer_output_dir(key)
    directory = resolve_new_path(output_dir, active_link().processed_dir())
    return run_project(
        RunRequest(
            videos=tuple(resolve_path(path, dirs) for path, _, _ in inputs.files),
            video_sha256=tuple(sha256 for _, sha256, _ in inputs.files),
            rois=_entered_rois(key, inputs),
            parameters=_entered_parameters(key, inputs),
            project_dir=directory,
            device=device_of_this_process(),
            owner=inputs.owner,
            frames=frame_range(inputs.frames),
            frame_rate_hz=inputs.given_frame_rate_hz,
            times=tuple(resolved_times(path, dirs) for path, _ in inputs.times),
            times_sha256=tuple(sha256 for _, sha256 in inputs.times),
            # results that this task has not made itself stay
            overwrite=is_owned_by(directory, inputs.owner),
            allow_incomplete=True,  # asked about when RecordingInfo read the same bytes
        )
    )


def device_of_this_process() -> str:
    """Name of the device that computes: what the environment says, else `auto`."""
    return os.environ.get(DEVICE_VARIABLE, "auto")


def _load(key: Key, inputs: TaskInputs) -> "RunRecord":
    """Open an existing project directory and check that it is of this recording."""
    from element_facerhythm.io.project import Project
    from element_facerhythm.pipeline import load_project

    if not inputs.output_dir:
        raise ProjectError(
            "a task with task_mode 'load' needs its output_dir: the project directory, relative to a root "
            "or to the processed data directory"
        )
    _entered_parameters(key, inputs)
    _entered_rois(key, inputs)
    dirs = active_link().search_dirs()
    directory = resolve_path(inputs.output_dir, dirs)
    record = load_project(directory, dirs)
    n_frames = sum(Project.open(directory, dirs).n_frames)
    first, stop = frame_range(inputs.frames) or (0, inputs.n_frames)
    if n_frames != stop - first:
        raise ProjectError(
            f"{directory} holds {n_frames} tracked frames and "
            f"{'the task asks for' if inputs.frames else 'the recording has'} {stop - first}: it is the "
            "project of another recording, or was cut short; give the right output_dir"
        )
    return record


def _pack(array: Any) -> PackedArray | None:
    if array is not None and (not isinstance(array, np.ndarray) or array.dtype.hasobject):
        raise RoiError(
            f"FaceRhythmROI holds a {type(array).__name__} where an array of numbers was expected; delete "
            "the entry and enter the regions again"
        )
    return pack_array(array)


def parameters_of_row(key: Key) -> "Parameters":
    """Parameters that a run was made with, once it is certain that they are those that were written.

    Raises
    ------
    ConfigurationError
        There is no such run, its parameters are not known, or they do not give the digest of its row.
    """
    from element_facerhythm.parameters import parameters_from_mapping

    rows = (FaceRhythmProcessing() & key).to_dicts()
    if len(rows) != 1:
        raise ConfigurationError(f"{key} is the key of {len(rows)} runs; expected that of one")
    tree, sha256 = rows[0]["run_parameters"], rows[0]["run_parameter_sha256"]
    if tree is None:
        raise ConfigurationError(
            f"the parameters of run {key} are not known: it is a project that was taken over and does not "
            "say them all. Enter them with FaceRhythmParamSet.insert_new_params"
        )
    parameters = parameters_from_mapping(tree).parameters
    if parameters.sha256() != sha256:
        raise ConfigurationError(
            f"run_parameters of run {key} do not give the digest they were stored with: the row was changed "
            "since, or written by another version of element-facerhythm. Delete the entry of "
            "FaceRhythmProcessing and populate again"
        )
    return parameters


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
    return rois_as_entered(own_key, polygons, masks, inputs.rois_sha256)
