"""An empty project directory, as face-rhythm's `prepare_project` makes one, for a run to fill."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from element_facerhythm.core.rois import Rois
from element_facerhythm.errors import ProjectError
from element_facerhythm.io.config import read_config, write_config, write_json
from element_facerhythm.io.folders import OpenDirectory
from element_facerhythm.io.layout import INPUTS
from element_facerhythm.io.rois_file import read_rois
from element_facerhythm.parameters import read_open_parameters
from element_facerhythm.pipeline.run.check import check_directory
from element_facerhythm.pipeline.run.face_rhythm_files import general_sections
from element_facerhythm.pipeline.run.given_files import (
    PARAMETERS,
    ROIS,
    GivenFile,
    keep_given_files,
    read_given_file,
)
from element_facerhythm.pipeline.run.lock import project_lock


class PreparedProject(NamedTuple):
    """What face-rhythm's function returns, in its order."""

    path_config: str
    path_run_info: str
    directory_project: str


def prepare_project(
    directory_project: str | Path,
    *,
    parameters: str | Path | None = None,
    rois: str | Path | None = None,
    update_project_paths: bool = True,
    mkdir: bool = True,
) -> PreparedProject:
    """Make a project directory without results, or set the paths of one that was moved.

    With `parameters` and `rois` they are kept in it, so that `facerhythm run VIDEO -o DIR` needs no more.
    Results that are there stay as they are.

    Parameters
    ----------
    directory_project
        The directory.
    parameters, rois
        Files to keep in it; None for none. They are read first, so that wrong ones are refused.
    update_project_paths
        Whether ``config.yaml`` of a directory that exists gets its present place.
    mkdir
        Whether a missing directory is made.

    Returns
    -------
    PreparedProject
        Absolute paths of ``config.yaml``, of ``run_info.json``, and of the directory.

    Raises
    ------
    ProjectError
        It is missing and not to be made, holds something else, belongs to a task of a database, or cannot be
        written.
    ParameterError, RoiError
        A file is malformed.
    """
    directory = Path(directory_project)
    given: list[GivenFile] = []
    regions: Rois | None = None
    if parameters is not None:
        read_open_parameters(parameters)
        given.append(read_given_file(PARAMETERS, Path(parameters)))
    if rois is not None:
        regions = read_rois(rois)
        given.append(read_given_file(ROIS, Path(rois)))
    if not mkdir and not directory.is_dir():
        raise ProjectError(f"{directory} does not exist; create it, or let it be made (mkdir=True)")
    check_directory(directory, None)
    config, run_info = directory / "config.yaml", directory / "run_info.json"
    with OpenDirectory(directory, make=True) as root:
        for name in ("analysis_files", "visualizations", *((INPUTS,) if given else ())):
            with root.folder(directory / name, make=True):
                pass
    with project_lock(directory) as lock:
        check_directory(directory, None)  # again, now that no run can change it
        known = read_config(config) if config.is_file() else {}
        if update_project_paths or not known:
            write_config(config, known | general_sections(directory))
        if not run_info.is_file():
            write_json(run_info, {})
        keep_given_files(directory, given, regions, lock)
    return PreparedProject(*map(str, (p.absolute() for p in (config, run_info, directory))))
