"""The tables as Parquet: every value is the database's, and only what changed is written again."""

import json
import tracemalloc
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet
import pytest

from element_facerhythm import __version__

Key = dict[str, Any]


def export(workflow: ModuleType, directory: Path, **options: Any) -> Any:
    """Export every table of the pipeline; gives the reports by the name of the table."""
    from element_facerhythm.active_pipeline import Access, end_reading, open_pipeline
    from element_facerhythm.database.lake import export_lake

    pipeline = open_pipeline(Access.READ)
    try:
        report = export_lake(
            directory,
            pipeline.schemas,
            own=pipeline.own_schemas,
            session=pipeline.link.session,
            further=(pipeline.link.session, pipeline.link.device),
            **options,
        )
    finally:
        end_reading()
    return {table.name.partition(".")[2]: table for table in report.tables}


def views(directory: Path) -> Any:
    """A connection of DuckDB with the views of a lake."""
    connection = duckdb.connect()
    connection.execute(f"SET file_search_path = '{directory}'")
    connection.execute((directory / "lake.sql").read_text())
    return connection


@pytest.fixture
def lab(workflow: ModuleType) -> Iterator[tuple[Any, Any]]:
    """A schema of a lab with a table of every type; it is dropped afterwards."""
    dj = workflow.dj
    schema = dj.Schema(f"{workflow.prefix}types")

    @schema
    class Day(dj.Manual):
        definition = """
        animal  : varchar(16)
        day     : date
        ---
        depth   : decimal(6,3)   # mm
        volume  : decimal(5,1)
        sex     : enum('F', 'M')
        tag=null : uuid
        at      : datetime       # on the wall
        is_lit=null : bool
        n_small : int16
        n_large : int64
        ratio   : float32
        mean    : float64
        notes   : varchar(100)
        extra=null   : json
        anything=null : <blob>
        """

    yield schema, Day
    schema.drop(prompt=False)


ROW = {
    "animal": "a b/ä=1%2F", "day": date(2026, 3, 1), "depth": Decimal("-12.345"), "volume": Decimal("0.1"),
    "sex": "M", "at": datetime(2026, 3, 1, 9, 30, 1), "is_lit": True,
    "n_small": -3, "n_large": 2**62, "ratio": 0.25, "mean": 0.1, "notes": "'quoted\", é",
    "extra": {"a": [1, 2.5, None]}, "anything": {"of": "a lab"},
}  # fmt: skip


def export_lab(lab: tuple[Any, Any], directory: Path, **options: Any) -> Any:
    from element_facerhythm.database.lake import export_lake

    schema, day = lab
    (report,) = export_lake(directory, (schema,), own=(), session=day, **options).tables
    return report


def test_every_array_and_number_is_the_databases(
    workflow: ModuleType, processed: Key, measured: Key, fbe: ModuleType, tmp_path: Path
) -> None:
    reports = export(workflow, tmp_path)
    lake = views(tmp_path)
    n_arrays = 0
    for table in (
        fbe.FacialRhythm, fbe.FacialRhythm.Video, fbe.FacialRhythm.Component,
        fbe.FacialRhythm.ComponentFactor, fbe.FacialRhythm.Quality, fbe.RecordingInfo,
        fbe.FaceRhythmProcessing, fbe.FacialSignal.Region,
    ):  # fmt: skip
        columns = table.heading.attributes
        expected, found = (
            sorted(rows, key=lambda row: [str(row[name]) for name in table.primary_key])
            for rows in (table.to_dicts(), read(lake, table, "1"))
        )
        assert len(found) == len(expected) == reports[table.table_name].n_rows > 0
        for row, other in zip(expected, found, strict=True):
            for name, value in other.items():
                if isinstance(row[name], np.ndarray) and columns[name].codec.name == "blob":
                    n_arrays += 1
                    assert np.array_equal(row[name], np.array(value, row[name].dtype)), name
                elif columns[name].codec is not None:  # where an array lies in a file
                    assert value is None or json.loads(value)["dataset"]
                elif columns[name].json:
                    assert row[name] == (None if value is None else json.loads(value))
                else:
                    assert row[name] == value, name
    assert n_arrays > 10
    factor = read(lake, fbe.FacialRhythm.ComponentFactor, "1", "typeof(loadings) AS kind")
    assert factor[0] == {"kind": "FLOAT[]"}
    assert list(reports["__facial_rhythm_report__figure"].left_out) == ["figure_content"]


