"""Frames decoded on a GPU (NVDEC, by torchcodec), gray there too; by PyAV where that is not to be had.

torchcodec conceals damage where `iterate_gray_frames` refuses it; that frames are missing shows in
their number, which is checked against the packets of the file before the first is read.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from element_facerhythm.core.arrays import GrayFrame
from element_facerhythm.errors import DecodeError, VideoError
from element_facerhythm.video.levels import Levels
from element_facerhythm.video.orientation import UPRIGHT
from element_facerhythm.video.packet_index import PacketIndex
from element_facerhythm.video.packets import scan_packets
from element_facerhythm.video.reader import iterate_gray_frames

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)


def gray_of_rgb(frames: torch.Tensor) -> torch.Tensor:
    """Mean of the colour channels of (N, H, W, 3) uint8, cut to a whole number: (N, H, W) uint8."""
    import torch

    channels = [frames[..., i].to(torch.int16) for i in range(3)]
    return ((channels[0] + channels[1] + channels[2]) // 3).to(torch.uint8)


class DeviceFrames:
    """Gray frames of one or more videos, end to end, on a device where they can be decoded there.

    One thread at a time may read.

    Parameters
    ----------
    paths
        The files, in order.
    device
        `cuda[:N]`, or `cpu` for torchcodec's decoder on the CPU.
    first
        Frame of the first file that is to be frame 0.
    levels
        Of video of more than 8 bits, see `iterate_gray_frames`.

    Raises
    ------
    VideoError
        A file is no video.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        device: torch.device | str,
        first: int = 0,
        levels: Levels | None = None,
    ) -> None:
        self._levels = levels
        self._paths = [Path(path) for path in paths]
        self._device, self._first = str(device), first
        self._counts = [scan_packets(path).n_frames for path in self._paths]
        self._open: tuple[int, _OneFile] | None = None

    @property
    def n_frames(self) -> int:
        """Number of frames in all files, counted, from frame 0 on."""
        return sum(self._counts) - self._first

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Frames (n, H, W) uint8, on the device or, where PyAV decoded them, on the host.

        Parameters
        ----------
        start, stop
            First frame, and the one after the last, counted over all files; they may lie in several.

        Raises
        ------
        VideoError
            The videos do not hold these frames, or none are asked for.
        DecodeError
            A frame could not be decoded.
        """
        import torch

        if not 0 <= start < stop <= self.n_frames:
            raise VideoError(
                f"Frames {start} to {stop} were asked of {len(self._paths)} video(s), which hold "
                f"{self.n_frames}."
            )
        parts, first = [], -self._first
        for number, count in enumerate(self._counts):
            a, b = max(start - first, 0), min(stop - first, count)
            if a < b:
                parts.append(self._file(number).read(a, b))
            first += count
        if len(parts) == 1:
            return parts[0]
        return torch.cat([part.to(parts[0].device) for part in parts])

    def close(self) -> None:
        """Close the file that is open."""
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def _file(self, number: int) -> _OneFile:
        if self._open is None or self._open[0] != number:
            self.close()
            self._open = (number, _open_file(self._paths[number], self._device, self._levels))
        return self._open[1]


def _open_file(path: Path, device: str, levels: Levels | None) -> _OneFile:
    index = scan_packets(path)
    n_frames = index.n_frames
    needs = _needs_usual_reader(index, levels)
    if needs is not None:
        logger.info("%s is decoded on the CPU: %s", path, needs)
        return _DecodedHere(path, levels)
    try:
        from torchcodec.decoders import VideoDecoder

        # Its ffmpeg opens by name: an absolute one is no address, and `scan_packets` has found a format
        # that names no other file.
        source = str(path.absolute())
        decoder = VideoDecoder(source, device=device, dimension_order="NHWC", seek_mode="exact")
    except (ImportError, RuntimeError, ValueError) as error:
        why = str(error).strip().split("\n")[0]
        if "out of memory" in why:
            raise
    else:
        if len(decoder) == n_frames:
            return _DecodedThere(path, decoder)
        why = f"it counts {len(decoder)} frames, the packets say {n_frames}"
    logger.warning("%s is decoded on the CPU: torchcodec on %s: %s", path, device, why)
    return _DecodedHere(path, levels)


def _needs_usual_reader(index: PacketIndex, levels: Levels | None) -> str | None:
    """Why torchcodec would give other pictures; None where it gives the same."""
    if index.stills is not None:
        return "it holds single pictures"
    if index.orientation != UPRIGHT:
        return "its frames are turned for showing"
    if levels is not None:
        return "it has more than 8 bits"
    if index.is_lenient:
        return "its stamps or packets leave open what is shown"
    return None


class _DecodedThere:
    """One file, decoded by torchcodec."""

    def __init__(self, path: Path, decoder: Any) -> None:
        self._path = path
        self._decoder = decoder

    def read(self, start: int, stop: int) -> torch.Tensor:
        try:
            frames = self._decoder.get_frames_in_range(start, stop).data
        except (RuntimeError, IndexError) as error:
            if "out of memory" in str(error):
                raise
            raise DecodeError(
                f"Video {self._path}: frames {start} to {stop} cannot be decoded ({error})."
            ) from error
        if len(frames) != stop - start:
            raise DecodeError(
                f"Video {self._path}: {len(frames)} frames came of {stop - start} from frame "
                f"{start} on."
            )
        return gray_of_rgb(frames)

    def close(self) -> None:
        self._decoder = None


class _DecodedHere:
    """One file, decoded by PyAV, frame after frame."""

    def __init__(self, path: Path, levels: Levels | None) -> None:
        self._path, self._levels = path, levels
        self._frames: Iterator[GrayFrame] | None = None
        self._next = 0

    def read(self, start: int, stop: int) -> torch.Tensor:
        import torch

        if self._frames is None or start != self._next:
            self._frames = iterate_gray_frames(self._path, start=start, levels=self._levels)
        frames = list(islice(self._frames, stop - start))
        self._next = stop
        stacked = torch.from_numpy(np.stack(frames))
        return stacked.pin_memory() if torch.cuda.is_available() else stacked

    def close(self) -> None:
        self._frames = None


_OneFile = _DecodedThere | _DecodedHere


def cuda_frame_reader(
    paths: Sequence[str | Path],
    device: torch.device | str,
    *,
    first: int = 0,
    levels: Levels | None = None,
) -> DeviceFrames:
    """Open videos, end to end, for tracking on a GPU; see `DeviceFrames`.

    Parameters
    ----------
    paths, device, first, levels
        As for `DeviceFrames`.

    Raises
    ------
    VideoError
        A file is no video.
    """
    return DeviceFrames(paths, device, first, levels)
