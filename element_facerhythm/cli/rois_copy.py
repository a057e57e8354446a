"""`facerhythm rois copy`: the same regions on other recordings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from element_facerhythm.cli.output import (
    EXIT_NOT_IN_ORDER,
    JsonOption,
    print_json,
    print_lines,
    print_table,
    progress_bars,
    quiet_stdout,
    require_place,
)
from element_facerhythm.errors import RequestError, RoiError
from element_facerhythm.files.names import short_name

if TYPE_CHECKING:
    from element_facerhythm.core.rois import Rois
    from element_facerhythm.pipeline.roi_copy import CopiedRois


def copy(
    source: Annotated[Path, typer.Argument(metavar="FROM", help="ROI file, or project directory.")],
    from_video: Annotated[Path, typer.Option(help="Video that the regions were drawn on.")],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="ROI file to write; with --to-sessions, a directory."),
    ],
    to_video: Annotated[
        Path | None, typer.Option(help="Video that they are wanted on.", show_default=False)
    ] = None,
    to_sessions: Annotated[
        list[str] | None,
        typer.Option(
            help="Videos of other sessions, a path or a pattern as 'mouse1/*/face.mp4'; again for more.",
            metavar="PATTERN",
        ),
    ] = None,
    comparison: Annotated[
        Path | None, typer.Option(help="Image to check (default: the ROI file's name with .png).")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write the regions although the alignment is doubtful.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing ROI files.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Carry regions over to other recordings of the same view, moved as the camera moved.

    The image shows both recordings, and one over the other in red and cyan; look at it. Where the pictures
    cannot be aligned well, nothing but the image is written, and the exit code is 3; with --to-sessions,
    the other sessions are done all the same.

    Example: `facerhythm rois copy mouse.json --from-video monday.mp4 --to-video tuesday.mp4 -o tuesday.json`
    """
    from element_facerhythm.cli.rois_placing import probe
    from element_facerhythm.pipeline.roi_copy import copy_rois, copy_rois_to_many

    if (to_video is None) == (to_sessions is None):
        raise RequestError("give one video (--to-video) or many (--to-sessions), and not both")
    if to_video is not None:
        targets = [
            _Target(
                to_video, output, comparison or output.with_name(short_name(output.stem, ".png"))
            )
        ]
    else:
        targets = _targets_in(output, _videos(to_sessions or [], from_video), comparison)
    for target in targets:
        require_place(target.output, overwrite=overwrite)
        require_place(target.image)
    with quiet_stdout(), progress_bars() as progress:
        rois, video = _regions(source), probe(from_video)
        others = [probe(target.video) for target in targets]
        if to_video is not None:
            copied: Sequence[CopiedRois | RoiError] = [
                copy_rois(rois, video, others[0], progress=progress)
            ]
        else:
            copied = copy_rois_to_many(rois, video, others, progress=progress)
        done = [
            _write(target, one, rois, from_video.name, force=force)
            for target, one in zip(targets, copied, strict=True)
        ]
    if to_video is not None:
        _report_one(done[0], as_json)
    else:
        _report_all(done, as_json)
    if any(one["output"] is None for one in done):
        raise typer.Exit(EXIT_NOT_IN_ORDER)


@dataclass(frozen=True)
class _Target:
    """A video that regions are wanted on, and the files that are written for it."""

    video: Path
    output: Path
    image: Path


def _videos(patterns: list[str], drawn_on: Path) -> list[Path]:
    """Videos that patterns stand for, without the one that was drawn on; RequestError where there is none."""
    found: dict[Path, Path] = {}
    for pattern in patterns:
        place = Path(pattern)
        above = Path(place.anchor or ".")
        try:
            within = str(place.relative_to(place.anchor))
            paths = [place] if place.exists() else sorted(above.glob(within))
        except ValueError as error:  # as of "a**"
            raise RequestError(f"{pattern!r} is neither a path nor a pattern: {error}") from error
        files = [path for path in paths if path.is_file()]
        if not files:
            what = "only directories" if paths else "nothing"
            raise RequestError(f"there is {what} of the name {pattern}; expected videos")
        found |= {path.resolve(): path for path in files}
    found.pop(drawn_on.resolve(), None)
    if not found:
        raise RequestError("there is no video but the one that the regions were drawn on")
    return list(found.values())


