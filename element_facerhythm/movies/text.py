"""Words in pictures, in the font that the figures have."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

_FONT = Path("fonts", "ttf", "DejaVuSans.ttf")


@lru_cache(maxsize=256)
def text_mask(text: str, size_px: int) -> npt.NDArray[np.float32]:
    """Return a line of text as opacity (height, width) from 0 to 1; all lines of a size are equally high.

    Parameters
    ----------
    text
        One line.
    size_px
        Size of the font.
    """
    font = _font(size_px)
    font.set_text(text, 0.0)
    font.draw_glyphs_to_bitmap(antialiased=True)
    drawn = np.asarray(font.get_image(), np.float32) / 255
    below = round(font.get_descent() / 64)
    mask = np.zeros((round(1.3 * size_px), drawn.shape[1]), np.float32)
    bottom = min(size_px + below, len(mask))
    top = max(bottom - len(drawn), 0)
    mask[top:bottom] = drawn[len(drawn) - (bottom - top) :]
    return mask


@cache
def _font(size_px: int):  # type: ignore[no-untyped-def]
    from matplotlib import get_data_path
    from matplotlib.ft2font import FT2Font

    font = FT2Font(str(Path(get_data_path()) / _FONT))
    font.set_size(size_px, 72)
    return font
