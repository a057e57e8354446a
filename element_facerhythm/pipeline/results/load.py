"""Load mode: take a project directory of this package or of face-rhythm as it is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import ProjectError
from element_facerhythm.io.content_digest import Content, content_of
from element_facerhythm.io.h5 import open_h5
from element_facerhythm.io.layout import PRODUCTS, SIGNALS
from element_facerhythm.io.product_stamps import stage_fingerprint, stage_record
from element_facerhythm.io.project import Project
from element_facerhythm.io.stored_signals import signals_of_project
from element_facerhythm.parameters import OpenParameters, as_open
from element_facerhythm.pipeline.records import (
    PRODUCT_OF_STAGE,
    STAGES,
    ProductRecord,
    RunRecord,
    StageRecord,
)
from element_facerhythm.pipeline.results.finite_notes import finite_notes
from element_facerhythm.pipeline.results.recorded_parameters import (
    executed_parameters,
    require_parameters,
)
from element_facerhythm.pipeline.results.recording_match import EnteredRecording, require_recording
from element_facerhythm.pipeline.results.signal_summary import require_same_recording
from element_facerhythm.pipeline.results.signals_project import load_signals
from element_facerhythm.pipeline.run.light import light_notes
from element_facerhythm.pipeline.run.roi_match import require_rois
from element_facerhythm.pipeline.run.run_file import fitted_of_run

if TYPE_CHECKING:
    from element_facerhythm.core.rois import Rois

UNKNOWN_DEVICE = "unknown"

_SAME_POINT_PX = 0.01
_MOST_VERSIONS = 1 << 20


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
    executed = executed_parameters(project)
    known = executed.all_known
    fitted = fitted_of_run(project.directory, known, project.roots) if known else ()
    return RunRecord(
        project_dir=project.directory,
        stages=tuple(_stage_record(project, stage, records[stage]) for stage in STAGES),
        products=product_records(project),
        device=_common_device(records),
        versions=dict(records["decomposition"].get("versions", {})),
        notes=(*_notes(project), *executed.notes),
        videos=None,
        layout=project.layout,
        parameters=executed.parameters,
        parameters_fitted=fitted,
    )


def load_project_of(
    project_dir: Path,
    roots: Iterable[Path],
    *,
    recording: EnteredRecording,
    rois: Rois,
    parameters: OpenParameters,
) -> RunRecord:
    """Load a project, and check that it is of this recording, these regions and these parameters.

    Of one that holds signals of regions alone, regions and parameters are not compared.

    Parameters
    ----------
    project_dir, roots
        As of `load_project`.
    recording
        What is entered of the recording.
    rois
        Regions that it was analysed in.
    parameters
        Parameters that it was analysed with; those that are open are not compared.

    Returns
    -------
    RunRecord
        As of `load_project`; what could not be compared is in its notes.

    Raises
    ------
    ProjectError
        As of `load_project`; or the recording, the regions or the parameters differ.
    PathError
        A file of it is a link that leads out.
    """
    roots = tuple(roots)
    project = Project.open(project_dir, roots)
    if project.holds_signals_alone:
        return load_signals(project, recording)
    record = load_project(project_dir, roots)
    known = None if record.parameters is None else as_open(record.parameters)
    notes = (
        *require_recording(project, recording),
        *require_rois(project, rois, known),
        *require_parameters(project, parameters, known),
    )
    return replace(record, notes=(*record.notes, *notes))


def product_records(project: Project) -> tuple[ProductRecord, ...]:
    """Name, path, size, digest and layout of every product that is there."""
    return tuple(
        ProductRecord(p.name, p.path, p.size_bytes, p.sha256, project.layouts[p.name])
        for p in project.products
    )


def _check_chain(project: Project) -> None:
    """Refuse products of this package that were made from others than the ones beside them."""
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
    """Touch one dataset of each kind, so that damage is reported now and not by a later query."""
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
    _check_points(project)
    if SIGNALS in project.layouts:
        require_same_recording(project, signals_of_project(project))


def _check_points(project: Project) -> None:
    """Refuse products that hold the points at different places."""
    points = project.point_positions
    seeded = project.rois().point_positions
    with open_h5(project.product_path("VQT_Analyzer")) as file:
        name = "point_positions"
        flat = file.dataset(name).numbers() if name in file else None
    places = {"ROIs": seeded, "VQT_Analyzer": None if flat is None else _as_pairs(flat)}
    for name, other in places.items():
        if other is not None and not (
            other.shape == points.shape and np.allclose(other, points, atol=_SAME_POINT_PX)
        ):
            raise ProjectError(
                f"{project.directory}: {name}.h5 and PointTracker.h5 hold the points at different places; "
                "they are of different runs, so run the project again"
            )


def _as_pairs(positions: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return positions as (P, 2): face-rhythm keeps all x, then all y."""
    return (
        positions.reshape(2, -1).T if positions.ndim == 1 and len(positions) % 2 == 0 else positions
    )


def _stage_record(project: Project, stage: str, record: dict[str, Any]) -> StageRecord:
    path = project.product_path(PRODUCT_OF_STAGE[stage])
    modified = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
    return StageRecord(
        name=stage,
        seconds=_seconds_or_none(record.get("seconds")),
        reused=True,
        completed_utc=str(record.get("completed_utc", modified)),
        device=str(record.get("device", UNKNOWN_DEVICE)),
        version=_version(stage_fingerprint(path) or {}),
    )


def _seconds_or_none(value: Any) -> float | None:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if plain and 0 <= value < math.inf else None


def _version(fingerprint: dict[str, Any]) -> int | None:
    """Version of a stage; None where the product has no valid one."""
    version = fingerprint.get("stage_version")
    return version if isinstance(version, int) and 0 < version < _MOST_VERSIONS else None


def _common_device(records: dict[str, dict[str, Any]]) -> str:
    devices = {str(record["device"]) for record in records.values() if "device" in record}
    return ", ".join(sorted(devices)) or UNKNOWN_DEVICE


def _by_layout(project: Project) -> str:
    """Return which products each program wrote."""
    return "; ".join(
        f"{', '.join(n for n, own in project.layouts.items() if own == layout)} by {layout}"
        for layout in dict.fromkeys(project.layouts.values())
    )


def _notes(project: Project) -> tuple[str, ...]:
    """Return what a reader of this project should know before trusting its numbers."""
    notes = [f"loaded from {project.directory}, layout {project.layout}; nothing was computed"]
    vqt = project.settings("VQT_Analyzer").get("params_VQT")
    sample_rate = vqt.get("Fs_sample") if isinstance(vqt, dict) else None
    stated = isinstance(sample_rate, (int, float))
    of_face_rhythm = not project.is_ours("VQT_Analyzer")
    if of_face_rhythm and stated and sample_rate != project.frame_rate_hz:
        notes.append(
            f"the spectrograms were made with Fs_sample {sample_rate} Hz while the video has "
            f"{project.frame_rate_hz} Hz: the stored frequencies are off by that ratio"
        )
    notes += [
        f"{product.path.name} carries no digest of its content, so that damage before now cannot be detected"
        for product in project.products
        if project.is_ours(product.name) and content_of(product.path) is Content.WITHOUT_DIGEST
    ]
    if len(set(project.layouts.values())) > 1:
        notes.append(f"several programs wrote it: {_by_layout(project)}")
    return (*notes, *finite_notes(project), *light_notes(project))
