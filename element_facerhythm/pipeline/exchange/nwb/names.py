"""What a session's NWB file is called, so that archives find subject and session in the name."""

from __future__ import annotations

import re
from pathlib import Path

from element_facerhythm.errors import RequestError
from element_facerhythm.files.names import short_name
from element_facerhythm.keypoints.nwb_export import NwbFacts

ENDING = ".nwb"
_NOT_IN_VALUES = re.compile(r"[^0-9A-Za-z-]+")


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
