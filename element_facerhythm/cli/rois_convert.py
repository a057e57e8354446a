"""`facerhythm rois convert`: regions of one program for another."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from element_facerhythm.cli.output import JsonOption, print_json, quiet_stdout, require_place
from element_facerhythm.errors import RequestError

if TYPE_CHECKING:
    from element_facerhythm.core.rois import Rois

_LARGEST_DIFFERENCE = 0.02


class Format(StrEnum):
    """Formats that are written."""

    json = "json"
    h5 = "h5"
    geojson = "geojson"


def convert(
    source: Annotated[
        Path,
        typer.Argument(metavar="IN", help="ROI file, GeoJSON, ROIs.h5, or facemap's _proc.npy."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.")],
    to: Annotated[
        Format | None, typer.Option(help="Format (default: by the ending of the file to write).")
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option(help="Video that the regions are for; needed for h5, checked otherwise."),
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="Only the region of this name; may be repeated.")
    ] = None,
    view: Annotated[
        int | None, typer.Option(help="Camera of a _proc.npy of several, from 0.", min=0)
    ] = None,
    spacing: Annotated[
        int | None, typer.Option(help="Pixels between seed points in h5 (default: fitted).", min=1)
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Convert regions of interest between this package's JSON, GeoJSON, face-rhythm and facemap.

    Example: `facerhythm rois convert mouse_proc.npy --name "pupil 1" -o pupil.geojson`
    """
    from element_facerhythm.io.rois_file import read_rois

    wanted = to or _format_of(output)
    if wanted == Format.h5 and video is None:
        raise RequestError("a ROIs.h5 holds masks of the frame's size: give the video with --video")
    require_place(output, overwrite=overwrite)
    with quiet_stdout():
        rois = read_rois(source, view=view)
        if name:
            rois = named(rois, name)
        _write(rois, wanted, output, video, spacing)
    report(rois, output, wanted, as_json)


def named(rois: "Rois", names: list[str]) -> "Rois":
    """Regions of these names alone; RoiError where there is none of a name."""
    from dataclasses import replace

    from element_facerhythm.errors import RoiError
    from element_facerhythm.io.region_labels import (
        ATTRIBUTE_OF_ROLE,
        ROLES,
        full_labels,
        polygons_by_role,
    )

    labels, polygons = full_labels(rois), polygons_by_role(rois)
    missing = set(names) - {label.name for role in ROLES for label in labels[role]}
    if missing:
        there = ", ".join(str(label.name) for role in ROLES for label in labels[role])
        raise RoiError(f"{rois.source}: no region is called {min(missing)!r}; there are {there}")
    kept: dict[str, Any] = {}
    for role in ROLES:
        prefix = ATTRIBUTE_OF_ROLE[role]
        chosen = [i for i, label in enumerate(labels[role]) if label.name in names]
        kept[f"{prefix}_polygons"] = tuple(polygons[role][i] for i in chosen)
        kept[f"{prefix}_labels"] = tuple(labels[role][i] for i in chosen)
    kept |= dict.fromkeys(("seed_mask", "visible_mask", "point_positions"))
    return replace(rois, **kept)


def _format_of(output: Path) -> Format:
    endings = {".h5": Format.h5, ".hdf5": Format.h5, ".geojson": Format.geojson}
    return endings.get(output.suffix.lower(), Format.json)


def _write(
    rois: "Rois", wanted: Format, output: Path, video: Path | None, spacing: int | None
) -> None:
    from element_facerhythm.cli.rois_placing import place, probe
    from element_facerhythm.io.rois_file import write_geojson, write_rois
    from element_facerhythm.io.rois_h5 import write_h5
    from element_facerhythm.video import read_rgb_frame

    metadata = None if video is None else probe(video)
    placed = None if metadata is None else place(rois, metadata, spacing)
    if wanted == Format.geojson:
        write_geojson(rois, output)
    elif wanted == Format.json:
        write_rois(rois, output)
    elif metadata is not None and placed is not None:
        write_h5(output, rois, placed, read_rgb_frame(metadata.path, 0))


def report(rois: "Rois", output: Path, wanted: Format, as_json: bool) -> None:
    """Print how many regions were written, and what was left out or changed."""
    from element_facerhythm.io.region_labels import polygons_by_role

    counts = {role: len(polygons) for role, polygons in polygons_by_role(rois).items()}
    notes = [*rois.notes, *(() if wanted == Format.h5 else lost(rois))]
    if as_json:
        print_json({"output": output, "format": wanted.value, "n_polygons": counts, "notes": notes})
        return
    listed = ", ".join(f"{n} {role}" for role, n in counts.items() if n)
    typer.echo(f"{output}: {listed}")
    for note in notes:
        typer.echo(f"note: {note}")


def lost(rois: "Rois") -> list[str]:
    """Say what a file of polygons cannot hold: masks that are no polygons, and point positions."""
    from element_facerhythm.core.rois import Rois, place_rois

    notes = []
    if rois.point_positions is not None:
        notes.append(
            "point positions were left out: points are seeded anew, on a grid in the regions"
        )
    if rois.seed_mask is not None:
        height, width = rois.seed_mask.shape
        polygons = Rois(rois.seed_polygons, exclude_polygons=rois.exclude_polygons)
        filled = place_rois(polygons, height_px=height, width_px=width, spacing_px=1).seed_mask
        share = (filled ^ rois.seed_mask).sum() / max(int(rois.seed_mask.sum()), 1)
        if share > _LARGEST_DIFFERENCE:
            notes.append(
                f"the file's mask was left out, and the polygon differs from it by {share:.0%} of its pixels"
            )
    return notes
