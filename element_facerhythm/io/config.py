"""The two text files of a project: ``config.yaml`` and ``run_info.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from element_facerhythm.errors import ProjectError, TextError
from element_facerhythm.files import texts as text_files
from element_facerhythm.files.texts import parse_yaml, read_yaml
from element_facerhythm.io.atomic import atomic_path


def load_yaml(text: str) -> Any:
    """Parse YAML, with ``!!python/tuple`` as a tuple; TextError for what `parse_yaml` refuses."""
    return parse_yaml(text, tuples=True)


def read_config(path: Path) -> dict[str, Any]:
    """Read ``config.yaml``.

    Raises
    ------
    ProjectError
        The file is not YAML, is larger or deeper than a configuration is, holds a Python object other
        than a tuple, or is not a mapping. The message does not quote it.
    """
    try:
        config = read_yaml(path, what="configuration", tuples=True)
    except TextError as error:
        raise ProjectError(
            f"{error}. Replace whatever is not a number, a text, a list or a mapping"
        ) from error
    return _require_mapping(config, path)


def write_config(path: Path, config: Mapping[str, Any]) -> None:
    """Write ``config.yaml``: sections in their order, tuples as lists, no Python tags.

    Parameters
    ----------
    path
        The file; its folder must exist, and a file of that name is replaced, whole or not at all.
    config
        Section name to settings: numbers, texts, None, and lists and mappings of these.
    """
    with atomic_path(path) as temporary:
        text = yaml.safe_dump(_plain(config), sort_keys=False, allow_unicode=True)
        temporary.write_text(text, encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds one object.

    Raises
    ------
    ProjectError
        The file is not JSON, is larger or deeper than it should be, or holds something else. The
        message does not quote it.
    """
    try:
        value = text_files.read_json(path)
    except TextError as error:
        raise ProjectError(f"{error}; restore it or write it again") from error
    return _require_mapping(value, path)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file with face-rhythm's indentation.

    Parameters
    ----------
    path
        The file; its folder must exist, and a file of that name is replaced, whole or not at all.
    value
        What JSON can hold, tuples as lists; NaN and infinite numbers are refused with a ValueError.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(_plain(value), indent=4, allow_nan=False), encoding="utf-8")


def _require_mapping(value: Any, path: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ProjectError(f"{path} holds a {type(value).__name__}; expected a mapping of sections")
    return value


def _plain(value: Any) -> Any:
    """Copy with mappings as dicts and tuples as lists, so that any reader understands it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
