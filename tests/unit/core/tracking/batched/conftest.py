"""Triton's kernels run in its interpreter where there is no CUDA device: same code, any machine."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from element_facerhythm.core.tracking import ClaheSettings, make_mesh
from tests.tracking_settings import settings_with

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # before the kernels are first imported


@pytest.fixture(autouse=True)
def always_one_thread(one_thread: None) -> None:
    """All of these tests are many small operations."""


@pytest.fixture(scope="session")
def swaying(shifted_texture: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """(40, H, W) frames of a scene that sways, and jumps by 8 px for two frames at frame 20."""
    t = np.arange(40)
    shifts = np.stack([3 * np.sin(t / 4.0), 2 * np.cos(t / 5.0)], axis=1)
    shifts[20:22] += [8.0, 0.0]
    return shifted_texture(shifts)


@pytest.fixture
def few_points() -> np.ndarray:
    """(12, 2) float32 points, 15 pixels apart."""
    x, y = np.meshgrid(np.arange(40, 100, 15), np.arange(32, 76, 15))
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)


@pytest.fixture
def options(few_points: np.ndarray) -> dict[str, Any]:
    """What `track_points` and `track_side_by_side` are told alike."""
    visible = np.ones((96, 128), dtype=bool)
    visible[:10] = False
    return {
        "mesh": make_mesh(few_points, n_neighbors=5),
        "visible_mask": visible,
        "settings": settings_with(
            window_px=[11, 11],
            criteria=[3, 5, 0.03],
            mesh_rigidity=0.02,
            relaxation=0.5,
            clahe=ClaheSettings(20.0, (6, 5)),
        ),
    }
