"""What the page asks about one component: its mean cycle, and clips of its strongest episodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from element_facerhythm.core.mean_cycle import MeanCycle
from element_facerhythm.errors import RequestError
from element_facerhythm.figures.cycles import LEAST_FOLLOWED, component_cycle
from element_facerhythm.gui.answers import array_answer
from element_facerhythm.gui.apart import run_apart
from element_facerhythm.gui.look_clips import (
    EPISODE_S,
    N_EPISODES,
    component_clips,
    write_planned_clips,
)
from element_facerhythm.gui.look_project import LookProject
from element_facerhythm.gui.look_requests import component_in, later
from element_facerhythm.gui.preparation import Step
from element_facerhythm.gui.side_files import drop_oldest, side_file
from element_facerhythm.movies.clips import grid_of

N_PHASES = 32


def component_answers(base: str) -> dict[str, Callable[[LookProject, Request], Response]]:
    """Return what answers to addresses about a component.

    Parameters
    ----------
    base
        Address of a project.
    """
    component = f"{base}/models/{{key}}/components/{{component:int}}"
    return {
        f"{component}/cycle": _cycle,
        f"{component}/clips": _clips,
        f"{component}/clips.mp4": _clips_file,
    }


def _cycle(look: LookProject, request: Request) -> Response:
    """Path of each point during a period, in `N_PHASES` steps as float16, and who follows the rhythm."""
    key, component = component_in(look, request)

    def averaged(_note: Callable[[float], None]) -> MeanCycle:
        return component_cycle(look.project, look.panels(key)[component])

    step = look.asked.step(f"cycle {key} {component}", averaged)
    cycle: MeanCycle | None = step.finished()
    if cycle is None:
        return later(step)
    follows = cycle.followed >= LEAST_FOLLOWED
    return array_answer(
        {
            "path": cycle.path(N_PHASES).astype(np.float16),
            "reach": cycle.reach_px.astype(np.float32),
            "follows": follows,
        },
        {
            "frequency_hz": cycle.frequency_hz,
            "n_phases": N_PHASES,
            "largest_px": float(np.where(follows, cycle.reach_px, 0).max()),
            "averaged_s": cycle.n_averaged_frames / look.project.frame_rate_hz,
            "of_s": cycle.n_cycle_frames / look.project.frame_rate_hz,
            "recorded_s": sum(look.project.n_frames) / look.project.frame_rate_hz,
        },
    )


def _clips(look: LookProject, request: Request) -> Response:
    """Where each clip stands in the movie, and of what it is; while it is asked for, the movie is made."""
    step = _clips_step(look, *component_in(look, request))
    made = step.finished()
    return later(step) if made is None else JSONResponse(made[1])


def _clips_file(look: LookProject, request: Request) -> Response:
    made = _clips_step(look, *component_in(look, request)).finished()
    if made is None:
        raise RequestError("the clips are not made yet; ask for /clips until they are")
    return FileResponse(made[0], media_type="video/mp4")


def _clips_step(look: LookProject, key: str, component: int) -> Step:
    """Return the step whose result is the movie's path, and facts on it."""

    def made(note: Callable[[float], None]) -> tuple[Path, dict[str, Any]]:
        plan = component_clips(look.project, look.clocks, _shown_videos(look), key, component)
        number = list(look.models).index(key)
        name = f"clips-{N_EPISODES}x{EPISODE_S:g}s-{number}-{component}"
        path = side_file(name, look.project.product_path("TCA"), ".mp4")
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            # a process that is killed cleans nothing up
            with TemporaryDirectory(dir=path.parent) as folder:
                movie = Path(folder, path.name)
                run_apart(write_planned_clips, plan, look.project, movie, note=note)
                movie.replace(path)
            drop_oldest()
        facts = {
            **asdict(grid_of(plan, look.project)),
            "episodes": [asdict(episode) for episode in plan.episodes],
            "seconds": EPISODE_S,
            "notes": [
                *plan.notes,
                *(note for source in plan.sources.values() for note in source.notes),
            ],
        }
        return path, facts

    return look.asked.step(f"clips {key} {component}", made)


def _shown_videos(look: LookProject) -> list[Path]:
    """Return the videos of the project, where the page can show all of them."""
    paths = [look.opened.videos[video].path for video in look.videos if video is not None]
    every = (part for index in range(look.n_sequences) for part in look.sequence(index))
    if len(paths) != len(look.videos) or any(part.video is None for part in every):
        raise RequestError(
            "there are no clips: a video is not on this machine, or is not the one that was analysed"
        )
    return paths
