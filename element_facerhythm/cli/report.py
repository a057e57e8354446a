"""`facerhythm report`: one HTML file that shows projects, to be sent or kept."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from element_facerhythm.cli.figures import chosen_runs
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
    require_place,
)
from element_facerhythm.errors import FaceRhythmError, RequestError
from element_facerhythm.files.sizes import human_size

if TYPE_CHECKING:
    from element_facerhythm.report import ProjectFacts

EXIT_FAILED = 1
Named = tuple[dict[str, Any], str]
"""What a result is of, a directory or a key, and what it is called."""


@dataclass
class Gathered:
    """Projects of a page, and those of the selection that could not be read."""

    projects: "list[tuple[dict[str, Any], ProjectFacts]]" = field(default_factory=list)
    failed: list[tuple[dict[str, Any], str]] = field(default_factory=list)


def report(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Project directories, of this package or of face-rhythm.", metavar="DIR"
        ),
    ] = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    key: KeyOption = None,
    where: WhereOption = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The file.", metavar="FILE")
    ] = Path("report.html"),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file where it is there.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write one HTML file that shows a project, or several: data, quality, components, parameters, digests.

    The file needs nothing else, neither a network nor this package, and can be sent by mail. Of several
    projects, it begins with a table that compares them. Videos are not needed, and nothing else is written.

    Example: `facerhythm report mouse-project -o mouse.html`
    """
    chosen = key_texts(subject, session, recording, key)
    if bool(directories) == bool(chosen.texts or where):
        raise RequestError(
            "give project directories, or say which rows (--subject, --session, --recording, --key, "
            "--where), and not both"
        )
    require_place(output, overwrite=overwrite)
    with quiet_stdout(), progress_bars() as progress:
        found = gather(of_directories(directories) if directories else of_rows(chosen, where))
        notes = write(found, output, progress)
    show(found, output, notes, as_json)
    if found.failed or notes:
        raise typer.Exit(EXIT_FAILED)


def of_directories(directories: list[Path]) -> "Iterator[tuple[Named, Any]]":
    """Yield each directory with what reads it."""
    from element_facerhythm.report import gather_facts

    for directory in dict.fromkeys(directories):
        named = ({"project_dir": directory}, directory.resolve().name)
        yield named, lambda directory=directory: gather_facts(directory)


def of_rows(chosen: KeyTexts, where: str | None) -> "Iterator[tuple[Named, Any]]":
    """Yield each run that is chosen with what reads it, from the store where it is not on this machine.

    Raises
    ------
    RequestError
        No run is chosen.
    """
    from element_facerhythm.cli.database_access import pipeline_to_read

    pipeline_to_read()
    from element_facerhythm.database.keys import key_text
    from element_facerhythm.facial_behavior_estimation.run_directory import present_run
    from element_facerhythm.linking import active_link
    from element_facerhythm.report import gather_facts

    roots = active_link().search_dirs()
    for run in chosen_runs(chosen, where):
        title = key_text(run)
        yield (
            ({"key": run}, title),
            lambda run=run, title=title: gather_facts(present_run(run), roots, title=title),
        )


def gather(wanted: "Iterator[tuple[Named, Any]]") -> Gathered:
    """Read the projects; of several, one that cannot be read does not stop the others.

    Raises
    ------
    RequestError
        None can be read.
    """
    found, last = Gathered(), None
    for (of, title), read in wanted:
        try:
            found.projects.append((of, read()))
        except FaceRhythmError as error:
            found.failed.append((of, f"{title}: {error}"))
            last = error
    if last is not None and not found.projects:
        raise last
    return found


def write(found: Gathered, output: Path, progress: Any) -> tuple[str, ...]:
    """Draw the figures and write the page; return notes on figures that could not be drawn."""
    from element_facerhythm.figures import figure_names
    from element_facerhythm.figures.style import write_bytes
    from element_facerhythm.report import report_page

    projects = [facts for _, facts in found.projects]
    total = sum(len(figure_names(facts.project)) for facts in projects)
    with progress.stage("report", total, "figures") as advance:
        page, notes = report_page(
            projects, not_reported=[told for _, told in found.failed], on_figure=advance
        )
    write_bytes(output, page.encode())
    return notes


def show(found: Gathered, output: Path, notes: tuple[str, ...], as_json: bool) -> None:
    """Print the file that was written, and remarks."""
    size = output.stat().st_size
    every = [*notes, *(told for _, told in found.failed)]
    if as_json:
        results = [
            {
                **of,
                "n_components": facts.summary.models[0].rank,
                "explained_variance": facts.summary.models[0].explained_variance,
                "n_red": sum(verdict.verdict == "red" for verdict in facts.summary.quality),
                "notes": facts.notes,
            }
            for of, facts in found.projects
        ]
        print_json({"file": output, "size_bytes": size, "results": results, "notes": every})
        return
    n_shown = len(found.projects)
    written = f"{output} ({human_size(size)}, {n_shown} recording{'s' * (n_shown != 1)})"
    print_lines([("written", written), *(("note", note) for note in every)])
