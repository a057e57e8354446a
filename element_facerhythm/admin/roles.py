"""Rights of accounts, by role and kind of table.

The tables are those that are activated, and what kind a table is follows from its class and from what it
depends on; a table that is added gets its rights without being named here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from element_facerhythm.active_pipeline import ActivePipeline
from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.database.schema_version import VERSION_TABLE
from element_facerhythm.database.table_creation import parts_of
from element_facerhythm.fleet.job_table import JobTable

dj: Any = import_datajoint()

Role = Literal["viewer", "analyst", "worker"]
ROLES: tuple[Role, ...] = ("viewer", "analyst", "worker")

READ = ("SELECT",)
ENTER = ("SELECT", "INSERT", "DELETE")
ALL = ("SELECT", "INSERT", "UPDATE", "DELETE")

KINDS: dict[str, dict[Role, tuple[str, ...]]] = {
    # animals, sessions, devices: tables of the released Elements; what is no key may be corrected
    "registry": {"viewer": READ, "analyst": ALL, "worker": READ},
    # recordings, parameters, regions, models, tasks: never changed, but deleted and entered again
    "entries": {"viewer": READ, "analyst": ENTER, "worker": READ},
    # tables that come with contents, which are entered again when a process activates a table that lacks
    # some: no role may delete them
    "vocabulary": {"viewer": READ, "analyst": ("SELECT", "INSERT"), "worker": READ},
    # read off files when a project or predictions are registered, or by a worker
    "facts": {"viewer": READ, "analyst": ENTER, "worker": ("SELECT", "INSERT")},
    # deleting an entry deletes what was computed from it
    "results": {
        "viewer": READ,
        "analyst": ("SELECT", "DELETE"),
        "worker": ("SELECT", "INSERT"),
    },
    # jobs are tried again, put off or given another priority by their rows
    "queue": {"viewer": READ, "analyst": ALL, "worker": ALL},
    # heartbeats and jobs of workers
    "workers": {"viewer": READ, "analyst": READ, "worker": ALL},
    # outcomes of attempts; analysts add rows to them when they have a job tried again
    "attempts": {"viewer": READ, "analyst": ("SELECT", "INSERT"), "worker": ALL},
    # sessions and devices of a lab's own pipeline, and what they depend on
    "upstream": {"viewer": READ, "analyst": READ, "worker": READ},
    # views of tables under other names; on MySQL they show what an account may read anyway
    "views": {"viewer": READ, "analyst": READ, "worker": READ},
    # where DataJoint keeps which columns are the same
    "lineage": {"viewer": READ, "analyst": READ, "worker": READ},
    # which version the tables are of: written by the account that creates or upgrades them
    "versions": {"viewer": READ, "analyst": READ, "worker": READ},
}
"""Rights of each role on each kind of table."""

OWN_PACKAGE = __name__.split(".")[0]


@dataclass(frozen=True)
class Right:
    """The rights of a role on one table.

    Attributes
    ----------
    schema, table
        Names in the database.
    kind
        One of `KINDS`.
    privileges
        SQL privileges.
    columns
        The columns that `UPDATE` is for; empty where it is for all.
    """

    schema: str
    table: str
    kind: str
    privileges: tuple[str, ...]
    columns: tuple[str, ...] = ()


def rights_in(role: Role, pipeline: ActivePipeline) -> list[Right]:
    """Return what a role may do with each table of a pipeline.

    Of a lab's own tables those that sessions and devices depend on can only be read: the lab itself decides
    who may enter animals there.

    Parameters
    ----------
    role
        One of `ROLES`.
    pipeline
        The activated tables.
    """
    own = rights_of(role, pipeline.schemas, pipeline.worker_schemas)
    return [*_rights_in_the_lab(role, pipeline), *own]


def rights_of(
    role: Role, schemas: Sequence[Any], worker_schemas: Sequence[Any] = ()
) -> list[Right]:
    """Return what a role may do with each table of activated schemas.

    Parameters
    ----------
    role
        One of `ROLES`.
    schemas
        Activated DataJoint schemas.
    worker_schemas
        Those of them whose tables hold heartbeats and jobs of workers.
    """
    rights = []
    for schema in schemas:
        of_workers = any(schema is other for other in worker_schemas)
        for table, kind in _tables_with_kind(schema):
            if of_workers:
                kind = "attempts" if getattr(table, "PEOPLE_ADD_TO_IT", False) else "workers"
            rights.append(_right(role, table, kind))
        rights.append(Right(schema.database, "~lineage", "lineage", KINDS["lineage"][role]))
        if _is_own(schema):
            rights.append(
                Right(schema.database, VERSION_TABLE, "versions", KINDS["versions"][role])
            )
    return rights


def _rights_in_the_lab(role: Role, pipeline: ActivePipeline) -> Iterator[Right]:
    own = {schema.database for schema in pipeline.schemas}
    upstream = [pipeline.link.session(), pipeline.link.device()]
    names = dict.fromkeys(name for table in upstream for name in table.ancestors())
    tables = [dj.FreeTable(table.connection, name) for table in upstream[:1] for name in names]
    foreign = [table for table in tables if table.database not in own]
    for table in foreign:
        yield Right(table.database, table.table_name, "upstream", KINDS["upstream"][role])
    for database in dict.fromkeys(table.database for table in foreign):
        yield Right(database, "~lineage", "lineage", KINDS["lineage"][role])


def _is_own(schema: Any) -> bool:
    """Whether a schema holds tables of this package, which have a version."""
    return any(cls.__module__.split(".")[0] == OWN_PACKAGE for cls, _ in schema.declare_list)


def tables_of(schema: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each table of an activated schema, parts and queues of jobs too, with the class it belongs to.

    The tables are those that `activate` declared, as in every Element; no rights are granted on others in the
    schema.
    """
    for cls, _ in schema.declare_list:
        yield cls(), cls
        for part in parts_of(cls):
            yield part(), cls
        if issubclass(cls, dj.AutoPopulate):
            yield JobTable(cls()), cls  # `cls.jobs` would create the table


def _tables_with_kind(schema: Any) -> Iterator[tuple[Any, str]]:
    for table, master in tables_of(schema):
        yield table, "queue" if isinstance(table, dj.Job) else _kind_of(master)


def _kind_of(cls: Any) -> str:
    if issubclass(cls, dj.AutoPopulate):
        return "results" if issubclass(cls, dj.Computed) or _has_populated_parent(cls) else "facts"
    if issubclass(cls, dj.Lookup) and getattr(cls, "contents", None):
        return "vocabulary"
    return "entries" if cls.__module__.split(".")[0] == OWN_PACKAGE else "registry"


def _has_populated_parent(cls: Any) -> bool:
    cls.connection.dependencies.load()
    parents = (dj.FreeTable(cls.connection, name) for name in cls().parents())
    return any(parent.table_name.startswith("_") for parent in parents)


def _right(role: Role, table: Any, kind: str) -> Right:
    privileges, columns = KINDS[kind][role], ()
    if kind == "registry" and "UPDATE" in privileges:
        # changing a key changes it in every table below, without regard to the rights there
        columns = tuple(table.heading.secondary_attributes)
        if not columns:
            privileges = tuple(name for name in privileges if name != "UPDATE")
    return Right(table.database, table.table_name, kind, privileges, columns)
