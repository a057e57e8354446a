"""Columns of a table in a lake: their types in Parquet, how they are selected, what becomes of a value."""

import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.database.lake.arrow import import_pyarrow
from element_facerhythm.errors import ProcessingError

_MOST_DIGITS = 38  # of a decimal, in Parquet's 128 bits and in DuckDB
_KINDS: tuple[tuple[str, str], ...] = (
    (r"bool", "bool_"),
    (r"uuid", "uuid"),
    (r"json", "json"),
    (r"(tinyint|int8)(?=.*unsigned)|uint8", "uint8"),
    (r"(smallint|int16)(?=.*unsigned)|uint16", "uint16"),
    (r"(mediumint|integer|int|int32)\b(?=.*unsigned)|uint32", "uint32"),
    (r"(bigint|int64)(?=.*unsigned)|uint64", "uint64"),
    (r"tinyint|int8", "int8"),
    (r"smallint|int16|year", "int16"),
    (r"(mediumint|integer|int|int32)\b", "int32"),
    (r"bigint|int64", "int64"),
    (r"float64|double|float8", "float64"),
    (r"float|real", "float32"),
    (r"decimal|numeric", "decimal"),
    (r"datetime|timestamp", "timestamp"),
    (r"date", "date32"),
    (r"time", "time"),
    (r"enum|(var)?char|character|(tiny|medium|long)?text", "string"),
)
"""Pattern of a type as DataJoint names it, and what it is in Parquet; the first one that fits counts."""
_DUCKDB = {
    "bool": "BOOLEAN", "int8": "TINYINT", "int16": "SMALLINT", "int32": "INTEGER", "int64": "BIGINT",
    "uint8": "UTINYINT", "uint16": "USMALLINT", "uint32": "UINTEGER", "uint64": "UBIGINT",
    "float": "FLOAT", "double": "DOUBLE", "string": "VARCHAR", "date32[day]": "DATE",
    "time64[us]": "TIME", "timestamp[us]": "TIMESTAMP",
    "timestamp[us, tz=UTC]": "TIMESTAMP WITH TIME ZONE", "arrow.json": "JSON", "arrow.uuid": "UUID",
}  # fmt: skip

Value = Callable[[Any], Any]


@dataclass(frozen=True)
class LakeColumn:
    """A column of a lake.

    Attributes
    ----------
    name
        As in the database.
    arrow
        Its type in pyarrow.
    declared
        Its type in the database.
    comment
        That of the database.
    clock
        Of times: ``UTC``, or ``as entered`` where the database does not say; empty for all else.
    selected
        Expression of SQL that gives it.
    value
        What makes of a value of the driver one of pyarrow; None where they are the same.
    """

    name: str
    arrow: Any
    declared: str
    comment: str
    clock: str
    selected: str
    value: Value | None = None

    @property
    def duckdb(self) -> str:
        """Its type in DuckDB."""
        return duckdb_type(self.arrow)

    def described(self) -> dict[str, str]:
        """Return what the lake says of it."""
        about = {"name": self.name, "type": self.duckdb, "declared": self.declared}
        return about | {k: v for k in ("comment", "clock") if (v := getattr(self, k))}


def duckdb_type(arrow: Any) -> str:
    """Name of a type of pyarrow in DuckDB."""
    pyarrow, _ = import_pyarrow()
    if pyarrow.types.is_list(arrow):
        return f"{duckdb_type(arrow.value_type)}[]"
    if pyarrow.types.is_decimal(arrow):
        return f"DECIMAL({arrow.precision},{arrow.scale})"
    return _DUCKDB[getattr(arrow, "extension_name", str(arrow))]


def columns_of(
    table: Any, *, first_value: Callable[[str], bytes | None], is_own: bool
) -> tuple[list[LakeColumn], dict[str, str]]:
    """Return the columns of a table that a lake has, and why the others are left out.

    Parameters
    ----------
    table
        DataJoint table.
    first_value
        Gives a stored array of a column, as bytes; None where every row is NULL.
    is_own
        Whether it is a table of this package: its BLOBs are arrays of numbers, a lab's may be anything.
    """
    columns, left_out = [], {}
    for attribute in table.heading.attributes.values():
        column, reason = _column(table, attribute, first_value, is_own)
        if column is None:
            left_out[attribute.name] = reason
        else:
            columns.append(column)
    return columns, left_out


def schema_of(columns: Iterable[LakeColumn], without: Iterable[str] = ()) -> Any:
    """Return the schema of a file, with comments; the columns that its path says are not in it.

    Parameters
    ----------
    columns
        Those of the table.
    without
        Names that are left out.
    """
    pyarrow, _ = import_pyarrow()
    fields = []
    for column in columns:
        about = {k: v for k, v in column.described().items() if k not in ("name", "type")}
        if column.name not in without:
            fields.append(pyarrow.field(column.name, column.arrow, metadata=about))
    return pyarrow.schema(fields)


def array_of(column: LakeColumn, values: Iterable[Any]) -> Any:
    """Make an array of pyarrow of a column's values.

    Parameters
    ----------
    column
        The column.
    values
        As the driver gives them.

    Raises
    ------
    ProcessingError
        A value is none of the column's type.
    """
    pyarrow, _ = import_pyarrow()
    convert = column.value
    try:
        plain = [v if v is None or convert is None else convert(v) for v in values]
        if isinstance(column.arrow, pyarrow.BaseExtensionType):
            storage = pyarrow.array(plain, type=column.arrow.storage_type)
            return pyarrow.ExtensionArray.from_storage(column.arrow, storage)
        return pyarrow.array(plain, type=column.arrow)
    except (pyarrow.ArrowException, TypeError, ValueError) as error:
        raise ProcessingError(
            f"a value of {column.name} is no {column.declared} (for Parquet, {column.duckdb}): {error}"
        ) from error


