"""`facerhythm verify`: whether rows, files and digests still agree."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from element_facerhythm.cli.key_options import (
    KeyOption,
    KeyTexts,
    RecordingOption,
    SessionOption,
    SubjectOption,
    chosen_recordings,
    key_texts,
    require_no_directory,
)
from element_facerhythm.cli.output import (
    EXIT_NOT_IN_ORDER,
    JsonOption,
    WhereOption,
    print_json,
    print_lines,
    print_table,
    progress_bars,
    quiet_stdout,
)

if TYPE_CHECKING:
    from element_facerhythm.pipeline.results.verify import Findings


def verify(
    directory: Annotated[
        Path | None, typer.Argument(help="Project directory; without it, the configured database.")
    ] = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    key: KeyOption = None,
    where: WhereOption = None,
    recompute: Annotated[
        bool,
        typer.Option("--recompute", help="Compute a random block of a stage again, and compare."),
    ] = False,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of the random choice (default: another each time).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check that rows, files and digests agree; changes nothing.

    Checks one project directory, or every recording of the database: videos, regions, parameters,
    products, and each row of the results. Exits with 3 where something is not as it was written.

    Example: `facerhythm verify mouse-project --recompute`
    """
    chosen = key_texts(subject, session, recording, key)
    require_no_directory(chosen, where, directory)
    with quiet_stdout():
        if directory is not None:
            findings = in_directory(directory, recompute, seed)
        else:
            findings = in_database(chosen, where, recompute, seed)
    if as_json:
        print_json(
            {"ok": not findings.faults, "n_checks": findings.n_checks, "faults": findings.faults,
             "notes": findings.notes}
        )  # fmt: skip
    else:
        show(findings)
    if findings.faults:
        raise typer.Exit(EXIT_NOT_IN_ORDER)


def in_directory(directory: Path, recompute: bool, seed: int | None) -> "Findings":
    """Check one project directory."""
    from element_facerhythm.pipeline.results.verify import verify_project

    return verify_project(directory, recompute=recompute, seed=seed)


def in_database(
    chosen: KeyTexts, where: str | None, recompute: bool, seed: int | None
) -> "Findings":
    """Check the recordings of the configured database that are chosen."""
    keys = chosen_recordings(chosen, where)
    from element_facerhythm.facial_behavior_estimation.verification import verify_recording
    from element_facerhythm.keypoint_inference.verification import verify_keypoints
    from element_facerhythm.pipeline.results.verify import Findings

    findings = Findings()
    with progress_bars() as progress, progress.stage("verify", len(keys), "recordings") as advance:
        for n_done, key in enumerate(keys):
            advance(n_done)
            verify_recording(key, findings, recompute=recompute, seed=seed)
            verify_keypoints(key, findings)
    return findings


def show(findings: "Findings") -> None:
    """Print what was found."""
    if findings.faults:
        rows = [(fault.where, fault.problem) for fault in findings.faults]
        print_table("not as it was written", ("where", "what"), rows)
    result = f"{len(findings.faults)} of {findings.n_checks} checks found something wrong"
    if not findings.faults:
        result = f"{findings.n_checks} checks, all in order"
    print_lines([("result", result), *(("note", note) for note in dict.fromkeys(findings.notes))])
