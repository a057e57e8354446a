"""An open HDF5 file, what may be read of it, and the attributes of its nodes."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import h5py
import numpy as np

from element_facerhythm.errors import FaceRhythmError, ProjectError
from element_facerhythm.io.h5_reader.limits import ByteBudget

_MAX_ATTRIBUTE_BYTES = 1 << 20
_MAX_ATTRIBUTE_ENTRIES = 1024
_SHOWN_CHARACTERS = 120
_H5PY_ERRORS = (
    OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError, SystemError,
    AttributeError, zlib.error,
)  # fmt: skip


@dataclass
class OpenFile:
    """An open file: where it lies, what to do about faults, and what may still be read of it."""

    path: Path
    remedy: str
    soft_links: bool
    root: h5py.Group
    budget: ByteBudget
    n_lookups: int = field(default=0)
    names_by_address: dict[int, str] = field(default_factory=dict)

    def refuse(self, name: str, fault: str) -> NoReturn:
        """Refuse the file because of one of its members.

        Parameters
        ----------
        name
            Of the member, as the message shows it.
        fault
            What is wrong with it: the rest of a sentence that begins with the name.

        Raises
        ------
        ProjectError
            Always; with the path, the name, the fault and the remedy.
        """
        raise ProjectError(f"{self.path} is refused: {shown(name)} {fault}; {self.remedy}")

    def refuse_if(self, name: str, fault: str | None) -> None:
        """Refuse the file where there is a fault.

        Parameters
        ----------
        name, fault
            As for `refuse`; without a fault (None) nothing happens.

        Raises
        ------
        ProjectError
            There is one.
        """
        if fault is not None:
            self.refuse(name, fault)

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """Turn what h5py raises into `ProjectError`; its texts, which may quote the file, are left out."""
        try:
            yield
        except FaceRhythmError:
            raise
        except _H5PY_ERRORS as error:
            raise ProjectError(
                f"{self.path} is damaged: {shown(name)} cannot be read ({type(error).__name__}); "
                f"{self.remedy}"
            ) from error


class H5Node:
    """What groups and datasets have in common."""

    def __init__(self, source: OpenFile, raw: Any, name: str) -> None:
        self._source, self._raw = source, raw
        self.name = name

    @property
    def path(self) -> Path:
        """The file."""
        return self._source.path

    def refuse(self, fault: str) -> NoReturn:
        """Raise `ProjectError`: the file, this member and its `fault`, and what to do."""
        self._source.refuse(self.name, fault)

    def claim(self, n_bytes: int) -> None:
        """Count memory that is taken because this member says so.

        Raises
        ------
        ProjectError
            With it, more memory would be taken than a file like this plausibly needs.
        """
        self._source.refuse_if(self.name, self._source.budget.claim(n_bytes))

    def attribute(self, name: str) -> Any:
        """Value of an attribute: a text, a number, or None where there is none.

        Raises
        ------
        ProjectError
            It is neither one text nor one number, or longer than 1 MiB.
        """
        value = self._attribute(name)
        if isinstance(value, bytes):
            with self._source.reading(self._place(name)):
                return value.decode("utf-8")
        if value is None:
            return None
        if np.size(value) != 1 or np.asarray(value).dtype.kind not in "biuf":
            self._source.refuse(self._place(name), "is neither one number nor one text")
        return np.asarray(value).item()

    def attribute_names(self) -> list[str]:
        """Names of the attributes.

        Raises
        ------
        ProjectError
            There are more than 1,024.
        """
        with self._source.reading(self.name):
            if h5py.h5a.get_num_attrs(self._raw.id) > _MAX_ATTRIBUTE_ENTRIES:
                self.refuse(f"has more than {_MAX_ATTRIBUTE_ENTRIES:,} attributes")
            return list(self._raw.attrs)

    def plain_attribute(self, name: str) -> Any:
        """Value of an attribute in plain Python: a text, a number, a list, or None for a reference.

        Raises
        ------
        ProjectError
            It is longer than 1 MiB, or has more than 1,024 entries.
        """
        place = self._place(name)
        with self._source.reading(place):
            raw = h5py.h5a.open(self._raw.id, name.encode())
            is_text = h5py.check_string_dtype(raw.dtype) is not None
            if raw.dtype.kind == "O" and not is_text:
                return None
        value = self._attribute(name)
        with self._source.reading(place):
            if isinstance(value, bytes):
                return value.decode("utf-8", "replace")
            texts = np.asarray(value).astype(object).tolist()
        return _decoded(texts)

    def integer(self, name: str) -> int | None:
        """Value of an attribute that is a whole number; None where there is none.

        Raises
        ------
        ProjectError
            It is something else.
        """
        value = self.attribute(name)
        if value is not None and not isinstance(value, int):
            self._source.refuse(self._place(name), "is no whole number")
        return value

    def attribute_bytes(self, name: str) -> bytes | None:
        """Value of an attribute that is a text, undecoded; None where there is none.

        Raises
        ------
        ProjectError
            It is something else, or longer than 1 MiB.
        """
        value = self._attribute(name)
        if value is not None and not isinstance(value, bytes):
            self._source.refuse(self._place(name), "is no text")
        return value

    def _attribute(self, name: str) -> Any:
        place = self._place(name)
        with self._source.reading(place):
            if not h5py.h5a.exists(self._raw.id, name.encode()):
                return None
            raw = h5py.h5a.open(self._raw.id, name.encode())
            if (
                raw.get_storage_size() > _MAX_ATTRIBUTE_BYTES
                or n_entries(raw.shape) > _MAX_ATTRIBUTE_ENTRIES
            ):
                self._source.refuse(place, "is larger than any attribute of such a file")
            text = h5py.check_string_dtype(raw.dtype)
            if text is None and raw.dtype.kind not in "biufSV":
                self._source.refuse(place, "is neither a number nor a text")
            value = self._raw.attrs[name]
            if isinstance(value, h5py.Empty):
                return b""
            if text is not None and isinstance(value, np.ndarray) and value.size == 1:
                value = value.item()
            if isinstance(value, str):
                return value.encode("utf-8", "surrogateescape")
            if isinstance(value, np.void):
                return value.tobytes()
            return bytes(value) if isinstance(value, bytes) else value

    def _place(self, attribute: str) -> str:
        return f"attribute {attribute} of {self.name}"


def _decoded(value: Any) -> Any:
    """Return bytes as texts, also those of a list."""
    if isinstance(value, list):
        return [_decoded(one) for one in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def n_entries(shape: tuple[int, ...] | None) -> int:
    """Return the number of entries of an array; 0 where there is no array."""
    return 0 if shape is None else math.prod(shape)


def shown(name: str) -> str:
    """Return a name for a message: short, and without characters that a terminal would act on."""
    plain = name if name.isprintable() else ascii(name)
    return plain if len(plain) <= _SHOWN_CHARACTERS else f"{plain[:_SHOWN_CHARACTERS]}..."
