"""Run by the peer's own Python: face-rhythm 0.3.3 on given videos, ROIs and parameters, stage by stage.

``python peer_run.py REQUEST.json ANSWER.json``. It imports nothing of this repository, and calls
face-rhythm's classes in the order of its ``pipelines.pipeline_basic``. A request is
``{"backend": "torchcodec" | "decord", "jobs": [job, ...]}``; a job has

``videos``, ``rois``
    Paths; the ROI file is a ``ROIs.h5`` with point positions.
``parameters``
    face-rhythm's tree: ``PointTracker``, ``VQT_Analyzer``, ``TCA``.
``steps``
    Of ``track``, ``vqt``, ``tca``; each needs the one before.
``project_dir``
    Where the products are saved as its pipeline does; null keeps everything in memory.
``arrays``
    An npz file to write points, spectrograms and factors to; null writes none.

The answer holds, per job, the seconds of every stage and the number of frames, points and flags.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from pathlib import Path
from typing import Any

BUFFERED_VIDEO_READER = {"buffer_size": 1000, "prefetch": 1, "posthold": 1, "verbose": 0}


def main() -> None:
    """Answer one request."""
    request_path, answer_path = map(Path, sys.argv[1:])
    request = json.loads(request_path.read_text())
    started = time.perf_counter()
    import face_rhythm

    answer = {
        "import_s": time.perf_counter() - started,
        "version": _version("face-rhythm"),
        "jobs": [_run(face_rhythm, job, request["backend"]) for job in request["jobs"]],
    }
    answer_path.write_text(json.dumps(answer))


def _run(fr: Any, job: dict[str, Any], backend: str) -> dict[str, Any]:
    """Run one job; its chatter goes nowhere, so that no terminal is timed."""
    seconds: dict[str, float] = {}
    arrays: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        save = _saver(fr, job["project_dir"])
        points, positions, facts = _track(fr, job, backend, seconds, save)
        arrays |= {f"points/{key}": value for key, value in points.items()}
        if "vqt" in job["steps"]:
            spectrograms = _vqt(fr, job, points, positions, seconds, save, arrays)
            if "tca" in job["steps"]:
                _tca(fr, job, spectrograms, seconds, save, arrays)
    if job["arrays"] is not None:
        _write_arrays(job["arrays"], arrays)
    return {"seconds": seconds, **facts}


def _track(
    fr: Any, job: dict[str, Any], backend: str, seconds: dict[str, float], save: Any
) -> tuple[dict[str, Any], Any, dict[str, Any]]:
    with _timed(seconds, "load_videos"):
        reader = fr.helpers.BufferedVideoReader(
            paths_videos=job["videos"],
            method_getitem="by_video",
            backend=backend,
            **BUFFERED_VIDEO_READER,
        )
        dataset = fr.data_importing.Dataset_videos(
            bufferedVideoReader=reader, contiguous=False, verbose=0
        )
        save(dataset)
    with _timed(seconds, "rois"):
        rois = fr.rois.ROIs(select_mode="file", path_file=job["rois"], verbose=0)
        save(rois)
    with _timed(seconds, "track"):
        tracker = fr.point_tracking.PointTracker(
            buffered_video_reader=reader,
            point_positions=rois.point_positions,
            rois_masks=rois[1] if len(rois) > 1 else None,
            verbose=0,
            **job["parameters"]["PointTracker"],
        )
        tracker.track_points()
    with _timed(seconds, "save_track"):
        save(tracker)
    facts = {
        "n_frames": int(dataset.num_frames_total),
        "n_points": int(tracker.num_points),
        "n_flags": sum(len(v["row"]) for v in tracker.violations_sparseCOO.values()),
    }
    return tracker.points_tracked, rois.point_positions, facts


def _vqt(
    fr: Any,
    job: dict[str, Any],
    points: dict[str, Any],
    positions: Any,
    seconds: dict[str, float],
    save: Any,
    arrays: dict[str, Any],
) -> dict[str, Any]:
    with _timed(seconds, "vqt"):
        analyzer = fr.spectral_analysis.VQT_Analyzer(
            device="cpu", verbose=0, **job["parameters"]["VQT_Analyzer"]
        )
        analyzer.transform_all(points_tracked=points, point_positions=positions)
    with _timed(seconds, "save_vqt"):
        save(analyzer)
    arrays |= {f"spectrograms/{key}": value for key, value in analyzer.spectrograms.items()}
    arrays["frequencies"] = analyzer.run_data["frequencies"]
    return analyzer.spectrograms


def _tca(
    fr: Any,
    job: dict[str, Any],
    spectrograms: dict[str, Any],
    seconds: dict[str, float],
    save: Any,
    arrays: dict[str, Any],
) -> None:
    import numpy as np

    section = job["parameters"]["TCA"]
    with _timed(seconds, "tca"):
        tca = fr.decomposition.TCA(verbose=0)
        tca.rearrange_data(
            data={key: np.abs(value) for key, value in spectrograms.items()},
            **section["rearrange_data"],
        )
        tca.normalize_data(**section["normalize_data"])
        tca.fit(DEVICE="cpu", verbose=0, **section["fit"])
        tca.rearrange_factors(**section["rearrange_factors"])
    with _timed(seconds, "save_tca"):
        save(tca)
    for element, factors in tca.factors.items():
        arrays |= {f"factors/{element}/{name}": value for name, value in factors.items()}


def _saver(fr: Any, project_dir: str | None) -> Any:
    """Return what saves a module as the pipeline does, or does nothing."""
    if project_dir is None:
        return lambda module: None
    path_config, _, _ = fr.project.prepare_project(
        directory_project=project_dir,
        overwrite_config=True,
        initialize_visualization=False,
        mkdir=True,
        verbose=0,
    )

    def save(module: Any) -> None:
        module.save_config(path_config=path_config, overwrite=True, verbose=0)
        module.save_run_info(path_config=path_config, overwrite=True, verbose=0)
        module.save_run_data(path_config=path_config, overwrite=True, verbose=0)

    return save


@contextlib.contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Any:
    started = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - started


def _write_arrays(path: str, arrays: dict[str, Any]) -> None:
    import numpy as np

    with Path(path).open("wb") as file:
        np.savez(file, **{name: np.asarray(array) for name, array in arrays.items()})


def _version(name: str) -> str:
    from importlib import metadata

    return metadata.version(name)


if __name__ == "__main__":
    main()
