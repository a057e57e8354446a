"""What a run would do, and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from element_facerhythm.errors import ProjectError
from element_facerhythm.io.layout import product_path
from element_facerhythm.io.project import product_format, stage_fingerprint
from element_facerhythm.pipeline.check import CheckedRequest, check_request
from element_facerhythm.pipeline.fingerprint import Fingerprint, explain_difference
from element_facerhythm.pipeline.records import PRODUCT_OF_STAGE, STAGES, RunRequest
from element_facerhythm.pipeline.tracking import TrackedParts


@dataclass(frozen=True)
class PlannedStage:
    """Whether a stage would run, and the reasons in words (empty where it is reused)."""

    name: str
    runs: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class RunPlan:
    """The stages in order."""

    stages: tuple[PlannedStage, ...]

    @property
    def reused(self) -> tuple[str, ...]:
        """Names of the stages whose products stay."""
        return tuple(stage.name for stage in self.stages if not stage.runs)


def plan_run(request: RunRequest) -> RunPlan:
    """Check a request and say what running it would do; writes nothing.

    Raises
    ------
    RequestError
        The request cannot be run.
    """
    return plan_checked(check_request(request))


def plan_checked(checked: CheckedRequest) -> RunPlan:
    """Plan of a request that was checked already."""
    stages: list[PlannedStage] = []
    for name in STAGES:
        product = stage_product(checked.request.project_dir, name)
        reasons = _reasons(name, product, checked.fingerprints[name])
        if name == "point_tracking" and reasons:
            reasons = (*reasons, *_kept_parts(checked))
        again = [stage.name for stage in stages if stage.runs]
        if again and not reasons:
            reasons = (f"{again[-1]} runs again",)
        stages.append(PlannedStage(name, bool(reasons), reasons))
    return RunPlan(tuple(stages))


def _kept_parts(checked: CheckedRequest) -> tuple[str, ...]:
    """Say how many sequences an earlier run has finished."""
    n_sequences = len(checked.n_frames)
    parts = TrackedParts(checked.request.project_dir, checked.fingerprints["point_tracking"])
    n_finished = len(parts.finished(n_sequences)) if n_sequences > 1 else 0
    if not n_finished:
        return ()
    return (f"{n_finished} of {n_sequences} videos are tracked already and will be kept",)


def stage_product(project_dir: Path, stage: str) -> Path:
    """Where the product of a stage lies."""
    return product_path(project_dir, PRODUCT_OF_STAGE[stage])


def _reasons(stage: str, product: Path, wanted: Fingerprint) -> tuple[str, ...]:
    if not product.is_file():
        return (f"{product.name} is not there",)
    if product_format(product) is None:
        return (f"{product.name} cannot be read",)
    try:
        fingerprint = stage_fingerprint(product)
    except ProjectError as error:
        return (str(error),)
    if fingerprint is None:
        return (f"{product.name} carries no fingerprint",)
    if fingerprint == wanted:
        return ()
    return explain_difference(stage, fingerprint, wanted)
