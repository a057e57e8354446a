"""The run of a task: one project directory, its products, and how long each stage took."""

import json
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from element_facerhythm.database.keys import key_text, restriction_of
from element_facerhythm.database.settings import figures_wanted, movies_wanted
from element_facerhythm.errors import ProjectError, RoiError
from element_facerhythm.facial_behavior_estimation.entered_files import (
    entered_files,
    require_same_content,
)
from element_facerhythm.facial_behavior_estimation.entered_recording import COMPARED_FACTS
from element_facerhythm.facial_behavior_estimation.packed_arrays import PackedArray, pack_array
from element_facerhythm.facial_behavior_estimation.param_set import FaceRhythmParamSet
from element_facerhythm.facial_behavior_estimation.product_files import (
    keep_project,
    project_dir,  # noqa: F401  part of this module for callers
)
from element_facerhythm.facial_behavior_estimation.recording import (
    Key,
    RecordingInfo,
    VideoRecording,
    without_zone,
)
from element_facerhythm.facial_behavior_estimation.roi import FaceRhythmROI
from element_facerhythm.facial_behavior_estimation.run_figures import with_figures
from element_facerhythm.facial_behavior_estimation.schema import dj, schema
from element_facerhythm.facial_behavior_estimation.task import FaceRhythmTask, check_task_mode
from element_facerhythm.facial_behavior_estimation.task_directories import owner_of
from element_facerhythm.facial_behavior_estimation.task_run import TaskInputs, run_task
from element_facerhythm.linking import active_link, relative_to_roots
from element_facerhythm.pipeline.supervision import supervised
from element_facerhythm.storage import configured_store

if TYPE_CHECKING:
    from element_facerhythm.pipeline import RunRecord


