"""`facerhythm bouts`: when each component of a project is strong."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from element_facerhythm.cli.output import (
    JsonOption,
    print_json,
    print_lines,
    print_table,
    progress_bars,
    quiet_stdout,
    require_place,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from element_facerhythm.pipeline.results.component_rhythms import ComponentBouts, Rhythm

_SHOWN = {
    "onset_s": ("onset", ".2f"),
    "offset_s": ("offset", ".2f"),
    "n_cycles": ("cycles", ".1f"),
    "bout_mean_hz": ("Hz", ".2f"),
    "bout_peak_hz": ("max Hz", ".2f"),
    "bout_mean_px": ("px", ".3g"),
    "bout_peak_px": ("max px", ".3g"),
    "onset_phase_rad": ("phase", "+.2f"),
}


def bouts(
    directory: Annotated[
        Path,
        typer.Argument(help="Project directory, of this package or of face-rhythm.", metavar="DIR"),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="CSV file to write, a row a bout.", metavar="FILE"),
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(help="Draw them, too: a file that ends in png, svg or pdf.", metavar="FILE"),
    ] = None,
    high_share: Annotated[
        float | None,
        typer.Option(help="A bout reaches this share of the 99th percentile (default: 0.4)."),
    ] = None,
    noise_factor: Annotated[
        float | None, typer.Option(help="And at least so many times the noise (default: 4).")
    ] = None,
    high_px: Annotated[
        float | None, typer.Option(help="A bout reaches this amplitude in px instead.")
    ] = None,
    low_over_high: Annotated[
        float | None,
        typer.Option(help="It stays above this share of what it reaches (default: 0.6)."),
    ] = None,
    merge_gap: Annotated[
        float | None,
        typer.Option(
            help="Bouts less far apart are one, in cycles (default: 1).", metavar="CYCLES"
        ),
    ] = None,
    shortest: Annotated[
        float | None,
        typer.Option(help="Shorter bouts are left out, in cycles (default: 3).", metavar="CYCLES"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say when each component is strong: onset, offset, cycles, frequency, amplitude, phase at onset.

    Each component is followed in every frame: its displacement along its pattern, kept to its band. A bout
    reaches one threshold of the amplitude and stays above a lower one. Nothing is written but what `-o` and
    `--figure` ask for.

    Example: `facerhythm bouts mouse-project -o bouts.csv`
    """
    from element_facerhythm.core.rhythm.bouts import BoutSettings
    from element_facerhythm.io.table_file import write_table
    from element_facerhythm.pipeline.results.component_rhythms import (
        BOUT_COLUMNS,
        component_rhythms,
        rhythm_bouts,
    )

    given = {
        "high_share": high_share, "noise_factor": noise_factor, "high_px": high_px,
        "low_over_high": low_over_high, "merge_gap_cycles": merge_gap, "shortest_cycles": shortest,
    }  # fmt: skip
    settings = BoutSettings(**{name: v for name, v in given.items() if v is not None})
    require_place(output)
    require_place(figure)
    if figure is not None:
        from element_facerhythm.figures.formats import require_formats

        require_formats([figure.suffix.removeprefix(".")])
    with quiet_stdout(), progress_bars() as progress, progress.stage("follow", None, ""):
        rhythms = component_rhythms(directory)
        found = rhythm_bouts(rhythms.rhythms, settings)
        if output is not None:
            write_table(output, BOUT_COLUMNS, (row for own in found for row in own.rows))
        if figure is not None:
            draw_bouts(figure, rhythms.rhythms, found)
    written = [path for path in (output, figure) if path is not None]
    if as_json:
        components = [
            _summary(rhythm, own) for rhythm, own in zip(rhythms.rhythms, found, strict=True)
        ]
        rows = [row for own in found for row in own.rows]
        print_json(
            {"settings": settings, "components": components, "bouts": rows, "files": written,
             "notes": rhythms.left_out}
        )  # fmt: skip
        return
    show(rhythms.rhythms, found)
    print_lines(
        [*(("written", path) for path in written), *(("note", n) for n in rhythms.left_out)]
    )


def _summary(rhythm: "Rhythm", own: "ComponentBouts") -> dict[str, object]:
    thresholds = own.thresholds
    return {
        "model_key": own.model_key,
        "component_index": own.component_index,
        "rhythm_hz": rhythm.frequency_hz,
        "band_hz": rhythm.band_hz,
        "noise_px": rhythm.noise_px,
        "reach_px": None if thresholds is None else thresholds.high_px,
        "stay_px": None if thresholds is None else thresholds.low_px,
        "n_bouts": len(own.bouts),
        "bouts_per_minute": own.per_minute,
        "bout_fraction": own.fraction,
    }


def _name(one: "Rhythm | ComponentBouts", found: "Sequence[ComponentBouts]") -> str:
    """Return the number of a component, after its model's where there are several."""
    several = len({own.model_key for own in found}) > 1
    return f"{one.model_key}/{one.component_index}" if several else str(one.component_index)


def show(rhythms: "Sequence[Rhythm]", found: "Sequence[ComponentBouts]") -> None:
    """Print a line for each component, and one for each bout."""
    lines = []
    for rhythm, own in zip(rhythms, found, strict=True):
        reach = "-" if own.thresholds is None else f"{own.thresholds.high_px:.3g}"
        lines.append(
            (
                _name(own, found),
                f"{rhythm.frequency_hz:.2f}",
                f"{rhythm.band_hz[0]:.3g} to {rhythm.band_hz[1]:.3g}",
                f"{rhythm.noise_px:.2g}",
                reach,
                len(own.bouts),
                f"{own.per_minute:.1f}",
                f"{own.fraction:.0%}",
            )
        )
    columns = ("comp.", "Hz", "band Hz", "noise", "reach", "bouts", "a minute", "of time")
    print_table("components: noise, and what bouts reach, in px", columns, lines, right=columns)
    rows = [(_name(own, found), row) for own in found for row in own.rows]
    several = len({row["video_index"] for _, row in rows}) > 1
    shown = {**({"video_index": ("video", "d")} if several else {}), **_SHOWN}
    headings = ("comp.", *(heading for heading, _ in shown.values()), "cut")
    print_table(
        "bouts: times in s, phase at onset in rad" if rows else "no bouts",
        headings,
        (
            (
                name,
                *(format(row[key], how) for key, (_, how) in shown.items()),
                "cut" * row["is_cut"],
            )
            for name, row in rows
        ),
        right=headings[:-1],
    )


def draw_bouts(path: Path, rhythms: "Sequence[Rhythm]", found: "Sequence[ComponentBouts]") -> None:
    """Draw rhythms and their bouts.

    Parameters
    ----------
    path
        The file; its ending chooses the format.
    rhythms, found
        Of each component.
    """
    from element_facerhythm.figures.bouts import BoutPanel, bout_figure
    from element_facerhythm.figures.style import save_figure

    panels = [
        BoutPanel(
            f"component {rhythm.component_index}: {rhythm.frequency_hz:.1f} Hz",
            rhythm.videos,
            own.thresholds,
            [(one.video_index, one.bout) for one in own.bouts],
        )
        for rhythm, own in zip(rhythms, found, strict=True)
    ]
    save_figure(bout_figure(panels), path)
