"""Results of many projects gathered under names of one's own, with a table of components and a manifest.

Each becomes a directory that is a project again, whole; beside them stand `components.csv`, with a row for
each component of all of them, the index of what was gathered, and a manifest with the digest of every file.
"""

from __future__ import annotations

import os
import shutil
import string
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from element_facerhythm.errors import RequestError
from element_facerhythm.files.digest import file_sha256
from element_facerhythm.io.config import write_config
from element_facerhythm.io.layout import CURATION_FILE, FILES, INPUTS
from element_facerhythm.io.project import Project
from element_facerhythm.io.table_file import write_table
from element_facerhythm.pipeline.exchange.index import INDEX_FILE, Index, IndexEntry, write_index
from element_facerhythm.pipeline.results.model_summary import summarise_models

MANIFEST_FILE = "manifest.yaml"
COMPONENTS_FILE = "components.csv"


@dataclass(frozen=True)
class Gathered:
    """One project, and what becomes of it.

    Attributes
    ----------
    entry
        The project.
    name
        Directory that it becomes.
    left_out
        Why it is not gathered; empty where it is.
    """

    entry: IndexEntry
    name: str
    left_out: str = ""


@dataclass(frozen=True)
class Selection:
    """Which projects are gathered, and how they are called.

    Attributes
    ----------
    name
        Format of the names: fields in braces, as ``{subject}_{session}``; see `fields_of`.
    max_violations
        The largest share of flagged (frame, point) entries; None takes all.
    not_red
        Leave out projects of which a check of quality is red.
    """

    name: str
    max_violations: float | None = None
    not_red: bool = False


def fields_of(entry: IndexEntry) -> dict[str, str]:
    """Fields that a name may have: the entry's names, `uuid`, `group`, `directory`, `parent` and `video`.

    A field of the entry's names hides another one of its name.
    """
    path = entry.path.absolute()
    video = Path(entry.videos[0]).stem if entry.videos else ""
    return {
        "uuid": entry.uuid, "group": entry.group, "directory": path.name, "parent": path.parent.name,
        "video": video, **entry.names,
    }  # fmt: skip


def plan_gathering(index: Index, selection: Selection) -> tuple[Gathered, ...]:
    """Decide what is gathered under which name; touches no file.

    Parameters
    ----------
    index
        The projects.
    selection
        Which of them, and their names.

    Raises
    ------
    RequestError
        A name cannot be made, is no name of a directory, or would be that of two projects.
    """
    planned = []
    for entry in index.entries:
        reason = _left_out(entry, selection)
        planned.append(Gathered(entry, "" if reason else _name(entry, selection.name), reason))
    by_name: dict[str, list[Path]] = {}
    for one in planned:
        if not one.left_out:
            by_name.setdefault(one.name.casefold(), []).append(one.entry.path)
    for name, paths in by_name.items():
        if len(paths) > 1:
            raise RequestError(
                f"{len(paths)} projects would be called {name!r}: {', '.join(map(str, paths))}. Give "
                "a --name that tells them apart; {uuid} and {directory} are fields, too"
            )
    return tuple(planned)


