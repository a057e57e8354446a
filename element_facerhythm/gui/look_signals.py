"""Signals of the whole face on the page: the curves of the figure, as much of them as a screen can show."""

from __future__ import annotations

from functools import cached_property

from element_facerhythm.core.extremes import extremes
from element_facerhythm.figures.signals import MOST_REGIONS
from element_facerhythm.io.layout import SIGNALS
from element_facerhythm.io.project import Project
from element_facerhythm.io.stored_signals import StoredRegion, signals_of_project


class LookSignals:
    """Regions whose signals can be shown beside the tracks, and what each reaches.

    Parameters
    ----------
    project
        With or without a FacialSignal.h5.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._reach: dict[int, tuple[float, float]] = {}

    @cached_property
    def regions(self) -> tuple[StoredRegion, ...]:
        """Those that the figure draws; none where the signals are of other frames than the tracks."""
        return self._found[0]

    @cached_property
    def note(self) -> str:
        """What is not shown, and why; empty where everything is."""
        return self._found[1]

    @cached_property
    def _found(self) -> tuple[tuple[StoredRegion, ...], str]:
        if SIGNALS not in {product.name for product in self._project.products}:
            return (), ""
        signals, n_frames = signals_of_project(self._project), sum(self._project.n_frames)
        if signals.n_frames != n_frames:
            return (), (
                f"the signals of FacialSignal.h5 are of {signals.n_frames} frames, the tracks of {n_frames}: "
                "they cannot be shown over the same time"
            )
        regions = [region for region in signals.regions if region.is_over_time]
        n_more = len(regions) - MOST_REGIONS
        return tuple(regions[:MOST_REGIONS]), f"{n_more} more are not shown" if n_more > 0 else ""

    def reach(self, region: StoredRegion) -> tuple[float, float]:
        """Return the smallest and the largest value of the recording; NaN where there is none."""
        if region.index not in self._reach:
            values = region.over_time()
            low, high = extremes(values, values, max(len(values), 1))
            self._reach[region.index] = (float(low[0]), float(high[0]))
        return self._reach[region.index]
