"""Our equaliser gives OpenCV's numbers, whatever the tiles, and leaves alone what is hidden."""

import cv2
import numpy as np
import pytest

from element_facerhythm.core.tracking.clahe import Clahe
from element_facerhythm.core.tracking.settings import ClaheSettings

SHAPES = [(96, 128), (97, 131), (60, 60)]
GRIDS = [(30, 30), (8, 8), (16, 12), (1, 1), (200, 5)]


def elliptic_mask(shape: tuple[int, int]) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]] / np.array(shape)[:, None, None]
    return (((x - 0.5) / 0.3) ** 2 + ((y - 0.4) / 0.25) ** 2 < 1).astype(np.uint8) * 255


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("clip_limit", [40.0, 2.0, 0.0])
def test_gives_the_numbers_of_opencv(shape, grid, clip_limit):
    rng = np.random.default_rng(5)
    smooth = cv2.GaussianBlur(rng.normal(0, 900, shape), (0, 0), 6)
    for gain, level in ((1.0, 120), (0.2, 20)):
        frame = np.clip(gain * smooth + level + rng.normal(0, 3, shape), 0, 255).astype(np.uint8)
        for mask in (np.full(shape, 255, np.uint8), elliptic_mask(shape)):
            expected = cv2.createCLAHE(clipLimit=clip_limit, tileGridSize=grid).apply(frame & mask)
            got = Clahe(mask, ClaheSettings(clip_limit, grid))(frame)
            apart = np.abs(got.astype(int) - expected)
            # A blend that ends in a half is rounded either way: the order of its products decides.
            assert apart.max() <= 1
            assert np.mean(apart > 0) < 0.01


def test_what_is_hidden_has_no_influence():
    rng = np.random.default_rng(6)
    frame = rng.integers(0, 256, (97, 131)).astype(np.uint8)
    mask = elliptic_mask(frame.shape)
    other = np.where(mask > 0, frame, rng.integers(0, 256, frame.shape)).astype(np.uint8)
    equalise = Clahe(mask, ClaheSettings(40.0, (30, 30)))
    assert np.array_equal(equalise(frame), equalise(other))


def test_a_frame_that_is_hidden_altogether():
    mask = np.zeros((40, 50), np.uint8)
    expected = cv2.createCLAHE(clipLimit=40.0, tileGridSize=(10, 10)).apply(mask)
    got = Clahe(mask, ClaheSettings(40.0, (10, 10)))(np.full((40, 50), 77, np.uint8))
    assert np.array_equal(got, expected)
