"""Blocks of time join to the tracks of the whole video, but for what fades in the warm-up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from element_facerhythm.core.tracking import (
    ClaheSettings,
    VideoToTrack,
    make_mesh,
    track_points,
)
from element_facerhythm.core.tracking.blocks import TimeBlock, plan_blocks, warm_up_frames
from element_facerhythm.core.tracking.videos import track_videos
from element_facerhythm.errors import DecodeError
from tests.tracking_settings import changed, settings_with


@given(
    n_frames=st.integers(1, 5000),
    frames_per_block=st.integers(1, 2000),
    relaxation=st.floats(0.0, 1.0),
    n_before=st.integers(0, 40),
)
def test_blocks_keep_every_frame_once(n_frames, frames_per_block, relaxation, n_before):
    blocks = plan_blocks(
        n_frames,
        frames_per_block=frames_per_block,
        relaxation=relaxation,
        n_frames_halted_before=n_before,
    )
    kept = [frame for block in blocks for frame in range(block.start, block.stop)]
    assert kept == list(range(n_frames))
    assert blocks[0].first == 0
    assert blocks[-1].last == n_frames
    for block in blocks[1:]:
        assert block.start - block.first == min(warm_up_frames(relaxation), block.start)
        assert block.stop - block.start >= frames_per_block / 2
    for block in blocks[:-1]:
        assert block.last == min(block.stop + n_before, n_frames)
        assert block.stop - block.start == frames_per_block
    n_tracked = sum(block.last - block.first for block in blocks)
    assert n_tracked <= 1.5 * n_frames + n_before * len(blocks)


def test_the_warm_up_follows_from_the_relaxation():
    assert warm_up_frames(0.5) == 32
    assert 0.9 ** warm_up_frames(0.1) <= 1e-4 < 0.9 ** (warm_up_frames(0.1) - 1)
    assert warm_up_frames(1.0) == 32
    assert warm_up_frames(0.0015) is None
    assert warm_up_frames(0.0) is None


def test_where_no_warm_up_serves_the_video_stays_whole(caplog):
    whole = [TimeBlock(0, 0, 100_000, 100_000)]
    plan = {"frames_per_block": 1000, "n_frames_halted_before": 5}
    assert plan_blocks(100_000, relaxation=0.0015, **plan) == whole
    assert "tracked in one piece: at relaxation 0.0015" in caplog.text
    assert plan_blocks(100_000, relaxation=0.5, **{**plan, "frames_per_block": 60}) == whole
    assert "give 64 frames per block or more" in caplog.text
    assert len(plan_blocks(100_000, relaxation=0.5, **plan)) == 100


@pytest.fixture(scope="module")
def moving(shifted_texture):
    """(300, H, W) frames: a sway of several pixels, and a jump of 8 px at frame 123."""
    t = np.arange(300)
    shifts = np.stack([4 * np.sin(t / 5.0) + np.sin(t / 1.7), 3 * np.cos(t / 7.0)], axis=1)
    shifts[123:125] += [8.0, 0.0]
    return shifted_texture(shifts)


SETTINGS = settings_with(mesh_rigidity=0.02, relaxation=0.5, clahe=ClaheSettings(40.0, (8, 8)))


def tracked(frames, points, frames_per_block, n_threads=2, **changes):
    settings, left = changed(SETTINGS, changes)
    assert not left
    out = np.full((len(frames), len(points), 2), np.nan, np.float32)
    video = VideoToTrack(lambda start: iter(frames[start:]), len(frames), out)
    where = {
        "mesh": make_mesh(points, n_neighbors=6),
        "visible_mask": np.ones(frames.shape[1:], bool),
    }
    return track_videos(
        [video],
        points,
        settings,
        frames_per_block=frames_per_block,
        n_threads=n_threads,
        **where,
    )[0]


@pytest.mark.parametrize("relaxation", [0.5, 0.2])
def test_blocks_deviate_within_the_bound(moving, grid, relaxation):
    serial = tracked(moving, grid, None, relaxation=relaxation).points
    blocks = tracked(moving, grid, 90, relaxation=relaxation).points
    apart_px = np.linalg.norm(blocks - serial, axis=2)
    assert np.median(apart_px) <= 0.01
    assert np.percentile(apart_px, 99) <= 0.1
    assert np.abs(serial - grid).max() > 2.0


def test_without_blocks_the_track_is_exact(moving, grid):
    """Also side by side with another video."""
    short = moving[:40]
    settings, _ = changed(SETTINGS, {"relaxation": 0.0015})
    where = {
        "mesh": make_mesh(grid, n_neighbors=6),
        "visible_mask": np.ones(short.shape[1:], bool),
    }
    sources = [short, short[10:]]
    videos = [
        VideoToTrack(
            lambda start, frames=frames: iter(frames[start:]),
            len(frames),
            np.empty((len(frames), len(grid), 2), np.float32),
        )
        for frames in sources
    ]
    told = []
    together = track_videos(videos, grid, settings, n_threads=2, on_frames=told.append, **where)
    for one, frames in zip(together, sources, strict=True):
        alone = track_points(
            lambda start, f=frames: iter(f[start:]), len(frames), grid, settings, **where
        )
        assert np.array_equal(one.points, alone.points)
    assert told == sorted(told)
    assert told[-1] == 70


def test_the_number_of_threads_changes_nothing(moving, grid):
    one = tracked(moving, grid, 90, n_threads=1, displacement_threshold_px=3.0)
    three = tracked(moving, grid, 90, n_threads=3, displacement_threshold_px=3.0)
    assert np.array_equal(one.points, three.points)
    assert np.array_equal(one.violation_rows, three.violation_rows)
    assert len(one.violation_rows) > 0


@pytest.mark.parametrize("frames_per_block", [122, 123, 125])
def test_a_violation_beside_the_seam_is_flagged_on_both_sides(moving, grid, frames_per_block):
    """The jump is at frame 123: just after, at, and just before the seam."""
    serial = tracked(moving, grid, None, displacement_threshold_px=3.0)
    blocks = tracked(moving, grid, frames_per_block, displacement_threshold_px=3.0)
    around = set(range(119, 128))
    assert around <= set(serial.violation_rows.tolist())
    flags = [
        set(zip(t.violation_rows.tolist(), t.violation_cols.tolist(), strict=True))
        for t in (serial, blocks)
    ]
    assert len(flags[0] ^ flags[1]) <= 0.01 * len(flags[0])
    apart_px = np.linalg.norm(blocks.points - serial.points, axis=2)
    assert np.median(apart_px) <= 0.01
    assert np.percentile(apart_px, 99) <= 0.1


def test_a_failing_block_stops_the_others_and_is_raised(moving, grid):
    opened = []

    def open_frames(start):
        opened.append(start)
        for index in range(start, 300):
            if index == 150:
                raise DecodeError("frame 150 is gone")
            yield moving[index]

    out = np.empty((300, len(grid), 2), np.float32)
    with pytest.raises(DecodeError, match="frame 150 is gone"):
        track_videos(
            [VideoToTrack(open_frames, 300, out)],
            grid,
            settings_with(relaxation=0.5),
            mesh=make_mesh(grid, n_neighbors=6),
            visible_mask=np.ones((96, 128), bool),
            frames_per_block=70,
            n_threads=2,
        )
    assert max(opened) < 280  # work was given up
