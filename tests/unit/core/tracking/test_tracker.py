"""Tracks against closed-form motion, and each rule of the tracker by itself."""

import threading
import tracemalloc

import cv2
import h5py
import numpy as np
import pytest

from element_facerhythm.core.tracking import ClaheSettings
from element_facerhythm.core.tracking import tracker as tracker_module
from element_facerhythm.errors import DecodeError, ParameterError, RoiError

STILL = np.zeros((12, 2))


@pytest.fixture
def jump(shifted_texture) -> np.ndarray:
    """30 frames (H, W) of a slow drift; a patch around the point (64, 44) leaps away in frame 14."""
    drift = np.linspace(0, 3, 30)[:, None] * np.array([1.0, 0.5])
    frames = shifted_texture(drift)
    for t in range(14, 18):
        frames[t, 24:64, 44:84] = np.roll(frames[t], (0, 6 * (t - 13)), axis=(0, 1))[24:64, 44:84]
    return frames


def test_wandering_scene_is_followed(shifted_texture, grid, track):
    t = np.arange(60)
    shifts = np.stack([5 * np.sin(t / 7.3), 3 * np.sin(t / 4.1 + 0.5)], axis=1)
    shifts -= shifts[0]
    tracked = track(shifted_texture(shifts), grid)
    error = np.linalg.norm(tracked.points - grid - shifts[:, None], axis=-1)
    assert np.median(error) < 0.07
    assert np.percentile(error, 95) < 0.18
    assert tracked.n_frames_processed == 60
    assert tracked.violation_rows.size == tracked.violation_cols.size == 0


def test_relaxation_pulls_home_geometrically(shifted_texture, grid, track):
    away = grid + np.array([2.0, -1.0], np.float32)
    tracked = track(shifted_texture(STILL), grid, relaxation=0.25, start_points=away)
    expected = (away - grid) * (0.75 ** np.arange(1, 13))[:, None, None]
    assert np.abs(tracked.points - grid - expected).max() < 1e-4


def test_frozen_frames_do_not_follow_the_flow(shifted_texture, grid, track):
    frames = shifted_texture(np.linspace(0, 6, 13)[:, None] * [1.0, 0.0])
    freeze = np.zeros(13, dtype=bool)
    freeze[4:7] = True
    tracked = track(frames, grid, frames_freeze=freeze, relaxation_during_freeze=False)
    for t in (4, 5, 6):
        assert np.array_equal(tracked.points[t], tracked.points[3])
    moved = tracked.points[7] - tracked.points[6]
    assert moved[:, 0] == pytest.approx(0.5, abs=0.1)
    relaxing = track(frames, grid, frames_freeze=freeze, relaxation=0.2)
    home = relaxing.points - grid
    assert home[5] == pytest.approx(home[4] * 0.8, abs=1e-4)


def test_a_rigid_mesh_holds_a_point_without_texture(shifted_texture, grid, track):
    frames = shifted_texture(np.linspace(0, 4, 20)[:, None] * [1.0, 0.0])
    frames[:, 34:54, 54:74] = 90
    blind = int(np.flatnonzero((grid == [64, 44]).all(axis=1))[0])
    alone = track(frames, grid, window_px=[9, 9], max_level=0)
    held = track(frames, grid, window_px=[9, 9], max_level=0, mesh_rigidity=0.3)
    assert np.array_equal(alone.points[:, blind], np.broadcast_to(grid[blind], (20, 2)))
    assert held.points[-1, blind, 0] - grid[blind, 0] > 1.0


@pytest.mark.parametrize("rewind", ["correct", "face-rhythm"])
def test_a_leaping_patch_is_flagged_and_held(jump, grid, track, rewind):
    tracked = track(jump, grid, displacement_threshold_px=6.0, relaxation=0.02, rewind=rewind)
    assert tracked.n_frames_processed > 30
    flags = np.zeros((30, len(grid)), dtype=bool)
    flags[tracked.violation_rows, tracked.violation_cols] = True
    assert flags.any(axis=1)[11:17].any()
    assert not flags[:8].any()
    assert np.linalg.norm(tracked.points - grid, axis=-1).max() <= 6.0
    order = tracked.violation_rows.astype(np.int64) * len(grid) + tracked.violation_cols
    assert np.array_equal(order, np.unique(order))


