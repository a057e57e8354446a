"""All recordings at a glance: one row each, with the verdicts on its results."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from element_facerhythm.errors import RequestError
from element_facerhythm.gui.opened import Opened
from element_facerhythm.pipeline import summarise_project
from element_facerhythm.pipeline.records import ProjectSummary
from element_facerhythm.pipeline.results.at_a_glance import at_a_glance

_UNITS = {"duration_s": "s", "frame_rate_hz": "Hz", "peak_frequency_hz": "Hz"}


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes
    ----------
    name
        As the database calls it, where it is one of its columns.
    unit
        Of its numbers; empty for none.
    values
        One for each recording: numbers, texts or None.
    """

    name: str
    unit: str
    values: Sequence[Any]


class Recordings(Protocol):
    """Where the rows come from: opened projects, or a database."""

    def columns(self) -> list[Column]:
        """Return the table; the first column names the recordings."""
        ...

    def checks(self, row: int) -> list[dict[str, Any]]:
        """Return the checks of a recording: name, value, threshold, verdict, message."""
        ...

    def project_dir(self, row: int) -> Path:
        """Return the project directory of a recording, on this machine.

        Raises
        ------
        FaceRhythmError
            It cannot be had.
        """
        ...

    def videos(self, row: int) -> list[Path]:
        """Return the video files of a recording that are on this machine.

        Raises
        ------
        FaceRhythmError
            None is.
        """
        ...


class OpenedRecordings:
    """Rows of the projects that the server was started on.

    Parameters
    ----------
    opened
        What the server was started on.
    """

    def __init__(self, opened: Opened) -> None:
        self._opened, self._lock = opened, threading.Lock()
        self._summaries: dict[str, ProjectSummary] = {}

    def columns(self) -> list[Column]:
        """Return the table of what is opened now; each project is summarised once."""
        summaries = list(map(self._summary, self._directories()))
        rows = [at_a_glance(summary) for summary in summaries]
        names = [directory.name for directory in self._directories()]
        return table_of(names, rows)

    def checks(self, row: int) -> list[dict[str, Any]]:
        """Return the checks of a project."""
        quality = self._summary(self._directories()[row]).quality
        return [dict(vars(verdict)) for verdict in quality]

    def project_dir(self, row: int) -> Path:
        """Return the directory of a project."""
        return self._directories()[row]

    def videos(self, row: int) -> list[Path]:
        """Return the videos of a project that are on this machine.

        Raises
        ------
        RequestError
            None is.
        """
        project = list(self._opened.projects.values())[row]
        found = [self._opened.videos[one].path for one in project.videos if one is not None]
        if not found:
            raise RequestError(f"no video of {project.directory.name} is on this machine")
        return found

    def _directories(self) -> list[Path]:
        return [project.directory for project in self._opened.projects.values()]

    def _summary(self, directory: Path) -> ProjectSummary:
        with self._lock:
            key = str(directory)
            if key not in self._summaries:
                self._summaries[key] = summarise_project(directory)
            return self._summaries[key]


def table_of(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    """Return the columns of a table; the first one names the recordings.

    Parameters
    ----------
    names
        One for each recording.
    rows
        Numbers and texts of each, all with the same keys in one order.
    """
    columns = [Column("recording", "", names)]
    for name in rows[0] if rows else ():
        columns.append(Column(name, _UNITS.get(name, ""), [row[name] for row in rows]))
    return columns
