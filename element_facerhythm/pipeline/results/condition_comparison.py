"""Components of many projects compared between conditions, as a table says whose and which they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from element_facerhythm.core.false_discovery import q_values
from element_facerhythm.core.group_comparison import (
    GroupDifference,
    GroupSettings,
    SessionValue,
    check_design,
    compare_conditions,
)
from element_facerhythm.core.rhythm.bouts import BoutSettings
from element_facerhythm.errors import FaceRhythmError, ParameterError, RequestError
from element_facerhythm.files.sheet import SheetRow, read_sheet
from element_facerhythm.io.project import Project
from element_facerhythm.pipeline.results.component_choice import (
    NamedComponent,
    find_component,
    named_components,
)
from element_facerhythm.pipeline.results.component_rhythms import (
    ComponentBouts,
    component_rhythms,
    rhythm_bouts,
)

_REQUIRED = ("project", "animal", "condition")
_COLUMNS = (*_REQUIRED, "component", "label")
QUANTITIES = {
    "bouts": "bouts per minute",
    "fraction": "share of the time in bouts",
    "amplitude": "px in bouts",
    "frequency": "Hz in bouts",
}
"""What can be compared, and in what it is."""
SESSION_COLUMNS = (
    "project",
    "animal",
    "condition",
    "label",
    "model_key",
    "component_index",
    *QUANTITIES,
)
DIFFERENCE_COLUMNS = (
    "label", "quantity", "unit", *(field.name for field in fields(GroupDifference)), "q_value",
)  # fmt: skip
"""Numbers of a session, and of a comparison, as files name them."""


@dataclass(frozen=True)
class DesignRow:
    """A component of a session.

    Attributes
    ----------
    line
        Of the table.
    project
        Its directory.
    animal, condition
        Whose session it is, and what it is compared by.
    component
        Number or name of the component; None where the table has no such column.
    label
        What the same component of all sessions is called.
    """

    line: int
    project: Path
    animal: str
    condition: str
    component: str | None
    label: str | None


@dataclass(frozen=True)
class Measured:
    """What was measured in a session: its row of the design, the component, and its numbers."""

    row: DesignRow
    component: NamedComponent
    label: str
    values: Mapping[str, float]

    @property
    def as_row(self) -> dict[str, Any]:
        """Its numbers by `SESSION_COLUMNS`."""
        row, one = self.row, self.component
        about = (
            str(row.project),
            row.animal,
            row.condition,
            self.label,
            one.model_key,
            one.component_index,
        )
        numbers = (self.values[name] for name in QUANTITIES)
        return dict(zip(SESSION_COLUMNS, (*about, *numbers), strict=True))


@dataclass(frozen=True)
class Compared:
    """A quantity of a component, in a condition and the reference."""

    label: str
    quantity: str
    difference: GroupDifference
    q_value: float | None

    @property
    def as_row(self) -> dict[str, Any]:
        """Its numbers by `DIFFERENCE_COLUMNS`."""
        about = (self.label, self.quantity, QUANTITIES[self.quantity])
        numbers = (getattr(self.difference, field.name) for field in fields(self.difference))
        return dict(zip(DIFFERENCE_COLUMNS, (*about, *numbers, self.q_value), strict=True))


@dataclass(frozen=True)
class Comparison:
    """All comparisons of a design.

    Attributes
    ----------
    compared
        By label, quantity and condition.
    sessions
        What they are of.
    notes
        What was left out, and where so few animals can give no small p.
    """

    compared: tuple[Compared, ...]
    sessions: tuple[Measured, ...]
    notes: tuple[str, ...]


def read_design(path: Path) -> tuple[DesignRow, ...]:
    """Read which projects are compared.

    Parameters
    ----------
    path
        CSV, as `read_sheet` takes it, with the columns `project` (a directory; from the table's own where it
        is no whole path), `animal` and `condition`; and, where wanted, `component`, its number or name, and
        `label`, what it is called in all sessions.

    Raises
    ------
    RequestError
        A column is missing or unknown, a cell is empty, or a component by number has no label.
    TextError
        The file is no such table.
    """
    sheet = read_sheet(path)
    if set(sheet.columns) - set(_COLUMNS) or set(_REQUIRED) - set(sheet.columns):
        raise RequestError(
            f"design {path}: the columns are {', '.join(sheet.columns)}; expected {', '.join(_REQUIRED)} "
            "and, where wanted, component and label"
        )
    has_component = "component" in sheet.columns
    rows = tuple(_design_row(path, row, has_component=has_component) for row in sheet.rows)
    seen: dict[tuple[Path, str | None], int] = {}
    for row in rows:
        key = (row.project.resolve(), row.label)
        if key in seen:
            what = f" of {row.label}" if row.label else ""
            raise RequestError(
                f"design {path}, line {row.line}: {row.project} stands in line {seen[key]}, too; expected "
                f"one row{what} for each session"
            )
        seen[key] = row.line
    return rows


def _design_row(path: Path, row: SheetRow, *, has_component: bool) -> DesignRow:
    needed = (*_REQUIRED, "component") if has_component else _REQUIRED
    empty = [name for name in needed if name not in row.cells]
    if empty:
        raise RequestError(f"design {path}, line {row.line}: {empty[0]} is empty")
    if not row.cells["project"].isprintable():
        raise RequestError(f"design {path}, line {row.line}: project is no path")
    component, label = row.cells.get("component"), row.cells.get("label")
    if label is not None and component is None:
        raise RequestError(
            f"design {path}, line {row.line}: a label, and no column component; expected its number or name"
        )
    if component is not None and label is None:
        if component.replace("/", "").isdigit():
            raise RequestError(
                f"design {path}, line {row.line}: component {component} by number; fits number their "
                "components as they come, so say in a column label which ones are the same, as whisking"
            )
        label = component
    return DesignRow(
        row.line,
        path.absolute().parent / row.cells["project"],
        row.cells["animal"],
        row.cells["condition"],
        component,
        label,
    )


def compare_projects(
    design: Sequence[DesignRow],
    quantities: Sequence[str] = ("bouts",),
    *,
    reference: str | None = None,
    labels: Sequence[str] = (),
    settings: GroupSettings | None = None,
    bouts: BoutSettings | None = None,
    advance: Callable[[int], None] = lambda done: None,
) -> Comparison:
    """Compare components of projects between conditions.

    All of the design is checked, and every component found, before anything is computed.

    Parameters
    ----------
    design
        As of `read_design`. Where it names no components, those are compared that people called the same in
        all projects.
    quantities
        Some of `QUANTITIES`.
    reference
        The condition that others are compared with; None for the first one.
    labels
        Components that are compared; all of them where there are none.
    settings
        Draws, and confidence.
    bouts
        When a rhythm counts as a bout.
    advance
        Called with the number of projects done.

    Raises
    ------
    RequestError
        A component is not there, or conditions cannot be compared; the message says why.
    ProjectError
        A project is incomplete or damaged.
    """
    unknown = [name for name in quantities if name not in QUANTITIES]
    if unknown or not quantities:
        raise RequestError(
            f"quantity {unknown or 'none'}: expected some of {', '.join(QUANTITIES)}"
        )
    check_design([(row.animal, row.condition) for row in design], reference)
    chosen = _components(design, labels)
    for label in dict.fromkeys(label for _, _, label in chosen):
        own = [(row.animal, row.condition) for row, _, is_of in chosen if is_of == label]
        with _about(label):
            check_design(own, reference)
    bouts = bouts or BoutSettings()
    measured, notes = _measured(chosen, bouts, advance)
    if bouts.high_px is None:
        notes.append(
            "what counts as a bout is a share of each recording's own amplitudes; with a threshold in px "
            "(--high-px) it is the same in all"
        )
    found: list[tuple[str, str, GroupDifference]] = []
    for label in dict.fromkeys(one.label for one in measured):
        for quantity in dict.fromkeys(quantities):
            values = [
                SessionValue(one.row.animal, one.row.condition, one.values[quantity])
                for one in measured
                if one.label == label
            ]
            n_missing = sum(not math.isfinite(one.value) for one in values)
            if n_missing:
                notes.append(f"{label}: {n_missing} of {len(values)} sessions have no {quantity}")
            with _about(label):
                differences = compare_conditions(values, reference, settings)
            found += [(label, quantity, difference) for difference in differences]
    qs = q_values([difference.p_value for *_, difference in found])
    compared = tuple(Compared(*one, q) for one, q in zip(found, qs, strict=True))
    return Comparison(compared, measured, (*notes, *_few_animals(compared)))


@contextmanager
def _about(label: str) -> Iterator[None]:
    """Name the component in what is refused."""
    try:
        yield
    except ParameterError as error:
        raise RequestError(f"{label}: {error}") from error


def _components(
    design: Sequence[DesignRow], labels: Sequence[str]
) -> list[tuple[DesignRow, NamedComponent, str]]:
    """Component and label of each row; a row for each name in common where the design names none."""
    by_project = {
        path: named_components(Project.open(path))
        for path in dict.fromkeys(row.project for row in design)
    }
    found: list[tuple[DesignRow, NamedComponent, str]] = []
    if all(row.component is None for row in design):
        names = [{one.name for one in named} - {""} for named in by_project.values()]
        common = sorted(set.intersection(*names))
        if not common:
            raise RequestError(
                "no component has the same name in all projects; name them with `facerhythm curate set`, or "
                "give the design a column component"
            )
        wanted = [name for name in common if not labels or name in labels]
    else:
        named = dict.fromkeys(row.label or "" for row in design)
        wanted = [label for label in named if not labels or label in labels]
    absent = [label for label in labels if label not in wanted]
    if absent:
        raise RequestError(f"component {absent[0]!r}: the design has none of this name in common")
    for row in design:
        for label in wanted:
            if row.label in (None, label):
                where = f"line {row.line}, {row.project}"
                one = find_component(by_project[row.project], row.component or label, where)
                found.append((row, one, label))
    return found


def _measured(
    chosen: Sequence[tuple[DesignRow, NamedComponent, str]],
    settings: BoutSettings,
    advance: Callable[[int], None],
) -> tuple[tuple[Measured, ...], list[str]]:
    found, notes = [], []
    for done, path in enumerate(dict.fromkeys(row.project for row, *_ in chosen)):
        try:
            rhythms = component_rhythms(path)
        except FaceRhythmError as error:
            raise type(error)(f"{path}: {error}") from error
        of_project = {
            (own.model_key, own.component_index): own
            for own in rhythm_bouts(rhythms.rhythms, settings)
        }
        for row, one, label in chosen:
            if row.project == path:
                own = of_project.get((one.model_key, one.component_index))
                if own is None:
                    notes.append(f"{path}: {'; '.join(rhythms.left_out)}")
                found.append(Measured(row, one, label, dict(_numbers(own))))
        advance(done + 1)
    return tuple(found), list(dict.fromkeys(notes))


def _numbers(own: ComponentBouts | None) -> Iterator[tuple[str, float]]:
    """Yield the number of each of `QUANTITIES`; NaN where there is none, as amplitudes without bouts."""
    bouts = [] if own is None else [one.bout for one in own.bouts]
    seconds = [bout.offset_s - bout.onset_s for bout in bouts]
    whole_s = sum(seconds)
    amplitude = sum(b.mean_amplitude_px * s for b, s in zip(bouts, seconds, strict=True))
    cycles = sum(b.mean_frequency_hz * s for b, s in zip(bouts, seconds, strict=True))
    yield "bouts", math.nan if own is None else own.per_minute
    yield "fraction", math.nan if own is None else own.fraction
    yield "amplitude", amplitude / whole_s if whole_s else math.nan
    yield "frequency", cycles / whole_s if whole_s else math.nan


def _few_animals(compared: Sequence[Compared]) -> Iterator[str]:
    few = {
        (d.reference, d.condition): d
        for one in compared
        if (d := one.difference).least_p_value > 0.05
    }
    for difference in few.values():
        yield (
            f"{difference.condition} and {difference.reference}: with {difference.n_reference_animals} and "
            f"{difference.n_condition_animals} animals p cannot be below {difference.least_p_value:.3g}"
        )
