"""`facerhythm rois copy`: the same regions on another recording."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from element_facerhythm.cli.output import (
    EXIT_NOT_IN_ORDER,
    JsonOption,
    print_json,
    progress_bars,
    quiet_stdout,
    require_place,
)
from element_facerhythm.files.names import short_name

if TYPE_CHECKING:
    from element_facerhythm.core.rois import Rois
    from element_facerhythm.pipeline.roi_copy import CopiedRois


def copy(
    source: Annotated[Path, typer.Argument(metavar="FROM", help="ROI file, or project directory.")],
    from_video: Annotated[Path, typer.Option(help="Video that the regions were drawn on.")],
    to_video: Annotated[Path, typer.Option(help="Video that they are wanted on.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="ROI file to write.")],
    comparison: Annotated[
        Path | None, typer.Option(help="Image to check (default: the ROI file's name with .png).")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write the regions although the alignment is doubtful.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing ROI file.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Carry regions over to another recording of the same view, moved as the camera moved.

    The image shows both recordings, and one over the other in red and cyan; look at it. Where the pictures
    cannot be aligned well, nothing but the image is written, and the exit code is 3.

    Example: `facerhythm rois copy mouse.json --from-video monday.mp4 --to-video tuesday.mp4 -o tuesday.json`
    """
    from element_facerhythm.cli.rois_placing import probe
    from element_facerhythm.io.rois_file import write_rois
    from element_facerhythm.pipeline.roi_copy import copy_rois

    require_place(output, overwrite=overwrite)
    image = comparison or output.with_name(short_name(output.stem, ".png"))
    require_place(image)
    with quiet_stdout(), progress_bars() as progress:
        rois = _regions(source)
        copied = copy_rois(rois, probe(from_video), probe(to_video), progress=progress)
        doubts = copied.alignment.doubts()
        _draw(copied, rois, (from_video.name, to_video.name), image)
        is_written = force or not doubts
        if is_written:
            write_rois(copied.rois, output)
    _report(copied, doubts, output if is_written else None, image, as_json)
    if not is_written:
        raise typer.Exit(EXIT_NOT_IN_ORDER)


def _regions(source: Path) -> "Rois":
    from element_facerhythm.io.project import Project
    from element_facerhythm.io.rois_file import read_rois

    return Project.open(source).rois() if source.is_dir() else read_rois(source)


def _draw(copied: "CopiedRois", rois: "Rois", names: tuple[str, str], path: Path) -> None:
    from element_facerhythm.core.alignment import laid_over
    from element_facerhythm.figures.roi_comparison import compare_rois
    from element_facerhythm.figures.style import save_figure

    figure = compare_rois(
        copied.image,
        rois,
        copied.other,
        copied.rois,
        laid_over(copied.other, copied.alignment.matrix),
        names=names,
        caption=_summary(copied),
    )
    save_figure(figure, path)


def _summary(copied: "CopiedRois") -> str:
    found = copied.alignment
    return f"correlation {found.correlation:.2f}, residual {found.residual_px:.2f} px"


def _report(
    copied: "CopiedRois", doubts: tuple[str, ...], output: Path | None, image: Path, as_json: bool
) -> None:
    found = copied.alignment
    result: dict[str, Any] = {
        "output": output,
        "comparison": image,
        "matrix": found.matrix,
        "correlation": found.correlation,
        "residual_px": found.residual_px,
        "n_corners": found.n_corners,
        "turn_deg": found.turn_deg,
        "doubts": doubts,
        "notes": copied.notes,
    }
    if as_json:
        print_json(result)
        return
    typer.echo(
        f"{output or 'not written'}: turned by {found.turn_deg:.2f} degrees, {_summary(copied)} "
        f"({found.n_corners} corners)"
    )
    for note in copied.notes:
        typer.echo(f"note: {note}")
    if doubts:
        remedy = (
            ""
            if output
            else "; draw the regions on this video, or write them all the same with --force"
        )
        typer.echo(f"the alignment is doubtful: {', '.join(doubts)}{remedy}")
    typer.echo(f"look at {image} before you use it")
