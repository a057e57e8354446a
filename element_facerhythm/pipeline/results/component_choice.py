"""Components by number, or by the name that people gave them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from element_facerhythm.curation import project_result, read_curation, replay
from element_facerhythm.curation.state import UNDECIDED, ComponentItem
from element_facerhythm.errors import RequestError
from element_facerhythm.io.project import Project

_DECOMPOSITION = "TCA"


@dataclass(frozen=True)
class NamedComponent:
    """A component, and the name that the curation gives it; empty where it has none."""

    model_key: str
    component_index: int
    name: str


def named_components(project: Project) -> tuple[NamedComponent, ...]:
    """Components of a project with their names; names of an earlier decomposition are not taken.

    Parameters
    ----------
    project
        With its products.

    Raises
    ------
    ProjectError
        It is not complete.
    RequestError
        Its curation cannot be read.
    """
    result = project_result(project)
    states = replay(read_curation(project.directory).entries).components
    digest = result.sha256[_DECOMPOSITION]
    return tuple(
        NamedComponent(
            model, index, states.get(ComponentItem(digest, model, index), UNDECIDED).name
        )
        for model, n_components in result.n_components.items()
        for index in range(n_components)
    )


def find_component(components: Sequence[NamedComponent], text: str, where: str) -> NamedComponent:
    """Return the one component that a text means.

    Parameters
    ----------
    components
        Of one project.
    text
        Its number, after its model's and a slash where there are several models; or its name.
    where
        The project, for messages.

    Raises
    ------
    RequestError
        No component is meant, or several are; the message says which there are.
    """
    found = [
        one
        for one in components
        if text in (one.name, f"{one.model_key}/{one.component_index}", str(one.component_index))
    ]
    by_name = [one for one in found if one.name == text]
    found = by_name or found
    if len(found) == 1:
        return found[0]
    several = len({one.model_key for one in components}) > 1
    listed = ", ".join(
        (f"{one.model_key}/" if several else "")
        + str(one.component_index)
        + (f" ({one.name})" if one.name else "")
        for one in components
    )
    said = f"several components are called {text!r}" if found else f"there is no component {text!r}"
    raise RequestError(
        f"{where}: {said}; expected one of {listed or 'none: it has no components'}. Names are given with "
        "`facerhythm curate set`, and hold for the decomposition that they were given to"
    )
