"""Draws the still picture of the synthetic scene: a mouse's face in profile under infrared light.

Everything is drawn `SUPERSAMPLING` times larger than the frame and band-limited afterwards, so that
sampling it at sub-pixel positions has a well-defined answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.arrays import Float64Array
from element_facerhythm.demo.synthetic.sources import Layout

if TYPE_CHECKING:
    from collections.abc import Sequence

Picture = npt.NDArray[np.float32]

SUPERSAMPLING = 4
EYE_CENTER = (166.0, 110.0)
EYE_RADII = (11.5, 10.5)
NOSE_TIP = (272.0, 143.0)
HEAD_OUTLINE = (
    *((-30, 66), (20, 60), (62, 56), (100, 58), (134, 68), (172, 82), (208, 98), (240, 112)),
    *((261, 122), (275, 131), (280, 142), (277, 154), (268, 163), (252, 171), (238, 184)),
    *((212, 196), (178, 202), (146, 206), (104, 220), (50, 243), (0, 262), (-30, 262)),
)
WHISKER_ROOTS = tuple(
    (x + 3.0 * (row % 2), y + 0.34 * (x - 222))
    for row, y in enumerate((132.0, 139.5, 147.0, 154.0))
    for x in (204.0, 215.0, 226.0, 237.0)
)
_N_BETWEEN = 12  # corners of an outline from one given point to the next


@dataclass(frozen=True)
class Artwork:
    """The still pictures, gray levels 0..255, `SUPERSAMPLING` times the frame's size.

    `open_eye` and `closed_eye` differ inside `eye_mask` (0..1) only.
    """

    open_eye: Picture
    closed_eye: Picture
    eye_mask: Picture


class _Canvas:
    """A gray picture that is drawn on in layout units."""

    def __init__(self, layout: Layout, level: float = 0.0) -> None:
        self.layout = layout
        shape = (layout.height_px * SUPERSAMPLING, layout.width_px * SUPERSAMPLING)
        self.pixels: Picture = np.full(shape, level, dtype=np.float32)

    @property
    def unit(self) -> float:
        """_Canvas pixels per layout unit."""
        return self.layout.scale * SUPERSAMPLING

    def place(self, points: npt.ArrayLike) -> Float64Array:
        """Map (..., 2) layout units to canvas pixels."""
        return self.layout.to_px(points) * SUPERSAMPLING + (SUPERSAMPLING - 1) / 2

    def grid(self) -> tuple[Float64Array, Float64Array]:
        """Return x (1, W) and y (H, 1) of every canvas pixel in layout units."""
        height, width = self.pixels.shape
        origin = self.place((0.0, 0.0))
        x = (np.arange(width) - origin[0]) / self.unit
        y = (np.arange(height) - origin[1]) / self.unit
        return x[None, :], y[:, None]

    def fill(self, polygon: npt.ArrayLike, level: float) -> None:
        """Fill a polygon (N, 2) in layout units."""
        import cv2

        corners = np.round(self.place(polygon) * 16).astype(np.int32)
        cv2.fillPoly(self.pixels, [corners], level, lineType=cv2.LINE_8, shift=4)

    def stroke(self, line: npt.ArrayLike, level: float, width: float) -> None:
        """Draw an open line (N, 2); it and `width` in layout units."""
        import cv2

        corners = np.round(self.place(line) * 16).astype(np.int32)
        thickness = max(1, round(width * self.unit))
        cv2.polylines(self.pixels, [corners], False, level, thickness, cv2.LINE_8, shift=4)

    def blur(self, sigma: float) -> None:
        """Gaussian blur, `sigma` in layout units."""
        import cv2

        self.pixels = cv2.GaussianBlur(self.pixels, (0, 0), sigma * self.unit)

    def blend(self, other: Picture | float, alpha: Picture) -> None:
        """Lay `other` over the picture with opacity `alpha` (0..1)."""
        self.pixels = self.pixels + alpha * (np.asarray(other, np.float32) - self.pixels)


def _smooth_outline(points: Sequence[tuple[float, float]]) -> Float64Array:
    """Return a closed Catmull-Rom curve (N, 2) through `points`."""
    knots = np.asarray(points, dtype=np.float64)
    before, after = np.roll(knots, 1, axis=0), np.roll(knots, -1, axis=0)
    later = np.roll(knots, -2, axis=0)
    t = np.linspace(0, 1, _N_BETWEEN, endpoint=False)[None, :, None]
    k0, k1, k2, k3 = (array[:, None, :] for array in (before, knots, after, later))
    curve = 0.5 * (
        2 * k1
        + (k2 - k0) * t
        + (2 * k0 - 5 * k1 + 4 * k2 - k3) * t**2
        + (3 * k1 - k0 - 3 * k2 + k3) * t**3
    )
    return np.asarray(curve.reshape(-1, 2))


def _ellipse(
    center: tuple[float, float], radii: tuple[float, float], angle_rad: float = 0.0
) -> Float64Array:
    """Return an ellipse as a closed polygon (64, 2)."""
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    x, y = radii[0] * np.cos(turn), radii[1] * np.sin(turn)
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    return np.stack([center[0] + x * cos - y * sin, center[1] + x * sin + y * cos], axis=-1)


def draw_artwork(layout: Layout, rng: np.random.Generator) -> Artwork:
    """Draw the scene at rest, with the eye open and with it closed.

    Parameters
    ----------
    layout
        Where the drawing lies in the frame.
    rng
        Of background, fur and whiskers; in the same state it gives the same pictures.
    """
    canvas = _background(layout, rng)
    head = _mask(layout, _smooth_outline(HEAD_OUTLINE), blur=0.7)
    fur = _fur(layout, rng)
    _ear(canvas, fur, center=(96.0, 38.0), radii=(25.0, 33.0), angle_rad=0.35, dim=0.55)
    canvas.blend(fur * _shading(layout, head), head)
    _ear(canvas, fur, center=(56.0, 52.0), radii=(36.0, 45.0), angle_rad=-0.25, dim=1.0)
    _muzzle(canvas)
    _whiskers(canvas, rng)
    closed = _Canvas(layout)
    closed.pixels = canvas.pixels.copy()
    _open_eye(canvas)
    _closed_eye(closed)
    for picture in (canvas, closed):
        # About half a frame pixel on top of the drawing's own blur: no aliasing in the frame.
        picture.blur(0.55 / layout.scale)
    radii = (EYE_RADII[0] + 3.5, EYE_RADII[1] + 3.5)
    return Artwork(
        canvas.pixels, closed.pixels, _mask(layout, _ellipse(EYE_CENTER, radii), blur=0.8)
    )


def _mask(layout: Layout, polygon: npt.ArrayLike, *, blur: float) -> Picture:
    canvas = _Canvas(layout)
    canvas.fill(polygon, 1.0)
    canvas.blur(blur)
    return canvas.pixels


def _background(layout: Layout, rng: np.random.Generator) -> _Canvas:
    """Out-of-focus dark wall with a gentle glow behind the nose."""
    canvas = _Canvas(layout)
    canvas.pixels += rng.standard_normal(canvas.pixels.shape).astype(np.float32)
    canvas.blur(5.0)
    canvas.pixels *= 3.0 / max(float(canvas.pixels.std()), 1e-6)
    x, y = canvas.grid()
    glow = 16 * np.exp(-0.5 * (((x - 250) / 120) ** 2 + ((y - 90) / 95) ** 2))
    canvas.pixels += (22 + glow).astype(np.float32)
    return canvas


def _fur(layout: Layout, rng: np.random.Generator) -> Picture:
    """Thousands of short hairs that lie from the nose backwards, of random brightness."""
    canvas = _Canvas(layout, level=128.0)
    n_hairs = 16_000
    roots = rng.uniform((-10, -10), (300, 260), size=(n_hairs, 2))
    away = np.arctan2(roots[:, 1] - NOSE_TIP[1] + 6, roots[:, 0] - NOSE_TIP[0])
    angles = away + 0.35 * np.sin(roots[:, 0] / 31) + 0.22 * rng.standard_normal(n_hairs)
    # Hairs are short on the snout and longer towards the cheek.
    distance = np.hypot(roots[:, 0] - NOSE_TIP[0], roots[:, 1] - NOSE_TIP[1])
    lengths = np.clip(2.0 + distance / 22, 2.5, 9.0) * rng.uniform(0.7, 1.3, n_hairs)
    tips = roots + lengths[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    levels = np.clip(128 + 46 * rng.standard_normal(n_hairs), 20, 245)
    for root, tip, level in zip(roots, tips, levels, strict=True):
        canvas.stroke([root, tip], float(level), 0.55)
    canvas.blur(0.35)
    return canvas.pixels


def _shading(layout: Layout, head: Picture) -> Picture:
    """Factor 0.4..1.2: light falls from the upper right; edges turn away and are darker."""
    import cv2

    inside = (head > 0.5).astype(np.uint8)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, 5) / (layout.scale * SUPERSAMPLING)
    round_off = 1 - 0.62 * np.exp(-depth / 16.0)
    x, y = _Canvas(layout).grid()
    light = 1.02 + 0.16 * np.exp(-0.5 * (((x - 215) / 70) ** 2 + ((y - 115) / 45) ** 2))
    falloff = np.clip(1.0 - (y - 150) / 260, 0.6, 1.0) * np.clip(0.72 + x / 420, 0.7, 1.0)
    factor: Picture = (round_off * light * falloff).astype(np.float32)
    return factor


def _ear(
    canvas: _Canvas,
    fur: Picture,
    *,
    center: tuple[float, float],
    radii: tuple[float, float],
    angle_rad: float,
    dim: float,
) -> None:
    layout = canvas.layout
    outer = _mask(layout, _ellipse(center, radii, angle_rad), blur=0.8)
    inner_radii = (radii[0] * 0.78, radii[1] * 0.80)
    inner = _mask(
        layout, _ellipse((center[0] + 3, center[1] + 3), inner_radii, angle_rad), blur=3.5
    )
    shadow = _mask(layout, _ellipse((center[0] + 3, center[1] + 4), radii, angle_rad), blur=5.0)
    canvas.blend(canvas.pixels * np.float32(0.55), 0.7 * shadow)
    canvas.blend(dim * (0.35 * fur + 96), outer)
    canvas.blend(dim * (0.22 * fur + 62), inner)
    notch = (center[0] + 8, center[1] + 14)
    deep = _mask(layout, _ellipse(notch, (radii[0] * 0.3, radii[1] * 0.42), angle_rad), blur=5.0)
    canvas.blend(dim * 34.0, 0.8 * deep)


def _muzzle(canvas: _Canvas) -> None:
    """Nose leather, nostril, mouth line, follicles of the whisker pad."""
    layout = canvas.layout
    tip = [(267, 128), (275, 131), (281, 138), (281, 146), (275, 150), (268, 145), (265, 136)]
    canvas.blend(188.0, 0.85 * _mask(layout, _smooth_outline(tip), blur=1.2))
    canvas.blend(232.0, 0.7 * _mask(layout, _ellipse((273, 134.5), (4.0, 1.9), 0.7), blur=1.2))
    nostril = _ellipse((275, 144.0), (3.3, 2.0), -0.5)
    canvas.blend(14.0, 0.95 * _mask(layout, nostril, blur=0.7))
    mouth = _Canvas(layout)
    line = [(275, 156), (268, 161), (257, 166), (245, 171), (234, 175), (223, 175), (215, 171)]
    mouth.stroke(_smooth_outline(line)[: _N_BETWEEN * 6], 1.0, 2.0)
    mouth.blur(0.9)
    canvas.blend(24.0, np.clip(1.1 * mouth.pixels, 0, 0.9))
    for root in WHISKER_ROOTS:
        canvas.blend(30.0, 0.75 * _mask(layout, _ellipse(root, (1.9, 1.6)), blur=0.7))


def _whiskers(canvas: _Canvas, rng: np.random.Generator) -> None:
    """One curved hair from each follicle, thin and bright, swept down and back."""
    layer = _Canvas(canvas.layout)
    for x, y in WHISKER_ROOTS:
        length = rng.uniform(52, 84) * (1.15 - (x - 204) / 130)
        angle = np.radians(112 - 1.5 * (x - 215) - 1.1 * (y - 143)) + rng.normal(0, 0.05)
        along = np.linspace(0, 1, 24)
        bend = angle + 0.45 * along
        hair = np.stack([x + length * along * np.cos(bend), y + length * along * np.sin(bend)], -1)
        for part in range(0, 23):
            # A whisker tapers: its opacity falls towards the tip.
            layer.stroke(hair[part : part + 2], 0.95 - 0.65 * along[part], 0.75)
    layer.blur(0.3)
    canvas.blend(222.0, np.clip(layer.pixels, 0, 1))


def _open_eye(canvas: _Canvas) -> None:
    layout = canvas.layout
    rim = (EYE_RADII[0] + 2.2, EYE_RADII[1] + 2.2)
    canvas.blend(176.0, 0.75 * _mask(layout, _ellipse(EYE_CENTER, rim, 0.2), blur=1.0))
    canvas.blend(9.0, _mask(layout, _ellipse(EYE_CENTER, EYE_RADII, 0.2), blur=0.8))
    x, y = EYE_CENTER
    canvas.blend(62.0, 0.7 * _mask(layout, _ellipse((x - 1, y + 5), (6.5, 2.6), 0.1), blur=1.8))
    canvas.blend(250.0, _mask(layout, _ellipse((x + 4, y - 4), (2.5, 2.1)), blur=0.6))
    canvas.blend(170.0, 0.8 * _mask(layout, _ellipse((x - 4, y - 2), (1.1, 1.0)), blur=0.5))


def _closed_eye(canvas: _Canvas) -> None:
    layout = canvas.layout
    x, y = EYE_CENTER
    canvas.blend(128.0, 0.45 * _mask(layout, _ellipse(EYE_CENTER, EYE_RADII, 0.2), blur=1.5))
    slit = _Canvas(layout)
    turn = np.linspace(0.1 * np.pi, 0.9 * np.pi, 20)
    slit.stroke(np.stack([x + 12 * np.cos(turn), y + 7.5 * np.sin(turn)], -1), 1.0, 1.6)
    slit.blur(0.6)
    canvas.blend(18.0, np.clip(slit.pixels, 0, 0.9))
