"""The paw that passes once over the face and hides it, in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.arrays import Float64Array
from element_facerhythm.demo.synthetic.sources import Layout, event_span

_START = (232.0, 285.0)
_APEX = (243.0, 140.0)
_EDGE = 1.2
# Capsules (from, to, radius) in layout units, relative to the middle of the palm.
_CAPSULES = (
    ((0.0, 2.0), (-3.0, 14.0), 13.5),
    ((-4.0, 20.0), (-26.0, 150.0), 14.0),
    ((-8.0, -6.0), (-16.0, -19.0), 4.2),
    ((-2.0, -9.0), (-5.0, -25.0), 4.2),
    ((4.5, -9.0), (7.0, -24.0), 4.2),
    ((9.5, -4.0), (17.0, -15.0), 4.0),
)


@dataclass(frozen=True)
class Paw:
    """A grooming stroke: up from below the frame, over the whisker pad, and down again."""

    layout: Layout
    span_s: tuple[float, float]

    def present(self, times_s: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """(T,) true while the stroke lasts."""
        times = np.asarray(times_s, dtype=np.float64)
        return np.asarray((times > self.span_s[0]) & (times < self.span_s[1]))

    def center_px(self, times_s: npt.ArrayLike) -> Float64Array:
        """(T, 2) position of the palm."""
        start, stop = self.span_s
        phase = np.clip((np.asarray(times_s, dtype=np.float64) - start) / (stop - start), 0, 1)
        reach = np.sin(np.pi * phase)[..., None] ** 2
        return self.layout.to_px(np.asarray(_START) + reach * np.subtract(_APEX, _START))

    def _depth(self, points_px: npt.ArrayLike, time_s: float) -> Float64Array:
        """(...,) depth inside the paw in layout units, negative outside, at (..., 2) positions."""
        offset = np.asarray(points_px, dtype=np.float64) - self.center_px(time_s)
        offset = offset / self.layout.scale
        depths = [radius - _distance(offset, a, b) for a, b, radius in _CAPSULES]
        return np.asarray(np.max(depths, axis=0))

    def hides(self, points_px: npt.ArrayLike, time_s: float) -> npt.NDArray[np.bool_]:
        """(...,) true where the paw lies over a position of the frame.

        Parameters
        ----------
        points_px
            (..., 2) positions (x, y).
        time_s
            From frame 0; before and after the stroke nothing is hidden.
        """
        if not self.present(time_s):
            return np.zeros(np.asarray(points_px).shape[:-1], dtype=bool)
        return np.asarray(self._depth(points_px, time_s) > 0)

    def opacity_and_level(
        self, points_px: npt.ArrayLike, time_s: float
    ) -> tuple[Float64Array, ...]:
        """Return opacity (...,), 0 to 1, and gray level (...,) of the paw.

        Parameters
        ----------
        points_px
            (..., 2) positions (x, y).
        time_s
            From frame 0, while the stroke lasts (`present`).
        """
        depth = self._depth(points_px, time_s)
        opacity = np.clip(0.5 + depth / _EDGE, 0, 1)
        skin = 92 + 92 * (1 - np.exp(-np.clip(depth, 0, None) / 3.2))
        own = (np.asarray(points_px) - self.center_px(time_s)) / self.layout.scale
        grain = 7 * np.sin(own[..., 0] * 1.1 + 2 * np.sin(own[..., 1] * 0.5))
        return opacity, skin + grain * np.cos(own[..., 1] * 0.9)


def make_paw(layout: Layout, *, duration_s: float) -> Paw:
    """Return the paw of a scene.

    Parameters
    ----------
    layout
        Where the drawing lies in the frame.
    duration_s
        Of the scene. The stroke takes 0.6 s, or 15 % of a short scene, its middle at 47.5 % of the duration.
    """
    return Paw(layout, event_span(duration_s, center=0.475, length_s=0.6))


def _distance(offset: Float64Array, a: tuple[float, float], b: tuple[float, float]) -> Float64Array:
    """(...,) distance of (..., 2) positions from the segment a-b."""
    segment = np.subtract(b, a)
    relative = offset - np.asarray(a)
    along = np.clip(relative @ segment / (segment @ segment), 0, 1)
    return np.asarray(np.linalg.norm(relative - along[..., None] * segment, axis=-1))
