"""The queries of the documentation and of the demo on a filled database: times and plans."""

from __future__ import annotations

import json
import re
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.filled_database import FilledDatabase
from benchmarks.sql_page import page_queries

_INDEX = re.compile(r"(?:using|Index(?: Only)? Scan using|Bitmap Index Scan on) \"?([\w~#]+)")
_QUALIFIED = re.compile(r"scale\w+\.(?:\w+\.)?")  # schema and table before the name of a column
_SCAN = re.compile(r"(?:Table scan on|Seq Scan on) \"?([\w~#]+)")


@dataclass(frozen=True)
class Query:
    """What is asked, and the SQL that asks it."""

    asks: str
    sql: str


def measure_queries(database: FilledDatabase, rounds: int) -> list[dict[str, Any]]:
    """Ask everything, each query once to warm up and then `rounds` times."""
    return [measure_query(database, query, rounds) for query in all_queries(database)]


def all_queries(database: FilledDatabase) -> Iterator[Query]:
    """Yield the queries of the page for this kind of server, then those of the demo."""
    from element_facerhythm.demo.questions import ask_everything

    backend = "postgresql" if database.postgresql else "mysql"
    for asks, sql in page_queries(backend):
        text = sql.strip().removesuffix(";")
        yield Query(asks, text.replace("facerhythm_", database.workflow.prefix))
    key = {"subject": "mouse1", "session_id": 1, "recording_id": 0, "paramset_id": 0, "roi_id": 0}
    for answer in ask_everything(database.workflow.facial_behavior_estimation, key):
        yield Query(f"demo: {answer.question}", answer.sql)


def measure_query(database: FilledDatabase, query: Query, rounds: int) -> dict[str, Any]:
    """Time one query, rows fetched, and look at its plan."""
    connection = database.connection
    n_rows = len(connection.query(query.sql).fetchall())
    milliseconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        connection.query(query.sql).fetchall()
        milliseconds.append(1000 * (time.perf_counter() - started))
    plan = explain(database, query.sql)
    return {
        "asks": query.asks, "n_rows": n_rows, "median_ms": statistics.median(milliseconds),
        "max_ms": max(milliseconds), "indices": list(dict.fromkeys(_INDEX.findall(plan))),
        "full_scans": list(dict.fromkeys(_SCAN.findall(plan))),
        "plan": [_QUALIFIED.sub("", line) for line in plan.splitlines()],
    }  # fmt: skip


def explain(database: FilledDatabase, sql: str) -> str:
    """Plan of a query in the server's own words."""
    if database.postgresql:
        rows = database.connection.query(f"EXPLAIN (COSTS OFF) {sql}").fetchall()
        return "\n".join(row[0] for row in rows)
    version = database.connection.query("SELECT version()").fetchone()[0]
    if "MariaDB" in version:
        plan = database.connection.query(f"EXPLAIN FORMAT=JSON {sql}").fetchone()[0]
        return json.dumps(json.loads(plan), indent=1)
    return str(database.connection.query(f"EXPLAIN FORMAT=TREE {sql}").fetchone()[0])
