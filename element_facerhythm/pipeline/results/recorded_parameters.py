"""Parameters that a project's results were made with, product by product, as far as they are recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from element_facerhythm.errors import ParameterError, ProjectError
from element_facerhythm.files.texts import shortened
from element_facerhythm.io.layout import SIGNALS
from element_facerhythm.io.product_stamps import stage_fingerprint
from element_facerhythm.io.project import Project
from element_facerhythm.parameters import Parameters, describe_difference
from element_facerhythm.parameters.open import OpenParameters, shortened_list
from element_facerhythm.parameters.recorded import contradictions, leaves, partly_known
from element_facerhythm.pipeline.records import PRODUCT_OF_STAGE, STAGES
from element_facerhythm.pipeline.results.foreign_settings import SETTINGS_OF
from element_facerhythm.pipeline.results.quality.assessment import limits_of
from element_facerhythm.pipeline.run.fingerprint import LEVELS, STAGE_VERSIONS, stage_parameters
from element_facerhythm.pipeline.run.run_file import RUN_FILE, parameters_of_run

SECTIONS = {
    "dataset": ("Dataset_videos.",),
    "rois": ("ROIs.",),
    "point_tracking": ("PointTracker.",),
    "spectral_analysis": ("VQT_Analyzer.",),
    "decomposition": ("TCA.", "project."),
}
"""Beginnings of the names of the parameters that each stage computes with."""

_FACE_RHYTHM = "face-rhythm"
_COMPAT = "compat"
_MOST_LINES = 4


@dataclass(frozen=True)
class Executed:
    """Parameters that results were made with.

    Attributes
    ----------
    parameters
        With nulls for what is not known; None where nothing is.
    notes
        What is not known, and why.
    """

    parameters: OpenParameters | None
    notes: tuple[str, ...]

    @property
    def all_known(self) -> Parameters | None:
        """The parameters, where all of them are known."""
        known = self.parameters
        return known.stand_in if known is not None and known.is_closed else None


@dataclass
class _Found:
    """Values by name, and remarks on those that are missing."""

    known: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def executed_parameters(project: Project) -> Executed:
    """Parameters that the products of a project were made with.

    Those of a product of this package are in ``run.json``, and count where they have the fingerprint that the
    product carries. Those of a product of face-rhythm are in ``config.yaml`` and in the product itself, not
    all of them; `compat` is then face-rhythm.

    Raises
    ------
    PathError
        A file of the project is a link that leads out.
    ProjectError
        A product cannot be read.
    """
    found = _Found()
    of_this_package = [stage for stage in STAGES if project.is_ours(PRODUCT_OF_STAGE[stage])]
    run = _of_run_file(project, found) if of_this_package else None
    own = [stage for stage in of_this_package if _holds(project, stage, run, found)]
    if own != of_this_package:
        # no fingerprint holds the parameters of the first stage: they count only where all others do
        own = [stage for stage in own if stage != STAGES[0]]
    for stage in STAGES:
        if run is not None and stage in own:
            values = leaves(run.to_tree())
            found.known |= {n: v for n, v in values.items() if n.startswith(SECTIONS[stage])}
        elif stage not in of_this_package:
            found.known |= _of_config(project, stage, found)
    if not found.known:
        return Executed(None, tuple(found.notes))
    found.known |= _of_whole(project, run, own)
    return _gathered(project, found)


def parameters_of_project(project: Project) -> OpenParameters:
    """As `executed_parameters`, without notes; where nothing is known, every value is null."""
    known = None if project.holds_signals_alone else executed_parameters(project).parameters
    return partly_known({}, _results_sha256(project))[0] if known is None else known


def require_parameters(
    project: Project, asked: OpenParameters, known: OpenParameters | None
) -> tuple[str, ...]:
    """Refuse results that were made with other parameters than asked for.

    Parameters
    ----------
    project
        The project directory.
    asked
        Parameters of the task.
    known
        Those of the project, None where none is recorded; see `executed_parameters`.

    Returns
    -------
    tuple
        A note on what could not be compared.

    Raises
    ------
    ProjectError
        A value that both know differs.
    """
    lines = _against_fingerprints(project, asked) if known is None else contradictions(asked, known)
    if lines:
        more = f" (and {len(lines) - _MOST_LINES} more)" if len(lines) > _MOST_LINES else ""
        raise ProjectError(
            f"{project.directory} was made with other parameters than the task's (asked for -> made with): "
            f"{'; '.join(lines[:_MOST_LINES])}{more}. Give the task the project's own parameters "
            "(FaceRhythmParamSet.insert_from_project), or the project that was made with these"
        )
    if known is None:
        return ()
    said = [name for name in known.unknown_names if name not in asked.unknown_names]
    return (
        (f"not recorded and so not compared with the task's parameters: {', '.join(said)}",)
        if said
        else ()
    )


def _of_run_file(project: Project, found: _Found) -> Parameters | None:
    """Parameters of ``run.json``; None, with a note, where it does not say them."""
    try:
        parameters = parameters_of_run(project.directory, project.roots)
    except (ParameterError, ProjectError):
        parameters = None
    if parameters is None:
        found.notes.append(
            f"{project.directory}: {RUN_FILE} does not say with what parameters the results were made"
        )
    return parameters


def _holds(project: Project, stage: str, run: Parameters | None, found: _Found) -> bool:
    """Whether a product of this package was made with these parameters."""
    name = PRODUCT_OF_STAGE[stage]
    if run is None:
        return False
    stored = stage_fingerprint(project.product_path(name)) or {}
    lines = _difference(project, stage, run, stored)
    if lines:
        found.notes.append(
            f"{name}.h5 was made with other parameters than {RUN_FILE} says ({'; '.join(lines)}): those that "
            "it was made with are not known"
        )
    version = stored.get("stage_version")
    if version != STAGE_VERSIONS[stage]:
        found.notes.append(
            f"{stage} is of version {shortened(version)} of its computation; with the same parameters, "
            f"today's (version {STAGE_VERSIONS[stage]}) gives other numbers"
        )
    return not lines


def _difference(
    project: Project, stage: str, parameters: Parameters, stored: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return lines on how a product's fingerprint differs from that of parameters."""
    recorded = stored.get("parameters")
    wanted = stage_parameters(parameters, project.frame_rate_hz)[stage]
    if not isinstance(recorded, Mapping):
        return (f"{stage} carries no fingerprint",)
    recorded = {key: value for key, value in recorded.items() if key != LEVELS}
    if not parameters.rules.is_rate_typed and parameters.Dataset_videos.frame_rate_clamp is None:
        # the rate is then that of the recording, which is compared separately
        recorded, wanted = (
            {k: v for k, v in t.items() if k != "frame_rate_hz"} for t in (recorded, wanted)
        )
    if stored.get("stage_version") != STAGE_VERSIONS[stage]:  # which may have other parameters
        recorded, wanted = ({k: t[k] for k in recorded if k in wanted} for t in (recorded, wanted))
    return describe_difference(wanted, recorded)


