"""Datasets in netCDF and Zarr: written whole or not at all, large arrays in blocks, and read back equal.

Several datasets lie in a file as groups that are called as they are (``points``, ``factors``); one alone lies
at its root, where movement, xarray and other programs look for it. netCDF knows no complex numbers: there,
real and imaginary parts lie along a last axis `complex`, and reading puts them together.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from element_facerhythm.errors import (
    ConfigurationError,
    FaceRhythmError,
    ProjectError,
    RequestError,
    TextError,
)
from element_facerhythm.files.texts import read_json
from element_facerhythm.io.atomic import atomic_path
from element_facerhythm.io.h5_reader import H5Dataset, H5Group, open_h5
from element_facerhythm.io.lazy import LazyArray
from element_facerhythm.pipeline.exchange.datasets import require_xarray

if TYPE_CHECKING:
    import xarray as xr

SUFFIXES = (".nc", ".zarr")
COMPLEX_DIM = "complex"
_PARTS = ["real", "imaginary"]
_REMEDY = "write the dataset again"
_BLOCK_BYTES = 1 << 26
_LAZY_BYTES = 1 << 20
_OF_FORMAT = ("CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST", "coordinates")
# what xarray and zarr raise for a dataset that contradicts itself
UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    MemoryError,
    OverflowError,
    OSError,
)
_CODECS = {
    "blosc",
    "zstd",
    "gzip",
    "zlib",
    "lz4",
    "shuffle",
    "bytes",
    "crc32c",
    "transpose",
    "vlen-utf8",
}
"""What zarr's chunks are decoded with; others could run what a file says."""


def write_datasets(datasets: Mapping[str, xr.Dataset] | xr.Dataset, path: str | Path) -> None:
    """Write datasets to a new netCDF file or Zarr directory, by the ending of the path.

    Parameters
    ----------
    datasets
        By name, each of which becomes a group; a dataset alone lies at the root.
    path
        ``.nc`` or ``.zarr``; nothing is there yet.

    Raises
    ------
    RequestError
        The path ends otherwise, something is there already, or a dataset holds what the format cannot.
    ConfigurationError
        h5netcdf or zarr is not installed.
    """
    path = Path(path)
    require_new(path)
    require_xarray()
    import xarray as xr

    groups = {"": datasets} if isinstance(datasets, xr.Dataset) else dict(datasets)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if path.suffix == ".nc":
            with atomic_path(path) as temporary:
                for name, dataset in groups.items():
                    _write_netcdf(dataset, temporary, name)
            return
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            for name, dataset in groups.items():
                _write_zarr(dataset, scratch / "whole", name)
            (scratch / "whole").rename(path)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f'{error}; writing {path.suffix} needs: pip install "element-facerhythm[formats]"'
        ) from error
    except (TypeError, ValueError) as error:
        raise RequestError(f"{path} cannot hold this dataset: {error}") from error


def require_new(path: Path) -> None:
    """Refuse a path that has another ending than a dataset's, or at which something is already.

    Raises
    ------
    RequestError
        The message says which of them.
    """
    if path.suffix not in SUFFIXES:
        raise RequestError(f"{path} ends in neither of {' and '.join(SUFFIXES)}")
    if path.exists() or path.is_symlink():
        raise RequestError(f"{path} exists; delete it, or give another name")


def read_datasets(path: str | Path) -> dict[str, xr.Dataset]:
    """Read what `write_datasets` wrote, or any netCDF 4 file or Zarr directory of arrays and texts.

    Large arrays stay in the file until a part of them is asked for.

    Parameters
    ----------
    path
        The file, or the directory.

    Returns
    -------
    Datasets by the name of their group; that at the root is called ``""``.

    Raises
    ------
    ProjectError
        It is missing, damaged or refused.
    ConfigurationError
        xarray or zarr is not installed.
    """
    path = Path(path)
    require_xarray()
    if path.suffix not in SUFFIXES or not path.exists():
        raise ProjectError(f"{path} is no dataset: expected an existing {' or '.join(SUFFIXES)}")
    found = _read_netcdf(path) if path.suffix == ".nc" else _read_zarr(path)
    if not found:
        raise ProjectError(f"{path} holds no dataset; {_REMEDY}")
    return found


