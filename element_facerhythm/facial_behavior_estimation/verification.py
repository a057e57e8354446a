"""Whether the rows of a recording, and the results computed from it, are unchanged."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from math import isnan
from typing import Any

import psycopg2
import pymysql

from element_facerhythm.database.connection import is_collision
from element_facerhythm.database.keys import key_text
from element_facerhythm.errors import (
    ConfigurationError,
    FaceRhythmError,
    ProjectError,
    RequestError,
    VideoError,
)
from element_facerhythm.facial_behavior_estimation.component_rhythm import ComponentRhythm
from element_facerhythm.facial_behavior_estimation.curation import (
    ComponentCuration,
    curation_part_rows,
)
from element_facerhythm.facial_behavior_estimation.entered_files import (
    EnteredFile,
    entered_files,
    require_same_content,
)
from element_facerhythm.facial_behavior_estimation.param_set import (
    FaceRhythmParamSet,
    parameters_as_entered,
)
from element_facerhythm.facial_behavior_estimation.processing import FaceRhythmProcessing
from element_facerhythm.facial_behavior_estimation.product_files import (
    fetch_verified_file,
)
from element_facerhythm.facial_behavior_estimation.recording import (
    Key,
    RecordingInfo,
    VideoRecording,
)
from element_facerhythm.facial_behavior_estimation.report import (
    FacialRhythmReport,
    damaged_figures,
    wrong_count,
)
from element_facerhythm.facial_behavior_estimation.results import FacialRhythm
from element_facerhythm.facial_behavior_estimation.rhythm_bout import RhythmBout
from element_facerhythm.facial_behavior_estimation.roi import FaceRhythmROI, polygon_rows
from element_facerhythm.facial_behavior_estimation.row_comparison import compare_rows
from element_facerhythm.facial_behavior_estimation.rows import part_rows, totals
from element_facerhythm.facial_behavior_estimation.run_parameters import parameters_of_row
from element_facerhythm.facial_behavior_estimation.run_products import project_of_run
from element_facerhythm.facial_behavior_estimation.schema import dj
from element_facerhythm.facial_behavior_estimation.signal_rhythm import SignalRhythm
from element_facerhythm.facial_behavior_estimation.signal_rows import (
    signal_part_rows,
    signal_totals,
)
from element_facerhythm.facial_behavior_estimation.signals import FacialSignal
from element_facerhythm.facial_behavior_estimation.task import FaceRhythmTask
from element_facerhythm.linking import active_link, resolve_path
from element_facerhythm.parameters.quality import QualityLimits
from element_facerhythm.pipeline.records import STAGES, Verdict
from element_facerhythm.pipeline.results.verify import Findings


def verify_recording(
    key: Key, findings: Findings, *, recompute: bool = False, seed: int | None = None
) -> None:
    """Check the rows of one recording against its files and against each other.

    Parameters
    ----------
    key
        Primary key of a `VideoRecording`.
    findings
        Collects what was checked, and what is wrong.
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
    for task in tasks:
        if ComponentCuration() & task:
            _verify_curation(task, findings)


def _require_parameters(paramset_id: int) -> None:
    row = (FaceRhythmParamSet() & {"paramset_id": paramset_id}).fetch1()
    parameters_as_entered(paramset_id, row["parameters"], row["parameter_sha256"])


def _verify_curation(key: Key, findings: Findings) -> None:
    """Check that the parts of each change are what replaying the changes gives."""
    where = f"ComponentCuration {key_text(key)}"
    try:
        expected = curation_part_rows(ComponentCuration.fetch_curation(key))
    except ProjectError as error:
        findings.check(where, str(error))
        return
    for name, rows in expected.items():
        problem = compare_rows(getattr(ComponentCuration, name), key, rows)
        findings.check(f"ComponentCuration.{name} {key_text(key)}", problem)


def _verify_videos(key: Key, findings: Findings) -> None:
    if not RecordingInfo() & key:
        return
    where = f"RecordingInfo {key_text(key)}"
    try:
        files = entered_files(key)
    except VideoError as error:
        findings.check(where, str(error))
        return
    facts = (RecordingInfo() & key).fetch1()
    if files:
        n_frames = sum(file.n_frames for file in files)
        problem = None if n_frames == facts["n_frames"] else f"n_frames is not {n_frames}"
        findings.check(where, problem)
    for file in files:
        findings.attempt(f"{where} file {file.path}", partial(_require_file, key, file))


