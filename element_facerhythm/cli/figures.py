"""`facerhythm figures`: figures of a project, or of what rows refer to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from element_facerhythm.cli.key_options import (
    KeyOption,
    KeyTexts,
    RecordingOption,
    SessionOption,
    SubjectOption,
    key_texts,
)
from element_facerhythm.cli.output import (
    JsonOption,
    WhereOption,
    print_json,
    print_lines,
    progress_bars,
    quiet_stdout,
)
from element_facerhythm.errors import FaceRhythmError, RequestError

if TYPE_CHECKING:
    from element_facerhythm.pipeline import Progress

EXIT_FAILED = 1


@dataclass(frozen=True)
class Wanted:
    """Where figures go, the project's own directory if None, and the formats that they are written in."""

    output: Path | None
    formats: tuple[str, ...]


@dataclass(frozen=True)
class Drawn:
    """The figures of one project: of a directory, or of the run with a key."""

    of: Mapping[str, Any]
    files: tuple[Path, ...] = ()
    left_out: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


def figures(
    directory: Annotated[
        Path | None,
        typer.Argument(help="Project directory, of this package or of face-rhythm.", metavar="DIR"),
    ] = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    key: KeyOption = None,
    where: WhereOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Directory for the figures (default: the project's own)"
        ),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format", help="png, svg or pdf (default: png); may be given again.", metavar="FORMAT"
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Draw regions, tracks, violations, spectrogram, components and their mean cycles of a project.

    Give a project directory, or say which runs of the database: each is drawn from its project directory,
    which is read from the store where it is not on this machine. Figures go into `visualizations/` of the
    project, or into `-o`, where those of rows have directories of their own. Videos are not needed, and rows
    are not changed. Texts in SVG and PDF are texts, for editing.

    Example: `facerhythm figures mouse-project --format png --format svg`
    """
    chosen = key_texts(subject, session, recording, key)
    if (directory is not None) == bool(chosen.texts or where):
        raise RequestError(
            "give a project directory, or say which rows (--subject, --session, --recording, --key, "
            "--where), and not both"
        )
    from element_facerhythm.figures.formats import require_formats

    wanted = Wanted(output, require_formats(formats or ["png"]))
    with quiet_stdout(), progress_bars() as progress:
        if directory is not None:
            drawn = [of_directory(directory, wanted, progress)]
        else:
            drawn = list(of_rows(chosen, where, wanted, progress))
    show(drawn, as_json)
    if any(one.failed for one in drawn):
        raise typer.Exit(EXIT_FAILED)


def of_directory(directory: Path, wanted: Wanted, progress: "Progress") -> Drawn:
    """Draw a project directory."""
    from element_facerhythm.pipeline.results.drawing import draw_project

    found = draw_project(directory, wanted.output, formats=wanted.formats, progress=progress)
    return Drawn({"project_dir": directory}, found.paths, found.left_out, found.failed)


def of_rows(
    chosen: KeyTexts, where: str | None, wanted: Wanted, progress: "Progress"
) -> Iterator[Drawn]:
    """Draw the runs that are chosen; of several, one that cannot be drawn does not stop the others.

    Raises
    ------
    RequestError
        No run is chosen, or the only one cannot be drawn.
    """
    from element_facerhythm.cli.database_access import pipeline_to_read

    pipeline_to_read()
    runs = chosen_runs(chosen, where)
    for run in runs:
        try:
            yield of_run(run, wanted, progress)
        except FaceRhythmError as error:
            if len(runs) == 1:
                raise
            yield Drawn({"key": run}, failed=(str(error),))


def chosen_runs(chosen: KeyTexts, where: str | None) -> list[dict[str, Any]]:
    """Primary keys of the runs that the options choose.

    Raises
    ------
    RequestError
        There is none, a column is not known, or a text is none of its type.
    """
    from element_facerhythm.facial_behavior_estimation import FaceRhythmProcessing
    from element_facerhythm.facial_behavior_estimation.verification import recordings

    table = FaceRhythmProcessing()
    rows = table & chosen.key(table)
    parts = [rows] if where is None else [rows & recording for recording in recordings(where)]
    runs = [run for part in parts for run in part.proj().to_dicts(order_by="KEY")]
    if not runs:
        asked = " and ".join(
            [*(f"{n}={t}" for n, t in chosen.texts.items()), *filter(None, [where])]
        )
        raise RequestError(
            f"FaceRhythmProcessing has no run with {asked}, so there is nothing to draw; `facerhythm status` "
            "shows what was computed"
        )
    return runs


def of_run(run: dict[str, Any], wanted: Wanted, progress: "Progress") -> Drawn:
    """Draw one run of the database."""
    from element_facerhythm.facial_behavior_estimation import FaceRhythmProcessing
    from element_facerhythm.facial_behavior_estimation.run_directory import present_run
    from element_facerhythm.linking import active_link
    from element_facerhythm.pipeline.results.drawing import draw_project

    directory, output = present_run(run), wanted.output
    if output is not None:  # a directory for each run, so that none replaces another one's figures
        output = output / (FaceRhythmProcessing() & run).fetch1("project_dir")
    found = draw_project(
        directory, output, roots=active_link().search_dirs(), formats=wanted.formats,
        progress=progress,
    )  # fmt: skip
    return Drawn({"key": run}, found.paths, found.left_out, found.failed)


def show(drawn: list[Drawn], as_json: bool) -> None:
    """Print the files that were written, and remarks."""
    files = [path for one in drawn for path in one.files]
    notes = [note for one in drawn for note in (*one.left_out, *one.failed)]
    if as_json:
        results = [
            {**one.of, "files": one.files, "notes": (*one.left_out, *one.failed)} for one in drawn
        ]
        print_json({"files": files, "notes": notes, "results": results})
        return
    print_lines([*(("written", path) for path in files), *(("note", note) for note in notes)])
