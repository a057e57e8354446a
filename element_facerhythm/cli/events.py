"""`facerhythm events`: what components do around licks, stimuli and other events."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from element_facerhythm.errors import RequestError

if TYPE_CHECKING:
    from element_facerhythm.pipeline.results.event_responses import EventResponses

_NONE = "none"

DirectoryArgument = Annotated[
    Path,
    typer.Argument(help="Project directory, of this package or of face-rhythm.", metavar="DIR"),
]
TableOption = Annotated[
    Path,
    typer.Option("--events", help="CSV: time_s or frame; label, duration_s, video if wanted."),
]
QuantityOption = Annotated[str, typer.Option(help="What is averaged: amplitude, phase or bouts.")]
LabelOption = Annotated[
    str | None, typer.Option(help="Events of this label (default: each label by itself).")
]
ComponentOption = Annotated[
    list[str] | None,
    typer.Option(help="Number or name of a component; may be given again (default: all)."),
]
WindowOption = Annotated[
    str, typer.Option(help="Of a trial, in seconds from its event.", metavar="A:B")
]
BaselineOption = Annotated[
    str | None,
    typer.Option(
        help="Whose mean is taken off each trial, or none (default: the second before the event, as "
        "far as the window reaches).",
        metavar="A:B",
    ),
]
ResponseOption = Annotated[
    str | None,
    typer.Option(help="Whose mean is tested (default: the window after the event).", metavar="A:B"),
]
BinSOption = Annotated[
    float | None, typer.Option("--bin", help="Seconds of a bin (default: a 60th of the window)")
]
UntilOption = Annotated[
    str, typer.Option(help="What ends a trial early: window (nothing does), duration or next.")
]
ApartOption = Annotated[
    float, typer.Option(help="Leave out events within so many seconds after another.")
]
OffsetOption = Annotated[
    float, typer.Option(help="Seconds to add to times, where their clock began later.")
]
HighPxOption = Annotated[
    float | None,
    typer.Option(
        help="Of bouts: they reach this amplitude in px, in place of a share of the strong."
    ),
]
ShuffleOption = Annotated[
    str, typer.Option(help="train: all events are shifted by one time; events: each by its own")
]
ShufflesOption = Annotated[int, typer.Option(help="How often, for p; 0 for none.")]
DrawsOption = Annotated[
    int, typer.Option(help="How often trials are drawn, for bands; 0 for none.")
]
SeedOption = Annotated[int, typer.Option(min=0, help="Of all random numbers.")]
OutputOption = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="CSV to write: a row for each component.", metavar="FILE"),
]
AveragesOption = Annotated[
    Path | None,
    typer.Option(help="CSV to write: a row for each component and bin.", metavar="FILE"),
]
FigureOption = Annotated[
    Path | None,
    typer.Option(help="Draw them, too: a file that ends in png, svg or pdf.", metavar="FILE"),
]


def events(
    directory: DirectoryArgument,
    table: TableOption,
    quantity: QuantityOption = "amplitude",
    label: LabelOption = None,
    component: ComponentOption = None,
    window: WindowOption = "-1:2",
    baseline: BaselineOption = None,
    response: ResponseOption = None,
    bin_s: BinSOption = None,
    until: UntilOption = "window",
    apart: ApartOption = 0.0,
    offset: OffsetOption = 0.0,
    high_px: HighPxOption = None,
    shuffle: ShuffleOption = "train",
    shuffles: ShufflesOption = 1000,
    draws: DrawsOption = 1000,
    seed: SeedOption = 0,
    output: OutputOption = None,
    averages: AveragesOption = None,
    figure: FigureOption = None,
    as_json: JsonOption = False,
) -> None:
    """Average what components do around events, with bands, p by shuffling, and q over all components.

    Trials are cut out on the recording's own clock; what is missing does not count. Nothing is written but
    what `-o`, `--averages` and `--figure` ask for.

    Example: `facerhythm events mouse-project --events licks.csv --window -1:2 --figure licks.png`
    """
    from element_facerhythm.core.peri_event import PeriEventSettings
    from element_facerhythm.core.rhythm.bouts import BoutSettings
    from element_facerhythm.io.events import read_events
    from element_facerhythm.pipeline.results.event_responses import EventChoice, event_responses

    around = span("--window", window)
    before = default_baseline(around, quantity) if baseline is None else baseline
    settings = PeriEventSettings(
        window_s=around,
        baseline_s=None if before == _NONE else span("--baseline", before),
        response_s=None if response is None else span("--response", response),
        bin_s=bin_s,
        n_bootstrap=draws,
        n_shuffles=shuffles,
        shuffle=shuffle,
        seed=seed,
    )
    if quantity == "phase" and settings.baseline_s is not None:
        raise RequestError("phases have no baseline; leave out --baseline")
    choice = EventChoice(label, apart, offset, until)
    places = [path for path in (output, averages, figure) if path is not None]
    require_places(places)
    require_drawable(figure)
    with quiet_stdout(), progress_bars() as progress:
        found = event_responses(
            directory, read_events(table), quantity, settings,
            choice=choice, components=component or (), bouts=BoutSettings(high_px=high_px),
            progress=progress,
        )  # fmt: skip
        write(found, output, averages, figure)
    if as_json:
        print_json(
            {"quantity": quantity, "settings": found.settings, "responses": responses(found), "files": places,
             "notes": found.notes}
        )  # fmt: skip
        return
    show(found)
    print_lines([*(("written", path) for path in places), *(("note", n) for n in found.notes)])


def span(option: str, text: str) -> tuple[float, float]:
    """Read two numbers of seconds, as `-1:2`.

    Parameters
    ----------
    option, text
        What was given.

    Raises
    ------
    RequestError
        The text is none.
    """
    try:
        first, stop = (float(part) for part in text.split(":"))
    except ValueError:
        raise RequestError(
            f"{option} is {text!r}; expected two numbers of seconds as -1:2"
        ) from None
    return first, stop


def default_baseline(window_s: tuple[float, float], quantity: str) -> str:
    """Return the second before the event, as far as the window reaches; none for phases."""
    begin_s = max(window_s[0], -1.0)
    return _NONE if quantity == "phase" or begin_s >= 0 else f"{begin_s!r}:0"


def require_places(paths: Sequence[Path]) -> None:
    """Refuse files that cannot be written, or that are the same one."""
    for path in paths:
        require_place(path)
    if len({path.absolute() for path in paths}) < len(paths):
        raise RequestError("the files to write have the same name; expected one for each")


def require_drawable(figure: Path | None) -> None:
    """Refuse a figure of an unknown format."""
    if figure is not None:
        from element_facerhythm.figures.formats import require_formats

        require_formats([figure.suffix.removeprefix(".")])


def responses(found: "EventResponses") -> list[dict[str, Any]]:
    """Return each response with its bins, as values for JSON."""
    about = ("label", "model_key", "component_index")
    return [
        {
            **one.row,
            "bins": [{k: v for k, v in row.items() if k not in about} for row in one.lag_rows],
        }
        for one in found.responses
    ]


def write(
    found: "EventResponses", output: Path | None, averages: Path | None, figure: Path | None
) -> None:
    """Write what was asked for.

    Parameters
    ----------
    found
        The responses.
    output, averages, figure
        Files; None for none.
    """
    from element_facerhythm.io.table_file import write_table
    from element_facerhythm.pipeline.results.event_responses import LAG_COLUMNS, RESPONSE_COLUMNS

    if output is not None:
        write_table(output, RESPONSE_COLUMNS, (one.row for one in found.responses))
    if averages is not None:
        rows = (row for one in found.responses for row in one.lag_rows)
        write_table(averages, LAG_COLUMNS, rows)
    if figure is not None:
        from element_facerhythm.figures.event_responses import ResponsePanel, response_figure
        from element_facerhythm.figures.style import save_figure

        panels = [
            ResponsePanel(heading(found, row), one.average, one.q_value)
            for one, row in zip(found.responses, table_rows(found), strict=True)
        ]
        unit = found.responses[0].row["unit"] if found.responses else ""
        save_figure(response_figure(panels, unit, found.settings), figure)


def table_rows(found: "EventResponses") -> list[dict[str, Any]]:
    """Return the row of each response, with `called`: the component's name, or its number."""
    several = len({one.rhythm.model_key for one in found.responses}) > 1
    rows = []
    for one in found.responses:
        row = one.row
        number = f"{row['model_key']}/" * several + str(row["component_index"])
        rows.append({**row, "called": f"{row['name']} ({number})" if row["name"] else number})
    return rows