def read(lake: Any, table: Any, order: str, what: str = "*") -> list[dict[str, Any]]:
    """Rows of a table, as DuckDB reads them."""
    name = f'"{table.database}"."{table.table_name}"'
    found = lake.execute(f"SELECT {what} FROM {name} ORDER BY {order}")
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_types_are_kept(lab: tuple[Any, Any], tmp_path: Path) -> None:
    day, tag = lab[1], uuid.UUID(int=2**127 + 5)
    day.insert1(ROW)
    # types of a lab's own tables, which DataJoint does not declare
    instant, on_mysql = datetime(2026, 3, 1, 8, 30, tzinfo=UTC), is_mysql(day)
    change = f"ALTER TABLE {day.full_table_name} ADD {{}}"
    day.connection.query(change.format("stamp timestamp NULL" if on_mysql else "stamp timestamptz"))
    day.connection.query(change.format("of_day time NULL"))
    stamp = f"FROM_UNIXTIME({instant.timestamp()})" if on_mysql else f"'{instant.isoformat()}'"
    day.connection.query(f"UPDATE {day.full_table_name} SET stamp = {stamp}, of_day = '09:30:05'")
    # DataJoint 2.3 enters no uuid on PostgreSQL
    stored = tag.bytes if on_mysql else str(tag)
    day.connection.query(f"UPDATE {day.full_table_name} SET tag = %s", args=(stored,))
    report = export_lab(lab, tmp_path)
    assert (report.n_rows, report.new, list(report.left_out)) == (1, 1, ["anything"])
    (row,) = read(views(tmp_path), day, "day")
    assert [row.pop(n) for n in ("tag", "stamp", "of_day")] == [tag, instant, time(9, 30, 5)]
    assert json.loads(row.pop("extra")) == ROW["extra"]
    assert row == {name: ROW[name] for name in row}
    assert [row[name].as_tuple().exponent for name in ("depth", "volume")] == [-3, -1]
    (file,) = tmp_path.rglob("*.parquet")
    schema = pyarrow.parquet.read_schema(file)
    assert schema.field("depth").type == pyarrow.decimal128(6, 3)
    assert schema.field("ratio").type == pyarrow.float32()
    assert schema.field("depth").metadata == {b"declared": b"decimal(6,3)", b"comment": b"mm"}
    assert schema.field("at").metadata[b"clock"] == b"as entered"
    lake = json.loads((tmp_path / "lake.json").read_text())
    assert (lake["schema_version"], lake["package_version"]) == (2, __version__)
    assert lake["completed_utc"] >= lake["started_utc"]


def is_mysql(table: Any) -> bool:
    return bool(table.connection.adapter.backend == "mysql")


def test_only_what_changed_is_written(lab: tuple[Any, Any], tmp_path: Path) -> None:
    _, day = lab
    days = [{**ROW, "animal": animal, "day": date(2026, 3, n)} for animal in "ab" for n in (1, 2)]
    day.insert(days)
    assert export_lab(lab, tmp_path).new == 4
    before = {path: path.stat().st_ino for path in tmp_path.rglob("*.parquet")}
    digest = json.loads((tmp_path / "lake.json").read_text())["tables"]
    again = export_lab(lab, tmp_path)
    assert (again.new, again.changed, again.unchanged) == (0, 0, 4)
    assert {path: path.stat().st_ino for path in before} == before
    assert json.loads((tmp_path / "lake.json").read_text())["tables"] == digest

    day.update1({"animal": "a", "day": date(2026, 3, 2), "notes": "other"})
    (day & {"animal": "b"}).delete(prompt=False)
    told = export_lab(lab, tmp_path)
    assert (told.changed, told.unchanged) == (1, 1)
    assert told.deleted == [f"animal=b/day=2026-03-0{n}/rows.parquet" for n in (1, 2)]
    rows = read(views(tmp_path), day, "animal, day")
    assert [row["notes"] for row in rows] == [ROW["notes"], "other", ROW["notes"], ROW["notes"]]

    gone = export_lab(lab, tmp_path, prune=True)
    assert gone.deleted == told.deleted
    assert len(read(views(tmp_path), day, "day")) == 2
    assert not list(tmp_path.rglob("animal=b"))
    day.delete(prompt=False)
    export_lab(lab, tmp_path, prune=True)
    assert read(views(tmp_path), day, "day") == []  # a view without a file has its columns
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_damaged_file_is_written_again(lab: tuple[Any, Any], tmp_path: Path) -> None:
    lab[1].insert1(ROW)
    export_lab(lab, tmp_path)
    (file,) = tmp_path.rglob("*.parquet")
    file.write_bytes(file.read_bytes()[:-20])
    (file.parent / ".rows.parquet.0123abcd.part").write_bytes(b"of a killed export")
    assert export_lab(lab, tmp_path).changed == 1
    assert [path.name for path in file.parent.iterdir()] == ["rows.parquet"]
    assert len(read(views(tmp_path), lab[1], "day")) == 1


