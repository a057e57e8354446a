"""`facerhythm rois enter`: regions of a file into the database."""

from pathlib import Path
from typing import Annotated

import typer

from element_facerhythm.cli.key_options import (
    KeyOption,
    RecordingOption,
    SessionOption,
    SubjectOption,
    key_of_recording,
    key_texts,
)
from element_facerhythm.cli.output import JsonOption, print_json, quiet_stdout


def enter(
    rois: Annotated[Path, typer.Argument(help="ROI file, of any kind.", metavar="FILE")],
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    key: KeyOption = None,
    description: Annotated[str, typer.Option("--description", help="What they are.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Enter regions for a recording of the configured database, as the page for drawing does.

    They get the next free number; the same regions under the same names keep theirs, and nothing is entered.
    A task that is registered afterwards can name them.

    Example: `facerhythm rois enter mouse.rois.json --subject mouse1 --session 3 --description "whisker pad"`
    """
    from element_facerhythm.io.rois_file import read_rois

    regions, chosen = read_rois(rois), key_texts(subject, session, recording, key)
    with quiet_stdout():
        from element_facerhythm.cli.database_access import pipeline_to_change

        pipeline_to_change()
        from element_facerhythm.core.rois import place_rois
        from element_facerhythm.database.keys import key_text
        from element_facerhythm.errors import RequestError
        from element_facerhythm.facial_behavior_estimation import (
            FaceRhythmROI,
            RecordingInfo,
            VideoRecording,
        )

        of = key_of_recording(chosen)
        if not VideoRecording() & of:
            raise RequestError(
                f"there is no recording {key_text(of)}; `facerhythm ingest` registers one"
            )
        for width, height in zip(
            *(RecordingInfo() & of).to_arrays("width_px", "height_px"), strict=True
        ):
            place_rois(regions, height_px=int(height), width_px=int(width), spacing_px=1)
        roi_id = FaceRhythmROI.find_roi_id(of, regions)
        is_new = not FaceRhythmROI() & of & {"roi_id": roi_id}
        entered = FaceRhythmROI.insert_rois(
            {**of, "roi_id": roi_id}, regions, description=description
        )
    if as_json:
        print_json({"key": entered, "is_new": is_new})
    else:
        state = "entered" if is_new else "there already, nothing was entered"
        typer.echo(f"FaceRhythmROI {key_text(entered)}: {state}")
