"""`facerhythm check`: whether projects are complete, by exit code."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from element_facerhythm.cli.output import (
    EXIT_NOT_IN_ORDER,
    JsonOption,
    print_json,
    print_table,
    progress_bars,
    quiet_stdout,
)


def check(
    directories: Annotated[list[Path], typer.Argument(help="Project directories.", metavar="DIR")],
    as_json: JsonOption = False,
) -> None:
    """Tell whether projects are complete: every product there, whole, and no run at work.

    Exits with 0 where all are complete and with 3 where one is not, so that a script goes on or waits.
    face-rhythm's own projects are told complete where their five products are there.

    Example: `facerhythm check mouse-project && facerhythm report mouse-project`
    """
    from element_facerhythm.pipeline.exchange.completion import completion_of

    with (
        quiet_stdout(),
        progress_bars() as progress,
        progress.stage("check", len(directories), "projects") as advance,
    ):
        found = []
        for directory in directories:
            found.append(completion_of(directory))
            advance(len(found))
    ok = all(one.is_complete for one in found)
    if as_json:
        projects = [{**vars(one), "is_complete": one.is_complete} for one in found]
        print_json({"ok": ok, "projects": projects})
    else:
        rows = [
            (one.directory, one.state, n_stages(one.stages), "; ".join(one.reasons))
            for one in found
        ]
        print_table("", ("project", "state", "stages", "why"), rows)
    if not ok:
        raise typer.Exit(EXIT_NOT_IN_ORDER)


def n_stages(stages: Mapping[str, bool]) -> str:
    """Say how many stages are done, and of how many."""
    return f"{sum(stages.values())} of {len(stages)}"
