"""``run.json``: what a run writes of itself beside face-rhythm's files, and what is read of it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import element_facerhythm
from element_facerhythm.errors import ParameterError
from element_facerhythm.io.config import read_json, write_json
from element_facerhythm.io.product_stamps import FORMAT_VERSION, stage_record
from element_facerhythm.parameters import Parameters, parameters_from_mapping
from element_facerhythm.pipeline.check import CheckedRequest
from element_facerhythm.pipeline.plan import stage_product
from element_facerhythm.pipeline.records import RunRequest
from element_facerhythm.pipeline.timing import clock_facts
from element_facerhythm.video.time_files import FROM_STAMPS

RUN_FILE = "run.json"


def write_run_file(
    checked: CheckedRequest, directory: Path, done: Sequence[str], versions: Mapping[str, str]
) -> None:
    """Write ``run.json`` for the stages that are done.

    Parameters
    ----------
    checked
        The request.
    directory
        The project directory.
    done
        Stages whose products are there.
    versions
        Of the libraries that compute.
    """
    records = {stage: stage_record(stage_product(directory, stage)) for stage in done}
    stages = {
        stage: {
            "fingerprint": checked.fingerprints[stage],
            **{key: record.get(key) for key in ("completed_utc", "seconds")},
        }
        for stage, record in records.items()
    }
    index = {
        "format_version": FORMAT_VERSION,
        "package_version": element_facerhythm.__version__,
        "device": str(checked.device),
        "versions": dict(versions),
        "parameters": checked.parameters.to_tree(),
        "parameters_sha256": checked.parameters.sha256(),
        "clock": clock_facts(checked.sequences, checked.frame_rate_hz),
        "frames": None if checked.request.frames is None else list(checked.request.frames),
        "given_frame_rate_hz": checked.request.frame_rate_hz,
        "times": _times(checked.request),
        "notes": list(checked.notes),
        "stages": stages,
    }
    write_json(directory / RUN_FILE, index)


def parameters_of_run(directory: Path) -> Parameters | None:
    """Parameters that the results in a project directory were made with; None where there is no ``run.json``.

    Raises
    ------
    ParameterError
        They are not those that were written, or none that this version knows.
    ProjectError
        The file is damaged.
    """
    path = directory / RUN_FILE
    if not path.is_file():
        return None
    stored: dict[str, Any] = read_json(path)
    remedy = "give the parameters as a file with --params, and --overwrite to replace the results"
    try:
        parameters = parameters_from_mapping(stored["parameters"]).parameters
        same = parameters.sha256() == stored["parameters_sha256"]
    except (KeyError, ParameterError) as error:
        raise ParameterError(
            f"{path} does not say with what parameters its results were made; {remedy}"
        ) from error
    if not same:
        raise ParameterError(
            f"the parameters in {path} are not those that were written there; {remedy}"
        )
    return parameters


def run_facts(directory: Path) -> dict[str, Any]:
    """Arguments of `RunRequest` beside the parameters that the results in a project directory were made with.

    Raises
    ------
    ProjectError
        The file is damaged.
    """
    stored: dict[str, Any] = read_json(directory / RUN_FILE)
    frames = stored.get("frames")
    return {
        "frames": None if frames is None else tuple(frames),
        "frame_rate_hz": stored.get("given_frame_rate_hz"),
        "times": None if stored.get("times") is None else tuple(stored["times"]),
    }


def _times(request: RunRequest) -> list[str | None] | None:
    if request.times is None:
        return None
    return [
        own if own in (None, FROM_STAMPS) else str(Path(own).absolute()) for own in request.times
    ]
