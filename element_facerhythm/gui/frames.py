"""Single frames of a video, by number, as pictures for the browser."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Generator
from itertools import islice
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import RequestError
from element_facerhythm.gui.opened import OpenedVideo
from element_facerhythm.video import iterate_rgb_frames, key_frames
from element_facerhythm.video.packets import scan_packets

JPEG_QUALITY = 88
CACHED_BYTES = 48 * 2**20
_PLAYED_SUFFIXES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm"}
_PLAYED_CODECS = frozenset({"h264", "vp8", "vp9", "av1"})
_MOST_UNEVEN = 0.05  # of an interval that stamps of frames at a constant rate may be off


class FrameReader:
    """Decodes frames of one video; going on from the last one costs one frame.

    Parameters
    ----------
    video
        What to read.
    """

    def __init__(self, video: OpenedVideo) -> None:
        self._video, self._lock = video, threading.Lock()
        self._frames: Generator[NDArray[np.uint8]] | None = None
        self._next = 0
        self._keys: NDArray[np.int64] | None = None
        self._pictures: OrderedDict[tuple[int, int], bytes] = OrderedDict()

    def rgb(self, number: int) -> NDArray[np.uint8]:
        """Frame (H, W, 3) uint8 of a number.

        Raises
        ------
        RequestError
            There is no such frame.
        DecodeError
            It cannot be decoded.
        """
        n_frames = self._video.metadata.n_frames
        if not 0 <= number < n_frames:
            raise RequestError(
                f"frame {number} was asked for; {self._video.path.name} has frames 0 to {n_frames - 1}"
            )
        with self._lock:
            return self._read(number)

    def jpeg(self, number: int, width_px: int = 0) -> bytes:
        """Frame as JPEG.

        Parameters
        ----------
        number
            Of the frame.
        width_px
            Width to shrink it to; 0, or more than it has, leaves it.
        """
        wanted = (number, width_px)
        with self._lock:
            kept = self._pictures.get(wanted)
        if kept is not None:
            return kept
        picture = self.rgb(number)
        if 0 < width_px < picture.shape[1]:
            height = max(round(picture.shape[0] * width_px / picture.shape[1]), 1)
            picture = cv2.resize(picture, (width_px, height), interpolation=cv2.INTER_AREA)
        encoded = as_picture(picture, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        with self._lock:
            self._pictures[wanted] = encoded
            while sum(map(len, self._pictures.values())) > CACHED_BYTES:
                self._pictures.popitem(last=False)
        return encoded

    def _read(self, number: int) -> NDArray[np.uint8]:
        metadata = self._video.metadata
        if self._keys is None:
            self._keys = key_frames(metadata.path)
        nearest_key = int(self._keys[np.searchsorted(self._keys, number, side="right") - 1])
        if self._frames is None or number < self._next or nearest_key > self._next:
            self._reopen(number)
        assert self._frames is not None
        frame = next(islice(self._frames, number - self._next, None), None)
        if frame is None:
            self._frames = None
            raise RequestError(f"{metadata.path} ended before frame {number}: it was changed")
        self._next = number + 1
        return frame

    def _reopen(self, number: int) -> None:
        if self._frames is not None:
            self._frames.close()
        metadata = self._video.metadata
        self._frames = iterate_rgb_frames(metadata.path, start=number, levels=metadata.levels)  # type: ignore[assignment]
        self._next = number


def as_picture(image: NDArray[np.uint8], kind: str, options: list[int] | None = None) -> bytes:
    """Encode an image (H, W) or (H, W, 3) RGB.

    Parameters
    ----------
    image
        Gray levels or colours.
    kind
        `.png` or `.jpg`.
    options
        Of OpenCV's encoder.
    """
    shown = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(kind, shown, options or [])
    assert done
    return bytes(data)


def played_by_browsers(video: OpenedVideo) -> str | None:
    """Media type where browsers play the file itself and a time names a frame; None else.

    That takes frames at a constant rate from time 0 on, all of which are shown, in a container and of a codec
    that browsers know. Pages check it once more on some frames.

    Parameters
    ----------
    video
        The video.
    """
    metadata = video.metadata
    media_type = _PLAYED_SUFFIXES.get(video.path.suffix.lower())
    is_plain = not (
        metadata.rotation_deg
        or metadata.is_flipped
        or metadata.n_hidden_frames
        or metadata.is_incomplete
        or metadata.bit_depth > 8
        or metadata.pixel_aspect != 1
    )
    if media_type is None or metadata.codec not in _PLAYED_CODECS or not is_plain:
        return None
    times: Any = scan_packets(video.path).times_s
    if times is None or len(times) < 2:
        return None
    interval = (times[-1] - times[0]) / (len(times) - 1)
    apart = np.abs(times - np.arange(len(times)) * interval).max()
    return media_type if apart < _MOST_UNEVEN * interval else None
