"""Videos of a face, and a network that was trained to find its parts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from element_facerhythm.demo.synthetic import make_scene_video
from element_facerhythm.video import VideoMetadata, probe_video
from tests.unit.keypoints.training import save_weights, train_on_faces


@pytest.fixture(scope="session")
def trained_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of weights that find the parts of `training.PARTS`."""
    return save_weights(train_on_faces(), tmp_path_factory.mktemp("model") / "face.pt")


@pytest.fixture(scope="session")
def face_video(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], VideoMetadata]:
    """Function from a seed to a video of the face, 160 x 120 px."""
    directory = tmp_path_factory.mktemp("faces")

    def make(seed: int) -> VideoMetadata:
        path = directory / f"face{seed}.mp4"
        if not path.exists():
            make_scene_video(
                path,
                n_frames=60,
                width_px=160,
                height_px=120,
                frame_rate_hz=60.0,
                seed=seed,
                with_paw=False,
            )
        return probe_video(path)

    return make


@pytest.fixture
def cpu() -> torch.device:
    return torch.device("cpu")


@pytest.fixture
def random_frames() -> np.ndarray:
    """(5, 90, 121) uint8, smooth."""
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 255, (5, 10, 12)).astype(np.uint8)
    return np.stack([np.kron(frame, np.ones((9, 11), np.uint8))[:90, :121] for frame in coarse])
