"""Calibrations of the cameras of recordings."""

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from element_facerhythm.database.columns import require_length
from element_facerhythm.database.keys import key_of
from element_facerhythm.errors import KeypointError
from element_facerhythm.facial_behavior_estimation.enter_once import enter_once
from element_facerhythm.facial_behavior_estimation.recording import Key, VideoRecording
from element_facerhythm.files.digest import file_sha256
from element_facerhythm.files.plain import plain_row
from element_facerhythm.keypoint_inference.schema import dj, schema

if TYPE_CHECKING:
    from element_facerhythm.keypoints.cameras import Camera as CalibratedCamera


@schema
class Camera(dj.Manual):
    """Calibration of the camera of a recording, and how its keypoints count for positions in space.

    Cameras of a session with one `calibration_id` see the same: `Keypoint3D` finds positions from all of them
    together.
    """

    definition = """
    # Calibrated cameras of recordings
    -> VideoRecording
    calibration_id     : int32        # number of the calibration, shared by its cameras in a session
    ---
    camera_index       : int32        # place among them, from 0; the frames of 0 are the moments of positions
    calibrated_camera  : varchar(64)  # as the calibration names it
    camera_matrix      : json         # 3 x 3, focal lengths and principal point, pixels
    camera_distortion  : json         # coefficients of the lens, in OpenCV's order
    camera_rotation    : json         # axis times angle, radians, of the world as the camera sees it
    camera_translation : json         # of the world as the camera sees it, in the unit of the calibration
    is_fisheye=0       : bool         # whether the lens is one of OpenCV's fisheye model
    calibrated_width_px=null  : int32 # width of the frames that were calibrated, pixels; null: not said
    calibrated_height_px=null : int32 # height of the frames that were calibrated, pixels; null: not said
    calibration_file   : varchar(255) # name of the file that it was read from
    calibration_sha256 : char(64)     # digest of that file
    clock_start_s=0    : float64      # time of its first frame on the clock that the cameras share, seconds
    max_apart_s=null   : float64      # most seconds between frames of one moment; null: half an interval
    max_error_px=10    : float64      # its keypoints that are further from a position do not count, pixels
    min_likelihood=0   : float64      # its keypoints that are less likely are taken as not seen
    """

    @classmethod
    def insert_calibration(
        cls,
        key: Key,
        calibration_file: str | Path,
        recordings: Mapping[str, int],
        *,
        calibration_id: int = 0,
        sizes_px: Mapping[str, tuple[int, int]] | None = None,
        clock_start_s: Mapping[str, float] | None = None,
        max_apart_s: float | None = None,
        max_error_px: float = 10.0,
        min_likelihood: float = 0.0,
    ) -> list[Key]:
        """Enter the cameras of a session from a file, once; the same call again changes nothing.

        Parameters
        ----------
        key
            Primary key of the session.
        calibration_file
            As of `keypoints.cameras.read_cameras`; it need not lie below a data directory.
        recordings
            `recording_id` of each camera, by the name of the camera; the frames of the first one are the
            moments. Cameras of the file that are left out are not entered.
        calibration_id
            Number of the calibration in the session.
        sizes_px
            Width and height of frames by camera, where the file leaves them open.
        clock_start_s
            Time of the first frame of each camera on the clock that they share, seconds; 0 where left out.
        max_apart_s, max_error_px, min_likelihood
            As the columns, for all of these cameras.

        Returns
        -------
        Primary keys of the cameras, in the order of `recordings`.

        Raises
        ------
        KeypointError
            The file cannot be read, has no camera of a name, or two or more cameras are not named.
        ConfigurationError
            The calibration is entered with another content.
        """
        from element_facerhythm.keypoints.cameras import ReconstructionOptions, read_cameras

        path = Path(calibration_file)
        known = {camera.name: camera for camera in read_cameras(path, sizes_px)}
        strange = [n for n in (*recordings, *(clock_start_s or {})) if n not in known]
        if strange:
            raise KeypointError(
                f"{path} has no camera {', '.join(strange)}; its cameras are {', '.join(known)}"
            )
        numbers = list(recordings.values())
        if len(numbers) < 2 or len(set(numbers)) < len(numbers):
            raise KeypointError(
                f"cameras are of the recordings {numbers}; expected two recordings or more, each once"
            )
        ReconstructionOptions(max_error_px, min_likelihood, max_apart_s)  # refuses what cannot be
        shared = {
            "calibration_id": calibration_id,
            "calibration_file": path.name,
            "calibration_sha256": file_sha256(path),
            "max_apart_s": max_apart_s,
            "max_error_px": max_error_px,
            "min_likelihood": min_likelihood,
        }
        rows = []
        for index, (name, number) in enumerate(recordings.items()):
            require_length(cls, "calibrated_camera", name)
            own = key_of(VideoRecording, {**plain_row(key), "recording_id": number})
            start_s = float((clock_start_s or {}).get(name, 0.0))
            placed = {"camera_index": index, "clock_start_s": start_s}
            rows.append({**own, **shared, **placed, **_columns(known[name])})
        in_transaction = cls.connection.in_transaction
        with nullcontext() if in_transaction else cls.connection.transaction:
            for row in rows:
                enter_once(cls, row)
        return [{name: row[name] for name in cls.primary_key} for row in rows]


def _columns(camera: "CalibratedCamera") -> dict[str, Any]:
    width, height = camera.size_px or (None, None)
    return {
        "calibrated_camera": camera.name,
        "camera_matrix": camera.matrix.tolist(),
        "camera_distortion": camera.distortion.tolist(),
        "camera_rotation": camera.rotation.tolist(),
        "camera_translation": camera.translation.tolist(),
        "is_fisheye": camera.is_fisheye,
        "calibrated_width_px": width,
        "calibrated_height_px": height,
    }


def calibrated(row: Mapping[str, Any]) -> "CalibratedCamera":
    """Camera of a row.

    Raises
    ------
    KeypointError
        The row, which may come from any source, describes no camera.
    """
    from element_facerhythm.keypoints.cameras.calibration_values import camera_of_facts

    width, height = row["calibrated_width_px"], row["calibrated_height_px"]
    return camera_of_facts(
        {
            "name": row["calibrated_camera"],
            "matrix": row["camera_matrix"],
            "distortions": row["camera_distortion"],
            "rotation": row["camera_rotation"],
            "translation": row["camera_translation"],
            "fisheye": bool(row["is_fisheye"]),
            "size": None if None in (width, height) else [int(width), int(height)],
        }
    )
