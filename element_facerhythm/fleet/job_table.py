"""DataJoint's job table of a populated table, declared for every key that a server can hold."""

from typing import Any

from element_facerhythm.database.datajoint import import_datajoint

dj: Any = import_datajoint()

_DEFINABLE = {
    "timestamp without time zone": "timestamp",
    "time without time zone": "time",
    "boolean": "bool",
    "double precision": "float64",
}
"""Types as PostgreSQL calls them, and as DataJoint 2.3 takes them in a definition."""


class JobTable(dj.Job):
    """The job table of a populated table.

    Once it is declared, DataJoint's own `table.jobs` and `populate(reserve_jobs=True)` work with it.
    """

    def _get_fk_derived_pk_attrs(self) -> list[tuple[str, str]]:
        found = super()._get_fk_derived_pk_attrs()
        return [(name, _DEFINABLE.get(declared, declared)) for name, declared in found]
