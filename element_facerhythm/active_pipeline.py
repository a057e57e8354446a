"""The pipeline that a process works on: this package's tables with a lab's own, or the released Elements.

The caller states what may happen to the database when it is opened. With `Access.READ` nothing is created:
DataJoint's setting for creating tables is off then, and the server itself refuses to write in this session,
so that a lab's linking module cannot do so either.
"""

import importlib
import importlib.util
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

from element_facerhythm import facial_behavior_estimation, fleet, keypoint_inference
from element_facerhythm.database import embedded
from element_facerhythm.database.activation import is_activated
from element_facerhythm.database.connection import (
    connect,
    is_read_only,
    is_read_only_refusal,
    set_read_only,
)
from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.database.table_creation import binding_only, missing_tables, schema_exists
from element_facerhythm.errors import ConfigurationError, NotSetUpError
from element_facerhythm.linking import (
    Link,
    active_link,
    check_linking_module,
    import_linking_module,
    set_active_link,
)
from element_facerhythm.linking.element_facemap_names import VIEWS_SCHEMA
from element_facerhythm.linking.lab_keys import require_usable_keys
from element_facerhythm.linking.settings import (
    LINKING_VARIABLE,
    PipelineSettings,
    pipeline_settings,
)

dj: Any = import_datajoint()

logger = logging.getLogger(__name__)

_read_only: list[Any] = []
"""The connection, while its session is read-only."""
_OWN: dict[str, ModuleType] = {
    "facial_behavior_estimation": facial_behavior_estimation,
    "keypoint_inference": keypoint_inference,
    "fleet": fleet,
}


class Access(Enum):
    """Access to the database.

    READ: nothing; CHANGE: rows are written; CREATE: schemas and tables are created, too, where DataJoint's
    own setting (`database.create_tables`) allows it.
    """

    READ = "read"
    CHANGE = "change"
    CREATE = "create"


@dataclass(frozen=True)
class ActivePipeline:
    """The activated tables.

    Attributes
    ----------
    link
        The linking module.
    own_schemas
        Activated schemas of this package, upstream first; with `Access.READ` those that are there.
    element_schemas
        Those of the released Elements, where these are used; they are created with those of this package.
    views_schema
        Name of the schema of views with Element Facemap's names; `facerhythm admin views` makes it.
    """

    link: Link
    own_schemas: tuple[Any, ...]
    element_schemas: tuple[Any, ...]
    views_schema: str

    @property
    def schemas(self) -> tuple[Any, ...]:
        """Every schema that is set up by this package, upstream first."""
        return (*self.element_schemas, *self.own_schemas)

    @property
    def worker_schemas(self) -> tuple[Any, ...]:
        """Those with the heartbeats and jobs of workers, which workers alone write."""
        return tuple(schema for schema in self.own_schemas if schema is fleet.schema)

    @property
    def populated(self) -> tuple[Any, ...]:
        """Tables that `populate()` fills, upstream first."""
        tables = (*facial_behavior_estimation.POPULATED, *keypoint_inference.POPULATED)
        return tuple(table for table in tables if is_activated(table))


def open_pipeline(access: Access, settings: PipelineSettings | None = None) -> ActivePipeline:
    """Connect, import the linking module, and activate this package's tables with it.

    Parameters
    ----------
    access
        What may happen to the database.
    settings
        Which pipeline; None takes that of the environment and `datajoint.json`.

    Raises
    ------
    ConfigurationError
        The linking module cannot be imported or lacks something, or its keys cannot be used.
    NotSetUpError
        There is no database, or tables are missing, and they may not be created.
    """
    settings = settings or pipeline_settings()
    _have_database(access)
    connection = connect()
    end_reading()
    if access is Access.READ and not is_read_only(connection):
        set_read_only(connection, True)
        _read_only.append(connection)
    create = access is Access.CREATE and dj.config.database.create_tables
    with dj.config.override(database__create_tables=create):
        if not settings.is_of_a_lab:
            return _complete(_released_elements(settings), create=create)
        link = _linking_module(settings, access)
        for name, module in _OWN.items():
            _activate(name, module, settings.schemas[name], link, access, create=create)
    own = tuple(module.schema for module in _OWN.values() if module.schema.is_activated())
    return _complete(ActivePipeline(link, own, (), _views_schema(settings)), create=create)


def bound_schemas(settings: PipelineSettings | None = None) -> tuple[Any, ...]:
    """Bind the schemas of this package as they are, of whatever version; nothing is created.

    Raises
    ------
    ConfigurationError
        As of `open_pipeline`, but that of the version of the tables.
    """
    settings = settings or pipeline_settings()
    _have_database(Access.CHANGE)
    connect()
    with binding_only(), dj.config.override(database__create_tables=False):
        if not settings.is_of_a_lab:
            importlib.import_module(settings.linking_module)
        else:
            link = _linking_module(settings, Access.CHANGE)
            for name, module in _OWN.items():
                if not module.schema.is_activated():
                    module.activate(settings.schemas[name], **_linked(module, link))
    return tuple(module.schema for module in _OWN.values())


def end_reading() -> None:
    """Allow this process to write again after `Access.READ` (for several commands in one process)."""
    while _read_only:
        connection = _read_only.pop()
        if connection.is_connected:
            set_read_only(connection, False)


