"""Files of network weights, read as tensors and nothing else.

A file of torch's is a zip archive of a pickle and one stored entry per tensor. torch's own reader for
weights runs no foreign code; its cost is checked before, and its result afterwards.
"""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from element_facerhythm.errors import KeypointError
from element_facerhythm.files.digest import file_change

if TYPE_CHECKING:
    import torch

SAVE_AGAIN = (
    "save the weights alone (torch.save(network.state_dict(), path)) with the software that made "
    "them"
)
_MAX_BYTES = 256 << 20
_MAX_DIRECTORY_BYTES = 4 << 20
_MAX_PICKLE_BYTES = 4 << 20
_UNREADABLE = (
    RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, TypeError, IndexError,
    OverflowError, MemoryError, zipfile.BadZipFile, NotImplementedError,
)  # fmt: skip


def read_weights(path: Path, *, sha256: str | None = None) -> dict[str, torch.Tensor]:
    """Read a state dictionary.

    Parameters
    ----------
    path
        The file, as torch 1.6 or later saves it.
    sha256
        Expected digest; None does not check.

    Raises
    ------
    KeypointError
        The file is missing, changed, damaged, larger than weights of keypoints are, or holds anything but
        weights that lie in it.
    """
    if not path.is_file():
        raise KeypointError(f"model file {path} does not exist; restore it, or correct its path")
    n_bytes = path.stat().st_size
    if n_bytes > _MAX_BYTES:
        raise KeypointError(
            f"model file {path} has {n_bytes / 1e6:,.0f} MB; expected {_MAX_BYTES / 1e6:,.0f} MB at most. "
            "If these are facemap's weights, save them without what else was kept with them"
        )
    change = None if sha256 is None else file_change(path, sha256)
    if change is not None:
        raise KeypointError(
            f"model file {path} changed since it was entered ({change}); restore it, or enter it as another "
            "model"
        )
    try:
        _require_stored(path, n_bytes)
        state = _load(path)
    except pickle.UnpicklingError as error:
        raise KeypointError(
            f"model file {path} holds more than weights, or none, and is not opened: it could run code. "
            f"If you trust it, {SAVE_AGAIN}"
        ) from error
    except _UNREADABLE as error:
        if isinstance(error, KeypointError):
            raise
        raise KeypointError(
            f"model file {path} is damaged, or no file of weights ({type(error).__name__}); copy it again"
        ) from error
    return _weights(state, path, n_bytes)


class _BoundedFile(io.FileIO):
    """A file of which no more than a directory is read at once, whatever the archive says of itself."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read `size` bytes; ValueError where that is more than any directory has."""
        if size is not None and size > _MAX_DIRECTORY_BYTES:
            raise ValueError("the directory of the archive is too large")
        return super().read(-1 if size is None else size) or b""


def _require_stored(path: Path, n_bytes: int) -> None:
    """Refuse an archive whose entries are compressed, overlap, or hold a large pickle."""
    with path.open("rb") as file:
        is_archive = file.read(4) == b"PK\x03\x04"
    if not is_archive:
        raise KeypointError(
            f"model file {path} is damaged, or was not saved by torch 1.6 or later: an older file is a "
            f"pickle, which could run code and is not opened; {SAVE_AGAIN}"
        )
    with _BoundedFile(path, "r") as raw, zipfile.ZipFile(raw) as archive:
        entries = archive.infolist()
        comment = archive.comment
    plain = all(
        e.compress_type == zipfile.ZIP_STORED and e.compress_size == e.file_size for e in entries
    )
    pickles = sum(e.file_size for e in entries if e.filename.endswith(".pkl"))
    if comment or not plain or sum(e.file_size for e in entries) > n_bytes:
        raise KeypointError(
            f"model file {path} is refused: its entries are compressed or overlap, which torch's never do; "
            f"{SAVE_AGAIN}"
        )
    if pickles > _MAX_PICKLE_BYTES:
        raise KeypointError(
            f"model file {path} is refused: it describes its weights in {pickles / 1e6:,.0f} MB, expected "
            f"{_MAX_PICKLE_BYTES / 1e6:,.0f} MB at most; {SAVE_AGAIN}"
        )


def _load(path: Path) -> Any:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a pickle that is no file of torch's
        return torch.load(path, map_location="cpu", weights_only=True)


def _weights(state: Any, path: Path, n_bytes: int) -> dict[str, torch.Tensor]:
    """Refuse whatever is no dictionary of tensors whose numbers lie in the file."""
    import torch

    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items()
    ):
        raise KeypointError(f"model file {path} is not a dictionary of weights; {SAVE_AGAIN}")
    total = 0
    for value in state.values():
        total += value.numel() * value.element_size()
        strange = value.layout != torch.strided or value.is_meta or value.is_quantized
        if strange or value.is_complex() or total > n_bytes:
            raise KeypointError(
                f"model file {path} is refused: it declares more weights than it holds, or weights that are "
                f"not plain numbers; {SAVE_AGAIN}"
            )
    return dict(state)
