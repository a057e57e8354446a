"""Keypoints of recordings, predicted or taken in."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from element_facerhythm.errors import ConfigurationError, KeypointError, VideoError
from element_facerhythm.facial_behavior_estimation.packed_arrays import (
    PackedArray,
    pack_array,
    unpack_array,
)
from element_facerhythm.facial_behavior_estimation.processing import device_of_this_process
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
from element_facerhythm.keypoint_inference.task import KeypointInferenceTask, parse_bbox
from element_facerhythm.keypoints.reading_options import ReadingOptions
from element_facerhythm.linking import (
    active_link,
    relative_to_roots,
    resolve_new_path,
    resolve_path,
)
from element_facerhythm.pipeline.ownership import DirectoryOwner
from element_facerhythm.pipeline.supervision import supervised
from element_facerhythm.stores import configured_store

if TYPE_CHECKING:
    import pandas as pd

    from element_facerhythm.keypoints.predictions import Predictions
    from element_facerhythm.pipeline.keypoint_records import KeypointRecord


@dataclass(frozen=True)
class InferenceInputs:
    """Everything that a task depends on, in plain values."""

    task_mode: str
    output_dir: str
    bbox: Any
    videos: tuple[tuple[str, str, int], ...]  # path, sha256, frames
    n_frames: int
    frame_rate_hz: float
    frame_size_px: tuple[int, int]
    given_frame_rate_hz: float | None
    frame_times: tuple[PackedArray | None, ...]
    files: tuple[str, ...]
    load_options: Any
    source_software: str
    body_parts: tuple[str, ...]
    model_file: tuple[str, str] | None  # path, sha256
    owner: DirectoryOwner


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
    frames_per_s=null           : float64      # frames predicted per second; null if not known
    total_frame_count           : int64        # frames of all videos
    n_filled_frames             : int64        # frames of which loaded files say nothing: NaN in the tracks
    file_frame_rate_hz=null     : float64      # frames per second that loaded files say; null if none
    n_individuals               : int32        # animals that were told apart
    source_software             : varchar(32)  # who predicted
    device                      : varchar(64)  # device that computed
    package_version             : varchar(32)  # element-facerhythm that made this row
    bbox=null                   : json         # [x1, x2, y1, y2] that the network saw of each video, pixels
    file_path                   : varchar(512) # HDF5 file of the tracks, relative to a data directory
    size_bytes                  : int64        # its size
    sha256                      : char(64)     # digest of its content
    notes                       : json         # list of remarks on the run
    """

    class BodyPartPosition(dj.Part):
        """Track of a body part, and what can be said of it in single numbers."""

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
        mean_likelihood=null   : float64 # over the frames that have one
        confident_fraction=null: float64 # frames with a likelihood above 0.5 / all frames
        median_speed_px_s=null : float64 # of the steps between frames; null in space
        missing_fraction       : float64 # frames without a position / all frames
        index (missing_fraction)
        """

    class Variable(dj.Part):
        """What else a tracker says of a track in each frame: deviations, sizes of boxes, and so on."""

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
        library_name         : varchar(64) # name of the library
        ---
        library_version      : varchar(64) # its version
        """

    def make_fetch(self, key: Key) -> tuple[InferenceInputs]:
        """Gather what the task depends on; small, and in a fixed order."""
        mode, output_dir, bbox, options = (KeypointInferenceTask() & key).fetch1(
            "task_mode", "output_dir", "bbox", "load_options"
        )
        n_frames, rate, width, height = (RecordingInfo() & key).fetch1(
            "n_frames", "frame_rate_hz", "width_px", "height_px"
        )
        files = (KeypointInferenceTask.File() & key).to_dicts(order_by="file_id")
        weights = (KeypointModel.File() & key).to_dicts()
        inputs = InferenceInputs(
            task_mode=mode,
            output_dir=output_dir,
            bbox=bbox,
            videos=RecordingInfo.entered_videos(key),
            n_frames=int(n_frames),
            frame_rate_hz=float(rate),
            frame_size_px=(int(width), int(height)),
            load_options=options,
            frame_times=tuple(map(pack_array, RecordingInfo.frame_times(key))),
            given_frame_rate_hz=(VideoRecording() & key).fetch1("frame_rate_hz"),
            files=tuple(row["file_path"] for row in files),
            source_software=(KeypointModel() & key).fetch1("source_software"),
            body_parts=KeypointModel.body_parts_of(key),
            model_file=(weights[0]["file_path"], weights[0]["sha256"]) if weights else None,
            owner=owner_of(KeypointInferenceTask, key),
        )
        return (inputs,)

    @supervised
    def make_compute(self, key: Key, inputs: InferenceInputs) -> tuple["KeypointRecord", str]:
        """Predict, or read what was predicted; nothing here touches the database."""
        check_task_mode(inputs.task_mode)  # rows can come in by other ways than insert()
        output_dir = resolve_new_path(
            inputs.output_dir or KeypointInferenceTask.infer_output_dir(key),
            active_link().processed_dir(),
        )
        run = _load if inputs.task_mode == "load" else _trigger
        store = configured_store()  # one that cannot be used is told before the work
        record = run(inputs, output_dir)
        keep_products(store, [record.product])
        return record, relative_to_roots(record.product.path, active_link().search_dirs())

    def make_insert(self, key: Key, record: "KeypointRecord", file_path: str) -> None:
        """Write the row and its parts."""
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
                "file_frame_rate_hz": record.file_frame_rate_hz,
                "n_individuals": len(record.individuals),
                "source_software": record.source_software,
                "device": record.device,
                "package_version": __version__,
                "bbox": [list(box) for box in record.boxes] or None,
                "file_path": file_path,
                "size_bytes": record.product.size_bytes,
                "sha256": record.product.sha256,
                "notes": list(record.notes),
            }
        )
        self.BodyPartPosition.insert({**key, **row} for row in track_rows(record, file_path))
        self.Variable.insert({**key, **row} for row in variable_rows(record, file_path))
        self.Library.insert(
            {**key, "library_name": name, "library_version": version}
            for name, version in record.versions.items()
        )

    @classmethod
    def get_trajectory(
        cls, key: Key, body_parts: str | Sequence[str] = "all", *, as_dataset: bool = False
    ) -> "pd.DataFrame | Any":
        """Tracks of one run, as Element Facemap gives them.

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
    def fetch_predictions(cls, key: Key, body_parts: str | Sequence[str] = "all") -> "Predictions":
        """Tracks of one run in memory; arguments and errors as of `get_trajectory`."""
        from element_facerhythm.keypoints.predictions import Predictions

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
        return Predictions(
            values[..., :n_axes],
            values[..., n_axes],
            wanted,
            individuals,
            (cls() & run).fetch1("source_software"),
            float((RecordingInfo() & run).fetch1("frame_rate_hz")),
            {name: values[..., n_axes + 1 + n] for n, name in enumerate(names)},
            times_s=RecordingInfo.recording_times(run),
            absent=frozenset((i, k) for i in individuals for k in wanted if (i, k) not in tracks),
        )

    @classmethod
    def _one_run(cls, key: Key) -> Key:
        """Primary key of the one run that a restriction leaves."""
        found = (cls() & key).keys()
        if len(found) != 1:
            raise KeypointError(
                f"{key} leaves {len(found)} entries of KeypointInference; a key that leaves one was expected "
                f"({', '.join(cls.primary_key)})"
            )
        return dict(found[0])


def _trigger(inputs: InferenceInputs, output_dir: Path) -> "KeypointRecord":
    """Run facemap's network on the files that were probed, or say that they changed since."""
    from element_facerhythm.pipeline.keypoint_records import KeypointRequest
    from element_facerhythm.pipeline.keypoints import run_keypoints

    dirs = active_link().search_dirs()
    if inputs.model_file is None:
        raise ConfigurationError(
            "the model has no file of weights, so its task_mode can only be 'load'; enter the weights with "
            "KeypointModel.insert_new_model, or give the predictions to load"
        )
    if not inputs.videos:
        raise VideoError("the recording has no video file, so its task_mode can only be 'load'")
    videos = tuple(resolve_path(path, dirs) for path, *_ in inputs.videos)
    path, sha256 = inputs.model_file
    return run_keypoints(
        KeypointRequest(
            videos=videos,
            video_sha256=tuple(sha256 for _, sha256, _ in inputs.videos),
            model_file=resolve_path(path, dirs),
            model_sha256=sha256,
            body_parts=inputs.body_parts,
            output_dir=output_dir,
            owner=inputs.owner,
            frame_rate_hz=inputs.given_frame_rate_hz,
            box=parse_bbox(inputs.bbox),
            device=device_of_this_process(),
        )
    )


def _load(inputs: InferenceInputs, output_dir: Path) -> "KeypointRecord":
    """Read predictions, and check that they are of this recording and this model."""
    from element_facerhythm.pipeline.keypoints import load_keypoints

    dirs = active_link().search_dirs()
    if not inputs.files:
        raise KeypointError(
            "a task with task_mode 'load' needs its files of predictions: enter them in "
            "KeypointInferenceTask.File"
        )
    return load_keypoints(
        [resolve_path(path, dirs) for path in inputs.files],
        inputs.source_software,
        n_frames=[n for *_, n in inputs.videos] or [inputs.n_frames],
        frame_rate_hz=inputs.frame_rate_hz,
        output_dir=output_dir,
        body_parts=inputs.body_parts,
        owner=inputs.owner,
        options=ReadingOptions.from_json(inputs.load_options),
        frame_size_px=inputs.frame_size_px,
        frame_times_s=tuple(map(unpack_array, inputs.frame_times)) or None,
    )


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
