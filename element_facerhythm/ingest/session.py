"""The session and the device that a recording belongs to, entered with all that they depend on.

Their columns are those of the pipeline, and are read from its tables.
"""

import math
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from element_facerhythm.errors import RequestError
from element_facerhythm.ingest.open_session import (
    complete_key,
    time_column,
    time_of_new_session,
)
from element_facerhythm.ingest.registered import Registered
from element_facerhythm.ingest.session_choice import SessionChoice
from element_facerhythm.ingest.typed_values import known_columns, name_of, typed_key, typed_value
from element_facerhythm.linking import active_link
from element_facerhythm.linking.settings import RELEASED_ELEMENTS

UNKNOWN_BIRTH_DATE = date(1900, 1, 1)
"""Entered where no date of birth is given: the released table requires one."""

RELEASED_DEVICE = {
    "device": "face camera", "modality": "video", "description": "camera of face videos",
}  # fmt: skip
_MOST_LISTED = 5


def enter_session(done: Registered, choice: SessionChoice, recording_time: datetime) -> None:
    """Enter the session, and what it depends on, where they are new; `done.key` becomes its key.

    Parameters
    ----------
    done
        Collects what was new and what was guessed.
    choice
        Which session.
    recording_time
        Of the first video, for a session that is new and must have a time.

    Raises
    ------
    RequestError
        The key is not one of the pipeline's sessions, or a row that is new needs more than was given.
    """
    session = active_link().session
    given = _given_by(choice)
    missing = [name for name in session.primary_key if name not in given]
    if missing and choice.is_open:
        given |= complete_key(done, choice, missing, recording_time)
    done.key = _whole_key(session, given)
    if done.rows.has(session, done.key):
        _note_differences(done, session(), done.key, _facts_of(choice))
        _note_other_day(done, choice)
        return
    time = time_of_new_session(choice, recording_time)
    guesses = {"sex": "U", "subject_birth_date": UNKNOWN_BIRTH_DATE, "session_datetime": time}
    if choice.day is not None and (column := time_column()) is not None:
        guesses[column] = time
    _enter_with_parents(done, session(), done.key, {**_facts_of(choice), **done.key}, guesses)


def session_key(choice: SessionChoice) -> dict[str, Any]:
    """Key of the session that is given, whether or not it is entered.

    Raises
    ------
    RequestError
        The key is not one of the pipeline's sessions.
    """
    return _whole_key(active_link().session, _given_by(choice))


def _given_by(choice: SessionChoice) -> dict[str, Any]:
    """Columns that are given; a fact may be part of the key, as the time of a session that it identifies."""
    _require_columns(choice.key)
    return {**choice.facts, **choice.key}


def _facts_of(choice: SessionChoice) -> dict[str, Any]:
    """Columns that are given and in no key: of rows that are new."""
    link = active_link()
    keys = {*link.session.primary_key, *link.device.primary_key}
    return {n: v for n, v in {**choice.facts, **choice.key}.items() if n not in keys}


