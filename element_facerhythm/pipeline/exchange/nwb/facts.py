"""Facts of a session: what a file needs, the forms that archives take, and the name that they give it."""

from __future__ import annotations

import re
from pathlib import Path

from element_facerhythm.errors import RequestError
from element_facerhythm.files.names import short_name
from element_facerhythm.keypoints.nwb_export import NwbFacts, fault_of_start, missing_facts

ENDING = ".nwb"
_NOT_IN_VALUES = re.compile(r"[^0-9A-Za-z-]+")
_DURATION = r"P(?=[\dT])(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?"
_FORMS = {
    "subject_id": ("--subject-id", r"[^/]+", "a name without '/'"),
    "session_id": ("--session-id", r"[^/]+", "a name without '/'"),
    "sex": ("--sex", "[MFUO]", "M, F, U or O (male, female, unknown, other)"),
    "age": ("--age", rf"{_DURATION}(/({_DURATION})?)?", "a duration of ISO 8601, such as P90D"),
    "species": (
        "--species",
        r"[A-Z][a-z]+ [a-z-]+( [a-z-]+)?|https?://purl\.obolibrary\.org/obo/NCBITaxon_\d+",
        "a Latin binomial, such as 'Mus musculus', or an address of NCBITaxon",
    ),
}
"""Facts that archives refuse in another form: option, pattern, and the form in words."""


def require_facts(facts: NwbFacts) -> None:
    """Refuse to write a new file of a session that is not known.

    Raises
    ------
    RequestError
        The message names what is missing, and the option that says it.
    """
    missing = missing_facts(facts)
    if missing:
        raise RequestError(
            "an NWB file says when the session began and whose it is; not known here: give "
            f"{', '.join(missing)}"
        )
    fault = fault_of_start(facts)
    if fault is not None:
        raise RequestError(fault)
    for name, (option, pattern, form) in _FORMS.items():
        value = getattr(facts, name)
        if value is not None and not re.fullmatch(pattern, value):
            raise RequestError(f"{name} is {value!r}; expected {form} ({option})")


def file_of_session(output: Path, facts: NwbFacts) -> Path:
    """Return the file to write: as named, or in a directory one that is named as DANDI names it.

    Parameters
    ----------
    output
        A file that ends with .nwb, or a directory.
    facts
        Of the session. Signs of subject and session other than letters, digits and '-' become '-'.

    Raises
    ------
    RequestError
        It is no such file, and no directory.
    """
    if not output.is_dir():
        if output.suffix.lower() != ENDING:
            raise RequestError(f"{output} does not end with {ENDING}, and is no directory")
        return output
    start = facts.session_start_time
    session = facts.session_id or ("" if start is None else f"{start:%Y%m%dT%H%M%S}")
    parts = [
        f"{entity}-{value}"
        for entity, value in (("sub", _plain(facts.subject_id)), ("ses", _plain(session)))
        if value
    ]
    return output / short_name("_".join([*parts, "behavior"]), ENDING)


def _plain(value: str | None) -> str:
    return _NOT_IN_VALUES.sub("-", value or "").strip("-")
