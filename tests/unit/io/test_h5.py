import h5py
import numpy as np
import pytest

from element_facerhythm.errors import ProjectError
from element_facerhythm.io.atomic import atomic_path, remove_leftovers
from element_facerhythm.io.h5 import (
    atomic_h5,
    open_h5,
    read_text_attribute,
    write_text_attribute,
    write_tree,
)


def test_a_tree_keeps_its_values_and_its_order(tmp_path):
    tree = {
        "zebra": np.arange(3),
        "apple": {"10": np.float32([1, 2]), "2": np.bool_([True])},
        "name": "trials",
        "names": ["(xy points)", "frequency"],
        "number": np.int64(7),
    }
    with atomic_h5(tmp_path / "a.h5") as file:
        write_tree(file, tree)
    with open_h5(tmp_path / "a.h5") as file:
        read = file.tree()
        assert file["name"].dtype.kind == "S"
        assert h5py.check_string_dtype(file["names"].dtype).length is None
    assert list(read) == list(tree)
    assert list(read["apple"]) == ["10", "2"]
    assert (read["name"], read["names"], read["number"]) == ("trials", tree["names"], 7)
    np.testing.assert_array_equal(read["apple"]["10"], [1, 2])


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.h5"
    with pytest.raises(RuntimeError), atomic_h5(path) as file:
        file["x"] = 1
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        raise RuntimeError
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


def test_leftovers_of_a_killed_writer_are_removed_and_nothing_else(tmp_path):
    with atomic_path(tmp_path / "a.h5") as temporary:
        name = temporary.name
        temporary.touch()
    (tmp_path / name).touch()
    (tmp_path / "mine.part").touch()
    assert remove_leftovers(tmp_path) == (tmp_path / name,)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.h5", "mine.part"]


@pytest.mark.parametrize("length", [0, 1, 59_999, 60_000, 60_001, 400_000])
def test_a_text_attribute_may_be_of_any_length(tmp_path, length):
    text = ("é" * length)[:length]
    with atomic_h5(tmp_path / "a.h5") as file:
        write_text_attribute(file, "text", text)
        write_text_attribute(file, "other", "short")
    with open_h5(tmp_path / "a.h5") as file:
        assert read_text_attribute(file, "text") == text
        assert read_text_attribute(file, "other") == "short"
        assert read_text_attribute(file, "absent") is None


@pytest.mark.parametrize("content", [b"", b"text", None], ids=["empty", "text", "truncated"])
def test_a_damaged_file_is_named_with_its_mend(tmp_path, content):
    path = tmp_path / "a.h5"
    with atomic_h5(path) as file:
        file["x"] = np.zeros(10_000)
    path.write_bytes(path.read_bytes()[:5000] if content is None else content)
    with (
        pytest.raises(ProjectError, match=r"a\.h5 cannot be read as HDF5.*; run it again"),
        open_h5(path, "run it again"),
    ):
        raise AssertionError("opened")
