"""``run.json``: what a run records beside face-rhythm's files, and reading it again."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import element_facerhythm
from element_facerhythm.errors import ParameterError, ProjectError
from element_facerhythm.io.config import read_json, write_json
from element_facerhythm.io.data_paths import place_inside
from element_facerhythm.io.product_stamps import FORMAT_VERSION, stage_record
from element_facerhythm.parameters import FittedValue, Parameters, parameters_from_mapping
from element_facerhythm.parameters.open import FITTED_NAMES, value_at
from element_facerhythm.parameters.stored import give_digest
from element_facerhythm.parameters.tracking_methods import with_flow_unless_said
from element_facerhythm.pipeline.run.check import CheckedRequest
from element_facerhythm.pipeline.run.plan import stage_product
from element_facerhythm.pipeline.run.timing import clock_facts
from element_facerhythm.video.time_files import FROM_STAMPS

logger = logging.getLogger(__name__)

RUN_FILE = "run.json"
_LONGEST_REASON = 500


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
        "device": checked.device,
        "versions": dict(versions),
        "parameters": checked.parameters.to_tree(),
        "parameters_sha256": checked.parameters.sha256(),
        "parameters_fitted": _fitted_rows(checked, directory),
        "clock": clock_facts(checked.sequences, checked.frame_rate_hz),
        "frames": None if checked.request.frames is None else list(checked.request.frames),
        "frames_in_videos": _frames_in_videos(checked),
        "given_frame_rate_hz": checked.request.frame_rate_hz,
        "times": _times(checked),
        "given": {file.kind: file.described() for file in checked.given},
        "videos": [
            {
                "file_name": part.video.path.name,
                "n_suspect_frames": part.n_suspect_frames,
                "is_incomplete": part.video.is_incomplete,
            }
            for sequence in checked.sequences
            for part in sequence.parts
        ],
        "notes": list(checked.notes),
        "stages": stages,
    }
    write_json(directory / RUN_FILE, index)


def parameters_of_run(directory: Path, roots: Iterable[Path] = ()) -> Parameters | None:
    """Parameters that the results in a project directory were made with; None where there is no ``run.json``.

    Parameters
    ----------
    directory
        The project directory; it may be missing.
    roots
        Data directories that the file may be a link into; see `Project.open`.

    Raises
    ------
    PathError
        The file is a link that leads out.
    ParameterError
        They are not those that were written, or this version does not know them.
    ProjectError
        The file is damaged.
    """
    path = _run_file(directory, roots)
    if path is None:
        return None
    stored: dict[str, Any] = read_json(path)
    remedy = "give the parameters as a file with --params, and --overwrite to replace the results"
    try:
        parameters = parameters_from_mapping(with_flow_unless_said(stored["parameters"])).parameters
        same = give_digest(parameters, stored["parameters"], stored["parameters_sha256"])
    except (KeyError, ParameterError) as error:
        raise ParameterError(
            f"{path} does not say with what parameters its results were made; {remedy}"
        ) from error
    if not same:
        raise ParameterError(
            f"the parameters in {path} are not those that were written there; {remedy}"
        )
    return parameters


def run_facts(directory: Path, roots: Iterable[Path] = ()) -> dict[str, Any]:
    """Return how the results in a project directory were asked for, beside the parameters.

    Parameters
    ----------
    directory, roots
        As for `parameters_of_run`.

    Returns
    -------
    dict
        `frames`, `frame_rate_hz` and `times` as of `RunRequest`, and `incomplete`: whether each video, by its
        name, was cut off. Empty where there is no ``run.json``.

    Raises
    ------
    ProjectError
        The file is damaged.
    PathError
        It is a link that leads out.
    """
    path = _run_file(directory, roots)
    if path is None:
        return {}
    stored: dict[str, Any] = read_json(path)
    frames, times, videos = (stored.get(key) for key in ("frames_in_videos", "times", "videos"))
    try:
        return {
            "frames": None if frames is None else (int(frames[0]), int(frames[1])),
            "frame_rate_hz": stored.get("given_frame_rate_hz"),
            "times": None if times is None else tuple(times),
            "incomplete": {v["file_name"]: bool(v.get("is_incomplete")) for v in videos or ()},
        }
    except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise ProjectError(
            f"{path} does not say how its results were asked for: frames_in_videos, times or videos are not "
            "what a run writes; restore it, or run the project again"
        ) from error


def _frames_in_videos(checked: CheckedRequest) -> list[int] | None:
    """Range of the frames analysed, counted over the videos that they are taken of."""
    if checked.request.frames is None:
        return None
    first = checked.sequences[0].parts[0].first
    return [first, first + sum(checked.n_frames)]


def _times(checked: CheckedRequest) -> list[str | None] | None:
    """Choice of a file of times for each video that frames are taken of."""
    request = checked.request
    if request.times is None:
        return None
    choices = dict(zip(request.videos, request.times, strict=True))
    chosen = [choices[video.path] for video in checked.videos]
    return [own if own in (None, FROM_STAMPS) else str(Path(own).absolute()) for own in chosen]


def fitted_of_run(
    directory: Path, parameters: Parameters, roots: Iterable[Path] = ()
) -> tuple[FittedValue, ...]:
    """Values of ``run.json`` that were fitted to the recording and still are what they were fitted to.

    Parameters
    ----------
    directory, roots
        As for `parameters_of_run`.
    parameters
        Those of the results.

    Raises
    ------
    PathError
        The file is a link that leads out.
    ProjectError
        The file is damaged.
    """
    path = _run_file(directory, roots)
    rows = None if path is None else read_json(path).get("parameters_fitted")
    tree, fitted = parameters.to_tree(), []
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and (name := row.get("name")) in FITTED_NAMES:
            reason = row.get("reason")
            if row.get("value") == _value(tree, name) and isinstance(reason, str):
                fitted.append(FittedValue(name, _value(tree, name), reason[:_LONGEST_REASON]))
    return tuple(fitted)


def _run_file(directory: Path, roots: Iterable[Path]) -> Path | None:
    """Where ``run.json`` lies; None where there is none."""
    if not directory.is_dir():
        return None
    path = place_inside(directory, RUN_FILE, roots)
    return path if path.is_file() else None


def as_row(fitted: FittedValue) -> dict[str, Any]:
    """Return a fitted value as it is stored."""
    return {"name": fitted.name, "value": fitted.value, "reason": fitted.reason}


def _value(tree: Mapping[str, Any], name: str) -> Any:
    try:
        return value_at(tree, name)
    except KeyError:
        return None


def _fitted_rows(checked: CheckedRequest, directory: Path) -> list[dict[str, Any]]:
    """Join what was fitted now with what an earlier run of the directory fitted and this one was given."""
    fitted = {value.name: value for value in checked.parameters_fitted}
    try:
        earlier = fitted_of_run(directory, checked.parameters)
    except ProjectError as error:  # the file is replaced now
        logger.info("%s is written anew: %s", directory / RUN_FILE, error)
        earlier = ()
    for value in earlier:
        fitted.setdefault(value.name, value)
    return [as_row(fitted[name]) for name in FITTED_NAMES if name in fitted]
