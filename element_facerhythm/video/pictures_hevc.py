"""Headers of HEVC pictures; see `video.pictures`."""

from __future__ import annotations

from element_facerhythm.video.bits import Bits, EndOfBitsError, fills_its_units, units
from element_facerhythm.video.pictures import MAX_SETS_BYTES, SLICE_BYTES, OrderCount, Picture


class HevcPictures:
    """Headers of the pictures of one HEVC stream, in the order of storing; as `H264Pictures`."""

    def __init__(self, extradata: bytes) -> None:
        self._order_bits: dict[int, tuple[bool, int]] = {}
        self._picture_sets: dict[int, tuple[int, bool, int]] = {}
        self._count = OrderCount()
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

    def is_whole(self, packet: bytes) -> bool:
        """Whether a packet is as long as its units say."""
        return fills_its_units(packet, self._length_bytes)

    def _keep_set(self, unit: bytes) -> None:
        kind, bits = (unit[0] >> 1) & 63 if unit else 0, Bits(unit[2:MAX_SETS_BYTES])
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
        bits = Bits(unit[2:SLICE_BYTES])
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
