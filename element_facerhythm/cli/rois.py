"""`facerhythm rois`: propose regions of interest, and check them against a video."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from element_facerhythm.cli.output import JsonOption, print_json, quiet_stdout

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from element_facerhythm.core.rois import PlacedRois

N_RUNS, RUN_LENGTH = 20, 30

app = typer.Typer(help="Propose regions of interest and check them.", no_args_is_help=True)


@app.command()
def propose(
    video: Annotated[Path, typer.Argument(help="Video in which the face moves.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="ROI file to write.")] = Path(
        "rois.json"
    ),
    overlay: Annotated[
        Path | None, typer.Option(help="Picture to check (default: the ROI file's name with .png)")
    ] = None,
    spacing: Annotated[
        int, typer.Option(help="Distance between seed points in the picture, in pixels.", min=1)
    ] = 9,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing ROI file.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Propose a ROI from where the video moves; look at the picture before you use it.

    Example: `facerhythm rois propose mouse.mp4 -o rois.json`
    """
    from element_facerhythm.core.roi_proposal import propose_rois
    from element_facerhythm.core.rois import place_rois
    from element_facerhythm.errors import RequestError
    from element_facerhythm.figures.overlay import overlay_rois
    from element_facerhythm.figures.style import save_figure
    from element_facerhythm.io.rois_file import write_rois
    from element_facerhythm.video import probe_video, read_rgb_frame

    if output.exists() and not overwrite:
        raise RequestError(
            f"{output} exists; give --overwrite to replace it, or another name with -o"
        )
    with quiet_stdout():
        metadata = probe_video(video)
        rois, proposal = propose_rois(sample_runs(video, metadata.n_frames))
        placed = place_rois(
            rois, height_px=metadata.height_px, width_px=metadata.width_px, spacing_px=spacing
        )
        write_rois(rois, output)
        picture = overlay or output.with_suffix(".png")
        frame = read_rgb_frame(video, metadata.n_frames // 2)
        save_figure(overlay_rois(frame, rois, spacing_px=spacing, title="proposed"), picture)
    report(output, picture, placed, as_json, n_polygons=proposal.n_regions)


@app.command()
def check(
    video: Annotated[Path, typer.Argument(help="Video that the ROIs are for.")],
    rois_file: Annotated[
        Path, typer.Argument(metavar="ROIS", help="ROI file (JSON), or a face-rhythm ROIs.h5.")
    ],
    overlay: Annotated[Path | None, typer.Option(help="Picture to write.")] = None,
    spacing: Annotated[
        int, typer.Option(help="Distance between seed points, in pixels.", min=1)
    ] = 9,
    as_json: JsonOption = False,
) -> None:
    """Check that ROIs fit a video: inside the frame, with at least one seed point that is visible.

    Example: `facerhythm rois check mouse.mp4 rois.json --overlay rois.png`
    """
    from element_facerhythm.core.rois import place_rois
    from element_facerhythm.figures.overlay import overlay_rois
    from element_facerhythm.figures.style import save_figure
    from element_facerhythm.io.rois_file import read_rois
    from element_facerhythm.video import probe_video, read_rgb_frame

    with quiet_stdout():
        metadata = probe_video(video)
        rois = read_rois(rois_file)
        placed = place_rois(
            rois, height_px=metadata.height_px, width_px=metadata.width_px, spacing_px=spacing
        )
        if overlay is not None:
            frame = read_rgb_frame(video, metadata.n_frames // 2)
            save_figure(overlay_rois(frame, rois, spacing_px=spacing), overlay)
    report(rois_file, overlay, placed, as_json, n_polygons=len(rois.seed_polygons))


def sample_runs(video: Path, n_frames: int) -> "Iterator[list[NDArray[np.uint8]]]":
    """Yield runs of consecutive gray frames: the whole of a short video, parts of a long one."""
    import numpy as np

    from element_facerhythm.video import iterate_gray_frames

    n_runs = max(1, min(N_RUNS, n_frames // RUN_LENGTH))
    for start in np.linspace(0, max(n_frames - RUN_LENGTH, 0), n_runs).astype(int):
        yield list(
            iterate_gray_frames(
                video, start=int(start), stop=min(int(start) + RUN_LENGTH, n_frames)
            )
        )


def report(
    rois_file: Path, picture: Path | None, placed: "PlacedRois", as_json: bool, *, n_polygons: int
) -> None:
    """Print what the ROIs amount to."""
    result: dict[str, Any] = {
        "rois": rois_file,
        "n_polygons": n_polygons,
        "n_points": len(placed.point_positions),
        "area_fraction": float(placed.seed_mask.mean()),
        "overlay": picture,
    }
    if as_json:
        print_json(result)
        return
    lines: Sequence[str] = (
        f"{rois_file}: {n_polygons} polygons, {result['n_points']} seed points, "
        f"{result['area_fraction']:.1%} of the frame",
        f"look at {picture} before you use it" if picture else "",
    )
    typer.echo("\n".join(line for line in lines if line))
