"""Load mode: take a project directory as it is, ours or face-rhythm's own."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from element_facerhythm.errors import ParameterError, ProjectError
from element_facerhythm.io.content_digest import Content, content_of
from element_facerhythm.io.layout import PRODUCTS
from element_facerhythm.io.product_stamps import stage_fingerprint, stage_record
from element_facerhythm.io.project import Project
from element_facerhythm.parameters import Parameters
from element_facerhythm.pipeline.light import light_notes
from element_facerhythm.pipeline.records import (
    PRODUCT_OF_STAGE,
    STAGES,
    ProductRecord,
    RunRecord,
    StageRecord,
)
from element_facerhythm.pipeline.run_file import (
    RUN_FILE,
    fingerprint_of_run,
    fitted_of_run,
    parameters_of_run,
)

UNKNOWN_DEVICE = "unknown"


def load_project(project_dir: str | Path, roots: Iterable[str | Path] = ()) -> RunRecord:
    """Record of a finished project directory; computes nothing but the digests of its products.

    Parameters
    ----------
    project_dir
        Directory that `run_project` or face-rhythm 0.1 to 0.3 wrote.
    roots
        Data directories that files of the project may be links into; see `Project.open`.

    Returns
    -------
    RunRecord
        With `videos` None, every stage marked as reused, and `seconds` None for the stages whose
        writer did not record them.

    Raises
    ------
    ProjectError
        Not a project, of a newer format, or a product is missing or damaged.
    PathError
        A file of it is a link that leads out.
    """
    project = Project.open(project_dir, roots)
    project.require(*PRODUCTS)
    _check_chain(project)
    project.require_intact()
    _check_readable(project)
    records = {s: stage_record(project.product_path(PRODUCT_OF_STAGE[s])) for s in STAGES}
    parameters, unknown = known_parameters(project)
    fitted = fitted_of_run(project.directory, parameters, project.roots) if parameters else ()
    return RunRecord(
        project_dir=project.directory,
        stages=tuple(_stage_record(project, stage, records[stage]) for stage in STAGES),
        products=product_records(project),
        device=_common_device(records),
        versions=dict(records["decomposition"].get("versions", {})),
        notes=(*_notes(project), *unknown),
        videos=None,
        layout=project.layout,
        parameters=parameters,
        parameters_fitted=fitted,
    )


def known_parameters(project: Project) -> tuple[Parameters | None, tuple[str, ...]]:
    """All parameters that the results of a project were made with, where it says them.

    Returns
    -------
    tuple
        The parameters; None for a project of face-rhythm, and where ``run.json`` is of other results. And
        notes: why a run of ours does not say them.

    Raises
    ------
    PathError
        ``run.json`` is a link that leads out.
    """
    if not project.layout.startswith("element-facerhythm"):
        return None, ()
    unknown = (
        f"{project.directory}: {RUN_FILE} does not say with what parameters the results were made"
    )
    last = PRODUCT_OF_STAGE[STAGES[-1]]
    try:
        parameters = parameters_of_run(project.directory, project.roots)
        told = fingerprint_of_run(project.directory, STAGES[-1], project.roots)
    except (ParameterError, ProjectError):
        return None, (unknown,)
    if parameters is None or told != stage_fingerprint(project.product_path(last)):
        return None, (unknown,)
    return parameters, ()


def product_records(project: Project) -> tuple[ProductRecord, ...]:
    """Name, path, size and digest of every product that is there."""
    return tuple(ProductRecord(p.name, p.path, p.size_bytes, p.sha256) for p in project.products)


def _check_chain(project: Project) -> None:
    """Refuse products of ours that were made from others than the ones beside them."""
    stored = {
        stage: stage_fingerprint(project.product_path(PRODUCT_OF_STAGE[stage])) for stage in STAGES
    }
    for before, after in pairwise(STAGES):
        upstream, fingerprint = stored[before], stored[after]
        if upstream is None or fingerprint is None:
            continue
        if fingerprint.get("inputs", {}).get(before) != upstream:
            raise ProjectError(
                f"{project.product_path(PRODUCT_OF_STAGE[after])} was made from another "
                f"{PRODUCT_OF_STAGE[before]}.h5 than the one beside it; run the project again (the "
                "stages that are valid are reused)"
            )


def _check_readable(project: Project) -> None:
    """Touch one dataset of each kind, so that damage is told now and not by a later query."""
    project.example_image()
    project.rois()
    n_points = len(project.point_positions)
    for i, name in enumerate(project.video_names):
        shape = project.spectrogram(i).shape
        if project.tracking(i).points.shape[1] != n_points or shape[1] != n_points:
            raise ProjectError(
                f"{project.directory}: the products disagree on the number of points of {name}; "
                "they are of different runs, so run the project again"
            )
        if project.window_centres(i).shape[0] != shape[3]:
            raise ProjectError(
                f"{project.product_path('VQT_Analyzer')}: x_axis of {name} does not fit its "
                "spectrogram; run the project again"
            )
    _ = project.frequencies_hz, project.models()


def _stage_record(project: Project, stage: str, record: dict[str, Any]) -> StageRecord:
    path = project.product_path(PRODUCT_OF_STAGE[stage])
    modified = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
    return StageRecord(
        name=stage,
        seconds=record.get("seconds"),
        reused=True,
        completed_utc=str(record.get("completed_utc", modified)),
    )


def _common_device(records: dict[str, dict[str, Any]]) -> str:
    devices = {str(record["device"]) for record in records.values() if "device" in record}
    return ", ".join(sorted(devices)) or UNKNOWN_DEVICE


def _notes(project: Project) -> tuple[str, ...]:
    """Say what a reader of this project should know before trusting its numbers."""
    notes = [f"loaded from {project.directory}, layout {project.layout}; nothing was computed"]
    vqt = project.settings("VQT_Analyzer").get("params_VQT")
    sample_rate = vqt.get("Fs_sample") if isinstance(vqt, dict) else None
    stated = isinstance(sample_rate, (int, float))
    ours = project.layout.startswith("element-facerhythm")
    if not ours and stated and sample_rate != project.frame_rate_hz:
        notes.append(
            f"the spectrograms were made with Fs_sample {sample_rate} Hz while the video has "
            f"{project.frame_rate_hz} Hz: the stored frequencies are off by that ratio"
        )
    notes += [
        f"{product.path.name} carries no digest of its content, so that damage before now cannot be told"
        for product in project.products
        if ours and content_of(product.path) is Content.WITHOUT_DIGEST
    ]
    return (*notes, *light_notes(project))
