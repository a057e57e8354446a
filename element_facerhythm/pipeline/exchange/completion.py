"""Whether a project directory is complete: every product there, as it was written, and no run at work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from element_facerhythm.errors import ProjectError
from element_facerhythm.io.project import Project
from element_facerhythm.pipeline.records import PRODUCT_OF_STAGE
from element_facerhythm.pipeline.run.lock import is_locked

COMPLETE, RUNNING, UNFINISHED, DAMAGED = "complete", "running", "unfinished", "damaged"


@dataclass(frozen=True)
class Completion:
    """How far a project has come.

    Attributes
    ----------
    directory
        The project.
    program
        What wrote it, with the version of its layout.
    state
        ``complete``, ``running`` (a run is writing it), ``unfinished`` or ``damaged``.
    stages
        Name of each stage, and whether its product is there.
    reasons
        What keeps it from being complete, in words.
    """

    directory: Path
    program: str
    state: str
    stages: Mapping[str, bool]
    reasons: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing, damaged or being written."""
        return self.state == COMPLETE


def completion_of(directory: Path, roots: Iterable[str | Path] = ()) -> Completion:
    """Say how far a project of this package or of face-rhythm has come; changes nothing.

    The content of every product is digested and compared with what was written. face-rhythm's products
    carry no digest: of them only that they are there is known.

    Parameters
    ----------
    directory
        The project directory.
    roots
        Data directories that files of it may be links into; see `Project.open`.

    Raises
    ------
    ProjectError
        It is no project, and no run is making one of it.
    """
    busy = f"a run is writing {directory}"
    try:
        project = Project.open(directory, roots)
    except ProjectError:
        if directory.is_dir() and is_locked(directory):
            return Completion(
                directory, "", RUNNING, dict.fromkeys(PRODUCT_OF_STAGE, False), (busy,)
            )
        raise
    present = {product.name for product in project.products}
    stages = {stage: product in present for stage, product in PRODUCT_OF_STAGE.items()}
    if is_locked(directory):
        return Completion(directory, project.layout, RUNNING, stages, (busy,))
    faults = [fault for of_product in project.faults() for fault in of_product]
    missing = [f"{name}.h5 is missing" for name in PRODUCT_OF_STAGE.values() if name not in present]
    state = DAMAGED if faults else UNFINISHED if missing else COMPLETE
    return Completion(directory, project.layout, state, stages, (*faults, *missing))
