"""Sessions that are identified by their day, or by other facts, and not by all of their key.

Directories are often named by subject and day, while sessions are numbered, or known by the time at which
they began. The session is then the one of that subject and day that is in the database; where there is none,
it gets the next number, or a time on that day.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from element_facerhythm.database.column_values import declared_type, is_time, is_whole_number
from element_facerhythm.errors import RequestError
from element_facerhythm.ingest.rows import next_number
from element_facerhythm.ingest.session_choice import SessionChoice
from element_facerhythm.ingest.typed_values import inherited_key, name_of, typed_value
from element_facerhythm.linking import active_link

if TYPE_CHECKING:
    from element_facerhythm.ingest.registered import Registered

FIRST_NUMBER = 1


def time_column() -> str | None:
    """Column of `Session` with its time; None where it has none, or several."""
    session = active_link().session()
    inherited = inherited_key()
    found = [
        name for name in session.heading.names
        if name not in inherited and is_time(declared_type(session, name))
    ]  # fmt: skip
    return found[0] if len(found) == 1 else None


def can_be_completed(said: set[str], missing: list[str], *, has_day: bool) -> bool:
    """Whether the given facts are enough to find a session, or to enter a new one.

    Parameters
    ----------
    said
        Names of the columns that are given.
    missing
        Columns of its key that are not given.
    has_day
        Whether its day is given.
    """
    session = active_link().session()
    own = set(session.heading.names) - set(inherited_key())
    if len(missing) != 1 or missing[0] in inherited_key() or not (has_day or said & own):
        return False
    is_number = is_whole_number(declared_type(session, missing[0]))
    return is_number or (has_day and missing[0] == time_column())


def complete_key(
    done: "Registered", choice: SessionChoice, missing: list[str], recording_time: datetime
) -> dict[str, Any]:
    """Return the missing column of the key with its value; empty where it cannot be determined.

    Parameters
    ----------
    done
        Collects notes; its rows are searched for the session.
    choice
        What is given of the session.
    missing
        Columns of the session's key that are not given.
    recording_time
        When the first video began, for a session that is new and known by its time.

    Raises
    ------
    RequestError
        Several sessions fit what is given, or a value is not of its column's type.
    """
    session = active_link().session
    said = {**choice.facts, **choice.key}
    if not can_be_completed(set(said), missing, has_day=choice.day is not None):
        return {}
    (name,) = missing
    key = {n: typed_value(session, n, said[n]) for n in session.primary_key if n in said}
    own = [n for n in session().heading.secondary_attributes if n in said]
    facts = {n: typed_value(session, n, said[n]) for n in own}
    column = time_column() if choice.day is not None else None
    # one query for both uses below, between which another session could enter rows
    there = done.rows.find(session, key, *{*facts, *([column] if column else [])})
    same = [row for row in there if _is_of(row, facts, column, choice.day)]
    about = ", ".join(f"{n} {v}" for n, v in {**key, **facts}.items())
    about += f" on {choice.day}" if column else ""
    if len(same) > 1:
        listed = ", ".join(str(row[name]) for row in same)
        raise RequestError(
            f"{name_of(session)} has several rows of {about} ({name} {listed}); say which one, by {name}"
        )
    if same:
        return {name: same[0][name]}
    if name == column:
        value: Any = time_of_new_session(choice, recording_time)
        done.notes.append(f"{name} of {about} is taken to be {value}: nothing says it")
    else:
        value = next_number(there, name, first=FIRST_NUMBER)
        done.notes.append(f"{name} of {about} is {value}, the next number")
    return {name: value}


def time_of_new_session(choice: SessionChoice, recording_time: datetime) -> datetime:
    """Return the time of the first video, or the beginning of the session's day where that is another one.

    Parameters
    ----------
    choice
        The session, whose `day` is given.
    recording_time
        When the first video began; its zone and fractions of a second are left out.
    """
    time = recording_time.replace(microsecond=0, tzinfo=None)
    if choice.day is None or choice.day == time.date():
        return time
    return datetime.combine(choice.day, datetime.min.time())


def _is_of(
    row: Mapping[str, Any], facts: Mapping[str, Any], column: str | None, day: date | None
) -> bool:
    if any(row[name] != value for name, value in facts.items()):
        return False
    return column is None or (row[column] is not None and row[column].date() == day)
