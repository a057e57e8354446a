"""Where rows of a registration go: into the tables, or into a plan that shows what would be entered."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from element_facerhythm import facial_behavior_estimation as fbe

if TYPE_CHECKING:
    from element_facerhythm.core.rois import Rois
    from element_facerhythm.parameters import AnyParameters

Row = dict[str, Any]


class TableRows:
    """The rows of the database; inserted rows go into the tables."""

    def find(self, table: Any, key: Mapping[str, Any], *columns: str) -> list[Row]:
        """Rows of a table that agree with a key: its primary key and the columns that are named.

        Parameters
        ----------
        table
            Table class or instance, activated.
        key
            Values of columns, of the primary key or not.
        *columns
            Further columns to return.
        """
        return list((instance_of(table) & dict(key)).proj(*columns).to_dicts())

    def has(self, table: Any, key: Mapping[str, Any]) -> bool:
        """Whether a table has a row of a key.

        Parameters
        ----------
        table, key
            As of `find`.
        """
        return bool(self.find(table, key))

    def insert(self, table: Any, rows: Iterable[Row]) -> None:
        """Enter rows.

        Parameters
        ----------
        table
            Table class or instance, activated.
        rows
            Values by column.
        """
        table.insert(list(rows))

    def enter_parameters(self, parameters: "AnyParameters") -> tuple[int, bool]:
        """Return the number of the set with these parameters, and whether it is new."""
        before = len(fbe.FaceRhythmParamSet())
        number = fbe.FaceRhythmParamSet.insert_new_params(None, "entered by ingest", parameters)
        return number, len(fbe.FaceRhythmParamSet()) > before

    def enter_rois(self, recording: Mapping[str, Any], rois: "Rois") -> tuple[int, bool]:
        """Return the number that a recording has these regions under, and whether they are new.

        Parameters
        ----------
        recording
            Primary key of the recording.
        rois
            Regions of interest; stored where they are new.
        """
        before = len(fbe.FaceRhythmROI() & dict(recording))
        number = fbe.FaceRhythmROI.find_roi_id(dict(recording), rois)
        fbe.FaceRhythmROI.insert_rois({**recording, "roi_id": number}, rois)
        return number, len(fbe.FaceRhythmROI() & dict(recording)) > before


class PlannedRows(TableRows):
    """The rows of the database with those that would be entered; nothing is written."""

    def __init__(self) -> None:
        self._planned: dict[str, list[Row]] = {}

    def find(self, table: Any, key: Mapping[str, Any], *columns: str) -> list[Row]:
        """Rows of the database, and planned ones after them.

        Parameters
        ----------
        table, key, *columns
            As of `TableRows.find`.
        """
        planned = [
            row for row in self._planned.get(instance_of(table).full_table_name, ())
            if all(row.get(name) == value for name, value in key.items())
        ]  # fmt: skip
        wanted = (*instance_of(table).primary_key, *columns)
        return [
            *super().find(table, key, *columns),
            *({name: row.get(name) for name in wanted} for row in planned),
        ]

    def insert(self, table: Any, rows: Iterable[Row]) -> None:
        """Remember rows that would be entered.

        Parameters
        ----------
        table, rows
            As of `TableRows.insert`.
        """
        self._planned.setdefault(instance_of(table).full_table_name, []).extend(rows)

    def enter_parameters(self, parameters: "AnyParameters") -> tuple[int, bool]:
        """Return the number that these parameters have, or would get."""
        from element_facerhythm.facial_behavior_estimation.param_set import as_open_parameters

        digest = {"parameter_sha256": as_open_parameters(parameters).sha256()}
        return self._number(fbe.FaceRhythmParamSet, "paramset_id", {}, digest)

    def enter_rois(self, recording: Mapping[str, Any], rois: "Rois") -> tuple[int, bool]:
        """Return the number that a recording has these regions under or would get, and whether they are new.

        Parameters
        ----------
        recording
            Primary key of the recording.
        rois
            Regions of interest.
        """
        from element_facerhythm.pipeline.run.fingerprint import rois_sha256

        digest = {"rois_sha256": rois_sha256(rois)}
        return self._number(fbe.FaceRhythmROI, "roi_id", recording, digest)

    def _number(
        self, table: Any, column: str, key: Mapping[str, Any], digest: Row
    ) -> tuple[int, bool]:
        same = self.find(table, {**key, **digest}, column)
        if same:
            return int(same[0][column]), False
        number = next_number(self.find(table, key, column), column, first=0)
        self.insert(table, [{**key, **digest, column: number}])
        return number, True


def next_number(rows: Sequence[Row], column: str, *, first: int) -> int:
    """Return the number after the highest that rows have.

    Parameters
    ----------
    rows
        Rows with the column.
    column
        Its name.
    first
        The number where there are no rows.
    """
    return max((int(row[column]) + 1 for row in rows), default=first)


def instance_of(table: Any) -> Any:
    """Return a table that can be restricted, of a class or of what is one already."""
    return table() if isinstance(table, type) else table