def _against_fingerprints(project: Project, asked: OpenParameters) -> tuple[str, ...]:
    """Compare parameters with products of this package whose own are lost; what is open is left out."""
    free = {part for name in asked.open_names for part in name.split(".")[-2:]}
    lines: list[str] = []
    for stage, name in PRODUCT_OF_STAGE.items():
        if project.is_ours(name) and not asked.unknown_names:
            stored = stage_fingerprint(project.product_path(name)) or {}
            lines += _difference(project, stage, asked.stand_in, stored)
    return tuple(line for line in lines if line.partition(":")[0].partition(".")[0] not in free)


def _of_config(project: Project, stage: str, found: _Found) -> dict[str, Any]:
    """Values of face-rhythm's section of ``config.yaml``, unless its product contradicts it."""
    name = PRODUCT_OF_STAGE[stage]
    known, faults = SETTINGS_OF[stage](project)
    if faults:
        found.notes.append(
            f"config.yaml contradicts {name}.h5 ({'; '.join(faults)}): its section {name} is of other "
            "results, and not taken"
        )
    return known


def _of_whole(project: Project, run: Parameters | None, own: Iterable[str]) -> dict[str, Any]:
    """Values that belong to no stage: `compat`, the signals besides, and the limits of quality."""
    own = set(own)
    of_face_rhythm = {s for s in STAGES if not project.is_ours(PRODUCT_OF_STAGE[s])}
    compats = {run.compat if run else None for _ in own} | {_FACE_RHYTHM for _ in of_face_rhythm}
    known: dict[str, Any] = {}
    if len(compats) == 1 and own | of_face_rhythm == set(STAGES):
        known[_COMPAT] = compats.pop()
    if run is not None:
        signals = run.to_tree()["FacialSignal"]
        known |= {f"FacialSignal.{name}": value for name, value in signals.items()}
    limits = limits_of(project).model_dump()
    return {**known, **{f"Quality.{name}": value for name, value in limits.items()}}


def _gathered(project: Project, found: _Found) -> Executed:
    """Return all values, and note which are missing."""
    parameters, refused = partly_known(found.known, None)
    if refused:
        found.notes.append(
            f"config.yaml holds values of {', '.join(refused)} that this package does not compute with: "
            "they are left out"
        )
    if not parameters.unknown_names:
        return Executed(parameters, tuple(found.notes))
    found.notes.append(
        f"parameters that nothing records, null here: {shortened_list(parameters.unknown_names, 90)}"
    )
    parameters = replace(parameters, results_sha256=_results_sha256(project))
    return Executed(parameters, tuple(found.notes))


def _results_sha256(project: Project) -> str:
    """Digest of all products; of signals of regions only where there is nothing else."""
    digest = hashlib.sha256()
    for product in project.products:
        if product.name == SIGNALS and not project.holds_signals_alone:
            continue
        digest.update(f"{product.name} {product.sha256}\n".encode())
    return digest.hexdigest()