def _have_database(access: Access) -> None:
    """Start the embedded database where none is configured; `Access.READ` does not create one."""
    if embedded.database_is_configured():
        return
    if access is not Access.CREATE and embedded.status().data_dir is None:
        raise NotSetUpError(
            "there is no database yet: none is configured (DJ_HOST, or datajoint.json), and the embedded one "
            "was never used. `facerhythm ingest`, `worker` or `db start` begin it"
        )
    embedded.configure()


def _released_elements(settings: PipelineSettings) -> ActivePipeline:
    upstream_names = [f"{settings.prefix}{name}" for name in ("lab", "subject", "session")]
    names = [*upstream_names, *settings.schemas.values()]
    _require_existing(names, create=bool(dj.config.database.create_tables))
    workflow = importlib.import_module(settings.linking_module)
    own, upstream = workflow.SCHEMAS[-len(_OWN) :], workflow.SCHEMAS[: -len(_OWN)]
    return ActivePipeline(active_link(), tuple(own), tuple(upstream), _views_schema(settings))


def _views_schema(settings: PipelineSettings) -> str:
    return f"{settings.prefix}{VIEWS_SCHEMA}"


def _activate(
    name: str, module: ModuleType, schema_name: str, link: Link, access: Access, *, create: bool
) -> None:
    """Activate a schema of this package, unless the linking module did so; to read, only if it is there."""
    if module.schema.is_activated():
        if module.schema.database != schema_name:
            logger.info("%s is activated by the linking module as %s", name, module.schema.database)
        return
    is_optional = access is Access.READ and module is not facial_behavior_estimation
    if is_optional and not schema_exists(connect(), schema_name):
        return
    if module is facial_behavior_estimation and not create:
        _use_link(link, schema_name)
    _require_existing([schema_name], create=create)
    module.activate(
        schema_name, create_schema=create, create_tables=create, **_linked(module, link)
    )


def _linked(module: ModuleType, link: Link) -> dict[str, Any]:
    """Arguments of `activate`: the linking module, for the schema that depends on it; none for others."""
    return {"linking_module": link.module} if module is facial_behavior_estimation else {}


def _use_link(link: Link, schema_name: str) -> None:
    """Check the lab's keys and use its directories also where this package's tables do not exist yet."""
    if not schema_exists(connect(), schema_name):
        require_usable_keys(link, facial_behavior_estimation.schema, schema_name)
        set_active_link(link)


def _require_existing(schema_names: Sequence[str], *, create: bool) -> None:
    missing = [] if create else [n for n in schema_names if not schema_exists(connect(), n)]
    if missing:
        raise NotSetUpError(
            f"schema {', '.join(missing)} is not in the database (or the account "
            f"{dj.config.database.user} may not see it), and is not created by this: `facerhythm admin init` "
            "does that, or the first `ingest` or `worker` of an account that may, unless DataJoint is set "
            "to create nothing (DJ_CREATE_TABLES). If the tables have another place, say it with "
            "FACERHYTHM_DB_PREFIX or FACERHYTHM_SCHEMAS"
        )


def _complete(pipeline: ActivePipeline, *, create: bool) -> ActivePipeline:
    """Return the pipeline, once it is certain that its tables are there."""
    if create:
        return pipeline
    missing = [
        f"{schema.database}.{name}"
        for schema in pipeline.schemas
        for name in missing_tables(connect(), schema)
    ]
    if missing:
        raise NotSetUpError(
            f"{', '.join(missing[:4])}{' and more' * (len(missing) > 4)}: not in the database (or the "
            f"account {dj.config.database.user} may not see it); an administrator runs `facerhythm admin "
            "init`, and then what `facerhythm admin grants` prints for the account"
        )
    return pipeline


# ------------------------------------------------------------------ the linking module


def _linking_module(settings: PipelineSettings, access: Access) -> Link:
    """Import the linking module by its name or file, and check what it offers."""
    name = settings.linking_module
    with _explained(name, access):
        is_file = name.endswith(".py")
        module = _import_file(Path(name)) if is_file else _import_by_name(name)
    return check_linking_module(module)


def _import_by_name(name: str) -> Any:
    """Import a module; the working directory is looked into last, as with other commands that take one."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    return import_linking_module(name)


def _import_file(path: Path) -> Any:
    if not path.is_file():
        raise ConfigurationError(
            f"linking module {path} is not a file; {LINKING_VARIABLE} (--linking-module) takes the import "
            "name of a module, or the path of its file"
        )
    spec = importlib.util.spec_from_file_location(path.stem, path.resolve())
    assert spec is not None and spec.loader is not None  # a name that ends in .py has a loader
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    return module


@contextmanager
def _explained(name: str, access: Access) -> Iterator[None]:
    """Name the linking module where its own code fails, or where it would write with `Access.READ`."""
    try:
        yield
    except ConfigurationError:
        raise
    except Exception as error:
        if access is Access.READ and is_read_only_refusal(error):
            raise ConfigurationError(
                f"linking module {name} would write to the database when it is imported "
                f"({_first_line(error)}), and this command only reads: create the lab's own tables first"
            ) from error
        if isinstance(error, dj.errors.AccessError | dj.errors.LostConnectionError):
            raise
        by_hand = name if name.endswith(".py") else f"-c 'import {name}'"
        raise ConfigurationError(
            f"linking module {name} fails when it is imported: {type(error).__name__}: {_first_line(error)}. "
            f"Run `python {by_hand}` to see where"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0]
