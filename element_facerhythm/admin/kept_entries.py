"""The SQL of triggers that keep the inputs of finished results.

An entry's parts (the polygons of regions, the files of a recording) can be deleted and entered by analysts,
who need that to delete whole entries. While there are results of the entry, a trigger refuses it for single
parts. DataJoint deletes results before their inputs, so a delete of the whole entry succeeds.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from element_facerhythm.admin.roles import OWN_PACKAGE, dj
from element_facerhythm.admin.statements import quoted
from element_facerhythm.database.table_creation import parts_of

LONGEST_NAME = 64
_CHANGES = {"INSERT": "NEW", "UPDATE": "OLD", "DELETE": "OLD"}


def kept_entries(schemas: Sequence[Any], definer: str) -> list[str]:
    """Return the statements that make the triggers, and grant their account the rights that they need.

    Parameters
    ----------
    schemas
        Activated DataJoint schemas, upstream first.
    definer
        Account under which the triggers query results.
    """
    populated = [cls for schema in schemas for cls, _ in schema.declare_list if _is_populated(cls)]
    rights: dict[str, str] = {}
    triggers: list[str] = []
    for schema in schemas:
        for master, _ in schema.declare_list:
            results = list(_nearest_results(master, populated))
            for part in parts_of(master) if results and _is_entry(master) else ():
                rights |= {_place(table): "SELECT" for table in results}
                rights[_place(part)] = "SELECT, TRIGGER"
                triggers += _statements(part, master, results, definer)
    grants = [f"GRANT {rights[place]} ON {place} TO {definer};" for place in rights]
    return grants + triggers


def _is_populated(cls: Any) -> bool:
    return issubclass(cls, dj.AutoPopulate)


def _is_entry(cls: Any) -> bool:
    return not _is_populated(cls) and cls.__module__.split(".")[0] == OWN_PACKAGE


def _nearest_results(master: Any, populated: Sequence[Any]) -> Iterator[Any]:
    """Yield the populated tables that have the master's key; not those that come from another one of them."""
    below = set(master().descendants())
    found = [cls for cls in populated if cls.full_table_name in below]
    names = {cls.full_table_name for cls in found}
    for cls in found:
        has_key = set(master.primary_key) <= set(cls.primary_key)
        if has_key and not (set(cls().ancestors()) - {cls.full_table_name}) & names:
            yield cls


def _statements(part: Any, master: Any, results: Sequence[Any], definer: str) -> Iterator[str]:
    for change, row in _CHANGES.items():
        name = f"kept_{change.lower()}_{part.table_name}"[:LONGEST_NAME]
        trigger = f"{quoted(part.database)}.{quoted(name)}"
        yield f"DROP TRIGGER IF EXISTS {trigger};"
        yield (
            f"CREATE DEFINER = {definer} TRIGGER {trigger} BEFORE {change} ON {_place(part)}\n"
            "  FOR EACH ROW BEGIN\n"
            + "".join(_refusal(result, master, row) for result in results)
            + "  END;"
        )


def _refusal(result: Any, master: Any, row: str) -> str:
    same = " AND ".join(
        f"result.{quoted(name)} = {row}.{quoted(name)}" for name in master.primary_key
    )
    text = f"{result.__name__} has results of this {master.__name__}: delete those first, or enter a new one"
    return (
        f"    IF EXISTS (SELECT 1 FROM {_place(result)} AS result WHERE {same} LOCK IN SHARE MODE) THEN\n"
        f"      SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{text}';\n"
        "    END IF;\n"
    )


def _place(table: Any) -> str:
    return f"{quoted(table.database)}.{quoted(table.table_name)}"
