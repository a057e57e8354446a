"""What the verbs of `curate` print: the state of components, entries, and what no longer matches."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from element_facerhythm.cli.curated_place import CuratedPlace
from element_facerhythm.cli.output import print_lines, print_table
from element_facerhythm.errors import RequestError

if TYPE_CHECKING:
    from element_facerhythm.curation import Change, Curation


def state_of(place: CuratedPlace) -> dict[str, list[dict[str, Any]]]:
    """Return what holds of the result that is there: every component, decided or not, spans and points."""
    from element_facerhythm.curation import ComponentState, last_changes, replay
    from element_facerhythm.curation.state import ComponentItem, of_product

    if place.result is None:
        return {"components": [], "excluded_spans": [], "excluded_points": []}
    state = of_product(replay(place.curation.entries), place.result.sha256.values())
    changed = last_changes(place.curation)

    def who(item: Any) -> dict[str, Any]:
        entry = changed.get(item)
        return {"curator": entry and entry.curator, "time": entry and entry.time.isoformat()}

    digest = place.result.sha256["TCA"]
    items = [
        ComponentItem(digest, model, index)
        for model, n_components in place.result.n_components.items()
        for index in range(n_components)
    ]
    return {
        "components": [
            {"model_key": item.model_key, "component_index": item.component_index,
             **vars(state.components.get(item, ComponentState())), **who(item)} for item in items
        ],
        "excluded_spans": [{**span._asdict(), **who(span)} for span in sorted(state.spans)],
        "excluded_points": [{**point._asdict(), **who(point)} for point in sorted(state.points)],
    }  # fmt: skip


def notes_of(place: CuratedPlace, curation: "Curation | None" = None) -> list[str]:
    """Return remarks on entries that no longer match; none where all do."""
    from element_facerhythm.curation import CuratedResult, outdated_notes

    result = place.result or CuratedResult({}, {}, 0, ())
    notes = outdated_notes(curation or place.curation, result)
    return [place.problem, *notes] if place.problem else list(notes)


def entry_rows(curation: "Curation") -> list[dict[str, Any]]:
    """Every entry with plain values, and whether it counts."""
    from element_facerhythm.curation import active_entries, row_of_change

    counting = {entry.revision for entry in active_entries(curation.entries)}
    return [
        {**vars(entry), "time": entry.time.isoformat(), "change": row_of_change(entry.change),
         "counts": entry.revision in counting}
        for entry in curation.entries
    ]  # fmt: skip


def print_curation(place: CuratedPlace, state: dict[str, Any], *, with_history: bool) -> None:
    """Print what holds, and with the history every entry."""
    several = place.result is not None and len(place.result.n_components) > 1
    rows = [
        (
            *([row["model_key"]] if several else []), row["component_index"], row["verdict"], row["name"],
            "" if row["merged_into"] is None else row["merged_into"], row["note"], row["curator"] or "",
            in_utc(row["time"]),
        )
        for row in state["components"]
    ]  # fmt: skip
    columns = ("component", "verdict", "name", "merged into", "note", "by", "when (UTC)")
    if rows:
        named = (*(["model"] if several else []), *columns)
        print_table("", named, rows, right=columns[:1], whole=columns[-1:])
    lines = [
        ("left out", f"video {span['video_index']}: {span['start_s']:g} to {span['end_s']:g} s")
        for span in state["excluded_spans"]
    ]
    points = [str(point["point_index"]) for point in state["excluded_points"]]
    print_lines([*lines, *([("left out", f"points {', '.join(points)}")] if points else [])])
    if with_history:
        print_table("history", ("entry", "what", "by", "when (UTC)"), history(place.curation),
                    right=("entry",), whole=("when (UTC)",))  # fmt: skip


def history(curation: "Curation") -> Iterator[tuple[object, ...]]:
    """Yield a row for each entry."""
    from element_facerhythm.curation import Undo, active_entries

    counting = active_entries(curation.entries)
    for entry in curation.entries:
        is_undone = entry not in counting and not isinstance(entry.change, Undo)
        what = text_of_change(entry.change) + " (undone)" * is_undone
        yield entry.revision, what, entry.curator, in_utc(entry.time.isoformat())


def in_utc(time: str | None) -> str:
    """Return a time in UTC without what its column says."""
    return (time or "").replace("T", " ").removesuffix("+00:00")


def text_of_change(change: "Change") -> str:
    """Return a change in words."""
    from element_facerhythm import curation as c

    match change:
        case c.JudgeComponent():
            said = [change.verdict] if change.verdict is not None else []
            said += [f"name {change.name!r}"] if change.name is not None else []
            said += [f"note {change.note!r}"] if change.note is not None else []
            return f"{_components(change.model_key, change.component_index)}: {', '.join(said)}"
        case c.MergeComponents():
            merged = _components(change.model_key, *change.component_indices)
            return f"{merged} merged into {change.into}"
        case c.SplitComponents():
            alone = _components(change.model_key, *change.component_indices)
            return f"{alone} no longer merged"
        case c.ExcludeSpan():
            out = "left out" if change.excluded else "taken in again"
            return f"video {change.video_index}, {change.start_s:g} to {change.end_s:g} s: {out}"
        case c.ExcludePoints():
            out = "left out" if change.excluded else "taken in again"
            return f"points {', '.join(map(str, change.point_indices))}: {out}"
        case c.Undo():
            return f"undoes entry {change.revision}"


def _components(model_key: str, *indices: int) -> str:
    listed = ("components " if len(indices) > 1 else "component ") + ", ".join(map(str, indices))
    return listed if model_key == "0" else f"{listed} of model {model_key}"


def suggested_rows(directory: Path, like: Path, model: str | None) -> list[dict[str, Any]]:
    """Components of a project that are like curated ones of another, with what was decided about these.

    Raises
    ------
    RequestError
        The two are of other points or frequencies; there is no such model; it is not said which of several.
    """
    from element_facerhythm.curation import (
        ComponentState,
        project_result,
        read_curation,
        replay,
        suggest_matches,
    )
    from element_facerhythm.curation.state import ComponentItem

    result = project_result(like)
    if model is None and len(result.n_components) > 1:
        raise RequestError(
            f"which decomposition? say --model, one of {', '.join(result.n_components)}"
        )
    key = next(iter(result.n_components)) if model is None else model
    components = replay(read_curation(like).entries).components
    rows = []
    for pair in suggest_matches(loadings_of(like, key), loadings_of(directory, key)):
        item = ComponentItem(result.sha256["TCA"], key, pair.component_index)
        state = components.get(item, ComponentState())
        rows.append(
            {"like": pair.component_index, "component": pair.suggested_index,
             "congruence": round(pair.congruence, 3), "verdict": state.verdict, "name": state.name,
             "note": state.note}
        )  # fmt: skip
    return rows


def loadings_of(directory: Path, model_key: str) -> "list[Any]":
    """Return loadings of the components of a project over points, (n, R), and frequencies, (F, R)."""
    import numpy as np

    from element_facerhythm.io.project import Project
    from element_facerhythm.io.stored_factors import project_factors, project_maps, project_spectra

    project = Project.open(directory)
    factors = project_factors(project, model_key)
    maps = project_maps(project, factors).loadings.values()
    return [
        np.concatenate(list(maps), axis=1).T,
        project_spectra(project, factors).loadings.T,
    ]
