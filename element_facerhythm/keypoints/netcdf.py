"""movement's netCDF files: HDF5 through the one reader, and the classic formats, which are no HDF5."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.io.h5_reader import H5Dataset, H5Group, open_h5
from element_facerhythm.keypoints.netcdf_classic import read_classic

if TYPE_CHECKING:
    import xarray as xr

_REMEDY = "write the dataset again"
_PACKING = ("_FillValue", "missing_value", "scale_factor", "add_offset")
_FACTS = ("fps", "time_unit", "ds_type", "source_software")
_MAX_VARIABLES = 200
LOG = "log"
"""Attribute of an array: what movement did to it."""
LEFT_OUT = "left_out"
"""Attribute of the dataset: names of what is in the file and is no array of numbers."""


def open_netcdf(path: Path) -> xr.Dataset:
    """Read all arrays of numbers of a dataset, with the names and numbers along their axes.

    Raises
    ------
    ProjectError
        The file is missing, damaged, or refused.
    KeypointError
        It is in a classic format, and larger than 1 GB or damaged.
    """
    import xarray as xr

    with path.open("rb") as handle:
        is_classic = handle.read(3) == b"CDF"
    if is_classic:
        return xr.decode_cf(_classic(path), decode_times=False)
    with open_h5(path, _REMEDY) as file:
        return xr.decode_cf(_dataset(file), decode_times=False)


def _dataset(file: H5Group) -> xr.Dataset:
    """Undecoded variables, what stands along their axes, and a few facts."""
    import xarray as xr

    found = {name: file[name] for name in file.names()[:_MAX_VARIABLES]}
    nodes = {name: node for name, node in found.items() if isinstance(node, H5Dataset)}
    scales = {
        name for name, node in nodes.items()
        if node.attribute_bytes("CLASS") in (b"DIMENSION_SCALE", b"DIMENSION_SCALE\0")
    }  # fmt: skip
    arrays = {
        name: node
        for name, node in nodes.items()
        if name not in scales and node.ndim and node.dtype.kind in "biuf"
    }
    beside = {
        name
        for node in (file, *nodes.values())
        for name in (node.attribute_bytes("coordinates") or b"").decode("utf-8", "replace").split()
    }  # along an axis, but for its own names: of no use here
    arrays = {name: node for name, node in arrays.items() if name not in beside}
    axes = {name: node.dimension_names() for name, node in arrays.items()}
    used = {axis for names in axes.values() for axis in names}
    coordinates: dict[str, Any] = {}
    for axis in sorted(used & scales):
        node = nodes[axis]
        if node.ndim != 1 or _is_without_values(node):
            continue
        if node.dtype.kind in "SO":
            coordinates[axis] = (axis, node.texts())
        elif node.dtype.kind in "iuf":
            coordinates[axis] = xr.Variable(axis, node.numbers(1), attrs=_packing(node))
    facts = {name: file.attribute(name) for name in _FACTS}
    left_out = sorted(set(found) - set(arrays) - scales - beside)
    return xr.Dataset(
        {
            name: xr.Variable(axes[name], node.numbers(), attrs=_packing(node) | _log(node))
            for name, node in arrays.items()
        },
        coords=coordinates,
        attrs={**{k: v for k, v in facts.items() if v is not None}, LEFT_OUT: left_out},
    )


def _is_without_values(node: H5Dataset) -> bool:
    """Whether a dimension has a length alone, as netCDF marks it."""
    said = node.attribute_bytes("NAME") or b""
    return said.startswith(b"This is a netCDF dimension but not a netCDF variable")


def _packing(node: H5Dataset) -> dict[str, Any]:
    """Attributes that say how numbers are packed."""
    found = {name: node.attribute(name) for name in _PACKING}
    return {name: value for name, value in found.items() if isinstance(value, (int, float))}


def _log(node: H5Dataset) -> dict[str, str]:
    text = node.attribute(LOG)
    return {LOG: text} if isinstance(text, str) else {}


def _classic(path: Path) -> xr.Dataset:
    import xarray as xr

    variables, attributes = read_classic(path)
    arrays: dict[str, Any] = {}
    coordinates: dict[str, Any] = {}
    left_out: list[str] = []
    for name, variable in variables.items():
        packing = {k: v for k, v in variable.attributes.items() if k in _PACKING}
        packing = {k: v for k, v in packing.items() if isinstance(v, (int, float))}
        is_text = variable.values.dtype.kind == "S"
        if is_text and variable.axes[:1] == (name,) and variable.values.ndim == 2:
            coordinates[name] = (name, _texts(variable.values))
        elif variable.axes == (name,) and not is_text:
            coordinates[name] = xr.Variable(name, variable.values, attrs=packing)
        elif is_text or not variable.axes:
            left_out.append(name)
        else:
            arrays[name] = xr.Variable(variable.axes, variable.values, attrs=packing)
    facts = {name: attributes[name] for name in _FACTS if name in attributes}
    return xr.Dataset(arrays, coords=coordinates, attrs={**facts, LEFT_OUT: sorted(left_out)})


def _texts(characters: NDArray[np.bytes_]) -> list[str]:
    return [bytes(row).rstrip(b"\0 ").decode("utf-8", "replace") for row in characters]
