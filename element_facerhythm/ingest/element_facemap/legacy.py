"""Schemas of Element Facemap as DataJoint 0.14 wrote them, read by plain SELECTs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.errors import ConfigurationError, RequestError

Row = dict[str, Any]

RECORDINGS_TABLES = {"video_recording", "video_recording__file", "facemap_task"}
INFERENCE_TABLES = {"facemap_model", "facemap_model__file", "facemap_inference_task"}


@dataclass(frozen=True)
class LegacySchemas:
    """Names of the two schemas; there is no second one before Element Facemap 0.2."""

    recordings: str
    inference: str | None


def find_schemas(
    connection: Any, names: Sequence[str] = (), prefix: str | None = None
) -> LegacySchemas:
    """Find Element Facemap's schemas on the server.

    Parameters
    ----------
    connection
        DataJoint's, to a MySQL or MariaDB.
    names
        Of the schemas to search.
    prefix
        Beginning of their names, in the place of names.

    Raises
    ------
    RequestError
        Neither names nor a prefix are given, or both; the server is none that DataJoint 0.14 wrote to; or the
        schemas have no such tables, or have them twice.
    """
    if connection.adapter.backend != "mysql":
        raise RequestError(
            "DataJoint 0.14 wrote to MySQL and MariaDB only: configure the server that holds Element "
            "Facemap's schemas (DJ_HOST, DJ_BACKEND=mysql)"
        )
    if bool(names) == (prefix is not None):
        raise RequestError(
            "say which schemas to read: their names, or the beginning of their names"
        )
    tables: dict[str, set[str]] = {}
    for schema, table in connection.query(
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
    ).fetchall():
        tables.setdefault(str(schema), set()).add(str(table))
    missing = [name for name in names if name not in tables]
    if missing:
        raise RequestError(
            f"there is no schema {', '.join(missing)} on this server that {_user()} may read; check the name"
        )
    looked_at = list(names) or sorted(name for name in tables if name.startswith(prefix or ""))
    recordings = [name for name in looked_at if tables[name] >= RECORDINGS_TABLES]
    inference = [name for name in looked_at if tables[name] >= INFERENCE_TABLES]
    if len(recordings) != 1 or len(inference) > 1:
        where = ", ".join(names) or f"schemas that begin with {prefix!r}"
        raise RequestError(
            f"{where}: expected one schema with Element Facemap's recordings (tables "
            f"{', '.join(sorted(RECORDINGS_TABLES))}) and at most one with its models, and found "
            f"{', '.join(recordings) or 'none'} and {', '.join(inference) or 'none'}; name them with --from"
        )
    return LegacySchemas(recordings[0], next(iter(inference), None))


@dataclass(frozen=True)
class LegacyTables:
    """Reads the rows of the two schemas.

    Attributes
    ----------
    connection
        DataJoint's.
    schemas
        Names.
    """

    connection: Any
    schemas: LegacySchemas

    def recordings(self) -> list[Row]:
        """Rows of Element Facemap's `VideoRecording`."""
        return self._rows(self.schemas.recordings, "video_recording")

    def files(self) -> list[Row]:
        """Rows of Element Facemap's `VideoRecording.File`, those of a recording in order."""
        return self._rows(self.schemas.recordings, "video_recording__file")

    def signal_tasks(self) -> list[Row]:
        """Rows of Element Facemap's `FacemapTask`."""
        return self._rows(self.schemas.recordings, "facemap_task")

    def models(self) -> list[Row]:
        """Rows of Element Facemap's `FacemapModel`."""
        return self._inference_rows("facemap_model")

    def model_parts(self) -> list[Row]:
        """Rows of Element Facemap's `FacemapModel.BodyPart`."""
        return self._inference_rows("facemap_model__body_part")

    def model_file(self, model_id: int) -> Row | None:
        """Row of Element Facemap's `FacemapModel.File` for one model; None where it has none."""
        rows = self._inference_rows("facemap_model__file", {"model_id": model_id})
        return next(iter(rows), None)

    def inference_tasks(self) -> list[Row]:
        """Rows of Element Facemap's `FacemapInferenceTask`."""
        return self._inference_rows("facemap_inference_task")

    def weights_are_attached(self) -> bool:
        """Whether the weights are in the database itself, and not in a store of files."""
        if self.schemas.inference is None:
            return True
        (kind,) = self.connection.query(
            "SELECT data_type FROM information_schema.columns "
            "WHERE table_schema = %s AND table_name = 'facemap_model__file' AND column_name = 'model_file'",
            args=(self.schemas.inference,),
        ).fetchone()
        return str(kind).lower().endswith("blob")

    def session_key(self) -> list[str]:
        """Columns that identify a session there."""
        return [n for n in self._primary_key("video_recording") if n != "recording_id"]

    def device_columns(self) -> list[str]:
        """Columns of a recording that are no key: those that identify its camera."""
        rows = self.connection.query(
            "SELECT column_name FROM information_schema.columns "
            "WHERE table_schema = %s AND table_name = 'video_recording' ORDER BY ordinal_position",
            args=(self.schemas.recordings,),
        ).fetchall()
        key = self._primary_key("video_recording")
        return [str(name) for (name,) in rows if name not in key]

    def _primary_key(self, table: str) -> list[str]:
        rows = self.connection.query(
            "SELECT column_name FROM information_schema.key_column_usage WHERE table_schema = %s "
            "AND table_name = %s AND constraint_name = 'PRIMARY' ORDER BY ordinal_position",
            args=(self.schemas.recordings, table),
        ).fetchall()
        return [str(name) for (name,) in rows]

    def _inference_rows(self, table: str, where: Mapping[str, Any] | None = None) -> list[Row]:
        return (
            []
            if self.schemas.inference is None
            else self._rows(self.schemas.inference, table, where)
        )

    def _rows(self, schema: str, table: str, where: Mapping[str, Any] | None = None) -> list[Row]:
        full_name = self.connection.adapter.make_full_table_name(schema, table)
        condition = " AND ".join(f"`{name}` = %s" for name in where or ())
        statement = f"SELECT * FROM {full_name}" + (f" WHERE {condition}" if condition else "")
        try:
            rows = self.connection.query(
                statement, args=tuple((where or {}).values()), as_dict=True
            ).fetchall()
        except import_datajoint().errors.AccessError as error:
            raise ConfigurationError(
                f"{_user()} may not read {full_name}: grant SELECT on {schema} to import from it"
            ) from error
        return [dict(row) for row in rows]


def _user() -> str:
    return f"the account {import_datajoint().config.database.user}"
