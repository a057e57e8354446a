"""A `_proc.npy` of facemap is read without unpickling, and a hostile one does nothing."""

import pickle
import struct
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest

from element_facerhythm.core.rois import polygon_mask
from element_facerhythm.errors import RoiError
from element_facerhythm.files.plain_npy import Held, read_npy_object
from element_facerhythm.io.rois_file import read_rois

HEIGHT, WIDTH = 120, 160
SIZE = {"height_px": HEIGHT, "width_px": WIDTH}


def ellipse(n_rows, n_columns, cut=0):
    """Mask of an ellipse in its box, its right `cut` columns beyond the frame."""
    y, x = np.mgrid[:n_rows, :n_columns]
    mask = ((y - n_rows / 2) / (n_rows / 2)) ** 2 + (
        (x - n_columns / 2) / (n_columns / 2)
    ) ** 2 <= 1
    return mask[:, : n_columns - cut]


def region(rind, y, x, *, ivid=0, mask=None, reflectors=()):
    """What facemap keeps of a region that was drawn, with the types that its window gives."""
    yrange, xrange = np.arange(*y, dtype=np.int32), np.arange(*x, dtype=np.int32)
    names = ("Pupil", "motion SVD", "Blink", "Running", "movie SVD")
    found = {
        "rind": rind,
        "rtype": names[rind],
        "iROI": 0,
        "ivid": np.int64(ivid),
        "color": (np.float64(200.0), 3.0, np.float64(0.0)),
        "yrange": yrange,
        "xrange": xrange,
        "saturation": 255,
        "pupil_sigma": 2.5,
        "ellipse": ellipse(len(yrange), len(xrange)) if mask is None else mask,
    }
    if reflectors:
        found["reflector"] = list(reflectors)
    return found


def proc(*regions, **more):
    """Dictionary of `facemap.process.run`, in its order."""
    return {
        "filenames": [["/data/cam1.mp4"]],
        "save_path": "/data",
        "Ly": [HEIGHT],
        "Lx": [WIDTH],
        "sbin": 3,
        "avgframe": [np.arange(2000, dtype=np.float32)],
        "motSVD": [np.zeros((10, 500), np.float32), np.asfortranarray(np.ones((10, 3)))],
        "pupil": [{"area": np.ones(10), "com": np.ones((10, 2))}],
        "rois": list(regions) or None,
        "sy": np.array([0]),
        "sx": np.array([0]),
        **more,
    }


REFLECTION = {"yrange": np.arange(5, 11), "xrange": np.arange(4, 12), "ellipse": ellipse(6, 8)}
PUPIL = region(0, (20, 61), (30, 81), reflectors=[REFLECTION])
BLINK = region(2, (20, 61), (120, 160), mask=ellipse(41, 60, cut=20))
MOTION = region(1, (70, 101), (10, 60))
RUNNING = region(3, (105, 120), (100, 150))


def saved(path, value):
    np.save(path, value)
    return path


def in_frame(found, mask=None):
    whole = np.zeros((HEIGHT, WIDTH), bool)
    y, x = found["yrange"], found["xrange"]
    whole[np.ix_(y, x)] = True if mask is None else mask
    return whole


def overlap(one, other):
    return (one & other).sum() / (one | other).sum()


def test_every_region_covers_the_pixels_that_facemap_looks_at(tmp_path):
    rois = read_rois(saved(tmp_path / "mouse_proc.npy", proc(PUPIL, MOTION, BLINK, RUNNING)))
    (motion,) = rois.seed_polygons
    masks = [polygon_mask(polygon, **SIZE) for polygon in rois.signal_polygons]
    assert overlap(masks[0], in_frame(PUPIL, PUPIL["ellipse"])) > 0.97
    assert overlap(masks[1], in_frame(BLINK, BLINK["ellipse"])) > 0.97
    assert np.array_equal(polygon_mask(motion, **SIZE), in_frame(MOTION))
    assert np.array_equal(masks[2], in_frame(RUNNING))
    assert [(label.name, label.kind) for label in (*rois.seed_labels, *rois.signal_labels)] == [
        ("motion SVD 1", "motion"), ("pupil 1", "pupil"), ("blink 1", "blink"), ("running 1", "running"),
    ]  # fmt: skip
    reflected = {
        **REFLECTION,
        "yrange": REFLECTION["yrange"] + 20,
        "xrange": REFLECTION["xrange"] + 30,
    }
    assert (
        overlap(
            polygon_mask(rois.exclude_polygons[0], **SIZE),
            in_frame(reflected, reflected["ellipse"]),
        )
        > 0.9
    )
    assert rois.exclude_labels[0].name == "pupil 1 reflection 1"
    assert any("running" in note for note in rois.notes) and any(
        "reflection" in note for note in rois.notes
    )


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_pickles_of_every_protocol_that_numpy_saves_with_are_read_as_pickle_reads_them(
    tmp_path, protocol
):
    value = proc(PUPIL, MOTION)
    path = tmp_path / "proc.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|O", "fortran_order": False, "shape": ()}
        )
        pickle.dump(np.array(value, dtype=object), file, protocol=protocol)
    with path.open("rb") as file:
        found = read_npy_object(file)

    def same(a, b):
        a = a.value if isinstance(a, Held) else a
        if isinstance(b, dict):
            return a.keys() == b.keys() and all(same(a[k], b[k]) for k in b)
        if isinstance(b, list | tuple):
            return len(a) == len(b) and all(map(same, a, b))
        if isinstance(b, np.ndarray):
            return a.dtype == b.dtype and np.array_equal(a, b)
        return a == b and (isinstance(b, np.generic) or type(a) is type(b))

    assert same(found, value)


