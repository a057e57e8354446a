"""`facerhythm joint`: one decomposition of many sessions of an animal."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from element_facerhythm.cli.match import ReferenceOption, write_rows
from element_facerhythm.cli.output import (
    JsonOption,
    print_json,
    print_lines,
    print_table,
    progress_bars,
    quiet_stdout,
    require_place,
)
from element_facerhythm.errors import RequestError

if TYPE_CHECKING:
    from element_facerhythm.pipeline.results.joint_decomposition import JointRecord


def joint(
    directories: Annotated[
        list[Path], typer.Argument(help="Projects of one animal, two or more.", metavar="DIR...")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="HDF5 file to write.")],
    rank: Annotated[int, typer.Option(min=1, help="Number of components.")],
    restarts: Annotated[int, typer.Option(min=1, help="Starts of the fit.")] = 1,
    table: Annotated[
        Path | None,
        typer.Option("--table", help="CSV file: how strong each component is in each session."),
    ] = None,
    reference: ReferenceOption = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Decompose the spectrograms of many sessions together: one map and one spectrum, time by session.

    Pictures are registered first, and spectrograms interpolated to the points and frequencies of the
    reference that all sessions have. They are read in slices. Projects are not changed. Where a session does
    not align, nothing is written.

    Example: `facerhythm joint monday-project tuesday-project friday-project --rank 5 -o mouse1-joint.h5`
    """
    if any(output.resolve().is_relative_to(directory.resolve()) for directory in directories):
        raise RequestError(
            f"{output} lies in one of the projects, which stay as they are; give another -o"
        )
    if output.suffix != ".h5":
        raise RequestError(f"{output} does not end with .h5; the result is an HDF5 file")
    for path in (output, table):
        require_place(path, overwrite=overwrite)
    with quiet_stdout(), progress_bars() as progress:
        from dataclasses import asdict

        from element_facerhythm.pipeline.results.joint_decomposition import decompose_jointly

        record = decompose_jointly(
            directories,
            output,
            rank,
            options={"n_restarts": restarts},
            reference=reference,
            device=device,
            progress=progress,
        )
        if table is not None:
            rows = [asdict(row) for row in record.rows]
            write_rows(table, rows, list(rows[0]))
    (model,) = record.decomposition.models.values()
    if as_json:
        print_json(
            {
                "file": record.path,
                "table": table,
                "reference": record.reference,
                "n_points": len(record.grid.positions_px),
                "n_points_left_out": record.n_points_left_out,
                "n_frequencies": len(record.grid.frequencies_hz),
                "n_frequencies_left_out": record.n_frequencies_left_out,
                "explained_variance_total": model.explained_variance_total,
                "r_squared": model.r_squared,
                "explained_variance": model.explained_variance,
                "stability": model.stability,
                "components": record.rows,
            }
        )
        return
    show(record)


def show(record: "JointRecord") -> None:
    """Print how strong each component is in each session, and what was left out."""
    sessions = list(dict.fromkeys(name for name, _ in record.videos))
    rank = max(row.component_index for row in record.rows) + 1
    strength = {(row.component_index, row.session): row.strength for row in record.rows}
    peaks = {row.component_index: row.peak_frequency_hz for row in record.rows}
    rows = [
        (index, f"{peaks[index]:.3g}", *(f"{strength[index, name]:.3g}" for name in sessions))
        for index in range(rank)
    ]
    columns = ("component", "peak (Hz)", *sessions)
    print_table("strength by session", columns, rows, right=columns)
    (model,) = record.decomposition.models.values()
    print_lines([
        ("explained variance", f"{100 * model.explained_variance_total:.1f} %"),
        ("points", f"{len(record.grid.positions_px)} of {record.reference}, "
                   f"{record.n_points_left_out} that another session lacks left out"),
        ("frequencies", f"{len(record.grid.frequencies_hz)} of {record.reference}, "
                        f"{record.n_frequencies_left_out} left out"),
        ("written", record.path),
    ])  # fmt: skip
