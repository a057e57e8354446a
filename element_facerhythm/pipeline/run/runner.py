"""Run the stages that need running; each product and its proof of validity appear together."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import takewhile
from pathlib import Path

import element_facerhythm
from element_facerhythm.errors import ProcessingError, ProjectError
from element_facerhythm.files.digest import file_sha256
from element_facerhythm.io.atomic import remove_leftovers
from element_facerhythm.io.folders import OpenDirectory
from element_facerhythm.io.layout import CRATE_FILE, INPUTS
from element_facerhythm.io.product_stamps import FORMAT_VERSION, stage_fingerprint, stage_record
from element_facerhythm.io.products import new_product, stamp_texts
from element_facerhythm.io.project import Project
from element_facerhythm.pipeline.progress import current_progress
from element_facerhythm.pipeline.records import (
    SIGNAL_STAGE,
    STAGES,
    Progress,
    RunRecord,
    RunRequest,
    StageRecord,
)
from element_facerhythm.pipeline.results.load import product_records
from element_facerhythm.pipeline.run.check import CheckedRequest, check_directory, check_request
from element_facerhythm.pipeline.run.core_arguments import tracking_device
from element_facerhythm.pipeline.run.face_rhythm_files import write_description
from element_facerhythm.pipeline.run.fingerprint import UPSTREAM, rois_sha256, stage_version
from element_facerhythm.pipeline.run.given_files import keep_given_files
from element_facerhythm.pipeline.run.light import light_notes
from element_facerhythm.pipeline.run.lock import ProjectLock, project_lock
from element_facerhythm.pipeline.run.ownership import claim_directory
from element_facerhythm.pipeline.run.plan import (
    PlannedStage,
    RunPlan,
    plan_checked,
    require_overwrite,
    stage_product,
)
from element_facerhythm.pipeline.run.run_file import fitted_of_run, write_run_file
from element_facerhythm.pipeline.run.signal_feed import SignalFeed
from element_facerhythm.pipeline.run.signal_stage import new_feed
from element_facerhythm.pipeline.run.stages import READING_STAGES, STAGE_FUNCTIONS, StageContext
from element_facerhythm.pipeline.run.tracking_stage import parts_directory
from element_facerhythm.video import require_unchanged

logger = logging.getLogger(__name__)

DISTRIBUTIONS = {
    "torch": "torch",
    "numpy": "numpy",
    "opencv": "opencv-python-headless",
    "tensorly": "tensorly",
    "h5py": "h5py",
    "av": "av",
}
"""Libraries whose versions a run records, and the distributions that they come with."""


def run_project(
    request: RunRequest,
    *,
    progress: Progress | None = None,
    on_stage: Callable[[str], None] | None = None,
) -> RunRecord:
    """Analyse one recording into a project directory.

    Everything is checked first. Then the stages run in order; one whose product carries the
    fingerprint that this request asks for is reused. A product is written under a temporary name
    and renamed when it is complete, so an interrupted run leaves finished products only, and the
    next run goes on from there.

    Parameters
    ----------
    request
        What to analyse and where to write.
    progress
        Progress callback; None for the one set by `use_progress`, else none.
    on_stage
        Called with the name of each stage when its product is there, computed or reused.

    Returns
    -------
    RunRecord

    Raises
    ------
    RequestError
        The request is wrong; nothing was written.
    ProcessingError
        The work failed, for example at a frame that cannot be decoded.
    """
    checked = check_request(request)
    if not request.overwrite:
        require_overwrite(plan_checked(checked), request)
    directory = request.project_dir
    with OpenDirectory(directory, make=True) as root:
        given = (INPUTS,) if checked.given else ()
        for name in ("analysis_files", "visualizations", *given):
            with root.folder(directory / name, make=True):
                pass
    with project_lock(directory) as lock:
        # again, now that no other run can change it
        check_directory(directory, request.owner)
        for name in ("", "analysis_files", "visualizations", *given):
            remove_leftovers(directory / name)
        if request.owner is not None:
            claim_directory(directory, request.owner)
        run = _Run(checked, directory, progress or current_progress(), package_versions(), lock)
        return run.execute(on_stage)


def package_versions() -> dict[str, str]:
    """Versions of this package, of Python, and of the libraries that compute."""
    versions = {
        "element-facerhythm": element_facerhythm.__version__,
        "python": platform.python_version(),
    }
    for name, distribution in DISTRIBUTIONS.items():
        try:
            versions[name] = version(distribution)
        except PackageNotFoundError:
            versions[name] = "unknown"
    return versions


@dataclass(frozen=True)
class _Run:
    checked: CheckedRequest
    directory: Path
    progress: Progress
    versions: dict[str, str]
    lock: ProjectLock

    def execute(self, on_stage: Callable[[str], None] | None) -> RunRecord:
        """Run what needs running, and write the readable files after each stage."""
        plan = plan_checked(self.checked)
        self._restore_index(plan)
        records: list[StageRecord] = []
        with ExitStack() as stack:
            feed = self._feed(plan, stack)
            for stage in plan.stages:
                if stage.runs:
                    self._compute(stage, feed)
                    self._write_index([*(r.name for r in records), stage.name])
                records.append(self._record(stage))
                if on_stage is not None:
                    on_stage(stage.name)
        kept = self._write_index([record.name for record in records])
        project = Project.open(self.directory)
        return RunRecord(
            project_dir=self.directory,
            stages=tuple(records),
            products=product_records(project),
            device=self.checked.device,
            versions=self.versions,
            notes=(
                *self.checked.notes,
                *kept,
                *self._damage(plan),
                *self._other_signals(),
                *self._old_crate(plan),
                *device_notes(records),
                *light_notes(project),
            ),
            videos=self.checked.videos,
            layout=f"element-facerhythm {FORMAT_VERSION}",
            parameters=self.checked.parameters,
            parameters_fitted=fitted_of_run(self.directory, self.checked.parameters),
        )

    def _restore_index(self, plan: RunPlan) -> None:
        """Write the readable files of the first stages again where a later stage could not read them."""
        kept = [stage.name for stage in takewhile(lambda stage: not stage.runs, plan.stages)]
        try:
            Project.open(self.directory)
        except ProjectError as error:
            if kept:
                logger.info("the description of the project is written anew: %s", error)
                self._write_index(kept)

    def _feed(self, plan: RunPlan, stack: ExitStack) -> SignalFeed | None:
        """Make what takes the frames for the signals, where these are to be measured."""
        if not any(stage.name == SIGNAL_STAGE and stage.runs for stage in plan.stages):
            return None
        folder = stage_product(self.directory, SIGNAL_STAGE).parent
        try:
            return stack.enter_context(new_feed(self.checked, folder))
        except OSError as error:
            raise ProcessingError(
                f"stage {SIGNAL_STAGE}: there is no room in {folder} for projections of "
                f"{self.checked.signals.n_frames if self.checked.signals else 0} frames: {error}"
            ) from error

    def _other_signals(self) -> tuple[str, ...]:
        """Say that signals of an earlier run are of other videos; what nobody asked for is left as it is."""
        product = stage_product(self.directory, SIGNAL_STAGE)
        if self.checked.signals is not None or not product.is_file():
            return ()
        made_from = (stage_fingerprint(product) or {}).get("inputs", {}).get("videos")
        if made_from == self.checked.fingerprints["dataset"]["inputs"]["videos"]:
            return ()
        return (
            f"{product.name} is of an earlier run on other videos, and was left as it is: delete it, or ask "
            "for signals again with --signals",
        )

    def _old_crate(self, plan: RunPlan) -> tuple[str, ...]:
        """Say that the description as an RO-Crate is not of the results that are there now."""
        if not (self.directory / CRATE_FILE).exists() or not any(s.runs for s in plan.stages):
            return ()
        return (
            f"{CRATE_FILE} describes earlier results: `facerhythm export crate --overwrite` writes it again",
        )

    def _damage(self, plan: RunPlan) -> tuple[str, ...]:
        return tuple(f"{fault}; it was computed again" for fault in plan.damage)

    def _compute(self, stage: PlannedStage, feed: SignalFeed | None) -> None:
        logger.info("%s: %s", stage.name, "; ".join(stage.reasons))
        started = time.monotonic()
        path = stage_product(self.directory, stage.name)
        try:
            with new_product(path, lambda: self._stamp(stage.name, started)) as file:
                context = StageContext(self.checked, self.directory, file, self.progress, feed)
                STAGE_FUNCTIONS[stage.name](context)
                if stage.name in READING_STAGES:
                    require_unchanged(self.checked.videos, self.checked.signatures)
                self._drop_later(stage.name)
            if stage.name == "point_tracking":
                self.lock.withdraw(parts_directory(self.directory))
        except OSError as error:
            raise ProcessingError(
                f"stage {stage.name}: {path} could not be made: {error}"
            ) from error

    def _drop_later(self, stage: str) -> None:
        """Remove the products made from the one that is about to be replaced."""
        if stage == SIGNAL_STAGE:
            return
        for later in STAGES[STAGES.index(stage) + 1 :]:
            self.lock.withdraw(stage_product(self.directory, later))

    def _stamp(self, stage: str, started: float) -> dict[str, str]:
        record = {
            "stage": stage,
            "seconds": round(time.monotonic() - started, 3),
            "completed_utc": datetime.now(UTC).isoformat(timespec="seconds"),
            "device": self._device(stage),
            "versions": self.versions,
        }
        return stamp_texts(self.checked.fingerprints[stage], self._inputs(stage), record)

    def _device(self, stage: str) -> str:
        device = self.checked.device
        is_tracking = stage == "point_tracking"
        return tracking_device(self.checked.parameters, device) if is_tracking else device

    def _inputs(self, stage: str) -> dict[str, str]:
        """SHA-256 of what a stage reads: videos, ROIs, the product before it."""
        upstream = UPSTREAM[stage]
        if upstream is None:
            return {video.path.name: video.sha256 for video in self.checked.videos}
        before = stage_product(self.directory, upstream)
        rois = {"rois": rois_sha256(self.checked.rois)} if stage == "rois" else {}
        return {before.name: file_sha256(before), **rois}

    def _record(self, stage: PlannedStage) -> StageRecord:
        stored = stage_record(stage_product(self.directory, stage.name))
        return StageRecord(
            stage.name,
            stored["seconds"],
            not stage.runs,
            str(stored["completed_utc"]),
            str(stored["device"]),
            stage_version(stage.name),
        )

    def _write_index(self, done: Sequence[str]) -> tuple[str, ...]:
        """Write config.yaml, run_info.json and run.json for the stages that are done, and what was given."""
        write_description(self.checked, self.directory, done)
        write_run_file(self.checked, self.directory, done, self.versions)
        return keep_given_files(self.directory, self.checked.given, self.checked.rois, self.lock)


def device_notes(records: Sequence[StageRecord]) -> tuple[str, ...]:
    """Return which stages another device computed than the others; their last digits may differ."""
    devices = dict.fromkeys(record.device for record in records)
    if len(devices) == 1:
        return ()
    by_device = (
        f"{', '.join(record.name for record in records if record.device == device)} on {device}"
        for device in devices
    )
    return (f"computed on several devices: {'; '.join(by_device)}",)
