"""Labels of curated projects, proposed for matched components of other projects of the animal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from element_facerhythm.curation.file import read_curation
from element_facerhythm.curation.history import replay
from element_facerhythm.curation.notes import notes_of_project
from element_facerhythm.curation.proposals import LabelProposal, propose_labels
from element_facerhythm.curation.state import ComponentState
from element_facerhythm.errors import RequestError
from element_facerhythm.io.project import Project
from element_facerhythm.pipeline.results.session_matches import SessionMatches, match_projects


@dataclass(frozen=True, eq=False)
class ProjectProposals:
    """What is proposed, and what it rests on.

    Attributes
    ----------
    proposals
        Labels that are proposed.
    matches
        Of the sessions, labelled ones included.
    notes
        Entries of curations that no longer match the results, and were passed over.
    """

    proposals: tuple[LabelProposal, ...]
    matches: SessionMatches
    notes: tuple[str, ...]


def propose_for_projects(
    directories: Sequence[Path], sources: Sequence[Path], **options: Any
) -> ProjectProposals:
    """Propose labels of some projects for undecided components of others; nothing is written.

    Parameters
    ----------
    directories
        Projects that labels are wanted for.
    sources
        Curated projects of the same animal.
    **options
        As of `match_projects`.

    Raises
    ------
    RequestError
        Nothing is labelled in the curated projects, or as of `match_projects`.
    ProjectError
        One is no project, or its curation cannot be read.
    """
    matches = match_projects([*sources, *directories], **options)
    places = {path.resolve() for path in sources}
    states: dict[tuple[str, int], ComponentState] = {}
    notes: list[str] = []
    for name, picture in matches.pictures.items():
        states |= {
            (name, index): state
            for index, state in _states(picture.directory, picture.model_key).items()
        }
        notes += [f"{name}: {note}" for note in notes_of_project(picture.directory)]
    labelled = [n for n, one in matches.pictures.items() if one.directory.resolve() in places]
    if not any(session in labelled for session, _ in states):
        raise RequestError(
            f"nothing was decided about the components of {', '.join(labelled)}; "
            "`facerhythm curate set` gives them names and verdicts"
            + "".join(f". Note: {note}" for note in notes)
        )
    return ProjectProposals(propose_labels(matches.pairs, states, labelled), matches, tuple(notes))


def _states(directory: Path, model_key: str) -> dict[int, ComponentState]:
    """Return what was decided about components of the decomposition that is there now, by number."""
    products = {product.name: product for product in Project.open(directory).products}
    digest = products["TCA"].sha256
    components = replay(read_curation(directory).entries).components
    return {
        item.component_index: state
        for item, state in components.items()
        if item.sha256 == digest and item.model_key == model_key
    }
