"""`facerhythm qc`: whether results are plausible."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    progress_bars,
    quiet_stdout,
)
from element_facerhythm.cli.quality import is_red, print_checks, quality_dicts

if TYPE_CHECKING:
    from element_facerhythm.pipeline.records import Verdict

Judged = list[tuple[Any, "tuple[Verdict, ...]"]]


def qc(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Project directories; without, the configured database.", metavar="DIR"
        ),
    ] = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    key: KeyOption = None,
    where: WhereOption = None,
    as_json: JsonOption = False,
) -> None:
    """Report whether results are plausible: enough data, whole frames, a true clock, sound components.

    Judges project directories from their files, or shows the verdicts that the rows of the database hold,
    and changes nothing. A check warns or is red, each with what to do. Exits with 3 where something is red.

    Example: `facerhythm qc mouse-project`
    """
    chosen = key_texts(subject, session, recording, key)
    require_no_directory(chosen, where, directories)
    with quiet_stdout():
        judged = in_directories(directories) if directories else in_database(chosen, where)
    red = any(is_red(verdicts) for _, verdicts in judged)
    if as_json:
        print_json({"ok": not red, "n_results": len(judged), "quality": list(flat(judged))})
    else:
        show(judged)
    if red:
        raise typer.Exit(EXIT_NOT_IN_ORDER)


def in_directories(directories: list[Path]) -> Judged:
    """Judge project directories from their files."""
    from element_facerhythm.pipeline import summarise_project

    with progress_bars() as progress, progress.stage("qc", len(directories), "projects") as advance:
        judged: Judged = []
        for directory in directories:
            judged.append((directory, summarise_project(directory).quality))
            advance(len(judged))
    return judged


def in_database(chosen: KeyTexts, where: str | None) -> Judged:
    """Read the verdicts of the results of the recordings that are chosen."""
    keys = chosen_recordings(chosen, where)
    from element_facerhythm.facial_behavior_estimation.verification import stored_quality

    return list(stored_quality(keys))


def flat(judged: Judged) -> Iterator[dict[str, Any]]:
    """Yield every verdict with its subject: a project directory, or the key of a row."""
    for of, verdicts in judged:
        about = {"key": of} if isinstance(of, dict) else {"project_dir": of}
        yield from ({**about, **verdict} for verdict in quality_dicts(verdicts))


def show(judged: Judged) -> None:
    """Print a table for each result."""
    from element_facerhythm.database.keys import key_text

    for of, verdicts in judged:
        print_checks(verdicts, key_text(of) if isinstance(of, dict) else str(of))
    n_red = sum(is_red(verdicts) for _, verdicts in judged)
    print_lines([("result", f"{n_red} of {len(judged)} results have something red")])
