"""HDF5 files from anybody: what lies elsewhere, is too much, or is no numbers is refused by name."""

import os
import resource
import zlib

import h5py
import numpy as np
import pytest

from element_facerhythm.errors import ConfigurationError, ProjectError
from element_facerhythm.io.h5_reader import group, open_h5
from element_facerhythm.io.h5_reader.group import MAX_DEPTH
from element_facerhythm.io.h5_reader.limits import LIMIT_VARIABLE
from element_facerhythm.io.lazy import LazyArray

SECRET = b"password-of-the-worker"
CHUNK = 1 << 20


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "outside.bin"
    path.write_bytes(SECRET)
    with h5py.File(tmp_path / "outside.h5", "w") as file:
        file["numbers"] = np.array([777.0, 778.0])
    return path


def new_dataset(file, kind, shape, change):
    """A dataset whose creation properties h5py does not offer."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    change(properties)
    h5py.h5d.create(file.id, b"x", kind, h5py.h5s.create_simple(shape), properties)


def external_storage(file, secret):
    place = (os.fsencode(secret), 0, len(SECRET))
    new_dataset(file, h5py.h5t.STD_U8LE, (len(SECRET),), lambda p: p.set_external(*place))


def external_link(file, secret):
    file["x"] = h5py.ExternalLink(str(secret.with_suffix(".h5")), "numbers")


def external_link_on_the_way(file, secret):
    file["x"] = h5py.ExternalLink(str(secret.with_suffix(".h5")), "/")


def soft_link(file, secret):
    file["y"] = np.zeros(3)
    file["x"] = h5py.SoftLink("/y")


def soft_link_to_an_external_one(file, secret):
    external_link(file, secret)
    file.move("x", "y")
    file["x"] = h5py.SoftLink("/y")


def virtual(file, secret):
    layout = h5py.VirtualLayout((2,), "f8")
    layout[:] = h5py.VirtualSource(secret.with_suffix(".h5"), "numbers", (2,))
    file.create_virtual_dataset("x", layout)


def references(file, secret):
    file.create_dataset("x", data=[file.ref], dtype=h5py.ref_dtype)


def region_references(file, secret):
    file["y"] = np.zeros(4)
    file.create_dataset("x", data=[file["y"].regionref[:2]], dtype=h5py.regionref_dtype)


def references_in_a_table(file, secret):
    file.create_dataset("x", shape=(2,), dtype=np.dtype([("a", "f4"), ("b", h5py.ref_dtype)]))


def numbers_of_variable_length(file, secret):
    file.create_dataset("x", (3,), dtype=h5py.vlen_dtype(np.float32))


def opaque(file, secret):
    file["x"] = np.zeros(3, "V8")


def a_type_that_numpy_lacks(file, secret):
    new_dataset(file, h5py.h5t.UNIX_D32LE, (3,), lambda p: None)


def a_named_type(file, secret):
    file["x"] = np.dtype("f4")


def nothing(file, secret):
    file["x"] = h5py.Empty("f4")


def a_strange_filter(file, secret):
    def change(properties):
        properties.set_chunk((3,))
        properties.set_filter(32015, h5py.h5z.FLAG_OPTIONAL)

    new_dataset(file, h5py.h5t.NATIVE_FLOAT, (3,), change)


def compressed_twice(file, secret):
    def change(properties):
        properties.set_chunk((3,))
        properties.set_deflate(9)
        properties.set_deflate(9)

    new_dataset(file, h5py.h5t.NATIVE_FLOAT, (3,), change)


def a_group(file, secret):
    file.create_group("x")


def text(file, secret):
    file["x"] = "text"


def a_table(file, secret):
    file["x"] = np.zeros(3, [("a", "f4"), ("b", "f4")])


ELSEWHERE = [
    external_storage, external_link, external_link_on_the_way, soft_link,
    soft_link_to_an_external_one, virtual,
]  # fmt: skip
NO_NUMBERS = [
    references, region_references, references_in_a_table, numbers_of_variable_length, opaque,
    a_type_that_numpy_lacks, a_named_type, nothing, a_strange_filter, compressed_twice, a_group, text,
    a_table,
]  # fmt: skip


@pytest.mark.parametrize("make", [*ELSEWHERE, *NO_NUMBERS], ids=lambda make: make.__name__)
@pytest.mark.parametrize("lazily", [False, True], ids=["whole", "in parts"])
def test_what_lies_elsewhere_or_is_no_numbers_is_refused_by_name(tmp_path, secret, make, lazily):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        make(file, secret)
    name = "x/numbers" if make is external_link_on_the_way else "x"
    with pytest.raises(ProjectError, match=rf"a\.h5 is (refused|damaged).*/{name}") as refusal:
        if lazily:
            np.asarray(LazyArray(path, name))
        else:
            with open_h5(path) as file:
                file.dataset(name).numbers()
    assert SECRET.decode() not in str(refusal.value)
    assert "777" not in str(refusal.value)


def test_what_is_not_asked_for_is_not_opened(tmp_path, secret):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        external_storage(file, secret)
        file.move("x", "strange")
        file.create_dataset("huge", (1 << 37,), "f4", chunks=(CHUNK,), compression="gzip")
        file["wanted"] = np.arange(3)
    with open_h5(path) as file:
        np.testing.assert_array_equal(file.dataset("wanted").numbers(1), [0, 1, 2])


@pytest.mark.parametrize(
    "layout", [{}, {"chunks": (CHUNK,)}, {"chunks": (CHUNK,), "compression": "gzip"}]
)
def test_more_than_a_file_plausibly_holds_is_refused_before_it_is_read(tmp_path, layout):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (1 << 37,), "f4", **layout)
    with pytest.raises(ProjectError, match=f"/x declares 549,756 MB.*{LIMIT_VARIABLE}"):
        LazyArray(path, "x")
    with (
        open_h5(path) as file,
        pytest.raises(ProjectError, match=f"/x would bring .* 549,756 MB.*{LIMIT_VARIABLE}"),
    ):
        file.dataset("x").numbers()


def test_many_names_of_one_dataset_are_counted_each_time(tmp_path, monkeypatch):
    monkeypatch.setenv(LIMIT_VARIABLE, "3")
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("0", data=np.zeros(120_000), compression="gzip")
        for i in range(1, 10):
            file[str(i)] = file["0"]
    with open_h5(path) as file, pytest.raises(ProjectError, match="/3 would bring what is read"):
        file.tree()


def test_a_file_of_holes_is_refused(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(3)
    with path.open("r+b") as file:
        file.truncate(1 << 40)
    with (
        pytest.raises(ProjectError, match="nearly all of it holes"),
        open_h5(path) as file,
    ):
        raise AssertionError("opened")


@pytest.mark.parametrize("n_bytes", [100, 1 << 16], ids=["too long", "of fitting length"])
def test_a_chunk_that_decompresses_to_more_than_it_declares_is_refused(tmp_path, n_bytes):
    """HDF5's filter would give all of it: 64 kB become 64 MB."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        node = file.create_dataset("x", (n_bytes,), "u1", chunks=(n_bytes,), compression="gzip")
        stream = zlib.compressobj(9)
        raw = b"".join(stream.compress(bytes(CHUNK)) for _ in range(150 if n_bytes == 100 else 60))
        node.id.write_direct_chunk((0,), raw + stream.flush())
    with pytest.raises(ProjectError, match=r"/x (stores a chunk|has a chunk that decompresses)"):
        LazyArray(path, "x")[:10]


