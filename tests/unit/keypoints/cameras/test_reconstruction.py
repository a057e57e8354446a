"""Keypoints in space from rendered views whose geometry is known."""

from dataclasses import replace

import numpy as np
import pytest

from element_facerhythm.errors import KeypointError
from element_facerhythm.keypoints.cameras import (
    ReconstructionOptions,
    View,
    read_cameras,
    reconstruct,
)
from element_facerhythm.keypoints.cameras.triangulation import triangulate
from tests.rendered_rig import PARTS, Rig, as_predictions, film, located, moving_points

RATE = 50
TIMES = np.arange(40) / RATE


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """Rig of four cameras, its calibration, positions, and the dots that were found in encoded video."""
    directory, rig = tmp_path_factory.mktemp("rig"), Rig((-30.0, 25.0, 70.0, 120.0))
    (directory / "calibration.toml").write_text(rig.anipose())
    positions = moving_points(TIMES)
    places = []
    for view in range(4):
        path = film(rig, view, positions, directory / f"{rig.names[view]}.mp4", RATE)
        places.append(located(path, rig, view, positions))
    return rig, read_cameras(directory / "calibration.toml"), positions, np.stack(places)


def views_of(rig, places, **how):
    return [
        View(rig.names[v], as_predictions(seen, frame_rate_hz=float(RATE), **how))
        for v, seen in enumerate(places)
    ]


def away(made, positions):
    return np.linalg.norm(made.positions[:, 0] - positions, axis=2)


@pytest.mark.parametrize("n_views", [2, 3, 4])
def test_rendered_views_give_the_known_positions(rendered, n_views):
    rig, cameras, positions, places = rendered
    made = reconstruct(cameras, views_of(rig, places[:n_views]))
    errors = away(made, positions)
    # a pixel is 0.09 units at the distance of the animal
    assert np.median(errors) < 0.02 and errors.max() < 0.1
    assert np.nanmedian(made.errors_px) < 0.1 and made.mean_errors_px.max() <= 0.5
    assert (made.n_views == n_views).all() and made.n_ambiguous == 0
    np.testing.assert_allclose(made.likelihood, 0.9)
    # what is told as the error is the distance to what was seen, by formulas of the test
    shown = rig.seen(1, made.positions[:, 0])
    np.testing.assert_allclose(
        made.errors_px[1, :, 0], np.linalg.norm(shown - places[1], axis=2), atol=1e-9
    )


def test_wrong_views_are_left_out_and_planted_gaps_stay(rendered):
    rig, cameras, positions, places = rendered
    rng = np.random.default_rng(5)
    spoiled, n_frames = places.copy(), len(TIMES)
    wrong = rng.integers(0, 4, (n_frames, len(PARTS)))
    is_spoiled = rng.random(wrong.shape) < 0.6
    rows, parts = np.nonzero(is_spoiled)
    angle, far = rng.uniform(0, 2 * np.pi, len(rows)), rng.uniform(25, 90, len(rows))
    spoiled[wrong[rows, parts], rows, parts] += np.stack(
        [far * np.cos(angle), far * np.sin(angle)], axis=1
    )
    spoiled[1:, :5, 0] = np.nan  # one view left
    spoiled[:, 5:9, 1] = np.nan
    made = reconstruct(cameras, views_of(rig, spoiled))
    gone = np.zeros((n_frames, len(PARTS)), dtype=bool)
    gone[:5, 0], gone[5:9, 1] = True, True
    found = np.isfinite(made.positions[:, 0]).all(axis=2)
    assert not found[gone].any() and (made.n_views[:, 0][gone] == 0).all()
    assert found[~gone].mean() > 0.98
    errors = away(made, positions)[found]
    assert np.median(errors) < 0.02 and errors.max() < 0.1
    kept = is_spoiled & found
    used = made.used[wrong[kept], kept.nonzero()[0], 0, kept.nonzero()[1]]
    assert not used.any()
    # a view that was left out keeps its error, so that one sees by how much it is wrong
    told = made.errors_px[wrong[kept], kept.nonzero()[0], 0, kept.nonzero()[1]]
    assert (told > 10).all()
    assert np.nanmedian(made.mean_errors_px) <= 0.5


