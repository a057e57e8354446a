"""Light that changes moves no point; where nothing is to be seen points are held, and come back."""

import numpy as np
import pytest

from element_facerhythm.core.tracking import ClaheSettings
from element_facerhythm.core.tracking.light import (
    LightWatch,
    dark_frames,
    frozen_frames,
    sample_places,
)

N = 90
T = np.arange(N)
SWAY = np.stack([2 * np.sin(T / 3.0), np.cos(T / 4.0)], axis=1)
ROWS = np.arange(96)[:, None]
OFF = np.arange(40, 60)


@pytest.fixture(scope="module")
def swaying(shifted_texture):
    """(90, 96, 128) float frames of a scene that sways by 2 px, without noise."""
    return shifted_texture(SWAY).astype(float)


def shown(frames, light=1.0, noise_sd=2.0, seed=3):
    """Frames as a camera sees them under a light, (T, 1, 1) or (T, H, W)."""
    noise = np.random.default_rng(seed).normal(0, noise_sd, frames.shape)
    return np.rint(np.clip(frames * light + noise, 0, 255)).astype(np.uint8)


def switched_off(frames, residue=0.02, dark_noise_sd=3.0):
    """The light is off in `OFF`."""
    light = np.ones((N, 1, 1))
    light[OFF] = residue
    pictures = shown(frames, light)
    noise = np.random.default_rng(4).normal(6, dark_noise_sd, (len(OFF), *frames.shape[1:]))
    pictures[OFF] = np.clip(frames[OFF] * residue + noise, 0, 255)
    return pictures


def errors_px(tracked, grid, spared=()):
    """(T, P) distance from the planted motion, but for the frames that are spared."""
    apart = np.linalg.norm(tracked.points - grid - (SWAY - SWAY[0])[:, None], axis=2)
    return np.delete(apart, np.asarray(spared, int), axis=0)


LIGHTS = {
    "flicker": 0.8 + 0.2 * np.sin(2 * np.pi * 100 * T / 60 + 0.02 * T)[:, None, None],
    "bands": 0.8 + 0.2 * np.sin(2 * np.pi * (1.2 * T[:, None, None] + 0.6 * ROWS / 96)),
    "step": np.where(T < 30, 1.0, 0.45)[:, None, None],
    "ramp": np.linspace(1.0, 0.3, N)[:, None, None],
    "screen": 0.8 + 0.2 * np.sin(T / 2.0)[:, None, None] * np.linspace(-1, 1, 128),
    "pulses": np.where(T % 7 == 3, 0.6, 1.0)[:, None, None],
}


@pytest.mark.parametrize("name", LIGHTS)
def test_light_that_changes_moves_nothing(swaying, grid, track, name):
    """As near to the truth as in steady light, but for noise, and nearer than without refinement."""
    how = {"clahe": ClaheSettings(40.0, (20, 16)), "window_px": [20, 20], "criteria": [3, 2, 0.03]}
    pictures = shown(swaying, LIGHTS[name])
    refined = track(pictures, grid, refine=True, **how)
    plain = track(pictures, grid, refine=False, **how)
    steady = track(shown(swaying), grid, refine=True, **how)
    ours, without = errors_px(refined, grid), errors_px(plain, grid)
    assert np.median(ours) < 3 * np.median(errors_px(steady, grid)) + 0.02
    assert np.median(ours) < 0.15
    assert ours.max() < 1.0
    assert np.median(ours) <= np.median(without)
    assert np.quantile(ours, 0.95) <= np.quantile(without, 0.95)
    assert refined.held_frames.size == 0


def test_bands_as_narrow_as_a_few_windows_do_no_more_harm_than_without_refinement(
    swaying, grid, track
):
    how = {"clahe": ClaheSettings(40.0, (20, 16)), "window_px": [20, 20], "criteria": [3, 2, 0.03]}
    light = 0.8 + 0.2 * np.sin(2 * np.pi * 1.2 * (T[:, None, None] + ROWS / 96))
    pictures = shown(swaying, light)
    ours, without = (errors_px(track(pictures, grid, refine=r, **how), grid) for r in (True, False))
    assert np.median(ours) < 1.15 * np.median(without)
    assert np.quantile(ours, 0.95) < 1.15 * np.quantile(without, 0.95)


def test_steady_light_is_matched_as_if_nothing_else_were_known(swaying, grid, track, monkeypatch):
    from element_facerhythm.core.tracking.refinement import Matches

    pictures = shown(swaying, noise_sd=6.0)
    usual = track(pictures, grid, refine=True)
    monkeypatch.setattr(Matches, "in_other_light", lambda self: False)
    assert np.array_equal(usual.points, track(pictures, grid, refine=True).points)


@pytest.mark.parametrize("refine", [True, False])
@pytest.mark.parametrize("relaxation", [0.0, 0.01])
def test_points_are_held_in_the_dark_and_come_back(swaying, grid, track, refine, relaxation):
    tracked = track(
        switched_off(swaying),
        grid,
        refine=refine,
        relaxation=relaxation,
        displacement_threshold_px=12.0,
    )
    assert np.array_equal(tracked.held_frames, OFF)
    assert tracked.held_frames.dtype == np.int32
    assert (tracked.points[OFF] == tracked.points[OFF[0] - 1]).all()
    assert len(tracked.violation_rows) == 0
    if relaxation == 0.0:
        apart = errors_px(tracked, grid, OFF)
        assert np.median(apart) < 0.2
        assert apart[OFF[0] :].max() < 1.0  # after the light is on again


