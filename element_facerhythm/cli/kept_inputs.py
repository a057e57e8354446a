"""What `facerhythm run` takes of a project directory where it is not given: parameters and regions."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from element_facerhythm.cli.parameter_options import Preset
    from element_facerhythm.parameters import Parameters


class Inputs(NamedTuple):
    """Files that are read, the parameters that they lie over, and remarks."""

    params: Path | None
    rois: Path
    base: "Parameters | None"
    notes: tuple[str, ...]


def inputs_of_run(
    project_dir: Path, params: Path | None, rois: Path | None, preset: "Preset | None"
) -> Inputs:
    """Complete the options with what the project keeps.

    Parameters that were executed are those of `run.json`; where that is gone, the file that was given is read
    again.

    Raises
    ------
    RequestError
        No regions are given, and the project keeps none.
    """
    from element_facerhythm.errors import RequestError
    from element_facerhythm.pipeline.run.given_files import PARAMETERS, ROIS, kept_file
    from element_facerhythm.pipeline.run.run_file import parameters_of_run

    base, notes = None, []
    if params is None and preset is None:
        base = parameters_of_run(project_dir)
        if base is not None:
            notes.append(f"parameters: those that {project_dir} was made with")
        elif (params := kept_file(project_dir, PARAMETERS)) is not None:
            notes.append(f"parameters: those of {params}")
    if rois is None:
        rois = kept_file(project_dir, ROIS)
        if rois is None:
            raise RequestError(
                f"no regions: {project_dir} keeps no ROI file of an earlier run; give one with --rois"
            )
        notes.append(f"regions: those of {rois}")
    return Inputs(params, rois, base, tuple(notes))
