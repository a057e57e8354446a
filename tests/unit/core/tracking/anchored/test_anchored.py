"""Anchored tracks against scenes whose motion is known in closed form."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from element_facerhythm.core.tracking import TrackedVideo, VideoToTrack, make_mesh
from element_facerhythm.core.tracking.anchored import (
    AnchoredSettings,
    further_appearances,
    matcher,
    track_anchored,
)
from element_facerhythm.core.tracking.anchored.frame_supply import FrameSupply
from element_facerhythm.core.tracking.anchored.neighbour_kernel import settle
from element_facerhythm.core.tracking.refinement import VisiblePart
from element_facerhythm.errors import DecodeError, ParameterError, ProcessingError

SETTINGS = AnchoredSettings(window_px=21, n_reference_frames=24, displacement_threshold_px=30.0)
Frames = Callable[[np.ndarray], np.ndarray]


def video_of(frames: np.ndarray, grid: np.ndarray, n_frames: int | None = None) -> VideoToTrack:
    """Return frames in memory as a video that is to be tracked."""
    n = len(frames) if n_frames is None else n_frames
    points = np.full((n, len(grid), 2), np.nan, np.float32)
    confidence = np.full((n, len(grid)), np.nan, np.float16)
    return VideoToTrack(lambda start: iter(frames[start:]), n, points, confidence=confidence)


def track(
    videos: list[VideoToTrack],
    grid: np.ndarray,
    shape: tuple[int, int],
    settings: AnchoredSettings = SETTINGS,
    **options: Any,
) -> list[TrackedVideo]:
    mesh = make_mesh(grid, n_neighbors=8)
    visible = np.ones(shape, np.bool_)
    return track_anchored(videos, grid, settings, mesh=mesh, visible_mask=visible, **options)


def noisy(frames: np.ndarray, seed: int, sd: float = 8.0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, sd, frames.shape)
    return np.clip(np.rint(frames + noise), 0, 255).astype(np.uint8)


def sway(n_frames: int, px: float = 3.0) -> np.ndarray:
    """(T, 2) shifts that begin at home."""
    t = np.arange(n_frames)
    return np.stack([px * np.sin(t / 5.0), px * np.sin(t / 9.0)], axis=1)


def displaced(grid: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """(T, P, 2) places of points when all is stretched about the middle by gradients (T, 2, 2)."""
    middle = grid.mean(axis=0)
    return np.asarray(grid + (grid - middle) @ gradients.transpose(0, 2, 1))


def test_displacement_is_found_in_noise_and_no_error_adds_up(
    shifted_texture: Frames, grid: np.ndarray
) -> None:
    shifts = sway(400)
    frames = noisy(shifted_texture(shifts), 3)
    (tracked,) = track([video_of(frames, grid)], grid, frames.shape[1:])
    error = np.linalg.norm(tracked.points - grid - shifts[:, None], axis=2)
    assert np.median(error) < 0.1
    assert np.percentile(error, 99) < 0.3
    assert np.median(error[-40:]) < 1.15 * np.median(error)
    amplitude = np.linalg.lstsq(
        shifts[:, :1], tracked.points.mean(1)[:, :1] - grid.mean(0)[0], rcond=None
    )
    assert amplitude[0][0, 0] == pytest.approx(1.0, abs=0.01)
    assert np.mean(tracked.confidence) > 0.7
    assert len(tracked.violation_rows) == 0


def test_large_motion_is_found_from_any_frame(shifted_texture: Frames, grid: np.ndarray) -> None:
    shifts = sway(90, px=12.0)
    frames = noisy(shifted_texture(shifts), 4)
    (tracked,) = track([video_of(frames, grid)], grid, frames.shape[1:])
    inside = np.abs(grid - grid.mean(0)).max(axis=1) < 20  # further out, windows leave the frame
    error = np.linalg.norm(tracked.points - grid - shifts[:, None], axis=2)[:, inside]
    assert np.percentile(error, 95) < 0.3


def test_numbers_depend_neither_on_threads_nor_on_what_else_is_tracked(
    shifted_texture: Frames, grid: np.ndarray
) -> None:
    shifts = sway(150)
    parts = [noisy(shifted_texture(part), n) for n, part in enumerate(np.split(shifts, [90]))]
    shape = parts[0].shape[1:]
    videos = [video_of(part, grid) for part in parts]
    both = track(videos, grid, shape, n_threads=3)
    alone = replace(videos[1], out=np.zeros_like(videos[1].out))
    recording = [videos[0], alone]
    (second,) = track([alone], grid, shape, recording=recording, n_threads=1)
    np.testing.assert_array_equal(second.points, both[1].points)
    np.testing.assert_array_equal(second.violation_rows, both[1].violation_rows)


def test_on_a_device_the_same_is_found(
    shifted_texture: Frames, grid: np.ndarray, one_thread: None
) -> None:
    """In two videos, of which one is decoded on the device; torch's CPU stands in for it."""
    shifts = sway(150)
    parts = [noisy(shifted_texture(part), n) for n, part in enumerate(np.split(shifts, [90]))]
    shape = parts[0].shape[1:]

    class Decoded:
        def read(self, start: int, stop: int) -> torch.Tensor:
            return torch.from_numpy(parts[1][start:stop])

        def close(self) -> None: ...

    on_cpu = track([video_of(part, grid) for part in parts], grid, shape)
    videos = [video_of(part, grid) for part in parts]
    videos[1] = replace(videos[1], open_reader=Decoded)
    told: list[int] = []
    found = track(videos, grid, shape, device="cpu:0", n_threads=2, on_frames=told.append)
    assert told == sorted(told)
    assert told[-1] == 150
    for one, other in zip(found, on_cpu, strict=True):
        apart_px = np.linalg.norm(one.points - other.points, axis=2)
        assert np.median(apart_px) <= 0.003
        assert np.percentile(apart_px, 99) <= 0.02
        np.testing.assert_array_equal(one.frame_light, other.frame_light)
    (second,) = track([videos[1]], grid, shape, device="cpu:0", recording=videos)
    np.testing.assert_array_equal(second.points, found[1].points)


