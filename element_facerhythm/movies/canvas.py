"""A picture of a movie while it is drawn on, with places in pixels of the frame that it shows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from element_facerhythm.movies.text import text_mask
from element_facerhythm.movies.view import View
from element_facerhythm.video.reader import RgbFrame

Colour = tuple[int, int, int]
Points = npt.NDArray[np.floating]

INK: Colour = (16, 16, 16)
PAPER: Colour = (255, 255, 255)
_SHIFT = 4  # OpenCV takes places in sixteenths of a pixel
_ONE = 1 << _SHIFT
_FAR_PX = 1 << 14
_DARKENED = 0.35


def rgb(hexadecimal: str) -> Colour:
    """Return a colour such as ``#0072B2`` as red, green and blue from 0 to 255."""
    red, green, blue = bytes.fromhex(hexadecimal.removeprefix("#"))
    return red, green, blue


class Canvas:
    """Draws on a frame as it is shown. Points (N, 2) are in pixels of the frame; NaN is not drawn.

    Parameters
    ----------
    view
        What is shown of the frame.
    frame
        (H, W, 3); it is not changed.
    number
        Of the frame in its sequence.
    """

    def __init__(self, view: View, frame: RgbFrame, number: int) -> None:
        self.view, self.number = view, number
        self.picture = view.picture(frame)
        self.unit = view.unit

    def dots(
        self,
        points: Points,
        colours: Colour | npt.NDArray[np.uint8],
        radii: float | npt.NDArray[np.floating],
    ) -> None:
        """Draw discs with a dark rim.

        Parameters
        ----------
        points
            (N, 2); NaN is not drawn.
        colours
            One for all, or (N, 3) one for each.
        radii
            The same, in pixels of the movie.
        """
        places, kept = self._fixed(points)
        sizes = (np.broadcast_to(radii, len(points))[kept] * _ONE).astype(int).tolist()
        fills = (
            colours[kept].tolist()
            if isinstance(colours, np.ndarray)
            else itertools.repeat(colours, len(places))
        )
        rim = round(max(self.unit, 1.0) * _ONE)
        for place, size in zip(places, sizes, strict=True):
            cv2.circle(self.picture, place, size + rim, INK, -1, cv2.LINE_8, _SHIFT)
        for place, size, fill in zip(places, sizes, fills, strict=True):
            cv2.circle(self.picture, place, size, fill, -1, cv2.LINE_AA, _SHIFT)

    def rings(self, points: Points, colour: Colour, radius: float) -> None:
        """Draw circles.

        Parameters
        ----------
        points
            (N, 2).
        colour
            Of all.
        radius
            In pixels of the movie.
        """
        width = self._thick(1.6)
        for place in self._fixed(points)[0]:
            cv2.circle(
                self.picture, place, round(radius * _ONE), colour, width, cv2.LINE_AA, _SHIFT
            )

    def crosses(self, points: Points, colour: Colour, radius: float) -> None:
        """Draw two strokes across each point.

        Parameters
        ----------
        points, colour, radius
            As of `rings`.
        """
        reach = radius / self.view.scale
        strokes = [
            np.stack([points - reach * side, points + reach * side], axis=1)
            for side in ((1, 1), (1, -1))
        ]
        self.lines(np.concatenate(strokes), colour, 2.0)

    def lines(
        self, lines: Points, colour: Colour, width: float, *, is_closed: bool = False
    ) -> None:
        """Draw lines through points, with a dark rim.

        Parameters
        ----------
        lines
            (N, K, 2): N lines of K points. One with NaN is not drawn.
        colour
            Of all.
        width
            In units of the view.
        is_closed
            Whether the last point of a line is joined to its first.
        """
        places = self.view.places(lines.reshape(-1, 2)).reshape(lines.shape)
        places = places[np.isfinite(places).all(axis=(1, 2))]
        fixed = np.rint(np.clip(places, -_FAR_PX, _FAR_PX) * _ONE).astype(np.int32)
        thick = self._thick(width)
        rim = thick + self._thick(1.2)
        for shade, wide, how in ((INK, rim, cv2.LINE_8), (colour, thick, cv2.LINE_AA)):
            cv2.polylines(self.picture, list(fixed), is_closed, shade, wide, how, _SHIFT)

    def arrows(self, starts: Points, ends: Points, colour: Colour) -> None:
        """Draw arrows; those shorter than their head have a smaller one.

        Parameters
        ----------
        starts, ends
            (N, 2).
        colour
            Of all.
        """
        along = (ends - starts) * self.view.scale
        length = np.hypot(*along.T)[:, None]
        head = np.minimum(5 * self.unit, 0.45 * length)
        back = np.divide(along, length, out=np.zeros_like(along), where=length > 0)
        across = back[:, ::-1] * (-1, 1)
        barbs = [ends + head * (side * 0.6 * across - back) / self.view.scale for side in (1, -1)]
        self.lines(np.stack([starts, ends, barbs[0], ends, barbs[1]], axis=1), colour, 1.3)

    def words(self, lines: Sequence[str], *, size: float = 15.0) -> None:
        """Write lines of text into the upper left corner, on a darker ground.

        Parameters
        ----------
        lines
            The lines; an empty one is left out.
        size
            Of the font, in units of the view.
        """
        size_px = max(round(size * self.unit), 10)
        masks = [text_mask(line, size_px) for line in lines if line]
        if not masks:
            return
        pad = max(size_px // 3, 2)
        height = sum(len(mask) for mask in masks) + 2 * pad
        ground = self.picture[:height, : max(mask.shape[1] for mask in masks) + 3 * pad]
        ground[:] = (ground * _DARKENED).astype(np.uint8)
        top = pad
        for mask in masks:
            self._blend(mask, (round(1.5 * pad), top), PAPER)
            top += len(mask)

    def name(self, point: Points, text: str, colour: Colour, *, size: float = 10.0) -> None:
        """Write a word beside a point.

        Parameters
        ----------
        point
            (2,), finite.
        text, colour
            The word, and its colour.
        size
            Of the font, in units of the view.
        """
        mask = text_mask(text, max(round(size * self.unit), 9))
        x, y = self.view.places(point[None])[0]
        corner = round(x + 6 * self.unit), round(y - len(mask) / 2)
        for shift in ((1, 1), (-1, 1), (1, -1), (-1, -1)):
            self._blend(mask, (corner[0] + shift[0], corner[1] + shift[1]), INK)
        self._blend(mask, corner, colour)

    def _blend(
        self, mask: npt.NDArray[np.float32], corner: tuple[int, int], colour: Colour
    ) -> None:
        """Lay a colour over the picture where a mask says; what lies outside is cut."""
        x, y = corner
        mask = mask[max(-y, 0) :, max(-x, 0) :]
        x, y = max(x, 0), max(y, 0)
        ground = self.picture[y : y + len(mask), x : x + mask.shape[1]]
        mask = mask[: ground.shape[0], : ground.shape[1], None]
        ground[:] = np.rint(ground + mask * (np.array(colour) - ground)).astype(np.uint8)

    def _fixed(self, points: Points) -> tuple[list[list[int]], npt.NDArray[np.bool_]]:
        """Places as OpenCV takes them, and which of the points they are of."""
        places = self.view.places(points)
        kept: npt.NDArray[np.bool_] = np.asarray((np.abs(places) < _FAR_PX).all(axis=1))
        return np.rint(places[kept] * _ONE).astype(int).tolist(), kept

    def _thick(self, width: float) -> int:
        return max(round(width * self.unit), 1)
