"""The parameter and ROI files that a run was given, kept byte for byte in the project directory.

They lie in `inputs/` under fixed names with the ending of the file. What was executed is in `run.json`: a
file may leave parameters open, and a command line may say others over it. No fingerprint contains them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from element_facerhythm.core.rois import Rois
from element_facerhythm.errors import RequestError
from element_facerhythm.files.regular import open_regular
from element_facerhythm.io.atomic import atomic_path
from element_facerhythm.io.data_paths import place_inside
from element_facerhythm.io.layout import INPUTS
from element_facerhythm.io.rois_file import read_rois
from element_facerhythm.pipeline.run.fingerprint import rois_sha256

if TYPE_CHECKING:
    from element_facerhythm.pipeline.records import RunRequest
    from element_facerhythm.pipeline.run.lock import ProjectLock

PARAMETERS, ROIS = "parameters", "rois"
MOST_BYTES = 16_000_000
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,8}")


@dataclass(frozen=True)
class GivenFile:
    """A file that a request names.

    Attributes
    ----------
    kind
        `PARAMETERS` or `ROIS`.
    source
        Where it lay.
    content
        Its bytes; None for a file of more than `MOST_BYTES`, which is not kept.
    """

    kind: str
    source: Path
    content: bytes | None

    @property
    def name(self) -> str:
        """Its name in the project directory."""
        ending = self.source.suffix
        return f"{INPUTS}/{self.kind}{ending if _ENDING.fullmatch(ending) else ''}"

    def described(self) -> dict[str, Any]:
        """Return what ``run.json`` says of it."""
        kept = None if self.content is None else hashlib.sha256(self.content).hexdigest()
        return {
            "file": None if kept is None else self.name,
            "sha256": kept,
            "source": str(self.source.absolute()),
        }


def given_files(request: RunRequest) -> tuple[GivenFile, ...]:
    """Read the files that a request names.

    Raises
    ------
    RequestError
        One cannot be read.
    """
    named = (
        (PARAMETERS, request.parameters_file),
        (ROIS, request.rois if isinstance(request.rois, Path) else None),
    )
    return tuple(read_given_file(kind, path) for kind, path in named if path is not None)


def kept_file(directory: Path, kind: str, roots: Iterable[str | Path] = ()) -> Path | None:
    """Where the file lies that an earlier run was given; None where the project keeps none.

    Parameters
    ----------
    directory
        The project directory; it may be missing.
    kind
        `PARAMETERS` or `ROIS`.
    roots
        Data directories that it may be a link into; see `Project.open`.

    Raises
    ------
    RequestError
        There are several, or it is a link that leads out.
    """
    found = _kept(directory, kind)
    if len(found) > 1:
        raise RequestError(
            f"{directory / INPUTS} holds {' and '.join(path.name for path in found)}; remove one of them"
        )
    return place_inside(directory, found[0].relative_to(directory), roots) if found else None


def keep_given_files(
    directory: Path, given: Iterable[GivenFile], rois: Rois | None, lock: ProjectLock
) -> tuple[str, ...]:
    """Write the files into the project, and remove what they replace; return remarks.

    A ROI file of an earlier run is removed, too, where this one was given other regions as values.

    Parameters
    ----------
    directory
        The project directory, locked.
    given
        The files.
    rois
        The regions of the run; None where there is no run.
    lock
        The lock.
    """
    notes, kinds = [], set()
    for file in given:
        kinds.add(file.kind)
        path = directory / file.name
        for other in _kept(directory, file.kind):
            if other != path or file.content is None:
                lock.withdraw(other)
        if file.content is None:
            notes.append(
                f"{file.source} is not kept in the project: it has more than {MOST_BYTES} bytes"
            )
        elif not path.is_file() or path.read_bytes() != file.content:
            with atomic_path(path) as temporary:
                temporary.write_bytes(file.content)
    for path in _kept(directory, ROIS):
        if rois is not None and not _is_of(path, rois):
            lock.withdraw(path)
            if ROIS in kinds:
                notes.append("the ROI file changed while the run was prepared, and is not kept")
    return tuple(notes)


def _kept(directory: Path, kind: str) -> list[Path]:
    folder = directory / INPUTS
    if not folder.is_dir():
        return []
    own = re.compile(rf"{kind}(\.[A-Za-z0-9]{{1,8}})?")
    return sorted(path for path in folder.iterdir() if own.fullmatch(path.name))


def _is_of(path: Path, rois: Rois) -> bool:
    try:
        return rois_sha256(read_rois(path)) == rois_sha256(rois)
    except RequestError:
        return False


def read_given_file(kind: str, path: Path) -> GivenFile:
    """Read a file that is to be kept.

    Parameters
    ----------
    kind
        `PARAMETERS` or `ROIS`.
    path
        The file.

    Raises
    ------
    RequestError
        It cannot be read.
    """
    try:
        with open_regular(path) as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise RequestError(f"{kind} file {path} cannot be read: {error.strerror}") from error
    return GivenFile(kind, path, content if len(content) <= MOST_BYTES else None)
