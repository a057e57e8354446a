"""From open parameters and the facts of a recording to closed ones, with a reason for each value.

What was typed is never changed. Where it makes the usual value of an open parameter impossible, the open one
is adapted; where typed values are impossible by themselves, the checks refuse them as usual.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from element_facerhythm.parameters.open import OpenParameters, in_order, put_value, value_at
from element_facerhythm.parameters.reading import validated
from element_facerhythm.parameters.resolution import resolution
from element_facerhythm.parameters.tracking_methods import unused_by

_N_POINTS = 250
_FEWEST_POINTS = 20
_SMALLEST_SPACING_PX = 5
_HIGHEST_HZ = 60.0
_LOWEST_HZ = 1.0
_OF_FRAME_RATE = 0.4
_Q_LOW, _Q_HIGH, SMALLEST_Q = 4.0, 10.0, 2.0
_FILTERS_PER_SEQUENCE = 4
_WINDOWS_PER_SECOND = 12
_FEWEST_WINDOWS = 50
_RANK = 5
_RELAXATION, _HOMEWARD_PER_S = 0.5, 30
_TILES, _SMALLEST_TILE_PX = 150, 3
_OF_SIDE = 0.06

_FLOW = "PointTracker.params_optical_flow"
_OUTLIERS = "PointTracker.params_outlier_handling"
_VQT = "VQT_Analyzer.params_VQT"


@dataclass(frozen=True)
class RecordingFacts:
    """What is known of a recording before any work.

    Attributes
    ----------
    frame_rate_hz
        The rate that it is analysed with.
    n_samples
        Samples of each stretch between gaps, of each tracked sequence.
    width_px, height_px
        Size of the frame.
    seed_area_px
        Pixels of the region that points are seeded in; None where points were given, or nothing is known.
    n_points
        Number of points for a spacing in pixels; None where no regions are known: spacing and rank then
        stay open.
    """

    frame_rate_hz: float
    n_samples: tuple[tuple[int, ...], ...]
    width_px: int
    height_px: int
    seed_area_px: int | None
    n_points: Callable[[int], int] | None

    @property
    def n_shortest(self) -> int:
        """Samples that a filter must fit into: of the longest stretch of the sequence that has the least."""
        return min(max(lengths) for lengths in self.n_samples)


@dataclass(frozen=True)
class FittedValue:
    """A value that was open, what it became, and why, in one sentence."""

    name: str
    value: Any
    reason: str

    def __str__(self) -> str:
        """Return name, value and reason in a line."""
        return f"{self.name} = {self.value}: {self.reason}"


def fit_parameters(
    parameters: OpenParameters, facts: RecordingFacts
) -> tuple[OpenParameters, tuple[FittedValue, ...]]:
    """Fit what is open.

    Parameters
    ----------
    parameters
        Values of which some may be open.
    facts
        Of the recording.

    Returns
    -------
    tuple
        The parameters, closed but for what cannot be known without regions, and what was fitted.

    Raises
    ------
    ParameterError
        Typed values contradict each other.
    """
    fit = _Fit(parameters, facts)
    fit.seeding()
    fit.tracking()
    fit.spectra()
    fit.rank()
    said = parameters.stand_in.VQT_Analyzer.params_VQT.model_fields_set
    if f"{_VQT}.Fs_sample" not in parameters.open_names and "Fs_sample" not in said:
        del value_at(fit.tree, _VQT)["Fs_sample"]  # a default that was not typed needs no remark
    closed = OpenParameters(validated(fit.tree), in_order(fit.open))
    return closed, tuple(fit.fitted)


class _Fit:
    """The tree while its open places are filled, from the first step of the analysis to the last."""

    def __init__(self, parameters: OpenParameters, facts: RecordingFacts) -> None:
        self.tree = parameters.stand_in.to_tree()
        self.open = set(parameters.open_names)
        self.facts = facts
        self.fitted: list[FittedValue] = []
        self._put(
            f"{_VQT}.Fs_sample", facts.frame_rate_hz, "the frame rate that the recording is analysed with"
        )  # fmt: skip
        is_typed = parameters.stand_in.rules.is_rate_typed
        self.rate_hz = self.value(f"{_VQT}.Fs_sample") if is_typed else facts.frame_rate_hz

    def value(self, name: str) -> Any:
        return value_at(self.tree, name)

    def _put(self, name: str, value: Any, reason: str) -> None:
        if name in self.open:
            self.open.remove(name)
            put_value(self.tree, name, value)
            self.fitted.append(FittedValue(name, value, reason))

    def seeding(self) -> None:
        """Fit the distance between points to the area of the regions."""
        name, facts = "ROIs.make_rois.point_spacing", self.facts
        if name not in self.open or facts.n_points is None:
            return
        if facts.seed_area_px is None:
            n = facts.n_points(self.value(name))
            self._put(name, self.value(name), f"not used: the regions bring their own {n} points")
            return
        spacing = max(_SMALLEST_SPACING_PX, round(math.sqrt(facts.seed_area_px / _N_POINTS)))
        while spacing > 1 and facts.n_points(spacing) < _FEWEST_POINTS:
            spacing -= 1
        self._put(
            name, spacing,
            f"{facts.n_points(spacing)} points in a region of {facts.seed_area_px} px; about {_N_POINTS} "
            f"are wanted, {_SMALLEST_SPACING_PX} px apart or more unless that leaves fewer than "
            f"{_FEWEST_POINTS}",
        )  # fmt: skip

    def tracking(self) -> None:
        """Fit what depends on the size of the frame and on how far things move from frame to frame."""
        facts, rate = self.facts, f"{self.facts.frame_rate_hz:g} frames/s"
        side = max(facts.width_px, facts.height_px)
        size = f"{facts.width_px} x {facts.height_px} px"
        self._put(
            f"{_OUTLIERS}.threshold_displacement", round(_OF_SIDE * side, 1),
            f"{_OF_SIDE:.0%} of the longer side of {size}: further than a face moves; a paw, or a point lost",
        )  # fmt: skip
        method = self.value("PointTracker.method")
        self.open.difference_update(unused_by(method, self.open))  # their defaults stand there
        if method == "anchored":
            return
        relaxation = _down(min(_RELAXATION, _HOMEWARD_PER_S / facts.frame_rate_hz))
        memory_s = 1 / (relaxation * facts.frame_rate_hz)
        self._put(
            f"{_FLOW}.relaxation", relaxation,
            f"a track remembers {memory_s:.2g} s at {rate}: two frames or 1/{_HOMEWARD_PER_S} s, the longer. "
            "That holds where the animal shifts or walks, too; for a still head less keeps more of "
            "slow motion",
        )  # fmt: skip
        sides = (facts.width_px, facts.height_px)
        tiles = [min(_TILES, max(1, n // _SMALLEST_TILE_PX)) for n in sides]
        self._put(
            "PointTracker.params_clahe.tileGridSize", tiles,
            f"face-rhythm's {_TILES} tiles, or as many of {_SMALLEST_TILE_PX} px as fit {size}",
        )  # fmt: skip
        halted = max(2, round(facts.frame_rate_hz / 12))
        for name in ("framesHalted_before", "framesHalted_after"):
            self._put(
                f"{_OUTLIERS}.{name}", halted, f"{halted / facts.frame_rate_hz:.2g} s at {rate}"
            )

    def spectra(self) -> None:
        """Fit the frequencies within Nyquist and what the shortest stretch can hold."""
        self._highest_frequency()
        self._lowest_frequency()
        self._quality()
        vqt = _VQT
        shortest = self.facts.n_shortest
        lost = self.value(f"{vqt}.Q_lowF") / self.value(f"{vqt}.F_min") * self.rate_hz
        kept = shortest - (lost if self.value(f"{vqt}.padding") == "valid" else 0)
        wanted = round(self.rate_hz / _WINDOWS_PER_SECOND)
        factor = max(1, min(wanted, math.floor(kept / _FEWEST_WINDOWS)))
        self._put(
            f"{vqt}.downsample_factor", factor,
            f"{self.rate_hz / factor:.3g} windows a second, {max(1, math.floor(kept / factor))} of them in "
            f"the shortest sequence of {shortest} frames; {_WINDOWS_PER_SECOND} a second and at least "
            f"{_FEWEST_WINDOWS} are wanted",
        )  # fmt: skip

    def _highest_frequency(self) -> None:
        name, low = f"{_VQT}.F_max", f"{_VQT}.F_min"
        usual = min(_HIGHEST_HZ, _OF_FRAME_RATE * self.rate_hz)
        reason = (
            f"{_HIGHEST_HZ:g} Hz, or {_OF_FRAME_RATE:g} of the {self.rate_hz:g} frames/s where that is lower "
            f"(no rhythm above {self.rate_hz / 2:g} Hz can be resolved)"
        )
        if low not in self.open and self.value(low) >= usual / 2:
            usual = max(usual, min(0.5 * self.rate_hz, 2 * self.value(low)))
            reason = (
                f"twice the F_min of {self.value(low):g} Hz that was given, within half of the "
                f"{self.rate_hz:g} frames/s"
            )
        self._put(name, _down(usual), reason)

    def _lowest_frequency(self) -> None:
        name, shortest_s = f"{_VQT}.F_min", self._shortest_s()
        highest_hz, q = self.value(f"{_VQT}.F_max"), self.value(f"{_VQT}.Q_lowF")
        if f"{_VQT}.Q_lowF" in self.open:
            q = SMALLEST_Q
        usual = max(_LOWEST_HZ, _FILTERS_PER_SEQUENCE * q / shortest_s)
        lowest_hz = min(usual, highest_hz / 3)
        if f"{_VQT}.Q_lowF" not in self.open:  # its filter must fit, if not four times, then once
            lowest_hz = max(lowest_hz, min(1.1 * q / shortest_s, 0.9 * highest_hz))
        length = f"the shortest sequence of {shortest_s:.3g} s"
        if lowest_hz < usual:
            reason = (
                f"a third of F_max, so that a range is left; {length} would ask for {usual:.3g} Hz"
            )
        elif lowest_hz > usual:
            reason = f"as low as a filter of {q:g} periods fits into {length}"
        elif usual > _LOWEST_HZ:
            reason = f"{q:g} periods of it fit {_FILTERS_PER_SEQUENCE} times into {length}"
        else:
            reason = f"the usual one; {length} is long enough for it"
        self._put(name, _up(lowest_hz), reason)

    def _quality(self) -> None:
        low, high = f"{_VQT}.Q_lowF", f"{_VQT}.Q_highF"
        lowest_hz, highest_hz = self.value(f"{_VQT}.F_min"), self.value(f"{_VQT}.F_max")
        shortest_s = self._shortest_s()
        periods = shortest_s * lowest_hz
        q = min(_Q_LOW, max(periods / _FILTERS_PER_SEQUENCE, min(SMALLEST_Q, periods / 2)))
        q = _down(q)
        self._put(
            low, q,
            f"a filter of {q / lowest_hz:.2g} s at F_min, against a shortest sequence of {shortest_s:.3g} s",
        )  # fmt: skip
        q_low = self.value(low)
        q_high = _down(min(_Q_HIGH, q_low * highest_hz / lowest_hz))
        self._put(
            high, q_high,
            f"a filter of {q_high / highest_hz:.2g} s at F_max, no longer than that at F_min",
        )  # fmt: skip

    def _shortest_s(self) -> float:
        return self.facts.n_shortest / self.rate_hz

    def rank(self) -> None:
        """Fit the number of components to what they can differ in."""
        name, facts = "TCA.fit.params_method.rank", self.facts
        if name not in self.open or facts.n_points is None:
            return
        n_points = facts.n_points(self.value("ROIs.make_rois.point_spacing"))
        found = resolution(
            validated(self.tree), rate_hz=self.rate_hz, n_samples=facts.n_samples, n_points=n_points
        )
        rank = min(_RANK, found.n_components)
        n_samples = self.value("TCA.fit.params_method.n_samples")
        if n_samples is not None and self.value("TCA.fit.method") == "RandomizedCP":
            rank = max(1, min(rank, n_samples - 1))
        self._put(
            name, rank,
            f"{_RANK}, or fewer where the recording can distinguish fewer; it has {found} (`facerhythm rank` "
            "compares numbers of components)",
        )  # fmt: skip


def _down(value: float) -> float:
    """Round down to three significant digits."""
    return _rounded(value, math.floor)


def _up(value: float) -> float:
    """Round up to three significant digits."""
    return _rounded(value, math.ceil)


def _rounded(value: float, way: Callable[[float], int]) -> float:
    digits = 2 - math.floor(math.log10(value))
    scaled = value * 10**digits
    whole = round(scaled)  # 12.0 is not 11.9999999
    return round(
        (whole if math.isclose(scaled, whole, rel_tol=1e-9) else way(scaled)) / 10**digits, 12
    )
