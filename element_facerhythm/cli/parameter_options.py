"""Options of every verb that takes parameters, and how it tells what was fitted."""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from element_facerhythm.parameters import FittedValue, LoadedOpenParameters, Parameters


class Preset(StrEnum):
    """Whose values are taken where nothing is said, in place of those that fit the recording."""

    FACE_RHYTHM = "face-rhythm"


ParamsOption = Annotated[
    Path | None, typer.Option("--params", help="Parameters (JSON or YAML) in face-rhythm's tree.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.KEY=VALUE",
        help="One parameter, over what --params says; may be given again.",
    ),
]
PresetOption = Annotated[
    Preset | None,
    typer.Option(help="Take face-rhythm's defaults for what is not said; fit nothing."),
]


class Given(NamedTuple):
    """What the options said."""

    params: Path | None
    settings: list[str] | None
    preset: Preset | None


def load_parameters(
    params: Path | None,
    settings: list[str] | None,
    preset: Preset | None = None,
    *,
    compat: str | None = None,
    base: "Parameters | None" = None,
) -> "LoadedOpenParameters":
    """Read what the options say; see `read_open_parameters`."""
    from element_facerhythm.parameters import read_open_parameters

    return read_open_parameters(
        params, settings=settings or (), base=base, compat=compat, fitted=preset is None
    )


def reading_notes(loaded: "LoadedOpenParameters") -> tuple[str, ...]:
    """Tell what was read differently from what was typed, and what is not used."""
    unused = (f"not used: {', '.join(loaded.unused)}",) if loaded.unused else ()
    return (*loaded.notes, *unused)


def fitted_lines(fitted: "Iterable[FittedValue]") -> list[tuple[str, str]]:
    """Give what was fitted as labelled lines, each with its reason."""
    return [("fitted", f"{v.name.rpartition('.')[2]} {v.value}: {v.reason}") for v in fitted]


def fitted_rows(fitted: "Iterable[FittedValue]") -> list[dict[str, Any]]:
    """Give what was fitted as plain values for JSON."""
    return [{"name": v.name, "value": v.value, "reason": v.reason} for v in fitted]
