"""Schemas whose tables, used before they are activated, raise an error that says what to call.

DataJoint's own answers are an assertion without a text, `'NoneType' object has no attribute ...`, or an error
that names the schema's method, which lacks the linking module.
"""

import sys
from typing import Any, NoReturn

from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.database.table_creation import parts_of
from element_facerhythm.errors import ConfigurationError

dj: Any = import_datajoint()

_SET_BY_ACTIVATION = ("database", "_connection", "_heading", "_support", "declaration_context")


class ElementSchema(dj.Schema):
    """A `dj.Schema` that is activated later, by the function `activate` of its module.

    Parameters
    ----------
    how
        What to call, for the message.
    """

    def __init__(self, how: str) -> None:
        self._how = how
        self._opened: Any = None
        super().__init__()

    def __call__(self, cls: type, *, context: dict[str, Any] | None = None) -> type:
        """Bind a table class, as a decorator; its uses before the activation raise ConfigurationError."""
        if not self.is_activated():
            for table in (cls, *parts_of(cls)):
                for name in _SET_BY_ACTIVATION:
                    setattr(table, name, _NotActivated(self._how))
        # the definition's references are found among the names where the class is decorated
        context = context or self.context or sys._getframe(1).f_locals
        bound: type = super().__call__(cls, context=context)
        return bound

    @property
    def connection(self) -> Any:
        """The connection that the schema was activated on; ConfigurationError before that."""
        if self._opened is None:
            _refuse("this schema", self._how)
        return self._opened

    @connection.setter
    def connection(self, connection: Any) -> None:
        self._opened = connection

    @property
    def exists(self) -> bool:
        """Whether the server has the schema; ConfigurationError before it is activated."""
        if not self.is_activated():
            _refuse("this schema", self._how)
        return bool(super().exists)

    def table(self, name: str) -> Any:
        """Return a declared class by its name, as definitions refer to it; KeyError where there is none."""
        return {cls.__name__: cls for cls, _ in self.declare_list}[name]

    def activate(
        self, schema_name: str | None = None, *, connection: Any = None, **options: Any
    ) -> None:
        """Bind the declared classes to a schema on the server; see `dj.Schema.activate`.

        Parameters
        ----------
        schema_name
            Name on the database server; None does nothing where the schema is active.
        connection
            A `dj.Connection`; None takes the one of an earlier activation, else the process's own.
        **options
            `create_schema`, `create_tables` and `add_objects`, as of `dj.Schema.activate`.

        Raises
        ------
        ConfigurationError
            No name is given, and the schema is not active.
        """
        super().activate(schema_name, connection=connection or self._opened or dj.conn(), **options)


def is_activated(table: type) -> bool:
    """Return whether a table of an `ElementSchema` is bound to a database."""
    return not isinstance(vars(table)["database"], _NotActivated)


class _NotActivated:
    """Placeholder for what the activation sets on a table; any access raises ConfigurationError."""

    def __init__(self, how: str) -> None:
        self._how = how

    def __get__(self, instance: Any, table: type) -> NoReturn:
        _refuse(table.__qualname__, self._how)


def _refuse(what: str, how: str) -> NoReturn:
    raise ConfigurationError(
        f"{what} is used before it is activated: import element_facerhythm.workflow, or call {how} first"
    )