def test_flagged_points_stay_exactly_where_they_were(jump, grid, track):
    tracked = track(jump, grid, displacement_threshold_px=6.0)
    rows, columns = tracked.violation_rows, tracked.violation_cols
    assert rows.min() > 0
    assert np.array_equal(tracked.points[rows, columns], tracked.points[rows - 1, columns])


def test_points_that_never_violate_do_not_notice_a_replay(jump, grid, track):
    """face-rhythm's rewind applies one motion step twice to every point; ours to none."""
    calm = track(jump, grid)
    replayed = track(jump, grid, displacement_threshold_px=6.0)
    never = np.setdiff1d(np.arange(len(grid)), replayed.violation_cols)
    assert 0 < len(never) < len(grid)
    assert np.array_equal(replayed.points[:, never], calm.points[:, never])
    twice = track(jump, grid, displacement_threshold_px=6.0, rewind="face-rhythm")
    never = np.setdiff1d(np.arange(len(grid)), twice.violation_cols)
    excess = np.median(twice.points[-1, never] - calm.points[-1, never], axis=0)
    assert excess[0] > 0.08


def test_a_replay_decodes_nothing_again(jump, grid, track, frame_source):
    source = frame_source(jump)
    tracked = track(source, grid, displacement_threshold_px=6.0)
    assert tracked.n_frames_processed > 30
    assert (source.n_opened, source.n_read) == (1, 30)


@pytest.mark.parametrize("rewind", ["correct", "face-rhythm"])
def test_a_replay_beyond_the_kept_frames_reopens_the_video(
    jump, grid, track, frame_source, monkeypatch, rewind
):
    options = {
        "displacement_threshold_px": 6.0,
        "n_frames_halted_before": 9,
        "relaxation": 0.02,
        "rewind": rewind,
    }
    kept = track(jump, grid, **options)
    monkeypatch.setattr(tracker_module, "_KEPT_FRAMES_BYTES", 1)
    source = frame_source(jump)
    reopened = track(source, grid, **options)
    assert source.n_opened > 1
    assert np.array_equal(reopened.points, kept.points)
    assert np.array_equal(reopened.violation_rows, kept.violation_rows)


@pytest.mark.parametrize("rewind", ["correct", "face-rhythm"])
@pytest.mark.parametrize(("n_before", "n_after"), [(0, 0), (0, 1), (3, 0), (2, 2), (50, 50)])
def test_replays_end_however_wild_the_video(grid, track, rewind, n_before, n_after):
    noise = np.random.default_rng(1).integers(0, 256, (12, 96, 128), dtype=np.uint8)
    points = grid[::8]
    tracked = track(
        noise,
        points,
        displacement_threshold_px=0.5,
        n_frames_halted_before=n_before,
        n_frames_halted_after=n_after,
        rewind=rewind,
    )
    assert np.isfinite(tracked.points).all()
    n_flags = 12 * len(points)
    most_replays = n_flags if rewind == "correct" else n_flags * 101
    assert tracked.n_frames_processed <= 12 + most_replays * (min(n_before, 11) + 1)


def test_a_point_that_starts_too_far_away_is_flagged_without_endless_replays(
    shifted_texture, grid, track
):
    far = grid + np.array([9.0, 0.0], np.float32)
    tracked = track(shifted_texture(STILL), grid, start_points=far, displacement_threshold_px=5.0)
    assert tracked.n_frames_processed == 13
    assert tracked.violation_rows.size == 12 * len(grid)


def test_a_video_in_two_parts_is_tracked_as_in_one(shifted_texture, grid, track):
    frames = shifted_texture(np.cumsum(np.full((16, 2), 0.4), axis=0))
    options = {"relaxation": 0.1, "mesh_rigidity": 0.05, "clahe": ClaheSettings(40.0, (4, 4))}
    whole = track(frames, grid, **options)
    first = track(frames[:7], grid, **options)
    second = track(
        frames[7:], grid, start_points=first.points[-1], previous_frame=frames[6], **options
    )
    assert np.array_equal(np.concatenate([first.points, second.points]), whole.points)


