import json
import os
import time

import h5py
import numpy as np
import pytest

from element_facerhythm.core.rois import Rois
from element_facerhythm.errors import RoiError
from element_facerhythm.io.region_labels import full_labels, naming_note
from element_facerhythm.io.rois_file import read_rois, rois_from_mapping, write_rois
from element_facerhythm.pipeline.run.fingerprint import rois_sha256

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


def test_files_without_exclusions_keep_the_digest_that_rows_and_products_have():
    square = [[0, 0], [9, 0], [9, 9], [0, 9]]
    before = "5fd5f06a5d5766312268df9ba4c445d56d93919a675c538e500bd9408fadf6f5"
    drawn = {"points": [square, square], "mask": [square]}
    for value in (drawn, {**drawn, "exclude": []}):
        assert rois_sha256(rois_from_mapping(value)) == before
    excluding = rois_from_mapping({**drawn, "exclude": [square]})
    assert rois_sha256(excluding) != before
    assert rois_sha256(excluding) != rois_sha256(rois_from_mapping({**drawn, "mask": [square] * 2}))


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
    started = time.process_time()
    with pytest.raises(RoiError, match=message) as refusal:
        read_rois(path)
    assert str(path) in str(refusal.value) and len(str(refusal.value)) < 700
    # of this process alone: what else the machine does is no fault of the file
    assert time.process_time() - started < 5


def test_what_is_no_regular_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "rois.json")
    for path in (tmp_path / "rois.json", tmp_path, "/dev/zero"):
        with pytest.raises(RoiError, match="expected a regular file"):
            read_rois(path)


@pytest.mark.parametrize("kind", ["json", "h5", "rows"])
def test_what_does_not_fit_a_frame_is_told_with_where_it_is_from(tmp_path, kind):
    from element_facerhythm.core.rois import place_rois, seed_region
    from element_facerhythm.facial_behavior_estimation.roi import rois_as_entered
    from element_facerhythm.pipeline.run.fingerprint import rois_sha256

    square, far = [[4, 4], [20, 4], [20, 20]], [[4, 4], [90, 4], [4, 30]]
    path = tmp_path / f"rois.{kind}"
    if kind == "h5":
        write_face_rhythm_rois(path)
        rois, source = read_rois(path), str(path)
        size = {"height_px": 7, "width_px": 9}
        words = ("mask 'points' is", "9 x 7")
    else:
        path.write_text(json.dumps({"points": [square, far]}))
        rois, source = read_rois(path), str(path)
        if kind == "rows":
            key = {"subject": "mouse1", "roi_id": 3}
            polygons = [("points", square), ("points", far)]
            masks = dict.fromkeys(("point_positions", "seed_mask", "visible_mask"))
            rois = rois_as_entered(key, polygons, masks, rois_sha256(rois))
            source = f"FaceRhythmROI {key}"
        size = {"height_px": 40, "width_px": 60}
        words = ("points[1] (x 4 to 90, y 4 to 30)", "vertex 1", "60 x 40 px")
    uses = [lambda: place_rois(rois, **size, spacing_px=5)]
    if rois.point_positions is None:
        uses.append(lambda: seed_region(rois, **size))
    for use in uses:
        with pytest.raises(RoiError) as refusal:
            use()
        text = str(refusal.value)
        assert text.count(source) == 1
        assert kind == "h5" or all(word in text for word in words)


def test_points_outside_the_frame_are_told_with_its_true_size(tmp_path):
    from element_facerhythm.core.rois import Rois, place_rois

    points = np.array([[3, 3], [39.6, 5]], dtype=np.float32)
    with pytest.raises(RoiError, match=r"point 1 at \(x=39\.6, y=5\) .* 40 x 30 px"):
        place_rois(Rois(point_positions=points), height_px=30, width_px=40, spacing_px=5)


SQUARE = [[0, 0], [9, 0], [9, 9], [0, 9]]
TWO = {"points": [SQUARE, SQUARE], "mask": [SQUARE]}


@pytest.mark.parametrize(
    ("given", "names", "kinds"),
    [
        ({}, ["points_0", "points_1", "mask_0"], ["motion", "motion", "mask"]),
        ({"names": ["nose", "eye"]}, ["nose", "eye", "mask_0"], ["motion", "motion", "mask"]),
        ({"names": ["a", None, "c"]}, ["a", "points_1", "c"], ["motion", "motion", "mask"]),
        (
            {"exclude": [SQUARE], "names": ["a", "b", "c", "d"]},
            ["a", "b", "c", "d"],
            ["motion", "motion", "mask", "exclude"],
        ),
        (
            {"names": {"mask": ["face"]}, "kinds": {"points": ["motion SVD", "Pupil"]}},
            ["points_0", "points_1", "face"],
            ["motion", "pupil", "mask"],
        ),
    ],
)
def test_polygons_have_names_and_kinds(tmp_path, given, names, kinds):
    path = tmp_path / "rois.json"
    path.write_text(json.dumps({**TWO, **given}))
    rois = read_rois(path)
    labels = [label for role in full_labels(rois).values() for label in role]
    assert [label.name for label in labels] == names
    assert [label.kind for label in labels] == kinds
    note = naming_note(rois) or ""
    assert [name for name in names if f"{name} (" in note] == [n for n in names if "_" in n]
    write_rois(rois, path)
    again = read_rois(path)
    assert (again.seed_labels, again.mask_labels) == (rois.seed_labels, rois.mask_labels)
    assert again.exclude_labels == rois.exclude_labels
    polygons = {**TWO, "exclude": given.get("exclude", [])}
    assert rois_sha256(again) == rois_sha256(rois_from_mapping(polygons))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"names": ["one"]}, "'names' is .*; expected one text for each polygon"),
        ({"names": {"points": ["one"]}}, "'names' of 'points' is .* each of its 2 polygons"),
        ({"names": {"face": ["one"]}}, "expected one text for each polygon"),
        ({"names": ["nose", "nose"]}, "the name 'nose' stands for two polygons of 'points'"),
        ({"names": ["nose", ""]}, "'' is no name of a region"),
        ({"names": ["nose", "x" * 65]}, "expected a text of 1 to 64 characters"),
        ({"names": ["nose", 3]}, "3 is no name of a region"),
        ({"kinds": ["motion", "whisk"]}, "'whisk' is no kind of region; expected one of motion, "),
        ({"names": {"exclude": ["eye"]}}, "'names' of 'exclude' is .* each of its 0 polygons"),
        ({"kind": ["motion"]}, "unknown key 'kind'; did you mean 'kinds'"),
    ],
)
def test_wrong_names_and_kinds_are_refused(given, message):
    with pytest.raises(RoiError, match=message):
        rois_from_mapping({**TWO, **given}, "rois.json")
