"""Whether what is entered of a recording, and what was computed from it, is still as it was."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from math import isnan
from typing import Any

from element_facerhythm.errors import (
    ConfigurationError,
    FaceRhythmError,
    ProjectError,
    RequestError,
    VideoError,
)
from element_facerhythm.facial_behavior_estimation.processing import (
    FaceRhythmProcessing,
    parameters_of_row,
)
from element_facerhythm.facial_behavior_estimation.product_files import (
    unchanged_file,
    unchanged_project,
)
from element_facerhythm.facial_behavior_estimation.recording import (
    Key,
    RecordingInfo,
    VideoRecording,
)
from element_facerhythm.facial_behavior_estimation.results import FacialRhythm, part_rows, totals
from element_facerhythm.facial_behavior_estimation.roi import FaceRhythmROI, polygon_rows
from element_facerhythm.facial_behavior_estimation.row_comparison import compare_rows
from element_facerhythm.facial_behavior_estimation.schema import dj
from element_facerhythm.facial_behavior_estimation.task import (
    FaceRhythmParamSet,
    FaceRhythmTask,
    parameters_as_entered,
)
from element_facerhythm.linking import active_link, resolve_path
from element_facerhythm.parameters.quality import QualityLimits
from element_facerhythm.pipeline.records import STAGES, Verdict
from element_facerhythm.pipeline.verify import Findings
from element_facerhythm.video import video_sha256


def verify_recording(
    key: Key, findings: Findings, *, recompute: bool = False, seed: int | None = None
) -> None:
    """Check the rows of one recording against its files and against each other.

    Parameters
    ----------
    key
        Primary key of a `VideoRecording`.
    findings
        Told what was checked, and what is wrong.
    recompute, seed
        As of `pipeline.verify.verify_project`, for each run.
    """
    _verify_videos(key, findings)
    for roi in (FaceRhythmROI() & key).proj().to_dicts():
        _verify_rois(roi, findings)
    tasks = (FaceRhythmTask() & key).proj().to_dicts()
    for paramset_id in sorted({task["paramset_id"] for task in tasks}):
        where = f"FaceRhythmParamSet {paramset_id}"
        findings.attempt(where, partial(_require_parameters, paramset_id))
    for run in (FaceRhythmProcessing() & key).proj().to_dicts():
        _verify_run(run, findings, recompute=recompute, seed=seed)


def _require_parameters(paramset_id: int) -> None:
    row = (FaceRhythmParamSet() & {"paramset_id": paramset_id}).fetch1()
    parameters_as_entered(paramset_id, row["parameters"], row["parameter_sha256"])


def _verify_videos(key: Key, findings: Findings) -> None:
    if not RecordingInfo() & key:
        return
    where = f"RecordingInfo {key}"
    try:
        files = RecordingInfo.entered_videos(key)
    except VideoError as error:
        findings.check(where, str(error))
        return
    facts = (RecordingInfo() & key).fetch1()
    if files:
        n_frames = sum(n for *_, n in files)
        problem = None if n_frames == facts["n_frames"] else f"n_frames is not {n_frames}"
        findings.check(where, problem)
    for path, sha256, _ in files:
        findings.attempt(f"{where} file {path}", partial(_require_video, path, sha256))


def _require_video(path: str, sha256: str) -> None:
    place = resolve_path(path, active_link().search_dirs())
    if video_sha256(place) != sha256:
        raise VideoError(f"{place} is not the file that was entered (its SHA-256 differs)")


def _verify_rois(key: Key, findings: Findings) -> None:
    where = f"FaceRhythmROI {key}"
    try:
        rois = FaceRhythmROI.fetch_rois(key)
    except FaceRhythmError as error:
        findings.check(where, str(error))
        return
    problem = compare_rows(FaceRhythmROI.Polygon, key, polygon_rows(rois))
    findings.check(f"FaceRhythmROI.Polygon {key}", problem)


def _verify_run(key: Key, findings: Findings, *, recompute: bool, seed: int | None) -> None:
    """Check a run: its files by the digests of the rows, its project, then every row of its results."""
    from element_facerhythm.pipeline import summarise_project
    from element_facerhythm.pipeline.verify import verify_project

    where = f"FaceRhythmProcessing {key}"
    output_dir = (FaceRhythmProcessing() & key).fetch1("output_dir")
    try:
        products = FaceRhythmProcessing.product_files(key)
    except ProjectError as error:
        findings.check(f"FaceRhythmProcessing.Product {key}", str(error))
        return
    whole = [
        findings.attempt(f"{where} product {name}", partial(unchanged_file, path, sha256))
        for name, path, sha256 in products
    ]
    stages = set((FaceRhythmProcessing.Stage() & key).to_arrays("stage"))
    missing = ", ".join(sorted(set(STAGES) - stages))
    findings.check(
        f"FaceRhythmProcessing.Stage {key}", f"{missing} is missing" if missing else None
    )
    if not all(whole):
        return
    project = unchanged_project(output_dir, [product[1:] for product in products])
    dirs = active_link().search_dirs()
    inside = verify_project(project, roots=dirs, recompute=recompute, seed=seed)
    findings.add(inside)
    if inside.faults:
        return
    try:
        findings.check(where, _other_inputs(key, project))
    except ConfigurationError as error:
        findings.check(where, str(error))
    if FacialRhythm() & key:
        _verify_rows(key, summarise_project(project, dirs), products, findings)


def _other_inputs(key: Key, project: Any) -> str | None:
    """Say where a run of ours was made from other parameters or regions than the task's."""
    from element_facerhythm.io.product_stamps import stage_fingerprint
    from element_facerhythm.io.project import Project
    from element_facerhythm.pipeline.run_file import parameters_of_run

    is_trigger = (FaceRhythmTask() & key).fetch1("task_mode") == "trigger"
    if not is_trigger and (FaceRhythmProcessing() & key).fetch1("run_parameters") is None:
        return None
    parameters, told = parameters_of_run(project), parameters_of_row(key)
    if parameters is None or parameters.sha256() != told.sha256():
        return f"{project} was made with other parameters than its row says"
    if not is_trigger:
        return None
    tree, sha256 = (FaceRhythmParamSet() & key).fetch1("parameters", "parameter_sha256")
    if not parameters_as_entered(key["paramset_id"], tree, sha256).allows(parameters):
        return f"{project} was made with other parameters than parameter set {key['paramset_id']}"
    opened = Project.open(project, active_link().search_dirs())
    fingerprint = stage_fingerprint(opened.product_path("ROIs")) or {}
    regions = fingerprint.get("inputs", {}).get("rois_sha256")
    if regions != (FaceRhythmROI() & key).fetch1("rois_sha256"):
        return f"{project} was made from other regions than those of FaceRhythmROI {key['roi_id']}"
    return None