def _column(
    table: Any, attribute: Any, first_value: Callable[[str], bytes | None], is_own: bool
) -> tuple[LakeColumn | None, str]:
    adapter = table.connection.adapter
    quoted = adapter.quote_identifier(attribute.name)
    declared = str(attribute.original_type or attribute.type)
    arrow, value, reason = _kind(attribute, declared, first_value, is_own)
    if arrow is None:
        return None, reason
    is_text = duckdb_type(arrow) == "JSON" and adapter.backend == "postgresql"
    return LakeColumn(
        attribute.name,
        arrow,
        declared,
        attribute.comment or "",
        _clock(table, arrow, is_own),
        f"{quoted}::text" if is_text else quoted,
        value,
    ), ""


def _kind(
    attribute: Any, declared: str, first_value: Callable[[str], bytes | None], is_own: bool
) -> tuple[Any, Value | None, str]:
    """Type of pyarrow, conversion of values, and, where there is no type, why."""
    pyarrow, _ = import_pyarrow()
    if attribute.codec is not None:
        if attribute.codec.name == "facerhythm_array":
            return pyarrow.json_(pyarrow.string()), None, ""
        if attribute.codec.name != "blob" or not is_own or attribute.store:
            return None, None, f"{declared}: its content is the lab's"
        return _array_kind(first_value(attribute.name))
    kind = "uuid" if attribute.uuid else _kind_of(declared.lower(), attribute.type.lower())
    if kind == "decimal":
        return _decimal_kind(declared, attribute.type)
    if kind == "timestamp":
        # an instant on MySQL, and with a zone on PostgreSQL; the session's zone is UTC
        zoned = attribute.type.startswith("timestamp") and "without" not in attribute.type
        return pyarrow.timestamp("us", tz="UTC" if zoned else None), _time, ""
    made: dict[str, tuple[Any, Value | None]] = {
        "uuid": (pyarrow.uuid(), _uuid_bytes),
        "json": (pyarrow.json_(pyarrow.string()), None),
        "bool_": (pyarrow.bool_(), bool),
        "time": (pyarrow.time64("us"), _time_of_day),
    }
    if kind in made:
        return *made[kind], ""
    if kind is None:
        return None, None, f"{declared}: content of a file, or a type without a counterpart"
    return getattr(pyarrow, kind)(), None, ""


def _kind_of(*declared: str) -> str | None:
    for text in declared:
        for pattern, kind in _KINDS:
            if re.match(pattern, text):
                return kind
    return None


def _decimal_kind(declared: str, stored: str) -> tuple[Any, Value | None, str]:
    pyarrow, _ = import_pyarrow()
    found = re.search(r"\((\d+)(?:\s*,\s*(\d+))?\)", declared) or re.search(
        r"\((\d+)(?:\s*,\s*(\d+))?\)", stored
    )
    if found is None or int(found[1]) > _MOST_DIGITS:
        return pyarrow.string(), str, ""
    return pyarrow.decimal128(int(found[1]), int(found[2] or 0)), None, ""


def _array_kind(example: bytes | None) -> tuple[Any, Value | None, str]:
    """Return lists of the kind of an array that is stored; of float64 where none is."""
    pyarrow, _ = import_pyarrow()
    array = np.zeros(0) if example is None else _unpacked(example)
    if array is None:
        return None, None, "no array of real numbers"
    dtype = np.dtype(np.float32) if array.dtype == np.float16 else array.dtype
    arrow = pyarrow.from_numpy_dtype(dtype)
    for _axis in range(array.ndim):
        arrow = pyarrow.list_(arrow)
    return arrow, _lists_of(array.ndim, dtype), ""


def _lists_of(ndim: int, dtype: Any) -> Value:
    def convert(stored: Any) -> Any:
        array = _unpacked(bytes(stored))
        if array is None or array.ndim != ndim or not np.can_cast(array.dtype, dtype):
            raise ValueError("an array of another type or number of axes than those before it")
        # a flat array goes over as it is, without a Python object for each number
        return array.astype(dtype, copy=False) if ndim == 1 else array.astype(dtype).tolist()

    return convert


def _unpacked(stored: bytes) -> Any:
    value = import_datajoint().blob.unpack(stored, squeeze=False)
    is_real = isinstance(value, np.ndarray) and value.ndim > 0 and value.dtype.kind in "biuf"
    return value if is_real else None


def _uuid_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else uuid.UUID(str(value)).bytes


def _time(value: Any) -> datetime:
    """MySQL gives texts of times that do not exist."""
    if not isinstance(value, datetime):
        raise TypeError(f"{value!r} is no time")
    return value


def _time_of_day(value: Any) -> Any:
    """MySQL gives the time of the day as what has passed of it."""
    return (datetime.min + value).time() if isinstance(value, timedelta) else value


def _clock(table: Any, arrow: Any, is_own: bool) -> str:
    if not str(arrow).startswith("timestamp"):
        return ""
    is_utc = str(arrow).endswith("tz=UTC]") or (is_own and not table.table_name.startswith("~"))
    return "UTC" if is_utc else "as entered"
