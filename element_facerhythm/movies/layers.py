"""What can be drawn on the frames of a recording, one layer over the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from element_facerhythm.core.rois import Rois, place_rois
from element_facerhythm.figures.style import COLOURS, FLAG_COLOUR, SEED_COLOUR
from element_facerhythm.movies.canvas import Canvas, Colour, rgb
from element_facerhythm.movies.stencil import Stencil
from element_facerhythm.movies.tracks import Tracks
from element_facerhythm.movies.view import View

# blue, orange and yellow differ for every common kind of colour blindness, and rings and crosses in form too
POINT_COLOUR = rgb(COLOURS[5])
ARROW_COLOUR = rgb(COLOURS[4])
_FLAGGED = rgb(FLAG_COLOUR)
_OUTLINE = rgb(SEED_COLOUR)
_UNKNOWN: Colour = (150, 150, 150)
_N_SHADES = 256
_DARKEST = 40  # of the shades; black on a dark face would not be seen
_KEYPOINT_COLOURS = tuple(rgb(COLOURS[i]) for i in (4, 3, 5, 2, 1, 0))
_MOST_NAMES = 16


class Layer(Protocol):
    """Draws one thing on each frame."""

    def draw(self, canvas: Canvas) -> None:
        """Draw it as it is in the frame that the canvas shows."""

    def caption(self, frame: int) -> str:
        """Return what is said of it in a line of the frame; may be empty."""


@dataclass(frozen=True, eq=False)
class Outline:
    """Outline of the regions that points were seeded in.

    Attributes
    ----------
    polygons
        Each (N, 2) in pixels of the frame.
    """

    polygons: tuple[npt.NDArray[np.floating], ...]
    _stencils: dict[View, Stencil] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, rois: Rois, frame_size_px: tuple[int, int]) -> Outline:
        """Take the polygons as they were drawn; of masks, their edges.

        Parameters
        ----------
        rois
            The regions.
        frame_size_px
            Width and height of the frames.
        """
        if rois.seed_polygons:
            return cls(tuple(rois.seed_polygons))
        width, height = frame_size_px
        mask = place_rois(rois, height_px=height, width_px=width, spacing_px=8).seed_mask
        edges, _ = cv2.findContours(
            mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
        )
        return cls(tuple(edge[:, 0].astype(np.float64) for edge in edges))

    def draw(self, canvas: Canvas) -> None:
        """Draw the outlines; they are the same in every frame."""
        if canvas.view not in self._stencils:
            self._stencils[canvas.view] = Stencil(canvas.view, self._draw_lines)
        self._stencils[canvas.view].lay_over(canvas)

    def _draw_lines(self, canvas: Canvas) -> None:
        for polygon in self.polygons:
            canvas.lines(polygon[None], _OUTLINE, 1.2, is_closed=True)

    def caption(self, frame: int) -> str:
        """Say nothing."""
        return ""


@dataclass(frozen=True, eq=False)
class PlainPoints:
    """Points where they were tracked; those that are flagged in a frame have a ring of their own colour.

    Attributes
    ----------
    tracks
        Of the sequence.
    magnify
        Factor on the displacements from home.
    """

    tracks: Tracks
    magnify: float = 1.0

    def draw(self, canvas: Canvas) -> None:
        """Draw all points."""
        places = self.tracks.displaced(canvas.number, self.magnify)
        radius = point_radius(canvas, self.tracks)
        canvas.dots(places, POINT_COLOUR, radius)
        canvas.rings(
            places[self.tracks.flagged(canvas.number)], _FLAGGED, mark_radius(canvas, self.tracks)
        )

    def caption(self, frame: int) -> str:
        """Say how much the motion is magnified, where it is."""
        return "" if self.magnify == 1 else f"motion ×{self.magnify:g}"


@dataclass(frozen=True, eq=False)
class Arrows:
    """Displacement of each point from home, as an arrow; of flagged ones in another colour.

    Attributes
    ----------
    tracks, magnify
        As of `PlainPoints`.
    """

    tracks: Tracks
    magnify: float
    _stencils: dict[View, Stencil] = field(default_factory=dict, repr=False)

    def draw(self, canvas: Canvas) -> None:
        """Draw homes as dots, and arrows where they are longer than a dot."""
        if canvas.view not in self._stencils:
            self._stencils[canvas.view] = Stencil(canvas.view, self._draw_homes)
        self._stencils[canvas.view].lay_over(canvas)
        homes, ends = self.tracks.homes, self.tracks.displaced(canvas.number, self.magnify)
        length = np.hypot(*((ends - homes) * canvas.view.scale).T)
        is_flagged = np.zeros(len(homes), bool)
        is_flagged[self.tracks.flagged(canvas.number)] = True
        for chosen, colour in ((~is_flagged, ARROW_COLOUR), (is_flagged, _FLAGGED)):
            kept = chosen & (length > 2 * canvas.unit)
            if kept.any():
                canvas.arrows(homes[kept], ends[kept], colour)

    def _draw_homes(self, canvas: Canvas) -> None:
        canvas.dots(self.tracks.homes, POINT_COLOUR, 0.6 * point_radius(canvas, self.tracks))

    def caption(self, frame: int) -> str:
        """Say how much longer arrows are than displacements."""
        return f"displacements ×{self.magnify:g}"


@dataclass(frozen=True, eq=False)
class Flags:
    """Points shaded by confidence, dark to light; those that are flagged are crossed out.

    Attributes
    ----------
    tracks, magnify
        As of `PlainPoints`.
    """

    tracks: Tracks
    magnify: float = 1.0

    def draw(self, canvas: Canvas) -> None:
        """Draw all points; in plain colour where the tracking tells no confidence."""
        places = self.tracks.displaced(canvas.number, self.magnify)
        radius = point_radius(canvas, self.tracks)
        confidence = self.tracks.confidence(canvas.number)
        colours = POINT_COLOUR if confidence is None else shades(confidence, cv2.COLORMAP_CIVIDIS)
        canvas.dots(places, colours, radius)
        canvas.crosses(
            places[self.tracks.flagged(canvas.number)], _FLAGGED, mark_radius(canvas, self.tracks)
        )

    def caption(self, frame: int) -> str:
        """Count the points that are flagged."""
        text = f"{len(self.tracks.flagged(frame))} of {len(self.tracks.homes)} points flagged"
        confidence = self.tracks.confidence(frame)
        if confidence is None:
            return text
        return f"{text}   confidence {np.nanmean(confidence):.2f}"


@dataclass(frozen=True, eq=False)
class ComponentPoints:
    """Points that light up while a component is strong, in proportion to their loading.

    The size of a point is its loading, and its shade the loading times the strength of the component at that
    moment. Where there is no spectrogram window, the shade is gray.

    Attributes
    ----------
    tracks, magnify
        As of `PlainPoints`.
    loadings
        (P,) of the points, 0 to 1.
    strengths
        (T,) of the component in each frame, 0 to 1; NaN where it is not known.
    name
        Of the component.
    """

    tracks: Tracks
    loadings: npt.NDArray[np.floating]
    strengths: npt.NDArray[np.floating]
    name: str
    magnify: float = 1.0

    def draw(self, canvas: Canvas) -> None:
        """Draw all points, the strongest on top."""
        order = np.argsort(self.loadings)
        loadings, strength = self.loadings[order], float(self.strengths[canvas.number])
        places = self.tracks.displaced(canvas.number, self.magnify)[order]
        is_known = np.isfinite(strength)
        colours = shades(loadings * strength, cv2.COLORMAP_INFERNO) if is_known else _UNKNOWN
        radius = point_radius(canvas, self.tracks)
        canvas.dots(places, colours, radius * (0.45 + 0.85 * loadings))

    def caption(self, frame: int) -> str:
        """Name the component and its strength."""
        strength = self.strengths[frame]
        if not np.isfinite(strength):
            return f"{self.name}   strength not known"
        return f"{self.name}   strength {100 * strength:.0f} %"


@dataclass(frozen=True, eq=False)
class Keypoints:
    """Keypoints of the face, where their likelihood is high enough; where the tracker has none, all.

    Attributes
    ----------
    positions
        (T, K, 2) in pixels of the frame, T frames of the sequence; NaN where not seen.
    likelihood
        (T, K); NaN where the tracker does not say.
    names
        K of them.
    threshold
        Least likelihood.
    """

    positions: npt.NDArray[np.floating]
    likelihood: npt.NDArray[np.floating]
    names: tuple[str, ...]
    threshold: float

    def shown(self, frame: int) -> npt.NDArray[np.intp]:
        """Keypoints that are drawn in a frame."""
        is_likely = ~(self.likelihood[frame] < self.threshold)
        is_there = np.isfinite(self.positions[frame]).all(axis=1)
        return np.flatnonzero(is_likely & is_there)

    def draw(self, canvas: Canvas) -> None:
        """Draw a disc and a ring for each, and its name where there are few."""
        for i in self.shown(canvas.number):
            colour = _KEYPOINT_COLOURS[i % len(_KEYPOINT_COLOURS)]
            place = self.positions[canvas.number, i]
            canvas.dots(place[None], colour, 3.2 * canvas.unit)
            canvas.rings(place[None], (255, 255, 255), 5 * canvas.unit)
            if len(self.names) <= _MOST_NAMES:
                canvas.name(place, self.names[i], colour)

    def caption(self, frame: int) -> str:
        """Count those that are drawn."""
        return f"{len(self.shown(frame))} of {len(self.names)} keypoints"


def point_radius(canvas: Canvas, tracks: Tracks) -> float:
    """Radius of a point in pixels of the movie, so small that neighbours stay apart.

    Parameters
    ----------
    canvas
        Where it is drawn.
    tracks
        Whose points are some pixels from each other.
    """
    spacing = tracks.spacing_px * float(canvas.view.scale.min())
    return float(np.clip(0.26 * spacing, 1.2, 4.5 * canvas.unit))


def mark_radius(canvas: Canvas, tracks: Tracks) -> float:
    """Radius of a mark around a point in pixels of the movie: that of a neighbour does not cross it.

    Parameters
    ----------
    canvas, tracks
        As of `point_radius`.
    """
    spacing = tracks.spacing_px * float(canvas.view.scale.min())
    radius = point_radius(canvas, tracks)
    return max(min(radius + 2.5 * canvas.unit, 0.42 * spacing), radius + 0.6 * canvas.unit)


def shades(values: npt.NDArray[np.floating], colour_map: int) -> npt.NDArray[np.uint8]:
    """Return (N, 3) a colour for each value from 0 to 1, the larger the lighter; NaN is the darkest.

    Parameters
    ----------
    values
        (N,).
    colour_map
        One of OpenCV's.
    """
    levels = np.nan_to_num(np.clip(values, 0, 1)) * (_N_SHADES - 1 - _DARKEST) + _DARKEST
    return _colour_table(colour_map)[np.rint(levels).astype(np.uint8)]


@lru_cache
def _colour_table(colour_map: int) -> npt.NDArray[np.uint8]:
    """(256, 3) red, green and blue of every level."""
    bgr = cv2.applyColorMap(np.arange(_N_SHADES, dtype=np.uint8)[:, None], colour_map)
    return np.asarray(bgr[:, 0, ::-1])
