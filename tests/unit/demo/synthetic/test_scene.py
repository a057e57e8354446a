"""The scene is what it says: its pictures follow its formulas, and the file holds the pictures."""

import av
import numpy as np
import pytest

from element_facerhythm.core.rois import place_rois, polygon_mask
from element_facerhythm.demo.synthetic import Renderer, make_scene_video, plan_scene
from element_facerhythm.demo.synthetic.drawing import SUPERSAMPLING
from element_facerhythm.demo.synthetic.render import warp
from element_facerhythm.errors import RequestError


@pytest.fixture(scope="module")
def scene():
    return plan_scene(n_frames=300)


@pytest.fixture(scope="module")
def renderer(scene):
    return Renderer(scene)


def ramp(shape, axis):
    """Picture whose gray level is its own frame coordinate along `axis`."""
    size = [side * SUPERSAMPLING for side in shape]
    coordinate = (np.arange(size[axis]) - (SUPERSAMPLING - 1) / 2) / SUPERSAMPLING
    return np.broadcast_to(np.expand_dims(coordinate, 1 - axis).astype(np.float32), size).copy()


@pytest.mark.parametrize("frame_index", [13, 60, 141, 264, 290])
def test_picture_shows_each_point_where_the_formula_puts_it(scene, renderer, frame_index):
    """Warped coordinate ramps say which resting point a pixel shows; the formula must lead back."""
    backward = renderer.backward_map(frame_index / scene.frame_rate_hz)
    shape = (scene.height_px, scene.width_px)
    shown = np.stack([warp(ramp(shape, 1), backward), warp(ramp(shape, 0), backward)], axis=-1)
    inner = (slice(8, -8), slice(8, -8))
    positions = scene.true_positions(shown[inner].reshape(-1, 2), [frame_index])[0]
    y, x = np.mgrid[inner[0].start : shape[0] - 8, inner[1].start : shape[1] - 8]
    error = np.abs(positions - np.stack([x.ravel(), y.ravel()], axis=-1))
    assert error.max() < 0.01


def test_motion_is_the_sum_of_its_sources_and_starts_at_rest(scene):
    points = scene.rois.seed_polygons[0]
    parts = sum(scene.source_displacements(source, points) for source in scene.sources)
    positions = scene.true_positions(points)
    np.testing.assert_allclose(positions, points + parts, atol=1e-12)
    np.testing.assert_allclose(positions[0], points, atol=1e-12)


@pytest.mark.parametrize("name", ["whisking", "sniffing", "chewing"])
def test_each_rhythm_has_its_frequency(name):
    scene = plan_scene(n_frames=1200)
    source = scene.source(name)
    course = source.time_course(scene.times_s())
    spectrum = np.abs(np.fft.rfft(course))
    peak_hz = np.fft.rfftfreq(len(course), 1 / scene.frame_rate_hz)[spectrum.argmax()]
    assert peak_hz == pytest.approx(source.frequency_hz, abs=0.2)
    finely = source.time_course(np.linspace(0, scene.duration_s, 50_000))
    assert np.abs(finely).max() == pytest.approx(source.amplitude_px, rel=0.02)


def test_fixed_seed_gives_the_same_frames_and_another_seed_does_not():
    def frame(seed):
        return Renderer(plan_scene(n_frames=20, width_px=128, height_px=96, seed=seed)).frame(0)

    np.testing.assert_array_equal(frame(3), frame(3))
    assert (frame(3) != frame(4)).mean() > 0.5


def test_paw_and_lid_hide_points_and_only_while_they_are_there(scene):
    pad = scene.layout.to_px([[236.0, 150.0]])
    eye = scene.layout.to_px([[166.0, 110.0]])
    hidden_pad, hidden_eye = scene.occluded(pad)[:, 0], scene.occluded(eye)[:, 0]
    times = scene.times_s()
    assert hidden_pad.any() and scene.paw.present(times)[hidden_pad].all()
    assert hidden_eye.any() and (scene.lid(times)[hidden_eye] > 0).all()
    assert not scene.occluded(scene.layout.to_px([[145.0, 150.0]])).any()
    bare = plan_scene(n_frames=300, with_paw=False)
    assert not bare.occluded(pad).any()


