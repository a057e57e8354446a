"""Textured frames whose motion is known in closed form, and a tracker with short defaults."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from element_facerhythm.core.tracking import TrackedVideo, make_mesh, track_points
from tests.tracking_settings import changed, settings_with

HEIGHT, WIDTH = 96, 128
EXACT = settings_with(criteria=[3, 30, 0.001], n_frames_halted_before=3, n_frames_halted_after=3)


def texture(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Gray levels (0 to 255) of a fixed scene at any position: 60 waves of 5 to 40 pixels."""
    rng = np.random.default_rng(11)
    period = rng.uniform(5.0, 40.0, 60)
    angle, phase = rng.uniform(0, 2 * np.pi, (2, 60))
    amplitude = np.sqrt(period)
    level = np.zeros(np.broadcast_shapes(x.shape, y.shape))
    for a, length, turn, start in zip(amplitude, period, angle, phase, strict=True):
        along = x * np.cos(turn) + y * np.sin(turn)
        level += a * np.sin(2 * np.pi * along / length + start)
    return 127.5 + level * 45 / np.sqrt((amplitude**2).sum() / 2)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch on one thread: many small operations are slow on several on a busy machine."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="session")
def shifted_texture() -> Callable[[np.ndarray], np.ndarray]:
    """Function from shifts (T, 2) in pixels (x, y) to frames (T, H, W) uint8 of the moved scene."""

    def frames(shifts: np.ndarray) -> np.ndarray:
        y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
        moved = [texture(x - dx, y - dy) for dx, dy in shifts]
        return np.rint(np.clip(moved, 0, 255)).astype(np.uint8)

    return frames


@pytest.fixture(scope="session")
def deformed_texture(grid: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Function from gradients (T, 2, 2) to frames (T, H, W) uint8 of the stretched scene."""

    def frames(gradients: np.ndarray) -> np.ndarray:
        middle = grid.mean(axis=0)
        pixels = np.stack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT)), axis=-1) - middle
        resting = [pixels @ np.linalg.inv(np.eye(2) + g).T + middle for g in gradients]
        stretched = [texture(at[..., 0], at[..., 1]) for at in resting]
        return np.rint(np.clip(stretched, 0, 255)).astype(np.uint8)

    return frames


@pytest.fixture(scope="session")
def grid() -> np.ndarray:
    """(P, 2) float32 points, 10 pixels apart, well inside the frame."""
    x, y = np.meshgrid(np.arange(24, WIDTH - 24, 10), np.arange(24, HEIGHT - 24, 10))
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)


@pytest.fixture(scope="session")
def passing_bar(shifted_texture: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """(30, H, W) frames of a swaying scene in front of which a striped bar passes, left to right."""
    t = np.arange(30)
    frames = shifted_texture(np.stack([2 * np.sin(t / 3.0), np.cos(t / 4.0)], axis=1))
    stripes = np.where(np.arange(HEIGHT) // 3 % 2, 230, 30).astype(np.uint8)
    for frame, left in zip(frames, 20 + 3 * t, strict=True):
        frame[:, left : left + 6] = stripes[:, None]
    return frames


@dataclass(frozen=True)
class ChangingScene:
    """Frames of a swaying scene; in a third of them a disk that moves along shows something else.

    Attributes
    ----------
    frames
        (T, H, W) uint8.
    shifts
        (T, 2) pixels.
    is_changed
        (T,) bool.
    centre, radius_px
        Of the disk where nothing is shifted.
    """

    frames: np.ndarray
    shifts: np.ndarray
    is_changed: np.ndarray
    centre: tuple[float, float] = (64.0, 48.0)
    radius_px: float = 20.0

    def shows_two_appearances(self, points: np.ndarray) -> np.ndarray:
        """Tell which points (P, 2) have most of their window inside the disk."""
        inside: np.ndarray = np.hypot(*(points - self.centre).T) < self.radius_px - 8
        return inside


@pytest.fixture(scope="session")
def changing_scene(shifted_texture: Callable[[np.ndarray], np.ndarray]) -> ChangingScene:
    """Four times 8 frames of 96 show the other appearance."""
    t = np.arange(96)
    shifts = np.stack([3 * np.sin(t / 5.0), 2 * np.sin(t / 9.0)], axis=1)
    scene = ChangingScene(shifted_texture(shifts), shifts, t % 24 >= 16)
    other = shifted_texture(shifts + np.array([700.0, 300.0]))
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for number in np.flatnonzero(scene.is_changed):
        middle = scene.centre + shifts[number]
        inside = np.hypot(x - middle[0], y - middle[1]) < scene.radius_px
        scene.frames[number][inside] = other[number][inside]
    noise = np.random.default_rng(8).normal(0, 3, scene.frames.shape)
    noisy = np.clip(np.rint(scene.frames + noise), 0, 255).astype(np.uint8)
    return replace(scene, frames=noisy)


class FrameSource:
    """Frames in memory that count how often they were opened and how many were read."""

    def __init__(self, frames: np.ndarray, fail_at: int | None = None) -> None:
        self.frames = frames
        self.fail_at = fail_at
        self.n_opened = 0
        self.n_read = 0

    def __call__(self, start: int) -> Iterator[np.ndarray]:
        self.n_opened += 1
        for index in range(start, len(self.frames)):
            if index == self.fail_at:
                raise OSError(f"frame {index} is gone")
            self.n_read += 1
            yield self.frames[index]


@pytest.fixture
def frame_source() -> type[FrameSource]:
    return FrameSource


@pytest.fixture
def track() -> Callable[..., TrackedVideo]:
    """`track_points` with no mesh, no relaxation and no CLAHE, unless told otherwise."""

    def run(frames: Any, points: np.ndarray, **changes: Any) -> TrackedVideo:
        source = FrameSource(frames) if isinstance(frames, np.ndarray) else frames
        arguments: dict[str, Any] = {
            "mesh": make_mesh(points, n_neighbors=5),
            "visible_mask": np.ones(source.frames.shape[1:], dtype=bool),
        }
        n_frames = changes.pop("n_frames", len(source.frames))
        settings, others = changed(EXACT, changes)
        return track_points(source, n_frames, points, settings, **{**arguments, **others})

    return run
