"""What moves in the synthetic scene, in closed form.

The displacement of the material point that rests at x is
``u(x, t) = sum over sources of weight(x) * time_course(t) * direction``, every term a formula.
The scene is laid out in *layout units*, pixels of a 320 x 240 frame; `Layout` maps them to the
pixels of the frame that is asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.arrays import Float64Array

LAYOUT_WIDTH = 320.0
LAYOUT_HEIGHT = 240.0


@dataclass(frozen=True)
class Layout:
    """Uniform scaling, centred, from layout units to pixels of the frame."""

    width_px: int
    height_px: int

    @property
    def scale(self) -> float:
        """Pixels per layout unit."""
        return min(self.width_px / LAYOUT_WIDTH, self.height_px / LAYOUT_HEIGHT)

    @property
    def offset_px(self) -> Float64Array:
        """(2,) pixel position (x, y) of the layout's origin."""
        used = self.scale * np.array([LAYOUT_WIDTH, LAYOUT_HEIGHT])
        return (np.array([self.width_px, self.height_px]) - used) / 2

    def to_px(self, points: npt.ArrayLike) -> Float64Array:
        """Map (..., 2) layout units (x, y) to pixels."""
        return np.asarray(points, dtype=np.float64) * self.scale + self.offset_px


@dataclass(frozen=True)
class Region:
    """Smooth spatial weight: a rotated Gaussian, 1 at its centre.

    `center_px` (x, y); `sigma_px` along the rotated axes; `angle_rad` turns the first axis from
    +x towards +y (downwards, as pixels go).
    """

    center_px: tuple[float, float]
    sigma_px: tuple[float, float]
    angle_rad: float = 0.0

    def weight(self, points_px: npt.ArrayLike) -> Float64Array:
        """(...,) weight in 0..1 at (..., 2) positions."""
        delta = np.asarray(points_px, dtype=np.float64) - np.asarray(self.center_px)
        cos, sin = math.cos(self.angle_rad), math.sin(self.angle_rad)
        along = (delta[..., 0] * cos + delta[..., 1] * sin) / self.sigma_px[0]
        across = (-delta[..., 0] * sin + delta[..., 1] * cos) / self.sigma_px[1]
        return np.asarray(np.exp(-0.5 * (along**2 + across**2)))


@dataclass(frozen=True)
class Source:
    """One planted movement.

    Attributes
    ----------
    name
        Such as ``whisking``.
    frequency_hz
        Frequency of the sine; None for a single event (half a raised cosine per interval).
    amplitude_px
        Largest displacement, at the centre of the region.
    direction
        Unit vector (x, y).
    region
        Where it acts, and how strongly.
    active_intervals_s
        (start, stop) of each bout. Amplitude ramps up and down within it, so motion is smooth.
    ramp_s
        Length of each ramp.
    """

    name: str
    frequency_hz: float | None
    amplitude_px: float
    direction: tuple[float, float]
    region: Region
    active_intervals_s: tuple[tuple[float, float], ...]
    ramp_s: float = 0.25

    def envelope(self, times_s: npt.ArrayLike) -> Float64Array:
        """(T,) momentary amplitude in 0..1."""
        times = np.asarray(times_s, dtype=np.float64)
        total = np.zeros(times.shape)
        for start, stop in self.active_intervals_s:
            ramp = min(self.ramp_s, (stop - start) / 2)
            inside = np.clip(np.minimum(times - start, stop - times) / ramp, 0, 1)
            total += 0.5 - 0.5 * np.cos(np.pi * inside)
        return total

    def time_course(self, times_s: npt.ArrayLike) -> Float64Array:
        """(T,) signed displacement in pixels where the weight is 1; zero at time 0."""
        times = np.asarray(times_s, dtype=np.float64)
        envelope = self.amplitude_px * self.envelope(times)
        if self.frequency_hz is None:
            return envelope
        return np.asarray(envelope * np.sin(2 * np.pi * self.frequency_hz * times))


def _spans(duration_s: float, *fractions: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    return tuple((start * duration_s, stop * duration_s) for start, stop in fractions)


def event_span(duration_s: float, *, center: float, length_s: float) -> tuple[float, float]:
    """(start, stop) of a single event in seconds.

    Parameters
    ----------
    duration_s
        Of the scene.
    center
        Middle of the event, as a fraction of the scene's duration.
    length_s
        Of the event; in a short scene it takes 15 % of the duration at most.
    """
    half = min(length_s, 0.15 * duration_s) / 2
    return center * duration_s - half, center * duration_s + half


def planted_sources(layout: Layout, *, duration_s: float) -> tuple[Source, ...]:
    """Return the movements of the scene: whisking, sniffing, chewing, sway and one blink.

    Bouts are fractions of the duration; each rhythm has its own place, direction, frequency and
    schedule, so that a decomposition can separate them.

    Parameters
    ----------
    layout
        Where the drawing lies in the frame; amplitudes scale with it.
    duration_s
        Of the scene.
    """
    scale = layout.scale

    def region(center: tuple[float, float], sigma: tuple[float, float], angle: float) -> Region:
        x, y = layout.to_px(center)
        return Region((float(x), float(y)), (sigma[0] * scale, sigma[1] * scale), angle)

    def unit(x: float, y: float) -> tuple[float, float]:
        norm = math.hypot(x, y)
        return x / norm, y / norm

    return (
        Source(
            name="whisking",
            frequency_hz=10.0,
            amplitude_px=2.6 * scale,
            direction=unit(0.95, 0.30),
            region=region((214, 150), (30, 17), math.radians(118)),
            active_intervals_s=_spans(duration_s, (0.08, 0.33), (0.56, 0.84)),
        ),
        Source(
            name="sniffing",
            frequency_hz=5.0,
            amplitude_px=2.6 * scale,
            direction=unit(0.15, -0.98),
            region=region((269, 141), (17, 14), 0.0),
            active_intervals_s=_spans(duration_s, (0.24, 0.43), (0.72, 0.97)),
        ),
        Source(
            name="chewing",
            frequency_hz=2.5,
            amplitude_px=3.0 * scale,
            direction=unit(-0.25, 0.97),
            region=region((186, 186), (34, 14), math.radians(-13)),
            active_intervals_s=_spans(duration_s, (0.03, 0.20), (0.53, 0.70)),
            ramp_s=0.4,
        ),
        Source(
            name="sway",
            frequency_hz=0.35,
            amplitude_px=1.2 * scale,
            direction=unit(0.9, 0.4),
            region=region((175, 130), (85, 62), math.radians(25)),
            active_intervals_s=((-1.0, duration_s + 1.0),),
        ),
        Source(
            name="blink",
            frequency_hz=None,
            amplitude_px=2.0 * scale,
            direction=unit(0.0, 1.0),
            region=region((164, 102), (16, 9), 0.0),
            active_intervals_s=(event_span(duration_s, center=0.88, length_s=0.30),),
            ramp_s=0.15,
        ),
    )
