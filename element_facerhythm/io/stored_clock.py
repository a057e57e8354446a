"""The clock of a sequence as its product holds it."""

from __future__ import annotations

import numpy as np

from element_facerhythm.io.h5_reader import H5Group
from element_facerhythm.video.clock import Clock, Gap


def read_clock(group: H5Group, n_frames: int, frame_rate_hz: float) -> Clock:
    """Read the clock of a sequence.

    Parameters
    ----------
    group
        As `io.products` writes it.
    n_frames, frame_rate_hz
        Of the sequence.

    Raises
    ------
    ProjectError
        Times do not rise, or do not fit the number of frames.
    """
    times = group.dataset("frame_times_s")
    times_s = times.numbers(1, finite=True).astype(np.float64, copy=False)
    if times_s.shape != (n_frames,) or not (np.diff(times_s) > 0).all():
        times.refuse(f"expected {n_frames} rising times in seconds")
    after, seconds, missing = (
        group.dataset(name).numbers(1, finite=True)
        for name in ("gap_after_frame", "gap_s", "gap_n_missing")
    )
    if not len(after) == len(seconds) == len(missing):
        group.dataset("gap_s").refuse("has another length than gap_after_frame")
    if len(after) and not (
        (np.diff(after) > 0).all()
        and after[0] >= 0
        and after[-1] < n_frames - 1
        and missing.min() > 0
    ):
        group.dataset("gap_after_frame").refuse("expected rising frames of the sequence")
    return Clock(
        times_s,
        frame_rate_hz,
        group.dataset("source").text(),
        float(group.dataset("jitter_s").numbers(finite=True)),
        tuple(
            Gap(int(a), float(s), int(n)) for a, s, n in zip(after, seconds, missing, strict=True)
        ),
        bool(group.dataset("is_even").numbers()),
    )
