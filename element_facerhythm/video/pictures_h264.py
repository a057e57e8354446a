"""Headers of H.264 pictures; see `video.pictures`."""

from __future__ import annotations

from dataclasses import dataclass

from element_facerhythm.video.bits import Bits, EndOfBitsError, fills_its_units, units
from element_facerhythm.video.pictures import MAX_SETS_BYTES, SLICE_BYTES, OrderCount, Picture

_CHROMA_PROFILES = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})


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
        self._count = OrderCount()
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

    def is_whole(self, packet: bytes) -> bool:
        """Whether a packet is as long as its units say."""
        return fills_its_units(packet, self._length_bytes)

    def _keep_set(self, unit: bytes) -> None:
        kind, bits = unit[0] & 31 if unit else 0, Bits(unit[1:MAX_SETS_BYTES])
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
        bits = Bits(unit[1:SLICE_BYTES])
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
    if profile in _CHROMA_PROFILES:
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
