"""The recordings of the configured database, for the page that shows all of them."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from element_facerhythm.errors import RequestError
from element_facerhythm.gui.recordings import Column, table_of
from element_facerhythm.pipeline.results.at_a_glance import gravest

if TYPE_CHECKING:
    from element_facerhythm.curation import CuratedResult, Curation
    from element_facerhythm.gui.look_query import StoredRow


class DatabaseRecordings:
    """Rows and decisions in the configured database; one thread at a time asks it, over one connection.

    Parameters
    ----------
    lock
        Held while the connection is used; one of its own where None.
    """

    def __init__(self, lock: "threading.Lock | None" = None) -> None:
        self._lock = lock or threading.Lock()
        self._keys: list[dict[str, Any]] = []
        self._key_of: dict[Path, dict[str, Any]] = {}

    def columns(self) -> list[Column]:
        """Return the table as it is now."""
        from element_facerhythm.database.keys import key_text
        from element_facerhythm.facial_behavior_estimation.overview import overview

        with self._lock:
            self._keys, rows = overview()
        judged = [{"verdict": gravest(row.pop("verdicts")), **row} for row in rows]
        return table_of(list(map(key_text, self._keys)), judged)

    def checks(self, row: int) -> list[dict[str, Any]]:
        """Return the checks of a run; none where nothing was computed."""
        from element_facerhythm.facial_behavior_estimation.verification import stored_quality

        with self._lock:
            found = list(stored_quality([self._keys[row]]))
        return [dict(vars(verdict)) for _, verdicts in found for verdict in verdicts]

    def project_dir(self, row: int) -> Path:
        """Return the project directory of a run, fetched from the store where it is not here.

        Raises
        ------
        RequestError
            Nothing was computed for this recording.
        """
        from element_facerhythm.facial_behavior_estimation import FaceRhythmProcessing
        from element_facerhythm.facial_behavior_estimation.run_directory import present_run

        key = self._keys[row]
        if not set(FaceRhythmProcessing.primary_key) <= set(key):
            raise RequestError("nothing was computed for this recording yet")
        with self._lock:
            directory = present_run(key)
            self._key_of[directory] = key
            return directory

    def videos(self, row: int) -> list[Path]:
        """Return the video files of a recording that are on this machine.

        Raises
        ------
        RequestError
            None is.
        """
        from element_facerhythm.cli.gui_regions import files_here
        from element_facerhythm.facial_behavior_estimation import VideoRecording

        with self._lock:
            return files_here({name: self._keys[row][name] for name in VideoRecording.primary_key})

    def read(self, directory: Path) -> "tuple[Curation, CuratedResult]":
        """Return what was decided about a run, and what there is to decide about, from the rows."""
        from element_facerhythm.facial_behavior_estimation import ComponentCuration, curated_result

        key = self._task_of(directory)
        with self._lock:
            return ComponentCuration.fetch_curation(key), curated_result(key)

    def write(self, directory: Path, curation: "Curation", based_on: int) -> None:
        """Enter the further entries of a curation.

        Raises
        ------
        CurationConflictError
            Somebody else has entered something meanwhile.
        """
        from element_facerhythm.facial_behavior_estimation import ComponentCuration

        with self._lock:
            ComponentCuration.store(self._task_of(directory), curation, based_on)

    def row_of(self, directory: Path) -> "StoredRow | None":
        """Return the row that a project was opened from; None where it was opened otherwise."""
        from element_facerhythm.facial_behavior_estimation import FacialRhythm
        from element_facerhythm.gui.look_query import StoredRow

        key = self._key_of.get(directory)
        if key is None:
            return None
        with self._lock:
            adapter = FacialRhythm().connection.adapter
            condition = " AND ".join(
                f"{adapter.quote_identifier(name)} = {_literal(value, adapter.backend)}"
                for name, value in key.items()
            )
            parts = (FacialRhythm.Quality, FacialRhythm.Component, FacialRhythm.Point)
            return StoredRow(
                key, condition, {part.__name__: part().full_table_name for part in parts}
            )

    def _task_of(self, directory: Path) -> dict[str, Any]:
        from element_facerhythm.facial_behavior_estimation import FaceRhythmTask

        key = self._key_of[directory]
        return {name: key[name] for name in FaceRhythmTask.primary_key}


def _literal(value: Any, backend: str) -> str:
    """Return a value of a key in SQL, as a client of this server types it."""
    if isinstance(value, int | float):
        return str(value)
    text = str(value).replace("'", "''")
    text = text.replace("\\", "\\\\") if backend == "mysql" else text
    return f"'{text}'"
