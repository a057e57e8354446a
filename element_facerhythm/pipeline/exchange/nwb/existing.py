"""An NWB file that is there already, and whether results may be added to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from element_facerhythm.errors import RequestError
from element_facerhythm.io.h5_reader import H5Dataset, H5Group, open_h5
from element_facerhythm.keypoints.nwb_export import NwbFacts
from element_facerhythm.pipeline.exchange.nwb.contents import PREFIX

_REMEDY = "give a whole NWB file"


@dataclass(frozen=True)
class ExistingSession:
    """What a file says of its session; None where it is silent.

    Attributes
    ----------
    subject_id, session_id, identifier
        As stored.
    session_start_time
        With its time zone, where it has one.
    """

    subject_id: str | None
    session_id: str | None
    identifier: str | None
    session_start_time: datetime | None


def require_appendable(path: Path, facts: NwbFacts, module: str) -> ExistingSession:
    """Refuse to append to a file of another session, or one that holds such results already.

    Parameters
    ----------
    path
        The file.
    facts
        What is known of the session of the results; what is None is not compared.
    module
        Name of the processing module.

    Raises
    ------
    RequestError
        The message says what differs, or what is there.
    ProjectError
        It is no HDF5 file, or a damaged one.
    """
    if not path.is_file():
        raise RequestError(f"{path} does not exist; without --append a new file is written (-o)")
    with open_h5(path, _REMEDY, soft_links=True) as file:
        if file.attribute("neurodata_type") != "NWBFile":
            raise RequestError(f"{path} is an HDF5 file, but no NWB file; {_REMEDY}")
        found = ExistingSession(
            _text(file, "general/subject/subject_id"),
            _text(file, "general/session_id"),
            _text(file, "identifier"),
            _time(_text(file, "session_start_time")),
        )
        present = file.find(f"processing/{module}")
        names = present.names() if isinstance(present, H5Group) else []
    ours = [name for name in names if name.startswith(PREFIX)]
    if ours:
        raise RequestError(
            f"{path} has {', '.join(ours[:3])}{' and more' if len(ours) > 3 else ''} in its module "
            f"{module!r} already; write another file, or name another module (--module)"
        )
    _require_same_session(path, found, facts)
    return found


def _require_same_session(path: Path, found: ExistingSession, facts: NwbFacts) -> None:
    if found.subject_id is None and facts.subject_id is not None:
        raise RequestError(
            f"{path} does not say whose session it is, and these results are of {facts.subject_id}; add the "
            "subject to the file first"
        )
    for name in ("subject_id", "session_id", "identifier", "session_start_time"):
        theirs, ours = getattr(found, name), getattr(facts, name)
        if ours is None or theirs is None or _same(theirs, ours):
            continue
        raise RequestError(
            f"{path} is of another session: its {name} is {_shown(theirs)}, and these results are of "
            f"{_shown(ours)}"
        )


def _same(one: str | datetime, other: str | datetime) -> bool:
    if isinstance(one, datetime) and isinstance(other, datetime) and one.tzinfo is None:
        return one == other.replace(tzinfo=None)  # an old file has the time of its place
    return one == other


def _shown(value: str | datetime) -> str:
    return value.isoformat() if isinstance(value, datetime) else repr(value)


def _text(file: H5Group, place: str) -> str | None:
    node = file.find(place)
    is_text = isinstance(node, H5Dataset) and node.shape == () and node.dtype.kind in "SO"
    return node.text() or None if is_text and isinstance(node, H5Dataset) else None


def _time(text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None
