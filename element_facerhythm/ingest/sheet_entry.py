"""Recordings of a table: every row is checked before any is entered."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from element_facerhythm.errors import RequestError
from element_facerhythm.files.sheet import Sheet, SheetRow
from element_facerhythm.ingest.entering import enter_at_once
from element_facerhythm.ingest.parameter_choice import ParameterChoice
from element_facerhythm.ingest.registered import Registered
from element_facerhythm.ingest.registration import CheckedVideos, check_videos, enter_videos
from element_facerhythm.ingest.roi_source import LAST, RoiSource
from element_facerhythm.ingest.rows import PlannedRows
from element_facerhythm.ingest.session_choice import SessionChoice
from element_facerhythm.ingest.sheet_paths import SEPARATOR, find_file, find_files
from element_facerhythm.ingest.typed_values import known_columns, name_of, number_of_recording
from element_facerhythm.linking import active_link

T = TypeVar("T")

OWN_COLUMNS = (
    "recording", "recording_id", "video", "rois", "params", "paramset", "frames", "frame_rate", "times",
)  # fmt: skip
"""Columns of this package; all others are columns of the pipeline."""
OWN_PREFIX = "facerhythm_"
"""Prefix of such a column where the pipeline has one of the same name."""
FROM_STAMPS = "stamps"
_RATES_HZ = (1e-3, 1e6)


@dataclass(frozen=True)
class Defaults:
    """Values for all rows that leave them open.

    Attributes
    ----------
    key
        Columns of keys.
    facts
        Other columns of the session and of what it depends on.
    rois
        A ROI file, a pattern of files, or `last`.
    parameters
        Which parameters; `settings` and `fitted` also hold for the file that a row names.
    frames, frame_rate_hz, times, allow_incomplete
        As of `register_videos`.
    """

    key: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    rois: str | None = None
    parameters: ParameterChoice = field(default_factory=ParameterChoice)
    frames: str = ""
    frame_rate_hz: float | None = None
    times: tuple[str, ...] | None = None
    allow_incomplete: bool = False


@dataclass
class RowOutcome:
    """The outcome of a row.

    Attributes
    ----------
    line
        Its line in the file.
    registered
        The result of entering it, or of planning that; None where it is wrong.
    error
        What is wrong with it; None where nothing is.
    """

    line: int
    registered: Registered | None = None
    error: str | None = None
    enter: Callable[[], Registered] | None = field(default=None, repr=False)


def plan_rows(
    sheet: Sheet, defaults: Defaults, on_row: Callable[[int], Any] = lambda _n_done: None
) -> list[RowOutcome]:
    """Check every row of a table, and return what it would enter; nothing is written.

    Parameters
    ----------
    sheet
        The table. Its columns are those of the pipeline and `OWN_COLUMNS`.
    defaults
        What rows leave open.
    on_row
        Called with the number of rows checked so far.

    Returns
    -------
    One outcome for each row, in order. A row is planned after those before it, so that what several of them
    share is new in the first.

    Raises
    ------
    RequestError
        The table has a column that is unknown, or none for the videos or for a part of the session's key.
    """
    meanings = _meanings(sheet, defaults)
    planned = PlannedRows()
    outcomes = []
    for n_done, row in enumerate(sheet.rows, 1):
        outcome = RowOutcome(row.line)
        try:
            choice, checked, number = _check_row(sheet, row, meanings, defaults)
            outcome.registered = enter_videos(choice, checked, number, planned)
            outcome.enter = _entry(choice, checked, number)
        except RequestError as error:
            outcome.error = str(error)
        outcomes.append(outcome)
        on_row(n_done)
    return outcomes


def enter_planned(outcomes: list[RowOutcome]) -> None:
    """Enter rows that were planned, each in a transaction of its own.

    What is refused now, since the database has changed in the meantime, is in the row's `error`.
    """
    for outcome in outcomes:
        assert outcome.enter is not None  # tables with a wrong row are not entered
        notes = outcome.registered.notes if outcome.registered else []
        try:
            outcome.registered = enter_at_once(outcome.enter)
            outcome.registered.notes = list(dict.fromkeys([*notes, *outcome.registered.notes]))
        except RequestError as error:
            outcome.registered, outcome.error = None, str(error)


# ------------------------------------------------------------------ columns


def _meanings(sheet: Sheet, defaults: Defaults) -> dict[str, str]:
    """Return the name in the table of each of `OWN_COLUMNS`; refuse what is unknown or missing."""
    lab_columns = known_columns()
    meanings: dict[str, str] = {}
    unknown = []
    for column in sheet.columns:
        plain = column.removeprefix(OWN_PREFIX)
        if plain in OWN_COLUMNS and (column != plain or column not in lab_columns):
            meanings[plain] = column
        elif column not in lab_columns:
            unknown.append(column)
    if unknown:
        known = [*dict.fromkeys([*lab_columns, *OWN_COLUMNS])]
        nearest = {name: difflib.get_close_matches(name, known, 1, 0.5) for name in unknown}
        suggestions = [
            f"{name} (the nearest is {near[0]})" if near else name for name, near in nearest.items()
        ]
        raise RequestError(
            f"table {sheet.path} has unknown columns: {', '.join(suggestions)}. Known are {', '.join(known)}"
        )
    session = active_link().session
    said = {*sheet.columns, *defaults.key, *defaults.facts} - set(meanings.values())
    missing = [name for name in session.primary_key if name not in said]
    if missing:
        raise RequestError(
            f"table {sheet.path} has no column {', '.join(missing)}; the key of {name_of(session)} is "
            f"{', '.join(session.primary_key)}. Add a column, or say it for all rows with --key"
        )
    for needed, instead in (("video", ""), ("rois", defaults.rois)):
        if needed not in meanings and not instead:
            raise RequestError(
                f"table {sheet.path} has no column {needed}"
                + ", and --rois is not given" * (needed == "rois")
            )
    return meanings


# ------------------------------------------------------------------ rows


def _check_row(
    sheet: Sheet, row: SheetRow, meanings: Mapping[str, str], defaults: Defaults
) -> tuple[SessionChoice, CheckedVideos, int]:
    """Find and check everything that a row names; all faults are reported together."""
    own = {name: row.cells[column] for name, column in meanings.items() if column in row.cells}
    others = {n: text for n, text in row.cells.items() if n not in meanings.values()}
    choice = _choice(others, defaults)
    places = (sheet.path.absolute().parent, *active_link().search_dirs())
    directories = tuple({place.resolve(): place for place in places}.values())
    faults: list[str] = []

    def tried(step: Callable[[], T]) -> T | None:
        try:
            return step()
        except RequestError as error:
            faults.append(str(error))
            return None

    number = tried(lambda: _recording_number(own))
    rate_hz = tried(lambda: _frame_rate(own, defaults))
    videos, notes = tried(lambda: _videos(own, directories)) or ([], [])
    times = tried(lambda: _times(own, directories, len(videos), defaults))
    chosen = tried(lambda: _parameters(own, directories, defaults).load())
    probing: dict[str, Any] = {
        "frame_rate_hz": rate_hz,
        "allow_incomplete": defaults.allow_incomplete,
    }
    texts = {**defaults.key, **row.cells, "recording_id": number}
    source = tried(lambda: _roi_source(own, directories, defaults))
    regions = None
    if source is not None and (videos or source.text != LAST):
        regions = tried(lambda: source.rois(choice, texts, videos, **probing))
    if faults or number is None or regions is None or chosen is None:
        raise RequestError("; ".join(faults))
    checked = check_videos(
        videos,
        regions[0],
        chosen[0],
        frames=own.get("frames", defaults.frames),
        frame_rate_hz=rate_hz,
        times=times,
        allow_incomplete=defaults.allow_incomplete,
    )
    return choice, checked.with_notes([*notes, *chosen[1], *regions[1]]), number


def _entry(choice: SessionChoice, checked: CheckedVideos, number: int) -> Callable[[], Registered]:
    return lambda: enter_videos(choice, checked, number)


def _choice(cells: Mapping[str, str], defaults: Defaults) -> SessionChoice:
    link = active_link()
    keys = {*link.session.primary_key, *link.device.primary_key}
    key = {**defaults.key, **{name: text for name, text in cells.items() if name in keys}}
    facts = {**defaults.facts, **{name: text for name, text in cells.items() if name not in keys}}
    return SessionChoice(key, facts)


def _recording_number(own: Mapping[str, str]) -> int:
    if "recording" in own and "recording_id" in own:
        raise RequestError("recording and recording_id are both given; they are the same")
    return number_of_recording(own.get("recording", own.get("recording_id", "0")))


def _frame_rate(own: Mapping[str, str], defaults: Defaults) -> float | None:
    text = own.get("frame_rate")
    if text is None:
        return defaults.frame_rate_hz
    lowest, highest = _RATES_HZ
    try:
        rate_hz = float(text)
    except ValueError:
        rate_hz = float("nan")
    if not lowest <= rate_hz <= highest:
        raise RequestError(f"frame_rate is {text!r}; expected frames per second, such as 29.97")
    return rate_hz


def _videos(own: Mapping[str, str], directories: tuple[Path, ...]) -> tuple[list[Path], list[str]]:
    if "video" not in own:
        raise RequestError("video is empty")
    return find_files(own["video"], directories)


def _times(
    own: Mapping[str, str], directories: tuple[Path, ...], n_videos: int, defaults: Defaults
) -> tuple[str, ...] | None:
    if "times" not in own:
        given = defaults.times
        return given * n_videos if given == (FROM_STAMPS,) else given
    if own["times"] == FROM_STAMPS:
        return (FROM_STAMPS,) * n_videos
    texts = [text.strip() for text in own["times"].split(SEPARATOR) if text.strip()]
    return tuple(str(find_file(text, directories)) for text in texts)


def _parameters(
    own: Mapping[str, str], directories: tuple[Path, ...], defaults: Defaults
) -> ParameterChoice:
    """Choose the file or the stored set that a row names, else the default of all rows."""
    if "params" in own and "paramset" in own:
        raise RequestError("params and paramset are both given; say one of them")
    if "paramset" in own:
        return replace(defaults.parameters, file=None, set_name=own["paramset"])
    if "params" not in own:
        return defaults.parameters
    text = own["params"]
    try:
        file = find_file(text, directories)
    except RequestError as error:
        if Path(text).suffix or "/" in text:
            raise
        choice = replace(defaults.parameters, file=None, set_name=text)
        try:
            choice.load()
        except RequestError as other:
            raise RequestError(f"params: {error}; and {other}") from error
        return choice
    return replace(defaults.parameters, file=file, set_name=None)


def _roi_source(
    own: Mapping[str, str], directories: tuple[Path, ...], defaults: Defaults
) -> RoiSource:
    text = own.get("rois")
    if text is not None and text != LAST:
        return RoiSource(str(find_file(text, directories)))
    given = text or defaults.rois
    if given is None:
        raise RequestError("rois is empty, and --rois is not given")
    return RoiSource(given)
