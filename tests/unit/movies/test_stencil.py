"""What is drawn once and laid over every frame is what drawing it on every frame gives."""

import numpy as np
import pytest

from element_facerhythm.movies.canvas import Canvas
from element_facerhythm.movies.stencil import Stencil
from element_facerhythm.movies.view import View, whole_frame


@pytest.mark.parametrize(
    "view", [whole_frame((200, 150), 640), View(30, 20, 100, 80, (320, 256), 1.0)]
)
def test_laid_over_is_drawn(view: View) -> None:
    random = np.random.default_rng(3)
    places = random.uniform((40, 30), (120, 90), (60, 2))
    places[7] = np.nan

    def draw(canvas: Canvas) -> None:
        canvas.dots(places, (0, 114, 178), 3.3)
        canvas.lines(places[20:26][None], (230, 159, 0), 1.2, is_closed=True)

    stencil = Stencil(view, draw)
    for _ in range(2):  # the second frame is not drawn over the first
        frame = random.integers(0, 256, (150, 200, 3), np.uint8)
        drawn, laid = Canvas(view, frame, 0), Canvas(view, frame, 0)
        draw(drawn)
        stencil.lay_over(laid)
        apart = np.abs(drawn.picture.astype(int) - laid.picture)
        assert apart.max() <= 3  # edges lie over each other, each rounded by itself
        untouched = (drawn.picture == Canvas(view, frame, 0).picture).all(axis=2)
        assert 0.5 < untouched.mean() < 0.99
        assert (apart > 1).mean() < 1e-3