def _targets_in(folder: Path, videos: list[Path], comparison: Path | None) -> list[_Target]:
    """Files below a directory, named by the videos: by as much of their paths as tells them apart."""
    if comparison is not None:
        raise RequestError(
            "--comparison is for one video; the images of many lie beside the ROI files"
        )
    if folder.exists() and not folder.is_dir():
        raise RequestError(
            f"{folder} is a file; expected a directory for the ROI files of many videos"
        )
    parts = [(*video.absolute().parts[1:-1], video.stem) for video in videos]
    longest = max(map(len, parts))
    n = next((n for n in range(1, longest) if len({p[-n:] for p in parts}) == len(parts)), longest)
    names = ["_".join(p[-n:]) for p in parts]
    if len(set(names)) < len(names):
        raise RequestError(
            "the ROI files of two videos would have the same name; copy to them one by one"
        )
    return [
        _Target(video, folder / short_name(name, ".json"), folder / short_name(name, ".png"))
        for video, name in zip(videos, names, strict=True)
    ]


def _write(
    target: _Target, copied: "CopiedRois | RoiError", rois: "Rois", first: str, *, force: bool
) -> dict[str, Any]:
    """Write image and regions of one video, and give what is said of them."""
    from element_facerhythm.io.rois_file import write_rois

    if isinstance(copied, RoiError):
        return {"video": target.video, "output": None, "comparison": None, "refused": str(copied)}
    doubts, found = copied.alignment.doubts(), copied.alignment
    _draw(copied, rois, (first, target.video.name), target.image)
    is_written = force or not doubts
    if is_written:
        write_rois(copied.rois, target.output)
    return {
        "video": target.video,
        "output": target.output if is_written else None,
        "comparison": target.image,
        "refused": None if is_written else f"the alignment is doubtful: {', '.join(doubts)}",
        "matrix": found.matrix,
        "correlation": found.correlation,
        "residual_px": found.residual_px,
        "n_corners": found.n_corners,
        "turn_deg": found.turn_deg,
        "doubts": doubts,
        "notes": copied.notes,
    }


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


def _report_one(one: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json({name: value for name, value in one.items() if name not in ("video", "refused")})
        return
    typer.echo(
        f"{one['output'] or 'not written'}: turned by {one['turn_deg']:.2f} degrees, correlation "
        f"{one['correlation']:.2f}, residual {one['residual_px']:.2f} px ({one['n_corners']} corners)"
    )
    for note in one["notes"]:
        typer.echo(f"note: {note}")
    if one["doubts"]:
        remedy = (
            ""
            if one["output"]
            else "; draw the regions on this video, or write them all the same with --force"
        )
        typer.echo(f"the alignment is doubtful: {', '.join(one['doubts'])}{remedy}")
    typer.echo(f"look at {one['comparison']} before you use it")


def _report_all(done: list[dict[str, Any]], as_json: bool) -> None:
    refused = [one for one in done if one["output"] is None]
    if as_json:
        print_json({"sessions": done, "n_refused": len(refused)})
        return
    columns = ("video", "regions", "turned (degrees)", "correlation", "residual (px)")
    rows = [
        (one["video"], one["output"] or "not written",
         *(f"{one[name]:.2f}" if name in one else "" for name in ("turn_deg", "correlation", "residual_px")))
        for one in done
    ]  # fmt: skip
    print_table("", columns, rows, right=columns[2:])
    print_lines([
        *((f"note: {one['video']}", note) for one in done for note in one.get("notes", ())),
        *((f"doubtful: {one['video']}", ", ".join(one["doubts"])) for one in done
          if one["output"] and one["doubts"]),
        *((f"refused: {one['video']}", one["refused"]) for one in refused),
        ("next", "look at the images beside the ROI files before you use them"
         + "; draw the regions on what was refused" * bool(refused)),
    ])  # fmt: skip
