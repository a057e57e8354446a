"""Mask, CLAHE and pyramids on a device equal OpenCV's, to the last gray level."""

import cv2
import numpy as np
import pytest
import torch

from element_facerhythm.core.tracking import ClaheSettings, flow_settings
from element_facerhythm.core.tracking.batched.clahe import BatchedPreparation
from element_facerhythm.core.tracking.batched.geometry import pyramid_geometry
from element_facerhythm.core.tracking.batched.pool import FramePool
from element_facerhythm.errors import ParameterError, RoiError

HOW = [
    ("cpu", False),
    pytest.param("cpu", True, marks=pytest.mark.triton),
    pytest.param("cuda", False, marks=pytest.mark.gpu),
    pytest.param("cuda", True, marks=[pytest.mark.gpu, pytest.mark.triton]),
]


def noisy(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(height)
    coarse = rng.integers(0, 256, (2, height // 8 + 2, width // 8 + 2)).astype(np.uint8)
    smooth = np.stack(
        [cv2.resize(c, (width, height), interpolation=cv2.INTER_CUBIC) for c in coarse]
    )
    frames = np.clip(smooth + rng.integers(-9, 9, smooth.shape), 0, 255).astype(np.uint8)
    frames[1] //= 3  # a dark one
    return frames


def prepared(frames, clip_limit, grid, device, use_triton, visible=None):
    preparation = BatchedPreparation(
        np.ones(frames.shape[1:], bool) if visible is None else visible,
        ClaheSettings(clip_limit, grid),
        device=torch.device(device),
        use_triton=use_triton,
    )
    return preparation(torch.from_numpy(frames).to(device)).cpu().numpy()


@pytest.mark.parametrize(("device", "use_triton"), HOW)
@pytest.mark.parametrize(
    ("size", "grid", "clip_limit"),
    [
        ((96, 128), (8, 8), 40.0),  # divides evenly
        ((101, 77), (8, 8), 3.0),  # does not
        ((96, 100), (8, 8), 2.0),  # one side does
        ((60, 80), (4, 3), 0.0),  # no limit
        ((24, 20), (9, 11), 40.0),  # tiles of a few pixels
        ((48, 64), (1, 1), 2.0),
    ],
)
def test_local_contrast_equals_opencv(size, grid, clip_limit, device, use_triton):
    frames = noisy(*size)
    expected = np.stack([cv2.createCLAHE(clip_limit, grid).apply(frame) for frame in frames])
    assert np.array_equal(prepared(frames, clip_limit, grid, device, use_triton), expected)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_the_default_grid_equals_opencv(device):
    frames = noisy(120, 160)  # 150 x 150 tiles: more than the frame has columns or rows
    expected = np.stack([cv2.createCLAHE(40.0, (150, 150)).apply(frame) for frame in frames])
    assert np.array_equal(prepared(frames, 40.0, (150, 150), device, False), expected)


def test_the_mask_comes_before_local_contrast():
    frames = noisy(48, 64)
    visible = np.zeros((48, 64), bool)
    visible[10:40, 20:60] = True
    expected = [
        cv2.createCLAHE(4.0, (4, 4)).apply(np.where(visible, f, 0).astype(np.uint8)) for f in frames
    ]
    assert np.array_equal(prepared(frames, 4.0, (4, 4), "cpu", False, visible), np.stack(expected))


@pytest.mark.parametrize(("device", "use_triton"), HOW)
def test_pyramids_equal_opencv(device, use_triton):
    frames = noisy(61, 84)
    geometry = pyramid_geometry((61, 84), flow_settings([9, 9], 5, [3, 10, 0.03]))
    there = torch.device(device)
    preparation = BatchedPreparation(
        np.ones((61, 84), bool),
        None,
        device=there,
        use_triton=use_triton,
    )
    pool = FramePool(
        geometry, preparation, n_slots=3, n_at_once=1, device=there, use_triton=use_triton
    )
    pool.put([2, 0], torch.from_numpy(frames))
    rows = pool.rows.cpu().numpy()
    assert len(geometry.levels) == 3  # the next would be 8 rows high, less than the window
    for row, frame in zip((rows[2], rows[0]), frames, strict=True):
        for level in geometry.levels:
            stored = row[level.offset : level.offset + level.n_bytes]
            assert np.array_equal(stored.reshape(level.height, level.width), frame)
            frame = cv2.pyrDown(frame)


def test_frames_of_another_size_are_refused():
    geometry = pyramid_geometry((48, 64), flow_settings([9, 9], 1, [3, 10, 0.03]))
    preparation = BatchedPreparation(
        np.ones((48, 64), bool),
        None,
        device=torch.device("cpu"),
        use_triton=False,
    )
    pool = FramePool(
        geometry, preparation, n_slots=1, n_at_once=1, device=torch.device("cpu"), use_triton=False
    )
    with pytest.raises(RoiError, match="30 x 20 px"):
        pool.put([0], torch.zeros((1, 20, 30), dtype=torch.uint8))
    with pytest.raises(ParameterError, match="smaller than the frame"):
        pyramid_geometry((20, 30), flow_settings([21, 21], 1, [3, 10, 0.03]))
    with pytest.raises(ParameterError, match="two numbers of tiles"):
        prepared(noisy(48, 64), 2.0, (0, 8), "cpu", False)
