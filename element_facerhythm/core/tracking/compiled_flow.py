"""Lucas-Kanade by our own kernels on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.tracking.lucas_kanade_kernel import follow_points_kernel
from element_facerhythm.core.tracking.pyramid import (
    Pyramid,
    border_px,
    make_pyramid,
    pyramid_levels,
)
from element_facerhythm.core.tracking.refinement import (
    N_ITERATIONS,
    REACH_PX,
    STEP_PX,
    Matches,
    SmoothFrame,
    smoothed,
    weights_of,
)
from element_facerhythm.core.tracking.refinement_kernel import refine_points_kernel
from element_facerhythm.core.tracking.settings import FlowSettings, GrayFrame, Points
from element_facerhythm.core.tracking.window_kernel import n_lanes

_FEWEST_POINTS = 64  # in a span: below that, calling the kernel costs more than it brings
_SPANS_PER_THREAD = 4


@dataclass(frozen=True, eq=False)
class DescribedFrame:
    """What the flow needs of a frame: its pyramid and, to refine matches, the smoothed frame."""

    pyramid: Pyramid
    smooth: SmoothFrame | None


class CompiledFlow:
    """Our kernels, points shared out over threads; results do not depend on the number of threads.

    Parameters
    ----------
    settings
        Window, levels and criteria.
    visible_mask
        (H, W) bool, given to refine matches on the visible pixels of the frames as they are; None
        leaves matches as they are found on equalised frames, which are OpenCV's up to rounding.
    n_threads
        Threads that follow points.
    """

    def __init__(
        self,
        settings: FlowSettings,
        *,
        visible_mask: NDArray[np.bool_] | None = None,
        n_threads: int = 1,
    ) -> None:
        self._settings = settings
        self._follow = follow_points_kernel(*settings.window_px)
        self._refine = refine_points_kernel(*settings.window_px)
        self._n_lanes = n_lanes(settings.window_px[0])
        self._pad_px = border_px(settings.window_px)
        self._weights = None if visible_mask is None else weights_of(visible_mask, self._pad_px)
        self._n_threads = n_threads
        self._pool = ThreadPoolExecutor(n_threads - 1, "flow") if n_threads > 1 else None

    def describe(self, frame: GrayFrame, raw: GrayFrame) -> DescribedFrame:
        """Pyramid of the prepared frame; the frame as it came, smoothed."""
        levels = pyramid_levels(
            frame.shape, max_level=self._settings.max_level, window_px=self._settings.window_px
        )
        pyramid = make_pyramid(frame, levels, self._pad_px)
        refines = self._weights is not None
        return DescribedFrame(pyramid, smoothed(raw, self._pad_px) if refines else None)

    def __call__(
        self, before: DescribedFrame, after: DescribedFrame, points: Points
    ) -> tuple[Points, NDArray[np.bool_]]:
        """Points in the second frame, and where they were found."""
        moved, found = np.empty_like(points), np.empty(len(points), dtype=np.bool_)
        matches = Matches(*np.zeros((2, len(points)), np.float32))

        def follow(first: int, stop: int) -> None:
            self._follow(
                before.pyramid.pixels,
                after.pyramid.pixels,
                before.pyramid.levels,
                self._n_lanes,
                points,
                first,
                stop,
                self._settings.n_iterations,
                self._settings.step_px,
                moved,
                found,
            )
            if self._weights is not None:
                self._refine(
                    before.smooth,
                    after.smooth,
                    self._weights,
                    self._pad_px,
                    self._n_lanes,
                    points,
                    first,
                    stop,
                    N_ITERATIONS,
                    STEP_PX,
                    REACH_PX,
                    moved,
                    found,
                    matches.mismatch,
                    matches.texture,
                )

        self._share_out(follow, len(points))
        return moved, found & ~matches.lost()

    def close(self) -> None:
        """Let go of threads."""
        if self._pool is not None:
            self._pool.shutdown()

    def _share_out(self, follow: Callable[[int, int], None], n_points: int) -> None:
        """Call `follow` for spans of points that are all points together.

        Whoever is free takes the next span: the threads also share their cores with those that
        decode and prepare frames.
        """
        n_spans = min(self._n_threads * _SPANS_PER_THREAD, n_points // _FEWEST_POINTS)
        if self._pool is None or n_spans < 2:
            follow(0, n_points)
            return
        cuts = np.linspace(0, n_points, n_spans + 1).astype(int).tolist()
        spans = iter(list(pairwise(cuts)))

        def take() -> None:
            for first, stop in spans:
                follow(first, stop)

        others = [self._pool.submit(take) for _ in range(min(self._n_threads, n_spans) - 1)]
        take()
        for other in others:
            if not other.cancel():  # not begun: there is nothing left for it
                other.result()
