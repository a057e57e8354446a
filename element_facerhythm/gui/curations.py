"""Where curations are read and written: beside the projects, or, for runs of a database, in its rows."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Protocol

from element_facerhythm.curation import (
    CuratedResult,
    Curation,
    project_result,
    read_curation,
    write_curation,
)
from element_facerhythm.io.project import Project


class Curations(Protocol):
    """Curations by the directory of their project."""

    def read(self, directory: Path) -> tuple[Curation, CuratedResult]:
        """Return what was decided so far, and what there is to decide about."""
        ...

    def write(self, directory: Path, curation: Curation, based_on: int) -> None:
        """Add the further entries of a curation.

        Parameters
        ----------
        directory
            The project.
        curation
            What was read, with further entries.
        based_on
            Revision that was read.

        Raises
        ------
        CurationConflictError
            Somebody else has decided something since the revision `based_on`.
        """
        ...


class CurationFiles:
    """Curations in `curation.json` beside the products of a project."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._results: dict[tuple[str, tuple[int, ...]], CuratedResult] = {}

    def read(self, directory: Path) -> tuple[Curation, CuratedResult]:
        """Read the file; the digests of the products are computed once, until one of them changes."""
        project = Project.open(directory)
        stamps = tuple(product.path.stat().st_mtime_ns for product in project.products)
        key = (str(directory), stamps)
        with self._lock:
            if key not in self._results:
                self._results[key] = project_result(project)
            return read_curation(directory), self._results[key]

    def write(self, directory: Path, curation: Curation, based_on: int) -> None:
        """Write the file, where it still has that revision.

        Parameters
        ----------
        directory, curation, based_on
            As `write_curation` takes them, with its errors.
        """
        write_curation(directory, curation, based_on)
