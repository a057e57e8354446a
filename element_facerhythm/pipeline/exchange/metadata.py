"""What a file or a project says of itself: texts, numbers and the shapes of arrays, without the arrays."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from element_facerhythm.errors import ProjectError, RequestError, TextError
from element_facerhythm.files.texts import parse_json, read_json, read_yaml
from element_facerhythm.io.h5 import read_text_attribute
from element_facerhythm.io.h5_reader import H5Dataset, H5Group, open_h5
from element_facerhythm.io.layout import CURATION_FILE, TEXTS
from element_facerhythm.io.project import Project

_MOST_ENTRIES = 32
"""Of an array that is shown whole."""
_MAX_DEPTH = 12
_H5_ENDINGS = (".h5", ".hdf5", ".nwb", ".nc", ".slp", ".mat")
_LATER_PART = re.compile(r".+\.[0-9]+")


def metadata_of(path: Path, under: str = "/", roots: Iterable[str | Path] = ()) -> dict[str, Any]:
    """Read the metadata of a file or a project directory.

    Parameters
    ----------
    path
        An HDF5 file of any program (moseq2's extractions, NWB and DeepLabCut's among them), a YAML or JSON
        file, or a project directory, whose texts and products are read.
    under
        Group of the HDF5 file that is read, as ``/metadata/acquisition``; for a file alone.
    roots
        Data directories that files of a project may be links into; see `Project.open`.

    Returns
    -------
    dict
        Texts and numbers as they are; arrays of up to 32 entries as lists, longer ones as `shape`, `dtype`
        and `bytes`. Attributes of a node stand under ``@`` with their name; texts in JSON are parsed.

    Raises
    ------
    RequestError
        It is nothing that has metadata, or `under` is given for something else than an HDF5 file.
    ProjectError
        The file is damaged, or has no such group.
    TextError
        A text file is not what its name says.
    """
    if path.is_dir():
        require_whole(path, under)
        return _of_project(Project.open(path, roots))
    if not path.is_file():
        raise RequestError(f"{path} does not exist; expected a file or a project directory")
    ending = path.suffix.lower()
    if ending in _H5_ENDINGS:
        return _of_h5(path, under)
    require_whole(path, under)
    if ending == ".json":
        return {path.name: read_json(path)}
    if ending in (".yaml", ".yml"):
        return {path.name: read_yaml(path, what="metadata file", tuples=True)}
    raise RequestError(
        f"{path} is none of {', '.join((*_H5_ENDINGS, '.yaml', '.json'))} and no project directory; "
        "`facerhythm video info` tells about a video"
    )


def require_whole(path: Path, under: str) -> None:
    """Refuse a part of something that has no groups.

    Parameters
    ----------
    path
        File or directory.
    under
        What was asked for; ``/`` is the whole.

    Raises
    ------
    RequestError
        It is another.
    """
    if under.strip("/"):
        raise RequestError(f"--path is for an HDF5 file, which has groups; {path} is none")


def _of_project(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = {"directory": str(project.directory), "layout": project.layout}
    for name in (*TEXTS, CURATION_FILE):
        path = project.directory / name
        if path.is_file():
            is_yaml = name.endswith(".yaml")
            found[name] = project.config if is_yaml else read_json(path)
    for product in project.products:
        found[f"{product.name}.h5"] = _of_h5(product.path, "/")
    return found


def _of_h5(path: Path, under: str) -> dict[str, Any]:
    with open_h5(path, "restore it, or write it again", soft_links=True) as file:
        node = file if not under.strip("/") else file[under.strip("/")]
        described = _of_node(node, _MAX_DEPTH)
    size = {"bytes": path.stat().st_size}
    return size | (described if isinstance(described, dict) else {under: described})


def _of_node(node: H5Group | H5Dataset, depth: int) -> Any:
    if isinstance(node, H5Dataset):
        return _of_dataset(node)
    attributes = {f"@{name}": value for name, value in _attributes(node).items()}
    if depth == 0:
        return attributes | {"...": f"deeper than {_MAX_DEPTH} groups, not shown"}
    return attributes | {name: _of_node(node[name], depth - 1) for name in node.names()}


def _attributes(node: H5Group | H5Dataset) -> dict[str, Any]:
    """Attributes by name: those that go on in ``name.1`` joined, JSON parsed, large ones described."""
    names = node.attribute_names()
    first = [name for name in names if not (_LATER_PART.fullmatch(name) and _stem(name) in names)]
    return {name: _attribute(node, name) for name in first}


def _attribute(node: H5Group | H5Dataset, name: str) -> Any:
    value = node.plain_attribute(name)
    if not isinstance(value, str):
        return "a reference" if value is None else value
    whole = read_text_attribute(node, name) if isinstance(node, H5Group) else value
    return _parsed(value if whole is None else whole)


def _parsed(text: str) -> Any:
    if not text.startswith(("{", "[")):
        return text
    try:
        return parse_json(text)
    except TextError:
        return text


def _of_dataset(node: H5Dataset) -> Any:
    kind, n_entries = node.dtype.kind, int(np.prod(node.shape, dtype=np.int64))
    shape = {"shape": list(node.shape), "dtype": str(node.dtype), "bytes": node.nbytes}
    if n_entries > _MOST_ENTRIES or kind not in "biufSO":
        return shape
    try:
        value = node.value()
    except ProjectError:  # references and tables, which have no plain form
        return shape
    if isinstance(value, str):
        return _parsed(value)
    return value.tolist() if isinstance(value, np.ndarray) else value


def _stem(name: str) -> str:
    return name.rpartition(".")[0]