def read_dataset(path: str | Path, what: str | None = None) -> xr.Dataset:
    """Read one dataset of a file; see `read_datasets`.

    Parameters
    ----------
    path
        The file, or the directory.
    what
        Its name; None for the only one.

    Raises
    ------
    ProjectError
        As of `read_datasets`; or there is none of that name, or several to choose from.
    """
    found = read_datasets(path)
    if what is None and len(found) == 1:
        return next(iter(found.values()))
    if what not in found:
        names = ", ".join(name or "(root)" for name in found)
        raise ProjectError(f"{path} holds {names}; say which one is meant, not {what!r}")
    return found[what]


def _write_netcdf(dataset: xr.Dataset, path: Path, group: str) -> None:
    import h5netcdf

    plain = _without_complex(dataset)
    large = _in_blocks(plain)
    plain.drop_vars(large).to_netcdf(
        path, mode="a" if path.exists() else "w", group=group or None, engine="h5netcdf"
    )
    if not large:
        return
    with h5netcdf.File(path, "a") as file:
        place = file[f"/{group}"] if group else file
        for name in large:
            _write_in_blocks(place, name, plain[name])


def _write_in_blocks(place: Any, name: str, array: xr.DataArray) -> None:
    """Write one array block by block along its longest axis, as xarray would write it whole."""
    is_bool = array.dtype == bool
    stored = place.create_variable(name, array.dims, np.int8 if is_bool else array.dtype)
    others = [str(c) for c in array.coords if c not in array.dims]
    about = {**array.attrs, **({"dtype": "bool"} if is_bool else {})}
    for key, value in (about | ({"coordinates": " ".join(others)} if others else {})).items():
        stored.attrs[key] = value
    axis = int(np.argmax(array.shape))
    for span in _blocks(array.shape[axis], array.nbytes):
        part = tuple(span if i == axis else slice(None) for i in range(array.ndim))
        stored[part] = array[part].values.astype(stored.dtype, copy=False)


def _in_blocks(dataset: xr.Dataset) -> list[str]:
    """Arrays that are too large to be written at once, along axes that have coordinates."""
    return [
        str(name)
        for name, array in dataset.data_vars.items()
        if array.nbytes > _BLOCK_BYTES
        and array.dtype.kind in "biuf"
        and set(array.dims) <= set(dataset.coords)
    ]


