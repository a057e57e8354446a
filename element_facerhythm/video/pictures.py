"""Order of showing of H.264 and HEVC pictures, and lost ones, by the headers of their slices.

Time stamps come from whatever wrote the container, and may be wrong (B-frames in AVI carry none, joined
files jump back). The bitstream itself says in which order its pictures are shown and, for H.264, counts
those that others are predicted from. Pixels are not decoded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from element_facerhythm.video.bits import Bits, EndOfBitsError, units

_SLICE_BYTES = 64  # what is looked at of a slice; its header's beginning has less
_MAX_SETS_BYTES = 4096
_H264_CHROMA_PROFILES = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})


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


class _OrderCount:
    """Counts of the order of showing, of which streams hold the last bits."""

    def __init__(self) -> None:
        self._msb = self._lsb = 0

    def of(self, lsb: int, n_bits: int, *, starts_anew: bool, is_reference: bool) -> int:
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


@dataclass(frozen=True)
class _H264Sequence:
    has_planes: bool
    n_frame_number_bits: int
    order_type: int
    n_order_bits: int
    allows_gaps: bool
    has_fields: bool


class H264Pictures:
    """Headers of the pictures of one H.264 stream, in the order of storing.

    Parameters
    ----------
    extradata
        What the container keeps for the decoder.
    """

    def __init__(self, extradata: bytes) -> None:
        self._sequences: dict[int, _H264Sequence] = {}
        self._sequence_of: dict[int, int] = {}
        self._count = _OrderCount()
        self._number = 0
        self._n_decoded = 0
        self._last_reference: int | None = None
        self._open_field: tuple[int, bool] | None = None
        self._length_bytes = 0
        if len(extradata) > 6 and extradata[0] == 1:
            self._length_bytes = (extradata[4] & 3) + 1
            for unit in _avc_sets(extradata):
                self._keep_set(unit)
        elif extradata:
            for unit in units(extradata, 0):
                self._keep_set(unit)

    def take(self, packet: bytes) -> Picture | None:
        """Read the header of the next packet; None where it holds no picture that can be understood."""
        for unit in units(packet, self._length_bytes):
            kind = unit[0] & 31 if unit else 0
            if kind in (7, 8):
                self._keep_set(unit)
            elif kind in (1, 2, 5):
                try:
                    return self._picture(unit, is_idr=kind == 5)
                except (EndOfBitsError, KeyError):
                    return None
        return None

    def _keep_set(self, unit: bytes) -> None:
        kind, bits = unit[0] & 31 if unit else 0, Bits(unit[1:_MAX_SETS_BYTES])
        try:
            if kind == 7:
                number, sequence = _h264_sequence(bits)
                self._sequences[number] = sequence
            elif kind == 8:
                number = bits.ue()
                self._sequence_of[number] = bits.ue()
        except EndOfBitsError:
            return

    def _picture(self, unit: bytes, *, is_idr: bool) -> Picture:
        is_reference = bool(unit[0] & 0x60)
        bits = Bits(unit[1:_SLICE_BYTES])
        bits.ue()  # first macroblock
        bits.ue()  # kind of slice
        sequence = self._sequences[self._sequence_of[bits.ue()]]
        if sequence.has_planes:
            bits.number(2)
        frame_number = bits.number(sequence.n_frame_number_bits)
        is_field = sequence.has_fields and bits.flag()
        is_bottom = is_field and bits.flag()
        is_second = is_field and self._open_field == (frame_number, not is_bottom)
        self._open_field = (frame_number, is_bottom) if is_field and not is_second else None
        follows_gap = self._follows_gap(sequence, frame_number) and not (is_idr or is_second)
        if is_idr:
            bits.ue()
            self._number += not is_second
        if is_reference:
            self._last_reference = frame_number
        self._n_decoded += 1
        order: int | None = self._n_decoded if sequence.order_type == 2 else None
        if sequence.order_type == 0:
            order = self._count.of(
                bits.number(sequence.n_order_bits),
                sequence.n_order_bits,
                starts_anew=is_idr,
                is_reference=is_reference,
            )
        return Picture(self._number, order, follows_gap, is_second)

    def _follows_gap(self, sequence: _H264Sequence, frame_number: int) -> bool:
        last = self._last_reference
        if last is None or sequence.allows_gaps:
            return False
        return frame_number not in (last, (last + 1) % (1 << sequence.n_frame_number_bits))


def _avc_sets(extradata: bytes) -> list[bytes]:
    found, at = [], 5
    for mask in (31, 255):
        n_sets, at = extradata[at] & mask if at < len(extradata) else 0, at + 1
        for _ in range(n_sets):
            length = int.from_bytes(extradata[at : at + 2], "big")
            found.append(extradata[at + 2 : at + 2 + length])
            at += 2 + length
    return found


def _h264_sequence(bits: Bits) -> tuple[int, _H264Sequence]:
    profile = bits.number(8)
    bits.number(16)
    number = bits.ue()
    has_planes = False
    if profile in _H264_CHROMA_PROFILES:
        chroma = bits.ue()
        has_planes = chroma == 3 and bits.flag()
        bits.ue()
        bits.ue()
        bits.flag()
        if bits.flag():
            for i in range(12 if chroma == 3 else 8):
                if bits.flag():
                    _skip_scaling(bits, 16 if i < 6 else 64)
    n_frame_number_bits = bits.ue() + 4
    order_type = bits.ue()
    n_order_bits = 0
    if order_type == 0:
        n_order_bits = bits.ue() + 4
    elif order_type == 1:
        bits.flag()
        bits.se()
        bits.se()
        for _ in range(bits.ue()):
            bits.se()
    bits.ue()
    allows_gaps = bits.flag()
    bits.ue()
    bits.ue()
    has_fields = not bits.flag()
    return number, _H264Sequence(
        has_planes, n_frame_number_bits, order_type, n_order_bits, allows_gaps, has_fields
    )


def _skip_scaling(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


class HevcPictures:
    """Headers of the pictures of one HEVC stream, in the order of storing; as `H264Pictures`."""

    def __init__(self, extradata: bytes) -> None:
        self._order_bits: dict[int, tuple[bool, int]] = {}
        self._picture_sets: dict[int, tuple[int, bool, int]] = {}
        self._count = _OrderCount()
        self._number = 0
        self._n_decoded = 0
        self._length_bytes = 0
        if len(extradata) > 22 and extradata[0] == 1:
            self._length_bytes = (extradata[21] & 3) + 1
            for unit in _hevc_sets(extradata):
                self._keep_set(unit)
        elif extradata:
            for unit in units(extradata, 0):
                self._keep_set(unit)

    def take(self, packet: bytes) -> Picture | None:
        """Read the header of the next packet; None where it holds no picture that can be understood."""
        for unit in units(packet, self._length_bytes):
            if len(unit) < 3 or (unit[0] & 1) or (unit[1] & 0xF8):
                continue  # not of the base layer
            kind = (unit[0] >> 1) & 63
            if kind in (33, 34):
                self._keep_set(unit)
            elif kind < 32:
                try:
                    return self._picture(unit, kind)
                except (EndOfBitsError, KeyError):
                    return None
        return None

    def _keep_set(self, unit: bytes) -> None:
        kind, bits = (unit[0] >> 1) & 63 if unit else 0, Bits(unit[2:_MAX_SETS_BYTES])
        try:
            if kind == 33:
                number, planes, n_bits = _hevc_sequence(bits)
                self._order_bits[number] = planes, n_bits
            elif kind == 34:
                number, sequence = bits.ue(), bits.ue()
                bits.flag()
                self._picture_sets[number] = sequence, bits.flag(), bits.number(3)
        except EndOfBitsError:
            return

    def _picture(self, unit: bytes, kind: int) -> Picture:
        bits = Bits(unit[2:_SLICE_BYTES])
        bits.flag()  # first slice of its picture
        starts_anew = self._n_decoded == 0 or kind in (16, 17, 18, 19, 20)
        if 16 <= kind <= 23:
            bits.flag()
        sequence, says_shown, n_extra_bits = self._picture_sets[bits.ue()]
        has_planes, n_bits = self._order_bits[sequence]
        bits.number(n_extra_bits)
        bits.ue()  # kind of slice
        if says_shown:
            bits.flag()
        if has_planes:
            bits.number(2)
        lsb = 0 if kind in (19, 20) else bits.number(n_bits)
        self._number += starts_anew
        self._n_decoded += 1
        is_base = (unit[1] & 7) == 1 and kind not in (0, 2, 4, 6, 7, 8, 9, 10, 12, 14)
        order = self._count.of(lsb, n_bits, starts_anew=starts_anew, is_reference=is_base)
        return Picture(self._number, order, follows_gap=False, is_second_field=False)


def _hevc_sets(extradata: bytes) -> list[bytes]:
    found, at = [], 23
    for _ in range(extradata[22]):
        n_sets = int.from_bytes(extradata[at + 1 : at + 3], "big")
        at += 3
        for _ in range(n_sets):
            length = int.from_bytes(extradata[at : at + 2], "big")
            found.append(extradata[at + 2 : at + 2 + length])
            at += 2 + length
            if at > len(extradata):
                return found
    return found


def _hevc_sequence(bits: Bits) -> tuple[int, bool, int]:
    bits.number(4)
    n_sublayers = bits.number(3)
    bits.flag()
    bits.number(88)
    bits.number(8)
    present = [(bits.flag(), bits.flag()) for _ in range(n_sublayers)]
    if n_sublayers:
        bits.number(2 * (8 - n_sublayers))
    for has_profile, has_level in present:
        bits.number(88 * has_profile + 8 * has_level)
    number = bits.ue()
    has_planes = bits.ue() == 3 and bits.flag()
    bits.ue()
    bits.ue()
    if bits.flag():
        for _ in range(4):
            bits.ue()
    bits.ue()
    bits.ue()
    return number, has_planes, bits.ue() + 4


PICTURES = {"h264": H264Pictures, "hevc": HevcPictures}
"""Readers of headers by the name of the codec."""
