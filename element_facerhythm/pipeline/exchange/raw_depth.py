"""Raw depth of 16 bits, as moseq2's `depth.dat`, as a video that loses nothing (FFV1), and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import ProcessingError, RequestError
from element_facerhythm.io.atomic import atomic_path
from element_facerhythm.pipeline.exchange.video_slice import FORMATS
from element_facerhythm.video.decoding import whole_frames
from element_facerhythm.video.packets import scan_packets

RAW_ENDINGS = (".dat", ".raw")
DEPTH_FORMAT = "gray16le"
_BYTES = 2
_SLICES = "4"

Depth = NDArray[np.uint16]


def pack_depth(
    source: Path,
    target: Path,
    *,
    size_px: tuple[int, int],
    frame_rate_hz: float,
    n_threads: int = 0,
    n_chunk: int = 256,
    advance: Callable[[int], None] = lambda done: None,
) -> int:
    """Encode raw depth as FFV1, decode it again, and compare every value.

    Parameters
    ----------
    source
        File of frames one after the other, each of lines of unsigned 16-bit values, low byte first.
    target
        The video, ending in ``.mkv`` or ``.avi``.
    size_px
        Width and height of a frame.
    frame_rate_hz
        Frames per second that the file states.
    n_threads
        Threads that encode; 0 takes as many as there are cores.
    n_chunk
        Frames that are read at a time.
    advance
        Called with the number of frames that were encoded, then compared: twice the frames in all.

    Returns
    -------
    int
        Number of frames.

    Raises
    ------
    RequestError
        The file does not consist of whole frames of this size, or the video is to be of another kind.
    ProcessingError
        It could not be written, or does not hold the same values; nothing is left then.
    """
    kind = FORMATS.get(target.suffix.lower())
    if kind is None or kind == "mp4":
        raise RequestError(f"{target}: depth without loss goes into .mkv or .avi; give such a name")
    n_frames = count_frames(source, size_px)
    width, height = size_px
    rate = Fraction(frame_rate_hz).limit_denominator(100_000)
    with atomic_path(target) as draft:
        try:
            with av.open(str(draft), "w", format=kind) as written:
                options = {"level": "3", "slices": _SLICES, "slicecrc": "1"}
                stream = written.add_stream("ffv1", rate=rate, options=options)
                stream.width, stream.height, stream.pix_fmt = width, height, DEPTH_FORMAT
                stream.codec_context.thread_count = n_threads
                for number, picture in enumerate(_raw_frames(source, size_px, n_chunk)):
                    frame = av.VideoFrame.from_ndarray(picture, format=DEPTH_FORMAT)
                    frame.pts, frame.time_base = number, 1 / rate
                    written.mux(stream.encode(frame))
                    advance(number + 1)
                written.mux(stream.encode())
        except av.error.FFmpegError as error:
            raise ProcessingError(f"{target} could not be encoded in FFV1: {error}") from error
        _require_same(source, size_px, draft, n_frames, n_chunk, lambda n: advance(n_frames + n))
    return n_frames


def unpack_depth(
    source: Path, target: Path, advance: Callable[[int], None] = lambda done: None
) -> int:
    """Write a video of 16-bit gray as raw depth, and compare every value.

    Parameters
    ----------
    source
        The video.
    target
        The raw file.
    advance
        Called with the number of frames that were written, then compared: twice the frames in all.

    Returns
    -------
    int
        Number of frames.

    Raises
    ------
    RequestError
        The video is not of 16-bit gray, so that its values would change.
    VideoError, DecodeError
        It cannot be read.
    ProcessingError
        What was written does not hold the same values; nothing is left then.
    """
    index = scan_packets(source)
    if index.pixel_format not in (DEPTH_FORMAT, "gray16be"):
        raise RequestError(
            f"{source} is of {index.pixel_format}; raw depth is made of video of 16-bit gray alone, whose "
            "values stay what they are"
        )
    with atomic_path(target) as draft:
        with draft.open("wb") as file:
            for n_done, frame in enumerate(
                whole_frames(source, index, 0, index.n_frames, threads="AUTO"), 1
            ):
                file.write(frame.to_ndarray(format=DEPTH_FORMAT).astype("<u2").tobytes())
                advance(n_done)
        size = index.sizes[0][1]
        _require_same(draft, size, source, index.n_frames, 1, lambda n: advance(index.n_frames + n))
    return index.n_frames


def count_frames(source: Path, size_px: tuple[int, int]) -> int:
    """Frames of a raw file.

    Parameters
    ----------
    source
        The file.
    size_px
        Width and height of a frame.

    Raises
    ------
    RequestError
        It does not exist, is empty, or does not consist of whole frames of this size.
    """
    if not source.is_file():
        raise RequestError(f"{source} does not exist; expected a file of raw depth")
    n_bytes, of_frame = source.stat().st_size, size_px[0] * size_px[1] * _BYTES
    if n_bytes == 0 or n_bytes % of_frame:
        raise RequestError(
            f"{source} has {n_bytes:,} bytes, which are no whole number of frames of {size_px[0]} x "
            f"{size_px[1]} pixels of 16 bits ({of_frame:,} bytes each); give the --size of its frames"
        )
    return n_bytes // of_frame


def _raw_frames(source: Path, size_px: tuple[int, int], n_chunk: int) -> Iterator[Depth]:
    width, height = size_px
    with source.open("rb") as file:
        while content := file.read(width * height * _BYTES * n_chunk):
            yield from np.frombuffer(content, "<u2").reshape(-1, height, width)


def _require_same(
    raw: Path,
    size_px: tuple[int, int],
    video: Path,
    n_frames: int,
    n_chunk: int,
    advance: Callable[[int], None],
) -> None:
    index = scan_packets(video)
    pairs = zip(
        _raw_frames(raw, size_px, n_chunk),
        whole_frames(video, index, 0, index.n_frames, threads="AUTO"),
        strict=False,
    )
    n_same = 0
    for picture, frame in pairs:
        if not np.array_equal(picture, frame.to_ndarray(format=DEPTH_FORMAT)):
            raise ProcessingError(f"frame {n_same} would not keep its values; nothing was kept")
        n_same += 1
        advance(n_same)
    if n_same != n_frames or index.n_frames != n_frames:
        raise ProcessingError(
            f"{n_same} of {n_frames} frames would be there again; nothing was kept"
        )
