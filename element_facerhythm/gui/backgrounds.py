"""Pictures behind a drawing: the mean of a video, where it varies, where it moves, what can be followed."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.texture import LEAST_TEXTURE, USUAL_WINDOW_PX, texture_map
from element_facerhythm.gui.frames import FrameReader
from element_facerhythm.gui.opened import OpenedVideo
from element_facerhythm.video import iterate_gray_frames

KINDS = ("mean", "deviation", "energy")
N_RUNS, RUN_LENGTH = 16, 6
"""Runs of consecutive frames, spread over the video, that all pictures are made of."""
_BRIGHTEST = 99.5  # percentile of the values that becomes white


@dataclass(frozen=True, eq=False)
class Backgrounds:
    """Pictures (H, W) uint8 of a video.

    Attributes
    ----------
    mean
        Mean gray level.
    deviation
        Standard deviation over all frames looked at; the brightest half percent is white.
    energy
        Mean absolute change from a frame to the next; as bright.
    """

    mean: NDArray[np.uint8]
    deviation: NDArray[np.uint8]
    energy: NDArray[np.uint8]


class BackgroundStore:
    """Makes the pictures of each video once, when first asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, Backgrounds] = {}

    def of(self, video: OpenedVideo) -> Backgrounds:
        """Return the pictures of a video.

        Raises
        ------
        DecodeError
            A frame cannot be decoded.
        """
        with self._lock:
            if video.id not in self._made:
                self._made[video.id] = make_backgrounds(video)
            return self._made[video.id]


def make_backgrounds(video: OpenedVideo) -> Backgrounds:
    """Look at some frames of a video.

    Parameters
    ----------
    video
        The video.
    """
    metadata = video.metadata
    last = max(metadata.n_frames - RUN_LENGTH, 0)
    shape = (metadata.height_px, metadata.width_px)
    total, squares, moved = (np.zeros(shape, np.float64) for _ in range(3))
    n_frames = n_pairs = 0
    for start in sorted({round(last * n / (N_RUNS - 1)) for n in range(N_RUNS)}):
        before: NDArray[np.float32] | None = None
        stop = min(start + RUN_LENGTH, metadata.n_frames)
        frames = iterate_gray_frames(metadata.path, start=start, stop=stop, levels=metadata.levels)
        for gray in frames:
            frame = gray.astype(np.float32)
            total += frame
            squares += frame * frame
            n_frames += 1
            if before is not None:
                moved += np.abs(frame - before)
                n_pairs += 1
            before = frame
    mean = total / n_frames
    deviation = np.sqrt(np.maximum(squares / n_frames - mean**2, 0))
    return Backgrounds(
        np.rint(mean).astype(np.uint8), _stretched(deviation), _stretched(moved / max(n_pairs, 1))
    )


def texture_picture(reader: FrameReader, video: OpenedVideo) -> NDArray[np.uint8]:
    """Picture (H, W) that is 255 where a point can be followed, by the rule of `facerhythm rois check`.

    Parameters
    ----------
    reader
        Of the video's frames.
    video
        The video; its middle frame is looked at.
    """
    frame = reader.rgb(video.metadata.n_frames // 2)
    texture = texture_map(frame.astype(np.float32).mean(axis=2), USUAL_WINDOW_PX)
    return np.where(texture >= LEAST_TEXTURE, np.uint8(255), np.uint8(0))


def _stretched(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    white = max(float(np.percentile(values, _BRIGHTEST)), 1e-9)
    return np.clip(values * (255 / white), 0, 255).astype(np.uint8)
