"""Bits and units (NAL) of H.264 and HEVC, as far as headers need them."""

from __future__ import annotations

from collections.abc import Iterator

_START = b"\0\0\1"
_MAX_ZEROS = 31


class EndOfBitsError(ValueError):
    """A header is shorter than what it announces."""


class Bits:
    """Numbers of a header, most significant bit first.

    Parameters
    ----------
    unit
        A unit, or its beginning, with the bytes that keep start codes out of it.
    """

    def __init__(self, unit: bytes) -> None:
        plain = unit.replace(b"\0\0\3", b"\0\0")
        self._value = int.from_bytes(plain, "big")
        self._n_left = 8 * len(plain)

    def number(self, n_bits: int) -> int:
        """Next `n_bits` as a number."""
        self._n_left -= n_bits
        if self._n_left < 0:
            raise EndOfBitsError("the header ends early")
        return (self._value >> self._n_left) & ((1 << n_bits) - 1)

    def flag(self) -> bool:
        """Next bit."""
        return bool(self.number(1))

    def ue(self) -> int:
        """Unsigned number in Exp-Golomb code."""
        n_zeros = 0
        while not self.number(1):
            n_zeros += 1
            if n_zeros > _MAX_ZEROS:
                raise EndOfBitsError("a number has too many bits")
        return (1 << n_zeros) - 1 + self.number(n_zeros)

    def se(self) -> int:
        """Signed number in Exp-Golomb code."""
        code = self.ue()
        return (code + 1) // 2 if code % 2 else -(code // 2)


def fills_its_units(data: bytes, length_bytes: int) -> bool:
    """Whether the lengths before the units of a packet add up to it; true where start codes part them.

    Parameters
    ----------
    data
        The packet.
    length_bytes
        Bytes of the length before each unit (mp4, mkv); 0 where start codes part them (ts, avi, raw).
    """
    at = 0
    while length_bytes and at < len(data):
        at += length_bytes + int.from_bytes(data[at : at + length_bytes], "big")
    return not length_bytes or at == len(data)


def units(data: bytes, length_bytes: int) -> Iterator[bytes]:
    """Units of a packet.

    Parameters
    ----------
    data
        The packet.
    length_bytes
        Bytes of the length before each unit (mp4, mkv); 0 where start codes part them (ts, avi, raw).
    """
    if not length_bytes:
        at = data.find(_START)
        while at >= 0:
            following = data.find(_START, at + 3)
            yield data[at + 3 : following if following >= 0 else len(data)]
            at = following
        return
    at = 0
    while at + length_bytes < len(data):
        length = int.from_bytes(data[at : at + length_bytes], "big")
        at += length_bytes
        yield data[at : at + length]
        at += length
