"""All signals of a recording, taken from its frames as they come, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import GrayFrame
from element_facerhythm.core.motion.binning_kernel import absolute_change, bin_sums, sum_at
from element_facerhythm.core.motion.eye_opening import N_BINS, EyeOpening
from element_facerhythm.core.motion.pupil import PupilFinder
from element_facerhythm.core.motion.regions import SignalRegion
from element_facerhythm.core.motion.streamed_svd import Basis, Rows, StreamedSvd, store_width
from element_facerhythm.core.motion.treadmill import TreadmillFlow

NewStore = Callable[[tuple[int, int]], Rows]
"""Makes an array of a shape, float32, that lies where there is room."""

MOVIES = {"svd": "motion_svd", "movie_svd": "movie_svd"}
"""Signal to what is decomposed: the distance of each frame from the one before, bin by bin, or the frames."""


@dataclass(frozen=True, eq=False)
class SignalSettings:
    """What is measured.

    Attributes
    ----------
    regions
        Where.
    hidden
        Of each region, pixels (h, w) of its box that show something else.
    signals
        Of `parameters.signals.SIGNALS`.
    bin_px, n_components
        Side of a bin; and components of each decomposition, at most.
    height_px, width_px
        Size of the frames.
    n_frames
        Of the whole recording, T.
    device
        Where decompositions are computed.
    """

    regions: tuple[SignalRegion, ...]
    hidden: tuple[NDArray[np.bool_], ...]
    signals: tuple[str, ...]
    bin_px: int
    n_components: int
    height_px: int
    width_px: int
    n_frames: int
    device: str = "cpu"


class SignalRecorder:
    """Takes every frame of a recording in order.

    Parameters
    ----------
    settings
        What is measured.
    new_store
        Where projections lie until the masks are known.
    bases
        Those of a first pass, by region and name of the movie: only decompositions are then computed, on
        them. None measures everything.

    Attributes
    ----------
    series
        Of each region, by the name of the signal, an array (T, ...) that is filled.
    decompositions
        By region and name of the movie, with the frames that they take: (T,) bool.
    """

    def __init__(
        self,
        settings: SignalSettings,
        new_store: NewStore,
        bases: dict[tuple[int, str], Basis] | None = None,
    ) -> None:
        self.settings, self._is_first = settings, bases is None
        size = (settings.height_px // settings.bin_px, settings.width_px // settings.bin_px)
        self._sums, self._before, self._change = (np.zeros(size, np.int32) for _ in range(3))
        self._frame_total, self._motion_total = np.zeros(size), np.zeros(size)
        self._n_motion = self.n_done = 0
        self.moves = np.zeros(settings.n_frames, bool)
        regions = settings.regions
        self.series: list[dict[str, NDArray[np.float64]]] = [
            _empty_series(region.kind, settings.n_frames) for region in regions
        ]
        self._places = [region.places(size[1]) for region in regions]
        self._pupils = {
            i: PupilFinder(region.mask, settings.hidden[i])
            for i, region in enumerate(regions)
            if region.kind == "pupil"
        }
        self._eyes = {
            i: EyeOpening(region.mask, new_store((settings.n_frames, N_BINS)))
            for i, region in enumerate(regions)
            if region.kind == "blink" and self._is_first
        }
        self._treadmills = {
            i: TreadmillFlow(region.mask)
            for i, region in enumerate(regions)
            if region.kind == "running"
        }
        self.decompositions = {
            (i, name): _new_svd(settings, region.n_bins, new_store, (bases or {}).get((i, name)))
            for i, region in enumerate(regions)
            if region.kind == "motion"
            for signal, name in MOVIES.items()
            if signal in settings.signals
        }

    def push(self, frame: GrayFrame, *, follows: bool) -> None:
        """Take the next frame.

        Parameters
        ----------
        frame
            (H, W) uint8.
        follows
            Whether it was taken one frame after the last; where frames are missing between, nothing that
            compares the two is computed.
        """
        t = self.n_done
        self._before, self._sums = self._sums, self._before
        bin_sums(frame, self.settings.bin_px, self._sums)
        self.moves[t] = moves = follows and t > 0
        if moves:
            absolute_change(self._sums, self._before, self._change)
        if self._is_first:
            self._frame_total += self._sums
            if moves:
                self._motion_total += self._change
                self._n_motion += 1
            self._measure(t, frame, moves)
        self._decompose(moves)
        self.n_done += 1

    def _measure(self, t: int, frame: GrayFrame, moves: bool) -> None:
        area = float(self.settings.bin_px**2)
        for i, region in enumerate(self.settings.regions):
            series = self.series[i]
            if region.kind == "motion" and moves:
                series["motion"][t] = sum_at(self._change.reshape(-1), self._places[i]) / area
            elif region.kind == "pupil":
                found = self._pupils[i].find(region.crop(frame))
                if found is not None:
                    shift = np.array([region.x_range[0], region.y_range[0]])
                    series["area"][t] = found.area_px2
                    series["centre"][t] = shift + np.array([found.x_px, found.y_px])
                    series["axes"][t] = found.long_px, found.short_px
                    series["angle"][t] = found.angle_rad
                    series["confidence"][t] = found.confidence
            elif region.kind == "blink":
                self._eyes[i].push(region.crop(frame))
            elif region.kind == "running":
                if not moves:
                    self._treadmills[i].forget()
                x, y, peak = self._treadmills[i].push(region.crop(frame))
                series["running"][t], series["confidence"][t] = (x, y), peak

    def _decompose(self, moves: bool) -> None:
        scale = np.float32(1 / self.settings.bin_px**2)
        for (i, name), svd in self.decompositions.items():
            picture = self._change if name == "motion_svd" else self._sums
            if name == "movie_svd" or moves:
                svd.push(picture.reshape(-1)[self._places[i]] * scale)

    def finish(self) -> None:
        """Fill in what is known only when all frames were taken."""
        for i, eye in self._eyes.items():
            self.series[i]["opening"][:], self.series[i]["confidence"][:] = eye.finish()

    def frames_of(self, movie: str) -> NDArray[np.int64]:
        """Frames that a decomposition took, in order."""
        taken = self.moves if movie == "motion_svd" else np.ones(self.settings.n_frames, bool)
        return np.flatnonzero(taken)

    @property
    def mean_frame(self) -> NDArray[np.float32]:
        """(h, w) mean of all frames, in bins."""
        return self._scaled(self._frame_total, self.n_done)

    @property
    def mean_motion(self) -> NDArray[np.float32]:
        """(h, w) mean distance of a frame from the one before, in bins; NaN if no frame follows another."""
        return self._scaled(self._motion_total, self._n_motion)

    def _scaled(self, total: NDArray[np.float64], n: int) -> NDArray[np.float32]:
        if n == 0:
            return np.full(total.shape, np.nan, np.float32)
        return (total / (n * self.settings.bin_px**2)).astype(np.float32)


def _new_svd(
    settings: SignalSettings, n_bins: int, new_store: NewStore, basis: Basis | None
) -> StreamedSvd:
    store = new_store((settings.n_frames, store_width(n_bins, settings.n_components)))
    return StreamedSvd(n_bins, settings.n_components, store, device=settings.device, basis=basis)


_SHAPES: dict[str, Sequence[tuple[str, tuple[int, ...], float]]] = {
    "motion": [("motion", (), np.nan)],
    "pupil": [
        ("area", (), np.nan),
        ("centre", (2,), np.nan),
        ("axes", (2,), np.nan),
        ("angle", (), np.nan),
        ("confidence", (), 0.0),
    ],
    "blink": [("opening", (), np.nan), ("confidence", (), 0.0)],
    "running": [("running", (2,), np.nan), ("confidence", (), 0.0)],
}


def _empty_series(kind: str, n_frames: int) -> dict[str, NDArray[np.float64]]:
    return {name: np.full((n_frames, *shape), fill) for name, shape, fill in _SHAPES[kind]}
