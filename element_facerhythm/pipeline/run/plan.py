"""The plan of a run: which stages would run, and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from element_facerhythm.errors import ParameterError, ProjectError
from element_facerhythm.io.content_digest import Content, content_of
from element_facerhythm.io.h5_reader import open_h5
from element_facerhythm.io.layout import product_path
from element_facerhythm.io.product_stamps import (
    content_faults,
    product_format,
    stage_fingerprint,
    stage_inputs,
)
from element_facerhythm.pipeline.records import (
    PRODUCT_OF_STAGE,
    SIGNAL_PRODUCT,
    SIGNAL_STAGE,
    STAGES,
    RunRequest,
)
from element_facerhythm.pipeline.run.check import CheckedRequest, check_request
from element_facerhythm.pipeline.run.fingerprint import Fingerprint, explain_difference
from element_facerhythm.pipeline.run.tracking_stage import TrackedParts

_MOST_LINES = 6


@dataclass(frozen=True)
class ProductState:
    """What keeps a stage's product from being used again, in words; nothing where it can be.

    Attributes
    ----------
    missing
        It is not there, or was not written by this package.
    changed
        It is whole, and was made with other parameters or from other inputs.
    damaged
        It was made as wanted, and it or a product that it was made from is not what was written.
    """

    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlannedStage:
    """Whether a stage would run, and the reasons in words (empty where it is reused).

    `changed` and `damaged` are those of the reasons that `ProductState` names so.
    """

    name: str
    runs: bool
    reasons: tuple[str, ...]
    changed: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunPlan:
    """The stages in order."""

    stages: tuple[PlannedStage, ...]

    @property
    def reused(self) -> tuple[str, ...]:
        """Names of the stages whose products stay."""
        return tuple(stage.name for stage in self.stages if not stage.runs)

    @property
    def replaces(self) -> tuple[str, ...]:
        """Why results that are whole would be replaced by others; empty where none would."""
        lines = (line for stage in self.stages for line in stage.changed)
        return tuple(dict.fromkeys(lines))

    @property
    def damage(self) -> tuple[str, ...]:
        """What was found damaged, and would be computed again."""
        return tuple(line for stage in self.stages for line in stage.damaged)


def require_overwrite(plan: RunPlan, request: RunRequest) -> None:
    """Refuse a run that would replace whole results, unless the request allows it.

    Parameters
    ----------
    plan
        What the run would do.
    request
        The run; its `overwrite` allows it.

    Raises
    ------
    ParameterError
        The message says what differs.
    """
    lines = plan.replaces
    if lines and not request.overwrite:
        more = f" (and {len(lines) - _MOST_LINES} more)" if len(lines) > _MOST_LINES else ""
        raise ParameterError(
            f"{request.project_dir} holds results of another request: {'; '.join(lines[:_MOST_LINES])}"
            f"{more}. Say --overwrite to replace them, or give another directory to keep both"
        )


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
        state = _state_of(checked.request.project_dir, name, checked.fingerprints[name])
        reasons = (*state.missing, *state.changed, *state.damaged)
        if name == "point_tracking" and reasons:
            reasons = (*reasons, *_kept_parts(checked))
        again = [stage.name for stage in stages if stage.runs]
        if again and not reasons:
            reasons = (f"{again[-1]} runs again",)
        stages.append(PlannedStage(name, bool(reasons), reasons, state.changed, state.damaged))
    if checked.signals is not None:  # right after the tracking, which may hand it the frames
        state = _state_of(
            checked.request.project_dir, SIGNAL_STAGE, checked.fingerprints[SIGNAL_STAGE]
        )
        reasons = (*state.missing, *state.changed, *state.damaged)
        signals = PlannedStage(SIGNAL_STAGE, bool(reasons), reasons, state.changed, state.damaged)
        stages.insert(STAGES.index("point_tracking") + 1, signals)
    return RunPlan(tuple(stages))


def _kept_parts(checked: CheckedRequest) -> tuple[str, ...]:
    """Return how many sequences an earlier run has finished."""
    n_sequences = len(checked.n_frames)
    parts = TrackedParts(checked.request.project_dir, checked.fingerprints["point_tracking"])
    n_finished = len(parts.finished(n_sequences)) if n_sequences > 1 else 0
    if not n_finished:
        return ()
    return (f"{n_finished} of {n_sequences} videos are tracked already and will be kept",)


def stage_product(project_dir: Path, stage: str) -> Path:
    """Path of the product of a stage.

    Parameters
    ----------
    project_dir
        The project directory.
    stage
        Name of the stage.
    """
    name = SIGNAL_PRODUCT if stage == SIGNAL_STAGE else PRODUCT_OF_STAGE[stage]
    return product_path(project_dir, name)


def _state_of(project_dir: Path, stage: str, wanted: Fingerprint) -> ProductState:
    """Return what keeps a stage's product from being used again."""
    product = stage_product(project_dir, stage)
    if not product.is_file():
        return ProductState(missing=(f"{product.name} is not there",))
    if product_format(product) is None:
        if _is_readable(product):
            return ProductState(changed=(f"{product.name} was written by another program",))
        return ProductState(missing=(f"{product.name} cannot be read",))
    try:
        fingerprint = stage_fingerprint(product)
        inputs = stage_inputs(product)
    except ProjectError as error:
        return ProductState(missing=(str(error),))
    if fingerprint is None:
        return ProductState(missing=(f"{product.name} carries no fingerprint",))
    if fingerprint != wanted:
        return ProductState(changed=explain_difference(stage, fingerprint, wanted))
    if content_of(product) is Content.WITHOUT_DIGEST:
        return ProductState(missing=(f"{product.name} carries no digest of its content",))
    return ProductState(damaged=content_faults(product, inputs))


def _is_readable(product: Path) -> bool:
    try:
        with open_h5(product):
            return True
    except ProjectError:
        return False
