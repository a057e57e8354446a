"""Levels of video of more than 8 bits, found in frames spread through all files of a recording."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from element_facerhythm.files.regular import FileMemory
from element_facerhythm.video.content import recall
from element_facerhythm.video.decoding import BrokenFrameError, whole_frames
from element_facerhythm.video.levels import (
    N_VALUES,
    DeepConverter,
    Levels,
    deep_gray,
    is_deep,
    levels_of,
)
from element_facerhythm.video.packet_index import PacketIndex
from element_facerhythm.video.packets import scan_packets

logger = logging.getLogger(__name__)

_N_SAMPLED = 50  # frames of each file
_N_AT_ONCE = 1 << 20


def own_levels(path: Path) -> Levels | None:
    """Levels of one file; None where it has 8 bits.

    Raises
    ------
    VideoError
        The file is no video.
    """
    return levels_of([(histogram(path), 1.0)]) if is_deep(scan_packets(path).pixel_format) else None


def histogram(path: Path) -> NDArray[np.int64]:
    """How often each value occurs in a video of more than 8 bits, (65536,), in frames spread through it.

    Frames that cannot be decoded are left out; reading them for good raises the error.
    """
    return recall(_histograms, path, _histogram)


_histograms: FileMemory[NDArray[np.int64]] = FileMemory(max_entries=64)


def _histogram(path: Path) -> NDArray[np.int64]:
    index = scan_packets(path)
    wanted = sorted({round(x) for x in np.linspace(0, index.n_frames - 1, _N_SAMPLED)})
    counts = np.zeros(N_VALUES, np.int64)
    converter = DeepConverter()
    for frame in _some_frames(path, index, wanted):
        values = deep_gray(converter.picture(frame), "mean").ravel()
        for first in range(0, len(values), _N_AT_ONCE):  # numpy makes eight bytes of each
            part = values[first : first + _N_AT_ONCE]
            counts += np.bincount(part, minlength=N_VALUES)
    return counts


def _some_frames(path: Path, index: PacketIndex, wanted: list[int]) -> Iterator[VideoFrame]:
    if index.pts is None:  # no seeking: all of it is read once
        choice = set(wanted)
        for position, frame in enumerate(_readable(path, index, 0, index.n_frames)):
            if position in choice:
                yield frame
        return
    for position in wanted:
        yield from _readable(path, index, position, position + 1)


def _readable(path: Path, index: PacketIndex, start: int, stop: int) -> Iterator[VideoFrame]:
    try:
        yield from whole_frames(path, index, start, stop, threads="AUTO")
    except BrokenFrameError as broken:
        logger.info("%s: frame %d is left out of the levels: %s", path, broken.index, broken.why)
