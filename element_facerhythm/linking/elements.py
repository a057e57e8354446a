"""The released Elements (lab, animal, session) made to work on DataJoint 2.

`element-animal` 0.1.8 and `element-session` 0.1.6 were written for DataJoint 0.14. What separates
them from DataJoint 2 is text: `dj.schema` is now `dj.Schema`, and the types in their table
definitions have other names. This module adapts that text while Python imports them. DataJoint
itself is not touched, and neither are the installed files: importing this module is enough for

    import element_facerhythm.linking.elements
    from element_animal import subject
    from element_session import session_with_id as session

to work anywhere in the process, in a lab's own linking module too. A release that needs no change
is imported as it is.
"""

import importlib
import importlib.abc
import importlib.machinery
import re
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import CodeType, ModuleType
from typing import Any

from element_facerhythm.database.datajoint import import_datajoint, without_messages
from element_facerhythm.database.table_creation import activating
from element_facerhythm.linking.settings import SessionKey

ADAPTED_MODULES = (
    "element_animal.subject",
    "element_animal.genotyping",
    "element_animal.surgery",
    "element_session.session_with_datetime",
    "element_session.session_with_id",
)

_DEFINITION = re.compile(r'definition = """.*?"""', re.DOTALL)
_DOUBLE_QUOTED_ENUM = re.compile(r"enum\([^)]*\)")
# DataJoint 0.14 type at the start of a type position -> core type of DataJoint 2.
_TYPES = {
    "boolean": "bool",
    "longblob": "<blob>",
    "tinyint": "int8",
    "smallint": "int16",
    "int": "int32",
    "float": "float32",
    "double": "float64",
}
_TYPE = re.compile(r"(:\s*)(" + "|".join(_TYPES) + r")(?=\s|#|$)", re.MULTILINE)


def adapt_source(source: str) -> str:
    """Rewrite the source of a table module for DataJoint 0.14 into one for DataJoint 2.

    The number of lines is unchanged, so tracebacks point into the installed file.
    """
    source = source.replace("dj.schema()", "dj.Schema()")
    return _DEFINITION.sub(lambda match: _adapt_definition(match.group()), source)


def _adapt_definition(definition: str) -> str:
    definition = _TYPE.sub(lambda match: match.group(1) + _TYPES[match.group(2)], definition)
    # The column comment quotes the type, so double quotes inside it would end the comment.
    return _DOUBLE_QUOTED_ENUM.sub(lambda match: match.group().replace('"', "'"), definition)


class _AdaptingLoader(importlib.machinery.SourceFileLoader):
    """Compiles the adapted source; never reads or writes a cached `.pyc` of the released one."""

    def get_code(self, fullname: str) -> CodeType:
        source = self.get_source(fullname)
        return compile(adapt_source(source or ""), self.get_filename(fullname), "exec")


class _AdaptingFinder(importlib.abc.MetaPathFinder):
    """Finds the modules of `ADAPTED_MODULES` where Python would, with the adapting loader."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in ADAPTED_MODULES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _AdaptingLoader(fullname, spec.origin)
            spec.cached = None
        return spec


def _install_finder() -> None:
    """Insert the finder first in the search, once (a reloaded module must not add another)."""
    if not any(type(finder).__name__ == _AdaptingFinder.__name__ for finder in sys.meta_path):
        sys.meta_path.insert(0, _AdaptingFinder())


_install_finder()


@dataclass(frozen=True)
class ElementModules:
    """The three upstream table modules."""

    lab: ModuleType
    subject: ModuleType
    session: ModuleType


def import_elements(session_key: SessionKey = "id") -> ElementModules:
    """Import lab, subject and session without activating them.

    Parameters
    ----------
    session_key
        What identifies a session beside its subject: a number (`"id"`, the default; works on every
        server) or its start time (`"datetime"`; on PostgreSQL, `populate(reserve_jobs=True)` does
        not support such keys in DataJoint 2.3).
    """
    import_datajoint()
    # element-lab's notice that this table will move: nothing here depends on it
    with without_messages("lab.Project and related tables"):
        lab = importlib.import_module("element_lab.lab")
    subject = importlib.import_module("element_animal.subject")
    session = importlib.import_module(f"element_session.session_with_{session_key}")
    return ElementModules(lab, subject, session)


def activate_elements(
    prefix: str = "",
    *,
    create_schema: bool | None = None,
    create_tables: bool | None = None,
    session_key: SessionKey = "id",
) -> ElementModules:
    """Activate lab, subject and session as schemas `<prefix>lab`, `<prefix>subject`, ...

    Parameters
    ----------
    prefix
        Beginning of each schema name.
    create_schema, create_tables
        Whether to create what does not exist in the database; None: as DataJoint's
        `database.create_tables` says.
    session_key
        See `import_elements`.
    """
    modules = import_elements(session_key)
    lab, subject, session = modules.lab, modules.subject, modules.session

    def activating_one(schema: Any, name: str) -> AbstractContextManager[dict[str, bool]]:
        return activating(
            schema, f"{prefix}{name}", create_schema=create_schema, create_tables=create_tables
        )

    with activating_one(lab.schema, "lab") as allowed:
        lab.activate(f"{prefix}lab", **allowed)
    upstream = ModuleType(f"{__name__}.upstream", "What the released Elements ask to be linked to.")
    upstream.__dict__.update(
        Lab=lab.Lab,
        Protocol=lab.Protocol,
        User=lab.User,
        Source=lab.Source,
        Project=lab.Project,
        Experimenter=lab.User,
    )
    with activating_one(subject.schema, "subject") as allowed:
        subject.activate(f"{prefix}subject", linking_module=upstream, **allowed)
    upstream.__dict__["Subject"] = subject.Subject
    with activating_one(session.schema, "session") as allowed:
        session.activate(f"{prefix}session", linking_module=upstream, **allowed)
    return modules
