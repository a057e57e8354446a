"""Columns of type `<facerhythm_array>`: arrays that stay in the HDF5 product.

A row stores a small JSON object (file, dataset, shape, dtype, digest, and the object where an object
store has the file), which SQL users can read. A fetch gives a `LazyArray`, which reads only the part
that is asked for; a reference to one entry along an axis (the trace of a point, the mask of a component) is
read at once and gives a numpy array.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.errors import ConfigurationError, ProjectError
from element_facerhythm.files.regular import Signature, signature_of
from element_facerhythm.linking import expected_path, search_dirs

dj: Any = import_datajoint()

BLOCK_BYTES = 32_000_000


@dataclass(frozen=True)
class ArrayReference:
    """Location of an array.

    Attributes
    ----------
    path
        HDF5 file, relative to the processed data directory or to a root directory.
    dataset
        Name of the dataset inside it.
    shape, dtype
        Shape and numpy type of what the reference stands for (after the index below was applied).
    sha256
        Content digest of the file, 64 hex digits.
    point_index
        If set: entry along axis 1 of the dataset, that is one point of (T, P, 2) tracks.
    component_index, component_axis
        If set: one component, and the axis of the dataset along which components lie.
    object
        If set: name of the object that holds the file, below the location of the DataJoint store
        `facerhythm`.
    """

    path: str
    dataset: str
    shape: tuple[int, ...]
    dtype: str
    sha256: str
    point_index: int | None = None
    component_index: int | None = None
    component_axis: int | None = None
    object: str | None = None


class ArrayCodec(dj.Codec):
    """DataJoint codec of `<facerhythm_array>`, which any process finds by its entry point."""

    name = "facerhythm_array"

    def get_dtype(self, is_store: bool) -> str:
        """JSON in the row; there is no store variant, the products lie where their run wrote them."""
        if is_store:
            raise dj.DataJointError("<facerhythm_array> takes no store: write it without '@'")
        return "json"

    def validate(self, value: Any) -> None:
        """Only an `ArrayReference` can be stored."""
        if not isinstance(value, ArrayReference):
            raise TypeError(f"expected an ArrayReference, got {type(value).__name__}")

    def encode(
        self,
        value: ArrayReference,
        *,
        key: dict[str, Any] | None = None,
        context: dict[str, Any] | None = None,
        store_name: str | None = None,
    ) -> dict[str, Any]:
        """Turn a reference into the JSON object of the row.

        Parameters
        ----------
        value
            Where the array lies.
        key, context, store_name
            Passed by DataJoint; not used.
        """
        stored: dict[str, Any] = {**vars(value), "shape": list(value.shape)}
        return {name: value for name, value in stored.items() if value is not None}

    def decode(
        self,
        stored: dict[str, Any],
        *,
        key: dict[str, Any] | None = None,
        context: dict[str, Any] | None = None,
    ) -> Any:
        """Return what the row refers to: a `LazyArray`, or an array for one entry along an axis.

        A `LazyArray` opens its file when it is read, so that rows can be fetched where the project
        directories are not mounted.

        Parameters
        ----------
        stored
            The JSON object of the row, as of `encode`.
        key, context
            Passed by DataJoint; one of them holds the configuration of the connection.

        Raises
        ------
        PathError
            The path escapes the directories that are configured here.
        ProjectError
            The file of a single entry is missing, or changed since the row was written.
        ConfigurationError
            No directories are configured here, for an array that no object store holds; or no store, for
            a single entry that one holds.
        ProcessingError
            The object store does not answer, or lacks the object of a single entry.
        """
        config = self._codec_config(key, context) or dj.config
        if "object" in stored:
            return _decode_object(stored, config)
        from element_facerhythm.io.lazy import LazyArray

        path = expected_path(stored["path"], search_dirs(config.stores))
        if _is_entry(stored):
            return _read_entry(path, stored)
        return LazyArray(
            path,
            stored["dataset"],
            sha256=stored["sha256"],
            stored_as=(stored["shape"], stored["dtype"]),
        )

    def referenced_paths(self, stored: Any) -> list[tuple[str, str | None]]:
        """Return no files: none of them is DataJoint's to collect."""
        return []


def _decode_object(stored: dict[str, Any], config: Any) -> Any:
    """Return an array that an object store holds; its file need not be on this machine."""
    from element_facerhythm.storage import StoredArray, present_file

    try:
        path = expected_path(stored["path"], search_dirs(config.stores))
    except ConfigurationError:  # no directory is named here, and none is needed
        path = None
    if _is_entry(stored):
        found = present_file(path, stored["object"], stored["sha256"], config)
        return _read_entry(found, stored)
    return StoredArray(
        path,
        stored["dataset"],
        object_name=stored["object"],
        sha256=stored["sha256"],
        stored_as=(stored["shape"], stored["dtype"]),
    )


def _is_entry(stored: dict[str, Any]) -> bool:
    """Whether a reference is to one entry along an axis."""
    return "point_index" in stored or "component_index" in stored


def _read_entry(path: Path, stored: dict[str, Any]) -> np.ndarray:
    """One point or component of a dataset, copied from the block of them that holds it."""
    if not path.is_file():
        raise ProjectError(
            f"{path} does not exist; it holds {stored['dataset']}. Restore the project directory, or correct "
            "the processed data directory and the root directories"
        )
    index, axis = stored.get("point_index"), 1
    if index is None:
        index, axis = stored["component_index"], stored["component_axis"]
    n_bytes = math.prod(stored["shape"]) * np.dtype(stored["dtype"]).itemsize
    block_length = max(1, BLOCK_BYTES // max(n_bytes, 1))
    block, offset = divmod(index, block_length)
    first = block * block_length
    entries = _read_block(
        path, stored["dataset"], stored["sha256"], axis, first, block_length, signature_of(path)
    )
    return entries.take(offset, axis)


@lru_cache(maxsize=2)
def _read_block(
    path: Path,
    dataset: str,
    sha256: str,
    axis: int,
    first: int,
    n_entries: int,
    file_state: Signature,
) -> np.ndarray:
    """Up to `n_entries` entries of a dataset along an axis, from `first` on.

    A file holds all points of a frame together, so one point costs nearly as much to read as many;
    the fetch of all traces would read the file once per point. `file_state` is part of the cache's key, so
    that a changed file is read again.
    """
    from element_facerhythm.io.lazy import LazyArray

    array = LazyArray(path, dataset, sha256=sha256)
    stop = min(first + n_entries, array.shape[axis])
    return array[(*[slice(None)] * axis, slice(first, stop))]
