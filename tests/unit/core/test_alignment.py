"""A camera that was turned and shifted by known amounts, and pictures that have nothing in common."""

import cv2
import numpy as np
import pytest

from element_facerhythm.core.alignment import align
from element_facerhythm.demo.synthetic import Renderer, plan_scene
from element_facerhythm.errors import RoiError

SCENE = plan_scene(n_frames=2)
FACE = Renderer(SCENE).frame(0)
REGION = np.zeros(FACE.shape, bool)
REGION[85:200, 130:285] = True


def seen_by_a_moved_camera(turn_deg, shift, scale=1.0, seed=0):
    matrix = cv2.getRotationMatrix2D((160, 120), turn_deg, scale)
    matrix[:, 2] += shift
    moved = cv2.warpAffine(
        FACE.astype(np.float32), matrix, (320, 240), borderMode=cv2.BORDER_REFLECT
    )
    noise = np.random.default_rng(seed).normal(0, 2, moved.shape)
    return matrix, np.clip(0.8 * moved + 10 + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("turn_deg", "shift", "scale"),
    [
        (0, (0, 0), 1),
        (0, (23, -14), 1),
        (4, (-8, 5), 1),
        (-11, (12, 10), 1.04),
        (17, (-20, 6), 0.97),
    ],
)
def test_vertices_move_as_the_camera_did(turn_deg, shift, scale):
    matrix, other = seen_by_a_moved_camera(turn_deg, shift, scale)
    found = align(FACE, other, REGION)
    polygon = SCENE.rois.seed_polygons[0]
    truth = polygon @ matrix[:, :2].T + matrix[:, 2]
    assert np.abs(found.moved(polygon) - truth).max() < 0.5
    assert found.doubts() == ()
    assert found.residual_px < 0.5
    assert found.turn_deg == pytest.approx(-turn_deg, abs=0.3)


def test_another_picture_is_not_trusted():
    rng = np.random.default_rng(4)
    foreign = cv2.GaussianBlur(rng.normal(0, 400, FACE.shape), (0, 0), 4) + 120
    for other in (np.clip(foreign, 0, 255).astype(np.uint8), np.full_like(FACE, 90)):
        assert align(FACE, other, REGION).doubts()


def test_a_mirrored_face_is_not_trusted():
    assert align(FACE, np.ascontiguousarray(FACE[:, ::-1]), REGION).doubts()


def test_frames_of_two_sizes_are_refused():
    with pytest.raises(RoiError, match="320 x 240 and 240 x 320"):
        align(FACE, np.ascontiguousarray(FACE.T), REGION)
