"""JSON, YAML and TOML texts from any source: the one way to read them, with limits.

A text is refused where it is too large, nested too deeply, names a key twice, or unfolds (by aliases of
YAML) to more than it seems to hold. Messages say what is wrong and where, and quote nothing: the text may
be one that the reader of the message must not see.
"""

from __future__ import annotations

import json
import re
import reprlib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer, ComposerError
from yaml.constructor import ConstructorError

from element_facerhythm.errors import PathError, TextError
from element_facerhythm.files.regular import open_regular

MAX_JSON_BYTES = 16_000_000
MAX_YAML_BYTES = 4_000_000
MAX_TOML_BYTES = 4_000_000
MAX_YAML_NODES = 100_000
MAX_DEPTH = 50
MAX_DIGITS = 300

_TUPLE = "tag:yaml.org,2002:python/tuple"
_NUMBERS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "timestamp"))
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the faster one, where it is there


def read_json(path: Path, *, what: str = "JSON file") -> Any:
    """Read a JSON file.

    Parameters
    ----------
    path
        A regular file; others are not opened.
    what
        Names the file in messages, before its path.

    Raises
    ------
    TextError
        There is no such file, it is too large, or see `parse_json`.
    """
    text = read_text(path, MAX_JSON_BYTES, what=what)
    try:
        return parse_json(text)
    except TextError as error:
        raise TextError(f"{what} {path} is not valid JSON: {error}") from error


def read_yaml(path: Path, *, what: str = "YAML file", tuples: bool = False) -> Any:
    """Read a YAML file.

    Parameters
    ----------
    path
        A regular file; others are not opened.
    what
        Names the file in messages, before its path.
    tuples
        Whether `!!python/tuple` is read, as face-rhythm's writer leaves it.

    Raises
    ------
    TextError
        There is no such file, it is too large, or see `parse_yaml`.
    """
    text = read_text(path, MAX_YAML_BYTES, what=what)
    try:
        return parse_yaml(text, tuples=tuples)
    except TextError as error:
        raise TextError(f"{what} {path} is not plain YAML: {error}") from error


def read_toml(path: Path, *, what: str = "TOML file") -> dict[str, Any]:
    """Read a TOML file.

    Parameters
    ----------
    path
        A regular file; others are not opened.
    what
        Names the file in messages, before its path.

    Raises
    ------
    TextError
        There is no such file, it is too large, malformed, or nested too deeply.
    """
    text = read_text(path, MAX_TOML_BYTES, what=what)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line \d+, column \d+|at end of document", str(error))
        raise TextError(
            f"{what} {path} is not valid TOML {place[0] if place else ''}".strip()
        ) from error
    except (RecursionError, ValueError, OverflowError) as error:
        raise TextError(
            f"{what} {path} is nested too deeply, or holds a number that is too large"
        ) from error


def read_text(path: Path, max_bytes: int, *, what: str = "file") -> str:
    """Read a text in UTF-8, with or without a byte order mark.

    Parameters
    ----------
    path
        A regular file; others are not opened.
    max_bytes
        Most bytes that it may have.
    what
        Names the file in messages, before its path.

    Raises
    ------
    TextError
        There is no such file, it is too large, or not in UTF-8.
    """
    try:
        with open_regular(path) as file:
            content = file.read(max_bytes + 1)
    except FileNotFoundError as error:
        raise TextError(f"{what} {path} does not exist") from error
    except PathError as error:
        raise TextError(f"{what} {error}") from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "its name holds a NUL"
        raise TextError(f"{what} {path} cannot be read: {why}") from error
    if len(content) > max_bytes:
        raise TextError(f"{what} {path} is too large; at most {max_bytes} bytes are read")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TextError(
            f"{what} {path} is not a text in UTF-8: byte {error.start} does not belong; save it as UTF-8"
        ) from error


