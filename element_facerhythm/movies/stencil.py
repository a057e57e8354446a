"""What is drawn alike on every frame of a movie: drawn once, and laid over each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from element_facerhythm.movies.canvas import Canvas
from element_facerhythm.movies.view import View


class Stencil:
    """Ink of some drawing, and how much of the picture below shows through it.

    Every pixel that is drawn on is a mean of ink and what was there, so drawing on black gives the ink, and
    the difference from drawing on white the share that shows through.

    Parameters
    ----------
    view
        What is shown of the frames.
    draw
        Draws on a canvas, whatever the frame is.
    """

    def __init__(self, view: View, draw: Callable[[Canvas], None]) -> None:
        shape = (view.top_px + view.height_px, view.left_px + view.width_px, 3)
        black, white = (
            Canvas(view, np.full(shape, level, np.uint8), number=0) for level in (0, 255)
        )
        draw(black)
        draw(white)
        ink = black.picture.reshape(-1, 3).astype(np.float32)
        shown = (white.picture.reshape(-1, 3) - ink) / np.float32(255)
        self._where = np.flatnonzero((shown < 1).any(axis=1))
        self._shown = shown[self._where]
        self._ink = ink[self._where] + np.float32(0.5)

    def lay_over(self, canvas: Canvas) -> None:
        """Draw it as `draw` does, but for three gray levels where edges are rounded."""
        pixels = canvas.picture.reshape(-1, 3)
        pixels[self._where] = (self._ink + self._shown * pixels[self._where]).astype(np.uint8)
