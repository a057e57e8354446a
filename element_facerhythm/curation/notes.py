"""Remarks on entries of a curation that no longer match the results."""

from __future__ import annotations

from pathlib import Path

from element_facerhythm.curation.changes import DECOMPOSITION, TRACKS
from element_facerhythm.curation.editing import outdated_entries
from element_facerhythm.curation.file import curation_path, read_curation
from element_facerhythm.curation.history import Curation
from element_facerhythm.curation.results import CuratedResult, project_result
from element_facerhythm.errors import PathError, ProjectError


def outdated_notes(curation: Curation, result: CuratedResult) -> tuple[str, ...]:
    """Return a remark for each product that was computed anew since entries were made about it.

    Parameters
    ----------
    curation
        From its beginning.
    result
        As it is now.
    """
    outdated = outdated_entries(curation, result)
    notes = []
    for product, what in ((DECOMPOSITION, "a decomposition"), (TRACKS, "tracks")):
        numbers = [str(entry.revision) for entry in outdated if entry.product == product]
        if numbers:
            entries = "entry" if len(numbers) == 1 else "entries"
            notes.append(
                f"curation, {entries} {', '.join(numbers)}: about {what} with another digest than "
                f"{product}.h5 has now, and not applied to it; decide anew"
            )
    return tuple(notes)


def notes_of_project(directory: Path) -> tuple[str, ...]:
    """Return remarks on the curation of a project directory; none where there is no curation.

    A file that cannot be read is a remark, too: the results themselves do not depend on it.
    """
    try:
        if not curation_path(directory).exists():
            return ()
        return outdated_notes(read_curation(directory), project_result(directory))
    except (ProjectError, PathError) as error:
        return (f"the curation was not compared with the results: {error}",)
