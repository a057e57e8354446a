"""`facerhythm curate`: what people decide about results."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from element_facerhythm.cli import curate_propose
from element_facerhythm.cli.curated_place import (
    CuratedPlace,
    CuratorOption,
    DirectoryArgument,
    curated_place,
)
from element_facerhythm.cli.curation_text import (
    entry_rows,
    notes_of,
    print_curation,
    state_of,
    text_of_change,
)
from element_facerhythm.cli.key_options import (
    KeyOption,
    RecordingOption,
    SessionOption,
    SubjectOption,
    key_texts,
)
from element_facerhythm.cli.linking_option import DatabaseCommand
from element_facerhythm.cli.number_lists import number_list
from element_facerhythm.cli.output import (
    JsonOption,
    print_json,
    print_lines,
    print_table,
    quiet_stdout,
    require_place,
)
from element_facerhythm.errors import RequestError

if TYPE_CHECKING:
    from element_facerhythm.curation import Change, Curation

app = typer.Typer(
    help="Decide about results: keep, name, merge and leave out; results themselves stay as they are.",
    no_args_is_help=True,
)

ModelOption = Annotated[
    str | None,
    typer.Option("--model", help="Decomposition, where each video has its own (default: the only one)."),
]  # fmt: skip
ComponentsOption = Annotated[
    list[int], typer.Option("--component", help="Number of the component; again for more.", min=0)
]


@app.command(cls=DatabaseCommand)
def show(
    directory: DirectoryArgument = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    key: KeyOption = None,
    history: Annotated[
        bool, typer.Option("--history", help="Every entry, with who made it and when.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what was decided about each component, and what was left out.

    Entries about a decomposition or tracks that were computed anew since are told, and not applied.

    Example: `facerhythm curate show mouse-project`
    """
    with quiet_stdout():
        place = curated_place(
            directory, key_texts(subject, session, recording, key), to_write=False
        )
        state = state_of(place)
        notes = notes_of(place)
    if as_json:
        about = {**place.about, "revision": place.curation.revision, **state, "notes": notes}
        print_json({**about, "history": entry_rows(place.curation)})
        return
    print_curation(place, state, with_history=history)
    print_lines([("note", note) for note in notes])