def test_two_views_that_disagree_give_nothing(rendered):
    rig, cameras, _, places = rendered
    spoiled = places[:2].copy()
    spoiled[1, :, 2, 1] += 60
    made = reconstruct(cameras, views_of(rig, spoiled))
    assert np.isnan(made.positions[:, 0, 2]).all() and np.isfinite(made.positions[:, 0, :2]).all()
    assert "fewer than two views agree within 10 px" in made.notes[-1]


def test_likelihood_decides_between_positions_that_fit_as_well(rendered):
    """A view moved along the line on which another camera sees it agrees with that camera."""
    rig, cameras, positions, _ = rendered
    point = positions[0, :1]
    pixels = np.stack([camera.project(point) for camera in cameras[:3]])
    behind = rig.place(0) + 1.15 * (point - rig.place(0))
    pixels[1] = cameras[1].project(behind)  # agrees with camera 0, not with 2
    equal = triangulate(cameras[:3], pixels, np.full((3, 1), 0.9), threshold_px=5)
    assert np.isnan(equal.positions).all() and equal.n_ambiguous == 1
    surer = np.array([[0.9], [0.3], [0.9]])
    np.testing.assert_allclose(
        triangulate(cameras[:3], pixels, surer, threshold_px=5).positions, point, atol=1e-6
    )
    np.testing.assert_allclose(
        triangulate(cameras[:3], pixels, surer[[0, 2, 1]], threshold_px=5).positions,
        behind,
        atol=1e-6,
    )


def test_likelihood_weighs_views_as_least_squares_does(rendered):
    """At the position, the weighted sum of squared distances is least: small steps make it larger."""
    _, cameras, positions, _ = rendered
    rng = np.random.default_rng(1)
    points = positions[:10].reshape(-1, 3)
    pixels = np.stack([c.project(points) for c in cameras]) + rng.normal(0, 1, (4, len(points), 2))
    weights = rng.uniform(0.1, 1, (4, len(points)))
    found = triangulate(cameras, pixels, weights, threshold_px=30)
    assert found.used.all()

    def cost(at):
        away = np.stack([c.project(at) for c in cameras]) - pixels
        return (weights * (away**2).sum(axis=2)).sum(axis=0)

    best = cost(found.positions)
    for step in np.concatenate([np.eye(3), -np.eye(3)]) * 1e-3:
        assert (cost(found.positions + step) > best).all()


def test_rays_that_hardly_meet_give_nothing(rendered):
    """Two cameras side by side see a far point alike: how far it is, no pixel says."""
    _, cameras, _, _ = rendered
    beside = replace(cameras[0], name="b", translation=cameras[0].translation + np.eye(3)[0] / 2)
    point = np.array([[0.0, 0, 0]])
    pixels = np.stack([cameras[0].project(point), beside.project(point)])
    found = triangulate((cameras[0], beside), pixels, np.ones((2, 1)), threshold_px=5)
    assert np.isnan(found.positions).all()