def _require_file(key: Key, file: EnteredFile) -> None:
    resolve_path(file.path, active_link().search_dirs())  # a file that is not here is a fault, too
    require_same_content(key, [file])


def _verify_rois(key: Key, findings: Findings) -> None:
    where = f"FaceRhythmROI {key_text(key)}"
    try:
        rois = FaceRhythmROI.fetch_rois(key)
    except FaceRhythmError as error:
        findings.check(where, str(error))
        return
    problem = compare_rows(FaceRhythmROI.Polygon, key, polygon_rows(rois))
    findings.check(f"FaceRhythmROI.Polygon {key_text(key)}", problem)


def _verify_run(key: Key, findings: Findings, *, recompute: bool, seed: int | None) -> None:
    """Check a run: its files by the digests of the rows, its project, then every row of its results."""
    from element_facerhythm.io.layout import SIGNALS
    from element_facerhythm.pipeline import summarise_project
    from element_facerhythm.pipeline.results.signal_summary import summarise_signals
    from element_facerhythm.pipeline.results.verify import verify_project

    where = f"FaceRhythmProcessing {key_text(key)}"
    output_dir = (FaceRhythmProcessing() & key).fetch1("project_dir")
    try:
        products = FaceRhythmProcessing.product_files(key)
    except ProjectError as error:
        findings.check(f"FaceRhythmProcessing.Product {key_text(key)}", str(error))
        return
    rows = (FaceRhythmProcessing.Product() & key).to_dicts()
    sizes = {row["product"]: row["product_size_bytes"] for row in rows}
    whole = [
        findings.attempt(
            f"{where} product {name}", partial(fetch_verified_file, path, sha256, sizes[name])
        )
        for name, path, sha256 in products
    ]
    stages = set((FaceRhythmProcessing.Stage() & key).to_arrays("stage"))
    expected = set() if {name for name, *_ in products} == {SIGNALS} else set(STAGES)
    missing = ", ".join(sorted(expected - stages))
    findings.check(
        f"FaceRhythmProcessing.Stage {key_text(key)}", f"{missing} is missing" if missing else None
    )
    if not all(whole):
        return
    project = project_of_run(output_dir, products)
    dirs = active_link().search_dirs()
    inside = verify_project(project, roots=dirs, recompute=recompute, seed=seed)
    findings.add(inside)
    if inside.faults:
        return
    if expected:
        try:
            findings.check(where, _other_inputs(key, project))
        except ConfigurationError as error:
            findings.check(where, str(error))
    if FacialRhythm() & key:
        _verify_rows(key, summarise_project(project, dirs), products, findings)
    if FacialRhythmReport() & key:
        findings.check(f"FacialRhythmReport {key_text(key)}", wrong_count(key))
        for name, problem in damaged_figures(key):
            findings.check(f"FacialRhythmReport.Figure {key_text(key)} {name}", problem)
    _verify_counts(key, findings, ComponentRhythm, ComponentRhythm.Component, "n_rhythms")
    _verify_counts(key, findings, RhythmBout, RhythmBout.Bout, "n_bouts")
    if FacialSignal() & key:
        _verify_signals(key, summarise_signals(project, dirs), products, findings)


def _other_inputs(key: Key, project: Any) -> str | None:
    """Describe how parameters or regions of a run differ from those of its task; None where they do not."""
    from element_facerhythm.io.product_stamps import stage_fingerprint
    from element_facerhythm.io.project import Project
    from element_facerhythm.parameters import open_parameters_from_mapping
    from element_facerhythm.parameters.open import UNKNOWN
    from element_facerhythm.pipeline.results.recorded_parameters import parameters_of_project
    from element_facerhythm.pipeline.run.run_file import parameters_of_run

    is_trigger = (FaceRhythmTask() & key).fetch1("task_mode") == "trigger"
    if not is_trigger and (FaceRhythmProcessing() & key).fetch1("run_parameters") is None:
        return None
    stored = (FaceRhythmProcessing() & key).fetch1("run_parameters")
    opened = Project.open(project, active_link().search_dirs())
    if not is_trigger and UNKNOWN in stored:
        known = parameters_of_project(opened).sha256()
        same = open_parameters_from_mapping(stored, fitted=False).parameters.sha256() == known
        return None if same else f"{project} was made with other parameters than its row says"
    parameters, entered = parameters_of_run(project), parameters_of_row(key)
    if parameters is None or parameters.sha256() != entered.sha256():
        return f"{project} was made with other parameters than its row says"
    if not is_trigger:
        return None
    tree, sha256 = (FaceRhythmParamSet() & key).fetch1("parameters", "parameter_sha256")
    if not parameters_as_entered(key["paramset_id"], tree, sha256).allows(parameters):
        return f"{project} was made with other parameters than parameter set {key['paramset_id']}"
    fingerprint = stage_fingerprint(opened.product_path("ROIs")) or {}
    regions = fingerprint.get("inputs", {}).get("rois_sha256")
    if regions != (FaceRhythmROI() & key).fetch1("rois_sha256"):
        return f"{project} was made from other regions than those of FaceRhythmROI {key['roi_id']}"
    return None


