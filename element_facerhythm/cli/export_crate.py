"""`facerhythm export crate`: a project described as an RO-Crate."""

from pathlib import Path
from typing import Annotated

import typer

from element_facerhythm.cli.output import JsonOption, print_json, print_lines, quiet_stdout
from element_facerhythm.cli.recording_options import start_time


def crate(
    directory: Annotated[Path, typer.Argument(help="A finished project.", metavar="DIR")],
    name: Annotated[
        str | None, typer.Option(help="Title (default: the name of the directory).")
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--license", help="Web address of the licence, or a sentence.")
    ] = None,
    author: Annotated[str | None, typer.Option(help="Who is responsible for the data.")] = None,
    subject_id: Annotated[str | None, typer.Option("--subject-id", help="The animal.")] = None,
    species: Annotated[str | None, typer.Option(help="Its species, as 'Mus musculus'.")] = None,
    sex: Annotated[str | None, typer.Option(help="Its sex.")] = None,
    session_start: Annotated[
        str | None,
        typer.Option("--session-start", help="When the session began, 2026-03-01T09:30:00+01:00."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a description that is there.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write ro-crate-metadata.json into a project: its files with digests, and the run that made them.

    The directory becomes an RO-Crate (1.1, Process Run Crate 0.5) by it; nothing else in it is changed.

    Example: `facerhythm export crate mouse-project --author 'Anna Berg' --subject-id mouse1`
    """
    from element_facerhythm.pipeline.exchange.ro_crate import CrateFacts, write_crate

    told = {"subject_id": subject_id, "species": species, "sex": sex}
    facts = CrateFacts(
        name=name,
        licence=licence,
        author=author,
        subject={key: value for key, value in told.items() if value},
        session_start=start_time(session_start),
    )
    with quiet_stdout():
        written = write_crate(directory, facts, overwrite=overwrite)
    if as_json:
        print_json({"file": written})
        return
    print_lines([("written", written)])
