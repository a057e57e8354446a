"""``config.yaml`` and ``run_info.json`` of a run, in face-rhythm's sections and keys.

Values are those that were computed with, and a section holds what the class of its name takes and nothing
else, so that face-rhythm's classes can be built of it. What they do not know is in ``run.json``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from element_facerhythm.core.decomposition.tensorly_cp import default_backend
from element_facerhythm.errors import ProjectError
from element_facerhythm.io.config import read_config, write_config, write_json
from element_facerhythm.io.h5 import open_h5
from element_facerhythm.io.project import Project
from element_facerhythm.pipeline.records import PRODUCT_OF_STAGE
from element_facerhythm.pipeline.run.check import CheckedRequest

logger = logging.getLogger(__name__)

_TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
_LONGEST_DATE = 40


def write_description(checked: CheckedRequest, project_dir: Path, done: Sequence[str]) -> None:
    """Write both files with the sections of the stages that are done.

    Parameters
    ----------
    checked
        The request that is run.
    project_dir
        Directory of the files.
    done
        Names of the stages whose products are there, in their order from the first on.
    """
    names = [PRODUCT_OF_STAGE[stage] for stage in done if stage in PRODUCT_OF_STAGE]
    config = {**general_sections(project_dir), **{name: CONFIG_OF[name](checked) for name in names}}
    write_config(project_dir / "config.yaml", config)
    run_info: dict[str, Any] = {}
    if names:
        run_info["Dataset_videos"] = _dataset_info(checked)
        # Written first without the rest, because `Project` reads it to find the products.
        write_json(project_dir / "run_info.json", run_info)
    for name in names[1:]:
        run_info[name] = _INFO[name](checked, project_dir)
    write_json(project_dir / "run_info.json", run_info)


def general_sections(project_dir: Path) -> dict[str, Any]:
    """Sections `general` and `paths` of ``config.yaml``; the day on which it was made stays."""
    path = project_dir / "config.yaml"
    now = datetime.now().strftime(_TIME_FORMAT)
    absolute = project_dir.absolute()
    return {
        "general": {
            "date_created": _date_created(path) or now,
            "date_modified": now,
            "path_created": str(absolute / "config.yaml"),
        },
        "paths": {
            "project": str(absolute),
            "config": str(absolute / "config.yaml"),
            "run_info": str(absolute / "run_info.json"),
        },
    }


def _date_created(config: Path) -> str | None:
    """Date that an earlier run wrote; None where the file, which is replaced now, holds none."""
    try:
        general = read_config(config).get("general") if config.is_file() else None
    except ProjectError as error:
        logger.info("%s is written anew: %s", config, error)
        return None
    date = general.get("date_created") if isinstance(general, dict) else None
    return date if isinstance(date, str) and len(date) <= _LONGEST_DATE else None


def _dataset_config(checked: CheckedRequest) -> dict[str, Any]:
    dataset = checked.parameters.Dataset_videos
    return {
        "paths_videos": _video_paths(checked),
        "contiguous": dataset.contiguous,
        "frame_rate_clamp": dataset.frame_rate_clamp,
        "verbose": 1,
    }


def _rois_config(checked: CheckedRequest) -> dict[str, Any]:
    source = checked.request.rois
    return {
        "select_mode": "file" if isinstance(source, Path) else "custom",
        "exampleImage": True,
        "path_file": str(source.absolute()) if isinstance(source, Path) else None,
        "roi_points": True,
        "point_positions": True,
        "mask_images": True,
        "verbose": 1,
        "point_spacing": checked.parameters.ROIs.make_rois.point_spacing,
    }


def _tracker_config(checked: CheckedRequest) -> dict[str, Any]:
    tracker = checked.parameters.to_tree()["PointTracker"]
    flow = {k: v for k, v in tracker["params_optical_flow"].items() if k != "refine"}
    return {
        "contiguous": tracker["contiguous"],
        "visualize_video": False,
        "params_optical_flow": flow,
        "params_clahe": tracker["params_clahe"],
        "params_outlier_handling": tracker["params_outlier_handling"],
        "params_visualization": {},
        # as face-rhythm writes it where there are some; its class takes null for none, and not false
        "frames_freeze": True if tracker["frames_freeze"] else None,
        "relaxation_during_freeze_frames": tracker["relaxation_during_freeze_frames"],
        "verbose": 1,
    }


def _spectral_config(checked: CheckedRequest) -> dict[str, Any]:
    analyzer = checked.parameters.to_tree()["VQT_Analyzer"]
    own = analyzer.pop("params_VQT")
    vqt = {**own, "Fs_sample": checked.spectral_rate_hz}
    del vqt["averaging"]
    return {"params_VQT": vqt, "device": checked.device, **analyzer, "verbose": 1}


def _decomposition_config(checked: CheckedRequest) -> dict[str, Any]:
    tca = checked.parameters.TCA
    options = {k: v for k, v in tca.fit.options().items() if k != "n_restarts"}
    return {
        "verbose": 1,
        "mean_subtract": tca.normalize_data.mean_subtract,
        "std_divide": tca.normalize_data.std_divide,
        "method": tca.fit.method,
        "backend": default_backend(checked.device),
        "params_method": {
            "rank": tca.fit.params_method.rank,
            **options,
            "random_state": checked.parameters.seed,
        },
        "device": checked.device,
    }


def _dataset_info(checked: CheckedRequest) -> dict[str, Any]:
    videos = checked.videos
    parts = [part for sequence in checked.sequences for part in sequence.parts]
    size = [videos[0].height_px, videos[0].width_px]
    return {
        "frame_rate": checked.frame_rate_hz,
        "num_frames_total": sum(part.n_frames for part in parts),
        "frame_height_width": size,
        "num_channels": 3,
        "metadata": {
            "paths_videos": _video_paths(checked),
            "num_frames": [part.n_frames for part in parts],
            "frame_rate": [video.frame_rate_hz for video in videos],
            "frame_height_width": [[video.height_px, video.width_px] for video in videos],
            "num_channels": [3 for _ in videos],
        },
    }


def _rois_info(checked: CheckedRequest, project_dir: Path) -> dict[str, Any]:
    return {"img_hw": [checked.videos[0].height_px, checked.videos[0].width_px]}


def _tracker_info(checked: CheckedRequest, project_dir: Path) -> dict[str, Any]:
    """As face-rhythm's, with the violation fraction (of frames) as the number that it is."""
    project = Project.open(project_dir)
    violated = [len(np.unique(project.tracking(i).violation_rows)) for i in _indices(checked)]
    return {
        "num_videos": len(checked.n_frames),
        "num_frames": list(checked.n_frames),
        "num_frames_total": sum(checked.n_frames),
        "num_points": len(checked.placed.point_positions),
        "violation_fraction": [v / n for v, n in zip(violated, checked.n_frames, strict=True)],
    }


def _decomposition_info(checked: CheckedRequest, project_dir: Path) -> dict[str, Any]:
    with open_h5(Project.open(project_dir).product_path("TCA")) as file:
        return {
            "names_dims_array": file.dataset("names_dims_array").texts(),
            "name_dim_dictElements": file.dataset("name_dim_dictElements").text(),
            "num_dictElements": len(checked.n_frames),
        }


def _no_info(checked: CheckedRequest, project_dir: Path) -> dict[str, Any]:
    return {}


def _video_paths(checked: CheckedRequest) -> list[str]:
    return [str(video.path.absolute()) for video in checked.videos]


def _indices(checked: CheckedRequest) -> range:
    return range(len(checked.n_frames))


CONFIG_OF: dict[str, Callable[[CheckedRequest], dict[str, Any]]] = {
    "Dataset_videos": _dataset_config,
    "ROIs": _rois_config,
    "PointTracker": _tracker_config,
    "VQT_Analyzer": _spectral_config,
    "TCA": _decomposition_config,
}
"""Section of ``config.yaml`` of each product."""

_INFO = {
    "ROIs": _rois_info,
    "PointTracker": _tracker_info,
    "VQT_Analyzer": _no_info,
    "TCA": _decomposition_info,
}
