"""Options of every verb that takes parameters, and printing what was fitted."""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from element_facerhythm.ingest.parameter_choice import ParameterChoice
    from element_facerhythm.parameters import FittedValue, LoadedOpenParameters, Parameters


class Preset(StrEnum):
    """Whose values are taken where none are given, in place of those that fit the recording."""

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
    typer.Option(
        help="Take face-rhythm's defaults for what is not given, tracking by flow among them; fit nothing."
    ),
]
ParamsetOption = Annotated[
    str | None,
    typer.Option(
        "--paramset",
        metavar="NAME",
        help="A stored set of parameters, by its description or number, in place of --params.",
    ),
]


class Given(NamedTuple):
    """Values of the options."""

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
    """Read the parameters of the options; see `read_open_parameters`."""
    from element_facerhythm.parameters import read_open_parameters

    return read_open_parameters(
        params, settings=settings or (), base=base, compat=compat, fitted=preset is None
    )


def parameter_choice(given: Given, paramset: str | None) -> "ParameterChoice":
    """Return what the options choose of what is to be entered in the database."""
    from element_facerhythm.ingest.parameter_choice import ParameterChoice

    return ParameterChoice(
        given.params, paramset, tuple(given.settings or ()), fitted=given.preset is None
    )


def reading_notes(loaded: "LoadedOpenParameters") -> tuple[str, ...]:
    """Return what was read differently from what was typed, and what is not used."""
    unused = (f"not used: {', '.join(loaded.unused)}",) if loaded.unused else ()
    return (*loaded.notes, *unused)


def fitted_lines(fitted: "Iterable[FittedValue]") -> list[tuple[str, str]]:
    """Return what was fitted as labelled lines, each with its reason."""
    return [("fitted", f"{v.name.rpartition('.')[2]} {v.value}: {v.reason}") for v in fitted]


def fitted_rows(fitted: "Iterable[FittedValue]") -> list[dict[str, Any]]:
    """Return what was fitted as plain values for JSON."""
    return [{"name": v.name, "value": v.value, "reason": v.reason} for v in fitted]
