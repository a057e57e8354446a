"""Every query of the page of SQL queries runs on this server, and the answers are right."""

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from benchmarks.sql_page import page_queries
from tests.db.on_server.conftest import FRAME_RATE_HZ, N_FRAMES, WORKER_FACTS, forget_workers
from tests.db.on_server.test_curation import decide
from tests.db.on_server.test_lake import export, views
from tests.signal_files import N_BLINKS

Key = dict[str, Any]
LONG_BOUT = {
    "video_index": 0, "bout_index": 99, "onset_s": 1.4, "offset_s": 3.0, "bout_duration_s": 1.6,
    "onset_frame": 84, "offset_frame": 180, "n_cycles": 16.0, "bout_mean_hz": 10.0, "bout_peak_hz": 11.0,
    "bout_mean_px": 1.0, "bout_peak_px": 2.0, "onset_phase_rad": 0.5, "is_cut": False,
}  # fmt: skip


def queries(server: str) -> list[str]:
    return [sql for _, sql in page_queries(server)]


@pytest.fixture(scope="module")
def ask(
    workflow: ModuleType,
    fbe: ModuleType,
    processed: Key,
    inferred: Key,
    measured: Key,
    register: Callable[..., Key],
) -> Iterator[Callable[[str], list[dict[str, Any]]]]:
    """Run a query as it stands on the page; gives its rows by column name."""
    from element_facerhythm.fleet.claims import Claims, JobName

    pending = register(90)
    failing = {**pending, "session_id": 91}
    fbe.RecordingInfo.populate(pending)
    register(91)
    fbe.RecordingInfo.populate({"session_id": 91})
    (fbe.FaceRhythmTask & failing).delete(prompt=False)
    fbe.FaceRhythmTask.insert1({**failing, "task_mode": "load", "output_dir": "absent"})
    result = fbe.FaceRhythmProcessing.populate(failing, reserve_jobs=True, suppress_errors=True)
    assert len(result["error_list"]) == 1
    # a job under way, and one that was
    worker = Claims(workflow.dj.conn(), "sql page")
    worker.register(WORKER_FACTS)
    jobs = [JobName("FaceRhythmProcessing", {**processed, "roi_id": 900 + i}) for i in range(2)]
    for job in jobs:
        worker.take(job)
    worker.end(jobs[0], "done")
    decide(fbe, processed)
    # a result that a check is red of
    quality = fbe.FacialRhythm.Quality & processed & {"quality_name": "violations"}
    fbe.FacialRhythm.Quality.update1(
        {**quality.fetch1("KEY"), "value": 0.21, "threshold": 0.15, "verdict": "red"}
    )
    # a recording with violations above the limit that the page asks for
    fbe.FacialRhythm.update1({**processed, "violation_fraction": 0.02})
    # a bout longer than the videos of these tests
    component = (fbe.RhythmBout.Component & processed).to_dicts(order_by="KEY")[0]
    bout = {name: component[name] for name in fbe.RhythmBout.Component.primary_key}
    fbe.RhythmBout.Bout.insert1({**bout, **LONG_BOUT})

    def run(query: str, lake: Any = None) -> list[dict[str, Any]]:
        text = query.replace("facerhythm_", workflow.prefix)
        for name, value in {**processed, "model_id": inferred["model_id"]}.items():
            text = text.replace(f"{name} = 0", f"{name} = {value}")
        if lake is None:
            return list(workflow.dj.conn().query(text, as_dict=True))
        names = [column[0] for column in lake.execute(text).description]
        return [dict(zip(names, row, strict=True)) for row in lake.fetchall()]

    yield run
    (fbe.RhythmBout.Bout & processed & {"bout_index": 99}).delete_quick()
    (fbe.ComponentCuration & processed).delete(prompt=False)
    forget_workers(workflow)
    (fbe.FaceRhythmTask & [pending, failing]).delete(prompt=False)
    fbe.FaceRhythmProcessing.jobs.errors.delete()


def test_every_query_runs_and_finds_rows(
    ask: Callable[[str], list[dict[str, Any]]], workflow: ModuleType
) -> None:
    own = queries(workflow.dj.config.database.backend)
    assert len(own) >= 25
    for query in own:
        assert ask(query), f"no row:\n{query}"


def test_the_lake_gives_the_same_answers(
    ask: Callable[..., list[dict[str, Any]]], workflow: ModuleType, tmp_path: Path
) -> None:
    export(workflow, tmp_path / "lake")
    own, in_duckdb = queries(workflow.dj.config.database.backend), queries("duckdb")
    assert len(own) == len(in_duckdb)
    lake = views(tmp_path / "lake")
    # one query alone is written another way: MySQL quotes names, and each looks into JSON in its own way
    differing = [theirs for ours, theirs in zip(own, in_duckdb, strict=True) if ours != theirs]
    assert len(differing) == (1 if workflow.dj.config.database.backend == "postgresql" else 2)
    for ours, theirs in zip(own, in_duckdb, strict=True):
        # of rows that are equal in what they are ordered by, a limit takes any
        expected, found = ask(unlimited(ours)), ask(unlimited(theirs), lake)
        assert [list(row) for row in found] == [list(row) for row in expected], theirs
        for row, other in zip(ordered(expected), ordered(found), strict=True):
            assert all(map(is_same, row.values(), other.values())), f"{theirs}\n{row}\n{other}"


def unlimited(query: str) -> str:
    return re.sub(r"\nLIMIT \d+;", ";", query)


