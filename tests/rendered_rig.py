"""Cameras of known geometry and what they see: rendered with a projection that is written here anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from element_facerhythm.keypoints.predictions import Predictions
from element_facerhythm.video import iterate_gray_frames

SIZE_PX = (320, 240)
FOCAL_PX = (640.0, 650.0)
CENTRE_PX = (158.0, 122.0)
LENS = (-0.12, 0.04, 0.001, -0.0015, 0.0)
"""k1, k2, p1, p2, k3."""
PARTS = ("nose", "eye", "whisker", "jaw")
_HOMES = np.array([[0.0, 0, 0], [6, 4, -3], [-7, 3, 2], [3, -6, 4]])
_DOT_PX = 2.2


@dataclass(frozen=True)
class Rig:
    """Cameras around the origin, 60 units away, each turned by an angle about the axis that points up.

    Attributes
    ----------
    azimuths_deg
        One for each camera, which is named left, right, top, ... in this order.
    """

    azimuths_deg: tuple[float, ...] = (-30.0, 25.0, 70.0)
    distance: float = 60.0
    names: tuple[str, ...] = field(default=("left", "right", "top", "back"))

    def axes(self, view: int) -> NDArray[np.float64]:
        """(3, 3) right, down and forward, of a camera that looks at the origin, tilted by 15 degrees."""
        azimuth, tilt = np.deg2rad(self.azimuths_deg[view]), np.deg2rad(15.0)
        away = np.array(
            [np.cos(tilt) * np.cos(azimuth), np.cos(tilt) * np.sin(azimuth), np.sin(tilt)]
        )
        right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])  # z is up
        return np.stack([right, np.cross(-away, right), -away])

    def place(self, view: int) -> NDArray[np.float64]:
        """(3,) where a camera stands."""
        return -self.distance * self.axes(view)[2]

    def seen(self, view: int, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., 2) pixels of (..., 3) positions, by the formulas of the model of lenses."""
        right, down, forward = np.moveaxis(
            (positions - self.place(view)) @ self.axes(view).T, -1, 0
        )
        x, y = right / forward, down / forward
        k1, k2, p1, p2, k3 = LENS
        r2 = x**2 + y**2
        radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
        bent_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x**2)
        bent_y = y * radial + p1 * (r2 + 2 * y**2) + 2 * p2 * x * y
        return np.stack(
            [FOCAL_PX[0] * bent_x + CENTRE_PX[0], FOCAL_PX[1] * bent_y + CENTRE_PX[1]], axis=-1
        )

    def rotation(self, view: int) -> NDArray[np.float64]:
        """(3,) axis times angle of a camera, from its matrix by its own formula."""
        matrix = self.axes(view)
        angle = np.arccos((np.trace(matrix) - 1) / 2)
        axis = np.array(
            [matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]]
        )
        return axis / (2 * np.sin(angle)) * angle

    def anipose(self) -> str:
        """Return the calibration as Anipose writes it."""
        tables = []
        for view in range(len(self.azimuths_deg)):
            shift = -self.axes(view) @ self.place(view)
            matrix = [
                [FOCAL_PX[0], 0.0, CENTRE_PX[0]],
                [0.0, FOCAL_PX[1], CENTRE_PX[1]],
                [0.0, 0.0, 1.0],
            ]
            tables.append(
                f'[cam_{view}]\nname = "{self.names[view]}"\nsize = {list(SIZE_PX)}\nmatrix = {matrix}\n'
                f"distortions = {list(LENS)}\nrotation = {self.rotation(view).tolist()}\n"
                f"translation = {shift.tolist()}\n"
            )
        return "\n".join([*tables, "[metadata]\nadjusted = false\nerror = 0.21\n"])


def moving_points(times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T, K, 3) positions of the body parts: circles of 2 units, of another phase for each."""
    phase = 2 * np.pi * 1.5 * times_s[:, None] + np.arange(len(PARTS))
    moved = np.stack([np.cos(phase), np.sin(phase), 0.5 * np.sin(2 * phase)], axis=2)
    return _HOMES + 2 * moved


def film(rig: Rig, view: int, positions: NDArray[np.float64], path: Path, rate: int = 50) -> Path:
    """Encode what a camera sees of (T, K, 3) positions: a dot for each, which no two of them share."""
    columns, rows = np.arange(SIZE_PX[0]), np.arange(SIZE_PX[1])
    with av.open(str(path), "w") as container:
        options = {"crf": "4", "preset": "veryfast", "x264-params": "log-level=none"}
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = *SIZE_PX, "yuv420p"
        for places in rig.seen(view, positions):
            picture = np.zeros(SIZE_PX[::-1])
            for x, y in places:
                distance2 = (columns - x) ** 2 + (rows[:, None] - y) ** 2
                picture += 200 * np.exp(-distance2 / (2 * _DOT_PX**2))
            gray = picture.clip(0, 220).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(
                np.repeat(gray[..., None], 3, axis=2), format="rgb24"
            )
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    return path


def located(path: Path, rig: Rig, view: int, positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T, K, 2) middles of the dots in the frames of a video, weighed by brightness.

    Known positions say which dot is which, and where to look; where exactly it is, the frame says.
    """
    reach = 6
    expected = rig.seen(view, positions)
    found = np.full(expected.shape, np.nan)
    for t, frame in enumerate(iterate_gray_frames(path)):
        for k, (x, y) in enumerate(np.rint(expected[t]).astype(int)):
            part = frame[y - reach : y + reach + 1, x - reach : x + reach + 1].astype(float)
            part = (part - 12).clip(0)  # what coding leaves beside the dots
            offsets = np.arange(-reach, reach + 1)
            found[t, k, 0] = x + (part.sum(axis=0) * offsets).sum() / part.sum()
            found[t, k, 1] = y + (part.sum(axis=1) * offsets).sum() / part.sum()
    return found


def as_predictions(
    places: NDArray[np.float64], likelihood: float = 0.9, **how: object
) -> Predictions:
    """Predictions of one individual of (T, K, 2) places."""
    shape = (len(places), 1, len(PARTS))
    return Predictions(
        places[:, None], np.full(shape, likelihood), PARTS, source_software="DeepLabCut", **how
    )
