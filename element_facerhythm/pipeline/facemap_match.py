"""Whether what facemap saved is of a recording: names, frames, sizes, and the movement itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import ProjectError
from element_facerhythm.io.facemap_proc import FacemapProc
from element_facerhythm.io.facemap_signals import FacemapSignals
from element_facerhythm.video import VideoMetadata, iterate_gray_frames

LEAST_CORRELATION = 0.97
"""Of facemap's motion energy, or its mean frame, with that of the video."""

_N_FRAMES = 240
_FEWEST = 20


def require_match(
    proc: FacemapProc, signals: FacemapSignals, videos: Sequence[VideoMetadata], *, renamed: bool
) -> tuple[str, ...]:
    """Refuse what facemap measured in other videos.

    The motion energy of up to 240 frames in the middle of the recording is computed from the videos and
    correlated with facemap's; where facemap measured none, the mean frame is.

    Parameters
    ----------
    proc
        What facemap saved.
    signals
        The same, laid out by region.
    videos
        Files of the recording, in order.
    renamed
        Take videos of other names.

    Returns
    -------
    tuple
        Notes: what was compared.

    Raises
    ------
    ProjectError
        Names, number of frames, size or movement differ; the message says how.
    VideoError, DecodeError
        A video cannot be read.
    """
    faults = tuple(_faults(proc, videos, renamed=renamed))
    if not faults:
        what, correlation = _compared(proc, signals, videos)
        if correlation is None:
            return (f"{what} of {proc.path.name} is constant and was not compared with the video",)
        if correlation >= LEAST_CORRELATION:
            return (f"{what} correlates with that of the video by {correlation:.3f}",)
        faults = (f"its {what} correlates with that of the video by {correlation:.2f} only",)
    raise ProjectError(
        f"{proc.path} is not of {', '.join(video.path.name for video in videos)}: {'; '.join(faults)}. "
        "Give the videos that facemap processed, in their order, with --video"
    )


def _faults(proc: FacemapProc, videos: Sequence[VideoMetadata], *, renamed: bool) -> Iterator[str]:
    names = tuple(video.path.name for video in videos)
    if len(names) != len(proc.file_names):
        yield f"it is of {len(proc.file_names)} videos ({', '.join(proc.file_names[:4])})"
    elif names != proc.file_names and not renamed:
        yield f"it is of {', '.join(proc.file_names[:4])}"
    n_frames = sum(video.n_frames for video in videos)
    if proc.n_frames != n_frames:
        yield f"it has {proc.n_frames} frames, the video {n_frames}"
    for video in videos:
        if (video.width_px, video.height_px) != (proc.width_px, proc.height_px):
            yield (
                f"its frames are {proc.width_px} x {proc.height_px} px, those of {video.path.name} "
                f"{video.width_px} x {video.height_px}"
            )


def _compared(
    proc: FacemapProc, signals: FacemapSignals, videos: Sequence[VideoMetadata]
) -> tuple[str, float | None]:
    """Return what was compared, and its correlation; None where one of the two is constant."""
    first, frames = _some_frames(videos, proc.bin_px)
    for region in signals.regions:
        energy = region.tree.get("motion")
        if energy is None or len(frames) < _FEWEST:
            continue
        (x0, x1), (y0, y1) = region.tree["x_range_bin"], region.tree["y_range_bin"]
        own = np.abs(np.diff(frames[:, y0:y1, x0:x1], axis=0)).sum(axis=(1, 2))
        theirs = energy[first + 1 : first + len(frames)]
        return f"motion energy of {region.name}", _correlation(own, theirs)
    if "mean_frame" not in signals.summary:
        return "movement", None
    return "mean frame", _correlation(
        frames.mean(axis=0).ravel(), signals.summary["mean_frame"].ravel()
    )


def _some_frames(videos: Sequence[VideoMetadata], bin_px: int) -> tuple[int, NDArray[np.float64]]:
    """Return the first of some frames in the longest video, and these frames (n, y, x) in bins."""
    longest = max(range(len(videos)), key=lambda i: videos[i].n_frames)
    video = videos[longest]
    start = max((video.n_frames - _N_FRAMES) // 2, 0)
    stop = min(start + _N_FRAMES, video.n_frames)
    binned = [
        _binned(frame, bin_px) for frame in iterate_gray_frames(video.path, start=start, stop=stop)
    ]
    before = sum(other.n_frames for other in videos[:longest])
    return before + start, np.array(binned)


def _binned(frame: NDArray[np.uint8], bin_px: int) -> NDArray[np.float64]:
    height, width = (n // bin_px for n in frame.shape)
    whole = frame[: height * bin_px, : width * bin_px].astype(np.float64)
    return whole.reshape(height, bin_px, width, bin_px).mean(axis=(1, 3))


def _correlation(own: NDArray[np.floating], theirs: NDArray[np.floating]) -> float | None:
    known = np.isfinite(theirs)
    if known.sum() < 2 or own[known].std() == 0 or theirs[known].std() == 0:
        return None
    return float(np.corrcoef(own[known], theirs[known].astype(np.float64))[0, 1])
