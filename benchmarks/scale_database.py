"""Queries, `status` and the queue on databases of 1,000, 10,000 and more recordings.

``python -m benchmarks.scale_database [--recordings 1000 10000] [--rounds 5] [--quick]`` fills schemas under a
prefix of their own on the configured database server (``DJ_HOST`` ...), measures at each size, and drops
them. Without a configured server an embedded PostgreSQL of its own serves. `benchmarks.filled_database` says
what a recording has.

Measured are every query of ``docs/reference/sql.md`` and of the demo, with the server's own plan, warm,
median of the rounds; counting for ``facerhythm status``, in this process and as a command; the queue, for a
job whose analysis takes no time; and what tables and indices take on disk.
"""

from __future__ import annotations

import argparse
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.common import run_child, write_result
from benchmarks.filled_database import FilledDatabase, all_tables, table_name
from benchmarks.filled_values import SMALL, Shape
from benchmarks.scale_queries import measure_queries
from benchmarks.scale_queue import measure_queue

N_RECORDINGS = (1_000, 10_000)


def main() -> None:
    """Fill, measure, and write the result after each size."""
    options = _options()
    sizes = [20, 40] if options.quick else sorted(options.recordings)
    rounds = 1 if options.quick else options.rounds
    with configured_database(), own_workflow() as workflow:
        database = FilledDatabase(workflow, SMALL if options.quick else Shape())
        try:
            result = {
                "server": server_version(workflow),
                "buffer_pool_mb": buffer_pool_mb(database),
                "shape": vars(database.shape),
                "sizes": [],
            }
            for n_recordings in sizes:
                result["sizes"].append(measure(database, n_recordings, rounds))
                report(result["sizes"][-1])
                path = write_result("scale_database", result)
        finally:
            database.drop()
    print(path)


@contextmanager
def configured_database() -> Iterator[None]:
    """Have a server: the configured one, else an embedded PostgreSQL that nobody else uses."""
    from element_facerhythm.database import embedded

    if embedded.database_is_configured():
        yield
        return
    with tempfile.TemporaryDirectory(prefix="facerhythm-scale-") as directory:
        os.environ["FACERHYTHM_EMBEDDED_DIR"] = str(Path(directory) / "server")
        try:
            yield
        finally:
            embedded.destroy()


@contextmanager
def own_workflow() -> Iterator[ModuleType]:
    """Activate the workflow under a prefix of its own, with directories of its own."""
    with tempfile.TemporaryDirectory(prefix="facerhythm-scale-") as directory:
        os.environ["FACERHYTHM_DB_PREFIX"] = f"scale{secrets.token_hex(3)}_"
        os.environ["FACERHYTHM_ROOT_DATA_DIR"] = directory
        os.environ["FACERHYTHM_PROCESSED_DATA_DIR"] = directory
        os.environ.setdefault("DJ_LOG_LEVEL", "WARNING")
        from element_facerhythm.cli.database_access import hold_back_job_table_remarks

        hold_back_job_table_remarks()
        from element_facerhythm import workflow

        workflow.dj.config.safemode = False
        yield workflow


def server_version(workflow: ModuleType) -> str:
    """Kind and version of the server."""
    version = workflow.dj.conn().query("SELECT version()").fetchone()[0].split(" on ")[0]
    return version if "PostgreSQL" in version or "Maria" in version else f"MySQL {version}"


def buffer_pool_mb(database: FilledDatabase) -> float:
    """Memory that the server keeps pages of tables in."""
    if database.postgresql:
        query = "SELECT setting::bigint * 8192 FROM pg_settings WHERE name = 'shared_buffers'"
    else:
        query = "SELECT @@innodb_buffer_pool_size"
    return float(database.connection.query(query).fetchone()[0]) / 2**20