_TIME_DIMENSIONS = "dimension = 'time' OR dimension LIKE '(time%'"
"""Axes whose loadings are entered by video today, and were entered once for all videos before."""


def _verify_rows(
    key: Key, summary: Any, products: Sequence[tuple[str, str, str]], findings: Findings
) -> None:
    findings.check(
        f"FacialRhythm {key_text(key)}", compare_rows(FacialRhythm, key, [totals(summary)])
    )
    is_earlier = (FaceRhythmProcessing() & key).fetch1("entered_schema_version") is not None
    has_shared_time = is_earlier and bool(FacialRhythm.ComponentFactor() & key & _TIME_DIMENSIONS)
    for name, rows in part_rows(summary, tuple(products)):
        table, where = getattr(FacialRhythm, name), f"FacialRhythm.{name} {key_text(key)}"
        unknown: set[str] | None = set() if is_earlier else None
        if is_earlier and name == "Quality" and not (table() & key):
            findings.notes.append(f"{where} has no rows: results of version 1 were not judged")
            continue
        if has_shared_time and name in ("ComponentFactor", "ComponentVideoFactor"):
            findings.notes.append(
                f"{where} is not compared: time courses are in ComponentFactor, as in version 1"
            )
            continue
        findings.check(where, compare_rows(table, key, rows, unknown=unknown))
        if unknown:
            findings.notes.append(
                f"{where}: {', '.join(sorted(unknown))} is not known of rows of an earlier version"
            )


def _verify_signals(
    key: Key, summary: Any, products: tuple[tuple[str, str, str], ...], findings: Findings
) -> None:
    problem = compare_rows(FacialSignal, key, [signal_totals(summary)])
    findings.check(f"FacialSignal {key_text(key)}", problem)
    for name, rows in signal_part_rows(summary, products):
        problem = compare_rows(getattr(FacialSignal, name), key, rows)
        findings.check(f"FacialSignal.{name} {key_text(key)}", problem)
    _verify_counts(key, findings, SignalRhythm, SignalRhythm.Pair, "n_signal_pairs")


def _verify_counts(key: Key, findings: Findings, table: Any, part: Any, column: str) -> None:
    """Check that a part has as many rows as each row of its master says."""
    for row in (table() & key).to_dicts(order_by="KEY"):
        own = {name: row[name] for name in table.primary_key}
        n_rows, said = len(part() & own), int(row[column])
        problem = None if n_rows == said else f"has {n_rows} rows, {table.__name__} says {said}"
        findings.check(f"{table.__name__}.{part.__name__} {key_text(own)}", problem)


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


def recordings(where: str | None = None, of: Mapping[str, Any] | None = None) -> list[Key]:
    """Primary keys of the recordings that an SQL condition and a part of a key leave.

    Parameters
    ----------
    where
        Condition on columns of `VideoRecording`, as after WHERE; None for all.
    of
        Restriction by columns; None for all.

    Raises
    ------
    RequestError
        The condition is empty, or the database does not understand it.
    """
    found = VideoRecording() & (of or {})
    if where is None:
        return list(found.proj().to_dicts())
    try:
        if not where.strip():
            raise ValueError("it is empty")
        return list((found & where).proj().to_dicts())
    except dj.errors.LostConnectionError:
        raise
    except (
        dj.errors.DataJointError,
        psycopg2.Error,
        pymysql.Error,
        ValueError,
        TypeError,
    ) as error:
        if is_collision(error):
            raise
        why = " ".join(str(error.args[-1] if error.args else error).split())
        raise RequestError(
            f"{where!r} is no condition on recordings: {why}. Expected SQL with columns of VideoRecording "
            f"({', '.join(VideoRecording().heading.names)}), as \"subject = 'mouse1'\""
        ) from error
