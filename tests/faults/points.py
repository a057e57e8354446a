"""Places in a worker's life at which a fault can strike, and what makes them known.

A point is a name: `stage:point_tracking` (the stage is under way), `publish:TCA.h5:before` (the file is
written, and about to be renamed), `insert:face_rhythm_processing:after` (a statement of the table's rows was
carried out, in the main thread). `install` makes a process call `reach` at every one of them.
"""

import re
import threading
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

STAGES = (
    "recording_info", "dataset", "rois", "point_tracking", "spectral_analysis", "decomposition",
)  # fmt: skip
PRODUCTS = (
    "Dataset_videos.h5",
    "ROIs.h5",
    "PointTracker.h5",
    "VQT_Analyzer.h5",
    "TCA.h5",
    "run.json",
)

STATEMENTS = (
    (r"INSERT INTO \S*`active_job`", "claim"),
    (r"UPDATE \S*`~~face_rhythm_processing`\s+SET `?status`?=%s", "reserve"),
    (r"START TRANSACTION", "begin"),
    (r"INSERT.*`__face_rhythm_processing`\s*\(", "insert"),
    (r"INSERT.*`__face_rhythm_processing__library`\s*\(", "insert_last_part"),
    (r"COMMIT", "commit"),
    (r"DELETE FROM \S*`~~face_rhythm_processing`", "complete"),
    (r"DELETE FROM \S*`active_job`", "end"),
)
"""Statements of one job of FaceRhythmProcessing, in their order."""


def all_points() -> list[str]:
    """Every point, in the order in which a worker comes by."""
    stages = [f"stage:{stage}" for stage in STAGES]
    files = [f"publish:{name}:{when}" for name in PRODUCTS for when in ("before", "after")]
    statements = [f"sql:{label}:{when}" for _, label in STATEMENTS for when in ("before", "after")]
    return [*stages, *files, *statements]


def install(reach: Callable[[str], None]) -> None:
    """Call `reach` with the name of every point that this process comes by."""
    _watch_stages(reach)
    _watch_files(reach)
    _watch_statements(reach)


def _watch_stages(reach: Callable[[str], None]) -> None:
    from element_facerhythm.fleet.job_progress import JobProgress

    original = JobProgress.stage

    @contextmanager
    def stage(self: Any, name: str, total: int | None, unit: str) -> Any:
        with original(self, name, total, unit) as tell:

            def tell_and_reach(n_done: int) -> None:
                tell(n_done)
                if n_done or name == "recording_info":  # it tells before each file
                    reach(f"stage:{name}")

            yield tell_and_reach

    JobProgress.stage = stage


def _watch_files(reach: Callable[[str], None]) -> None:
    from element_facerhythm.io import atomic

    original = atomic.publish

    def publish(temporary: Path, path: Path, folder: int) -> None:
        reach(f"publish:{path.name}:before")
        original(temporary, path, folder)
        reach(f"publish:{path.name}:after")

    atomic.publish = publish


def label_of(statement: str) -> str | None:
    """Which of the statements one is; None for any other."""
    found = (label for pattern, label in STATEMENTS if re.match(pattern, statement, re.DOTALL))
    return next(found, None)


def _watch_statements(reach: Callable[[str], None]) -> None:
    from datajoint.connection import Connection

    original = Connection.query
    main = threading.main_thread()
    in_processing = False

    def query(self: Any, statement: str, *args: Any, **kwargs: Any) -> Any:
        nonlocal in_processing
        if threading.current_thread() is not main:
            return original(self, statement, *args, **kwargs)
        label = label_of(statement)
        if label == "claim":
            in_processing = "FaceRhythmProcessing" in map(str, kwargs.get("args", ()))
        if label is None or not in_processing:
            return original(self, statement, *args, **kwargs)
        reach(f"sql:{label}:before")
        result = original(self, statement, *args, **kwargs)
        reach(f"sql:{label}:after")
        return result

    Connection.query = query
