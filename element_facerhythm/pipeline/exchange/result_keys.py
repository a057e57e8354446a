"""The dictionary that face-rhythm's `pipeline_basic` returns, of a run of this package."""

from __future__ import annotations

from typing import Any

from element_facerhythm.pipeline.records import RunRecord


def result_keys(record: RunRecord) -> dict[str, Any]:
    """Return where a run's results lie and what was executed, under face-rhythm's names.

    Parameters
    ----------
    record
        Of a run, or of a loaded project.

    Returns
    -------
    dict
        `path_config`, `path_run_info` and `directory_project`, absolute paths as text; `SEED`, the random
        seed; `params`, the whole tree of parameters that was executed. The last two are None for a loaded
        project that does not say them.
    """
    directory = record.project_dir.absolute()
    params = None if record.parameters is None else record.parameters.to_tree()
    return {
        "path_config": str(directory / "config.yaml"),
        "path_run_info": str(directory / "run_info.json"),
        "directory_project": str(directory),
        "SEED": None if params is None else params["project"]["random_seed"],
        "params": params,
    }
