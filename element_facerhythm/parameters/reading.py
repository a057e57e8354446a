"""Parameter files: face-rhythm's own are read unchanged."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from element_facerhythm.errors import ParameterError, TextError
from element_facerhythm.files.plain import plain
from element_facerhythm.files.texts import (
    MAX_JSON_BYTES,
    MAX_YAML_BYTES,
    parse_json,
    parse_yaml,
    read_text,
    shortened,
)
from element_facerhythm.parameters.base import Section
from element_facerhythm.parameters.tree import Parameters

_MAX_FAULTS = 10
_MAX_CHARACTERS = 300

UNUSED: dict[str, tuple[str, ...]] = {
    "": ("steps", "figure_saver", "paths_videos", "BufferedVideoReader"),
    "project": (
        "directory_project",
        "overwrite_config",
        "update_project_paths",
        "initialize_visualization",
        "use_GPU",
        "verbose",
    ),
    "Dataset_videos": ("verbose",),
    "ROIs": ("initialize",),
    "ROIs.make_rois": ("rois_points_idx",),
    "PointTracker": ("idx_start", "visualize_video", "params_visualization", "verbose"),
    "VQT_Analyzer": ("batch_size", "device", "verbose"),
    "VQT_Analyzer.params_VQT": (
        "win_size",
        "fft_conv",
        "fast_length",
        "plot_pref",
        "batch_size",
        "progressBar",
        "DEVICE_compute",
        "DEVICE_return",
    ),
    "TCA": ("verbose",),
    "TCA.fit": ("backend", "DEVICE", "verbose"),
    "TCA.fit.params_method": ("normalize_factors", "verbose"),
}
"""Keys of face-rhythm's tree, by section, that change no number here."""

_ONLY_VALUES: dict[str, tuple[Any, ...]] = {
    "ROIs.make_rois.rois_points_idx": ([0],),
    "PointTracker.idx_start": (0,),
    "TCA.fit.params_method.normalize_factors": (False,),
}
"""Keys that change nothing at these values and are refused at any other."""

_RENAMED = {"ROIs.make_points": "make_rois"}


@dataclass(frozen=True)
class LoadedParameters:
    """Parameters, and remarks on their file.

    Attributes
    ----------
    parameters
        Validated, every default filled in.
    unused
        Dotted names of keys that were accepted and change nothing here.
    notes
        Sentences about values that were read differently from what was typed.
    """

    parameters: Parameters
    unused: tuple[str, ...]
    notes: tuple[str, ...]


def read_parameters(path: str | Path | None) -> LoadedParameters:
    """Read a JSON or YAML parameter file; None gives the defaults.

    Raises
    ------
    ParameterError
        The file is missing or malformed, a key is unknown (the nearest known one is named), or a
        value is mistyped, not finite or impossible.
    """
    if path is None:
        return LoadedParameters(Parameters(), (), ())
    mapping = read_mapping(Path(path))
    try:
        return parameters_from_mapping(mapping)
    except ParameterError as error:
        raise ParameterError(f"parameter file {path}: {error}") from error


def read_mapping(path: Path) -> Any:
    """Read the text of a parameter file, and nothing of its content; empty for an empty one.

    Raises
    ------
    ParameterError
        The file is missing or malformed.
    """
    is_yaml = path.suffix.lower() in {".yaml", ".yml"}
    try:
        text = read_text(path, MAX_YAML_BYTES if is_yaml else MAX_JSON_BYTES, what="parameter file")
    except TextError as error:
        raise ParameterError(str(error)) from error
    try:
        value = parse_yaml(text) if is_yaml else parse_json(text)
    except TextError as error:
        raise ParameterError(f"parameter file {path} cannot be parsed: {error}") from error
    return {} if value is None else value


def parameters_from_mapping(mapping: Mapping[str, Any], *, quote: bool = True) -> LoadedParameters:
    """Check a nested mapping in face-rhythm's tree, with defaults for what it does not hold.

    Parameters
    ----------
    mapping
        The sections.
    quote
        Whether messages quote values, shortened; no, where the mapping is of a file that the reader of
        the message may not be meant to see.

    Raises
    ------
    ParameterError
        A key is unknown, or a value is mistyped, not finite or impossible.
    """
    tree, unused, notes = sort_out(mapping)
    return LoadedParameters(validated(tree, quote=quote), unused, notes)


def sort_out(mapping: Any) -> tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]:
    """Keep what the tree knows, in its own spelling; the values are not checked.

    Returns
    -------
    tuple
        The tree, names of keys that change nothing here, and notes on what was read differently.

    Raises
    ------
    ParameterError
        A key is unknown, or it is no mapping.
    """
    if not isinstance(mapping, Mapping):
        raise ParameterError(f"given a {type(mapping).__name__}, expected a mapping of sections")
    found = _Found()
    tree = _sort_out(plain(mapping), Parameters, "", found)
    return tree, tuple(found.unused), tuple(found.notes)


def validated(tree: Mapping[str, Any], *, quote: bool = True) -> Parameters:
    """Make parameters of a tree of known keys, with defaults for what it does not hold.

    Parameters
    ----------
    tree
        Nested mapping in this package's spelling, such as `sort_out` returns.
    quote
        As for `parameters_from_mapping`.

    Raises
    ------
    ParameterError
        A value is mistyped, not finite or impossible.
    """
    try:
        return Parameters.model_validate(tree)
    except ValidationError as error:
        raise ParameterError("; ".join(_explain(error, quote))) from error


