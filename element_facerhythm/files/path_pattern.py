"""Patterns of paths that identify the recording of a file: `{subject}/{session_date:%Y-%m-%d}/*.mp4`.

A pattern is compared with the path below the directory that is watched, name by name. `{name}` stands for
the text of a column, `{name:FORMAT}` for one that is a date or a time written in a format of strptime. `*`,
`?` and `[...]` mean what they mean in a shell, `**` is for directories of any depth, `{}` for any text.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from element_facerhythm.errors import RequestError

_FIELD = re.compile(r"\{(\w*)(?::([^{}]*))?\}")
_TOKEN = re.compile(r"\{[^{}]*\}|\[!?\]?[^\]]*\]|\*|\?|[^{}*?\[]+|.", re.DOTALL)
_DIRECTIVES = {
    "%Y": r"\d{4}", "%y": r"\d{2}", "%m": r"\d{1,2}", "%d": r"\d{1,2}", "%H": r"\d{1,2}", "%M": r"\d{1,2}",
    "%S": r"\d{1,2}", "%f": r"\d{1,6}", "%j": r"\d{1,3}", "%I": r"\d{1,2}", "%p": r"[AaPp][Mm]",
    "%b": r"[^\W\d_]+", "%B": r"[^\W\d_]+", "%%": "%",
}  # fmt: skip
_FIXED = {"%m": 2, "%d": 2, "%H": 2, "%M": 2, "%S": 2, "%I": 2, "%j": 3}
"""Digits where directives follow each other with nothing in between."""


@dataclass(frozen=True)
class Field:
    """A column in a pattern, and the format of its text, if it is a time."""

    name: str
    time_format: str | None

    def read(self, text: str) -> "str | datetime":
        """Time that a text states in the field's format; the text itself where the field has none.

        Raises
        ------
        RequestError
            There is no such time, as of a month 13.
        """
        if self.time_format is None:
            return text
        try:
            return datetime.strptime(text, self.time_format)
        except ValueError as error:
            raise RequestError(f"{self.name} {text!r} is no time: {error}") from error


class PathPattern:
    """A pattern, ready to be compared with paths.

    Parameters
    ----------
    text
        The pattern, with `/` between names.
    shapes
        Regular expression of the texts of some columns, by name. Where a path can be read in several ways,
        texts that have these shapes come first.

    Raises
    ------
    RequestError
        It is empty or absolute, climbs with `..`, or a field of it is malformed.
    """

    def __init__(self, text: str, shapes: Mapping[str, str] | None = None) -> None:
        self.text = text
        self._names = text.strip().split("/")
        for name in self._names:
            if name in ("", ".", ".."):
                raise RequestError(
                    f"pattern {text!r} has an empty name, '.' or '..'; expected names below the directory, "
                    "such as {subject}/{session_date}/*.mp4"
                )
        tokens = [list(self._tokens(name)) for name in self._names]
        self._fields = [
            Field(m[1], m[2])
            for name in tokens
            for token in name
            if (m := _FIELD.fullmatch(token)) and m[1]
        ]
        self.fields = {field.name: field for field in self._fields}
        tried = ({}, dict(shapes)) if shapes else ({},)
        self._expressions = [
            tuple(self._expression(tokens, known, lazy) for lazy in ("?", ""))
            for known in tried[::-1]
        ]
        self._levels = [
            re.compile("".join(self._of_token(t, {}, "?", None) for t in name), re.DOTALL)
            for name in tokens
        ]

    def leads_on(self, parts: tuple[str, ...]) -> bool:
        """Whether files may lie below a directory, given by the names that lead to it."""
        for depth, (level, part) in enumerate(zip(self._names, parts, strict=False)):
            if level == "**":
                return True
            if not self._levels[depth].fullmatch(part):
                return False
        return len(parts) < len(self._names)

    def match(self, path: str) -> dict[str, str] | None:
        """Texts of the fields in a path below the directory; None where the path is none of the pattern.

        Raises
        ------
        RequestError
            The path can be read in several ways, or says a field twice, and not the same.
        """
        for lazy, greedy in self._expressions:
            found = lazy.fullmatch(path), greedy.fullmatch(path)
            if found[0] is None or found[1] is None:
                continue
            texts, others = self._texts(found[0], path), self._texts(found[1], path)
            if texts != others:
                raise RequestError(
                    f"{path} can be read in several ways by {self.text}: {_listed(texts)}; or "
                    f"{_listed(others)}. Put something between the fields that is in none of them, or a "
                    "format"
                )
            return texts
        return None

    # ------------------------------------------------------------------ making the expression

    def _tokens(self, name: str) -> Iterator[str]:
        for token in _TOKEN.findall(name):
            field = _FIELD.fullmatch(token)
            if token in ("{", "}") or (token.startswith("{") and field is None):
                raise RequestError(
                    f"pattern {self.text!r}: {token} is no field; expected {{name}} or {{name:FORMAT}}, as "
                    "{session_datetime:%Y-%m-%d_%H-%M}; a format cannot have a /"
                )
            if "**" in name and name != "**":
                raise RequestError(f"pattern {self.text!r}: ** stands alone between two /")
            yield token

    def _expression(
        self, names: list[list[str]], shapes: Mapping[str, str], lazy: str
    ) -> re.Pattern[str]:
        groups = iter(range(len(self._fields)))
        parts = []
        for index, tokens in enumerate(names):
            is_last = index == len(names) - 1
            if tokens == ["*", "*"]:
                parts.append("(?:[^/]+/)*" + ("[^/]+" if is_last else ""))
                continue
            parts.append("".join(self._of_token(token, shapes, lazy, groups) for token in tokens))
            parts.append("" if is_last else "/")
        return re.compile("".join(parts), re.DOTALL)

    def _of_token(
        self, token: str, shapes: Mapping[str, str], lazy: str, groups: Iterator[int] | None
    ) -> str:
        field = _FIELD.fullmatch(token)
        if field is not None:
            shape = shapes.get(field[1], f"[^/]+{lazy}")
            if field[2] is not None:
                shape = self._of_format(field[2])
            group = f"(?P<f{next(groups)}>" if groups is not None and field[1] else "(?:"
            return f"{group}{shape})"
        if token == "*":
            return f"[^/]*{lazy}"
        if token == "?":
            return "[^/]"
        if token.startswith("[") and len(token) > 2:
            inside = token[1:-1].replace("\\", r"\\").replace("[", r"\[")
            return f"[^{inside[1:]}/]" if inside.startswith("!") else f"[{inside}]"
        return re.escape(token)

    def _of_format(self, text: str) -> str:
        parts = re.findall(r"%.|[^%]+|%", text, re.DOTALL)
        unknown = [part for part in parts if part.startswith("%") and part not in _DIRECTIVES]
        if unknown or not any(part in _DIRECTIVES for part in parts):
            raise RequestError(
                f"pattern {self.text!r}: format {text!r} has {' '.join(unknown) or 'no directive'}; expected "
                f"those of strptime among {' '.join(_DIRECTIVES)}"
            )
        shapes = []
        for index, part in enumerate(parts):
            nearby = (*parts[max(index - 1, 0) : index], *parts[index + 1 : index + 2])
            is_tight = part in _FIXED and any(other in _DIRECTIVES for other in nearby)
            shapes.append(
                f"\\d{{{_FIXED[part]}}}" if is_tight else _DIRECTIVES.get(part, re.escape(part))
            )
        return "".join(shapes)

    def _texts(self, found: re.Match[str], path: str) -> dict[str, str]:
        texts: dict[str, str] = {}
        for index, field in enumerate(self._fields):
            text = found[f"f{index}"]
            if texts.setdefault(field.name, text) != text:
                raise RequestError(
                    f"{path} says {field.name} twice, {texts[field.name]!r} and {text!r}; one of them is "
                    "wrong"
                )
        return texts


def _listed(texts: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {text!r}" for name, text in texts.items())
