"""Keypoints in space, of the recordings of a session that calibrated cameras made."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from element_facerhythm.errors import KeypointError
from element_facerhythm.facial_behavior_estimation.packed_arrays import pack_array
from element_facerhythm.facial_behavior_estimation.product_files import keep_products
from element_facerhythm.facial_behavior_estimation.recording import (
    Key,
    RecordingInfo,
    VideoRecording,
    without_zone,
)
from element_facerhythm.facial_behavior_estimation.task_directories import directory_of
from element_facerhythm.keypoint_inference.camera import Camera
from element_facerhythm.keypoint_inference.inference import KeypointInference
from element_facerhythm.keypoint_inference.model import KeypointModel
from element_facerhythm.keypoint_inference.schema import dj, schema
from element_facerhythm.keypoint_inference.space_run import SpaceRecord, ViewInputs, run_space
from element_facerhythm.linking import relative_to_roots
from element_facerhythm.pipeline.supervision import supervised
from element_facerhythm.storage import configured_store

if TYPE_CHECKING:
    from element_facerhythm.keypoints.predictions import Predictions


@schema
class Keypoint3D(dj.Computed):
    """Keypoints of a model in space, from all cameras of a calibration.

    The key is that of the first camera, whose frames are the moments. It is populated once the keypoints of
    all cameras of the calibration are there.
    """

    definition = """
    # Keypoints in space, from the cameras of a calibration
    -> KeypointInference
    -> Camera
    ---
    n_cameras              : int32        # cameras of the calibration
    n_ambiguous_points     : int64        # points with two positions as likely as each other: NaN
    space_completion_time  : datetime     # when the positions were written, UTC
    space_run_duration     : float64      # seconds that it took
    space_package_version  : varchar(32)  # element-facerhythm that made this row
    space_path             : varchar(512) # HDF5 file of the positions, relative to a data directory
    space_size_bytes       : int64        # its size, bytes
    space_sha256           : char(64)     # digest of its content
    space_notes            : json         # list of remarks on frames and points that were left out
    """

    class View(dj.Part):
        """A camera whose keypoints were used.

        It has no foreign key to `Camera`: PostgreSQL uses only 63 characters of the name of an index, and the
        index for it would get the same name as the other one.
        """

        definition = """
        # Cameras whose keypoints were used
        -> master
        -> KeypointInference.proj(view_recording_id='recording_id')
        ---
        n_matched_frames    : int64    # frames of the first camera that have a frame of this one
        median_apart_s      : float64  # median time between these frames, seconds
        view_error_px=null  : float64  # mean distance of its used keypoints from the positions, pixels
        used_fraction=null  : float64  # its keypoints that positions were made of / those that it saw
        """

    class Position(dj.Part):
        """Track of a body part in space, and its statistics."""

        definition = """
        # Tracks of body parts in space
        -> master
        -> KeypointModel.BodyPart
        space_individual    : varchar(64) # which animal; as in the first camera
        ---
        x_space             : <facerhythm_array> # (T,) in the calibration's unit; NaN: fewer than two views
        y_space             : <facerhythm_array> # (T,) likewise
        z_space             : <facerhythm_array> # (T,) likewise
        reprojection_px     : <facerhythm_array> # (T,) mean distance of the used views from it, pixels
        n_views             : <facerhythm_array> # (T,) views that it was made of; 0: none
        space_likelihood    : <facerhythm_array> # (T,) mean likelihood of these views
        mean_reprojection_px=null : float64 # mean over frames and used views, pixels; null: none found
        found_fraction      : float64 # frames with a position / all frames
        mean_views=null     : float64 # mean of n_views over the frames with a position
        median_likelihood=null : float64 # median of space_likelihood
        index (found_fraction)
        """

    @property
    def key_source(self) -> Any:
        """First cameras of calibrations all of whose cameras have keypoints of the same model."""
        lacking = Camera().proj() * KeypointModel().proj() - KeypointInference().proj()
        rig = [name for name in Camera.primary_key if name != "recording_id"]
        first = KeypointInference().proj() * (Camera() & {"camera_index": 0}).proj()
        return first - dj.U(*rig, "model_id").aggr(lacking, n_lacking="count(*)")

    def make_fetch(self, key: Key) -> tuple[tuple[ViewInputs, ...], tuple[str, ...]]:
        """Gather cameras, clocks and files of keypoints, in the order of the cameras, and the body parts."""
        rig = {
            name: value for name, value in key.items() if name not in ("recording_id", "model_id")
        }
        views = []
        for row in (Camera() & rig).to_dicts(order_by="camera_index"):
            recording = {name: row[name] for name in VideoRecording.primary_key}
            run = KeypointInference() & recording & {"model_id": key["model_id"]}
            path, sha256 = run.fetch1("keypoints_path", "keypoints_sha256")
            rate, width, height = (RecordingInfo() & recording).fetch1(
                "frame_rate_hz", "width_px", "height_px"
            )
            views.append(
                ViewInputs(
                    recording_id=int(row["recording_id"]),
                    camera={name: row[name] for name in row if name not in Camera.primary_key},
                    keypoints=(path, sha256),
                    frame_rate_hz=float(rate),
                    frame_size_px=(int(width), int(height)),
                    times_s=pack_array(RecordingInfo.recording_times(recording)),
                )
            )
        return tuple(views), KeypointModel.body_parts_of(key)

    @supervised
    def make_compute(
        self, key: Key, views: Sequence[ViewInputs], body_parts: Sequence[str]
    ) -> tuple[SpaceRecord, str]:
        """Find the positions and write their file; nothing here touches the database.

        Parameters
        ----------
        key
            Primary key.
        views, body_parts
            As `make_fetch` returns them.

        Returns
        -------
        The record, and the file, relative to the data directories.

        Raises
        ------
        RequestError
            A file is missing or changed since it was entered, cameras or keypoints do not fit together, or no
            frames are of one moment.
        ProcessingError
            The store does not answer.
        """
        from element_facerhythm.linking import active_link

        store = configured_store()  # raises before the work where it cannot be used
        place = directory_of(key, self.infer_output_name(key), relative=False, mkdir=False)
        record = run_space(views, body_parts, place)
        keep_products(store, [record.product])
        return record, relative_to_roots(record.product.path, active_link().search_dirs())

    def make_insert(self, key: Key, record: SpaceRecord, file_path: str) -> None:
        """Insert the row and its parts.

        Parameters
        ----------
        key
            Primary key.
        record, file_path
            As `make_compute` returns them.
        """
        from element_facerhythm import __version__
        from element_facerhythm.keypoint_inference.space_rows import position_rows, view_rows

        self.insert1(
            {
                **key,
                "n_cameras": len(record.views),
                "n_ambiguous_points": record.n_ambiguous,
                "space_completion_time": without_zone(datetime.now(UTC)),
                "space_run_duration": record.seconds,
                "space_package_version": __version__,
                "space_path": file_path,
                "space_size_bytes": record.product.size_bytes,
                "space_sha256": record.product.sha256,
                "space_notes": list(record.notes),
            }
        )
        self.View.insert({**key, **row} for row in view_rows(record))
        self.Position.insert({**key, **row} for row in position_rows(record, file_path))

    @staticmethod
    def infer_output_name(key: Key) -> str:
        """Name of the directory of a result, in that of the first camera's recording."""
        return f"space_model-{key['model_id']}_calibration-{key['calibration_id']}"

    @classmethod
    def fetch_predictions(cls, key: Key) -> "Predictions":
        """Positions of one result in memory, as the file has them, with `error` and `ncams` as variables.

        Raises
        ------
        KeypointError
            The key leaves no result, or several.
        ProjectError
            The file changed since it was entered.
        """
        from element_facerhythm.database.keys import restriction_of
        from element_facerhythm.facial_behavior_estimation.product_files import fetch_verified_file
        from element_facerhythm.keypoints.product import read_keypoints

        found = (cls() & restriction_of(cls, key)).to_dicts()
        if len(found) != 1:
            raise KeypointError(f"{key} leaves {len(found)} entries of Keypoint3D; expected one")
        file = fetch_verified_file(found[0]["space_path"], found[0]["space_sha256"])
        return read_keypoints(file)
