"""An index of many projects in one YAML file: what each is, its group, and whether it is complete."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import element_facerhythm
from element_facerhythm.errors import FaceRhythmError, ProjectError, RequestError, TextError
from element_facerhythm.files.path_pattern import PathPattern
from element_facerhythm.files.texts import read_yaml
from element_facerhythm.io.config import write_config
from element_facerhythm.io.layout import TEXTS, is_project
from element_facerhythm.io.product_stamps import stage_fingerprint
from element_facerhythm.io.project import Project
from element_facerhythm.pipeline.exchange.completion import completion_of
from element_facerhythm.pipeline.records import PRODUCT_OF_STAGE
from element_facerhythm.pipeline.results.at_a_glance import at_a_glance
from element_facerhythm.pipeline.results.project_summary import summarise_project
from element_facerhythm.pipeline.results.recorded_parameters import executed_parameters

INDEX_FILE = "facerhythm-index.yaml"
DEFAULT_GROUP = "default"
FORMAT_VERSION = 1
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "element-facerhythm")
_MOST_DIRECTORIES = 200_000


@dataclass(frozen=True)
class IndexEntry:
    """One project.

    Attributes
    ----------
    uuid
        The same wherever the same videos were analysed in the same way: made of what the last product was
        made from; of face-rhythm's projects, of the content of their text files.
    path
        The project directory.
    group
        As the user wrote it into the index: the arm of an experiment, for example.
    names
        What the recording is called: subject, session and the like, by the name of a column.
    program
        What wrote it, with the version of its layout.
    state, stages, reasons
        See `Completion`.
    parameters_sha256
        Digest of the parameters; None where they are not recorded.
    videos
        File names.
    facts
        Its numbers (see `at_a_glance`); empty unless it is complete.
    products
        Size in bytes of each product that is there.
    """

    uuid: str
    path: Path
    group: str
    names: Mapping[str, str]
    program: str
    state: str
    stages: Mapping[str, bool]
    reasons: tuple[str, ...]
    parameters_sha256: str | None
    videos: tuple[str, ...]
    facts: Mapping[str, Any]
    products: Mapping[str, int]


@dataclass(frozen=True)
class Index:
    """Projects, and what was noticed about them together."""

    entries: tuple[IndexEntry, ...]
    notes: tuple[str, ...] = field(default=())


def find_projects(top: Path) -> Iterator[Path]:
    """Yield the project directories at and below a directory, in the order of their names.

    Nothing is looked for within a project, and links to directories are not followed.

    Raises
    ------
    RequestError
        It is no directory, or has more than 200,000 directories.
    """
    if not top.is_dir():
        raise RequestError(f"{top} is no directory; give projects, or directories that hold some")
    for n_seen, (place, below, _) in enumerate(os.walk(top), 1):
        if n_seen > _MOST_DIRECTORIES:
            raise RequestError(
                f"{top} has more than {_MOST_DIRECTORIES:,} directories; name parts of it"
            )
        below.sort()
        if is_project(Path(place)):
            below.clear()
            yield Path(place)


def named_by(pattern: PathPattern, top: Path, directory: Path) -> dict[str, str]:
    """Names that the path of a project says.

    Parameters
    ----------
    pattern
        Of the path below `top`.
    top, directory
        Where the search began, and the project.

    Raises
    ------
    RequestError
        The path is none of the pattern, or can be read in several ways.
    """
    path = directory.relative_to(top).as_posix()
    found = pattern.match(path)
    if found is None:
        raise RequestError(f"{directory}: {path!r} is none of the pattern {pattern.text}")
    return found


def build_index(
    projects: Sequence[tuple[Path, Mapping[str, str]]],
    before: Index | None = None,
    roots: Iterable[str | Path] = (),
    advance: Callable[[int], None] = lambda done: None,
) -> Index:
    """Look at projects, each with what its recording is called.

    Parameters
    ----------
    projects
        Directory and names of each.
    before
        An index from which groups are taken over, by uuid.
    roots
        Data directories that files of projects may be links into; see `Project.open`.
    advance
        Called with the number of projects done.

    Returns
    -------
    Index
        A project that cannot be read is left out, with a note; so are those that stand twice told.
    """
    groups = {entry.uuid: entry.group for entry in before.entries} if before else {}
    entries, notes = [], []
    for n_done, (directory, names) in enumerate(projects, 1):
        try:
            entry = index_entry(directory, names, roots)
        except FaceRhythmError as error:
            notes.append(f"left out: {error}")
        else:
            entries.append(replace(entry, group=groups.get(entry.uuid, DEFAULT_GROUP)))
        advance(n_done)
    return Index(tuple(entries), (*notes, *_told_twice(entries)))


def index_entry(
    directory: Path, names: Mapping[str, str], roots: Iterable[str | Path] = ()
) -> IndexEntry:
    """Entry of one project, in the default group.

    Parameters
    ----------
    directory
        The project directory.
    names
        What its recording is called.
    roots
        Data directories that its files may be links into.

    Raises
    ------
    ProjectError
        It is no project, or a product cannot be read.
    """
    completion = completion_of(directory, roots)
    project = Project.open(directory, roots)
    parameters = executed_parameters(project).parameters if completion.is_complete else None
    return IndexEntry(
        uuid=_uuid_of(project),
        path=directory,
        group=DEFAULT_GROUP,
        names=dict(names),
        program=completion.program,
        state=completion.state,
        stages=completion.stages,
        reasons=completion.reasons,
        parameters_sha256=None if parameters is None else parameters.sha256(),
        videos=_videos(project),
        facts=at_a_glance(summarise_project(directory, roots)) if completion.is_complete else {},
        products={product.name: product.size_bytes for product in project.products},
    )


def write_index(path: Path, index: Index) -> None:
    """Write an index; paths below its own directory are relative to it.

    Parameters
    ----------
    path
        The file, replaced whole where it is there.
    index
        What to write.
    """
    home = path.absolute().parent
    tree = {
        "format_version": FORMAT_VERSION,
        "package_version": element_facerhythm.__version__,
        "written_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "projects": [_row(entry, home) for entry in index.entries],
        "notes": list(index.notes),
    }
    write_config(path, tree)


def read_index(path: Path) -> Index:
    """Read an index that `write_index` wrote and a user may have edited.

    Raises
    ------
    ProjectError
        It is no index, or of a newer version.
    """
    try:
        tree = read_yaml(path, what="index")
        version = tree["format_version"]
        if not isinstance(version, int) or version > FORMAT_VERSION:
            raise ProjectError(
                f"{path} has format version {version!r}; this package reads up to {FORMAT_VERSION}"
            )
        home = path.absolute().parent
        entries = tuple(_entry(row, home) for row in tree["projects"])
        return Index(entries, tuple(map(str, tree.get("notes") or ())))
    except (TextError, KeyError, TypeError, AttributeError) as error:
        raise ProjectError(
            f"{path} is no index of projects ({type(error).__name__}: {error}); `facerhythm index build` "
            "writes one"
        ) from error


def _row(entry: IndexEntry, home: Path) -> dict[str, Any]:
    path = entry.path.absolute()
    shown = path.relative_to(home) if path.is_relative_to(home) else path
    return asdict(entry) | {"path": shown.as_posix()}


def _entry(row: Mapping[str, Any], home: Path) -> IndexEntry:
    known = {name.name: row[name.name] for name in fields(IndexEntry)}
    group = known["group"]
    return IndexEntry(**known | {
        "path": home / str(row["path"]),
        "group": DEFAULT_GROUP if group is None else str(group),
        "names": {str(name): str(text) for name, text in (row["names"] or {}).items()},
        "reasons": tuple(row["reasons"] or ()),
        "videos": tuple(row["videos"] or ()),
        "facts": row["facts"] or {},
    })  # fmt: skip


def _uuid_of(project: Project) -> str:
    """Identity of what was analysed and how, whatever directory it lies in."""
    last = [name for name in PRODUCT_OF_STAGE.values() if project.is_ours(name)]
    made_from = stage_fingerprint(project.product_path(last[-1])) if last else None
    if made_from is not None:
        text = json.dumps(made_from, sort_keys=True)
    else:
        texts = [project.directory / name for name in TEXTS]
        digests = [
            hashlib.sha256(path.read_bytes()).hexdigest() for path in texts if path.is_file()
        ]
        text = " ".join(digests)
    return str(uuid.uuid5(_NAMESPACE, text))


def _videos(project: Project) -> tuple[str, ...]:
    try:
        return project.video_names
    except ProjectError:  # the stage that names them has not run
        return ()


def _told_twice(entries: Sequence[IndexEntry]) -> Iterator[str]:
    places: dict[str, list[str]] = {}
    for entry in entries:
        places.setdefault(entry.uuid, []).append(str(entry.path))
    for found in places.values():
        if len(found) > 1:
            yield f"the same analysis of the same videos stands {len(found)} times: {', '.join(found)}"