def _whole_key(session: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    missing = [name for name in session.primary_key if name not in given]
    if missing:
        raise RequestError(
            f"the key of {name_of(session)} is {', '.join(session.primary_key)}, and "
            f"{', '.join(missing)} is not given: add "
            + " ".join(f"--key {name}=VALUE" for name in missing)
        )
    return typed_key(session, given)


def enter_device(done: Registered, choice: SessionChoice) -> dict[str, Any]:
    """Key of the device that filmed, entered where it is new.

    It is the device that is given; else the only one there is, or nulls where there are several or none.
    With the released Elements it is `RELEASED_DEVICE` where none is given.

    Parameters
    ----------
    done
        Its key is that of the session; collects what was new and what was guessed.
    choice
        Its `key` may hold that of the device, and its `facts` what a new row needs.

    Raises
    ------
    RequestError
        A part of its key is missing, or it is new and needs more than was given.
    """
    link = active_link()
    device = link.device
    own = [name for name in device.primary_key if name not in link.session.primary_key]
    shared = {name: done.key[name] for name in device.primary_key if name in done.key}
    given = [name for name in own if name in choice.key]
    if given and given != own:
        missing = ", ".join(name for name in own if name not in given)
        raise RequestError(
            f"the key of the device ({name_of(device)}) is {', '.join(device.primary_key)}; {missing} is "
            "missing"
        )
    if own and not given and link.name == RELEASED_ELEMENTS:
        key: dict[str, Any] = {"device": RELEASED_DEVICE["device"]}
        done.new_rows.setdefault(name_of(device), 0)
        if not done.rows.has(device, key):
            _enter_with_parents(done, device(), key, RELEASED_DEVICE, {})
        return key
    if not given:
        return _only_device(done, device, own, shared)
    key = typed_key(device, {**choice.key, **shared})
    if not done.rows.has(device, key):
        _enter_with_parents(done, device(), key, {**_facts_of(choice), **key}, {})
    return key


def _only_device(
    done: Registered, device: Any, own: list[str], shared: Mapping[str, Any]
) -> dict[str, Any]:
    if not own:
        return dict(shared)
    found = (device() & dict(shared)).proj().to_dicts(limit=_MOST_LISTED + 1)
    if len(found) == 1:
        done.notes.append(
            f"the device is taken to be {found[0]}, the only one of {name_of(device)}"
        )
        return dict(found[0])
    listed = [" ".join(f"--key {name}={row[name]}" for name in own) for row in found[:_MOST_LISTED]]
    rest = ["..."] * (len(found) > _MOST_LISTED)
    there = f"several ({'; '.join([*listed, *rest])})" if found else "none"
    done.notes.append(
        f"the device that filmed is not known and left empty: {name_of(device)} has {there}"
    )
    return {**dict.fromkeys(own), **shared}


def _require_columns(given: Mapping[str, Any]) -> None:
    """Refuse a column of neither sessions, devices, nor what they depend on."""
    link = active_link()
    keys = {*link.session.primary_key, *link.device.primary_key}
    if keys.issuperset(given):
        return  # the usual case, without reading what they depend on
    known = known_columns()
    unknown = [name for name in given if name not in known]
    if unknown:
        raise RequestError(
            f"{', '.join(unknown)} is no column of this pipeline: the key of {name_of(link.session)} is "
            f"{', '.join(link.session.primary_key)}, that of the device ({name_of(link.device)}) "
            f"{', '.join(link.device.primary_key)}, and new rows may be given {', '.join(known)}"
        )


def _enter_with_parents(
    done: Registered,
    table: Any,
    key: Mapping[str, Any],
    facts: Mapping[str, Any],
    guesses: Mapping[str, Any],
) -> None:
    """Enter a row, and before it those that it refers to, where they are new."""
    name = name_of(table)
    if done.rows.has(table, key):
        done.new_rows.setdefault(name, 0)
        _note_differences(done, table, key, facts)
        return
    columns = table.heading.attributes
    given = {column: facts[column] for column in columns if column in facts} | dict(key)
    row = {column: typed_value(table, column, value) for column, value in given.items()}
    required = [
        column for column, about in columns.items()
        if column not in row and about.default is None and not about.nullable and not about.autoincrement
    ]  # fmt: skip
    guessed = {column: guesses[column] for column in required if column in guesses}
    lacking = [column for column in required if column not in guessed]
    if table.table_name.startswith("_") or lacking:
        why = (
            f"it needs {', '.join(lacking)}, too"
            if lacking
            else "its table is filled by populate()"
        )
        raise RequestError(
            f"{name} has no row {dict(key)}, and it cannot be entered from here: {why}. Enter it in your "
            "pipeline first"
        )
    row |= guessed
    for parent, about in table.parents(as_objects=True, foreign_key_info=True):
        refers = {of: row[own] for own, of in about["attr_map"].items() if row.get(own) is not None}
        if len(refers) == len(about["attr_map"]):
            _enter_with_parents(done, parent, refers, {**facts, **refers}, guesses)
    done.rows.insert(table, [row])
    done.new_rows[name] = 1
    guesses_made = "".join(f", {column} {value} (a guess)" for column, value in guessed.items())
    done.notes.append(f"{name} {dict(key)} is new{guesses_made}")


def _note_other_day(done: Registered, choice: SessionChoice) -> None:
    """Note where an existing session was on another day than is given."""
    column = time_column()
    if choice.day is None or column is None:
        return
    (stored,) = done.rows.find(active_link().session, done.key, column)
    if stored[column] is not None and stored[column].date() != choice.day:
        done.notes.append(f"session {done.key} is of {stored[column]}, and {choice.day} is given")


def _note_differences(
    done: Registered, table: Any, key: Mapping[str, Any], facts: Mapping[str, Any]
) -> None:
    """Note facts that are given and differ from an existing row, or from those that it refers to."""
    if not facts:
        return
    parents = list(table.parents(as_objects=True, foreign_key_info=True))
    own = [name for name in table.heading.secondary_attributes if name in facts]
    refers_by = {name for _, about in parents for name in about["attr_map"]}
    (stored,) = done.rows.find(table, key, *{*own, *refers_by} - set(table.primary_key))
    for name in own:
        given = typed_value(table, name, facts[name])
        if not _is_same(given, stored[name]):
            done.notes.append(
                f"{name_of(table)} {dict(key)} has {name} {stored[name]}, and {given}, which is given, is "
                "not entered: rows that are there are not changed"
            )
    for parent, about in parents:
        refers = {of: stored[by] for by, of in about["attr_map"].items()}
        if all(value is not None for value in refers.values()):
            _note_differences(done, parent, refers, facts)


def _is_same(given: Any, stored: Any) -> bool:
    """Whether a value that is given is the one that a server returns."""
    if isinstance(stored, timedelta):  # MySQL's time of the day
        stored = (datetime.min + stored).time()
    if isinstance(stored, str) and isinstance(given, str):
        return stored.rstrip() == given.rstrip()  # `char` may come padded
    if isinstance(stored, float):  # of single precision, perhaps
        return math.isclose(float(given), stored, rel_tol=1e-6)
    return bool(given == stored)
