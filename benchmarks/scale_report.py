"""Tables of `docs/scale.md`, from the result of `benchmarks.scale_database`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.common import growth_exponent, read_result

RESULT = "scale_database"
SAMPLED = {
    "FacialRhythm.PointTrace": "large_every",
    "FacialRhythm.ComponentFactor": "large_every",
    "FacialRhythm.ComponentVideoFactor": "large_every",
    "KeypointRhythm.Pair": "pairs_every",
}
"""Tables that only some recordings have rows of, and which number of the shape says how many."""
QUEUE_LINES = {
    "look_for_new_keys_ms": "look for new keys, none found",
    "enter_one_key_ms": "enter a new key, each its own transaction",
    "enter_one_key_in_a_transaction_ms": "enter a new key, all in one transaction",
    "job_with_a_look_ms": "job, with a look for new keys before it",
    "job_without_a_look_ms": "job, no look, a table object for each",
    "job_without_a_look_by_one_object_ms": "job, no look, one table object",
    "job_without_the_queue_ms": "job without the queue: the statements of `make` alone",
    "job_of_a_worker_ms": "job of a worker",
    "overhead_of_a_worker_ms": "**what the queue adds to a job of a worker**",
}
CROSSINGS: tuple[tuple[str, float, str, Callable[[Mapping[str, Any]], float]], ...] = (
    ("counting for `status`", 2.0, "s", lambda size: size["status"]["count_keys_s"]),
    ("a look for new keys", 1000.0, "ms", lambda size: size["queue"]["look_for_new_keys_ms"]),
)
QUERY_GOAL_MS = 200.0
TELLING_MS = 20.0
"""Queries below it at the largest size are not said to grow: their times are noise of the server."""


def at_size(result: Mapping[str, Any], n_recordings: int = 10_000) -> Mapping[str, Any] | None:
    """Measurements at a number of recordings; None where there are none."""
    sizes = (size for size in result["sizes"] if size["n_recordings"] == n_recordings)
    return next(sizes, None)


def slowest_query_ms(result: Mapping[str, Any]) -> float | None:
    """Median of the slowest query on 10,000 recordings."""
    size = at_size(result)
    return None if size is None else max(query["median_ms"] for query in size["queries"])


def status_s(result: Mapping[str, Any]) -> float | None:
    """Return how long the command `status` takes on 10,000 recordings."""
    size = at_size(result)
    return None if size is None else size["status"]["command_s"]


def queue_overhead_ms(result: Mapping[str, Any]) -> float | None:
    """Return what the queue adds to a job of a worker while 10,000 wait."""
    size = at_size(result)
    return None if size is None else size["queue"]["overhead_of_a_worker_ms"]


def summary() -> str | None:
    """One line for each size."""
    result = read_result(RESULT)
    if result is None:
        return None
    rows = []
    for size in result["sizes"]:
        components = size["tables"]["FacialRhythm.Component"]["n_rows"]
        status = size["status"]
        on_disk = sum(table["bytes"] for table in size["tables"].values()) / 1e9
        rows.append(
            [
                f"{size['n_recordings']:,}", f"{components:,}", f"{on_disk:.1f} GB",
                f"{max(query['median_ms'] for query in size['queries']):.0f} ms",
                f"{status['command_s']:.1f} s", f"{status['count_keys_s']:.2f} s",
                f"{size['queue']['look_for_new_keys_ms']:.0f} ms",
            ]
        )  # fmt: skip
    headings = [
        "recordings", "components", "tables", "slowest query", "`facerhythm status`", "counting in it",
        "look for new keys",
    ]  # fmt: skip
    settings = f"{result['server']}, buffer pool {result['buffer_pool_mb']:.0f} MB"
    return f"{settings}.\n\n{markdown(headings, rows)}"


def queries() -> str | None:
    """Every query: median at each size, rows, and the index that answers it."""
    result = read_result(RESULT)
    if result is None:
        return None
    sizes = result["sizes"]
    rows = []
    for i, query in enumerate(sizes[-1]["queries"]):
        medians = [f"{size['queries'][i]['median_ms']:.1f}" for size in sizes]
        used = [name for name in query["indices"] if name != "temporary"]
        access = ", ".join(f"`{name}`" for name in used)
        if query["full_scans"]:
            access = "; ".join(filter(None, [access, "reads the whole table"]))
        rows.append([query["asks"], f"{query['n_rows']:,}", *medians, access])
    headings = [f"ms at {size['n_recordings']:,}" for size in sizes]
    return markdown(["query", "rows", *headings, "index"], rows)


def queue() -> str | None:
    """Every measure of the queue at each size."""
    result = read_result(RESULT)
    if result is None:
        return None
    sizes = result["sizes"]
    rows = [
        [text, *(f"{size['queue'][name]:.1f}" for size in sizes)]
        for name, text in QUEUE_LINES.items()
    ]
    headings = [f"ms, {size['queue']['n_pending']:,.0f} wait" for size in sizes]
    return markdown(["", *headings], rows)


def bytes_per_recording(result: Mapping[str, Any], size: Mapping[str, Any], table: str) -> float:
    """Bytes of a table, indices included, for each recording that has rows of it."""
    every = result["shape"][SAMPLED[table]] if table in SAMPLED else 1
    return size["tables"][table]["bytes"] * every / size["n_recordings"]


def disk() -> str | None:
    """Bytes of each table for a recording, and what that comes to for many."""
    result = read_result(RESULT)
    if result is None:
        return None
    size = result["sizes"][-1]
    rows, total = [], 0.0
    for name, table in size["tables"].items():
        per_recording = bytes_per_recording(result, size, name)
        total += per_recording
        if per_recording < 1_000:
            continue
        n_rows = table["n_rows"] * per_recording / max(table["bytes"], 1)
        rows.append([name, n_rows, table["bytes_per_row"], per_recording])
    rows.sort(key=lambda row: -row[-1])
    cells = [
        [f"`{n}`", f"{count:,.0f}", f"{row:,.0f}", *disk_cells(each)]
        for n, count, row, each in rows
    ]
    cells.append(["all", "", "", *disk_cells(total)])
    headings = ["table", "rows per recording", "bytes per row", "kB per recording"]
    return markdown([*headings, "at 10,000", "at 100,000", "at 1,000,000"], cells)


def disk_cells(per_recording: float) -> list[str]:
    """Kilobytes for a recording, gigabytes for many."""
    many = [f"{per_recording * n / 1e9:,.1f} GB" for n in (10_000, 100_000, 1_000_000)]
    return [f"{per_recording / 1e3:,.1f}", *many]


def crossings() -> str | None:
    """List what grows, how fast, and at how many recordings it passes its limit if it goes on so."""
    result = read_result(RESULT)
    if result is None or len(result["sizes"]) < 2:
        return None
    sizes = result["sizes"]
    lines = [(*crossing[:3], [crossing[3](size) for size in sizes]) for crossing in CROSSINGS]
    for i, query in enumerate(sizes[-1]["queries"]):
        if query["median_ms"] >= TELLING_MS:
            medians = [size["queries"][i]["median_ms"] for size in sizes]
            lines.append((f"query: {query['asks']}", QUERY_GOAL_MS, "ms", medians))
    counts = [size["n_recordings"] for size in sizes]
    rows = []
    for name, goal, unit, values in lines:
        exponent = growth_exponent(counts, values)
        largest = f"{values[-1]:.3g} {unit}"
        limit = f"{goal:g} {unit}"
        rows.append(
            [name, largest, f"{exponent:.2f}", limit, passed_at(counts[-1], values[-1], goal)]
        )
    headings = ["", f"at {counts[-1]:,}", "exponent", "limit", "passed at about (extrapolated)"]
    return markdown(headings, rows)


def passed_at(n_recordings: int, value: float, goal: float) -> str:
    """Return how many recordings bring a value in proportion to them to a goal, to two digits."""
    reached = n_recordings * goal / value
    return f"{float(f'{reached:.1e}'):,.0f}"


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Table in Markdown."""
    every = (headings, ["---"] * len(headings), *rows)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in every)


SCALE_SECTIONS: dict[str, Callable[[], str | None]] = {
    "scale summary": summary,
    "scale queries": queries,
    "scale queue": queue,
    "scale disk": disk,
    "scale crossings": crossings,
}
