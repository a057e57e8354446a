"""One short recording, rendered once, and parameters that suit it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from element_facerhythm.core.rois import Rois
from element_facerhythm.demo.synthetic import make_scene_video
from element_facerhythm.parameters import Parameters, parameters_from_mapping
from element_facerhythm.pipeline import RunRequest

SHORT: dict[str, Any] = {
    "ROIs": {"make_rois": {"point_spacing": 14}},
    "VQT_Analyzer": {
        "params_VQT": {
            "Q_lowF": 2,
            "Q_highF": 4,
            "F_min": 5,
            "F_max": 25,
            "n_freq_bins": 6,
            "downsample_factor": 4,
        }
    },
    "TCA": {"fit": {"params_method": {"rank": 2, "n_iter_max": 5}}},
}


@dataclass(frozen=True)
class Recording:
    videos: tuple[Path, ...]
    rois: Rois
    parameters: Parameters

    def request(self, project_dir: Path, **changes: Any) -> RunRequest:
        """A request with some of its fields, or of the parameters' tree, replaced."""
        given = {"videos": self.videos[:1], "rois": self.rois, "parameters": self.parameters}
        return RunRequest(**{**given, "project_dir": project_dir, "device": "cpu", **changes})


def short_parameters(**sections: Any) -> Parameters:
    """The short parameters with whole branches replaced, two levels deep."""
    tree = {key: dict(value) for key, value in SHORT.items()}
    for section, values in sections.items():
        tree[section] = {**tree.get(section, {}), **values} if isinstance(values, dict) else values
    return parameters_from_mapping(tree).parameters


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Two videos of 90 and 70 frames at 60 Hz, 128 x 96 pixels, and their ROIs."""
    folder = tmp_path_factory.mktemp("recording")
    paths = (folder / "first.mp4", folder / "second.mp4")
    scenes = [
        make_scene_video(path, n_frames=n, width_px=128, height_px=96, with_paw=False, seed=seed)
        for seed, (path, n) in enumerate(zip(paths, (90, 70), strict=True))
    ]
    return Recording(paths, scenes[0].rois, short_parameters())


@pytest.fixture(scope="session")
def parameters_with() -> Any:
    """The function `short_parameters`."""
    return short_parameters