@pytest.mark.parametrize(
    "filters",
    [
        {"compression": "gzip"},
        {"compression": "lzf"},
        {"compression": "gzip", "shuffle": True, "fletcher32": True},
    ],
)
def test_usual_filters_are_read(tmp_path, filters):
    values = np.random.default_rng(0).normal(size=(300, 7))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=values, chunks=(50, 3), **filters)
    np.testing.assert_array_equal(LazyArray(tmp_path / "a.h5", "x")[40:120, 2], values[40:120, 2])
    with open_h5(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file.dataset("x").numbers(2, finite=True), values)


def test_the_limit_can_be_raised_and_a_wrong_one_is_told(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (1 << 27,), "f4", chunks=(CHUNK,), compression="gzip")
    with pytest.raises(ProjectError, match="declares 537 MB"):
        LazyArray(path, "x")
    monkeypatch.setenv(LIMIT_VARIABLE, "600")
    assert LazyArray(path, "x")[:3].tolist() == [0, 0, 0]
    monkeypatch.setenv(LIMIT_VARIABLE, "much")
    with pytest.raises(ConfigurationError, match=f"{LIMIT_VARIABLE} is 'much'"):
        LazyArray(path, "x")


def test_a_tree_has_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(group, "MAX_LOOKUPS", 500)
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["loop/up"] = file["/"]
        deep = file.create_group("deep")
        for _ in range(10 * MAX_DEPTH):
            deep = deep.create_group("d")
        wide = file.create_group("wide")
        wide["0"] = 1
        for i in range(1, 501):
            wide[str(i)] = wide["0"]
    for name, match in {
        "loop": f"deeper than {MAX_DEPTH} groups",
        "deep": f"deeper than {MAX_DEPTH} groups",
        "wide": "more than 500 members",
    }.items():
        with open_h5(path) as file, pytest.raises(ProjectError, match=match):
            file.group(name).tree()


