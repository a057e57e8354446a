"""Where a curation is kept: beside the products of a project, or in the rows of a task."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from element_facerhythm.cli.key_options import KeyTexts
from element_facerhythm.errors import ProjectError, RequestError

if TYPE_CHECKING:
    from element_facerhythm.curation import CuratedResult, Curation

DirectoryArgument = Annotated[
    Path | None,
    typer.Argument(help="Project directory; without, a task of the database.", metavar="DIR"),
]
CuratorOption = Annotated[
    str | None, typer.Option("--curator", help="Who decides (default: the account's name).")
]


@dataclass(frozen=True)
class CuratedPlace:
    """A curation, and the result that it is of.

    Attributes
    ----------
    about
        The project directory, or the key of the task, as JSON output names them.
    curation
        As it was read.
    result
        What there is to decide about; None where there are no results, which `problem` says.
    write
        Writes a curation, given the revision that was read.
    problem
        Why there are no results.
    """

    about: Mapping[str, Any]
    curation: "Curation"
    result: "CuratedResult | None"
    write: "Callable[[Curation, int], object]"
    problem: str = ""

    def require_result(self) -> "CuratedResult":
        """Return the result; RequestError where there is none."""
        if self.result is None:
            raise RequestError(self.problem)
        return self.result


def curated_place(directory: Path | None, chosen: KeyTexts, *, to_write: bool) -> CuratedPlace:
    """Open the curation of a project directory, or of the one task that options choose.

    Parameters
    ----------
    directory
        Of a project; None for the database.
    chosen
        Columns of a key, for the database.
    to_write
        Whether it is going to be changed.

    Raises
    ------
    RequestError
        Both are given, or none; or the options leave no task, or several.
    """
    if (directory is not None) == bool(chosen.texts):
        raise RequestError(
            "give a project directory, or say which task (--subject, --session, --recording, --key), and "
            "not both"
        )
    return _of_project(directory) if directory is not None else _of_task(chosen, to_write)


def _of_project(directory: Path) -> CuratedPlace:
    from element_facerhythm.curation import project_result, read_curation, write_curation
    from element_facerhythm.io.project import Project

    project = Project.open(directory)
    curation = read_curation(directory)
    result, problem = None, ""
    try:
        result = project_result(project)
    except ProjectError as error:
        problem = str(error)
    return CuratedPlace(
        {"project_dir": directory},
        curation,
        result,
        lambda changed, based_on: write_curation(directory, changed, based_on),
        problem,
    )


def _of_task(chosen: KeyTexts, to_write: bool) -> CuratedPlace:
    from element_facerhythm.cli.database_access import pipeline_to_change, pipeline_to_read

    (pipeline_to_change if to_write else pipeline_to_read)()
    from element_facerhythm.facial_behavior_estimation import ComponentCuration, curated_result

    key = _chosen_task(chosen)
    result, problem = None, ""
    try:
        result = curated_result(key)
    except RequestError as error:
        problem = str(error)
    return CuratedPlace(
        {"key": key},
        ComponentCuration.fetch_curation(key),
        result,
        lambda changed, based_on: ComponentCuration.store(key, changed, based_on),
        problem,
    )


def _chosen_task(chosen: KeyTexts) -> dict[str, Any]:
    from element_facerhythm.database.keys import key_text
    from element_facerhythm.facial_behavior_estimation import FaceRhythmTask

    table = FaceRhythmTask()
    tasks = (table & chosen.key(table)).proj().to_dicts(order_by="KEY", limit=3)
    if len(tasks) == 1:
        return dict(tasks[0])
    asked = " ".join(f"{name}={text}" for name, text in chosen.texts.items())
    if not tasks:
        raise RequestError(f"no task has the key {asked}; `facerhythm status` shows what there is")
    listed = "; ".join(key_text(task) for task in tasks)
    raise RequestError(
        f"{asked} is the key of several tasks ({listed}): say more of it, as --key paramset_id=0"
    )
