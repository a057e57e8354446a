"""The statements that change tables, as each kind of server takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from element_facerhythm.admin.upgrade.layout import Column, Index


class Dialect:
    """Statements for one table.

    Parameters
    ----------
    adapter
        DataJoint's, of the connection.
    table
        Quoted name of schema and table.
    """

    def __init__(self, adapter: Any, table: str) -> None:
        self.adapter, self.table = adapter, table
        self.is_mysql = adapter.backend == "mysql"
        self.quoted = adapter.quote_identifier

    def rename(self, old: str, new: str) -> str:
        """Rename a column.

        Parameters
        ----------
        old, new
            Its names, not quoted.
        """
        return f"ALTER TABLE {self.table} RENAME COLUMN {self.quoted(old)} TO {self.quoted(new)}"

    def add(self, columns: Sequence[tuple[Column, str | None]]) -> Iterator[str]:
        """Add columns in one statement, each after another; NULL is allowed where rows have no value yet."""
        clauses = [
            f"ADD COLUMN {optional(column)}{self._after(after)}" for column, after in columns
        ]
        yield f"ALTER TABLE {self.table} {', '.join(clauses)}"
        for column, _ in columns:
            yield from self._comment(column)

    def change(self, old: Column, new: Column) -> Iterator[str]:
        """Set the comment, default and type of a column, and whether it may be NULL.

        Parameters
        ----------
        old
            The column as it is.
        new
            As it is to be, under the same name. Its type is that of its comment's marker; one without stays.
        """
        if self.is_mysql:
            yield f"ALTER TABLE {self.table} MODIFY COLUMN {new.sql}"
            return
        name = self.quoted(new.name)
        clauses = []
        if type_of(old) != type_of(new) and new.sql:
            clauses.append(f"TYPE {sql_type(new)}")
        if old.default != new.default:
            default = "" if new.default is None else new.default.replace("'", "''")
            clauses.append("DROP DEFAULT" if new.default is None else f"SET DEFAULT '{default}'")
        if old.nullable != new.nullable:
            clauses.append("DROP NOT NULL" if new.nullable else "SET NOT NULL")
        if clauses:
            altered = ", ".join(f"ALTER COLUMN {name} {clause}" for clause in clauses)
            yield f"ALTER TABLE {self.table} {altered}"
        if old.comment != new.comment:
            yield from self._comment(new)

    def move(self, column: Column, after: str | None) -> str:
        """Move a column after another one, or first; only MySQL can.

        Parameters
        ----------
        column
            The column, with its definition.
        after
            Name of the other one; None puts it first.
        """
        place = self._after(after) if after else " FIRST"
        return f"ALTER TABLE {self.table} MODIFY COLUMN {column.sql}{place}"

    def comment(self, text: str) -> str:
        """Set the comment of the table."""
        if self.is_mysql:
            escaped = text.replace('"', '\\"')
            return f'ALTER TABLE {self.table} COMMENT "{escaped}"'
        return str(self.adapter.table_comment_ddl(self.table, text))

    def create_index(self, index: Index) -> str:
        """Create an index."""
        return str(
            self.adapter.create_index_ddl(
                self.table, list(index.columns), unique=index.unique, index_name=index.name
            )
        )

    def rename_index(self, old: str, new: str) -> str:
        """Rename an index as in a new table.

        Parameters
        ----------
        old, new
            Its names, not quoted.
        """
        if self.is_mysql:
            return f"ALTER TABLE {self.table} RENAME INDEX {self.quoted(old)} TO {self.quoted(new)}"
        schema, _ = self.adapter.split_full_table_name(self.table)
        return f"ALTER INDEX {self.quoted(schema)}.{self.quoted(old)} RENAME TO {self.quoted(new)}"

    def _after(self, name: str | None) -> str:
        return f" AFTER {self.quoted(name)}" if name and self.is_mysql else ""

    def _comment(self, column: Column) -> Iterator[str]:
        if not self.is_mysql and column.comment:
            yield str(self.adapter.column_comment_ddl(self.table, column.name, column.comment))


def optional(column: Column) -> str:
    """Definition of a column; one that needs a value and has no default may be NULL."""
    needs_value = not column.nullable and column.default is None
    return column.sql.replace(" NOT NULL", "", 1) if needs_value else column.sql


def type_of(column: Column) -> str:
    """Type of a column, as DataJoint's marker at the beginning of its comment says it; empty without one."""
    parts = column.comment.split(":", 2)
    return parts[1] if len(parts) == 3 and not parts[0] else ""


def sql_type(column: Column) -> str:
    """Type of a column on the server, as its definition says it."""
    definition = column.sql.split(" ", 1)[1]
    for end in (" NOT NULL", " DEFAULT ", " COMMENT "):
        definition = definition.split(end, 1)[0]
    return definition
