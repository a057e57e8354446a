"""Options of an NWB file: facts of the session that no file and no database may know."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from element_facerhythm.errors import RequestError

SessionStartOption = Annotated[
    str | None,
    typer.Option("--session-start", help="NWB: when the session began, 2026-03-01T09:30:00+01:00."),
]
SubjectIdOption = Annotated[
    str | None, typer.Option("--subject-id", help="NWB: the animal (default: the database's).")
]
IdentifierOption = Annotated[
    str | None, typer.Option("--identifier", help="NWB: name of the file, unique in the world.")
]
DeviceOption = Annotated[str | None, typer.Option("--device", help="NWB: the camera.")]
VideoOption = Annotated[
    list[str] | None, typer.Option("--video", help="NWB: the video; more than once for several.")
]
SessionIdOption = Annotated[
    str | None, typer.Option("--session-id", help="The session (default: the database's).")
]
StartOption = Annotated[
    list[float] | None,
    typer.Option(
        "--start", metavar="S", help="Seconds from that to the first frame, for each tracked video."
    ),
]
SexOption = Annotated[str | None, typer.Option("--sex", help="M, F, U or O.")]
SpeciesOption = Annotated[
    str | None, typer.Option("--species", help="Latin binomial, as 'Mus musculus'.")
]
AgeOption = Annotated[str | None, typer.Option("--age", help="Of the animal, ISO 8601: P90D.")]
BirthDateOption = Annotated[
    str | None, typer.Option("--birth-date", help="In place of the age, as 2026-01-01.")
]
DescriptionOption = Annotated[
    str | None, typer.Option("--description", help="What the session was.")
]
ExperimenterOption = Annotated[
    str | None, typer.Option("--experimenter", help="Who recorded it, as 'Doe, Jane'.")
]
LabOption = Annotated[str | None, typer.Option("--lab", help="Name of the lab.")]
InstitutionOption = Annotated[str | None, typer.Option("--institution", help="Where the lab is.")]
KeypointsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--keypoints", metavar="FILE", help="Keypoints.h5 or facemap's own file; may be repeated."
    ),
]
ExternalVideoOption = Annotated[
    list[Path] | None,
    typer.Option("--video", help="Refer to the video, where it lies; once for each file."),
]
TensorOption = Annotated[
    bool, typer.Option("--tensor", help="The spectrogram of every point, too (large).")
]
PointsOption = Annotated[
    str, typer.Option("--points", help="poses (ndx-pose), arrays, or auto: poses up to 100.")
]
ModuleOption = Annotated[str, typer.Option("--module", help="Name of the processing module.")]


def birth_date(text: str | None) -> date | None:
    """Turn `--birth-date` into a date.

    Raises
    ------
    RequestError
        It is none.
    """
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise RequestError(
            f"--birth-date is {text!r}; expected a date, such as 2026-01-01"
        ) from error
