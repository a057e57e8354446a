"""What one pass over the packets of a video says of its frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from element_facerhythm.video.orientation import UPRIGHT, Orientation


@dataclass(frozen=True, eq=False)
class Keyframes:
    """Keyframes of a video.

    Attributes
    ----------
    stamps
        (n,) int64, sorted.
    places
        (n,) int64 byte in the file, -1 where the container does not say.
    """

    stamps: NDArray[np.int64]
    places: NDArray[np.int64]

    def holds(self, stamp: int, place: int | None) -> bool:
        """Whether a packet is one of them.

        Parameters
        ----------
        stamp
            Of showing; after a seek it may have been guessed, so that the place counts, too.
        place
            Byte in the file; None or negative where the container does not say, and the stamp alone decides.
        """
        at = int(np.searchsorted(self.stamps, stamp))
        if at == len(self.stamps) or self.stamps[at] != stamp:
            return False
        known = int(self.places[at])
        return place is None or known < 0 or place < 0 or known == place


class Pictures(Protocol):
    """Single pictures that are the frames of a video."""

    @property
    def codec(self) -> str:
        """How they are stored."""
        ...

    def frames(self, start: int, stop: int) -> Iterator[VideoFrame]:
        """Yield decoded pictures.

        Parameters
        ----------
        start, stop
            First picture, and the one after the last.

        Raises
        ------
        VideoError
            One cannot be decoded, or is too large.
        """
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
        Keyframes, in the order of showing; None where `pts` is.
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
    keys: Keyframes | None = None
    stills: Pictures | None = None

    @property
    def shown_size(self) -> tuple[int, int]:
        """Width and height of the picture that is shown."""
        width, height = self.sizes[0][1]
        return (height, width) if self.orientation.swaps_sides else (width, height)

    def is_suspect(self, position: int) -> bool:
        """Whether a frame is in `suspects`."""
        return any(start <= position < stop for start, stop in self.suspects)

    def keyframe_for(self, position: int) -> int | None:
        """Find the keyframe in `keys` to seek for a frame; None where it is to be read from its start.

        Decoding from there on gives what decoding all gives. What takes the place of missing pictures may
        come from the group before, so that a group more is decoded where frames in `suspects` follow.
        """
        if self.pts is None or self.keys is None:
            return None
        ahead = next((start for start, stop in self.suspects if stop > position), None)
        first = position if ahead is None else max(min(position, ahead - 1), 0)
        key = int(np.searchsorted(self.keys.stamps, self.pts[first], side="right")) - 1
        return None if key - (ahead is not None) < 0 else key - (ahead is not None)

    @property
    def key_frames(self) -> NDArray[np.int64]:
        """Frames at which decoding can begin, in order; the first of all is one of them."""
        if self.stills is not None:
            return np.arange(self.n_frames)
        if self.pts is None or self.keys is None:
            return np.zeros(1, np.int64)
        return np.union1d(0, np.searchsorted(self.pts, self.keys.stamps)).astype(np.int64)

    def shows(self, position: int, stamp: int) -> bool:
        """Whether the frame at a position bears a stamp; false where `pts` is None.

        Parameters
        ----------
        position
            In the order of showing; it may lie behind the last frame.
        stamp
            In units of the stream's time base.
        """
        return (
            self.pts is not None and position < len(self.pts) and int(self.pts[position]) == stamp
        )
