"""Lucas-Kanade by this package's own kernels on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import GrayFrame, Points
from element_facerhythm.core.tracking.carrying import carry
from element_facerhythm.core.tracking.lucas_kanade_kernel import follow_points_kernel
from element_facerhythm.core.tracking.pyramid import (
    Pyramid,
    border_px,
    make_pyramid,
    pyramid_levels,
)
from element_facerhythm.core.tracking.refinement import (
    FIRST_LOOK,
    LAST_LOOK,
    N_ITERATIONS,
    STEP_PX,
    Look,
    Matches,
    RefineWithin,
    SmoothFrame,
    VisiblePart,
)
from element_facerhythm.core.tracking.refinement_kernel import refine_points_kernel
from element_facerhythm.core.tracking.settings import FlowSettings, Prepare
from element_facerhythm.core.tracking.window_kernel import n_lanes

_FEWEST_POINTS = 64  # in a span: below that, calling the kernel costs more than it brings
_SPANS_PER_THREAD = 4
_MEMORY = 1 / 32  # of how often points had to be searched for, lately


class DescribedFrame:
    """What the flow needs of a frame.

    Parameters
    ----------
    smooth
        The visible part, smoothed, to match on the raw frame; None to search only.
    make_pyramid
        Makes the pyramid of the prepared frame, when it is first asked for.

    One thread at a time uses it: first the one that describes frames, then the one that tracks.
    """

    def __init__(self, smooth: SmoothFrame | None, make_pyramid: Callable[[], Pyramid]) -> None:
        self.smooth = smooth
        self._make_pyramid = make_pyramid
        self._pyramid: Pyramid | None = None

    @property
    def pyramid(self) -> Pyramid:
        """The prepared frame, halved again and again."""
        if self._pyramid is None:
            self._pyramid = self._make_pyramid()
        return self._pyramid


class CompiledFlow:
    """Compiled kernels, points shared out over threads; results do not depend on the number of threads.

    Parameters
    ----------
    settings
        Window, levels and criteria.
    prepare
        Equalises frames for the search; where every match is clear, a frame is never equalised.
    refine_within
        What to match on the raw frames; None leaves matches as they are found on equalised
        frames, which are OpenCV's up to rounding.
    n_threads
        Threads that follow points.
    """

    def __init__(
        self,
        settings: FlowSettings,
        *,
        prepare: Prepare,
        refine_within: RefineWithin | None = None,
        n_threads: int = 1,
    ) -> None:
        self._settings = settings
        self._prepare = prepare
        self._follow = follow_points_kernel(*settings.window_px)
        self._refine = refine_points_kernel(*settings.window_px)
        self._n_lanes = n_lanes(settings.window_px[0])
        self._pad_px = border_px(settings.window_px)
        self._part: VisiblePart | None = None
        self._searches = 1.0  # in what share of the last frames
        if refine_within is not None:
            self._part = VisiblePart(refine_within.visible_mask, self._pad_px)
            self._neighbors = refine_within.neighbors
        self._n_threads = n_threads
        self._pool = ThreadPoolExecutor(n_threads - 1, "flow") if n_threads > 1 else None

    def describe(self, frame: GrayFrame) -> DescribedFrame:
        """Smoothed visible part, and the pyramid at once where it probably will be needed."""
        smooth = None if self._part is None else self._part.smoothed(frame)
        described = DescribedFrame(smooth, lambda: self._pyramid(frame))
        if self._searches > 0.5:  # waiting for it later would cost more than making some in vain
            _ = described.pyramid
        return described

    def __call__(
        self, before: DescribedFrame, after: DescribedFrame, points: Points
    ) -> tuple[Points, NDArray[np.bool_]]:
        """Points in the second frame, and where they were found."""
        if self._part is None:
            return self._searched(before, after, points)
        moved, found = points.copy(), np.ones(len(points), dtype=np.bool_)
        matches = self._match(before, after, points, FIRST_LOOK, moved, found)
        other_light, gain = matches.in_other_light(), matches.common_gain()
        if other_light:
            moved[:] = points
            matches = self._match(before, after, points, FIRST_LOOK, moved, found, True)
        moved += matches.leaning(gain)
        unclear = np.flatnonzero(~matches.clear())
        self._searches += ((len(unclear) > 0) - self._searches) * _MEMORY
        if len(unclear):
            some = points[unclear]
            to, there = self._searched(before, after, some)
            judged = self._match(before, after, some, LAST_LOOK, to, there, other_light)
            to += judged.leaning(gain)
            matches.put(unclear, judged)
            moved[unclear], found[unclear] = to, there
        lost = matches.lost()
        if lost.any():
            carried = carry(points, moved, lost, matches.clear(), self._neighbors)
            found &= carried | ~lost
        return moved, found

    def _pyramid(self, frame: GrayFrame) -> Pyramid:
        levels = pyramid_levels(
            frame.shape, max_level=self._settings.max_level, window_px=self._settings.window_px
        )
        return make_pyramid(self._prepare(frame), levels, self._pad_px)

    def _searched(
        self, before: DescribedFrame, after: DescribedFrame, points: Points
    ) -> tuple[Points, NDArray[np.bool_]]:
        """Points in the second frame, and where they were found, on the prepared frames."""
        moved, found = np.empty_like(points), np.empty(len(points), dtype=np.bool_)
        old, new = before.pyramid, after.pyramid

        def follow(first: int, stop: int) -> None:
            self._follow(
                old.pixels,
                new.pixels,
                old.levels,
                self._n_lanes,
                points,
                first,
                stop,
                self._settings.n_iterations,
                self._settings.step_px,
                moved,
                found,
            )

        self._share_out(follow, len(points))
        return moved, found

    def _match(
        self,
        before: DescribedFrame,
        after: DescribedFrame,
        points: Points,
        look: Look,
        moved: Points,
        found: NDArray[np.bool_],
        other_light: bool = False,
    ) -> Matches:
        """Improve `moved` on the raw frames, where `found`, and return how well it matches."""
        part, matches = self._part, Matches.of(len(points))
        assert part is not None

        def match(first: int, stop: int) -> None:
            self._refine(
                before.smooth,
                after.smooth,
                part.weights,
                part.layout,
                self._n_lanes,
                points,
                first,
                stop,
                N_ITERATIONS,
                STEP_PX,
                look,
                other_light,
                moved,
                found,
                matches.mismatch,
                matches.texture,
                matches.light,
                matches.gain,
                matches.lean,
                matches.taken,
            )

        self._share_out(match, len(points))
        return matches

    def close(self) -> None:
        """Stop the threads."""
        if self._pool is not None:
            self._pool.shutdown()

    def _share_out(self, follow: Callable[[int, int], None], n_points: int) -> None:
        """Call `follow` for spans of points that are all points together.

        A thread that is free takes the next span: the threads also share their cores with those that
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
