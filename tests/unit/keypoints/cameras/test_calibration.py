"""Calibrations of Anipose and deeperfly: the same cameras from each, and a sentence for what is none."""

import json

import h5py
import numpy as np
import pytest

from element_facerhythm.errors import KeypointError
from element_facerhythm.keypoints.cameras import Camera, read_cameras
from element_facerhythm.keypoints.cameras.calibration_values import camera_of_facts
from tests.rendered_rig import CENTRE_PX, FOCAL_PX, LENS, SIZE_PX, Rig, moving_points

RIG = Rig()
POINTS = moving_points(np.linspace(0, 1, 7)).reshape(-1, 3)

SOLVED = """
[calibration]
format_version = 1
units = "mm"
"""
ORBITS = """
[cameras.defaults]
focal_length_px = [640.0, 650.0]
distortion_coefficients = [-0.12, 0.04, 0.001, -0.0015]
distance = 60.0
elevation_deg = 15
look_at = [0.0, 0.0, 0.0]
[cameras.left]
azimuth_deg = -30
principal_point_px = [158.0, 122.0]
[cameras.right]
azimuth_deg = 25
principal_point_px = [158.0, 122.0]
[cameras.top]
azimuth_deg = 70
[pipeline]
do_pose2d = true
"""


def solved(n_views=3) -> str:
    tables = [SOLVED]
    for view in range(n_views):
        shift = -RIG.axes(view) @ RIG.place(view)
        tables.append(
            f"[calibration.cameras.{RIG.names[view]}]\nrvec = {RIG.rotation(view).tolist()}\n"
            f"tvec = {shift.tolist()}\nintr = {[*FOCAL_PX, *CENTRE_PX]}\ndist = {list(LENS)}\n"
            f"image_size = [{SIZE_PX[1]}, {SIZE_PX[0]}]\n"
        )
    return "\n".join(tables)


def require_the_rig(cameras: tuple[Camera, ...], atol: float = 1e-9) -> None:
    assert [camera.name for camera in cameras] == ["left", "right", "top"]
    for view, camera in enumerate(cameras):
        np.testing.assert_allclose(camera.centre, RIG.place(view), atol=1e-9)
        np.testing.assert_allclose(camera.project(POINTS), RIG.seen(view, POINTS), atol=atol)


def test_anipose_and_deeperfly_describe_the_same_cameras(tmp_path):
    """Against formulas that the tests write anew, in pixels."""
    for name, text in (("anipose.toml", RIG.anipose()), ("solved.toml", solved())):
        path = tmp_path / name
        path.write_text(text)
        cameras = read_cameras(path)
        require_the_rig(cameras)
        assert {camera.size_px for camera in cameras} == {SIZE_PX}


