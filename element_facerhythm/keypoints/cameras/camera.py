"""A calibrated camera: from positions in space to pixels, and from pixels to rays, as OpenCV has it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import KeypointError

Float64Array = NDArray[np.float64]

DISTORTION_LENGTHS = (0, 4, 5, 8, 12, 14)
"""Numbers of coefficients of OpenCV's model of lenses; a fisheye has 4."""
_FISHEYE_LENGTH = 4
_STOP = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-12)
_MISSED_PX = 0.05
"""Where a pixel that was undistorted and distorted again lies further away, the lens cannot be inverted."""


@dataclass(frozen=True, eq=False)
class Camera:
    """Calibration of one camera; the camera sees x_c = R x + t of a position x in space.

    Attributes
    ----------
    name
        As the calibration names it.
    matrix
        (3, 3) focal lengths and principal point, pixels.
    distortion
        (n,) coefficients in OpenCV's order, n as in `DISTORTION_LENGTHS`; of a fisheye, 4.
    rotation
        (3,) axis times angle in radians (Rodrigues), of R.
    translation
        (3,) t, in the unit of the calibration.
    size_px
        Width and height of its frames; None where the calibration does not say.
    is_fisheye
        Whether the lens is one of OpenCV's fisheye model.
    """

    name: str
    matrix: Float64Array
    distortion: Float64Array
    rotation: Float64Array
    translation: Float64Array
    size_px: tuple[int, int] | None = None
    is_fisheye: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no calibration.

        Raises
        ------
        KeypointError
            The message names the camera, what was given, and what is expected.
        """
        if not self.name or self.name != self.name.strip():
            raise KeypointError(
                f"a camera is named {self.name!r}; expected a name without blanks around"
            )
        for what, shape in (("matrix", (3, 3)), ("rotation", (3,)), ("translation", (3,))):
            object.__setattr__(self, what, self._numbers(what, shape))
        distortion = np.asarray(self.distortion, dtype=np.float64)
        allowed = (0, _FISHEYE_LENGTH) if self.is_fisheye else DISTORTION_LENGTHS
        if distortion.ndim != 1 or len(distortion) not in allowed:
            self._refuse(
                f"{distortion.size} coefficients of distortion",
                f"{', '.join(map(str, allowed))} in OpenCV's order",
            )
        if len(distortion) == 0:
            distortion = np.zeros(_FISHEYE_LENGTH)
        object.__setattr__(self, "distortion", self._finite("distortion", distortion))
        self._require_matrix()
        if self.size_px is not None and min(self.size_px) < 1:
            self._refuse(f"frames of {self.size_px} px", "width and height above 0")

    def _numbers(self, what: str, shape: tuple[int, ...]) -> Float64Array:
        values = np.asarray(getattr(self, what), dtype=np.float64)
        if values.shape != shape:
            self._refuse(f"a {what} of shape {values.shape}", f"{shape}")
        return self._finite(what, values)

    def _finite(self, what: str, values: Float64Array) -> Float64Array:
        if not np.isfinite(values).all():
            self._refuse(f"a {what} that is not finite", "finite numbers")
        return values

    def _require_matrix(self) -> None:
        (fx, skew, _), (below, fy, _) = self.matrix[0], self.matrix[1]
        if not (fx > 0 and fy > 0):
            self._refuse(f"focal lengths {fx:g} and {fy:g} px", "both above 0")
        if skew or below or not np.array_equal(self.matrix[2], (0, 0, 1)):
            self._refuse(
                f"the matrix {self.matrix.tolist()}",
                "[[fx, 0, cx], [0, fy, cy], [0, 0, 1]] in pixels",
            )

    def _refuse(self, given: str, expected: str) -> Any:
        raise KeypointError(
            f"camera {self.name} has {given}; expected {expected}: calibrate again, or correct the file"
        )

    @property
    def intrinsics(self) -> Float64Array:
        """(4,) fx, fy, cx and cy, pixels."""
        return self.matrix[(0, 1, 0, 1), (0, 1, 2, 2)]

    @property
    def rotation_matrix(self) -> Float64Array:
        """(3, 3) R."""
        return np.asarray(cv2.Rodrigues(self.rotation)[0], dtype=np.float64)

    @property
    def centre(self) -> Float64Array:
        """(3,) where the camera stands, in the unit of the calibration."""
        return -self.rotation_matrix.T @ self.translation

    def depth(self, positions: Float64Array) -> Float64Array:
        """(N,) distance along the optical axis of (N, 3) positions; what is behind the camera is negative."""
        return np.asarray(positions @ self.rotation_matrix[2] + self.translation[2])

    def project(self, positions: Float64Array) -> Float64Array:
        """(N, 2) pixels of (N, 3) positions; NaN for positions that are NaN, or behind the camera."""
        pixels, _ = self._projected(positions)
        with np.errstate(invalid="ignore"):
            pixels[~(self.depth(positions) > 0)] = np.nan
        return pixels

    def slopes(self, positions: Float64Array) -> tuple[Float64Array, Float64Array]:
        """How pixels change with a position, and with the camera's own parameters.

        Parameters
        ----------
        positions
            (N, 3), finite.

        Returns
        -------
        by_position
            (N, 2, 3) pixels per unit.
        by_camera
            (N, 2, 10) by rotation (3), translation (3), focal lengths (2) and principal point (2).
        """
        _, slopes = self._projected(positions)
        slopes = slopes.reshape(len(positions), 2, -1)
        # OpenCV has rotation, translation, f and c first; of a fisheye, f, c and the lens come before
        order = [*range(8, 14), *range(4)] if self.is_fisheye else list(range(10))
        by_camera = slopes[:, :, order]
        return by_camera[:, :, 3:6] @ self.rotation_matrix, by_camera

    def _projected(self, positions: Float64Array) -> tuple[Float64Array, Float64Array]:
        places = np.ascontiguousarray(positions, dtype=np.float64).reshape(-1, 1, 3)
        if len(places) == 0:
            return np.empty((0, 2)), np.empty((0, 14 if self.is_fisheye else 10))
        model: Any = cv2.fisheye if self.is_fisheye else cv2
        extrinsics = (self.rotation.reshape(3, 1), self.translation.reshape(3, 1))
        pixels, slopes = model.projectPoints(places, *extrinsics, self.matrix, self.distortion)
        return np.asarray(pixels, np.float64).reshape(-1, 2), np.asarray(slopes, np.float64)

    def rays(self, pixels: Float64Array) -> Float64Array:
        """(N, 2) pixels to (N, 2) places in the plane at distance 1, the lens undone.

        NaN where a pixel is NaN, or where the model of the lens has no inverse (outside of what was
        calibrated).
        """
        found = np.full(pixels.shape, np.nan)
        seen = np.isfinite(pixels).all(axis=1)
        if not seen.any():
            return found
        given = np.ascontiguousarray(pixels[seen], dtype=np.float64).reshape(-1, 1, 2)
        if self.is_fisheye:
            undone = cv2.fisheye.undistortPoints(
                given, self.matrix, self.distortion, None, None, None, _STOP
            )
            flat = np.asarray(undone, np.float64).reshape(-1, 2)
        else:
            undone = cv2.undistortImagePoints(given, self.matrix, self.distortion, None, _STOP)
            flat = np.asarray(undone, np.float64).reshape(-1, 2)
            flat = (flat - self.matrix[:2, 2]) / self.matrix[(0, 1), (0, 1)]
        at_one = np.column_stack([flat, np.ones(len(flat))])
        again = Camera(
            self.name, self.matrix, self.distortion, np.zeros(3), np.zeros(3), None, self.is_fisheye
        ).project(at_one)
        missed = np.linalg.norm(again - given.reshape(-1, 2), axis=1)
        flat[~(missed <= _MISSED_PX)] = np.nan
        found[seen] = flat
        return found

    @property
    def facts(self) -> dict[str, Any]:
        """What is known of it, in values of JSON; `camera_of_facts` reads it."""
        return {
            "name": self.name,
            "matrix": self.matrix.tolist(),
            "distortions": self.distortion.tolist(),
            "rotation": self.rotation.tolist(),
            "translation": self.translation.tolist(),
            "size": None if self.size_px is None else list(self.size_px),
            "fisheye": self.is_fisheye,
        }


def completed_distortion(coefficients: Float64Array) -> Float64Array:
    """(n,) coefficients with zeros up to the next length that OpenCV takes; longer ones stay as they are."""
    n = len(coefficients)
    length = next((known for known in DISTORTION_LENGTHS if known >= n), n)
    return np.concatenate([coefficients, np.zeros(length - n)])


def orbit(
    *,
    look_at: Float64Array,
    distance: float,
    azimuth_deg: float,
    elevation_deg: float,
    roll_deg: float,
) -> tuple[Float64Array, Float64Array]:
    """Rotation and translation of a camera that circles a place and looks at it, z being up.

    Parameters
    ----------
    look_at
        (3,) the place.
    distance
        Of the camera from it.
    azimuth_deg
        Around z, from x towards y.
    elevation_deg
        Above the plane of x and y; less than 90 up or down, where it is not known what is right.
    roll_deg
        About the optical axis.

    Returns
    -------
    rotation, translation
        (3,) each, as of `Camera`.
    """
    azimuth, elevation, roll = map(math.radians, (azimuth_deg, elevation_deg, roll_deg))
    away = np.array(
        [
            math.cos(elevation) * math.cos(azimuth),
            math.cos(elevation) * math.sin(azimuth),
            math.sin(elevation),
        ]
    )
    right = np.cross(-away, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(-away, right), -away])
    turn = np.array(
        [[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]]
    )
    rotation = turn @ axes
    return cv2.Rodrigues(rotation)[0].reshape(3), -rotation @ (look_at + distance * away)
