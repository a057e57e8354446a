"""Output of all verbs: results on stdout, tables, and progress as bars on a terminal."""

import dataclasses
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from element_facerhythm.cli.parameter_options import fitted_lines, fitted_rows
from element_facerhythm.cli.progress_lines import ProgressLines, wanted_interval_s
from element_facerhythm.errors import RequestError, without_controls

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table

    from element_facerhythm.ingest import Registered

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout, and nothing else there.")
]
WhereOption = Annotated[
    str | None,
    typer.Option(
        help="SQL condition on the recordings, as \"subject = 'mouse1'\" (default: all of them)."
    ),
]

EXIT_NOT_IN_ORDER = 3

IncompleteOption = Annotated[
    bool,
    typer.Option(
        "--incomplete",
        help="Take videos that were cut off (recorder died) up to their last whole frame.",
    ),
]


@contextmanager
def quiet_stdout() -> Iterator[TextIO]:
    """Redirect what libraries print to stderr, so that stdout has the result alone; yields stdout."""
    out = sys.stdout
    with redirect_stdout(sys.stderr):
        yield out


@dataclasses.dataclass
class Answers:
    """How many objects in JSON this process has printed."""

    n_printed: int = 0


answers = Answers()


def print_json(result: Any) -> None:
    """Print `result`, a mapping or a dataclass, as one JSON object."""
    typer.echo(json.dumps(plain(result), indent=2, allow_nan=False))
    answers.n_printed += 1


def plain(value: Any) -> Any:
    """Return `value` in what JSON has: numpy and dataclasses unpacked, NaN as null, all else as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> None:
    """Print a table on stdout.

    The columns named in `right` hold numbers and are aligned right; those in `whole` are never broken.
    """
    from rich.console import Console

    table = build_table(title, columns, rows, right=right, whole=whole)
    Console(highlight=False, markup=False).print(table, "")


def build_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> "Table":
    """Make a table to be shown; arguments as of `print_table`."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=without_controls(title),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
    )
    for column in columns:
        table.add_column(
            column,
            justify="right" if column in right else "left",
            overflow="fold",
            no_wrap=column in whole,
        )
    for row in rows:
        cells = (
            cell if isinstance(cell, Text) else Text(without_controls(str(cell))) for cell in row
        )
        table.add_row(*cells)
    return table


def print_lines(lines: Iterable[tuple[str, object]]) -> None:
    """Print labelled lines on stdout; a long text continues below its beginning."""
    from rich.console import Console
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for label, text in lines:
        table.add_row(without_controls(label), without_controls(str(text)))
    if table.row_count:
        Console(highlight=False, markup=False).print(table)


def print_registered(registered: "Registered", rows: Mapping[str, int], *, as_json: bool) -> None:
    """Print what was registered, and the rows that were populated from it."""
    if as_json:
        print_json(
            {
                "key": registered.key,
                "new_rows": registered.new_rows,
                "populated": bool(rows),
                "rows": rows,
                "parameters_fitted": fitted_rows(registered.parameters_fitted),
                "notes": registered.notes,
            }
        )
        return
    from element_facerhythm.database.keys import key_text

    new = [f"{name} ({count})" for name, count in registered.new_rows.items() if count]
    print_lines(
        [("key", key_text(registered.key)), ("registered", ", ".join(new) or "nothing new")]
    )
    if rows:
        print_table("", ("table", "rows"), rows.items(), right=("rows",))
    else:
        print_lines([("next", "`facerhythm worker --exit-when-idle` populates it")])
    notes = [("note", note) for note in dict.fromkeys(registered.notes)]
    print_lines([*fitted_lines(registered.parameters_fitted), *notes])


def require_place(path: Path | None, *, overwrite: bool = True) -> None:
    """Refuse a file to write that cannot be written, or that is there already, before any work.

    Raises
    ------
    RequestError
        It is a directory, it exists and `overwrite` is not said, or nothing can be made where it would lie.
    """
    if path is None:
        return
    if not path.name or path.is_dir():
        raise RequestError(f"{str(path)!r} is a directory; expected the name of a file to write")
    if path.exists() and not overwrite:
        raise RequestError(
            f"{path} exists; give --overwrite to replace it, or another name with -o"
        )
    above = next(place for place in path.absolute().parents if place.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise RequestError(
            f"{path} cannot be written: {above} is no directory that this account may write to"
        )


def human_seconds(seconds: float | None) -> str:
    """Return a duration with about three digits; a dash where it is unknown."""
    if seconds is None:
        return "-"
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


class StageProgress:
    """Progress bars, one per stage, with the rate and the time left; it is a `pipeline.Progress`.

    Parameters
    ----------
    bars : rich.progress.Progress or None
        Where the bars are drawn; None draws nothing.
    first : str, optional
        What is done before the first stage.
    """

    def __init__(self, bars: "Progress | None", first: str | None = None) -> None:
        self.bars = bars
        self._before = bars.add_task(first, total=None, unit="") if bars and first else None

    def stage(
        self, name: str, total: int | None, unit: str
    ) -> AbstractContextManager[Callable[[int], None]]:
        """Open a bar for one stage; the callable takes the number done so far in total."""
        if self.bars is None:
            return nullcontext(lambda _done: None)
        if self._before is not None:
            self.bars.remove_task(self._before)
            self._before = None
        return self._bar(self.bars, name, total, unit)

    @contextmanager
    def _bar(
        self, bars: "Progress", name: str, total: int | None, unit: str
    ) -> Iterator[Callable[[int], None]]:
        number = bars.add_task(name.replace("_", " "), total=total, unit=unit)
        yield lambda done: bars.update(number, completed=done)
        task = next(task for task in bars.tasks if task.id == number)
        n_done = task.completed or task.total or 1  # fewer than planned, where a fit converged
        bars.update(number, total=n_done, completed=n_done)


@contextmanager
def progress_bars(first: str | None = "checking") -> Iterator[StageProgress | ProgressLines]:
    """Open progress bars on stderr where it is a terminal; elsewhere a plain line comes now and then.

    Parameters
    ----------
    first
        What is done before the first stage: imports and checks can take seconds. None where a verb waits.

    Raises
    ------
    ParameterError
        `FACERHYTHM_PROGRESS_S` is no number of seconds.
    """
    interval_s = wanted_interval_s()
    if not interval_s:
        yield StageProgress(None)
        return
    if not sys.stderr.isatty():
        with ProgressLines(interval_s, first) as lines:
            yield lines
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class CountColumn(ProgressColumn):
        """Units done, and of how many."""

        def render(self, task: Any) -> Text:
            counted = task.total is not None and task.fields["unit"]
            unit = task.fields["unit"]
            return Text(f"{task.completed:>7,.0f}/{task.total:,.0f} {unit}" if counted else "")

    class RateColumn(ProgressColumn):
        """Units per second, measured over the last seconds."""

        def render(self, task: Any) -> Text:
            speed = task.finished_speed or task.speed
            return Text(
                "" if speed is None else f"{speed:,.0f} {task.fields['unit']}/s", style="cyan"
            )

    with Progress(
        TextColumn("{task.description:<18}"),
        BarColumn(bar_width=30),
        CountColumn(),
        RateColumn(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=Console(stderr=True),
    ) as bars:
        yield StageProgress(bars, first)
