"""facemap's results by its layout: what it keeps, keeps of another region, and does not keep."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from element_facerhythm.errors import ProjectError
from element_facerhythm.io.facemap_proc import read_facemap_proc
from element_facerhythm.io.facemap_signals import (
    FacemapSignals,
    cut_between_videos,
    signals_of_facemap,
)
from tests.unit.io.facemap_files import BINS, N_FRAMES, SIDE, N, facemap_result, save_facemap


def read(tmp_path: Path, proc: dict[str, Any], ending: str = "npy") -> FacemapSignals:
    path = tmp_path / f"a_proc.{ending}"
    save_facemap(path, proc)
    return signals_of_facemap(read_facemap_proc(path))


@pytest.mark.parametrize("ending", ["npy", "mat"])
def test_singular_values_are_those_of_the_last_region_alone(tmp_path: Path, ending: str) -> None:
    proc = facemap_result()
    found = read(tmp_path, proc, ending)
    whole, region = found.regions
    assert (whole.index, region.index, region.name) == (0, 1, "motion 1")
    assert "singular_values" not in whole.tree["motion_svd"]
    assert region.tree["motion_svd"]["singular_values"].tolist() == [9, 4, 1]
    assert sum("motSv of the whole frame is not known" in note for note in found.notes) == 1
    assert "movie_svd" not in whole.tree
    assert np.array_equal(region.tree["motion_svd"]["projection"], proc["motSVD"][1])
    mask = np.moveaxis(proc["motMask_reshape"][1], 2, 0)
    assert np.array_equal(region.tree["motion_svd"]["mask"], mask)
    for own, factor in ((whole, 1), (region, 2)):
        assert np.isnan(own.tree["motion"][0])
        assert np.array_equal(own.tree["motion"][1:], factor * proc["true_energy"][1:])
    assert [region.tree[n].tolist() for n in ("x_range", "y_range_bin")] == [[4, 28], [2, 6]]
    assert found.summary["mean_frame"].shape == (BINS, BINS)


def test_masks_that_hold_their_singular_values_give_them(tmp_path: Path) -> None:
    proc = facemap_result(motSv=np.zeros(500, np.float32))
    lengths = np.float32([30, 20, 10])
    proc["motMask_reshape"] = [mask * lengths for mask in proc["motMask_reshape"]]
    found = read(tmp_path, proc)
    for region in found.regions:
        values = region.tree["motion_svd"]["singular_values"]
        assert values == pytest.approx(lengths.astype(float), rel=1e-5)
    assert sum("taken from its masks" in note for note in found.notes) == 2


@pytest.mark.parametrize("ending", ["npy", "mat"])
def test_what_was_not_measured_is_left_out(tmp_path: Path, ending: str) -> None:
    zeros = np.zeros(N_FRAMES, np.float32)
    blink = np.random.default_rng(1).random(N_FRAMES)
    proc = facemap_result(
        motion=[np.zeros(0, np.float32), zeros],
        motSVD=[np.zeros((0, 1), np.float32), np.zeros((N_FRAMES, N), np.float32)],
        blink=[blink],
    )
    proc["rois"].append({**proc["rois"][0], "rind": 2})
    found = read(tmp_path, proc, ending)
    assert [(region.index, region.kind) for region in found.regions] == [(2, "blink")]
    assert np.array_equal(found.regions[0].tree["opening"], blink)
    assert any("motion energy of motion 1 is 0 throughout" in note for note in found.notes)
    with pytest.raises(ProjectError, match="holds no signal: all of its traces are empty or zero"):
        read(tmp_path, facemap_result(motion=[zeros, zeros], motSVD=[], rois=None))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"Ly": [SIDE, SIDE]}, "expected one whole number"),
        ({"filenames": [["a.avi", "b.avi"]]}, "is of 2 cameras"),
        ({"sbin": 0}, "sbin is 0"),
        ({"motion": [np.ones(N_FRAMES), np.ones(N_FRAMES - 1)]}, "has 1199 frames"),
        ({"motMask_reshape": [np.ones((BINS, BINS, 2))] * 2}, "there are 3 projections"),
        ({"motion": "x"}, "array of numbers was expected"),
        ({"rois": [{"rind": 1, "xrange": np.arange(90), "yrange": np.arange(4),
                    "xrange_bin": np.arange(3), "yrange_bin": np.arange(1)}]}, "beyond the frame"),
        ({"rois": [{"rind": 0, "xrange": np.arange(9), "yrange": np.arange(4)}]}, "and 0 pupils"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_refused(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(ProjectError, match=says):
        read(tmp_path, facemap_result(**changes))


def test_nothing_moves_between_two_videos(tmp_path: Path) -> None:
    found = read(tmp_path, facemap_result())
    before = found.regions[0].tree["motion"].copy()
    cut_between_videos(found, [700, N_FRAMES - 700])
    motion = found.regions[0].tree["motion"]
    assert np.flatnonzero(np.isnan(motion)).tolist() == [0, 700]
    assert np.array_equal(np.delete(motion, 700), np.delete(before, 700), equal_nan=True)
    cut_between_videos(again := read(tmp_path, facemap_result()), [N_FRAMES])
    assert np.array_equal(again.regions[0].tree["motion"], before, equal_nan=True)


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a_proc.npy"
    np.save(path, {"filenames": []})
    with pytest.raises(ProjectError, match="it lacks Ly, Lx, motion"):
        read_facemap_proc(path)
    np.save(path, np.ones(3))
    with pytest.raises(ProjectError, match="it is no object that numpy saved"):
        read_facemap_proc(path)
    mat = tmp_path / "a_proc.mat"
    mat.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512, b"\0"))
    with pytest.raises(ProjectError, match=r"a \.mat of MATLAB 7\.3"):
        read_facemap_proc(mat)
    mat.write_bytes(b"MATLAB 5.0 MAT-file".ljust(60, b"\x07") * 9)
    with pytest.raises(ProjectError, match="cannot be read as a _proc of facemap"):
        read_facemap_proc(mat)