@dataclass
class _Found:
    unused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def _sort_out(
    mapping: Mapping[str, Any], section: type[Section], path: str, found: _Found
) -> dict[str, Any]:
    """Keep what the section knows; note what is unused; refuse unknown keys."""
    result: dict[str, Any] = {}
    for given, value in mapping.items():
        key, value = _translate(_join(path, str(given)), str(given), value, found)
        name = _join(path, key)
        if key in UNUSED.get(path, ()):
            _require_neutral(name, value)
            found.unused.append(name)
        elif key not in section.model_fields:
            raise ParameterError(_unknown(name, path, section))
        elif key in result:
            raise ParameterError(f"{name} is given twice, under its old and its new name")
        else:
            inner = inner_section(section.model_fields[key])
            nested = inner is not None and isinstance(value, Mapping)
            result[key] = _sort_out(value, inner, name, found) if nested and inner else value
    return result


def _translate(name: str, key: str, value: Any, found: _Found) -> tuple[str, Any]:
    """Other spellings of face-rhythm's releases, and nulls that stand for a value."""
    if name in _RENAMED:
        found.notes.append(f"{name} is read as {_RENAMED[name]}")
        return _RENAMED[name], value
    if name == "VQT_Analyzer.params_VQT.return_complex" and isinstance(value, bool):
        found.notes.append(f"{name} {value} is read as take_abs {not value}")
        return "take_abs", not value
    if name == "project.random_seed" and value is None:
        found.notes.append("project.random_seed is null; 0 is used, so the run can be repeated")
        return key, 0
    return key, value


def _require_neutral(name: str, value: Any) -> None:
    """Refuse a value of an unused key that face-rhythm would have acted on."""
    neutral = _ONLY_VALUES.get(name)
    if neutral is not None and not any(value == v and type(value) is type(v) for v in neutral):
        expected = " or ".join(json.dumps(v) for v in neutral)
        raise ParameterError(
            f"{name}: given {shortened(value)}, expected {expected}; no other is supported"
        )


def inner_section(info: FieldInfo) -> type[Section] | None:
    """Find the section that a field holds, also where it may be null."""
    candidates = (info.annotation, *get_args(info.annotation))
    for candidate in candidates:
        if isinstance(candidate, type) and issubclass(candidate, Section):
            return candidate
    return None


def _unknown(name: str, path: str, section: type[Section]) -> str:
    """Return which known key is meant: first among the siblings, then anywhere in the tree."""
    if len(name) > _MAX_CHARACTERS:
        return f"unknown parameter {shortened(name)}, a name of {len(name)} characters"
    key = name.rpartition(".")[2]
    siblings = [*section.model_fields, *UNUSED.get(path, ())]
    close = difflib.get_close_matches(key, siblings, n=1)
    if close:
        return f"unknown parameter {name!r}; did you mean {_join(path, close[0])!r}?"
    everywhere = {known.rpartition(".")[2]: known for known in known_names()}
    close = difflib.get_close_matches(key, everywhere, n=1, cutoff=0.75)
    if close:
        return f"unknown parameter {name!r}; did you mean {everywhere[close[0]]!r}?"
    nearest = difflib.get_close_matches(key, siblings, n=1, cutoff=0.0)[0]
    return (
        f"unknown parameter {name!r}; the nearest known one is {_join(path, nearest)!r} "
        f"(known here: {', '.join(sorted(siblings))})"
    )


def known_names(section: type[Section] = Parameters, path: str = "") -> Iterator[str]:
    """Dotted name of every section and parameter.

    Parameters
    ----------
    section, path
        Section to begin at, and its own dotted name, which all names begin with; by default the whole tree.
    """
    for key, info in section.model_fields.items():
        name = _join(path, key)
        yield name
        inner = inner_section(info)
        if inner is not None:
            yield from known_names(inner, name)


def _explain(error: ValidationError, quote: bool) -> Iterator[str]:
    """One clause per fault: dotted name, what was given, what was expected."""
    known = set(known_names())
    faults = error.errors(include_url=False, include_context=False)
    for fault in faults[:_MAX_FAULTS]:
        parts = [str(part) for part in fault["loc"]]
        while parts and ".".join(parts) not in known:
            parts.pop()
        name = ".".join(parts) or "parameters"
        if fault["type"] == "missing":
            yield f"{name} is missing; its section needs it"
        elif not quote:
            yield f"{name} has the wrong type or is out of range"
        elif fault["type"] == "value_error":
            yield f"{name}: {fault['msg'].removeprefix('Value error, ')[:_MAX_CHARACTERS]}"
        else:
            expected = fault["msg"].removeprefix("Input should be ")
            yield f"{name}: given {shortened(fault['input'])}, expected {expected}{_hint(fault['input'])}"
    if len(faults) > _MAX_FAULTS:
        yield f"and {len(faults) - _MAX_FAULTS} more"


def _hint(value: Any) -> str:
    """YAML reads 1e-7 as a text; say how to write it."""
    if not isinstance(value, str) or len(value) > _MAX_CHARACTERS:
        return ""
    try:
        number = float(value)
    except ValueError:
        return ""
    return f" (as a number: {number!r}; YAML needs the dot, 1.0e-7)"


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
