"""What one pass over the packets of a video says of its frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from element_facerhythm.video.orientation import UPRIGHT, Orientation


class Pictures(Protocol):
    """Single pictures that are the frames of a video."""

    @property
    def codec(self) -> str:
        """How they are stored."""
        ...

    def frames(self, start: int, stop: int) -> Iterator[VideoFrame]:
        """Decoded pictures; VideoError where one cannot be."""
        ...


@dataclass(frozen=True, eq=False)
class PacketIndex:
    """What the packets of a file say.

    Attributes
    ----------
    n_frames
        Frames that will be shown, counted.
    pts
        (n_frames,) int64 time stamps in the order of showing, in units of the stream's time base;
        None where the file's stamps do not order its frames.
    sizes
        Each different (width, height) in pixels with the packet it was first seen in, in order; as stored,
        before the frames are turned.
    pixel_format
        Of the first frame.
    n_damaged
        Packets that the container itself calls damaged (cut off) and that no decoder shows whole.
    times_s
        (n_frames,) float64 seconds of each shown frame, the first at its own stamp; None where `pts` is,
        and where a raw stream's stamps are made up.
    n_hidden
        Frames that are stored and that no decoder shows, as what they are predicted from is missing: leading
        pictures after a cut, the rest of a group whose beginning is lost.
    suspects
        Ranges of frames (first, one after the last) that are shown though what they are predicted from is
        missing; their pixels are guesses.
    is_lenient
        Whether frames are to be read without what strict decoders refuse: all of them were decoded once, so
        that it is known which are shown.
    is_incomplete
        Whether the file ends in the midst of a frame, or before its container does.
    orientation
        How frames are turned for showing.
    keys
        (n_keys,) int64 stamps of keyframes, sorted; None where `pts` is.
    stills
        The pictures that are the frames, of a stack or a directory; None for a video.
    """

    n_frames: int
    pts: NDArray[np.int64] | None
    sizes: tuple[tuple[int, tuple[int, int]], ...]
    pixel_format: str
    n_damaged: int
    times_s: NDArray[np.float64] | None = None
    n_hidden: int = 0
    suspects: tuple[tuple[int, int], ...] = ()
    is_lenient: bool = False
    is_incomplete: bool = False
    orientation: Orientation = UPRIGHT
    keys: NDArray[np.int64] | None = None
    stills: Pictures | None = None

    @property
    def n_suspect(self) -> int:
        """Number of frames in `suspects`."""
        return sum(stop - start for start, stop in self.suspects)

    @property
    def shown_size(self) -> tuple[int, int]:
        """Width and height of the picture that is shown."""
        width, height = self.sizes[0][1]
        return (height, width) if self.orientation.swaps_sides else (width, height)

    def is_suspect(self, position: int) -> bool:
        """Whether a frame is in `suspects`."""
        return any(start <= position < stop for start, stop in self.suspects)

    def before_suspects(self, position: int) -> int:
        """Last frame up to a position from which on decoding gives what decoding all of it gives."""
        for start, stop in reversed(self.suspects):
            if start <= position < stop:
                position = max(start - 1, 0)
        return position
