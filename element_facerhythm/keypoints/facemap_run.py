"""Facemap's network over the videos of a recording, batch by batch."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from element_facerhythm.core.device import is_out_of_memory
from element_facerhythm.core.tracking.frames import Prefetch
from element_facerhythm.keypoints.facemap_frames import BoundingBox, FrameWindow, located
from element_facerhythm.keypoints.facemap_model import FacemapModel
from element_facerhythm.keypoints.predictions import DEFAULT_INDIVIDUAL, Predictions
from element_facerhythm.video import VideoMetadata, iterate_gray_frames

logger = logging.getLogger(__name__)

SOURCE_SOFTWARE = "Facemap"
BATCH_SIZE_CPU, BATCH_SIZE_CUDA = 2, 64  # larger ones outgrow a CPU's caches


@dataclass(frozen=True, eq=False)
class FacemapRun:
    """What a run gave.

    Attributes
    ----------
    predictions
        Of all videos, in their order.
    seconds
        From the first frame to the last, decoding included.
    """

    predictions: Predictions
    seconds: float

    @property
    def frames_per_s(self) -> float:
        """Frames predicted per second."""
        return self.predictions.n_frames / self.seconds


def predict_keypoints(
    videos: Sequence[VideoMetadata],
    boxes: Sequence[BoundingBox],
    model: FacemapModel,
    *,
    batch_size: int | None = None,
    mixed_precision: bool | None = None,
    on_frames: Callable[[int], None] | None = None,
) -> FacemapRun:
    """Predict the keypoints of every frame of a recording.

    Parameters
    ----------
    videos
        The videos, in order.
    boxes
        What the network is shown of each.
    model
        The network.
    batch_size
        Frames at once; None takes 2 on a CPU, 64 on a GPU. Results do not depend on it but for
        rounding.
    mixed_precision
        16-bit arithmetic where that serves, twice as fast on a GPU; None: on CUDA only.
    on_frames
        Called with the number of frames done.

    Raises
    ------
    KeypointError
        A box lies outside of the frame.
    DecodeError
        A frame cannot be decoded.
    """
    for video, box in zip(videos, boxes, strict=True):
        box.require_within(video.width_px, video.height_px)
    on_cuda = model.device.type == "cuda"
    n_at_once = batch_size or (BATCH_SIZE_CUDA if on_cuda else BATCH_SIZE_CPU)
    n_frames = sum(video.n_frames for video in videos)
    n_parts = len(model.body_parts)
    positions = np.empty((n_frames, 1, n_parts, 2), np.float32)
    likelihood = np.empty((n_frames, 1, n_parts), np.float32)
    started = time.perf_counter()
    first = 0
    for video, box in zip(videos, boxes, strict=True):
        window = FrameWindow(box, model.device)
        for frames in _batches(video, n_at_once):
            stop = first + len(frames)
            with torch.inference_mode(), _precision(mixed_precision, on_cuda):
                places, sure = _found(model, window, frames)
            positions[first:stop, 0], likelihood[first:stop, 0] = places, sure
            first = stop
            if on_frames is not None:
                on_frames(first)
    positions[np.isnan(likelihood)] = np.nan
    rate = videos[0].frame_rate_hz
    return FacemapRun(
        Predictions(
            positions, likelihood, model.body_parts, (DEFAULT_INDIVIDUAL,), SOURCE_SOFTWARE, rate
        ),
        time.perf_counter() - started,
    )


def _found(
    model: FacemapModel, window: FrameWindow, frames: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Positions (N, K, 2) and likelihoods (N, K); in halves where memory does not hold so many frames."""
    try:
        places, sure = located(*model.network(window.cut(frames)))
        return window.place(places).cpu().numpy(), sure.cpu().numpy()
    except RuntimeError as error:
        if len(frames) == 1 or not is_out_of_memory(error):
            raise
    logger.warning(
        "%s is out of memory for %d frames at once: in halves", model.device, len(frames)
    )
    half = len(frames) // 2
    parts = [_found(model, window, part) for part in (frames[:half], frames[half:])]
    return np.concatenate([p for p, _ in parts]), np.concatenate([s for _, s in parts])


def _batches(video: VideoMetadata, n_at_once: int) -> Iterator[NDArray[np.uint8]]:
    """Frames (N, H, W) of a video in batches, decoded ahead in a thread."""

    def stacked() -> Iterator[NDArray[np.uint8]]:
        batch: list[NDArray[np.uint8]] = []
        for frame in iterate_gray_frames(video.path, rule="luma", levels=video.levels):
            batch.append(frame)
            if len(batch) == n_at_once:
                yield np.stack(batch)
                batch = []
        if batch:
            yield np.stack(batch)

    with closing(Prefetch(stacked, lambda batch: batch, n_ahead=2)) as ahead:
        yield from ahead


def _precision(mixed: bool | None, on_cuda: bool) -> AbstractContextManager[object]:
    if mixed if mixed is not None else on_cuda:
        return torch.autocast("cuda" if on_cuda else "cpu")
    return nullcontext()
