import numpy as np
import pytest

from element_facerhythm.pipeline.results import point_statistics
from element_facerhythm.pipeline.results.point_statistics import PointStatistics


@pytest.mark.parametrize("block_bytes", [1, 16 * 3 * 4, 1 << 25])
def test_blocks_do_not_change_the_numbers(monkeypatch, block_bytes):
    monkeypatch.setattr(point_statistics, "_BLOCK_BYTES", block_bytes)
    rng = np.random.default_rng(0)
    homes = rng.normal(size=(3, 2)).astype(np.float32)
    videos = [rng.normal(size=(n, 3, 2)).astype(np.float32) for n in (17, 1, 9)]
    statistics = PointStatistics(homes)
    for points in videos:
        statistics.add_video(points, np.array([0, 2, 2], dtype=np.int32))
    distance = np.linalg.norm(np.concatenate(videos).astype(float) - homes, axis=2)
    steps = [np.linalg.norm(np.diff(v.astype(float), axis=0), axis=2).sum(0) for v in videos]
    np.testing.assert_allclose(
        statistics.rms_displacement_px, np.sqrt(np.square(distance).mean(axis=0))
    )
    np.testing.assert_allclose(statistics.max_displacement_px, distance.max(axis=0))
    np.testing.assert_allclose(statistics.path_length_px, sum(steps))
    np.testing.assert_allclose(statistics.violation_fraction, np.array([3, 0, 6]) / 27)


def test_a_point_on_a_circle_goes_its_circumference():
    angle = np.linspace(0, 2 * np.pi, 2001)
    circle = 5 * np.stack([np.cos(angle), np.sin(angle)], axis=-1)[:, None]
    statistics = PointStatistics(np.zeros((1, 2), np.float32))
    statistics.add_video(circle.astype(np.float32), np.array([], dtype=np.int32))
    np.testing.assert_allclose(statistics.path_length_px, 10 * np.pi, rtol=1e-4)
    np.testing.assert_allclose(statistics.rms_displacement_px, 5, rtol=1e-6)
