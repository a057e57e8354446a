"""`facerhythm export`: results for other tools."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from element_facerhythm.cli import (
    export_crate,
    export_lake,
    export_movie,
    export_nwb,
    export_xarray,
)
from element_facerhythm.cli.key_options import (
    KeyOption,
    RecordingOption,
    SessionOption,
    SubjectOption,
    key_of_recording,
    key_texts,
)
from element_facerhythm.cli.linking_option import DatabaseCommand
from element_facerhythm.cli.nwb_options import (
    DeviceOption,
    IdentifierOption,
    SessionStartOption,
    SubjectIdOption,
    VideoOption,
)
from element_facerhythm.cli.output import JsonOption, print_json, print_lines, quiet_stdout
from element_facerhythm.cli.recording_options import start_time

if TYPE_CHECKING:
    from element_facerhythm.keypoints import Predictions
    from element_facerhythm.keypoints.nwb_export import NwbFacts

app = typer.Typer(help="Write results for other tools.", no_args_is_help=True)
app.command("movie", cls=DatabaseCommand)(export_movie.movie)
app.command("clips", cls=DatabaseCommand)(export_movie.clips)
app.command("xarray", cls=DatabaseCommand)(export_xarray.xarray)
app.command("nwb", cls=DatabaseCommand)(export_nwb.nwb)
app.command("crate")(export_crate.crate)
app.command("lake", cls=DatabaseCommand)(export_lake.lake)

FrameRateOption = Annotated[
    float | None,
    typer.Option("--frame-rate", help="Frames per second, for a file that does not say.", min=1e-6),
]


@app.command(cls=DatabaseCommand)
def keypoints(
    to: Annotated[
        str, typer.Option("--to", help="Format: dlc, sleap, lightningpose, nwb or netcdf.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.")],
    file: Annotated[
        Path | None,
        typer.Argument(help="Keypoints.h5, or facemap's own file; in place of the database."),
    ] = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    key: KeyOption = None,
    model: Annotated[
        int | None, typer.Option("--model", help="Number of the model (default: the only one)")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    frame_rate: FrameRateOption = None,
    session_start: SessionStartOption = None,
    subject_id: SubjectIdOption = None,
    identifier: IdentifierOption = None,
    device: DeviceOption = None,
    video: VideoOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write keypoints for another tool, from the database or from a file.

    Example: `facerhythm export keypoints --to dlc -o mouse.h5 --subject mouse1 --session 1`
    """
    from element_facerhythm.errors import RequestError
    from element_facerhythm.keypoints.formats import left_out, write_predictions
    from element_facerhythm.keypoints.nwb_export import NwbFacts

    chosen = key_texts(subject, session, recording, key)
    if (file is None) != bool(chosen.texts):
        raise RequestError(
            "give a file of keypoints, or a recording (--subject and --session, or --key), and not both"
        )
    facts = NwbFacts(
        session_start_time=start_time(session_start),
        subject_id=subject_id,
        identifier=identifier,
        device=device,
        videos=tuple(video or ()),
    )
    notes: list[str] = []
    with quiet_stdout():
        if file is not None:
            predictions, notes = of_file(file, frame_rate)
        else:
            if frame_rate is not None:
                raise RequestError(
                    "--frame-rate is for a file; a recording in the database has its own"
                )
            from element_facerhythm.cli.database_access import pipeline_to_read

            pipeline_to_read()
            row = key_of_recording(chosen) | ({} if model is None else {"model_id": model})
            predictions, notes = stored(row)
            if to == "nwb":
                known_facts, remarks = stored_facts(row)
                facts, notes = facts.or_else(known_facts), [*notes, *remarks]
        written = write_predictions(predictions, output, to, facts=facts, overwrite=overwrite)
    notes += left_out(predictions, to)
    if as_json:
        print_json({"files": written, "n_frames": predictions.n_frames, "notes": notes})
        return
    print_lines([*(("written", path) for path in written), *(("note", note) for note in notes)])


def of_file(file: Path, frame_rate_hz: float | None) -> "tuple[Predictions, list[str]]":
    """Keypoints of a file, at the rate that was given where one was, and a remark on another one."""
    from dataclasses import replace

    from element_facerhythm.keypoints.product import read_keypoints

    predictions = read_keypoints(file)
    known = predictions.frame_rate_hz
    if frame_rate_hz is None or frame_rate_hz == known:
        return predictions, []
    notes = [] if known is None else [f"{file} says {known:g} frames/s; {frame_rate_hz:g} is taken"]
    return replace(predictions, frame_rate_hz=frame_rate_hz), notes


def stored(key: Mapping[str, object]) -> "tuple[Predictions, list[str]]":
    """Keypoints of the database, and remarks where the recording's files changed since."""
    from element_facerhythm.facial_behavior_estimation.entered_files import changes_since
    from element_facerhythm.keypoint_inference import KeypointInference

    predictions = KeypointInference.fetch_predictions(dict(key))
    changes = changes_since(dict(key))
    return predictions, [f"these keypoints are of other files: {line}" for line in changes]


def stored_facts(key: Mapping[str, object]) -> "tuple[NwbFacts, list[str]]":
    """Facts of the session that the database holds, and remarks on them."""
    from element_facerhythm.keypoint_inference.session_facts import facts_of_run

    return facts_of_run(dict(key))