def test_cameras_that_orbit_are_those_of_deeperflys_formulas(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(ORBITS)
    with pytest.raises(KeypointError, match=r"camera top has no principal_point_px.*--size top="):
        read_cameras(path)
    # the middle of frames of 317 x 245 px is (158, 122)
    require_the_rig(read_cameras(path, {"top": (317, 245)}))


def test_results_of_deeperfly_give_the_refined_cameras(tmp_path):
    path = tmp_path / "results.h5"
    shifts = np.stack([-RIG.axes(v) @ RIG.place(v) for v in range(3)])
    with h5py.File(path, "w") as file:
        for stage, moved in (("pose2d", 5.0), ("bundle_adjustment", 0.0)):
            group = file.create_group(f"{stage}/cameras")
            group["names"] = np.array(["left", "right", "top"], h5py.string_dtype())
            group["rvecs"] = np.stack([RIG.rotation(v) for v in range(3)])
            group["tvecs"] = shifts + moved
            group["intrs"] = np.tile([*FOCAL_PX, *CENTRE_PX], (3, 1))
            group["dists"] = np.tile(LENS, (3, 1))
        sizes = dict.fromkeys(("left", "right", "top"), SIZE_PX[::-1])
        file["pose2d"].attrs["image_sizes"] = json.dumps(sizes)
    cameras = read_cameras(path)
    require_the_rig(cameras)
    assert cameras[0].size_px == SIZE_PX
    with h5py.File(path, "r+") as file:
        del file["bundle_adjustment"]
    np.testing.assert_allclose(read_cameras(path)[0].translation, shifts[0] + 5)


def test_a_fisheye_bends_as_its_angle_says(tmp_path):
    """Of the equidistant model without coefficients, the distance from the middle is f times the angle."""
    text = RIG.anipose().replace(
        f"distortions = {list(LENS)}", "distortions = [0, 0, 0, 0]\nfisheye = true"
    )
    path = tmp_path / "calibration.toml"
    path.write_text(text)
    camera = read_cameras(path)[0]
    assert camera.is_fisheye
    right, down, forward = ((POINTS - RIG.place(0)) @ RIG.axes(0).T).T
    angle = np.arctan2(np.hypot(right, down), forward)
    turned = angle / np.hypot(right, down) * np.array([right, down]) * np.array(FOCAL_PX)[:, None]
    pixels = camera.project(POINTS)
    np.testing.assert_allclose(pixels, turned.T + CENTRE_PX, atol=1e-9)
    np.testing.assert_allclose(
        camera.rays(pixels), np.stack([right, down]).T / forward[:, None], atol=1e-9
    )
    same = camera_of_facts(json.loads(json.dumps(camera.facts)))
    np.testing.assert_array_equal(same.project(POINTS), pixels)


def test_slopes_are_those_of_small_steps():
    for is_fisheye in (False, True):
        lens = LENS[:4] if is_fisheye else LENS
        matrix = np.array([[640.0, 0, 158], [0, 650, 122], [0, 0, 1]])
        shift = -RIG.axes(1) @ RIG.place(1)
        camera = Camera("a", matrix, np.array(lens), RIG.rotation(1), shift, None, is_fisheye)
        by_position, _ = camera.slopes(POINTS)
        for axis in range(3):
            step = np.zeros(3)
            step[axis] = 1e-5
            change = (camera.project(POINTS + step) - camera.project(POINTS - step)) / 2e-5
            np.testing.assert_allclose(by_position[:, :, axis], change, rtol=1e-5, atol=1e-5)


def test_what_a_lens_cannot_have_bent_is_nowhere():
    """Far outside, strong distortion folds the picture over: no ray leads there."""
    matrix = np.array([[640.0, 0, 158], [0, 650, 122], [0, 0, 1]])
    camera = Camera("a", matrix, np.array([-0.9, 0.0, 0.0, 0.0]), np.zeros(3), np.zeros(3))
    rays = camera.rays(np.array([[158.0, 122.0], [180.0, 100.0], [900.0, 700.0], [np.nan, 3.0]]))
    assert np.isfinite(rays[:2]).all() and np.isnan(rays[2:]).all()


MATRIX = f"matrix = {[[640.0, 0.0, 158.0], [0.0, 650.0, 122.0], [0.0, 0.0, 1.0]]}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (MATRIX, "matrix = [[1, 0, 2], [0, 1, 2]]", r"a matrix of shape \(2, 3\); expected \(3, 3\)"),
        (MATRIX, "matrix = [[1, 0], [0, 1, 2]]", "camera left has a 'matrix' that is no array of numbers"),
        (MATRIX, "matrix = [[-5, 0, 2], [0, 5, 2], [0, 0, 1]]", "focal lengths -5 and 5 px; expected both"),
        (MATRIX, "matrix = [[5, 0, 2], [0, 5, 2], [9, 9, 1]]", r"expected \[\[fx, 0, cx\], \[0, fy, cy\]"),
        (MATRIX, "matrix = [[5, 0, nan], [0, 5, 2], [0, 0, 1]]", "matrix that is not finite"),
        (f"distortions = {list(LENS)}", f"distortions = {[0] * 15}", "15 coefficients"),
        (f"distortions = {list(LENS)}", 'distortions = ["a"]', "'distortions' that is no array of numbers"),
        (f"size = {list(SIZE_PX)}", "size = [320.5, 240]", "expected two whole numbers of pixels"),
        ('name = "left"', 'name = "right"', "two cameras are named right"),
        ('name = "left"', 'name = " left"', "expected a name without blanks"),
        ("rotation = [", "turned = [", "camera left lacks 'rotation'"),
        ("[cam_0]", "[cam_0", "is not valid TOML"),
    ],
)  # fmt: skip
def test_what_is_no_calibration_is_refused_with_a_sentence(tmp_path, old, new, message):
    path, text = tmp_path / "calibration.toml", RIG.anipose()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(KeypointError, match=message) as error:
        read_cameras(path)
    assert str(path) in str(error.value)


def test_files_of_something_else_are_refused(tmp_path):
    path = tmp_path / "calibration.toml"
    path.write_text('[tool]\nname = "x"\n')
    with pytest.raises(KeypointError, match="has the tables tool; expected"):
        read_cameras(path)
    path.write_text(solved(1))
    with pytest.raises(KeypointError, match="describes 1 cameras; two views at least"):
        read_cameras(path)
    path.write_text(solved().replace("format_version = 1", "format_version = 2"))
    with pytest.raises(KeypointError, match="format version 2 of deeperfly's calibrations"):
        read_cameras(path)
    path.write_text(ORBITS.replace("azimuth_deg = 25", "rvec = [0, 0, 1]"))
    with pytest.raises(KeypointError, match="camera right has rvec; a config of deeperfly has"):
        read_cameras(path)
    path.write_text(ORBITS.replace("elevation_deg = 15", "elevation_deg = 90"))
    with pytest.raises(KeypointError, match="less than 90 up or down"):
        read_cameras(path)
    with pytest.raises(KeypointError, match="does not exist"):
        read_cameras(tmp_path / "none.toml")
    path.write_text(RIG.anipose())
    with pytest.raises(
        KeypointError, match=r"calibrated for frames of 320 x 240 px, and 640 x 480"
    ):
        read_cameras(path, {"left": (640, 480)})