def _verify_rows(
    key: Key, summary: Any, products: Sequence[tuple[str, str, str]], findings: Findings
) -> None:
    findings.check(f"FacialRhythm {key}", compare_rows(FacialRhythm, key, [totals(summary)]))
    for name, rows in part_rows(summary, tuple(products)):
        problem = compare_rows(getattr(FacialRhythm, name), key, rows)
        findings.check(f"FacialRhythm.{name} {key}", problem)


def stored_quality(keys: Iterable[Key]) -> Iterator[tuple[Key, tuple[Verdict, ...]]]:
    """Yield key and verdicts of every result of some recordings, in the order of the checks.

    Parameters
    ----------
    keys
        Primary keys of `VideoRecording`.
    """
    order = {name: place for place, name in enumerate(QualityLimits.model_fields)}
    for key in keys:
        for run in (FacialRhythm() & key).proj().to_dicts(order_by="KEY"):
            rows = (FacialRhythm.Quality() & run).to_dicts()
            rows.sort(key=lambda row: order.get(row["quality_name"], len(order)))
            yield run, tuple(_verdict(row) for row in rows)


def _verdict(row: Mapping[str, Any]) -> Verdict:
    value = row["value"]
    return Verdict(
        name=row["quality_name"],
        value=None if value is None or isnan(value) else float(value),
        threshold=float(row["threshold"]),
        verdict=row["verdict"],
        message=row["message"],
    )


def recordings(where: str | None) -> list[Key]:
    """Primary keys of the recordings that an SQL condition leaves; all of them without one.

    Raises
    ------
    RequestError
        The database does not understand the condition.
    """
    if not where:
        return list(VideoRecording().proj().to_dicts())
    try:
        return list((VideoRecording() & where).proj().to_dicts())
    except dj.errors.DataJointError as error:
        raise RequestError(
            f"{where!r} is no condition on recordings: {error}. Expected SQL with columns of VideoRecording "
            f"({', '.join(VideoRecording().heading.names)}), as \"subject = 'mouse1'\""
        ) from error