def test_bundle_adjustment_puts_displaced_cameras_back(rendered):
    rig, cameras, positions, places = rendered
    rng = np.random.default_rng(3)
    moved = [cameras[0]] + [
        replace(
            camera,
            rotation=camera.rotation + rng.normal(0, 0.006, 3),
            translation=camera.translation + rng.normal(0, 0.4, 3),
        )
        for camera in cameras[1:]
    ]
    before = reconstruct(moved, views_of(rig, places), ReconstructionOptions(threshold_px=30))
    made = reconstruct(
        moved, views_of(rig, places), ReconstructionOptions(threshold_px=30, refine="extrinsics")
    )
    assert np.nanmedian(before.mean_errors_px) > 1.5
    assert np.nanmedian(made.mean_errors_px) < 0.1
    assert made.refined.error_before_px > 1.5 > 0.1 > made.refined.error_after_px
    # the first camera stays, and the scale is that of the distance to the second, as it was given
    was = np.linalg.norm(moved[1].centre - moved[0].centre)
    scale = was / np.linalg.norm(cameras[1].centre - cameras[0].centre)
    expected = cameras[0].centre + scale * (positions - cameras[0].centre)
    assert np.median(away(made, expected)) < 0.05
    with pytest.raises(KeypointError, match="refined by 20 points or more"):
        few = [replace(v, predictions=as_predictions(p[:2], frame_rate_hz=50.0))
               for v, p in zip(views_of(rig, places), places, strict=True)]  # fmt: skip
        reconstruct(cameras, few, ReconstructionOptions(refine="extrinsics"))


def test_frames_go_by_clocks_and_not_by_their_numbers(rendered):
    """A camera that lost frames, and began later: by index every later pair would be of two moments."""
    rig, cameras, positions, places = rendered
    kept = np.delete(np.arange(40), [0, 1, 10, 25, 26])
    views = views_of(rig, [places[0], places[1], places[2][kept]])
    clock = 1.7e6 + TIMES
    views = [replace(view, frame_times_s=clock) for view in views[:2]] + [
        replace(views[2], frame_times_s=clock[kept] + 0.004)
    ]
    made = reconstruct(cameras, views)
    assert np.median(away(made, positions)) < 0.02 and (made.n_views[[0, 1, 10, 25, 26]] == 2).all()
    assert made.seen.frame_numbers[2].tolist()[:4] == [-1, -1, 0, 1]
    assert "5 of 40 frames of left have no frame of top within 10 ms" in made.notes
    by_index = reconstruct(
        cameras, views_of(rig, [places[0][kept], places[1][kept], places[2][:35]])
    )
    assert np.nanmedian(by_index.mean_errors_px) > 1


def test_individuals_and_body_parts_go_by_their_names(rendered):
    rig, cameras, positions, places = rendered
    views = views_of(rig, places[:2])
    swapped = views[1].predictions.reordered(PARTS[::-1])
    renamed = replace(
        swapped, body_parts=("jaw", "whisker", "eye", "snout"), individuals=("other name",)
    )
    made = reconstruct(cameras, [views[0], replace(views[1], predictions=renamed)])
    assert made.seen.body_parts == ("eye", "whisker", "jaw")
    assert np.median(away(made, positions[:, 1:])) < 0.02
    assert "seen by a single camera, and left out: nose, snout" in made.notes


def test_what_does_not_fit_together_is_refused(rendered):
    rig, cameras, _, places = rendered
    views = views_of(rig, places[:2])
    strange = [views[0], replace(views[1], camera="middle")]
    with pytest.raises(KeypointError, match="keypoints are given for middle; the calibration has"):
        reconstruct(cameras, strange)
    with pytest.raises(KeypointError, match="two cameras or more, each once"):
        reconstruct(cameras, views[:1])
    far = replace(views[1], predictions=as_predictions(places[1] + 400, frame_rate_hz=50.0))
    with pytest.raises(KeypointError, match=r"100% of the keypoints of camera right.*320 x 240 px"):
        reconstruct(cameras, [views[0], far])
    no_rate = replace(views[1], predictions=as_predictions(places[1]))
    with pytest.raises(KeypointError, match="nothing says when the frames of camera right"):
        reconstruct(cameras, [views[0], no_rate])
    with pytest.raises(KeypointError, match="camera right has 39 frame times"):
        reconstruct(cameras, [views[0], replace(views[1], frame_times_s=TIMES[:39])])
    with pytest.raises(KeypointError, match="the threshold is 0; expected pixels above 0"):
        ReconstructionOptions(threshold_px=0)
