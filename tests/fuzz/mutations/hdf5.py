"""Changes to the tree of an HDF5 file: what is stored, how it is stored, and what leads elsewhere.

A file is only written to here: nothing that a change put in is followed or read again.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.fuzz.mutations.context import Context, odd_values
from tests.fuzz.mutations.payloads import hostile_pickle


def mutate_hdf5(path: Path, context: Context) -> None:
    """Make a few changes to the tree of an HDF5 file."""
    with h5py.File(path, "r+") as file:
        for _ in range(1 + int(context.rng.expovariate(0.9))):
            context.rng.choice(_CHANGES)(file, context)


def poison_attributes(path: Path, context: Context) -> None:
    """Put pickles where PyTables and pandas keep theirs: in attributes and in vlen datasets."""
    with h5py.File(path, "r+") as file:
        group = file[context.rng.choice(names_of(file, h5py.Group))]
        data = hostile_pickle(context)
        kept = [name for name in group.attrs if isinstance(group.attrs[name], bytes | np.bytes_)]
        name = context.rng.choice(
            [*kept, *kept, "title_x", "nan_rep", "non_index_axes", "info", "values_cols"]
        )
        way = context.rng.randrange(4)
        if way == 0:
            group.attrs[name] = np.bytes_(data)
        elif way == 1:
            group.attrs[name] = np.void(data)
        elif way == 2:
            text = data.decode("latin-1").replace("\0", "")
            group.attrs.create(name, text, dtype=h5py.string_dtype("utf-8"))
        else:
            group.create_dataset("pickled", (1,), dtype=h5py.vlen_dtype(np.uint8))
            group["pickled"][0] = np.frombuffer(data, np.uint8)
            group["pickled"].attrs.update(
                CLASS=np.bytes_("VLARRAY"), PSEUDOATOM=np.bytes_("object")
            )


def names_of(file: h5py.File, kind: type) -> list[str]:
    """Names of the groups or datasets that hard links lead to, the root included."""
    found = ["/"] if kind is h5py.Group else []
    waiting = ["/"]
    while waiting and len(found) < 500:
        group = file[waiting.pop()]
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            full = f"{group.name.rstrip('/')}/{name}"
            node = file[full]
            if isinstance(node, h5py.Group) and full.count("/") < 8:
                waiting.append(full)
            if isinstance(node, kind):
                found.append(full)
    return found


def _take_place(file: h5py.File, context: Context) -> tuple[h5py.Group, str, h5py.Dataset | None]:
    """Remove a dataset; return its group, its name, and it, by which it can still be read."""
    names = names_of(file, h5py.Dataset)
    if not names:
        return file, "nothing", None
    full = context.rng.choice(names)
    dataset = file[full]
    group, name = dataset.parent, full.rpartition("/")[2]
    del group[name]
    return group, name, dataset


def _delete(file: h5py.File, context: Context) -> None:
    kind = context.rng.choice((h5py.Dataset, h5py.Group))
    names = [name for name in names_of(file, kind) if name != "/"]
    if names:
        del file[context.rng.choice(names)]


def _rename(file: h5py.File, context: Context) -> None:
    names = [
        name for name in names_of(file, h5py.Dataset) + names_of(file, h5py.Group) if name != "/"
    ]
    if not names:
        return
    name = context.rng.choice(names)
    new = context.rng.choice(
        ("0", "1", "-1", "x" * 5000, "é\x1b[2J", name + "s", name[:-1], "9" * 30)
    )
    if new and new not in file:
        file.move(name, new)


def _exchange(file: h5py.File, context: Context) -> None:
    names = names_of(file, h5py.Dataset)
    one, other = (context.rng.choice(names) for _ in range(2)) if names else ("", "")
    if one != other and "/between" not in file:
        file.move(one, "/between")
        file.move(other, one)
        file.move("/between", other)


def _other_values(file: h5py.File, context: Context) -> None:
    """Same shape and type, some numbers odd."""
    names = [
        n for n in names_of(file, h5py.Dataset) if file[n].dtype.kind in "fiub" and file[n].size
    ]
    if not names:
        return
    dataset = file[context.rng.choice(names)]
    values = np.array(dataset[()])
    kind = dataset.dtype.kind
    floats = (np.nan, np.inf, -np.inf, 0.0, -1.0, 1e30, 1e300)
    numbers: Any = floats if kind == "f" else (0, 1, 2, 100, 200) if kind != "b" else (False, True)
    with np.errstate(all="ignore"):
        flat = values.reshape(-1)
        at = context.rng.choice((0, slice(None), -1, context.rng.randrange(flat.size)))
        flat[at] = np.asarray(context.rng.choice(numbers)).astype(dataset.dtype)
    dataset[()] = values


def _other_type(file: h5py.File, context: Context) -> None:
    group, name, old = _take_place(file, context)
    shape = old.shape if old is not None and old.shape is not None and old.size < 1e6 else (3,)
    types = (
        "f2",
        ">f8",
        "i1",
        "u8",
        "?",
        "c8",
        "S5",
        "S0",
        h5py.string_dtype(),
        h5py.vlen_dtype(np.float32),
        np.dtype([("x", "f4"), ("y", "f4")]),
        h5py.ref_dtype,
        h5py.regionref_dtype,
        h5py.opaque_dtype("V9"),
        h5py.enum_dtype({"A": 1}),
        "M8[s]",
        np.dtype(("f4", (2, 2))),
    )
    dtype = context.rng.choice(types)
    if dtype == "M8[s]":
        dtype = h5py.opaque_dtype(np.dtype(dtype))
    if dtype == "S0":
        group.create_dataset(name, data=h5py.Empty("S5"))
        return
    group.create_dataset(name, shape=shape, dtype=dtype)


def _other_shape(file: h5py.File, context: Context) -> None:
    group, name, old = _take_place(file, context)
    dtype = old.dtype if old is not None and old.dtype.kind in "fiub" else np.dtype("f4")
    sides = (0, 1, 2, 3, 5, 17, 1000)
    shape = tuple(context.rng.choice(sides) for _ in range(context.rng.randrange(4)))
    if old is not None and old.dtype.kind in "fiub" and context.rng.random() < 0.5:
        values = old[()]
        values = context.rng.choice(
            (
                values.reshape(-1),
                values.T,
                values[None],
                values[..., None],
                values[:0] if values.ndim else values,
            )
        )
        group.create_dataset(name, data=values)
    else:
        group.create_dataset(name, data=np.zeros(shape, dtype))


def _declare_much(file: h5py.File, context: Context) -> None:
    """Declare what takes no room in the file: unwritten chunks, a fill value, or one deflated block."""
    group, name, old = _take_place(file, context)
    if context.rng.random() < 0.2:
        name = "unwanted"
    n_axes = old.ndim if old is not None and old.shape else 1
    n = context.rng.choice((1 << 27, 1 << 32, 1 << 37, 1 << 45))
    shape = [1] * max(n_axes, 1)
    shape[context.rng.randrange(len(shape))] = n
    if name in group:
        return
    if context.rng.random() < 0.3:
        data = np.zeros(1 << 25, "u1")
        group.create_dataset(
            name, data=data, chunks=(1 << 25,), compression="gzip", compression_opts=1
        )
    elif context.rng.random() < 0.3:
        group.create_dataset(name, shape=tuple(shape), dtype="f4", fillvalue=1.0)
    else:
        chunk = tuple(min(side, 1 << 20) for side in shape)
        group.create_dataset(name, shape=tuple(shape), dtype="f4", chunks=chunk, compression="gzip")


def _link(file: h5py.File, context: Context) -> None:
    """Put a link of any kind where a dataset or group was."""
    names = [
        name for name in names_of(file, h5py.Dataset) + names_of(file, h5py.Group) if name != "/"
    ]
    if not names:
        return
    name = context.rng.choice(names)
    groups = names_of(file, h5py.Group)
    way = context.rng.randrange(5)
    if way == 4:  # a group that holds itself, or one further up
        group = file[context.rng.choice(groups)]
        group[context.rng.choice(("again", "0", "x"))] = file[context.rng.choice(groups)]
        return
    if way == 3:
        file.move(name, "/moved")
        file[name] = h5py.SoftLink(context.rng.choice(("/moved", name, "/nowhere", "../moved")))
        return
    del file[name]
    elsewhere = context.rng.choice(
        (str(context.canary / "secret.h5"), "../canary/secret.h5", "nowhere.h5")
    )
    file[name] = h5py.ExternalLink(elsewhere, context.rng.choice(("numbers", "/")))


def _store_elsewhere(file: h5py.File, context: Context) -> None:
    """Keep shape and type, but let the numbers lie in another file."""
    group, name, old = _take_place(file, context)
    shape = old.shape if old is not None and old.shape else (12,)
    dtype = old.dtype if old is not None and old.dtype.kind in "fiub" else np.dtype("u1")
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_obj_track_times(False)  # the same input at any time
    space = h5py.h5s.create_simple(shape)
    if context.rng.random() < 0.5:
        elsewhere = context.rng.choice(
            (str(context.canary / "secret.h5"), "../canary/secret.h5", ".")
        )
        plan.set_virtual(space, elsewhere.encode(), b"numbers", space)
    else:
        n_bytes = max(int(np.prod(shape, dtype=np.int64)) * dtype.itemsize, 1)
        plan.set_external(os.fsencode(context.canary / "secret"), 0, n_bytes)
    kind = h5py.h5t.py_create(dtype, logical=True)
    h5py.h5d.create(group.id, name.encode(), kind, space, plan)


def _attributes(file: h5py.File, context: Context) -> None:
    """Replace, remove or add attributes."""
    rng = context.rng
    group = file[rng.choice(names_of(file, h5py.Group))]
    kept = list(group.attrs)
    name = rng.choice([*kept, *kept, "facerhythm_format_version", "facerhythm_fingerprint.1"])
    action = rng.randrange(6)
    if action == 0 and kept:
        del group.attrs[rng.choice(kept)]
    elif action == 1:
        group.attrs[name] = np.bytes_(b"[" * rng.choice((10, 60_000)))
    elif action == 2:
        for i in range(3000):
            group.attrs[f"facerhythm_record.{i}"] = np.bytes_(b"x" * 20)
    elif action == 3:
        group.attrs[name] = rng.choice(
            (0, -1, 2.5, np.nan, np.arange(7), 1 << 62, h5py.Empty("S1"))
        )
    elif action == 4:
        group.attrs.create(name, group.ref, dtype=h5py.ref_dtype)
    else:
        value = str(rng.choice(odd_values(context)))[:60_000].replace("\0", "")
        group.attrs[name] = np.bytes_(value.encode("utf-8", "replace"))


def _many(file: h5py.File, context: Context) -> None:
    """Very many members, or groups within groups."""
    group = file[context.rng.choice(names_of(file, h5py.Group))]
    if context.rng.random() < 0.5:
        names = names_of(file, h5py.Dataset)
        for i in range(2000):
            group[f"{i + 10}"] = file[names[0]] if names else np.zeros(1)
        return
    for _ in range(context.rng.choice((30, 600, 3000))):
        group = group.require_group("g")


def _to_text(file: h5py.File, context: Context) -> None:
    """Text where numbers are, of odd content."""
    group, name, _ = _take_place(file, context)
    text = str(context.rng.choice(odd_values(context)))[:200_000].replace("\0", "")
    data = text.encode("utf-8", "replace")
    way = context.rng.randrange(3)
    if way == 0:
        group[name] = np.bytes_(data or b" ")
    elif way == 1:
        group.create_dataset(name, data=[data] * 3, dtype=h5py.string_dtype("utf-8"))
    else:
        group.create_dataset(name, data=[b"\xff\xfe", data], dtype=h5py.string_dtype("utf-8"))


_CHANGES = (
    _delete,
    _rename,
    _exchange,
    _other_values,
    _other_values,
    _other_type,
    _other_shape,
    _declare_much,
    _link,
    _link,
    _store_elsewhere,
    _store_elsewhere,
    _attributes,
    _attributes,
    _many,
    _to_text,
)
