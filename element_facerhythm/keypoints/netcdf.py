"""movement's netCDF files: HDF5 through the one reader, and the classic format, which is no HDF5."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from element_facerhythm.errors import KeypointError
from element_facerhythm.io.h5_reader import H5Dataset, H5Group, open_h5

if TYPE_CHECKING:
    import xarray as xr

VARIABLES = ("position", "confidence")
_REMEDY = "write the dataset again"
_PACKING = ("_FillValue", "missing_value", "scale_factor", "add_offset")
_MAX_CLASSIC_BYTES = 1 << 30


def open_netcdf(path: Path) -> xr.Dataset:
    """Read positions and confidences of a dataset of movement, with their names.

    Raises
    ------
    ProjectError
        The file is missing, damaged, or refused.
    KeypointError
        It is in the classic format and larger than 1 GB.
    """
    import xarray as xr

    with path.open("rb") as handle:
        is_classic = handle.read(3) == b"CDF"
    if not is_classic:
        with open_h5(path, _REMEDY) as file:
            return xr.decode_cf(_dataset(file), decode_times=False)
    if path.stat().st_size > _MAX_CLASSIC_BYTES:
        raise KeypointError(f"{path} is larger than 1 GB; write it as netCDF 4")
    with xr.open_dataset(path, engine="scipy", decode_times=False) as dataset:
        return dataset[[name for name in VARIABLES if name in dataset]].load()


def _dataset(file: H5Group) -> xr.Dataset:
    """Undecoded variables, the texts along their axes, and the frame rate."""
    import xarray as xr

    variables = {name: file.dataset(name) for name in VARIABLES if name in file}
    axes = {name: node.dimension_names() for name, node in variables.items()}
    used = {axis for names in axes.values() for axis in names}
    named = {axis: file[axis] for axis in sorted(used) if axis in file}
    return xr.Dataset(
        {
            name: xr.Variable(axes[name], node.numbers(), attrs=_packing(node))
            for name, node in variables.items()
        },
        coords={
            axis: (axis, node.texts())
            for axis, node in named.items()
            if isinstance(node, H5Dataset) and node.ndim == 1 and node.dtype.kind in "SO"
        },
        attrs={"fps": file.attribute("fps")},
    )


def _packing(node: H5Dataset) -> dict[str, Any]:
    """Attributes that say how numbers are packed."""
    found = {name: node.attribute(name) for name in _PACKING}
    return {name: value for name, value in found.items() if isinstance(value, (int, float))}
