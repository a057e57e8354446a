"""Keypoints of recordings, predicted or taken in."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from element_facerhythm.database.keys import restriction_of
from element_facerhythm.errors import KeypointError
from element_facerhythm.facial_behavior_estimation.entered_files import (
    entered_files,
    require_same_content,
)
from element_facerhythm.facial_behavior_estimation.packed_arrays import pack_array
from element_facerhythm.facial_behavior_estimation.product_files import keep_products
from element_facerhythm.facial_behavior_estimation.recording import (
    Key,
    RecordingInfo,
    VideoRecording,
    without_zone,
)
from element_facerhythm.facial_behavior_estimation.task import check_task_mode
from element_facerhythm.facial_behavior_estimation.task_directories import owner_of
from element_facerhythm.keypoint_inference.model import KeypointModel
from element_facerhythm.keypoint_inference.rows import track_rows, variable_rows
from element_facerhythm.keypoint_inference.schema import dj, schema
from element_facerhythm.keypoint_inference.task import KeypointInferenceTask
from element_facerhythm.keypoint_inference.task_run import InferenceInputs, run_task
from element_facerhythm.linking import active_link, relative_to_roots, resolve_new_path
from element_facerhythm.pipeline.supervision import supervised
from element_facerhythm.storage import configured_store

if TYPE_CHECKING:
    import pandas as pd

    from element_facerhythm.keypoints.predictions import Predictions
    from element_facerhythm.pipeline.keypoint_records import KeypointRecord


@schema
class KeypointInference(dj.Computed):
    """Keypoints of a recording: predicted by facemap's network, or loaded."""

    definition = """
    # Keypoints of recordings
    -> KeypointInferenceTask
    -> RecordingInfo
    ---
    inference_completion_time   : datetime     # when the predictions were written, UTC
    inference_run_duration=null : float64      # seconds that predicting took; null if not known
    frames_per_s=null           : float64      # frames predicted / inference_run_duration; null if not known
    total_frame_count           : int64        # frames of the tracks: those of all videos
    n_filled_frames             : int64        # frames of which loaded files say nothing: NaN in the tracks
    prediction_frame_rate_hz=null : float64    # frames per second that loaded files say; null if none
    n_individuals               : int32        # animals that were told apart
    inference_software          : varchar(32)  # who predicted
    inference_device            : varchar(64)  # device that computed
    inference_package_version   : varchar(32)  # element-facerhythm that made this row
    used_bbox=null              : json         # [x1, x2, y1, y2] that the network saw of each video, pixels
    keypoints_path              : varchar(512) # HDF5 file of the tracks, relative to a data directory
    keypoints_size_bytes        : int64        # its size, bytes
    keypoints_sha256            : char(64)     # digest of its content
    inference_notes             : json         # list of remarks on the run
    """

    class BodyPartPosition(dj.Part):
        """Track of a body part, and its statistics."""

        definition = """
        # Tracks of body parts
        -> master
        -> KeypointModel.BodyPart
        individual             : varchar(64) # which animal, where a tracker tells several apart
        ---
        individual_index       : int32 # place among the animals, in the order of the tracker
        x_pos                  : <facerhythm_array> # (T,) pixels, to the right
        y_pos                  : <facerhythm_array> # (T,) pixels, down
        z_pos=null             : <facerhythm_array> # (T,) where positions are in space
        likelihood             : <facerhythm_array> # (T,) 0 to 1
        mean_likelihood=null   : float64 # mean of likelihood over the frames that have one
        confident_fraction=null: float64 # frames with a likelihood above 0.5 / all frames
        median_speed_px_s=null : float64 # median step between frames x frame_rate_hz, pixels/s; null in space
        missing_fraction       : float64 # frames without a position / all frames
        index (missing_fraction)
        """

    class Variable(dj.Part):
        """Further values of a tracker for a track in each frame: deviations, sizes of boxes, and so on."""

        definition = """
        # What else trackers say of tracks
        -> master.BodyPartPosition
        variable        : varchar(64) # as the tracker names it
        ---
        variable_index  : int32 # place among the variables, in the order of the file
        variable_values : <facerhythm_array> # (T,) in the tracker's own unit; NaN where it says nothing
        """

    class Library(dj.Part):
        """Versions of the libraries that computed."""

        definition = """
        # Versions of the libraries that computed
        -> master
        inference_library_name    : varchar(64) # name of the library
        ---
        inference_library_version : varchar(64) # its version
        """

    def make_fetch(self, key: Key) -> tuple[InferenceInputs]:
        """Gather what the task depends on; small, and in a fixed order."""
        mode, output_dir, bbox, options = (KeypointInferenceTask() & key).fetch1(
            "inference_task_mode", "inference_output_dir", "bbox", "load_options"
        )
        n_frames, rate, width, height = (RecordingInfo() & key).fetch1(
            "n_frames", "frame_rate_hz", "width_px", "height_px"
        )
        files = (KeypointInferenceTask.File() & key).to_dicts(order_by="prediction_file_id")
        inputs = InferenceInputs(
            task_mode=mode,
            output_dir=output_dir,
            bbox=bbox,
            videos=entered_files(key),
            n_frames=int(n_frames),
            frame_rate_hz=float(rate),
            frame_size_px=(int(width), int(height)),
            load_options=options,
            frame_times=tuple(map(pack_array, RecordingInfo.frame_times(key))),
            given_frame_rate_hz=(VideoRecording() & key).fetch1("given_frame_rate_hz"),
            files=tuple(row["prediction_file_path"] for row in files),
            source_software=(KeypointModel() & key).fetch1("source_software"),
            body_parts=KeypointModel.body_parts_of(key),
            model_file=KeypointModel.place_of_weights(key) if mode == "trigger" else None,
            owner=owner_of(KeypointInferenceTask, key),
        )
        return (inputs,)

    @supervised
    def make_compute(self, key: Key, inputs: InferenceInputs) -> tuple["KeypointRecord", str]:
        """Predict, or read what was predicted; nothing here touches the database.

        Parameters
        ----------
        key
            Primary key of the task.
        inputs
            As `make_fetch` returns them.

        Returns
        -------
        The record of the run, and the file of its tracks, relative to the data directories.

        Raises
        ------
        RequestError
            The mode of the task is unknown, the store cannot be used, a file of the recording changed
            since it was read, or as of `run_task`.
        ProcessingError
            Predicting failed, or the store does not answer.
        """
        check_task_mode(inputs.task_mode)  # rows can come in by other ways than insert()
        output_dir = resolve_new_path(
            inputs.output_dir or KeypointInferenceTask.infer_output_dir(key),
            active_link().processed_dir(),
        )
        store = configured_store()  # raises before the work where it cannot be used
        unread = require_same_content(key, inputs.videos)
        record = run_task(key, inputs, output_dir)
        record = replace(record, notes=(*record.notes, *unread))
        keep_products(store, [record.product])
        return record, relative_to_roots(record.product.path, active_link().search_dirs())

    def make_insert(self, key: Key, record: "KeypointRecord", file_path: str) -> None:
        """Insert the row and its parts.

        Parameters
        ----------
        key
            Primary key of the task.
        record, file_path
            As `make_compute` returns them.
        """
        from element_facerhythm import __version__

        completed = datetime.fromisoformat(record.completed_utc)
        self.insert1(
            {
                **key,
                "inference_completion_time": without_zone(completed),
                "inference_run_duration": record.seconds,
                "frames_per_s": record.frames_per_s,
                "total_frame_count": record.n_frames,
                "n_filled_frames": record.n_filled_frames,
                "prediction_frame_rate_hz": record.file_frame_rate_hz,
                "n_individuals": len(record.individuals),
                "inference_software": record.source_software,
                "inference_device": record.device,
                "inference_package_version": __version__,
                "used_bbox": [list(box) for box in record.boxes] or None,
                "keypoints_path": file_path,
                "keypoints_size_bytes": record.product.size_bytes,
                "keypoints_sha256": record.product.sha256,
                "inference_notes": list(record.notes),
            }
        )
        self.BodyPartPosition.insert({**key, **row} for row in track_rows(record, file_path))
        self.Variable.insert({**key, **row} for row in variable_rows(record, file_path))
        self.Library.insert(
            {**key, "inference_library_name": name, "inference_library_version": version}
            for name, version in record.versions.items()
        )

    @classmethod
    def get_trajectory(
        cls, key: Key, body_parts: str | Sequence[str] = "all", *, as_dataset: bool = False
    ) -> "pd.DataFrame | Any":
        """Tracks of one run, in the form of Element Facemap's.

        Parameters
        ----------
        key
            Restriction that leaves one run; every attribute counts.
        body_parts
            ``"all"``, one name, or several, in the order wanted.
        as_dataset
            Return movement's xarray dataset instead (needs `element-facerhythm[formats]`).

        Returns
        -------
        pandas.DataFrame
            Columns (scorer, bodyparts, coords) with the model's name as scorer, one row per frame; with a
            level of individuals where there are several.

        Raises
        ------
        KeypointError
            The key leaves no run, or several; or a body part is not one of the model's.
        """
        run = cls._one_run(key)
        predictions = cls.fetch_predictions(run, body_parts)
        if as_dataset:
            from element_facerhythm.keypoints.formats import to_movement

            return to_movement(predictions)
        scorer = (KeypointModel() & run).fetch1("model_name")
        return predictions.to_dataframe(predictions.body_parts, scorer)

    @classmethod
    def fetch_all_predictions(cls, key: Key) -> "dict[str, Predictions]":
        """Tracks of all runs of a recording, by the name of the model; of equal names, with its number.

        Parameters
        ----------
        key
            Primary key of the recording, or of something computed from it; empty where there is no run.
        """
        recording = {name: key[name] for name in VideoRecording.primary_key}
        runs = (cls() & recording).proj().to_dicts(order_by="KEY")
        names = [(KeypointModel() & run).fetch1("model_name") for run in runs]
        return {
            name if names.count(name) == 1 else f"{name}_{run['model_id']}": cls.fetch_predictions(
                run
            )
            for name, run in zip(names, runs, strict=True)
        }

    @classmethod
    def fetch_predictions(cls, key: Key, body_parts: str | Sequence[str] = "all") -> "Predictions":
        """Tracks of one run in memory, with the tracker's further variables and the times of the frames.

        Parameters
        ----------
        key, body_parts
            As of `get_trajectory`.

        Raises
        ------
        KeypointError
            The key leaves no run, or several; or a body part is not one of the model's.
        """
        from element_facerhythm.keypoints.predictions import Predictions, log_of

        run = cls._one_run(key)
        rows = (cls.BodyPartPosition() & run).to_dicts()
        wanted = _chosen(body_parts, KeypointModel.body_parts_of(run))
        places = {row["individual"]: row["individual_index"] for row in rows}
        individuals = tuple(sorted(places, key=lambda name: places[name]))
        variables = (cls.Variable() & run).to_dicts(order_by="variable_index")
        names = tuple(dict.fromkeys(row["variable"] for row in variables))
        said = {(r["individual"], r["body_part"], r["variable"]): r for r in variables}
        tracks = {
            (row["individual"], row["body_part"]): [
                *_columns(row),
                *(
                    np.asarray(said[row["individual"], row["body_part"], name]["variable_values"])
                    for name in names
                ),
            ]
            for row in rows
            if row["body_part"] in wanted
        }
        some = next(iter(tracks.values()))
        none = [np.full(len(some[0]), np.nan)] * len(some)
        every = [[tracks.get((i, part), none) for part in wanted] for i in individuals]
        values: np.ndarray = np.moveaxis(np.array(every), 3, 0)  # (T, I, K, columns)
        n_axes = len(some) - 1 - len(names)
        software, notes = (cls() & run).fetch1("inference_software", "inference_notes")
        return Predictions(
            values[..., :n_axes],
            values[..., n_axes],
            wanted,
            individuals,
            software,
            float((RecordingInfo() & run).fetch1("frame_rate_hz")),
            {name: values[..., n_axes + 1 + n] for n, name in enumerate(names)},
            times_s=RecordingInfo.recording_times(run),
            absent=frozenset((i, k) for i in individuals for k in wanted if (i, k) not in tracks),
            log=log_of(notes or ()),
        )

    @classmethod
    def to_xarray(cls, key: Key, body_parts: str | Sequence[str] = "all") -> Any:
        """Tracks of one run as movement's dataset: `get_trajectory` with `as_dataset`.

        Parameters
        ----------
        key, body_parts
            As of `get_trajectory`.
        """
        return cls.get_trajectory(key, body_parts, as_dataset=True)

    @classmethod
    def _one_run(cls, key: Key) -> Key:
        """Primary key of the one run that a restriction leaves."""
        found = (cls() & restriction_of(cls, key)).keys()
        if len(found) != 1:
            raise KeypointError(
                f"{key} leaves {len(found)} entries of KeypointInference; a key that leaves one was expected "
                f"({', '.join(cls.primary_key)})"
            )
        return dict(found[0])


def _columns(row: dict[str, Any]) -> list[np.ndarray]:
    names = ["x_pos", "y_pos", *([] if row["z_pos"] is None else ["z_pos"]), "likelihood"]
    return [np.asarray(row[name]) for name in names]


def _chosen(body_parts: str | Iterable[str], known: Sequence[str]) -> tuple[str, ...]:
    if isinstance(body_parts, str):
        body_parts = known if body_parts == "all" else [body_parts]
    wanted = tuple(body_parts)
    strange = [name for name in wanted if name not in known]
    if strange or not wanted:
        raise KeypointError(
            f"body part {', '.join(strange) or '(none)'} is not one of the model's: {', '.join(known)}"
        )
    return wanted
