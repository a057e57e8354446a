"""Figures and a movie made by a process of their own, while a run computes what they do not show.

A thread would not do: drawing holds Python's global lock, and the decomposition is many short calls. The
process is `python -m` of this module; it prints what it has drawn as JSON.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from element_facerhythm.figures.write import NEEDED, DrawnFigures, figure_names, write_figures
from element_facerhythm.io.atomic import remove_leftovers, writing_inside
from element_facerhythm.io.layout import SIGNALS
from element_facerhythm.io.project import Project
from element_facerhythm.pipeline.records import Progress
from element_facerhythm.pipeline.results.drawing import VISUALIZATIONS
from element_facerhythm.pipeline.results.filming import write_tracking_movie
from element_facerhythm.pipeline.run.tracking_stage import n_cores

logger = logging.getLogger(__name__)

EARLY = tuple(name for name, needed in NEEDED.items() if not {"TCA", SIGNALS} & set(needed))
"""Figures that do not show the last product, and are drawn while it is computed."""
_LAST_NEEDED = "spectral_analysis"
_NICENESS = 10  # the run is waited for, and goes first


@dataclass(frozen=True)
class Visualizations(DrawnFigures):
    """Figures and movies of a run.

    Attributes
    ----------
    movies
        The files.
    """

    movies: tuple[Path, ...] = ()


class FiguresBeside:
    """The figures and the movie of a run: most made beside its last stage, the others after it.

    A context: leaving it before the figures were asked for, as where the run fails, stops the drawing.

    Parameters
    ----------
    directory
        The project directory that the run writes.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> FiguresBeside:
        """Draw nothing yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop what nobody waits for any more."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.kill()
        self._process.communicate()
        remove_leftovers(self._directory / VISUALIZATIONS)

    def on_stage(self, stage: str) -> None:
        """Begin to draw when the last product that the early figures need is there."""
        if stage != _LAST_NEEDED or n_cores() == 1:
            return
        command = [sys.executable, "-m", __name__, str(self._directory.absolute())]
        # in a session of its own, Ctrl-C reaches the run alone, which then stops this process
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        except OSError as error:
            logger.warning("figures are drawn after the run, not beside it: %s", error)

    def finish(self, progress: Progress) -> Visualizations:
        """Draw what is left, wait for the rest, and return all of it.

        Where the process fails, or there is none, everything is made here.
        """
        project = Project.open(self._directory)
        n_figures, target = len(figure_names(project)), self._directory / VISUALIZATIONS
        early = () if self._process is None else EARLY
        with (
            progress.stage("figures", n_figures, "figures") as advance,
            writing_inside(self._directory),
        ):
            drawn = write_figures(project, target, advance, without=early)
            beside = self._result()
            if early and beside is None:
                drawn = write_figures(project, target, advance)
            if beside is None:
                movies, failed = write_tracking_movie(project, target)
                early_paths: tuple[Path, ...] = ()
            else:
                movies = tuple(target / name for name in beside["movies"])
                failed = tuple(beside["failed"])
                early_paths = tuple(target / name for name in beside["names"])
            advance(n_figures)
        return Visualizations(
            (*early_paths, *drawn.paths), drawn.left_out, (*failed, *drawn.failed), movies
        )

    def _result(self) -> Mapping[str, Any] | None:
        """Return what the process has drawn; None where there is none, or it failed."""
        if self._process is None:
            return None
        printed, _ = self._process.communicate()
        if self._process.returncode == 0:
            result: Mapping[str, Any] = json.loads(printed)
            return result
        logger.warning(
            "the process that draws figures ended with code %d; they are drawn again",
            self._process.returncode,
        )
        return None


def main() -> None:
    """Draw the early figures of the project directory that is the argument, and write its movie."""
    os.nice(_NICENESS)
    directory = Path(sys.argv[1])
    others = [name for name in NEEDED if name not in EARLY]
    with writing_inside(directory):
        project, target = Project.open(directory), directory / VISUALIZATIONS
        drawn = write_figures(project, target, without=others)
        movies, failed = write_tracking_movie(project, target)
    made = {
        "names": [path.name for path in drawn.paths],
        "movies": [path.name for path in movies],
        "failed": [*drawn.failed, *failed],
    }
    sys.stdout.write(json.dumps(made))


if __name__ == "__main__":
    main()
