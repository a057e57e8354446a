"""A project directory with signals of regions alone, which another program computed: taken over as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from element_facerhythm.errors import ProjectError
from element_facerhythm.io.layout import SIGNALS
from element_facerhythm.io.product_stamps import stage_fingerprint, stage_record
from element_facerhythm.io.project import Project
from element_facerhythm.io.stored_signals import StoredSignals, signals_of_project
from element_facerhythm.pipeline.records import (
    SIGNAL_STAGE,
    ProductRecord,
    RunRecord,
    StageRecord,
)
from element_facerhythm.pipeline.results.recording_match import EnteredRecording

_UNKNOWN_DEVICE = "unknown"


def load_signals(project: Project, recording: EnteredRecording) -> RunRecord:
    """Record of a project that holds signals alone, once it is certain that they are of a recording.

    Parameters
    ----------
    project
        The project.
    recording
        What was entered of the recording.

    Raises
    ------
    ProjectError
        The product is damaged, or is of other videos, other frames or another size of frames.
    """
    project.require_intact()
    signals = signals_of_project(project)
    notes = require_signals_of(project, signals, recording)
    (product,) = project.products
    record = stage_record(product.path)
    modified = datetime.fromtimestamp(product.path.stat().st_mtime, UTC)
    stage = StageRecord(
        name=SIGNAL_STAGE,
        seconds=None,
        reused=True,
        completed_utc=str(record.get("completed_utc", modified.isoformat(timespec="seconds"))),
        device=_UNKNOWN_DEVICE,
        version=None,
    )
    return RunRecord(
        project_dir=project.directory,
        stages=(stage,),
        products=(
            ProductRecord(
                SIGNALS, product.path, product.size_bytes, product.sha256, project.layouts[SIGNALS]
            ),
        ),
        device=_UNKNOWN_DEVICE,
        versions={},
        notes=(
            f"signals of {signals.source}, loaded from {project.directory}; nothing was computed, and "
            "nothing was tracked",
            *signals.notes,
            *notes,
        ),
        videos=None,
        layout=project.layout,
    )


def require_signals_of(
    project: Project, signals: StoredSignals, recording: EnteredRecording
) -> tuple[str, ...]:
    """Refuse signals of another recording; return notes on what could not be compared.

    Parameters
    ----------
    project
        The project.
    signals
        Its signals.
    recording
        What was entered of the recording.

    Raises
    ------
    ProjectError
        Names or contents of the videos, numbers of frames, or the size of the frames differ.
    """
    inputs = (stage_fingerprint(project.product_path(SIGNALS)) or {}).get("inputs")
    known = inputs if isinstance(inputs, Mapping) else {}
    faults = tuple(_faults(signals, recording, known))
    if faults:
        raise ProjectError(
            f"{project.product_path(SIGNALS)} is not of this recording: {'; '.join(faults[:6])}. Give the "
            "right output_dir, or enter it as a recording of its own"
        )
    lacking = [name for name in ("videos", "width_px", "height_px") if name not in known]
    if not recording.videos:
        lacking = [*lacking, "the recording's own files"]
    return (f"not recorded and so not compared: {', '.join(lacking)}",) if lacking else ()


def _faults(
    signals: StoredSignals, recording: EnteredRecording, known: Mapping[str, Any]
) -> Iterator[str]:
    if recording.frames is not None:
        yield "the task asks for a part of the frames, and signals are of all"
    if signals.n_frames is not None and signals.n_frames != recording.n_frames:
        yield f"it has {signals.n_frames} frames, the recording {recording.n_frames}"
    for name in ("width_px", "height_px"):
        if name in known and known[name] != getattr(recording, name):
            yield f"{name} is {known[name]}, the recording's {getattr(recording, name)}"
    videos = known.get("videos")
    if not isinstance(videos, list) or not recording.videos:
        return
    if len(videos) != len(recording.videos):
        yield f"it is of {len(videos)} videos, the recording has {len(recording.videos)}"
    for own, entered in zip(videos, recording.videos, strict=False):
        if own.get("sha256") != entered.sha256:
            yield f"{entered.name} is another video than {own.get('name')!r}, which was measured"
