"""Pictures of a video in the order they are shown; each is there and whole, or an error names it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from element_facerhythm.core.arrays import GrayFrame
from element_facerhythm.errors import DecodeError, VideoError
from element_facerhythm.video.container import RE_ENCODE
from element_facerhythm.video.decoding import BrokenFrameError, located, whole_frames
from element_facerhythm.video.gray import GrayConverter, GrayRule
from element_facerhythm.video.levels import DeepConverter, Levels, deep_gray, is_deep
from element_facerhythm.video.packet_index import PacketIndex
from element_facerhythm.video.packets import scan_packets
from element_facerhythm.video.recording_levels import own_levels

RgbFrame = NDArray[np.uint8]
LevelChoice = Levels | Literal["own"] | None


def iterate_gray_frames(
    path: str | Path,
    *,
    start: int = 0,
    stop: int | None = None,
    rule: GrayRule = "mean",
    levels: LevelChoice = "own",
) -> Iterator[GrayFrame]:
    """Gray frames (H, W) uint8, turned as they are shown.

    Parameters
    ----------
    path
        The file; or a stack or directory of pictures (see `video.stills`).
    start, stop
        First frame, and the one after the last; None goes to the end.
    rule
        `mean`: of R, G and B, cut to a whole number as face-rhythm does; `luma`: weighted, as
        OpenCV and facemap do. On monochrome video the two are one.
    levels
        Of video of more than 8 bits: the values that become 0 and 255. `own`: by the values of this file;
        None: the high byte, as OpenCV and face-rhythm cut it. A recording of several files needs levels of
        its own.

    Raises
    ------
    VideoError
        The file is no video, or does not hold these frames.
    DecodeError
        While iterating: a frame cannot be decoded. The message names the file and the frame.
    """
    return _frames(Path(path), start, stop, levels, rule)


def iterate_rgb_frames(
    path: str | Path, *, start: int = 0, stop: int | None = None, levels: LevelChoice = "own"
) -> Iterator[RgbFrame]:
    """Colour frames (H, W, 3) uint8, turned as they are shown.

    Parameters
    ----------
    path, start, stop, levels
        As for `iterate_gray_frames`.

    Raises
    ------
    VideoError, DecodeError
        As of `iterate_gray_frames`.
    """
    return _frames(Path(path), start, stop, levels, None)


def read_rgb_frame(path: str | Path, index: int, *, levels: LevelChoice = "own") -> RgbFrame:
    """One colour frame (H, W, 3) uint8, turned as it is shown.

    Parameters
    ----------
    path, levels
        As for `iterate_gray_frames`.
    index
        Number of the frame, from 0.

    Raises
    ------
    VideoError
        The file is no video, or does not hold this frame.
    DecodeError
        The frame cannot be decoded.
    """
    frames = _frames(Path(path), index, index + 1, levels, None)
    try:
        return next(frames)
    finally:
        frames.close()


def key_frames(path: str | Path) -> NDArray[np.int64]:
    """Frames at which decoding can begin, in order, the first of all among them.

    Raises
    ------
    VideoError
        The file is no video.
    """
    return scan_packets(Path(path)).key_frames


class _RgbConverter:
    """Turns frames into RGB (H, W, 3) uint8."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> RgbFrame:
        rgb: Any = self._reformatter.reformat(frame, format="rgb24").to_ndarray()
        return np.ascontiguousarray(rgb)


class _BetweenLevels:
    """Turns frames of more than 8 bits into gray, or with no rule into RGB, uint8."""

    def __init__(self, levels: Levels, rule: GrayRule | None) -> None:
        self._converter, self._table, self._rule = DeepConverter(), levels.table(), rule

    def __call__(self, frame: VideoFrame) -> NDArray[np.uint8]:
        picture = self._converter.picture(frame)
        if self._rule is not None:
            return self._table[deep_gray(picture, self._rule)]
        shown = self._table[picture]
        return shown if shown.ndim == 3 else np.repeat(shown[..., None], 3, axis=2)


def _frames(
    path: Path, start: int, stop: int | None, levels: LevelChoice, rule: GrayRule | None
) -> Generator[NDArray[np.uint8]]:
    """Frames as gray by a rule, or as RGB without one."""
    index = scan_packets(path)
    last = index.n_frames if stop is None else stop
    if not 0 <= start <= last <= index.n_frames:
        raise VideoError(
            f"Frames {start} to {last} were asked of video {path}, which holds {index.n_frames}."
        )
    if levels == "own":
        levels = own_levels(path)
    convert: Callable[[VideoFrame], NDArray[np.uint8]]
    if levels is not None and is_deep(index.pixel_format):
        convert = _BetweenLevels(levels, rule)
    else:
        convert = GrayConverter(rule) if rule is not None else _RgbConverter()
    return _converted(path, index, start, last, convert)


def _converted(
    path: Path,
    index: PacketIndex,
    start: int,
    stop: int,
    convert: Callable[[VideoFrame], NDArray[np.uint8]],
) -> Generator[NDArray[np.uint8]]:
    try:
        for frame in whole_frames(path, index, start, stop, threads="AUTO"):
            yield index.orientation(convert(frame))
    except BrokenFrameError as broken:
        broken = located(path, index, start, stop, broken)
        raise DecodeError(
            f"Video {path}: frame {broken.index} of {index.n_frames} cannot be decoded "
            f"({broken.why}); {RE_ENCODE}."
        ) from broken