def test_a_dataset_on_disk_receives_the_same_points_in_blocks(jump, grid, track, tmp_path):
    kept = track(jump, grid, displacement_threshold_px=6.0)
    with h5py.File(tmp_path / "points.h5", "w") as file:
        out = file.create_dataset("points", kept.points.shape, np.float32)
        tracked = track(jump, grid, displacement_threshold_px=6.0, out=out)
        assert tracked.points is out
        assert np.array_equal(out[:], kept.points)


def test_memory_does_not_grow_with_the_video(track, tmp_path):
    x, y = np.meshgrid(np.arange(8, 88, 4), np.arange(8, 88, 4))
    points = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)
    frame = np.random.default_rng(2).integers(0, 256, (96, 96), dtype=np.uint8)
    options = {"window_px": [3, 3], "max_level": 0, "criteria": [1, 1, 0.0]}
    n_frames = 2500

    class Endless:
        frames = frame[None]

        def __call__(self, start):
            return (frame for _ in range(start, n_frames))

    track(Endless(), points, n_frames=2, **options)  # compiles what is compiled once
    tracemalloc.start()
    try:
        with h5py.File(tmp_path / "points.h5", "w") as file:
            out = file.create_dataset("points", (n_frames, len(points), 2), np.float32)
            track(Endless(), points, n_frames=n_frames, out=out, **options)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 0.6 * n_frames * points.nbytes


def test_progress_only_goes_forward(jump, grid, track):
    seen: list[int] = []
    track(jump, grid, displacement_threshold_px=6.0, on_frame=seen.append)
    assert seen == list(range(1, 31))


def test_thread_count_changes_nothing(jump, grid, track):
    n_threads = cv2.getNumThreads()
    answers = []
    try:
        for n in (1, 4):
            cv2.setNumThreads(n)
            answers.append(
                track(jump, grid, clahe=ClaheSettings(40.0, (8, 8)), relaxation=0.5).points
            )
    finally:
        cv2.setNumThreads(n_threads)
    assert np.array_equal(*answers)


def test_an_error_of_the_reader_comes_out_and_leaves_no_thread(jump, grid, track, frame_source):
    with pytest.raises(OSError, match="frame 9 is gone"):
        track(frame_source(jump, fail_at=9), grid)
    with pytest.raises(DecodeError, match="ended before frame 30 of 44"):
        track(jump, grid, n_frames=44)
    assert not [t for t in threading.enumerate() if t.name == "frame-prefetch"]


def test_what_is_hidden_by_the_mask_has_no_effect(shifted_texture, grid, track):
    frames = shifted_texture(np.linspace(0, 3, 10)[:, None] * [1.0, 0.0])
    mask = np.zeros(frames.shape[1:], dtype=bool)
    mask[16:80, 16:112] = True
    disturbed = np.where(mask, frames, np.random.default_rng(0).integers(0, 256, frames.shape))
    clean = track(frames, grid, visible_mask=mask, clahe=ClaheSettings(40.0, (8, 8)))
    noisy = track(
        disturbed.astype(np.uint8), grid, visible_mask=mask, clahe=ClaheSettings(40.0, (8, 8))
    )
    assert np.array_equal(clean.points, noisy.points)


def test_one_point_and_no_frame_are_no_special_cases(shifted_texture, track):
    point = np.array([[60, 40]], np.float32)
    assert track(shifted_texture(STILL), point).points.shape == (12, 1, 2)
    assert track(shifted_texture(STILL), point, n_frames=0).points.shape == (0, 1, 2)


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"start_points": np.zeros((3, 2), np.float32)}, ParameterError, "start_points"),
        ({"frames_freeze": np.zeros(5, bool)}, ParameterError, "frames_freeze"),
        ({"out": np.zeros((12, 1, 2), np.float32)}, ParameterError, "out has shape"),
        ({"rewind": "forward"}, ParameterError, "rewind is 'forward'"),
        ({"n_frames_halted_before": -1}, ParameterError, "framesHalted_before"),
        ({"visible_mask": np.ones((10, 10), bool)}, RoiError, "128 x 96 px"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(shifted_texture, grid, track, changes, error, match):
    with pytest.raises(error, match=match):
        track(shifted_texture(STILL), grid, **changes)