def test_an_interrupted_export_leaves_a_lake_that_can_be_read(
    lab: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from element_facerhythm.database.lake import files

    _, day = lab
    day.insert({**ROW, "day": date(2026, 3, n)} for n in (1, 2, 3))
    export_lab(lab, tmp_path)
    for key in day().keys():  # noqa: SIM118  a table is no mapping
        day.update1({**key, "notes": "later"})
    write, n_written = files.KeyFile.close, []

    def close(file: Any) -> tuple[str, str]:
        if n_written:
            file._write()  # its temporary file is begun
            raise KeyboardInterrupt
        n_written.append(write(file))
        return n_written[-1]

    with monkeypatch.context() as patch:
        patch.setattr(files.KeyFile, "close", close)
        with pytest.raises(KeyboardInterrupt):
            export_lab(lab, tmp_path)
    assert not list(tmp_path.rglob("*.part"))
    rows = read(views(tmp_path), day, "day")
    assert [row["notes"] for row in rows] == ["later", ROW["notes"], ROW["notes"]]
    assert json.loads((tmp_path / "lake.json").read_text())["completed_utc"] is None
    done = export_lab(lab, tmp_path)
    assert (done.changed, done.unchanged) == (2, 1)


def test_memory_does_not_grow_with_the_rows(
    lab: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from element_facerhythm.database.lake import export_lake, files

    schema, day = lab
    dj, n_rows = day.connection, 60_000
    point = f"{dj.adapter.quote_identifier(schema.database)}.point"
    dj.query(
        f"CREATE TABLE {point} (number bigint PRIMARY KEY, x double precision, word varchar(32))"
    )
    digits = " UNION ALL ".join(f"SELECT {n} AS n" for n in range(10))
    joined = ", ".join(f"({digits}) AS d{power}" for power in range(5))
    number = " + ".join(f"{10**power} * d{power}.n" for power in range(5))
    dj.query(
        f"INSERT INTO {point} SELECT number, number / 7.0, CONCAT('word ', number) "
        f"FROM (SELECT 1 + {number} AS number FROM {joined}) AS numbers WHERE number <= {n_rows}"
    )
    monkeypatch.setattr(files, "MOST_PENDING_BYTES", 500_000)
    tracemalloc.start()
    reports = export_lake(tmp_path / "lake", (schema,), own=(), session=day).tables
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert {r.name.rpartition(".")[2]: r.n_rows for r in reports}["point"] == n_rows
    assert peak < 8_000_000  # the rows as Python has them are ten times as large
    (file,) = (tmp_path / "lake").rglob("point/*.parquet")
    assert pyarrow.parquet.ParquetFile(file).num_row_groups > 2
    lake = views(tmp_path / "lake")
    sums = lake.execute(f'SELECT SUM(number), MAX(x) FROM "{schema.database}".point').fetchone()
    assert sums == (n_rows * (n_rows + 1) // 2, pytest.approx(n_rows / 7, rel=1e-4))


def test_what_is_no_lake_of_this_database_is_refused(
    lab: tuple[Any, Any], tmp_path: Path, facerhythm: Callable[..., Any]
) -> None:
    from element_facerhythm.database.lake.directory import locked_lake
    from element_facerhythm.errors import RequestError

    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.docx").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name, what in (
        ("full", "neither empty nor a lake: it holds thesis.docx"),
        ("file", "is a file"),
    ):
        refused = facerhythm("export", "lake", tmp_path / name)
        assert refused.code == 2
        assert what in refused.err
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.docx"]

    export_lab(lab, tmp_path / "lake")
    path = tmp_path / "lake" / "lake.json"
    lake = json.loads(path.read_text())
    for changed, what in (
        ({"server": "another"}, "another database server"),
        ({"format_version": 2}, "format version 2"),
        ({"format": "other"}, "no lake"),
    ):
        path.write_text(json.dumps(lake | changed))
        with pytest.raises(RequestError, match=what):
            export_lab(lab, tmp_path / "lake")
    path.write_text(json.dumps(lake))
    with locked_lake(tmp_path / "lake"), pytest.raises(RequestError, match="another export"):
        export_lab(lab, tmp_path / "lake")


def test_the_command_tells_what_it_did(
    processed: Key, tmp_path: Path, facerhythm: Callable[..., Any]
) -> None:
    first = facerhythm("export", "lake", tmp_path / "lake", "--json")
    assert first.code == 0, first.err
    again = facerhythm("export", "lake", tmp_path / "lake")
    assert again.code == 0, again.err
    assert json.loads(first.out)["gone"] == []
    assert "duckdb -init lake.sql" in again.out
    assert "figure_content" in again.out
    tables = {t["name"].partition(".")[2]: t for t in json.loads(first.out)["tables"]}
    assert tables["_facial_rhythm__component"]["n_rows"] >= 3
