"""Groups of an open HDF5 file, and how their members are looked up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from element_facerhythm.errors import FaceRhythmError, ProjectError
from element_facerhythm.io.h5_reader.dataset import H5Dataset
from element_facerhythm.io.h5_reader.limits import ByteBudget, fault_of_dataset
from element_facerhythm.io.h5_reader.node import H5Node, OpenFile, shown
from element_facerhythm.io.h5_reader.superblock import fault_of_superblock

MAX_DEPTH = 8
"""Levels below a group that are read with it."""
MAX_LOOKUPS = 50_000
"""Members that are looked up in one open file; one dataset may stand under any number of names."""
_MAX_MEMBERS = 100_000
_MAX_LINKS = 8


@contextmanager
def open_h5(
    path: Path, remedy: str = "write it again", *, soft_links: bool = False
) -> Iterator[H5Group]:
    """Open an HDF5 file to read, and yield its root.

    Parameters
    ----------
    path
        The file.
    remedy
        What to do where it is damaged: the end of every message.
    soft_links
        Follow soft links within the file (NWB has some); otherwise they are refused.

    Raises
    ------
    ProjectError
        The file is missing, truncated or not HDF5, or takes next to nothing of its length on the disk.
    """
    if not path.is_file():
        raise ProjectError(f"{path} does not exist; {remedy}")
    try:
        budget = ByteBudget(path)
        fault = fault_of_superblock(path)
        if fault is not None:
            raise ProjectError(f"{path} is refused: it {fault}; {remedy}")
        file = h5py.File(path, "r")
    except (OSError, RuntimeError, ValueError) as error:
        if isinstance(error, FaceRhythmError):
            raise
        raise ProjectError(
            f"{path} cannot be read as HDF5 (truncated or damaged: {error}); {remedy}"
        ) from error
    with file:
        source = OpenFile(path, remedy, soft_links, file, budget)
        source.refuse_if("the file", budget.fault_of_file())
        yield H5Group(source, file, "/")


def root_of(file: h5py.File) -> H5Group:
    """Root of a file that this process is writing, to read what it holds so far."""
    file.flush()
    path = Path(file.filename)
    return H5Group(OpenFile(path, "write it again", False, file, ByteBudget(path)), file, "/")


class H5Group(H5Node):
    """A group of an open file; a name may lead through several groups (``"factors/0"``)."""

    def __contains__(self, name: str) -> bool:
        """Whether there is a member of this name; a link that may not be followed is refused."""
        return self.find(name) is not None

    def __getitem__(self, name: str) -> H5Group | H5Dataset:
        """Return a member.

        Raises
        ------
        ProjectError
            There is none of this name, or it may not be read.
        """
        found = self.find(name)
        if found is None:
            raise ProjectError(
                f"{self.path} lacks a dataset or group that its layout asks for: {shown(self._full(name))}; "
                f"{self._source.remedy}"
            )
        return found

    def find(self, name: str) -> H5Group | H5Dataset | None:
        """Return a member, or None where there is none of this name.

        Raises
        ------
        ProjectError
            It may not be read.
        """
        place = self._full(name)
        self._source.n_lookups += 1
        if self._source.n_lookups > MAX_LOOKUPS:
            self.refuse(f"brings what is read of the file to more than {MAX_LOOKUPS:,} members")
        with self._source.reading(place):
            raw = self._walk(self._raw, name, place, _MAX_LINKS)
            if raw is None:
                return None
            if isinstance(raw, h5py.Group):
                return H5Group(self._source, raw, place)
            self._source.refuse_if(place, fault_of_dataset(raw))
            return H5Dataset(self._source, raw, place)

    def group(self, name: str) -> H5Group:
        """Return a member that is a group; the errors of ``[]``, and that it is none."""
        found = self[name]
        if not isinstance(found, H5Group):
            self._source.refuse(found.name, "is a dataset; expected a group")
        return found

    def dataset(self, name: str) -> H5Dataset:
        """Return a member that is a dataset; the errors of ``[]``, and that it is none."""
        found = self[name]
        if not isinstance(found, H5Dataset):
            self._source.refuse(found.name, "is a group; expected a dataset")
        return found

    def names(self) -> list[str]:
        """Names of the members, in the order in which they were written where the file keeps it.

        Raises
        ------
        ProjectError
            There are more than 100,000.
        """
        with self._source.reading(self.name):
            if self._raw.id.get_num_objs() > _MAX_MEMBERS:
                self.refuse(f"has more than {_MAX_MEMBERS:,} members")
            return list(self._raw)

    def names_by_number(self) -> list[str]:
        """Names of the members by the first number in each: ``mask_10`` after ``mask_2``."""
        return sorted(self.names(), key=_by_number)

    def tree(self) -> dict[str, Any]:
        """Read everything below this group into nested dicts; see `H5Dataset.value`.

        Raises
        ------
        ProjectError
            It is deeper or has more members than any tree that trackers write.
        """
        return self._tree(MAX_DEPTH)

    def _tree(self, depth: int) -> dict[str, Any]:
        return {
            name: node._tree(depth - 1) if isinstance(node, H5Group) else node.value()
            for name, node in self._members(depth).items()
        }

    def _members(self, depth: int) -> dict[str, H5Group | H5Dataset]:
        """Members by name, of a group that may be read with `depth` levels below it."""
        if depth == 0:
            self.refuse(f"lies deeper than {MAX_DEPTH} groups")
        return {name: self[name] for name in self.names()}

    def datasets(self) -> Iterator[H5Dataset]:
        """Yield every dataset below this group, in the order of names; the errors of `tree`."""
        yield from self._datasets(MAX_DEPTH)

    def _datasets(self, depth: int) -> Iterator[H5Dataset]:
        for _, node in sorted(self._members(depth).items()):
            if isinstance(node, H5Group):
                yield from node._datasets(depth - 1)
            else:
                yield node

    def _full(self, name: str) -> str:
        return f"{self.name.rstrip('/')}/{name}"

    def _walk(self, raw: Any, name: str, place: str, n_links: int) -> Any:
        """Member of an h5py group, looked up level by level; None where there is none."""
        for part in name.split("/"):
            if part in ("", "."):
                continue
            encoded = part.encode("utf-8", "surrogateescape")
            if not isinstance(raw, h5py.Group) or not raw.id.links.exists(encoded):
                return None
            kind = raw.id.links.get_info(encoded).type
            if kind == h5py.h5l.TYPE_HARD:
                raw = _wrapped(h5py.h5o.open(raw.id, encoded))
            elif kind == h5py.h5l.TYPE_SOFT and self._source.soft_links and n_links > 0:
                target = raw.id.links.get_val(encoded).decode("utf-8", "surrogateescape")
                start = self._source.root if target.startswith("/") else raw
                raw = self._walk(start, target, place, n_links - 1)
            else:
                what = "a soft link" if kind == h5py.h5l.TYPE_SOFT else "a link out of the file"
                self._source.refuse(place, f"leads through {what}")
            if raw is None:
                return None
        return raw


def _by_number(name: str) -> tuple[int, str, str]:
    """Sort key; digits are compared as text, since a name may hold thousands of them."""
    match = re.search(r"[0-9]+", name)
    digits = match.group().lstrip("0") if match else ""
    return (len(digits) if match else -1, digits, name)


def _wrapped(raw: Any) -> Any:
    """Return a low-level object its class; a named type, which holds nothing to read, is refused."""
    if isinstance(raw, h5py.h5g.GroupID):
        return h5py.Group(raw)
    if isinstance(raw, h5py.h5d.DatasetID):
        return h5py.Dataset(raw)
    raise TypeError("neither a group nor a dataset")
