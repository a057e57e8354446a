"""Checks of the light, from the mean gray level of every tracked frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import BoolArray, Float64Array
from element_facerhythm.core.tracking.light import dark_frames, frozen_frames
from element_facerhythm.pipeline.results.quality.judging import Measure, unknown

MAINS_HZ = (100.0, 120.0)
"""Lamps flicker at twice the frequency of the mains."""

_BLACK = 1e-6  # of a black video: no division by zero
_LOWEST_LINE_HZ = 0.5
_FEWEST_CYCLES = 8
_HALF_WIDTH_HZ = 0.2
_HALF_WIDTH_BINS = 2
_MINIMUM_FRAMES = 30
_N_PARTS = 5
_CHECKS = (
    "light_change",
    "dark_frames",
    "duplicate_frames",
    "frozen_picture",
    "mains_flicker",
    "light_flicker",
)


@dataclass(frozen=True)
class FrameLight:
    """Light of the frames of one tracked video.

    Attributes
    ----------
    file_name
        Of the video.
    facts
        (T, 3) mean gray level of each frame, its standard deviation over the pixels, and the mean absolute
        difference to the frame before (NaN for the first).
    held
        (N,) frames in which the tracker held its points in place.
    """

    file_name: str
    facts: NDArray[np.float32]
    held: NDArray[np.int32]

    @property
    def level(self) -> Float64Array:
        """(T,) mean gray level."""
        return self.facts[:, 0].astype(np.float64)

    @property
    def contrast(self) -> Float64Array:
        """(T,) standard deviation over the pixels."""
        return self.facts[:, 1].astype(np.float64)

    def dark(self) -> BoolArray:
        """(T,) frames that are dark, and those that were held; see `core.tracking.light`."""
        dark = np.zeros(len(self.level), dtype=bool)
        dark[dark_frames(self.facts, self.held)] = True
        dark[self.held] = True
        return dark

    def duplicates(self) -> BoolArray:
        """(T,) frames that repeat the one before, of those that are not dark; see `core.tracking.light`."""
        repeated = np.zeros(len(self.level), dtype=bool)
        repeated[frozen_frames(self.facts, self.held)] = True
        return repeated & ~self.dark()

    def relative(self, values: Float64Array) -> Float64Array:
        """(T,) levels or contrasts less their median, as a fraction of it; 0 where the frames are dark."""
        return np.where(self.dark(), 0.0, values / max(float(np.median(values)), _BLACK) - 1)

    def steps(self) -> Float64Array:
        """(T - 1,) change of the level from frame to frame, as a fraction of the median level."""
        return np.asarray(np.abs(np.diff(self.level)) / max(float(np.median(self.level)), _BLACK))


def light_measures(lights: Sequence[FrameLight] | None, frame_rate_hz: float) -> Iterator[Measure]:
    """Measure changes of the light, dark and repeated frames, and flicker.

    Parameters
    ----------
    lights
        Gray levels of each video; None where the project keeps none, and nothing is known.
    frame_rate_hz
        Frames per second.
    """
    if lights is None:
        for name in _CHECKS:
            yield unknown(name, "the project keeps no gray levels of its frames")
        return
    yield _change(lights)
    n_frames = sum(len(light.level) for light in lights)
    dark = [np.flatnonzero(light.dark()) for light in lights]
    n_dark = sum(map(len, dark))
    yield Measure(
        "dark_frames",
        n_dark / n_frames,
        f"{n_dark} frames are dark or without contrast, or show no face that could be followed"
        + _first(dark, lights),
        "rhythms at these times mean nothing, so leave them out, or repair the light",
    )
    repeated = [light.duplicates() for light in lights]
    n_repeated = int(sum(flags.sum() for flags in repeated))
    yield Measure(
        "duplicate_frames",
        n_repeated / n_frames,
        f"{n_repeated} frames repeat the frame before"
        + _first(map(np.flatnonzero, repeated), lights),
        "the recorder filled up what it missed (then take the true frame rate or the camera's own time "
        "stamps), or nothing moved and the encoder left out the noise",
    )
    frozen_s = max(longest_run(flags) for flags in repeated) / frame_rate_hz
    yield Measure(
        "frozen_picture",
        frozen_s,
        f"the longest time without a new frame is {frozen_s:.2g} s",
        "the recorder stood still, so leave that time out",
    )
    yield from _flicker(lights, frame_rate_hz)


def _change(lights: Sequence[FrameLight]) -> Measure:
    steps = [light.steps() if len(light.level) > 1 else np.zeros(1) for light in lights]
    worst = int(np.argmax([step.max() for step in steps]))
    frame = int(np.argmax(steps[worst])) + 1
    return Measure(
        "light_change",
        float(steps[worst].max()),
        f"the light changes most, by {steps[worst].max():.1%}, at frame {frame} of {lights[worst].file_name}",
        "points may jump there, so look at the traces at that time, and keep the light constant",
    )


def _flicker(lights: Sequence[FrameLight], frame_rate_hz: float) -> Iterator[Measure]:
    usable = [light for light in lights if len(light.level) >= _MINIMUM_FRAMES]
    lines = [line for light in usable for line in _mains_lines(light, frame_rate_hz)]
    if lines:
        amplitude, mains_hz, seen_hz = max(lines)
        yield Measure(
            "mains_flicker",
            amplitude,
            f"the light flickers by {amplitude:.1%} at {seen_hz:.3g} Hz, where this camera shows "
            f"{mains_hz:g} Hz",
            f"components near {seen_hz:.3g} Hz may be the light, so use a steady lamp (direct current, "
            "infrared), or an exposure of a whole period of it",
        )
    else:
        yield unknown(
            "mains_flicker",
            f"at {frame_rate_hz:g} frames/s it cannot be distinguished from slow changes",
        )
    strongest = [_strongest_line(light, frame_rate_hz) for light in usable]
    if not strongest:
        yield unknown("light_flicker", f"the videos have fewer than {_MINIMUM_FRAMES} frames")
        return
    amplitude, seen_hz = max(strongest)
    yield Measure(
        "light_flicker",
        amplitude,
        f"the light flickers most, by {amplitude:.1%}, at {seen_hz:.3g} Hz",
        f"components near {seen_hz:.3g} Hz may be the light, so keep it steady",
    )


def _mains_lines(light: FrameLight, frame_rate_hz: float) -> list[tuple[float, float, float]]:
    """Relative amplitude, frequency of the lamp and frequency that the camera shows.

    Frequencies too low to distinguish from slow changes are left out. The amplitude is the larger of those of
    level and contrast: the bands that a rolling shutter makes cancel in the mean of a frame, and do not in
    its standard deviation.
    """
    lines = []
    for mains_hz in MAINS_HZ:
        seen_hz = abs(mains_hz - frame_rate_hz * round(mains_hz / frame_rate_hz))
        if seen_hz >= _lowest_hz(len(light.level), frame_rate_hz):
            amplitudes = (
                line_amplitude(light.relative(values), frame_rate_hz, seen_hz)
                for values in (light.level, light.contrast)
            )
            lines.append((max(amplitudes), mains_hz, seen_hz))
    return lines


def line_amplitude(relative: Float64Array, frame_rate_hz: float, line_hz: float) -> float:
    """Amplitude of a steady sine at one frequency; 0 where there is none.

    The power within 0.2 Hz (at least two bins of a Hann-windowed transform) of it, less what the bins beside
    it would put there, as the power of one sine; and at most the median amplitude over five parts of the
    recording, so that a single step of the light is no line.

    Parameters
    ----------
    relative
        (T,) relative level or contrast; see `FrameLight.relative`.
    frame_rate_hz, line_hz
        Frames per second, and the frequency.
    """
    power, frequencies_hz = _power(relative, frame_rate_hz)
    bin_hz = frequencies_hz[1]
    half_hz = max(_HALF_WIDTH_HZ, _HALF_WIDTH_BINS * bin_hz)
    distance = np.abs(frequencies_hz - line_hz)
    inside = distance <= half_hz + bin_hz / 2
    beside = ~inside & (distance <= 4 * half_hz) & (frequencies_hz > 0)
    floor = float(np.median(power[beside])) if beside.any() else 0.0
    square = max(float((power[inside] - floor).sum()), 0.0)
    turning = np.exp(-2j * np.pi * line_hz * np.arange(len(relative)) / frame_rate_hz)
    parts = np.array_split((relative - relative.mean()) * turning, _N_PARTS)
    windows = [np.hanning(len(part) + 2)[1:-1] for part in parts]
    amplitudes = [2 * abs(w @ part) / w.sum() for w, part in zip(windows, parts, strict=True)]
    return min(float(np.sqrt(2 * square)), float(np.median(amplitudes)))


def _strongest_line(light: FrameLight, frame_rate_hz: float) -> tuple[float, float]:
    """Amplitude and frequency of the strongest line; see `line_amplitude`."""
    relative = light.relative(light.level)
    power, frequencies_hz = _power(relative, frame_rate_hz)
    lowest_hz = _lowest_hz(len(light.level), frame_rate_hz)
    candidates = np.where(frequencies_hz >= lowest_hz, power, 0.0)
    line_hz = float(frequencies_hz[int(np.argmax(candidates))])
    return line_amplitude(relative, frame_rate_hz, line_hz), line_hz


def _power(relative: Float64Array, frame_rate_hz: float) -> tuple[Float64Array, Float64Array]:
    """Power per bin, and the bins' frequencies: the bins of a sine of amplitude a add up to a^2 / 2."""
    n_frames = len(relative)
    window = np.hanning(n_frames + 1)[:-1]
    transform = np.fft.rfft((relative - relative.mean()) * window)
    power = 2 * np.abs(transform) ** 2 / (n_frames * np.square(window).sum())
    frequencies_hz = np.asarray(np.fft.rfftfreq(n_frames, 1 / frame_rate_hz), dtype=np.float64)
    return np.asarray(power), frequencies_hz


def _lowest_hz(n_frames: int, frame_rate_hz: float) -> float:
    """Frequency below which a line cannot be distinguished from slow changes."""
    return max(_LOWEST_LINE_HZ, _FEWEST_CYCLES * frame_rate_hz / n_frames)


def longest_run(flags: BoolArray) -> int:
    """Length of the longest run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return int(np.max(edges[1::2] - edges[::2], initial=0))


def _first(
    frames: Iterator[NDArray[np.int64]] | Sequence[NDArray[np.int64]], lights: Sequence[FrameLight]
) -> str:
    for indices, light in zip(frames, lights, strict=True):
        if len(indices):
            return f", the first of them frame {indices[0]} of {light.file_name}"
    return ""