def gather(
    planned: Sequence[Gathered],
    target: Path,
    *,
    link: bool = False,
    advance: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """Copy or link what was planned, and write table, index and manifest.

    Parameters
    ----------
    planned
        What `plan_gathering` decided.
    target
        Directory to gather in; it may hold what an earlier call gathered, which is kept where it is the same.
    link
        Make hard links instead of copies: they take no room, and are the same files as the projects'.
    advance
        Called with the number of projects done.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    RequestError
        A name is taken by something else, or a link cannot be made there. Nothing was gathered then.
    OSError
        There is no room.
    """
    chosen = [one for one in planned if not one.left_out]
    require_free(chosen, target)
    target.mkdir(parents=True, exist_ok=True)
    results, rows = [], []
    for n_done, one in enumerate(chosen, 1):
        results.append(_gather_one(one, target / one.name, link=link))
        rows += list(_component_rows(one))
        advance(n_done)
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    write_table(target / COMPONENTS_FILE, columns, rows)
    entries = tuple(replace(one.entry, path=target / one.name) for one in chosen)
    write_index(target / INDEX_FILE, Index(entries))
    left_out = [
        {"path": str(one.entry.path), "reason": one.left_out} for one in planned if one.left_out
    ]
    manifest = {
        "format_version": 1,
        "results": results,
        "files": _digests(target, (COMPONENTS_FILE,)),
        "left_out": left_out,
    }
    write_config(target / MANIFEST_FILE, manifest)
    return manifest


def require_free(chosen: Iterable[Gathered], target: Path) -> None:
    """Refuse names that something else has already.

    Parameters
    ----------
    chosen
        What is to be gathered.
    target
        The directory.

    Raises
    ------
    RequestError
        A directory of such a name holds other files than the project's.
    """
    for one in chosen:
        place = target / one.name
        if not place.exists():
            continue
        for name in _files_of(one.entry.path):
            if not (place / name).is_file() or file_sha256(place / name) != file_sha256(
                one.entry.path / name
            ):
                raise RequestError(
                    f"{place} is there and is not {one.entry.path} (its {name} differs); remove it, or give "
                    "another --name or -o"
                )


def _left_out(entry: IndexEntry, selection: Selection) -> str:
    if entry.state != "complete":
        return f"{entry.state}: {'; '.join(entry.reasons)}"
    share = entry.facts.get("violation_fraction")
    most = selection.max_violations
    if most is not None and (share is None or not share <= most):
        return (
            f"violation_fraction is {share if share is None else round(share, 4)}, above {most:g}"
        )
    if selection.not_red and entry.facts.get("verdict") == "red":
        return "a check of its quality is red"
    return ""


def _name(entry: IndexEntry, pattern: str) -> str:
    known = fields_of(entry)
    try:
        wanted = [name for _, name, _, _ in string.Formatter().parse(pattern) if name is not None]
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise RequestError(
                f"{entry.path} has no {unknown[0]!r}; the fields of --name are {', '.join(sorted(known))}. "
                "`facerhythm index build --pattern` reads subject and session from the path"
            )
        name = pattern.format_map(known)
    except (ValueError, IndexError, KeyError) as error:
        raise RequestError(f"--name {pattern!r} is no format: {error}") from error
    if not name or name in (".", "..") or "/" in name or "\0" in name or name.startswith("."):
        raise RequestError(
            f"{entry.path} would be called {name!r}, which is no name of a directory; give another --name"
        )
    return name


def _files_of(directory: Path) -> list[str]:
    """Names of the files that make a project, of those that are there."""
    given = sorted(f"{INPUTS}/{path.name}" for path in (directory / INPUTS).glob("[!.]*"))
    return [name for name in (*FILES, CURATION_FILE, *given) if (directory / name).is_file()]


def _gather_one(one: Gathered, place: Path, *, link: bool) -> dict[str, Any]:
    source = one.entry.path
    described = {
        "name": one.name,
        "uuid": one.entry.uuid,
        "group": one.entry.group,
        "names": dict(one.entry.names),
        "source": str(source.absolute()),
        "parameters_sha256": one.entry.parameters_sha256,
    }
    if not place.exists():
        draft = place.with_name(f".{place.name}.part")
        shutil.rmtree(draft, ignore_errors=True)
        try:
            for name in _files_of(source):
                (draft / name).parent.mkdir(parents=True, exist_ok=True)
                _place_file(source / name, draft / name, link=link)
            draft.rename(place)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    return described | {"files": _digests(place, _files_of(place))}


def _place_file(source: Path, target: Path, *, link: bool) -> None:
    if link:
        try:
            os.link(source, target)
        except OSError as error:
            raise RequestError(
                f"{source} cannot be linked into {target.parent} ({error.strerror}); a hard link needs the "
                "same file system: leave out --link to copy"
            ) from error
        return
    shutil.copyfile(source, target)
    if file_sha256(target) != file_sha256(source):
        raise RequestError(f"{source} changed while it was copied; wait for what writes it")


def _digests(directory: Path, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "sha256": file_sha256(directory / name),
            "bytes": (directory / name).stat().st_size,
        }
        for name in names
    }


def _component_rows(one: Gathered) -> Iterator[dict[str, Any]]:
    about = {"name": one.name, "uuid": one.entry.uuid, "group": one.entry.group, **one.entry.names}
    for model in summarise_models(Project.open(one.entry.path)):
        for component in model.components:
            numbers = {
                k: v for k, v in asdict(component).items() if isinstance(v, (int, float, str))
            }
            yield about | {"model_key": model.model_key} | numbers