@app.command(name="set", cls=DatabaseCommand)
def set_component(
    component: ComponentsOption,
    directory: DirectoryArgument = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    key: KeyOption = None,
    model: ModelOption = None,
    verdict: Annotated[
        str | None, typer.Option("--verdict", help="keep, noise or undecided.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="What it is; an empty one takes the name away.")
    ] = None,
    note: Annotated[
        str | None, typer.Option("--note", help="Remark; an empty one takes it away.")
    ] = None,
    curator: CuratorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say of components whether they are kept or noise, what they are called, or a note.

    Example: `facerhythm curate set mouse-project --component 2 --verdict keep --name whisking`
    """
    from element_facerhythm.curation import JudgeComponent

    def changes(place: CuratedPlace) -> "list[Change]":
        of = the_model(place, model)
        return [
            JudgeComponent(of, number, verdict=verdict, name=name, note=note)
            for number in component
        ]

    chosen = key_texts(subject, session, recording, key)
    with quiet_stdout():
        place, changed = change(curated_place(directory, chosen, to_write=True), changes, curator)
    report(place, changed, as_json)


@app.command(cls=DatabaseCommand)
def merge(
    component: ComponentsOption,
    into: Annotated[
        int, typer.Option("--into", help="Component that stands for all of them.", min=0)
    ],
    directory: DirectoryArgument = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    key: KeyOption = None,
    model: ModelOption = None,
    curator: CuratorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that components are parts of another one, which stands for all of them.

    Example: `facerhythm curate merge mouse-project --component 5 --component 7 --into 2`
    """
    from element_facerhythm.curation import MergeComponents

    def changes(place: CuratedPlace) -> "list[Change]":
        return [MergeComponents(the_model(place, model), tuple(component), into)]

    chosen = key_texts(subject, session, recording, key)
    with quiet_stdout():
        place, changed = change(curated_place(directory, chosen, to_write=True), changes, curator)
    report(place, changed, as_json)


@app.command(cls=DatabaseCommand)
def split(
    component: ComponentsOption,
    directory: DirectoryArgument = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    key: KeyOption = None,
    model: ModelOption = None,
    curator: CuratorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take components out of the group that they were merged into; of its head, dissolve the group.

    Example: `facerhythm curate split mouse-project --component 5`
    """
    from element_facerhythm.curation import SplitComponents

    def changes(place: CuratedPlace) -> "list[Change]":
        return [SplitComponents(the_model(place, model), tuple(component))]

    chosen = key_texts(subject, session, recording, key)
    with quiet_stdout():
        place, changed = change(curated_place(directory, chosen, to_write=True), changes, curator)
    report(place, changed, as_json)


@app.command(cls=DatabaseCommand)
def exclude(
    directory: DirectoryArgument = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    key: KeyOption = None,
    start_s: Annotated[
        float | None, typer.Option("--from", help="Seconds on the clock of the video.")
    ] = None,
    end_s: Annotated[
        float | None, typer.Option("--to", help="Seconds on the clock of the video.")
    ] = None,
    video: Annotated[
        int | None, typer.Option("--video", help="Tracked video (default: the only one).", min=0)
    ] = None,
    points: Annotated[
        str | None,
        typer.Option("--points", help="Points in place of a time: 3,8,20:30 (30 not included)."),
    ] = None,
    include: Annotated[
        bool, typer.Option("--include", help="Take them in again that were left out.")
    ] = False,
    curator: CuratorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Leave a span of time or points out of what is made of the results later.

    Example: `facerhythm curate exclude mouse-project --from 12.5 --to 14`
    """
    from element_facerhythm.curation import ExcludePoints, ExcludeSpan

    has_span = start_s is not None and end_s is not None
    if has_span == (points is not None) or (start_s is None) != (end_s is None):
        raise RequestError("give a span (--from and --to) or --points, and not both")
    if points is not None and video is not None:
        raise RequestError("--video is for a span; points are those of all videos")
    numbers = () if points is None else number_list("--points", points)

    def changes(place: CuratedPlace) -> "list[Change]":
        if start_s is None or end_s is None:
            return [ExcludePoints(numbers, not include)]
        return [ExcludeSpan(the_video(place, video), start_s, end_s, not include)]

    chosen = key_texts(subject, session, recording, key)
    with quiet_stdout():
        place, changed = change(curated_place(directory, chosen, to_write=True), changes, curator)
    report(place, changed, as_json)


@app.command(cls=DatabaseCommand)
def undo(
    directory: DirectoryArgument = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    key: KeyOption = None,
    entry: Annotated[
        int | None,
        typer.Option("--entry", help="Number of the entry (default: the last that counts).", min=1),
    ] = None,
    curator: CuratorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Undo an entry, by a further one; of an entry that is an undo, what that undid counts again.

    Example: `facerhythm curate undo mouse-project`
    """
    from element_facerhythm.curation import undo as undone
    from element_facerhythm.files.account import account_name

    with quiet_stdout():
        place = curated_place(directory, key_texts(subject, session, recording, key), to_write=True)
        changed = undone(place.curation, curator or account_name(), entry)
        place.write(changed, place.curation.revision)
    report(place, changed, as_json)


@app.command(name="export", cls=DatabaseCommand)
def export_file(
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.")],
    directory: DirectoryArgument = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    key: KeyOption = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a curation with its whole history to a file, as it lies beside a project.

    Example: `facerhythm curate export --subject mouse1 --session 1 -o curation.json`
    """
    require_place(output, overwrite=overwrite)
    with quiet_stdout():
        from element_facerhythm.curation import write_curation_file

        chosen = key_texts(subject, session, recording, key)
        place = curated_place(directory, chosen, to_write=False)
        write_curation_file(output, place.curation)
    if as_json:
        print_json({**place.about, "file": output, "revision": place.curation.revision})
        return
    print_lines([("written", output), ("entries", place.curation.revision)])


@app.command(name="import", cls=DatabaseCommand)
def import_file(
    file: Annotated[Path, typer.Argument(help="Curation that `export` wrote, or of a project.")],
    directory: DirectoryArgument = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in a curation from a file, if it is about the same decomposition or the same tracks.

    Example: `facerhythm curate import mouse-project/curation.json --subject mouse1 --session 1`
    """
    with quiet_stdout():
        from element_facerhythm.curation import exchange, read_curation_file

        other = read_curation_file(file)
        place = curated_place(directory, key_texts(subject, session, recording, key), to_write=True)
        changed = exchange(place.curation, other, place.require_result())
        if changed != place.curation:
            place.write(changed, place.curation.revision)
    report(place, changed, as_json)


@app.command()
def suggest(
    directory: Annotated[Path, typer.Argument(help="Project directory.", metavar="DIR")],
    like: Annotated[Path, typer.Option("--like", help="Project directory that was curated.")],
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look for components that are like those of another, curated project; nothing is carried over.

    Example: `facerhythm curate suggest new-project --like mouse-project`
    """
    with quiet_stdout():
        from element_facerhythm.cli.curation_text import suggested_rows

        rows = suggested_rows(directory, like, model)
    if as_json:
        print_json({"project_dir": directory, "like": like, "suggestions": rows})
        return
    columns = ("like", "component", "congruence", "verdict", "name", "note")
    print_table("", columns, [tuple(row.values()) for row in rows], right=columns[:3])
    if not rows:
        typer.echo("no component is like one of the other project")


app.command(name="propose")(curate_propose.propose)


def change(
    place: CuratedPlace,
    changes: "Callable[[CuratedPlace], Sequence[Change]]",
    curator: str | None,
) -> "tuple[CuratedPlace, Curation]":
    """Add changes to a curation, all of them or none, and write it."""
    from element_facerhythm.curation import append
    from element_facerhythm.files.account import account_name

    result, changed = place.require_result(), place.curation
    who = account_name() if curator is None else curator
    for one in changes(place):
        changed = append(changed, one, result, who)
    if changed != place.curation:
        place.write(changed, place.curation.revision)
    return place, changed


def the_model(place: CuratedPlace, model: str | None) -> str:
    """Return the key of the decomposition that is meant; RequestError where it is not said which."""
    models = place.require_result().n_components
    if model is None and len(models) > 1:
        raise RequestError(f"which decomposition? say --model, one of {', '.join(models)}")
    return next(iter(models)) if model is None else model


def the_video(place: CuratedPlace, video: int | None) -> int:
    """Return the number of the video that is meant; RequestError where it is not said which of several."""
    n_videos = len(place.require_result().durations_s)
    if video is None and n_videos > 1:
        raise RequestError(f"which video? say --video, from 0 to {n_videos - 1}")
    return video or 0


def report(place: CuratedPlace, changed: "Curation", as_json: bool) -> None:
    """Print the entries that are new, and remarks."""
    new: list[Any] = list(changed.entries[place.curation.revision :])
    notes = notes_of(place, changed)
    if as_json:
        rows = entry_rows(changed)[place.curation.revision :]
        print_json({**place.about, "revision": changed.revision, "entered": rows, "notes": notes})
        return
    lines = [(f"entry {entry.revision}", text_of_change(entry.change)) for entry in new]
    print_lines([*(lines or [("result", "nothing to change: it is so already")]),
                 *(("note", note) for note in notes)])  # fmt: skip
