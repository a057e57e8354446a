"""Clips of a component's strongest episodes, as the page shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from element_facerhythm.io.project import Project
from element_facerhythm.movies.clips import ClipsPlan, ClipsRequest, plan_clips, write_clips
from element_facerhythm.movies.component import one_component, shown_components
from element_facerhythm.movies.source import frame_source
from element_facerhythm.video.clock import Clock

N_EPISODES = 12
EPISODE_S = 2.0
_REQUEST = ClipsRequest(n=N_EPISODES, seconds=EPISODE_S, width_px=960)


def component_clips(
    project: Project, clocks: Sequence[Clock], videos: Sequence[Path], key: str, component: int
) -> ClipsPlan:
    """Plan the clips of a component.

    Parameters
    ----------
    project, clocks
        The project, and when the frames of each of its sequences were taken.
    videos
        Its videos, compared with what was analysed.
    key, component
        Key of the model, and number of the component.
    """
    one = one_component(shown_components(project, key)[0], component)
    return plan_clips(
        one,
        lambda index: frame_source(project, index, given=videos, is_checked=True),
        clocks,
        _REQUEST,
    )


def write_planned_clips(
    note: Callable[[float], None], plan: ClipsPlan, project: Project, path: Path
) -> None:
    """Write planned clips as one movie.

    Parameters
    ----------
    note
        Called with the share that is done, 0 to 1.
    plan, project
        What it shows, and of which project.
    path
        The file; one that is there is replaced.
    """
    write_clips(plan, project, path, lambda n_done: note(n_done / plan.span.n_pictures))
