"""Curation: what people decide about results, kept apart from the results.

A curation is a list of entries, each a change that a person made at a time: a verdict, a name or a note on a
component, components merged into one, spans of time or points left out. Entries are only ever added; undoing
one is a further entry. What holds now is what replaying them gives (`replay`). Every entry carries the digest
of the product that it is about, so that it is told, and not applied, once that product was computed anew.
"""

from element_facerhythm.curation.changes import (
    VERDICTS,
    Change,
    ExcludePoints,
    ExcludeSpan,
    JudgeComponent,
    MergeComponents,
    SplitComponents,
    Undo,
    change_of_row,
    row_of_change,
)
from element_facerhythm.curation.editing import append, exchange, outdated_entries, undo
from element_facerhythm.curation.file import (
    curation_path,
    read_curation,
    read_curation_file,
    write_curation,
    write_curation_file,
)
from element_facerhythm.curation.history import (
    Curation,
    Entry,
    active_entries,
    last_changes,
    replay,
)
from element_facerhythm.curation.matching import Suggestion, suggest_matches
from element_facerhythm.curation.notes import notes_of_project, outdated_notes
from element_facerhythm.curation.results import CuratedResult, project_result
from element_facerhythm.curation.state import ComponentState, State

__all__ = [
    "VERDICTS",
    "Change",
    "ComponentState",
    "CuratedResult",
    "Curation",
    "Entry",
    "ExcludePoints",
    "ExcludeSpan",
    "JudgeComponent",
    "MergeComponents",
    "SplitComponents",
    "State",
    "Suggestion",
    "Undo",
    "active_entries",
    "append",
    "change_of_row",
    "curation_path",
    "exchange",
    "last_changes",
    "notes_of_project",
    "outdated_entries",
    "outdated_notes",
    "project_result",
    "read_curation",
    "read_curation_file",
    "replay",
    "row_of_change",
    "suggest_matches",
    "undo",
    "write_curation",
    "write_curation_file",
]
