"""Order of showing of H.264 and HEVC pictures, and lost ones, by the headers of their slices.

Time stamps come from whatever wrote the container, and may be wrong (B-frames in AVI carry none, joined
files jump back). The bitstream itself says in which order its pictures are shown and, for H.264, counts
those that others are predicted from. Pixels are not decoded.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

SLICE_BYTES = 64
"""Bytes that are read of a slice; the beginning of its header has fewer."""

MAX_SETS_BYTES = 4096
"""Bytes that are read of a set of parameters."""


class Picture(NamedTuple):
    """What the header of a picture says.

    Attributes
    ----------
    sequence
        Number of the independent stretch that it belongs to; those that follow are shown after it.
    order
        Place in the order of showing within the stretch; None where the header does not give one.
    follows_gap
        Whether a picture that others are predicted from is missing before it (H.264).
    is_second_field
        Whether it completes the frame of the packet before.
    """

    sequence: int
    order: int | None
    follows_gap: bool
    is_second_field: bool


class OrderCount:
    """Counts of the order of showing, of which streams hold the last bits."""

    def __init__(self) -> None:
        self._msb = self._lsb = 0

    def of(self, lsb: int, n_bits: int, *, starts_anew: bool, is_reference: bool) -> int:
        """Picture order count of the next picture in the order of storing.

        Parameters
        ----------
        lsb, n_bits
            Its last bits as the stream holds them, and how many these are.
        starts_anew
            Whether counting begins again with it.
        is_reference
            Whether the pictures after it count from it.

        Notes
        -----
        Recommendations ITU-T H.264, 8.2.1.1, and H.265, 8.3.1: its upper bits are those that bring it
        nearest to the last reference.
        """
        size = 1 << n_bits
        if starts_anew:
            msb = 0
        elif lsb < self._lsb and self._lsb - lsb >= size // 2:
            msb = self._msb + size
        elif lsb > self._lsb and lsb - self._lsb > size // 2:
            msb = self._msb - size
        else:
            msb = self._msb
        if is_reference:
            self._msb, self._lsb = msb, lsb
        return msb + lsb


class PictureReader(Protocol):
    """Reads the headers of the pictures of one stream, in the order of storing."""

    def take(self, packet: bytes) -> Picture | None:
        """Read the header of the next packet; None where it holds no picture that can be understood."""
        ...

    def is_whole(self, packet: bytes) -> bool:
        """Whether a packet is as long as its units say."""
        ...
