import os
import time

import h5py
import numpy as np
import pytest

from element_facerhythm.core.rois import Rois
from element_facerhythm.errors import RoiError
from element_facerhythm.io.rois_file import read_rois, rois_from_mapping, write_rois

TRIANGLE = np.array([[1.5, 2], [30, 4], [8, 40]])


def test_polygons_survive_a_file(tmp_path):
    rois = Rois(seed_polygons=(TRIANGLE, TRIANGLE + 1), mask_polygons=(TRIANGLE * 2,))
    write_rois(rois, tmp_path / "rois.json")
    read = read_rois(tmp_path / "rois.json")
    for before, after in zip(
        (*rois.seed_polygons, *rois.mask_polygons),
        (*read.seed_polygons, *read.mask_polygons),
        strict=True,
    ):
        np.testing.assert_array_equal(before, after)
    assert (len(read.seed_polygons), len(read.mask_polygons)) == (2, 1)


def test_a_mask_may_be_left_out():
    assert rois_from_mapping({"points": [TRIANGLE.tolist()]}).mask_polygons == ()
    assert rois_from_mapping({"points": [TRIANGLE.tolist()], "mask": []}).mask_polygons == ()


def test_rois_without_polygons_cannot_become_json(tmp_path):
    with pytest.raises(RoiError, match="no polygon"):
        write_rois(Rois(point_positions=np.zeros((1, 2), np.float32)), tmp_path / "rois.json")
    assert not (tmp_path / "rois.json").exists()


def write_face_rhythm_rois(path, n_masks=2, **extra):
    """ROIs.h5 as face-rhythm writes it."""
    masks = [np.zeros((20, 30), bool) for _ in range(n_masks)]
    for i, mask in enumerate(masks):
        mask[: i + 1] = True
    with h5py.File(path, "w") as file:
        for i, mask in enumerate(masks):
            file[f"mask_images/mask_{i}"] = mask
            file[f"roi_points/ROI_{i}"] = TRIANGLE / 3 + i
        file["exampleImage"] = np.zeros((20, 30, 3), np.uint8)
        for name, value in extra.items():
            file[name] = value


def test_face_rhythms_file_gives_masks_and_points_as_they_are(tmp_path):
    path = tmp_path / "ROIs.h5"
    write_face_rhythm_rois(path, n_masks=11, point_positions=np.float32([[3, 4], [5, 6]]))
    rois = read_rois(path)
    # By number, not by alphabet: mask_10 is not the second.
    assert rois.seed_mask.sum() == 30
    assert rois.visible_mask.sum() == 60
    np.testing.assert_array_equal(rois.point_positions, [[3, 4], [5, 6]])
    np.testing.assert_allclose(rois.seed_polygons[0], TRIANGLE / 3)


def test_one_mask_leaves_the_whole_frame_visible(tmp_path):
    write_face_rhythm_rois(tmp_path / "ROIs.h5", n_masks=1)
    rois = read_rois(tmp_path / "ROIs.h5")
    assert rois.visible_mask is None
    assert rois.point_positions is None


def test_an_h5_file_is_known_by_its_content(tmp_path):
    write_face_rhythm_rois(tmp_path / "rois.json")
    assert read_rois(tmp_path / "rois.json").seed_mask.shape == (20, 30)


@pytest.mark.parametrize(
    ("n_masks", "extra", "message"),
    [
        (0, {}, "no mask under 'mask_images'"),
        (1, {"point_positions": np.zeros((3, 5))}, r"point_positions of shape \(3, 5\)"),
        (1, {"point_positions": np.full((3, 2), np.nan)}, "finite"),
        (0, {"mask_images/mask_0": np.zeros((4, 4))}, "expected a bool image"),
    ],
)
def test_an_odd_h5_file_is_refused(tmp_path, n_masks, extra, message):
    write_face_rhythm_rois(tmp_path / "ROIs.h5", n_masks=n_masks, **extra)
    with pytest.raises(RoiError, match=message):
        read_rois(tmp_path / "ROIs.h5")


def test_a_truncated_h5_file_is_a_wrong_roi_file(tmp_path):
    path = tmp_path / "ROIs.h5"
    write_face_rhythm_rois(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(RoiError, match=r"ROIs\.h5 cannot be read"):
        read_rois(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "is not valid JSON: it is nested deeper"),
        ('{"points": ' + "[" * 60 + "]" * 60 + "}", "is not valid JSON: it is nested deeper"),
        (
            '{"points": [[[1e308, 0], [0, 0], [0, 1]]]}',
            r"vertex 0 is \[1e\+308, 0\]; expected two finite",
        ),
        (
            '{"points": [[[0, 0], [0, 1], [%s, 0]]]}' % ("9" * 300),
            "vertex 2 is .*; expected two finite",
        ),
        ('{"points": [[[0, 0], [0, 1], [%s, 0]]]}' % ("9" * 5000), "more than 300 digits"),
        (
            '{"points": [[[0, 0], [0, 1], ["%s", 0]]]}' % ("x" * 10**6),
            "vertex 2 is .*; expected two finite",
        ),
        (
            '{"points": [' + ",".join(["[]"] * 10**6) + "]}",
            "1000000 polygons with 0 vertices; at most 1000 ",
        ),
        (
            '{"points": [[' + ",".join(["[0,0]"] * 10**6) + "]]}",
            "1000000 vertices; at most 1000 with 10000 ",
        ),
        ('{"%s": 1}' % ("k" * 10**6), "unknown key .*; did you mean"),
        ('{"points": [], "points": []}', "given twice"),
    ],
    ids=range(10),
)
def test_a_huge_or_hostile_file_is_refused_at_once_and_in_a_few_words(tmp_path, text, message):
    path = tmp_path / "rois.json"
    path.write_text(text)
    started = time.monotonic()
    with pytest.raises(RoiError, match=message) as refusal:
        read_rois(path)
    assert str(path) in str(refusal.value) and len(str(refusal.value)) < 700
    assert time.monotonic() - started < 5


def test_what_is_no_regular_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "rois.json")
    for path in (tmp_path / "rois.json", tmp_path, "/dev/zero"):
        with pytest.raises(RoiError, match="expected a regular file"):
            read_rois(path)