def _blocks(length: int, n_bytes: int) -> Iterator[slice]:
    step = max(1, length * _BLOCK_BYTES // max(n_bytes, 1))
    for first in range(0, length, step):
        yield slice(first, min(first + step, length))


def _write_zarr(dataset: xr.Dataset, path: Path, group: str) -> None:
    """Write a dataset; where it is large, block by block along time."""
    along = dataset.sizes.get("time", 0)
    spans = list(_blocks(along, dataset.nbytes)) if along else []
    given: dict[str, Any] = {"group": group or None, "zarr_format": 2, "consolidated": False}
    if len(spans) < 2:
        dataset.drop_encoding().to_zarr(path, mode="a", **given)
        return
    # coordinates stay: what is appended without them makes plain variables of those that are there
    over_time = dataset.drop_vars([n for n, v in dataset.data_vars.items() if "time" not in v.dims])
    dataset.isel(time=spans[0]).drop_encoding().to_zarr(path, mode="a", **given)
    for span in spans[1:]:
        over_time.isel(time=span).drop_encoding().to_zarr(path, append_dim="time", **given)


def _without_complex(dataset: xr.Dataset) -> xr.Dataset:
    """Return a dataset with real and imaginary parts of its complex arrays along a last axis."""
    import xarray as xr

    pairs = {}
    for name, array in dataset.data_vars.items():
        if array.dtype.kind == "c":
            values = array.values
            parts = np.stack([values.real, values.imag], axis=-1)
            pairs[name] = xr.Variable((*array.dims, COMPLEX_DIM), parts, array.attrs)
    return dataset.assign(pairs).assign_coords({COMPLEX_DIM: _PARTS}) if pairs else dataset


def _with_complex(dataset: xr.Dataset) -> xr.Dataset:
    """Undo `_without_complex`."""
    if COMPLEX_DIM not in dataset.coords or dataset[COMPLEX_DIM].values.tolist() != _PARTS:
        return dataset
    whole = {}
    for name, array in dataset.data_vars.items():
        if array.dims[-1:] == (COMPLEX_DIM,):
            values = array.values
            joined = np.empty(values.shape[:-1], np.result_type(values, np.complex64))
            joined.real, joined.imag = values[..., 0], values[..., 1]
            whole[name] = (array.dims[:-1], joined, array.attrs)
    return dataset.assign(whole).drop_vars(COMPLEX_DIM)


def _read_netcdf(path: Path) -> dict[str, xr.Dataset]:
    with open_h5(path, _REMEDY) as file:
        groups = {"": file} | {
            name: member for name in file.names() if isinstance(member := file[name], H5Group)
        }
        try:
            found = {name: _dataset(group) for name, group in groups.items()}
        except UNREADABLE as error:
            if isinstance(error, FaceRhythmError):
                raise
            raise ProjectError(f"{path} is no dataset: {error}; {_REMEDY}") from error
    return {name: dataset for name, dataset in found.items() if dataset.variables}


def _dataset(group: H5Group) -> xr.Dataset:
    import xarray as xr

    variables, coordinates = {}, set()
    for name in group.names():
        node = group[name]
        if not isinstance(node, H5Dataset):
            continue
        about = _attributes(node)
        if str(about.get("NAME", "")).startswith("This is a netCDF dimension but not"):
            continue
        is_axis = "CLASS" in about
        axes = (name,) if is_axis else node.dimension_names() if node.ndim else ()
        coordinates |= {name} if is_axis else set(str(about.get("coordinates", "")).split())
        kept = {k: v for k, v in about.items() if k not in _OF_FORMAT and not k.startswith("_Net")}
        variables[name] = _variable(node, axes, kept)
    attrs = {key: value for key, value in _attributes(group).items() if not key.startswith("_")}
    coordinates |= set(str(attrs.pop("coordinates", "")).split())
    decoded = xr.decode_cf(xr.Dataset(variables, attrs=attrs), decode_times=False)
    return _with_complex(decoded.set_coords(coordinates & set(variables)))


def _attributes(node: H5Group | H5Dataset) -> dict[str, Any]:
    """Attributes by name; lists of one, as which HDF5 keeps numbers, as what they hold."""
    found = {key: node.plain_attribute(key) for key in node.attribute_names()}
    return {
        key: value[0] if isinstance(value, list) and len(value) == 1 else value
        for key, value in found.items()
    }


def _variable(node: H5Dataset, axes: tuple[str, ...], attrs: Mapping[str, Any]) -> xr.Variable:
    import xarray as xr

    from element_facerhythm.pipeline.exchange.lazy_variables import Stored, lazy_variable

    if node.dtype.kind in "SO":
        return xr.Variable(axes, np.array(node.texts() if axes else node.text()), attrs)
    if node.nbytes < _LAZY_BYTES:
        return xr.Variable(axes, node.numbers(), attrs)
    node.require_plausible()
    known = (node.shape, node.dtype)
    return lazy_variable(axes, Stored(LazyArray(node.path, node.name, stored_as=known)), attrs)


def _read_zarr(path: Path) -> dict[str, xr.Dataset]:
    try:
        import zarr  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f'{error}; Zarr needs: pip install "element-facerhythm[formats]"'
        ) from error
    import xarray as xr

    _require_plain_zarr(path)
    marks = (".zgroup", "zarr.json")
    below = (place for place in path.iterdir() if any((place / m).is_file() for m in marks))
    groups = ["", *sorted(place.name for place in below)]
    found = {}
    for name in groups:
        if (path / name / ".zarray").is_file():
            continue
        try:
            found[name] = xr.open_dataset(
                path / name, engine="zarr", chunks=None, decode_times=False, consolidated=False
            )
        except UNREADABLE as error:
            raise ProjectError(
                f"{path / name} cannot be read as Zarr: {error}; {_REMEDY}"
            ) from error
    return {name: dataset for name, dataset in found.items() if dataset.variables}


def _require_plain_zarr(path: Path) -> None:
    """Refuse links, objects, and codecs that are not among those of numbers and texts."""
    if not path.is_dir():
        raise ProjectError(f"{path} is no Zarr directory; {_REMEDY}")
    for place in sorted(path.rglob("*")):
        if place.is_symlink():
            raise ProjectError(
                f"{place} is a link; expected the files of a Zarr directory themselves"
            )
        if place.name not in (".zarray", "zarr.json"):
            continue
        try:
            about = read_json(place, what="Zarr array")
            codecs = [
                about.get("compressor"),
                *(about.get("filters") or []),
                *about.get("codecs", []),
            ]
            names = {codec.get("id", codec.get("name")) for codec in codecs if codec is not None}
        except (TextError, AttributeError, TypeError) as error:
            raise ProjectError(f"{place} is not what Zarr writes ({error}); {_REMEDY}") from error
        has_objects = "O" in str(about.get("dtype", "")) and "vlen-utf8" not in names
        if has_objects or not names <= _CODECS:
            raise ProjectError(
                f"{place} holds objects, or is stored with {sorted(map(str, names))}: refused"
            )