@pytest.mark.parametrize(
    "value",
    [
        np.arange(5),
        h5py.Empty("f4"),
        np.zeros(6000, np.uint8),
        np.void(b"\x80\x04."),
        b"\xff\xfe",
        1.5,
    ],
    ids=["array", "empty", "large", "opaque", "no text", "fraction"],
)
def test_an_attribute_is_one_whole_number_or_it_is_refused(tmp_path, value):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["version"] = value
        file.attrs["reference"] = file.ref
    with open_h5(tmp_path / "a.h5") as file:
        for name in ("version", "reference"):
            with pytest.raises(ProjectError, match=f"attribute {name} of /"):
                file.integer(name)
        assert file.integer("absent") is None


def test_names_that_a_terminal_would_act_on_are_not_printed(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["\x1b[2J" + "n" * 5000] = np.zeros(3)
    with open_h5(tmp_path / "a.h5") as file, pytest.raises(ProjectError) as refusal:
        file.dataset(file.names()[0]).texts()
    assert "\x1b" not in str(refusal.value)
    assert len(str(refusal.value)) < 500


def test_soft_links_within_the_file_are_followed_where_a_format_has_them(tmp_path, secret):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["one/times"] = np.arange(3)
        file["two/times"] = h5py.SoftLink("/one/times")
        file["circle"] = h5py.SoftLink("/circle")
        external_link(file, secret)
        file["out"] = h5py.SoftLink("/x")
    with open_h5(tmp_path / "a.h5", soft_links=True) as file:
        assert file.dataset("two/times").numbers(1).tolist() == [0, 1, 2]
        for name in ("circle", "out"):
            with pytest.raises(ProjectError, match=f"/{name} leads through a"):
                file.dataset(name)


@pytest.mark.parametrize("user_block", [0, 512, 2048])
def test_a_block_for_another_driver_is_not_made_room_for(tmp_path, user_block):
    """Its size stands in the file and may be gigabytes; the library takes them before it looks further."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="earliest", userblock_size=user_block) as file:
        file["x"] = np.arange(5)
    with open_h5(path) as file:
        np.testing.assert_array_equal(file.dataset("x").numbers(), np.arange(5))
    content = bytearray(path.read_bytes())
    assert content[user_block + 8] == 0  # the first version of the format
    content[user_block + 48 : user_block + 56] = (96).to_bytes(8, "little")
    content[user_block + 96 : user_block + 104] = b"\0\0\0\0\0\0\0\xff"
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ProjectError, match="stored by another driver"), open_h5(path):
        pass
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_a_text_that_says_to_be_longer_than_its_file_is_refused_before_memory_is_taken(tmp_path):
    path = tmp_path / "texts.h5"
    with h5py.File(path, "w") as file:
        for name, chunks in (("plain", None), ("chunked", (2,))):
            file.create_dataset(name, data=["ear", "paw"], dtype=h5py.string_dtype(), chunks=chunks)
        places = {
            "plain": file["plain"].id.get_offset(),
            "chunked": file["chunked"].id.get_chunk_info(0).byte_offset,
        }
    with open_h5(path) as file:
        assert file.dataset("plain").texts() == file.dataset("chunked").texts() == ["ear", "paw"]
    content = bytearray(path.read_bytes())
    for place in places.values():
        content[place : place + 4] = (3 << 30).to_bytes(4, "little")
    path.write_bytes(content)
    with open_h5(path) as file:
        for name in places:
            with pytest.raises(ProjectError, match="holds a text of 3,221,225,472 bytes"):
                file.dataset(name).texts()
