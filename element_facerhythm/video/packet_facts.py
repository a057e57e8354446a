"""From packets to shown frames: by their stamps where these can be trusted, else by decoding all once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.video.orientation import Orientation, orientation_of
from element_facerhythm.video.packet_index import Keyframes, PacketIndex
from element_facerhythm.video.shown import NO_STAMP, Shown, decode_all

Flags = NDArray[np.bool_]
Stamps = NDArray[np.int64]

# A step between stamps that is so much longer than most is a gap.
_GAP = 1.5


@dataclass(frozen=True, eq=False)
class Packets:
    """Packets of a video in the order of storing.

    Attributes
    ----------
    codec
        Name of the decoder.
    time_base
        Seconds of one unit of a stamp.
    has_real_stamps
        False for raw streams, whose stamps ffmpeg makes up.
    reorders
        Whether the decoder is set to reorder frames.
    sizes, pixel_format, orientation
        Of frames that were decoded; see `PacketIndex`.
    pts, dts
        (n,) int64 stamps of showing and of decoding, `NO_STAMP` where there is none.
    sequences, orders
        (n,) int64 what the bitstream says of the order, (0,) where it is not read; see `pictures.Picture`.
    is_key, is_corrupt
        (n,) what the container says.
    places
        (n_keys,) int64 byte of each keyframe in the file, -1 where the container does not say.
    is_out
        (n,) packets that are not meant to be shown: cut off by an edit list, or references alone.
    follows_gap, is_second_field
        (n,) see `pictures.Picture`.
    is_cut
        Whether the file is shorter than its container says.
    n_whole
        Packets up to the last whole frame.
    """

    codec: str
    time_base: float
    has_real_stamps: bool
    reorders: bool
    sizes: tuple[tuple[int, tuple[int, int]], ...]
    pixel_format: str
    orientation: Orientation
    pts: Stamps
    dts: Stamps
    sequences: Stamps
    orders: Stamps
    is_key: Flags
    is_corrupt: Flags
    places: Stamps
    is_out: Flags
    follows_gap: Flags
    is_second_field: Flags
    is_cut: bool
    n_whole: int

    @property
    def n(self) -> int:
        """Number of packets."""
        return len(self.pts)

    @property
    def counts(self) -> Flags:
        """(n,) packets that begin a frame to be shown."""
        return ~self.is_out & ~self.is_second_field


def build_index(path: Path, file: BufferedReader, packets: Packets) -> PacketIndex:
    """Index of a video, of which everything is decoded once where packets alone leave something open.

    Parameters
    ----------
    path
        Names the file in messages.
    file
        The file, opened; read only where it is decoded.
    packets
        All packets of the file.

    Raises
    ------
    VideoError
        It cannot be decoded to its end, or its frames are turned by no quarter of a turn.
    """
    if packets.n and _is_in_doubt(packets):
        return _index_of_shown(path, packets, decode_all(path, file))
    stamps = np.sort(packets.pts[packets.counts])
    return PacketIndex(
        n_frames=len(stamps),
        pts=stamps if packets.n else None,
        sizes=packets.sizes,
        pixel_format=packets.pixel_format,
        n_damaged=0,
        times_s=_times_s(packets, stamps) if packets.n else None,
        orientation=packets.orientation,
        keys=_keyframes(packets),
    )


def _is_in_doubt(packets: Packets) -> bool:
    """Whether packets leave open which frames are shown, or in which order."""
    return bool(
        not packets.sizes
        or not packets.is_key[0]
        or packets.is_cut
        or packets.n_whole < packets.n
        or packets.is_corrupt.any()
        or packets.follows_gap.any()
        or packets.is_second_field.any()
        or not _stamps_order_frames(packets)
        or _begins_with_leading_pictures(packets)
        or _may_lack_references(packets)
    )


def _stamps_order_frames(packets: Packets) -> bool:
    pts, dts = packets.pts[packets.counts], packets.dts[packets.counts]
    if (pts == NO_STAMP).any() or (np.diff(np.sort(pts)) == 0).any():
        return False
    known = dts[dts != NO_STAMP]
    if (np.diff(known) <= 0).any():
        return False
    if len(packets.orders):
        orders = packets.orders[packets.counts]
        by_order = np.lexsort((orders, packets.sequences[packets.counts]))
        return not (orders == NO_STAMP).any() and bool((np.diff(pts[by_order]) > 0).all())
    return not (packets.reorders and len(pts) > 1 and np.array_equal(pts, dts))


def _begins_with_leading_pictures(packets: Packets) -> bool:
    """Whether pictures are shown before the first keyframe: what they are predicted from was cut off."""
    first = int(np.argmax(packets.counts & packets.is_key))
    return bool((packets.pts[packets.counts] < packets.pts[first]).any())


def _may_lack_references(packets: Packets) -> bool:
    """Whether packets seem to be lost where the bitstream does not count them.

    HEVC pictures are numbered, without holes as far as encoders are known; of older codecs only a gap
    between stamps shows a loss, within a group.
    """
    if packets.codec == "hevc":
        return any(
            _has_gap(packets.orders[packets.sequences == number])
            for number in np.unique(packets.sequences)
        )
    if packets.codec == "h264" or not packets.reorders:
        return False
    return _has_gap(packets.pts[packets.counts])


def _has_gap(values: Stamps) -> bool:
    steps = np.diff(np.sort(values))
    return len(steps) > 0 and bool(steps.max() > _GAP * np.median(steps))


def _index_of_shown(path: Path, packets: Packets, shown: Shown) -> PacketIndex:
    packets = _without_corrupt_end(packets, shown)
    # frames that are shown after a broken one would be counted past it
    broken = np.flatnonzero(shown.packets >= packets.n_whole)
    kept = np.arange(len(shown.packets)) < (broken[0] if len(broken) else len(shown.packets))
    numbers, stamps = shown.packets[kept], shown.pts[kept]
    is_corrupt = shown.is_corrupt[kept]
    suspect = _suspect_packets(packets, numbers[is_corrupt])
    n_stored = int(packets.counts[: packets.n_whole].sum())
    n_hidden = max(n_stored - int((shown.packets < packets.n_whole).sum()), 0)
    ordered = len(stamps) > 0 and not (stamps == NO_STAMP).any()
    ordered = ordered and bool((np.diff(stamps) > 0).all())
    return PacketIndex(
        n_frames=len(numbers),
        pts=stamps if ordered else None,
        sizes=shown.sizes,
        pixel_format=packets.pixel_format if shown.first is None else shown.first.format.name,
        n_damaged=int(packets.is_corrupt[numbers[is_corrupt]].sum()),
        times_s=_times_s(packets, stamps) if ordered else None,
        n_hidden=n_hidden,
        suspects=_ranges(suspect[numbers]),
        is_lenient=True,
        is_incomplete=packets.is_cut or packets.n_whole < packets.n,
        orientation=packets.orientation
        if shown.first is None
        else orientation_of(path, shown.first),
        keys=_keyframes(packets) if ordered else None,
    )


def _keyframes(packets: Packets) -> Keyframes:
    stamps, places = packets.pts[packets.is_key], packets.places
    order = np.argsort(stamps)
    return Keyframes(stamps[order], places[order])


def _without_corrupt_end(packets: Packets, shown: Shown) -> Packets:
    """Leave out the last packets where decoders call their frames damaged: the file was cut off there."""
    corrupt = set(shown.packets[shown.is_corrupt].tolist())
    n_whole = packets.n_whole
    while n_whole - 1 in corrupt:
        n_whole -= 1
    return replace(packets, n_whole=n_whole)


def _times_s(packets: Packets, stamps: Stamps) -> NDArray[np.float64] | None:
    return (
        np.multiply(stamps, packets.time_base, dtype=np.float64)
        if packets.has_real_stamps
        else None
    )


def _suspect_packets(packets: Packets, corrupt: Stamps) -> Flags:
    """(n,) packets whose frames are predicted from what is missing, up to the next keyframe."""
    # a keyframe after a gap needs nothing of what is missing
    begins = packets.follows_gap & ~packets.is_key
    # the container may call the packet before the damaged one damaged
    near = packets.is_corrupt | np.r_[False, packets.is_corrupt[:-1]]
    begins[corrupt[near[corrupt]]] = True
    suspect = np.zeros(packets.n, bool)
    keys = np.flatnonzero(packets.is_key)
    for first in np.flatnonzero(begins):
        if suspect[first] and not packets.is_key[first]:
            continue
        following = keys[keys > first]
        last = int(following[0]) if len(following) else packets.n
        suspect[first:last] = True
        if last < packets.n:
            suspect |= _leading(packets, last)
    return suspect


def _leading(packets: Packets, key: int) -> Flags:
    """(n,) pictures stored after a keyframe and shown before it: predicted from the group before it, too."""
    stamps = packets.orders if len(packets.orders) else packets.pts
    leading = stamps < stamps[key]
    leading[:key] = False
    if len(packets.orders):
        leading &= packets.sequences == packets.sequences[key]
    later = np.flatnonzero(packets.is_key[key + 1 :])
    if len(later):
        leading[key + 1 + later[0] :] = False
    return leading


def _ranges(flags: Flags) -> tuple[tuple[int, int], ...]:
    edges = np.flatnonzero(np.diff(np.r_[False, flags, False].astype(np.int8)))
    return tuple((int(a), int(b)) for a, b in edges.reshape(-1, 2))
