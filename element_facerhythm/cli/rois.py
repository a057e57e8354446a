"""`facerhythm rois`: propose regions of interest, and check them against a video."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from element_facerhythm.cli.linking_option import DatabaseCommand
from element_facerhythm.cli.output import (
    JsonOption,
    print_json,
    progress_bars,
    quiet_stdout,
    require_place,
)
from element_facerhythm.cli.rois_convert import convert
from element_facerhythm.cli.rois_copy import copy
from element_facerhythm.cli.rois_enter import enter
from element_facerhythm.cli.rois_placing import place, probe
from element_facerhythm.files.names import short_name

if TYPE_CHECKING:
    from element_facerhythm.core.rois import PlacedRois, Rois
    from element_facerhythm.video import VideoMetadata

SpacingOption = Annotated[
    int | None,
    typer.Option(
        help="Pixels between seed points (default: fitted to the regions, as `run` does).", min=1
    ),
]

app = typer.Typer(
    help="Propose regions of interest, check, convert, copy and enter them.", no_args_is_help=True
)


@app.command()
def propose(
    video: Annotated[Path, typer.Argument(help="Video in which the face moves.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="ROI file to write.")] = Path(
        "rois.json"
    ),
    overlay: Annotated[
        Path | None, typer.Option(help="Image to check (default: the ROI file's name with .png)")
    ] = None,
    background: Annotated[
        Path | None,
        typer.Option(help="Image of the mean of frames from all over the video, to draw on."),
    ] = None,
    first_frame: Annotated[Path | None, typer.Option(help="Image of the first frame.")] = None,
    spacing: SpacingOption = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing ROI file.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Propose a ROI from where the video moves; look at the image before you use it.

    Example: `facerhythm rois propose mouse.mp4 -o rois.json`
    """
    from element_facerhythm.figures.style import save_picture
    from element_facerhythm.io.rois_file import write_rois
    from element_facerhythm.pipeline.roi_proposal import propose_rois_for_video

    require_place(output, overwrite=overwrite)
    image = overlay or output.with_name(short_name(output.stem, ".png"))
    for place_of_image in (image, background, first_frame):
        require_place(place_of_image)
    with quiet_stdout(), progress_bars() as progress:
        metadata = probe(video)
        rois, proposal = propose_rois_for_video(video, metadata.n_frames, progress=progress)
        placed = place(rois, metadata, spacing)
        write_rois(rois, output)
        frame = middle_frame(metadata)
        write_overlay(rois, placed, frame, image)
        for path, picture in (
            (background, proposal.background_image),
            (first_frame, proposal.first_frame),
        ):
            if path is not None:
                save_picture(picture, path)
    report(output, image, placed, frame, as_json, n_polygons=proposal.n_regions)


@app.command()
def check(
    video: Annotated[Path, typer.Argument(help="Video that the ROIs are for.")],
    rois_file: Annotated[
        Path,
        typer.Argument(
            metavar="ROIS", help="ROI file (JSON, GeoJSON), a ROIs.h5, or facemap's _proc.npy."
        ),
    ],
    overlay: Annotated[Path | None, typer.Option(help="Image to write.")] = None,
    spacing: SpacingOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that ROIs fit a video: inside the frame, with at least one seed point that is visible.

    Points around which the picture has nothing to follow are counted, and red in the image.

    Example: `facerhythm rois check mouse.mp4 rois.json --overlay rois.png`
    """
    from element_facerhythm.io.rois_file import read_rois

    require_place(overlay)
    with quiet_stdout():
        metadata = probe(video)
        rois = read_rois(rois_file)
        placed = place(rois, metadata, spacing)
        frame = middle_frame(metadata)
        if overlay is not None:
            write_overlay(rois, placed, frame, overlay)
    report(
        rois_file,
        overlay,
        placed,
        frame,
        as_json,
        n_polygons=len(rois.seed_polygons),
        notes=rois.notes,
    )


def middle_frame(metadata: "VideoMetadata") -> Any:
    """Frame (H, W, 3) uint8 in the middle of the video."""
    from element_facerhythm.video import read_rgb_frame

    return read_rgb_frame(metadata.path, metadata.n_frames // 2)


def write_overlay(rois: "Rois", placed: "PlacedRois", frame: Any, path: Path) -> None:
    """Draw the ROIs and their points over a frame of the video."""
    from dataclasses import replace

    from element_facerhythm.figures.overlay import overlay_rois
    from element_facerhythm.figures.style import save_figure

    shown = replace(rois, point_positions=placed.point_positions)
    save_figure(overlay_rois(frame, shown), path)


def report(
    rois_file: Path,
    image: Path | None,
    placed: "PlacedRois",
    frame: Any,
    as_json: bool,
    *,
    n_polygons: int,
    notes: Sequence[str] = (),
) -> None:
    """Print the counts and the area of the ROIs."""
    from element_facerhythm.pipeline.roi_placing import counts_of

    counts = counts_of(placed, frame)
    n_weak = counts["n_points_without_texture"]
    result: dict[str, Any] = {
        "rois": rois_file,
        "n_polygons": n_polygons,
        **counts,
        "overlay": image,
        "notes": notes,
    }
    if as_json:
        print_json(result)
        return
    lines: Sequence[str] = (
        f"{rois_file}: {n_polygons} polygons, {result['n_points']} seed points, "
        f"{result['area_fraction']:.1%} of the frame",
        f"{n_weak} points have nothing to follow around them (red in the image): take even skin, glare and "
        "shadow out of the ROI"
        if n_weak
        else "",
        *(f"note: {note}" for note in notes),
        f"look at {image} before you use it" if image else "",
    )
    typer.echo("\n".join(line for line in lines if line))


app.command()(convert)
app.command()(copy)
app.command(cls=DatabaseCommand)(enter)