def test_cameras_are_kept_apart(tmp_path):
    path = saved(tmp_path / "two_proc.npy", proc(PUPIL, region(1, (5, 30), (5, 40), ivid=1)))
    with pytest.raises(RoiError, match=r"cameras \[0, 1\], .* --view N"):
        read_rois(path)
    second = read_rois(path, view=1)
    assert second.seed_polygons[0].min(axis=0).tolist() == [5, 5]
    assert any("1 regions of other cameras" in note for note in second.notes)
    with pytest.raises(RoiError, match="no region of camera 2"):
        read_rois(path, view=2)


def without(found, name):
    return {key: value for key, value in found.items() if key != name}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (proc(), "holds no regions of facemap"),
        (proc(rois=0), "holds no regions of facemap"),
        ([1, 2], "no object that numpy saved"),
        ({"a": 1}, "holds no regions of facemap"),
        (proc({**MOTION, "rind": 9}), "type 9; expected 0 to 4"),
        (proc({**MOTION, "rind": "1"}), "'1' is no number of a type"),
        (proc(without(MOTION, "rind")), "no number of a type"),
        (proc(without(MOTION, "xrange")), "xrange: None is no list of pixels"),
        (proc({**MOTION, "xrange": np.array([3, 9])}), "do not follow each other"),
        (proc({**MOTION, "xrange": np.arange(1)}), "has 1 pixels"),
        (proc({**MOTION, "xrange": np.linspace(0, 1, 9)}), "no list of pixels"),
        (proc({**PUPIL, "ellipse": np.ones((3, 3), bool)}), "no mask of 41 x 51 pixels"),
        (proc({**PUPIL, "reflector": 3}), "its reflections are 3"),
        (proc(3), "region 0: None is no number of a type"),
    ],
)
def test_other_files_are_refused(tmp_path, value, message):
    path = tmp_path / "a.npy"
    np.save(path, np.array(value) if isinstance(value, list) else value)
    with pytest.raises(RoiError, match=message) as refusal:
        read_rois(path)
    assert str(path) in str(refusal.value) and len(str(refusal.value)) < 500


class Hostile:
    """Leaves a file where it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (Path(self.mark),)


def test_nothing_in_a_file_is_run(tmp_path):
    mark = tmp_path / "run"
    found = {**MOTION, "color": Hostile(mark)}
    path = saved(tmp_path / "a_proc.npy", proc(found, save_path=Path("/data"), x=Hostile(mark)))
    assert len(read_rois(path).seed_polygons) == 1  # what is of another program is passed over
    assert not mark.exists()
    np.load(path, allow_pickle=True)
    assert mark.exists(), "the file must be one that runs something where it is unpickled"


def test_stated_lengths_are_not_believed(tmp_path):
    header = tmp_path / "head.npy"
    np.save(header, {"rois": 1})
    head = header.read_bytes()[:128]
    for body in (
        b"\x80\x04\x8e" + struct.pack("<Q", 2**62),
        b"\x80\x04B" + struct.pack("<I", 2**31),
        b"\x80\x04I" + b"9" * 5000 + b"\n.",
        b"\x80\x04" + b"]" * 10**6,
        b"\x80\x04]\x94h\x00a.",
        b"",
    ):
        path = tmp_path / "bad.npy"
        path.write_bytes(head + body)
        started = time.process_time()
        with pytest.raises(RoiError, match=r"bad\.npy"):
            read_rois(path)
        assert time.process_time() - started < 5


def test_large_arrays_are_passed_over(tmp_path):
    found = proc(MOTION, movSVD=[np.zeros((5000, 1000), np.float32)])
    path = saved(tmp_path / "big_proc.npy", found)
    with path.open("rb") as file:
        assert read_npy_object(file)["movSVD"][0].value is None
    assert len(read_rois(path).seed_polygons) == 1


@pytest.fixture
def facemap(monkeypatch):
    """facemap's own code, without the libraries of its window."""
    for name in (
        "pyqtgraph",
        "qtpy",
        "qtpy.QtCore",
        "qtpy.QtGui",
        "qtpy.QtWidgets",
        "sklearn",
        "sklearn.decomposition",
    ):
        if name not in sys.modules:
            monkeypatch.setitem(sys.modules, name, MagicMock())
    from facemap import process, utils

    yield SimpleNamespace(process=process, utils=utils)
    for name in [n for n in sys.modules if n.startswith("facemap.")]:
        monkeypatch.delitem(sys.modules, name)


def test_what_facemaps_own_code_saves_is_read(tmp_path, facemap):
    from element_facerhythm.demo.synthetic import make_scene_video

    video = tmp_path / "mouse.mp4"
    make_scene_video(video, n_frames=60, width_px=WIDTH, height_px=HEIGHT)
    drawn = [SimpleNamespace(**without(found, "reflector")) for found in (PUPIL, BLINK, RUNNING)]
    reflections = [[SimpleNamespace(**REFLECTION)], [], []]
    regions = facemap.utils.roi_to_dict(drawn, reflections)
    given = {"sbin": 2, "fullSVD": False, "save_mat": False, "rois": regions, "sy": [0], "sx": [0]}
    name = facemap.process.run(
        [[str(video)]], motSVD=False, movSVD=False, proc=given, savepath=str(tmp_path)
    )
    rois = read_rois(name)
    assert [label.kind for label in rois.seed_labels] == ["pupil", "blink", "running"]
    assert len(rois.exclude_polygons) == 1
    for polygon, found in zip(rois.seed_polygons, (PUPIL, BLINK), strict=False):
        assert overlap(polygon_mask(polygon, **SIZE), in_frame(found, found["ellipse"])) > 0.97