@schema
class FaceRhythmProcessing(dj.Computed):
    """A finished run (task mode 'trigger') or a project directory that was taken over ('load')."""

    definition = """
    # Runs of the analysis, and project directories taken over
    -> FaceRhythmTask
    -> RecordingInfo
    ---
    project_dir          : varchar(512) # project directory, relative to a data directory
    layout               : varchar(64)  # who wrote it, in which layout; of several programs, all
    processing_time      : datetime     # when the last stage was completed, UTC
    total_seconds=null   : float64      # sum of seconds over the stages; null if one is not known
    compute_device       : varchar(64)  # device that computed
    package_version      : varchar(32)  # element-facerhythm that made this row
    run_parameters=null  : json         # parameters of the run; those that nobody knows are null, and listed
    run_parameter_sha256=null : char(64) # digest of their canonical text; null if not all are known
    parameters_fitted    : json         # those that were fitted to the recording: name, value, reason
    entered_schema_version=null : int32 # version of the tables when it was entered, if upgraded since
    notes                : json         # list of remarks on the run
    """

    class Stage(dj.Part):
        """The result of each stage."""

        definition = """
        # Stages of the analysis
        -> master
        stage                : varchar(32) # name of the stage
        ---
        stage_version=null   : int32       # version of its computation; null: not of this package
        seconds=null         : float64     # computing time, seconds; null if not known
        stage_device         : varchar(64) # device that computed
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
        product_layout=''    : varchar(64)  # who wrote it, in which layout
        product_path         : varchar(512) # relative to the processed or a root data directory
        product_size_bytes   : int64        # file size, bytes
        product_sha256       : char(64)     # digest of the file's content
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
        times = RecordingInfo.frame_times(key) if mode == "load" else ()
        inputs = TaskInputs(
            task_mode=mode,
            output_dir=output_dir,
            files=entered_files(key),
            facts=(RecordingInfo() & key).fetch1(*COMPARED_FACTS),
            frame_times=tuple(map(pack_array, times)),
            frames=frames,
            given_frame_rate_hz=(VideoRecording() & key).fetch1("given_frame_rate_hz"),
            parameters=json.dumps(parameters, sort_keys=True),
            parameter_sha256=sha256,
            polygons=tuple((r["role"], json.dumps(r["vertices"])) for r in polygons),
            labels=tuple((r["role"], r["roi_name"], r["region_kind"]) for r in polygons),
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
        from element_facerhythm.io.layout import PRODUCTS, SIGNALS

        key = restriction_of(cls, key)
        rows = (cls.Product() & key).to_dicts(order_by="product")
        names = [row["product"] for row in rows]
        if {*names} not in ({*PRODUCTS}, {*PRODUCTS, SIGNALS}, {SIGNALS}):
            raise ProjectError(
                f"FaceRhythmProcessing.Product {key_text(key)} names {', '.join(names) or 'nothing'}, "
                "expected "
                f"{', '.join(PRODUCTS)}: rows were taken out or added since the run. Delete the entry of "
                "FaceRhythmProcessing and populate again"
            )
        return tuple((row["product"], row["product_path"], row["product_sha256"]) for row in rows)

    @supervised
    def make_compute(
        self, key: Key, inputs: TaskInputs
    ) -> tuple["RunRecord", str, tuple[str, ...]]:
        """Run the analysis or load the project; nothing here touches the database.

        Parameters
        ----------
        key
            Primary key of the task.
        inputs
            As `make_fetch` returns them.

        Returns
        -------
        The record of the run; its project directory, and the file of each product, relative to the data
        directories.

        Raises
        ------
        RequestError
            The mode of the task is unknown, the store cannot be used, a file of the recording changed
            since it was read, or as of `run_task`.
        ProcessingError
            The analysis failed, or the store does not answer.
        """
        check_task_mode(inputs.task_mode)  # rows can come in by other ways than insert()
        store = configured_store()  # raises before the work where it cannot be used
        to_draw = figures_wanted() and inputs.task_mode == "trigger"
        unread = require_same_content(key, inputs.files)
        record = run_task(key, inputs)
        record = replace(record, notes=(*record.notes, *unread))
        dirs = active_link().search_dirs()
        product_paths = tuple(relative_to_roots(product.path, dirs) for product in record.products)
        keep_project(store, record)
        if to_draw:
            record = with_figures(record, with_movie=movies_wanted())
        return record, relative_to_roots(record.project_dir, dirs), product_paths

    def make_insert(
        self, key: Key, record: "RunRecord", output_dir: str, product_paths: tuple[str, ...]
    ) -> None:
        """Insert the row and its parts.

        Parameters
        ----------
        key
            Primary key of the task.
        record, output_dir, product_paths
            As `make_compute` returns them.
        """
        from element_facerhythm import __version__
        from element_facerhythm.parameters import as_open
        from element_facerhythm.pipeline.run.run_file import as_row

        parameters = None if record.parameters is None else as_open(record.parameters)
        seconds = [stage.seconds for stage in record.stages]
        completed = [
            without_zone(datetime.fromisoformat(stage.completed_utc)) for stage in record.stages
        ]
        self.insert1(
            {
                **key,
                "project_dir": output_dir,
                "layout": record.layout,
                "processing_time": max(completed),
                "total_seconds": None if None in seconds else sum(seconds),  # type: ignore[arg-type]
                "compute_device": record.device,
                "package_version": __version__,
                "run_parameters": parameters and json.loads(parameters.canonical_json()),
                # of parameters that are not all known, equal digests would not mean equal numbers
                "run_parameter_sha256": parameters.sha256()
                if parameters and parameters.is_closed
                else None,
                "parameters_fitted": [as_row(value) for value in record.parameters_fitted],
                "notes": list(record.notes),
            }
        )
        self.Stage.insert(
            {
                **key,
                "stage": stage.name,
                "stage_version": stage.version,
                "seconds": stage.seconds,
                "stage_device": stage.device,
                "reused": stage.reused,
                "completed_time": time,
            }
            for stage, time in zip(record.stages, completed, strict=True)
        )
        self.Product.insert(
            {
                **key,
                "product": product.name,
                "product_layout": product.layout,
                "product_path": path,
                "product_size_bytes": product.size_bytes,
                "product_sha256": product.sha256,
            }
            for product, path in zip(record.products, product_paths, strict=True)
        )
        self.Library.insert(
            {**key, "library_name": name, "library_version": version}
            for name, version in record.versions.items()
        )


def _pack(array: Any) -> PackedArray | None:
    if array is not None and (not isinstance(array, np.ndarray) or array.dtype.hasobject):
        raise RoiError(
            f"FaceRhythmROI holds a {type(array).__name__} where an array of numbers was expected; delete "
            "the entry and enter the regions again"
        )
    return pack_array(array)
