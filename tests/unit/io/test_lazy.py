import pickle

import h5py
import numpy as np
import pytest

from element_facerhythm.errors import ProjectError
from element_facerhythm.files.digest import file_sha256
from element_facerhythm.io.lazy import LazyArray

VALUES = np.arange(6 * 5 * 4, dtype=np.float32).reshape(6, 5, 4)


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["group/x"] = VALUES
    return tmp_path / "a.h5"


@pytest.mark.parametrize(
    "key",
    [
        2,
        -1,
        slice(1, 4),
        slice(None, None, 2),
        slice(None, None, -1),
        slice(5, 1, -2),
        slice(3, 3),
        (slice(None), 3),
        (..., 0),
        (1, ..., 2),
        (slice(2, 5), slice(None), slice(1, 3)),
        [0, 3, 3, 1],
        np.array([True, False, True, False, False, True]),
        (slice(1, None), [4, 0]),
        (0, [1, 2], slice(None, None, -1)),
        np.int64(4),
    ],
)
def test_it_slices_as_numpy_does(path, key):
    np.testing.assert_array_equal(LazyArray(path, "group/x")[key], VALUES[key])


@pytest.mark.parametrize(
    "index", [3, slice(1, 5), (slice(None), 2), (slice(4, 1, -1), 1), (0, slice(None), 3)]
)
def test_a_fixed_part_behaves_as_an_array_of_its_own(path, index):
    part = LazyArray(path, "group/x", index=index)
    assert part.shape == VALUES[index].shape
    assert part.dtype == np.float32
    np.testing.assert_array_equal(np.asarray(part), VALUES[index])
    np.testing.assert_array_equal(part[1:], VALUES[index][1:])
    np.testing.assert_array_equal(part[..., ::-2], VALUES[index][..., ::-2])


def test_it_survives_a_pickle_and_converts(path):
    array = pickle.loads(pickle.dumps(LazyArray(path, "group/x", index=1)))
    np.testing.assert_array_equal(np.asarray(array, dtype=np.float64), VALUES[1])
    assert (len(array), array.ndim, array.size, array.nbytes) == (5, 2, 20, 80)


def test_only_what_is_asked_for_is_read(path, monkeypatch):
    asked = []
    original = h5py.Dataset.__getitem__

    def spy(self, key, **kwargs):
        asked.append(key)
        return original(self, key, **kwargs)

    array = LazyArray(path, "group/x")
    monkeypatch.setattr(h5py.Dataset, "__getitem__", spy)
    assert array[2:4, 1].shape == (2, 4)
    assert asked == [(slice(2, 4, 1), 1, slice(0, 4, 1))]


def test_wrong_indices_are_refused(path):
    array = LazyArray(path, "group/x")
    for key in (9, (0, 0, 0, 0), (..., ...), None):
        with pytest.raises(IndexError):
            array[key]
    with pytest.raises(ProjectError, match="more axes"):
        LazyArray(path, "group/x", index=(0, 0, 0, 0))


def test_a_missing_dataset_or_file_is_named(path):
    with pytest.raises(ProjectError, match=r"a\.h5 lacks a dataset.*: /group/y"):
        LazyArray(path, "group/y")
    array = LazyArray(path, "group/x")
    path.unlink()
    with pytest.raises(ProjectError, match=r"a\.h5 does not exist"):
        array[0]


def test_a_file_that_changed_since_is_refused(path):
    array = LazyArray(path, "group/x", sha256=file_sha256(path))
    assert array[0].shape == (5, 4)
    with h5py.File(path, "r+") as file:
        file["group/x"][0] = 0
    with pytest.raises(ProjectError, match="has changed since it was recorded"):
        array[0]


def test_with_a_known_shape_the_file_is_not_touched_before_it_is_read(path):
    array = LazyArray(
        path.parent / "gone.h5", "group/x", index=2, stored_as=(VALUES.shape, "float32")
    )
    assert (array.shape, array.dtype) == ((5, 4), np.float32)
    with pytest.raises(ProjectError, match=r"gone\.h5 does not exist"):
        np.asarray(array)
    path.rename(path.parent / "gone.h5")
    np.testing.assert_array_equal(np.asarray(array), VALUES[2])