def test_frames_for_a_device_are_not_kept_here(grid: np.ndarray) -> None:
    frames, visible = np.zeros((40, 30, 30), np.uint8), np.ones((30, 30), np.bool_)
    opened: list[int] = []

    def open_frames(start: int) -> Iterator[np.ndarray]:
        opened.append(start)
        return iter(frames[start:])

    video = replace(video_of(frames, grid), open_frames=open_frames)
    with ThreadPoolExecutor(1) as executor:
        for keeps in (True, False):
            opened.clear()
            supply = FrameSupply(
                [video], VisiblePart(visible, 16), visible, 8, executor, keeps=keeps
            )
            assert opened == [0] * keeps
            assert len(supply.at(0, [3, 38])) == 2
            assert opened == ([0] if keeps else [3, 38])


def test_what_changes_is_found_by_a_further_appearance(
    changing_scene: Any, grid: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames, inside = changing_scene.frames, changing_scene.shows_two_appearances(grid)
    changed = np.ix_(changing_scene.is_changed, inside)

    def tracked() -> tuple[float, float]:
        """Share of points that are not found where they changed, and confidence there."""
        (video,) = track([video_of(frames, grid)], grid, frames.shape[1:])
        missed = np.zeros(video.points.shape[:2], bool)
        missed[video.violation_rows, video.violation_cols] = True
        return float(missed[changed].mean()), float(np.asarray(video.confidence)[changed].mean())

    missed, confidence = tracked()
    assert missed < 0.02
    assert confidence > 0.8
    monkeypatch.setattr(further_appearances, "N_APPEARANCES", 1)
    missed, confidence = tracked()
    assert missed > 0.3
    assert confidence < 0.2


def test_skin_that_stretches_is_followed_as_one_that_moves(
    deformed_texture: Frames, grid: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A patch that is deformed would be matched beside its place; how far, its gradients tell."""
    phase = np.sin(np.arange(48) / 4.0)[:, None, None]
    gradients = phase * np.array([[0.06, 0.05], [-0.03, -0.06]])
    frames, true = deformed_texture(gradients), displaced(grid, gradients)

    def median_error_px() -> float:
        (tracked,) = track([video_of(frames, grid)], grid, frames.shape[1:])
        return float(np.median(np.linalg.norm(tracked.points - true, axis=2)))

    corrected_px = median_error_px()
    monkeypatch.setattr(
        matcher, "slopes_of", lambda home, near: np.zeros((len(home), 2, near.shape[1]), np.float32)
    )
    assert corrected_px < min(0.05, 0.6 * median_error_px())


def test_light_moves_nothing(shifted_texture: Frames, grid: np.ndarray) -> None:
    shifts = sway(120)
    frames = shifted_texture(shifts).astype(float)
    flicker = 1 - 0.3 * np.sin(np.arange(120) / 1.7) ** 2
    lit = np.clip(frames * flicker[:, None, None] + 10 * flicker[::-1, None, None], 0, 255)
    (tracked,) = track([video_of(lit.astype(np.uint8), grid)], grid, frames.shape[1:])
    error = np.linalg.norm(tracked.points - grid - shifts[:, None], axis=2)
    assert np.percentile(error, 99) < 0.1


def test_hidden_points_move_with_their_neighbours_are_told_and_come_back(
    passing_bar: np.ndarray, grid: np.ndarray
) -> None:
    t = np.arange(len(passing_bar))
    shifts = np.stack([2 * np.sin(t / 3.0), np.cos(t / 4.0)], axis=1)
    shifts -= shifts[0]
    (tracked,) = track([video_of(passing_bar, grid)], grid, passing_bar.shape[1:])
    error = np.linalg.norm(tracked.points - grid - shifts[:, None], axis=2)
    bar_px = 23.0 + 3 * t
    near_bar = np.abs(tracked.points[..., 0] - bar_px[:, None]) < 6
    past_bar = (bar_px[:, None] - tracked.points[..., 0]) > 20
    assert np.median(error[near_bar]) < 0.5
    assert np.percentile(error[past_bar], 95) < 0.3
    confidence = np.asarray(tracked.confidence, float)
    assert confidence[near_bar].mean() < 0.5 * confidence[past_bar].mean()
    hidden = np.zeros(error.shape, bool)
    hidden[tracked.violation_rows, tracked.violation_cols] = True
    assert hidden[near_bar].mean() > 5 * hidden[past_bar].mean()


def test_what_has_no_texture_moves_with_its_neighbours_without_confidence(
    shifted_texture: Frames, grid: np.ndarray
) -> None:
    shifts = sway(60)
    frames = noisy(shifted_texture(shifts), 5, 2.0)
    height, width = frames.shape[1:]
    y, x = np.mgrid[:height, :width]
    blank = np.hypot(x - width / 2, y - height / 2) < 26
    frames[:, blank] = 128
    (tracked,) = track([video_of(frames, grid)], grid, (height, width))
    inside = np.hypot(*(grid - [width / 2, height / 2]).T) < 5
    outside = np.hypot(*(grid - [width / 2, height / 2]).T) > 40
    assert inside.any()
    confidence = np.asarray(tracked.confidence, float)
    assert confidence[:, inside].mean() < 0.2 < 0.6 < confidence[:, outside].mean()
    error = np.linalg.norm(tracked.points - grid - shifts[:, None], axis=2)
    assert np.median(error[:, inside]) < 1.5  # the edge of the blank stands still, and is seen


def test_frames_that_show_nothing_and_frozen_ones_hold_the_points(
    shifted_texture: Frames, grid: np.ndarray
) -> None:
    shifts = sway(60)
    frames = noisy(shifted_texture(shifts), 6, 2.0)
    frames[20:25] = 3
    freeze = np.zeros(60, bool)
    freeze[40:43] = True
    video = replace(video_of(frames, grid), frames_freeze=freeze)
    (tracked,) = track([video], grid, frames.shape[1:])
    for first, stop in ((20, 25), (40, 43)):
        assert (tracked.points[first:stop] == tracked.points[first - 1]).all()
        assert (np.asarray(tracked.confidence)[first:stop] == 0).all()
    np.testing.assert_array_equal(tracked.held_frames, np.arange(20, 25))
    error = np.linalg.norm(tracked.points - grid - shifts[:, None], axis=2)
    assert np.median(error[25:40]) < 0.1


def test_what_cannot_be_tracked_is_refused(shifted_texture: Frames, grid: np.ndarray) -> None:
    frames = shifted_texture(sway(20))
    shape = frames.shape[1:]
    with pytest.raises(DecodeError, match=r"ended before frame 1\d of 30"):
        track([video_of(frames[:15], grid, 30)], grid, shape)
    with pytest.raises(ProcessingError, match="nothing to track"):
        track([video_of(np.full_like(frames, 7), grid)], grid, shape)
    with pytest.raises(ParameterError, match="odd number of pixels"):
        AnchoredSettings(window_px=20)


def test_neighbours_and_measurements_are_weighed_as_said(grid: np.ndarray) -> None:
    """The place of least energy, against a dense linear solve."""
    rng = np.random.default_rng(7)
    neighbors = make_mesh(grid, n_neighbors=6).neighbors
    n = len(grid)
    found = rng.normal(0, 2, (1, n, 2)).astype(np.float32)
    root = rng.normal(0, 2, (n, 2, 2))
    products = root @ root.transpose(0, 2, 1)
    information = np.stack([products[:, 0, 0], products[:, 0, 1], products[:, 1, 1]], 1)[None]
    stiffness = 1.5
    settled = np.zeros((1, n, 2), np.float32)
    settle(found, information.astype(np.float32), neighbors, np.float32(stiffness), 400, settled)
    matrix, right = np.zeros((n, 2, n, 2)), np.zeros((n, 2))
    for p in range(n):
        others = neighbors[p][neighbors[p] != p]
        matrix[p, :, p, :] += products[p] + stiffness * len(others) * np.eye(2)
        right[p] = products[p] @ found[0, p]
        for other in others:
            matrix[p, :, other, :] -= stiffness * np.eye(2)
    solved = np.linalg.solve(matrix.reshape(2 * n, 2 * n), right.ravel()).reshape(n, 2)
    np.testing.assert_allclose(settled[0], solved, atol=2e-3)
