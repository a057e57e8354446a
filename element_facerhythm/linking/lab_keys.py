"""Whether the key columns of a lab's sessions and devices can be columns of this package's tables.

They must have other names than the columns of these tables, and the server must be able to find a row by
them, since a worker reserves a job by its key. Both are checked before anything is created.
"""

import re
from collections.abc import Iterable
from typing import Any

from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.database.table_creation import parts_of, schema_exists
from element_facerhythm.errors import ConfigurationError
from element_facerhythm.linking import Link

dj: Any = import_datajoint()

OWN_KEY_BYTES = 800
"""Bytes of an index that the longest key of this package takes, beside the session's; a test checks it."""
OWN_KEY_COLUMNS = 8
"""Columns of the longest key of this package, beside the session's."""
_INDEX_BYTES = 3072  # of MySQL's InnoDB
_INDEX_COLUMNS = {"mysql": 16, "postgresql": 32}

_SINGLE = (
    "a number of single precision, which is not found again by its value: use float64 or decimal"
)
_UNUSABLE = {
    "mysql": (
        (r"float", _SINGLE),
        (r"(var)?binary(?!\(16\))", "bytes, which no job can be named by: use uuid or varchar"),
    ),
    "postgresql": (
        (r"real", _SINGLE),
        (r"enum", "an enum, whose type DataJoint 2.3 makes for one schema alone: use varchar"),
        (r"uuid", "an uuid, which DataJoint 2.3 cannot write to PostgreSQL: use char(36)"),
        (r"bytea", "bytes, which no job can be named by: use varchar"),
    ),
}
_ATTRIBUTE = re.compile(r"^\s*([a-z][a-z0-9_]*)\s*(?:=[^:]*)?:", re.MULTILINE)
_QUEUE_COLUMNS = (
    "status", "priority", "created_time", "scheduled_time", "reserved_time", "completed_time", "duration",
    "error_message", "error_stack", "user", "host", "pid", "connection_id", "version",
)  # fmt: skip
"""Columns of DataJoint's job tables, which hold the key, too."""
KEYPOINT_COLUMNS = (
    "bbox", "body_part", "body_part_description", "calibrated_camera", "calibrated_height_px",
    "calibrated_width_px", "calibration_file", "calibration_id", "calibration_sha256", "camera_distortion",
    "camera_index", "camera_matrix", "camera_rotation", "camera_translation", "clock_start_s",
    "confident_fraction", "correlation", "found_fraction", "frames_per_s", "individual", "individual_index",
    "inference_completion_time", "inference_device", "inference_library_name", "inference_library_version",
    "inference_notes", "inference_output_dir", "inference_package_version", "inference_run_duration",
    "inference_software", "inference_task_description", "inference_task_mode", "is_fisheye",
    "keypoints_path", "keypoints_sha256", "keypoints_size_bytes", "lag_s", "likelihood", "load_options",
    "max_apart_s", "max_error_px", "mean_likelihood", "mean_reprojection_px", "mean_views",
    "median_apart_s", "median_likelihood", "median_speed_px_s", "min_likelihood", "missing_fraction",
    "model_description", "model_file_name", "model_file_path", "model_id", "model_name", "model_sha256",
    "model_size_bytes", "n_ambiguous_points", "n_cameras", "n_compared_windows", "n_filled_frames",
    "n_individuals", "n_matched_frames", "n_pairs", "n_views", "output_index", "p_value",
    "paired_individual", "prediction_file_id", "prediction_file_path", "prediction_frame_rate_hz",
    "q_value", "reprojection_px", "source_software", "space_completion_time", "space_individual",
    "space_likelihood", "space_notes", "space_package_version", "space_path", "space_run_duration",
    "space_sha256", "space_size_bytes", "total_frame_count", "used_bbox", "used_fraction", "variable",
    "variable_index", "variable_values", "view_error_px", "weights_bytes", "weights_piece", "x_pos",
    "x_space", "y_pos", "y_space", "z_pos", "z_space",
)  # fmt: skip
"""Columns of `keypoint_inference`, which is activated later; a test checks them."""


def require_usable_keys(link: Link, schema: Any, schema_name: str) -> None:
    """Refuse sessions and devices whose key columns cannot be used, before anything is created.

    Parameters
    ----------
    link
        The linking module.
    schema
        `facial_behavior_estimation`, as declared; it need not be activated.
    schema_name
        What it is called in the database.

    Raises
    ------
    ConfigurationError
        The message names the column and the way out; or the tables that are there refer to other sessions.
    """
    session, device = _activated(link, "Session"), _activated(link, "Device")
    owners = (
        dict.fromkeys(_QUEUE_COLUMNS, "the queues of jobs")
        | dict.fromkeys(KEYPOINT_COLUMNS, "keypoint_inference")
        | columns_of(schema)
    )
    for table, what in ((session, "Session"), (device, "Device")):
        for name in table.primary_key:
            _require_name(link, what, table, name, owners.get(name))
            _require_type(link, what, table, name)
    _require_apart(link, session, device)
    _require_short(link, session)
    _require_same_sessions(link, session, schema_name)