def measure(database: FilledDatabase, n_recordings: int, rounds: int) -> dict[str, Any]:
    """Fill up to a number of recordings, and measure."""
    started = time.perf_counter()
    database.fill(n_recordings)
    filled_s = time.perf_counter() - started
    return {
        "n_recordings": n_recordings,
        "filling_s": filled_s,
        "tables": measure_disk(database),
        "queries": measure_queries(database, rounds),
        "status": measure_status(database.workflow, rounds),
        "queue": measure_queue(database, rounds),
    }


def measure_disk(database: FilledDatabase) -> dict[str, dict[str, float]]:
    """Rows and bytes of each table with its indices, and bytes per row."""
    sizes = {}
    if server_version(database.workflow).startswith("MySQL"):
        database.connection.query("SET SESSION information_schema_stats_expiry = 0")
    queues = [table.jobs for table in database.workflow.POPULATED]
    for table in (*all_tables(database.workflow), *queues):
        instance = table() if isinstance(table, type) else table
        n_rows = instance.connection.query(
            f"SELECT COUNT(*) FROM {instance.full_table_name}"
        ).fetchone()[0]
        n_bytes = bytes_on_disk(database, instance)
        sizes[table_name(table)] = {
            "n_rows": int(n_rows), "bytes": n_bytes, "bytes_per_row": n_bytes / max(n_rows, 1),
        }  # fmt: skip
    return sizes


def bytes_on_disk(database: FilledDatabase, instance: Any) -> int:
    """Bytes that a table takes with its indices, as the server counts them."""
    if database.postgresql:
        query, args = "SELECT pg_total_relation_size(%s)", (instance.full_table_name,)
    else:
        # Debian's MySQL and MariaDB both keep one file for each table
        query = (
            "SELECT DATA_LENGTH + INDEX_LENGTH FROM information_schema.TABLES "
            "WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s"
        )
        args = (instance.database, instance.table_name)
    return int(database.connection.query(query, args=args).fetchone()[0])


def measure_status(workflow: ModuleType, rounds: int) -> dict[str, Any]:
    """Time `facerhythm status --json` as a command, and its counting in this process."""
    from element_facerhythm.fleet.key_counts import count_keys

    command = [
        sys.executable,
        "-c",
        "from element_facerhythm.cli import main; main()",
        "status",
        "--json",
    ]
    runs = [run_child(command) for _ in range(rounds)]
    tables = workflow.POPULATED
    counts = {table.__name__: vars(count_keys(table)) for table in tables}
    return {
        "command_s": statistics.median(run.wall_s for run in runs),
        "command_cpu_s": statistics.median(run.cpu_s for run in runs),
        "count_keys_s": median_seconds(lambda: [count_keys(table) for table in tables], rounds),
        "progress_s": median_seconds(lambda: [table().progress() for table in tables], rounds),
        "counts": counts,
    }


def median_seconds(run: Callable[[], Any], rounds: int) -> float:
    """Median time of a call, after one that is not timed."""
    run()
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def report(size: Mapping[str, Any]) -> None:
    """Print what was measured at one size."""
    print(f"\n{size['n_recordings']:,} recordings, filled in {size['filling_s']:.0f} s")
    for query in size["queries"]:
        print(f"  {query['median_ms']:8.1f} ms  {query['n_rows']:7,} rows  {query['asks']}")
    status, queue = size["status"], size["queue"]
    print(
        f"  status {status['command_s']:.2f} s, {status['command_cpu_s']:.2f} s of it on a processor; "
        f"count_keys {status['count_keys_s']:.3f} s, progress() {status['progress_s']:.3f} s"
    )
    for name, value in queue.items():
        print(f"  queue: {name} {value:,.2f}")
    print(f"  on disk: {sum(t['bytes'] for t in size['tables'].values()) / 1e9:.2f} GB", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale_database", description=__doc__
    )
    parser.add_argument("--recordings", type=int, nargs="+", default=list(N_RECORDINGS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="40 recordings, one round")
    return parser.parse_args()


if __name__ == "__main__":
    main()
