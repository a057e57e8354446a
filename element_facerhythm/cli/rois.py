"""`facerhythm rois`: propose regions of interest, and check them against a video."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from element_facerhythm.cli.output import (
    JsonOption,
    print_json,
    progress_bars,
    quiet_stdout,
    require_place,
)
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

_NO_MATTER_HZ = 30.0  # regions need no time, and a video may have no rate

app = typer.Typer(help="Propose regions of interest and check them.", no_args_is_help=True)


@app.command()
def propose(
    video: Annotated[Path, typer.Argument(help="Video in which the face moves.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="ROI file to write.")] = Path(
        "rois.json"
    ),
    overlay: Annotated[
        Path | None, typer.Option(help="Image to check (default: the ROI file's name with .png)")
    ] = None,
    spacing: SpacingOption = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing ROI file.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Propose a ROI from where the video moves; look at the image before you use it.

    Example: `facerhythm rois propose mouse.mp4 -o rois.json`
    """
    from element_facerhythm.io.rois_file import write_rois
    from element_facerhythm.pipeline.roi_proposal import propose_rois_for_video
    from element_facerhythm.video import probe_video

    require_place(output, overwrite=overwrite)
    image = overlay or output.with_name(short_name(output.stem, ".png"))
    require_place(image)
    with quiet_stdout(), progress_bars() as progress:
        metadata = probe_video(video, frame_rate_hz=_NO_MATTER_HZ, allow_incomplete=True)
        rois, proposal = propose_rois_for_video(video, metadata.n_frames, progress=progress)
        placed = place(rois, metadata, spacing)
        write_rois(rois, output)
        frame = middle_frame(metadata)
        write_overlay(rois, placed, frame, image)
    report(output, image, placed, frame, as_json, n_polygons=proposal.n_regions)


@app.command()
def check(
    video: Annotated[Path, typer.Argument(help="Video that the ROIs are for.")],
    rois_file: Annotated[
        Path, typer.Argument(metavar="ROIS", help="ROI file (JSON), or a face-rhythm ROIs.h5.")
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
    from element_facerhythm.video import probe_video

    require_place(overlay)
    with quiet_stdout():
        metadata = probe_video(video, frame_rate_hz=_NO_MATTER_HZ, allow_incomplete=True)
        rois = read_rois(rois_file)
        placed = place(rois, metadata, spacing)
        frame = middle_frame(metadata)
        if overlay is not None:
            write_overlay(rois, placed, frame, overlay)
    report(rois_file, overlay, placed, frame, as_json, n_polygons=len(rois.seed_polygons))


def place(rois: "Rois", metadata: "VideoMetadata", spacing: int | None) -> "PlacedRois":
    """Place the ROIs in the video's frame, with points as far apart as `spacing`, or as `run` puts them."""
    from element_facerhythm.core.rois import place_rois
    from element_facerhythm.parameters import open_parameters_from_mapping
    from element_facerhythm.pipeline.run.fit import suggest_parameters

    if spacing is None:
        wanted = open_parameters_from_mapping({}).parameters
        suggested, _ = suggest_parameters(wanted, [metadata], rois)
        spacing = suggested.stand_in.ROIs.make_rois.point_spacing
    return place_rois(
        rois, height_px=metadata.height_px, width_px=metadata.width_px, spacing_px=spacing
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
) -> None:
    """Print the counts and the area of the ROIs."""
    from element_facerhythm.core.texture import LEAST_TEXTURE, texture_at

    has_texture = texture_at(frame, placed.point_positions) >= LEAST_TEXTURE
    n_weak = int((~has_texture).sum())
    result: dict[str, Any] = {
        "rois": rois_file,
        "n_polygons": n_polygons,
        "n_points": len(placed.point_positions),
        "n_points_without_texture": n_weak,
        "area_fraction": float(placed.seed_mask.mean()),
        "overlay": image,
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
        f"look at {image} before you use it" if image else "",
    )
    typer.echo("\n".join(line for line in lines if line))
