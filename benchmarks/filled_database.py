"""A database filled with generated rows, as if many recordings had been analysed.

The rows go through the real declarations: foreign keys, types and indices are those of the package. They are
made on the server, by ``INSERT ... SELECT`` from a series of numbers, so that a million take seconds.
Recording number *n* is recording *n* mod 2 of session *n* / 2 mod 20 + 1 of subject ``mouse<n / 40 + 1>``.

A recording has ten videos, a model of ten components for each, 300 points, fifteen body parts, one finished
analysis (parameter set 0) and one that waits (parameter set 1). In three tables that no query of the
documentation reads, and that would need tens of gigabytes, only every hundredth recording has rows; pairs of
components and body parts are there for every twentieth.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from types import ModuleType
from typing import Any

from benchmarks.filled_values import Rows, Shape

RECORDINGS_PER_SESSION = 2
SESSIONS_PER_SUBJECT = 20
RECORDINGS_PER_STATEMENT = 500


class FilledDatabase:
    """The schemas of a workflow, to be filled with more and more recordings.

    Parameters
    ----------
    workflow : module
        `element_facerhythm.workflow`, activated under a prefix that nobody else uses.
    shape : Shape
        How many rows a recording has.
    """

    def __init__(self, workflow: ModuleType, shape: Shape) -> None:
        self.workflow = workflow
        self.shape = shape
        self.n_recordings = 0
        self.connection = workflow.dj.conn()
        self.postgresql = workflow.dj.config.database.backend == "postgresql"
        self.scratch = workflow.dj.Schema(f"{workflow.prefix}generator")
        self.numbers, self.recordings = self._declare_generator()
        self._enter_once()

    def fill(self, n_recordings: int) -> dict[str, int]:
        """Add recordings up to a number; return rows added per table."""
        first, added = self.n_recordings, {}
        self._enter_recordings(range(first, n_recordings))
        for rows in self._all_rows():
            name = table_name(rows.table)
            added[name] = added.get(name, 0) + sum(
                self._insert(rows, start, min(start + RECORDINGS_PER_STATEMENT, n_recordings))
                for start in range(first, n_recordings, RECORDINGS_PER_STATEMENT)
            )
        self.n_recordings = n_recordings
        self._analyse()
        return added

    def drop(self) -> None:
        """Drop all schemas under the prefix, whatever else the workflow activates among them."""
        w = self.workflow
        known = [w.keypoint_inference, w.facial_behavior_estimation, w.session, w.subject, w.lab]
        modules = [
            m for m in vars(w).values() if isinstance(m, ModuleType) and hasattr(m, "schema")
        ]
        for module in (*(m for m in modules if m not in known), *known):
            if str(module.schema.database).startswith(w.prefix):
                module.schema.drop(prompt=False)
        self.scratch.drop(prompt=False)

    # -------------------------------------------------------------- what exists once

    def _declare_generator(self) -> tuple[Any, Any]:
        dj = self.workflow.dj

        @self.scratch
        class Number(dj.Lookup):
            definition = "number : int64"

        @self.scratch
        class Recording(dj.Manual):
            definition = """
            number : int64
            ---
            subject : varchar(8)
            session_id : int32
            recording_id : int32
            """

        Number.insert(
            [{"number": n} for n in range(self.shape.largest_count)], skip_duplicates=True
        )
        return Number, Recording

    def _enter_once(self) -> None:
        w = self.workflow
        for number, rank in enumerate((10, 20, 6)):
            parameters = {"TCA": {"fit": {"params_method": {"rank": rank}}}}
            w.facial_behavior_estimation.FaceRhythmParamSet.insert_new_params(
                number, f"{rank} components", parameters
            )
        w.keypoint_inference.KeypointModel.insert_new_model(0, "generated", "predictions only")
        w.Device.insert1({"device": "face camera", "modality": "video"}, skip_duplicates=True)

    def _enter_recordings(self, numbers: range) -> None:
        """Subjects, sessions and recordings, and which number each recording has."""
        w = self.workflow
        keys = [recording_key(number) for number in numbers]
        subjects = dict.fromkeys(key["subject"] for key in keys)
        w.Subject.insert(
            [{"subject": s, "sex": "U", "subject_birth_date": date(2026, 1, 1)} for s in subjects],
            skip_duplicates=True,
        )
        sessions = dict.fromkeys((key["subject"], key["session_id"]) for key in keys)
        start = datetime(2026, 3, 1, 9)
        w.Session.insert(
            [
                {"subject": s, "session_id": i, "session_datetime": start + timedelta(days=i)}
                for s, i in sessions
            ],
            skip_duplicates=True,
        )
        w.facial_behavior_estimation.VideoRecording.insert(
            [{**key, "device": "face camera"} for key in keys]
        )
        self.recordings.insert([{"number": n, **recording_key(n)} for n in numbers])

    # -------------------------------------------------------------- rows made on the server

    def _insert(self, rows: Rows, first: int, stop: int) -> int:
        sources = [f"{self.recordings.full_table_name} AS r"]
        conditions = [f"r.number >= {first}", f"r.number < {stop}"]
        if rows.where:
            conditions.append(rows.where)
        for alias, length in rows.series.items():
            sources.append(
                f"JOIN {self.numbers.full_table_name} AS {alias} ON {alias}.number < {length}"
            )
        columns = {f: f"r.{f}" for f in ("subject", "session_id", "recording_id")}
        columns.update(rows.columns)
        cursor = self.connection.query(
            f"INSERT INTO {rows.table.full_table_name} ({', '.join(columns)}) "
            f"SELECT {', '.join(columns.values())} FROM {' '.join(sources)} "
            f"WHERE {' AND '.join(conditions)}",
            args=rows.args or None,
        )
        return int(cursor.rowcount)

    def _all_rows(self) -> Iterator[Rows]:
        from benchmarks.filled_tables import keypoint_rows, queue_rows, recording_rows, result_rows

        w, shape = self.workflow, self.shape
        json = (lambda text: f"CAST({text} AS jsonb)") if self.postgresql else str
        yield from recording_rows(w.facial_behavior_estimation, shape, json)
        yield from result_rows(w.facial_behavior_estimation, shape, json)
        yield from keypoint_rows(w.keypoint_inference, shape, json)
        yield from queue_rows(w.facial_behavior_estimation)

    def _analyse(self) -> None:
        """Let the server renew what its planner knows of the tables, as it does by itself in time."""
        if self.postgresql:
            self.connection.query("ANALYZE")
            return
        for table in all_tables(self.workflow):
            self.connection.query(f"ANALYZE TABLE {table.full_table_name}").fetchall()


def recording_key(number: int) -> dict[str, Any]:
    """Primary key of a recording by its number."""
    session, recording_id = divmod(number, RECORDINGS_PER_SESSION)
    subject, session_id = divmod(session, SESSIONS_PER_SUBJECT)
    return {
        "subject": f"mouse{subject + 1}",
        "session_id": session_id + 1,
        "recording_id": recording_id,
    }


def all_tables(workflow: ModuleType) -> list[Any]:
    """Return every table and part of both schemas, and the queues that exist."""
    dj = workflow.dj
    modules = (workflow.facial_behavior_estimation, workflow.keypoint_inference)
    masters = [
        v for m in modules for n, v in vars(m).items() if n in m.__all__ and _is_table(dj, v)
    ]
    parts = [
        p for m in masters for p in vars(m).values() if _is_table(dj, p) and issubclass(p, dj.Part)
    ]
    return [*masters, *parts]


def _is_table(dj: ModuleType, value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, dj.Table)


def table_name(table: Any) -> str:
    """Name of a table as people write it: `FacialRhythm.Component`; of a queue, whose it is."""
    if not isinstance(table, type):
        return f"queue of {type(table.target).__name__}"
    master = getattr(table, "master", None)
    return f"{master.__name__}.{table.__name__}" if isinstance(master, type) else table.__name__
