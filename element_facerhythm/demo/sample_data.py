"""Small samples to try things on: ``from element_facerhythm import sample_data``.

Nothing is downloaded: a sample is rendered and computed when it is first asked for, the same on every
machine, and kept in the user's cache directory, which may be deleted at any time.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from element_facerhythm.errors import RequestError

if TYPE_CHECKING:
    import xarray as xr

    from element_facerhythm.demo.synthetic import Scene
    from element_facerhythm.keypoints import Predictions
    from element_facerhythm.pipeline.exchange.datasets import What

_VERSION = 1
"""Raised by hand when what a sample holds changes."""

_SIZE: dict[str, Any] = {"width_px": 192, "height_px": 144, "frame_rate_hz": 60.0}
_PARAMETERS: dict[str, Any] = {
    "ROIs": {"make_rois": {"point_spacing": 9}},
    "VQT_Analyzer": {
        "params_VQT": {
            "Q_lowF": 2.0,
            "Q_highF": 6.0,
            "F_min": 3.0,
            "F_max": 25.0,
            "n_freq_bins": 16,
            "downsample_factor": 4,
        }
    },
    "TCA": {"fit": {"params_method": {"rank": 3, "n_iter_max": 50}}},
}

_PART_OF = {
    "whisking": "whisker pad",
    "sniffing": "nose",
    "chewing": "jaw",
    "sway": "cheek",
    "blink": "eyelid",
}
"""Movements of the scene, and what is tracked where each is largest."""


@dataclass(frozen=True)
class _Sample:
    """How a sample is made: a function that fills a directory, and what is in it then, by name."""

    about: str
    make: Callable[[Path], None]
    files: dict[str, str]


def list_datasets() -> list[str]:
    """Names of the samples; `describe_dataset` says what one is."""
    return list(_SAMPLES)


def describe_dataset(name: str) -> str:
    """Return one sentence about a sample.

    Raises
    ------
    RequestError
        There is no such sample.
    """
    return _sample(name).about


def fetch_dataset_paths(name: str) -> dict[str, Path]:
    """Return where the files of a sample are, made where they are not there yet (seconds).

    Parameters
    ----------
    name
        One of `list_datasets`.

    Returns
    -------
    ``video`` and ``frame`` (its first frame, PNG) of every sample; ``rois`` and ``project`` (a project
    directory), or ``keypoints`` (a table of DeepLabCut's). ``video_2`` where there are two.

    Raises
    ------
    RequestError
        There is no such sample.
    OSError
        The cache directory cannot be written.
    """
    from filelock import FileLock

    sample, place = _sample(name), cache_dir() / name
    whole = place.with_name(f"{name}.whole")
    if not whole.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(place.with_name(f"{name}.lock")):
            if not whole.exists():
                shutil.rmtree(place, ignore_errors=True)  # of a process that was interrupted
                sample.make(place)
                whole.touch()
    return {what: place / file for what, file in sample.files.items()}


def fetch_dataset(name: str, what: What = "points") -> xr.Dataset:
    """Return a sample as a dataset of xarray; the first call makes it (seconds).

    Parameters
    ----------
    name
        One of `list_datasets`.
    what
        Of a sample with a project, which results (see `pipeline.exchange.datasets.to_xarray`); of keypoints,
        ``points``, which are a dataset of movement's.

    Returns
    -------
    With the attributes `video_path` and `frame_path`.

    Raises
    ------
    RequestError
        There is no such sample, or it has no such results.
    ConfigurationError
        xarray or movement is not installed.
    """
    from element_facerhythm.keypoints.formats import read_predictions, to_movement
    from element_facerhythm.pipeline.exchange.datasets import require_xarray, to_xarray

    require_xarray()
    paths = fetch_dataset_paths(name)
    if "project" in paths:
        dataset = to_xarray(paths["project"], what)
    elif what == "points":
        rate_hz = _SIZE["frame_rate_hz"]
        dataset = to_movement(
            read_predictions(paths["keypoints"], "DeepLabCut", frame_rate_hz=rate_hz)
        )
    else:
        raise RequestError(f"sample {name!r} has keypoints and no {what}; ask for points")
    return dataset.assign_attrs(video_path=str(paths["video"]), frame_path=str(paths["frame"]))


def cache_dir() -> Path:
    """Directory that samples are kept in; made when the first one is."""
    from platformdirs import user_cache_path

    from element_facerhythm import __version__

    return user_cache_path("element-facerhythm") / "samples" / f"{__version__}-{_VERSION}"


def _sample(name: str) -> _Sample:
    if name not in _SAMPLES:
        raise RequestError(f"there is no sample {name!r}; expected one of {', '.join(_SAMPLES)}")
    return _SAMPLES[name]


def _one_video(directory: Path) -> None:
    _project(directory, [("face.mp4", 300, 0)], {"FacialSignal": {"signals": ["motion", "svd"]}})


def _two_videos(directory: Path) -> None:
    _project(directory, [("face-1.mp4", 180, 1), ("face-2.mp4", 150, 1)], {})


def _project(directory: Path, videos: list[tuple[str, int, int]], sections: dict[str, Any]) -> None:
    """Render videos, write regions and the first frame, and compute a project."""
    from element_facerhythm.io.rois_file import write_rois
    from element_facerhythm.parameters import parameters_from_mapping
    from element_facerhythm.pipeline import RunRequest, run_project

    scenes = [_scene(directory / name, n_frames, seed) for name, n_frames, seed in videos]
    write_rois(scenes[0].rois, directory / "rois.json")
    run_project(
        RunRequest(
            videos=tuple(directory / name for name, _, _ in videos),
            rois=directory / "rois.json",
            parameters=parameters_from_mapping({**_PARAMETERS, **sections}).parameters,
            project_dir=directory / "project",
            device="cpu",
        )
    )


def _keypoints(directory: Path) -> None:
    from element_facerhythm.keypoints.formats import write_predictions

    scene = _scene(directory / "face.mp4", 300, 0, with_paw=True)
    write_predictions(_tracked(scene), directory / "keypoints.csv", "dlc")


def _scene(path: Path, n_frames: int, seed: int, *, with_paw: bool = False) -> Scene:
    """Render a video and its first frame."""
    import cv2

    from element_facerhythm.demo.synthetic import Renderer, make_scene_video
    from element_facerhythm.figures.style import write_bytes

    path.parent.mkdir(exist_ok=True)
    scene = make_scene_video(path, n_frames=n_frames, seed=seed, with_paw=with_paw, **_SIZE)
    if not (path.parent / "frame.png").exists():
        _, png = cv2.imencode(".png", Renderer(scene).frame(0))
        write_bytes(path.parent / "frame.png", png.tobytes())
    return scene


def _tracked(scene: Scene) -> Predictions:
    """Return the truth with noise, as a tracker might say it; where a part is hidden, little or nothing."""
    from element_facerhythm.keypoints import Predictions

    rng = np.random.default_rng(scene.seed)
    grid = np.stack(np.meshgrid(np.arange(scene.width_px), np.arange(scene.height_px)), -1)
    grid = grid.reshape(-1, 2).astype(float)
    # of each movement the place that moves most is a body part
    places = [grid[np.argmax(source.region.weight(grid))] for source in scene.sources]
    positions = scene.true_positions(places) + rng.normal(0, 0.2, (scene.n_frames, len(places), 2))
    hidden = scene.occluded(places)
    likelihood = np.where(hidden, 0.1, 0.95) + rng.uniform(-0.05, 0.05, hidden.shape)
    positions += np.where(hidden, 8.0, 0.0)[..., None] * rng.standard_normal(positions.shape)
    positions[hidden & (rng.random(hidden.shape) < 0.3)] = np.nan
    likelihood[np.isnan(positions[..., 0])] = np.nan
    names = tuple(_PART_OF[source.name] for source in scene.sources)
    rounded = positions.round(3), likelihood.round(3)
    return Predictions(
        rounded[0][:, None], rounded[1][:, None], names, source_software="DeepLabCut"
    )


_SAMPLES = {
    "face": _Sample(
        "five seconds of a drawn face that whisks, sniffs and chews, and its project with motion signals",
        _one_video,
        {"video": "face.mp4", "frame": "frame.png", "rois": "rois.json", "project": "project"},
    ),
    "face-two-videos": _Sample(
        "a recording of two files, and its project",
        _two_videos,
        {
            "video": "face-1.mp4",
            "video_2": "face-2.mp4",
            "frame": "frame.png",
            "rois": "rois.json",
            "project": "project",
        },
    ),
    "face-keypoints": _Sample(
        "keypoints of a drawn face as a tracker might see them: noise, and gaps while a paw passes",
        _keypoints,
        {"video": "face.mp4", "frame": "frame.png", "keypoints": "keypoints.csv"},
    ),
}
