"""Changes of a curation: frozen values that check themselves, and their rows in files and tables."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar

from element_facerhythm.errors import RequestError, without_controls

VERDICTS = ("keep", "noise", "undecided")
"""What a person can say of a component; `undecided` where nobody has said anything."""

DECOMPOSITION, TRACKS = "TCA", "PointTracker"
"""Products that changes are about: components are of the one, points and times of videos of the other."""

MOST_LETTERS = {"name": 64, "note": 1024, "curator": 64}
_MOST_TOGETHER = 100_000
_DECIMALS = 6  # of seconds: times are compared, and stored in two ways
_LARGEST = 2**31 - 1


@dataclass(frozen=True)
class JudgeComponent:
    """Verdict, name or note of a component; what is None stays as it is.

    Attributes
    ----------
    model_key
        Of the decomposition: ``"0"``, or the number of the video where each has its own.
    component_index
        Number of the component in it.
    verdict
        One of `VERDICTS`.
    name, note
        Texts of at most 64 and 1024 characters; an empty one takes the text away.

    Raises
    ------
    RequestError
        Nothing is said, or something is none of these.
    """

    product: ClassVar[str] = DECOMPOSITION
    model_key: str
    component_index: int
    verdict: str | None = None
    name: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        _require_model(self.model_key)
        _require_index("component_index", self.component_index)
        if self.verdict is None and self.name is None and self.note is None:
            raise RequestError("nothing is said of the component: give a verdict, a name or a note")
        if self.verdict is not None and self.verdict not in VERDICTS:
            given = reprlib.repr(self.verdict)
            raise RequestError(f"verdict is {given}; expected {', '.join(VERDICTS)}")
        if self.name is not None:
            require_line("name", self.name)
        if self.note is not None:
            _require_text("note", self.note)


@dataclass(frozen=True)
class MergeComponents:
    """Components that are parts of another one; a group that is merged goes along as a whole.

    Attributes
    ----------
    model_key
        Of the decomposition.
    component_indices
        Numbers of the components.
    into
        Number of the component that stands for all of them.

    Raises
    ------
    RequestError
        A number is none, stands twice, or is that of the component that they are merged into.
    """

    product: ClassVar[str] = DECOMPOSITION
    model_key: str
    component_indices: tuple[int, ...]
    into: int

    def __post_init__(self) -> None:
        _require_model(self.model_key)
        _require_indices("component_indices", self.component_indices)
        _require_index("into", self.into)
        if self.into in self.component_indices:
            raise RequestError(f"component {self.into} cannot be merged into itself")


@dataclass(frozen=True)
class SplitComponents:
    """Components that stand for themselves again; of the head of a group, so do all of the group.

    Attributes
    ----------
    model_key
        Of the decomposition.
    component_indices
        Numbers of the components.

    Raises
    ------
    RequestError
        A number is none, or stands twice.
    """

    product: ClassVar[str] = DECOMPOSITION
    model_key: str
    component_indices: tuple[int, ...]

    def __post_init__(self) -> None:
        _require_model(self.model_key)
        _require_indices("component_indices", self.component_indices)


@dataclass(frozen=True)
class ExcludeSpan:
    """A span of time of a video that is left out, or taken in again.

    Attributes
    ----------
    video_index
        Number of the tracked video.
    start_s, end_s
        Seconds on the clock of the video, kept to the microsecond.
    excluded
        False takes the span in again, also where it is a part of one that was left out.

    Raises
    ------
    RequestError
        The times are none, or the end does not come after the start.
    """

    product: ClassVar[str] = TRACKS
    video_index: int
    start_s: float
    end_s: float
    excluded: bool = True

    def __post_init__(self) -> None:
        _require_index("video_index", self.video_index)
        _require_flag(self.excluded)
        for name in ("start_s", "end_s"):
            object.__setattr__(self, name, _seconds(name, getattr(self, name)))
        if not self.start_s < self.end_s:
            raise RequestError(
                f"the span ends at {self.end_s:g} s and starts at {self.start_s:g} s; expected an end after "
                "the start"
            )


@dataclass(frozen=True)
class ExcludePoints:
    """Tracked points that are left out, or taken in again.

    Attributes
    ----------
    point_indices
        Numbers of the points.
    excluded
        False takes them in again.

    Raises
    ------
    RequestError
        A number is none, or stands twice.
    """

    product: ClassVar[str] = TRACKS
    point_indices: tuple[int, ...]
    excluded: bool = True

    def __post_init__(self) -> None:
        _require_indices("point_indices", self.point_indices)
        _require_flag(self.excluded)


@dataclass(frozen=True)
class Undo:
    """An earlier entry no longer counts; of an entry that is itself an undo, what that undid counts again.

    Attributes
    ----------
    revision
        Number of the earlier entry.

    Raises
    ------
    RequestError
        It is no number of an entry.
    """

    revision: int

    def __post_init__(self) -> None:
        _require_index("revision", self.revision)


Change = JudgeComponent | MergeComponents | SplitComponents | ExcludeSpan | ExcludePoints | Undo

KINDS: Mapping[str, type[Change]] = {
    "component": JudgeComponent,
    "merge": MergeComponents,
    "split": SplitComponents,
    "span": ExcludeSpan,
    "points": ExcludePoints,
    "undo": Undo,
}
_NAMES = {cls: name for name, cls in KINDS.items()}


def kind_of_change(change: Change) -> str:
    """Word for what a change does, as rows have it under ``kind``."""
    return _NAMES[type(change)]


def row_of_change(change: Change) -> dict[str, Any]:
    """Return a change as files and tables hold it: its kind, and what it says, as JSON has it."""
    values = {field.name: getattr(change, field.name) for field in fields(change)}
    return {
        "kind": kind_of_change(change),
        **{n: list(v) if isinstance(v, tuple) else v for n, v in values.items() if v is not None},
    }


def change_of_row(row: Any) -> Change:
    """Return a change from what `row_of_change` made of it.

    Raises
    ------
    RequestError
        It is none; the message says what is wrong.
    """
    if not isinstance(row, Mapping):
        raise RequestError(f"it is a {type(row).__name__}; expected a change")
    cls = KINDS.get(row["kind"]) if isinstance(row.get("kind"), str) else None
    if cls is None:
        raise RequestError(f"kind is not known; expected one of {', '.join(KINDS)}")
    known = {field.name: field.default is MISSING for field in fields(cls)}
    given = {name: value for name, value in row.items() if name != "kind"}
    unknown = [reprlib.repr(name) for name in given if name not in known]
    missing = [name for name, is_needed in known.items() if is_needed and name not in given]
    if unknown or missing:
        problems = [f"has {', '.join(unknown[:3])}"] * bool(unknown)
        problems += [f"lacks {', '.join(missing)}"] * bool(missing)
        raise RequestError(f"it {' and '.join(problems)}; expected {', '.join(known)}")
    values: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in given.items()}
    return cls(**values)


def require_line(what: str, text: Any) -> None:
    """Refuse what is no text of one line that a column takes.

    Parameters
    ----------
    what
        What the message calls it: ``name`` or ``curator``.
    text
        Anything.

    Raises
    ------
    RequestError
        It is none, too long, or holds control characters.
    """
    _require_text(what, text)
    if "\n" in text or "\t" in text:
        raise RequestError(f"{what} has several lines or tabs; expected one line")


def _require_text(what: str, text: Any) -> None:
    if not isinstance(text, str):
        raise RequestError(f"{what} is a {type(text).__name__}; expected a text")
    if without_controls(text) != text:
        raise RequestError(f"{what} holds control characters; expected plain text")
    if len(text) > MOST_LETTERS[what]:
        raise RequestError(
            f"{what} has {len(text)} characters; expected at most {MOST_LETTERS[what]}"
        )


def _require_model(model_key: Any) -> None:
    is_number = isinstance(model_key, str) and model_key.isascii() and model_key.isdigit()
    if not is_number or len(model_key) > 32:
        raise RequestError("model_key is not the number of a decomposition, as a text such as '0'")


def _require_index(what: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST:
        raise RequestError(f"{what} is not a number from 0")


def _require_indices(what: str, values: Any) -> None:
    if not isinstance(values, tuple) or not 0 < len(values) <= _MOST_TOGETHER:
        raise RequestError(f"{what} are not 1 to {_MOST_TOGETHER:,} numbers")
    for value in values:
        _require_index(what, value)
    if len(set(values)) < len(values):
        raise RequestError(f"{what} name one of them twice")


def _require_flag(value: Any) -> None:
    if not isinstance(value, bool):
        raise RequestError("excluded is neither true nor false")


def _seconds(what: str, value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value < 1e9:  # which NaN is not, either
        raise RequestError(f"{what} is not a number of seconds from 0")
    return round(float(value), _DECIMALS)