def test_light_is_the_only_thing_that_changes_the_still_background(scene, renderer):
    levels = []
    for index in (0, 2, 4, 7):
        levels.append(renderer.frame(index)[10:50, 220:310].mean())
    expected = scene.light(scene.times_s([0, 2, 4, 7]))
    np.testing.assert_allclose(np.array(levels) / levels[0], expected / expected[0], atol=0.01)


def test_rois_seed_points_on_the_moving_face(scene):
    placed = place_rois(scene.rois, height_px=240, width_px=320, spacing_px=8)
    assert 80 < len(placed.point_positions) < 400
    for name in ("whisking", "sniffing", "chewing", "blink"):
        assert scene.source(name).region.weight(placed.point_positions).max() > 0.8
    mask = polygon_mask(scene.rois.mask_polygons[0], height_px=240, width_px=320)
    assert (placed.seed_mask <= mask).all()


def test_file_holds_the_frames_their_rate_and_a_date(tmp_path):
    path = tmp_path / "scene.mp4"
    seen = []
    scene = make_scene_video(
        path, n_frames=48, frame_rate_hz=29.97, width_px=160, height_px=120, on_frame=seen.append
    )
    assert scene.path == path and seen == list(range(1, 49))
    assert [item.name for item in tmp_path.iterdir()] == ["scene.mp4"]
    rendered = list(Renderer(plan_scene(
        n_frames=48, frame_rate_hz=29.97, width_px=160, height_px=120
    )).frames())  # fmt: skip
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert float(stream.average_rate) == pytest.approx(29.97, abs=1e-4)
        assert container.metadata["creation_time"].startswith("2026-01-15")
        decoded = [frame.to_ndarray(format="gray") for frame in container.decode(stream)]
    assert len(decoded) == 48
    difference = np.abs(np.array(decoded, dtype=float) - np.array(rendered, dtype=float))
    assert difference.mean() < 3.0


def test_truth_file_agrees_with_the_scene(tmp_path):
    scene = plan_scene(n_frames=60, width_px=160, height_px=120)
    scene.save_truth(tmp_path / "truth.npz", spacing_px=6)
    with np.load(tmp_path / "truth.npz") as truth:
        points = truth["points_px"]
        assert truth["positions_px"].shape == (60, len(points), 2)
        np.testing.assert_allclose(truth["positions_px"], scene.true_positions(points), atol=1e-4)
        rebuilt = np.einsum(
            "st,sp,sd->tpd", truth["time_courses_px"], truth["weights"], truth["directions"]
        )
        np.testing.assert_allclose(points + rebuilt, truth["positions_px"], atol=1e-4)
        assert list(truth["names"]) == [source.name for source in scene.sources]
    assert [item.name for item in tmp_path.iterdir()] == ["truth.npz"]


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"width_px": 321}, "width_px"),
        ({"height_px": 20}, "height_px"),
        ({"n_frames": 1}, "n_frames"),
        ({"frame_rate_hz": 15.0}, "frame_rate_hz"),
        ({"frame_rate_hz": float("nan")}, "frame_rate_hz"),
    ],
)
def test_impossible_scene_is_refused_before_anything_is_written(tmp_path, wrong, word):
    with pytest.raises(RequestError, match=word):
        make_scene_video(tmp_path / "scene.mp4", **wrong)
    assert list(tmp_path.iterdir()) == []


def test_failed_rendering_leaves_no_file(tmp_path):
    def stop(n_done):
        if n_done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_scene_video(
            tmp_path / "scene.mp4", n_frames=20, width_px=128, height_px=96, on_frame=stop
        )
    assert list(tmp_path.iterdir()) == []
