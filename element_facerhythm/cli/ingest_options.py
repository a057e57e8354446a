"""Options of `facerhythm ingest`."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from element_facerhythm.cli.key_options import key_texts

if TYPE_CHECKING:
    from element_facerhythm.ingest import SessionChoice


class Sex(StrEnum):
    """Of a subject that is new to the database."""

    M = "M"
    F = "F"
    U = "U"


VideosArgument = Annotated[
    list[Path] | None, typer.Argument(help="Videos of one recording, in order.")
]
ProjectOption = Annotated[
    Path | None, typer.Option("--project", help="Existing project directory, in place of videos.")
]
TableOption = Annotated[
    Path | None,
    typer.Option("--table", metavar="FILE", help="CSV file with a row for each recording."),
]
RoisOption = Annotated[
    str | None,
    typer.Option(
        "--rois",
        metavar="FILE",
        help="ROI file (JSON), or a face-rhythm ROIs.h5; by columns, as rois/{subject}.json; or `last`: "
        "those of the subject's last recording.",
    ),
]
NewSubjectOption = Annotated[
    str | None, typer.Option("--subject", help="Subject: --key subject=ID.")
]
NewSessionOption = Annotated[
    str | None, typer.Option("--session", help="Number of the session: --key session_id=N.")
]
NumberOption = Annotated[
    int, typer.Option("--recording", help="Number of the recording in its session.")
]
SexOption = Annotated[Sex | None, typer.Option("--sex", help="Of a new subject.")]
BirthDateOption = Annotated[
    datetime | None,
    typer.Option("--birth-date", formats=["%Y-%m-%d"], help="Of a new subject."),
]
SessionTimeOption = Annotated[
    datetime | None,
    typer.Option("--session-datetime", help="Of a new session (default: the file's time)"),
]
NoPopulateOption = Annotated[
    bool, typer.Option("--no-populate", help="Register only; a worker does the rest.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="With --table: show what would be entered.")
]


def session_choice(
    subject: str | None,
    session: str | None,
    key: list[str] | None,
    sex: Sex | None,
    birth_date: datetime | None,
    session_datetime: datetime | None,
) -> "SessionChoice":
    """Return the session that is given, and the facts for rows that are new."""
    from element_facerhythm.ingest import SessionChoice

    facts = {
        "sex": sex and sex.value,
        "subject_birth_date": birth_date and birth_date.date(),
        "session_datetime": session_datetime,
    }
    return SessionChoice(
        key_texts(subject, session, key=key).texts,
        {name: value for name, value in facts.items() if value is not None},
    )