def heading(found: "EventResponses", row: dict[str, Any]) -> str:
    """Return what stands above a panel: the label where there are several, the component, its frequency.

    Parameters
    ----------
    found
        All responses.
    row
        Of one, as of `table_rows`.
    """
    several = len({one.label for one in found.responses}) > 1
    return f"{row['label']}: " * several + f"component {row['called']}, {row['rhythm_hz']:.1f} Hz"


def show(found: "EventResponses") -> None:
    """Print a line for each response."""
    columns = ("event", "comp.", "Hz", "baseline", "response", "interval", "p", "q", "trials")
    rows = table_rows(found)
    lines = [
        (
            row["label"], row["called"], number(row["rhythm_hz"], ".2f"), number(row["baseline"], ".3g"),
            number(row["estimate"], ".3g"), interval(row["estimate_low"], row["estimate_high"]),
            number(row["p_value"], ".2g"), number(row["q_value"], ".2g"),
            f"{row['n_trials']}/{row['n_events']}",
        )
        for row in rows
    ]  # fmt: skip
    first, stop = found.settings.response
    unit = rows[0]["unit"] if rows else ""
    print_table(
        f"response from {first:g} to {stop:g} s after the event, in {unit}",
        columns,
        lines,
        right=columns[2:],
    )


def number(value: float | None, how: str) -> str:
    """Return a number as text; a dash where it is not known.

    Parameters
    ----------
    value
        The number; None or NaN where it is not known.
    how
        Format of it.
    """
    return "-" if value is None or value != value else format(value, how)


def interval(low: float, high: float) -> str:
    """Return an interval as text; a dash where it is not known.

    Parameters
    ----------
    low, high
        Its ends; NaN where they are not known.
    """
    return "-" if low != low else f"{low:.2g} to {high:.2g}"