def parse_json(text: str) -> Any:
    """Parse JSON.

    Raises
    ------
    TextError
        It is malformed, names a key twice in an object, is nested deeper than 50 levels, or holds a
        whole number of more than 300 digits.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_int=_bounded_int)
    except json.JSONDecodeError as error:
        # the parser's own message quotes the text
        what = "Invalid escape" if error.msg.startswith("Invalid \\") else error.msg
        raise TextError(f"line {error.lineno}, column {error.colno}: {what}") from error
    except RecursionError as error:
        raise TextError(_too_deep()) from error
    _require_shallow(value)
    return value


def parse_yaml(text: str, *, tuples: bool = False) -> Any:
    """Parse one YAML document of plain values.

    Parameters
    ----------
    text
        The document.
    tuples
        Whether `!!python/tuple` is read, as a tuple; any other tag of Python's is refused.

    Raises
    ------
    TextError
        It is malformed, names a key twice in a mapping, is nested deeper than 50 levels, unfolds to more
        than 100000 values, or holds something that is not a number, a text, a list or a mapping.
    """
    try:
        loader = (_TupleLoader if tuples else _Loader)(text)
        try:
            value = loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise TextError(_yaml_fault(error)) from error
    except RecursionError as error:
        raise TextError(_too_deep()) from error
    except (ValueError, OverflowError, LookupError, AttributeError, TypeError) as error:
        # so the constructors of tags fail on texts that are none of their kind
        raise TextError(
            "it holds a number, a date or a tagged value that does not exist"
        ) from error
    _require_shallow(value)
    return value


def shortened(value: Any) -> str:
    """`repr` of a value, cut to some 200 characters: for messages about values that were given."""
    try:
        text = _SHORT.repr(value)
        return text if len(text) <= _MAX_SHORT else f"{text[:_MAX_SHORT]}..."
    except ValueError:  # Python writes no number of thousands of digits
        return f"a very long {type(value).__name__}"


_MAX_SHORT = 200
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlong = 40
_SHORT.maxlevel = 2


def _too_deep() -> str:
    return f"it is nested deeper than {MAX_DEPTH} levels"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key given twice: one of the two values would be lost silently."""
    result = dict(pairs)
    if len(result) < len(pairs):
        raise TextError(f"a key of a section of {len(pairs)} keys is given twice")
    return result


def _bounded_int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise TextError(f"a number has more than {MAX_DIGITS} digits")
    return int(digits)


def _require_shallow(value: Any) -> None:
    """Refuse a value that is nested too deeply for what recurses into it."""
    level, depth = [value], 0
    while level:
        if depth > MAX_DEPTH:
            raise TextError(_too_deep())
        level = [part for value in level for part in _parts(value) if isinstance(part, _NESTED)]
        depth += 1


_NESTED = (dict, list, tuple, set)


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, _NESTED) else ()


class _BoundedComposer(Composer):
    """Counts what is composed, before anything is made of it; to be mixed with one of YAML's loaders.

    libyaml's loader, written in C, composes by itself; here it gives only its events.
    """

    base: Any

    def __init__(self, text: str) -> None:
        self.base.__init__(self, text)
        Composer.__init__(self)
        self._n_nodes = 0
        self._depth = 0
        self._sizes: dict[str, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node, or what an alias stands for."""
        event: Any = super().peek_event()  # type: ignore[misc]
        anchor, is_alias = event.anchor, isinstance(event, yaml.AliasEvent)
        before = self._n_nodes
        self._n_nodes += self._size_of_alias(anchor, event) if is_alias else 1
        if self._n_nodes > MAX_YAML_NODES:
            raise ComposerError(
                None, None, f"it unfolds to more than {MAX_YAML_NODES} values", event.start_mark
            )
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ComposerError(None, None, _too_deep(), event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if anchor is not None and not is_alias:
            self._sizes[anchor] = self._n_nodes - before
        return node

    def _size_of_alias(self, anchor: str, event: Any) -> int:
        if anchor not in self._sizes:
            what = "an alias stands for nothing, or for what holds it"
            raise ComposerError(None, None, what, event.start_mark)
        return self._sizes[anchor]

    def compose_scalar_node(self, anchor: Any) -> Any:
        """Compose a scalar; a number has few digits."""
        node = super().compose_scalar_node(anchor)
        if node.tag in _NUMBERS and len(node.value) > MAX_DIGITS // 2:
            raise ComposerError(None, None, "a number has too many digits", node.start_mark)
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        """Compose a mapping; a key stands in it once."""
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise ComposerError(None, None, "a key is given twice", key.start_mark)
                seen.add((key.tag, key.value))
        return node


class _Loader(_BoundedComposer, _Base):
    """YAML's safe loader within the limits."""

    base = _Base


class _TupleLoader(_Loader):
    """The same, with the one tag that face-rhythm's writer leaves."""


def _construct_tuple(loader: _Loader, node: yaml.Node) -> tuple[Any, ...]:
    if not isinstance(node, yaml.SequenceNode):
        raise ConstructorError(None, None, "a tuple is no sequence", node.start_mark)
    return tuple(loader.construct_sequence(node, deep=True))


_TupleLoader.add_constructor(_TUPLE, _construct_tuple)


def _yaml_fault(error: yaml.YAMLError) -> str:
    """Return what is wrong and where; the loader's own words may quote the text."""
    if isinstance(error, yaml.reader.ReaderError):
        return f"character {error.position} may not stand in a text"
    mark = getattr(error, "problem_mark", None)
    where = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
    if isinstance(error, ComposerError):
        found = "a second document, or an anchor given twice"
        return f"{where}{error.problem if error.context is None else found}"
    if isinstance(error, ConstructorError):
        return f"{where}something is there that is not a number, a text, a list or a mapping"
    words = str(getattr(error, "problem", None) or "")
    quotes_nothing = all(mark not in words.replace("','", "").replace("':'", "") for mark in "'\"")
    return f"{where}{words if quotes_nothing and words else 'a structure that is none of YAML'}"