def columns_of(schema: Any) -> dict[str, str]:
    """Columns that the tables of a schema define themselves, each with the first table that does."""
    found: dict[str, str] = {}
    for cls, _ in schema.declare_list:
        for table in (cls, *parts_of(cls)):
            for name in _ATTRIBUTE.findall(table.definition):
                found.setdefault(name, table.__qualname__)
    return found


def _activated(link: Link, what: str) -> Any:
    table = link.session if what == "Session" else link.device
    if table.database is None:
        raise ConfigurationError(
            f"table {what} of linking module {link.name} belongs to a schema that is not activated: the "
            "module must activate it when it is imported"
        )
    instance = table()
    if not instance.is_declared:
        raise ConfigurationError(
            f"table {what} of linking module {link.name} ({instance.full_table_name}) is not in the "
            "database: create the lab's own tables first"
        )
    return instance


def _require_name(link: Link, what: str, table: Any, name: str, owner: str | None) -> None:
    if owner is not None:
        raise ConfigurationError(
            f"key column {name!r} of {what} ({table.full_table_name}, linking module {link.name}) is called "
            f"as a column of this package, of {owner}, and would be taken for it. {_renaming(what, name)}"
        )


def _renaming(what: str, name: str) -> str:
    return (
        f"Make a table of your own that renames it, `-> {what}.proj(lab_{name}='{name}')`, fill it with the "
        f"keys that are to be analysed, and offer that table as {what} in the linking module"
    )


def _require_type(link: Link, what: str, table: Any, name: str) -> None:
    declared = str(table.heading.attributes[name].type)
    for pattern, reason in _UNUSABLE[table.connection.adapter.backend]:
        if re.match(pattern, declared):
            raise ConfigurationError(
                f"key column {name!r} of {what} ({table.full_table_name}, linking module {link.name}) is of "
                f"type {declared}: {reason}"
            )


def _require_apart(link: Link, session: Any, device: Any) -> None:
    for name in set(session.primary_key) & set(device.primary_key):
        one, other = session.heading.attributes[name], device.heading.attributes[name]
        if one.lineage != other.lineage:
            raise ConfigurationError(
                f"key column {name!r} is one of Session ({session.full_table_name}) and another one of the "
                f"device ({device.full_table_name}), linking module {link.name}: a recording could not keep "
                f"them apart. {_renaming('Device', name)}"
            )


def _require_short(link: Link, session: Any) -> None:
    backend = session.connection.adapter.backend
    n_columns, n_bytes = key_size(session, session.primary_key)
    if n_columns + OWN_KEY_COLUMNS > _INDEX_COLUMNS[backend]:
        raise ConfigurationError(
            f"the key of Session ({session.full_table_name}, linking module {link.name}) has {n_columns} "
            f"columns; {_INDEX_COLUMNS[backend] - OWN_KEY_COLUMNS} are possible, as this package adds up to "
            f"{OWN_KEY_COLUMNS} and an index takes {_INDEX_COLUMNS[backend]}"
        )
    if backend == "mysql" and n_bytes + OWN_KEY_BYTES > _INDEX_BYTES:
        longest = max(
            session.primary_key,
            key=lambda name: key_size(session, [name])[1],
        )
        raise ConfigurationError(
            f"the key of Session ({session.full_table_name}, linking module {link.name}) takes up to "
            f"{n_bytes} bytes in an index; {_INDEX_BYTES - OWN_KEY_BYTES} are possible. Shorten "
            f"its longest column, {longest!r} ({session.heading.attributes[longest].type})"
        )


def _index_bytes(declared: str) -> int:
    """Bytes that a column of a type takes in an index of MySQL, at most."""
    text = re.match(r"(?:var)?(char|binary)\((\d+)\)", declared)
    if text:
        return int(text.group(2)) * (4 if text.group(1) == "char" else 1)
    return 8  # numbers, dates and times take no more


def key_size(table: Any, names: Iterable[str]) -> tuple[int, int]:
    """Count columns of a table, and the bytes that they take in an index of MySQL at most.

    Parameters
    ----------
    table
        Any table of DataJoint's.
    names
        The columns.
    """
    sizes = [_index_bytes(table.heading.attributes[name].type) for name in names]
    return len(sizes), sum(sizes)


def _require_same_sessions(link: Link, session: Any, schema_name: str) -> None:
    """Refuse a schema whose recordings belong to another table of sessions."""
    connection = session.connection
    if not schema_exists(connection, schema_name):
        return
    adapter = connection.adapter
    recordings = adapter.make_full_table_name(schema_name, "video_recording")
    keys = connection.query(
        adapter.load_foreign_keys_sql(adapter.quote_string(schema_name), "'~%%'"), as_dict=True
    )
    rows = [{name.lower(): value for name, value in row.items()} for row in keys]
    parents = {row["referenced_table"] for row in rows if row["referencing_table"] == recordings}
    if parents and session.full_table_name not in parents:
        raise ConfigurationError(
            f"the recordings in schema {schema_name} belong to {' and '.join(sorted(parents))}, and Session "
            f"of linking module {link.name} is {session.full_table_name}: name the linking module that the "
            "schema was made with (FACERHYTHM_LINKING_MODULE), or another schema (FACERHYTHM_DB_PREFIX)"
        )
