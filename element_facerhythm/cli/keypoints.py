"""`facerhythm keypoints`: facemap's network on videos, and keypoints in space, without a database."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from element_facerhythm.cli import triangulate
from element_facerhythm.cli.output import (
    JsonOption,
    human_seconds,
    print_json,
    print_lines,
    print_table,
    progress_bars,
    quiet_stdout,
)
from element_facerhythm.cli.recording_options import FrameRateOption
from element_facerhythm.files.names import short_name

if TYPE_CHECKING:
    from element_facerhythm.pipeline.keypoint_records import BoxChoice

app = typer.Typer(
    help="Predict facial keypoints with facemap's network; find them in space.",
    no_args_is_help=True,
)

COLUMNS = ("body part", "likelihood", "sure", "missing", "px/s")


@app.command("run")
def run(
    videos: Annotated[list[Path], typer.Argument(help="Videos of one recording, in order.")],
    model: Annotated[Path, typer.Option("--model", help="Weights, as facemap saves them (.pt).")],
    body_parts: Annotated[
        str | None,
        typer.Option(help="What the network finds, commas between (default: facemap's own)"),
    ] = None,
    box: Annotated[
        str | None,
        typer.Option(
            help="What the network sees: x1,x2,y1,y2 in pixels, or auto (default: all of the frame)"
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Directory (default: the first name with -keypoints)"),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    batch_size: Annotated[
        int | None, typer.Option(help="Frames at once (default: by device)", min=1)
    ] = None,
    frame_rate: FrameRateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Predict the keypoints of every frame, and write them as facemap does.

    Example: `facerhythm keypoints run mouse.mp4 --model facemap_model_state.pt`
    """
    from element_facerhythm.keypoints.facemap_model import FACEMAP_BODY_PARTS
    from element_facerhythm.pipeline.keypoint_records import KeypointRequest
    from element_facerhythm.pipeline.keypoint_run import run_keypoints

    names = FACEMAP_BODY_PARTS if body_parts is None else tuple(body_parts.split(","))
    request = KeypointRequest(
        videos=tuple(videos),
        model_file=model,
        body_parts=names,
        output_dir=output or videos[0].with_name(short_name(videos[0].stem, "-keypoints")),
        box=parse_box(box),
        device=device,
        batch_size=batch_size,
        frame_rate_hz=frame_rate,
    )
    with quiet_stdout(), progress_bars() as progress:
        record = run_keypoints(request, progress=progress)
    if as_json:
        print_json(
            {
                "file": record.product.path,
                "n_frames": record.n_frames,
                "seconds": record.seconds,
                "frames_per_s": record.frames_per_s,
                "device": record.device,
                "boxes": record.boxes,
                "reused": record.reused,
                "tracks": record.statistics,
            }
        )
        return
    rows = [
        (
            track.body_part,
            shown(track.mean_likelihood, ".3f"),
            shown(track.confident_fraction, ".0%"),
            f"{track.missing_fraction:.0%}",
            shown(track.median_speed_px_s, ".1f"),
        )
        for track in record.statistics
    ]
    print_table("", COLUMNS, rows, right=COLUMNS[1:])
    took = "" if record.seconds is None else f", {human_seconds(record.seconds)}"
    speed = "" if record.frames_per_s is None else f", {record.frames_per_s:.0f} frames/s"
    print_lines(
        [
            ("keypoints", record.product.path),
            ("frames", f"{record.n_frames}{took}{speed} on {record.device}"),
            *([("note", "the file was there already")] if record.reused else []),
        ]
    )


app.command("triangulate")(triangulate.triangulate)


def parse_box(text: str | None) -> "BoxChoice":
    """Turn `--box` into `pipeline.keypoints.BoxChoice`.

    Raises
    ------
    KeypointError
        It is neither `auto` nor four whole numbers.
    """
    from element_facerhythm.errors import KeypointError

    if text is None:
        return None
    if text == "auto":
        return "auto"
    try:
        left, right, top, bottom = map(int, text.split(","))
    except ValueError as error:
        raise KeypointError(
            f"--box is {text!r}; expected auto, or x1,x2,y1,y2 in whole pixels of the frame"
        ) from error
    return ((left, right, top, bottom),)


def shown(value: float | None, form: str) -> str:
    """Return a number as text, a dash where it is not known."""
    return "-" if value is None else format(value, form)