def ordered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows in one order, also where their query leaves it to the server."""
    return sorted(rows, key=lambda row: [str(v) for v in row.values() if isinstance(v, int | str)])


def is_same(value: Any, other: Any) -> bool:
    """Whether two servers' values are the same; MySQL's quotients of whole numbers end after four digits."""
    if isinstance(value, Decimal):
        return float(value) == pytest.approx(
            float(other), rel=1e-9, abs=0.51 * 10 ** value.as_tuple().exponent
        )
    if isinstance(value, float):
        return value == pytest.approx(other, rel=1e-12)
    if isinstance(other, str) and other.startswith("{"):
        return json.loads(other) == (json.loads(value) if isinstance(value, str) else value)
    return bool(value == other)


def test_every_column_can_be_named_without_quotes(
    workflow: ModuleType, fbe: ModuleType, kpi: ModuleType
) -> None:
    dj = workflow.dj
    masters = [v for module in (fbe, kpi) for v in vars(module).values() if isinstance(v, type)]
    masters = [cls for cls in masters if issubclass(cls, dj.Table)]
    parts = [v for c in masters for v in vars(c).values() if isinstance(v, type)]
    tables = [*masters, *(part for part in parts if issubclass(part, dj.Part))]
    assert len(tables) == 64
    for table in tables:
        columns = ", ".join(table.heading.names)
        dj.conn().query(f"SELECT {columns} FROM {table().full_table_name} LIMIT 1")


def test_answers(
    ask: Callable[[str], list[dict[str, Any]]],
    processed: Key,
    measured: Key,
    fbe: ModuleType,
    workflow: ModuleType,
) -> None:
    of_measured = {name: measured[name] for name in ("subject", "session_id")}

    def query(mark: str) -> list[dict[str, Any]]:
        own = queries(workflow.dj.config.database.backend)
        return ask(next(query for query in own if mark in query))

    rows = query("violation_fraction > 0.01")
    assert (rows[0]["session_id"], float(rows[0]["violation_percent"])) == (1, pytest.approx(2.0))
    (red,) = [row for row in query("WHERE verdict = 'red'") if row["quality_name"] == "violations"]
    assert (red["session_id"], red["value"], red["threshold"]) == (1, 0.21, 0.15)
    now = query("component_curation__component AS d")
    rows = fbe.FacialRhythm.curated_components(processed)
    assert now == [{name: row[name] for name in now[0]} for row in rows]
    spans = query("component_curation__span AS x")
    assert [(row["span_start_s"], row["span_end_s"]) for row in spans] == [(0.1, 0.2), (0.3, 0.5)]
    mobile = query("ORDER BY path_length_px DESC")
    lengths = (fbe.FacialRhythm.Point & processed).to_arrays("path_length_px")
    assert [row["path_length_px"] for row in mobile] == sorted(lengths, reverse=True)[:10]
    assert {90, 91} <= {row["session_id"] for row in query("WHERE p.subject IS NULL")}
    failed = query("WHERE status = 'error'")
    messages = {row["session_id"]: row["error_message"] for row in failed}
    assert messages[91].startswith("PathError: 'absent' does not exist below any root directory")
    components = query("xy_ratio, explained_variance, stability")
    of_session = {"subject": "mouse1", "session_id": 1}
    assert len(components) == len(fbe.FacialRhythm.Component() & of_session)
    numbers = (
        "peak_frequency_hz",
        "weight",
        "centroid_x_px",
        "xy_ratio",
        "explained_variance",
        "stability",
    )
    assert all(isinstance(row[name], float) for row in components for name in numbers)
    sessions = query("GROUP BY c.session_id")
    runs = (fbe.FacialRhythm() & of_session).keys()
    heaviest = [
        (fbe.FacialRhythm.Component() & run).to_dicts(order_by="weight DESC", limit=1)[0]
        for run in runs
    ]
    expected = sum(row["centroid_frequency_hz"] for row in heaviest) / len(runs)
    found = next(row for row in sessions if row["session_id"] == 1)
    assert found["n_recordings"] == len(runs)
    assert found["mean_frequency_hz"] == pytest.approx(expected)
    energies = query("AS share_of_ten")
    shares = (fbe.FacialSignal.MotionSVD & of_measured & {"roi_no": 0}).to_arrays(
        "share_of_variance"
    )
    assert [
        row["roi_no"] for row in energies if row["session_id"] == of_measured["session_id"]
    ] == [0, 1]
    assert energies[0]["share_of_ten"] == pytest.approx(sum(map(float, shares)))
    (pupil,) = query("AS seen_percent")
    assert pupil["seen_percent"] == pytest.approx(100 * (1 - 4 / N_FRAMES))
    (lick,) = query("AS after_lick_s")
    assert lick["after_lick_s"] == pytest.approx(LONG_BOUT["onset_s"] - 0.9)
    assert (lick["bout_mean_hz"], lick["component_index"]) == (10.0, 0)
    (long,) = [row for row in query("AND bout_mean_hz > 8") if row["session_id"] == 1]
    assert long["onset_s"] == LONG_BOUT["onset_s"] and not long["is_cut"]
    often = [row for row in query("AS n\nJOIN") if row["session_id"] == 1]
    assert len(often) == len(fbe.RhythmBout.Component & processed)
    (blinks,) = query("AS blinks_per_minute")
    assert blinks["blinks_per_minute"] == pytest.approx(
        60 * N_BLINKS / (N_FRAMES / FRAME_RATE_HZ), rel=0.02
    )
