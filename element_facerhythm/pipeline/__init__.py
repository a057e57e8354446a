"""The whole analysis of one recording, from videos to a project directory and its numbers.

`run_project` computes, `load_project` takes an existing directory, `summarise_project` turns
either into numbers. The names below are imported when first used, so that importing this package
is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from element_facerhythm.pipeline.records import (
        STAGES,
        ArrayRef,
        FactorSummary,
        ModelSummary,
        NullProgress,
        PointSummary,
        ProductRecord,
        Progress,
        ProjectSummary,
        RunRecord,
        RunRequest,
        StageRecord,
        Verdict,
        VideoSummary,
    )
    from element_facerhythm.pipeline.results.load import load_project
    from element_facerhythm.pipeline.results.project_summary import summarise_project
    from element_facerhythm.pipeline.run.check import CheckedRequest, check_request
    from element_facerhythm.pipeline.run.plan import RunPlan, plan_run
    from element_facerhythm.pipeline.run.prepare import PreparedProject, prepare_project
    from element_facerhythm.pipeline.run.runner import run_project

_MODULE_OF = {
    "CheckedRequest": "run.check",
    "check_request": "run.check",
    "load_project": "results.load",
    "RunPlan": "run.plan",
    "plan_run": "run.plan",
    "PreparedProject": "run.prepare",
    "prepare_project": "run.prepare",
    "run_project": "run.runner",
    "summarise_project": "results.project_summary",
} | dict.fromkeys(
    (
        "STAGES",
        "ArrayRef",
        "FactorSummary",
        "ModelSummary",
        "NullProgress",
        "PointSummary",
        "ProductRecord",
        "Progress",
        "ProjectSummary",
        "RunRecord",
        "RunRequest",
        "StageRecord",
        "Verdict",
        "VideoSummary",
    ),
    "records",
)

__all__ = [
    "STAGES",
    "ArrayRef",
    "CheckedRequest",
    "FactorSummary",
    "ModelSummary",
    "NullProgress",
    "PointSummary",
    "PreparedProject",
    "ProductRecord",
    "Progress",
    "ProjectSummary",
    "RunPlan",
    "RunRecord",
    "RunRequest",
    "StageRecord",
    "Verdict",
    "VideoSummary",
    "check_request",
    "load_project",
    "plan_run",
    "prepare_project",
    "run_project",
    "summarise_project",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