@pytest.mark.parametrize(
    "nothing",
    [
        lambda frames, rng: np.full(frames.shape, 255.0),
        lambda frames, rng: np.full(frames.shape, 70.0) + rng.normal(0, 2, frames.shape),
        lambda frames, rng: np.zeros(frames.shape),
        lambda frames, rng: rng.normal(120, 30, frames.shape),
        lambda frames, rng: 16 + 0.02 * frames + rng.normal(0, 8, frames.shape),
    ],
    ids=["saturated", "covered", "black", "noise at full gain", "dark above a black level"],
)
def test_frames_that_show_nothing_are_found_by_what_they_show(swaying, grid, track, nothing):
    pictures = shown(swaying)
    rng = np.random.default_rng(8)
    pictures[OFF] = np.rint(np.clip(nothing(swaying[OFF], rng), 0, 255))
    tracked = track(pictures, grid, refine=True)
    assert np.array_equal(tracked.held_frames, OFF)
    assert errors_px(tracked, grid, OFF)[-1].max() < 0.5


def test_a_recording_that_begins_in_the_dark_is_tracked_from_its_first_light(swaying, grid, track):
    pictures = shown(swaying)
    pictures[:25] = shown(0.02 * swaying[:25] + 6, noise_sd=3.0)
    tracked = track(pictures, grid, refine=True)
    assert np.array_equal(tracked.held_frames, np.arange(25))
    assert (tracked.points[:26] == grid).all()
    apart = tracked.points - grid - (SWAY - SWAY[25])[:, None]
    assert np.abs(apart[25:]).max() < 0.5


@pytest.mark.parametrize("light", [0.15, 0.4, 1.0])
def test_faint_light_and_a_bumped_camera_are_still_followed(shifted_texture, grid, track, light):
    """Half of the recording is fainter, then the camera jumps: at most a moment is held."""
    shifts = SWAY + np.where(T < 60, 0.0, 5.0)[:, None]
    pictures = shown(
        shifted_texture(shifts).astype(float), np.where(T < 30, 1.0, light)[:, None, None]
    )
    tracked = track(pictures, grid, refine=True)
    assert tracked.held_frames.size <= (0 if light > 0.2 else 1)
    apart = np.linalg.norm(tracked.points - grid - (shifts - shifts[0])[:, None], axis=2)
    assert np.median(apart[-1]) < (0.4 if light > 0.2 else 0.9)


def test_a_replay_over_the_dark_starts_from_the_last_light(swaying, grid, track):
    """Points stray soon after the light is on again; the span of the replay begins in the dark."""
    pictures = switched_off(swaying)
    far = np.roll(pictures[62:66], 9, axis=2)
    pictures[62:66] = far
    tracked = track(
        pictures, grid, refine=True, displacement_threshold_px=8.0, n_frames_halted_before=6
    )
    assert np.array_equal(tracked.held_frames, OFF)
    assert len(tracked.violation_rows) > 0
    assert tracked.n_frames_processed > N
    assert (tracked.points[OFF] == tracked.points[OFF[0] - 1]).all()
    assert np.isfinite(tracked.points).all()


def test_face_rhythms_rule_follows_whatever_a_dark_frame_shows(swaying, grid, track):
    pictures = switched_off(swaying)
    tracked = track(pictures, grid, rewind="face-rhythm", backend="opencv")
    assert tracked.held_frames.size == 0
    assert (tracked.points[OFF[5]] != tracked.points[OFF[4]]).any()
    assert np.array_equal(dark_frames(tracked.frame_light, tracked.held_frames), OFF)


def test_facts_of_every_frame_are_those_of_its_visible_pixels(swaying, grid, track):
    pictures = shown(swaying)
    pictures[20] = pictures[19]
    visible = np.ones((96, 128), bool)
    visible[:, :40] = False
    pictures[:, :, :40] = 255
    tracked = track(pictures, grid, visible_mask=visible)
    seen = pictures[:, visible].astype(float)
    level, contrast, difference = tracked.frame_light.T
    assert tracked.frame_light.dtype == np.float32
    assert np.abs(level - seen.mean(1)).max() < 3.0
    assert np.abs(contrast / seen.std(1) - 1).max() < 0.05
    assert np.isnan(difference[0])
    expected = np.abs(np.diff(seen, axis=0)).mean(1)
    assert np.abs(difference[1:] - expected).max() < 0.1 * expected.max()
    assert frozen_frames(tracked.frame_light, tracked.held_frames).tolist() == [20]


def test_facts_do_not_depend_on_threads_or_replays(swaying, grid, track):
    pictures = switched_off(swaying)
    usual = track(pictures, grid, displacement_threshold_px=2.0)
    other = track(pictures, grid, displacement_threshold_px=2.0, n_threads=4)
    calm = track(pictures, grid)
    assert usual.n_frames_processed > calm.n_frames_processed
    for one in (other, calm):
        assert np.array_equal(usual.frame_light, one.frame_light, equal_nan=True)
        assert np.array_equal(usual.held_frames, one.held_frames)


def test_what_is_usual_needs_no_memory_that_grows():
    watch = LightWatch(20_000)
    rng = np.random.default_rng(0)
    picture = rng.normal(120, 30, 256)
    for _ in range(20_000):
        watch.show(np.clip(picture + rng.normal(0, 4, 256), 0, 255).astype(np.uint8))
    assert watch.held_frames.size == 0
    assert len(watch._contrasts) <= 512


def test_places_are_spread_over_what_is_visible():
    visible = np.zeros((480, 640), bool)
    visible[100:300, 200:500] = True
    places = sample_places(visible)
    assert len(places) == 2048
    assert visible.ravel()[places[:1024]].all()
    assert len(np.unique(places // 640)) == 200
    assert (places[1024:] == places[:1024] + 1).all()
    assert len(sample_places(np.zeros((20, 30), bool))) == 1200
