"""Run facemap's own `process.run` on a video, with a region of every kind: `python -m tests.facemap_process`.

Its module asks for parts of facemap's window (pyqtgraph), which measure nothing and are left out, and takes
three values of a function of scikit-learn that returns more of them today.
"""

import sys
import types
from pathlib import Path

import numpy as np

REGIONS = {
    "motion": (1, (40, 90), (30, 60)),
    "pupil": (0, (100, 124), (20, 40)),
    "blink": (2, (100, 124), (20, 40)),
    "running": (3, (10, 60), (80, 110)),
}
"""facemap's number of the kind, and pixels to the right and down."""
BIN_PX = 4


def regions() -> list[dict]:
    found = []
    for i, (kind, (number, (left, right), (top, bottom))) in enumerate(REGIONS.items()):
        x, y = np.arange(left, right), np.arange(top, bottom)
        region = {
            "rind": number, "rtype": kind, "iROI": i, "ivid": 0, "color": (1, 2, 3), "xrange": x, "yrange": y,
            "saturation": 150.0,
        }  # fmt: skip
        if kind in ("pupil", "blink"):
            rows, columns = np.mgrid[: len(y), : len(x)]
            down, right_ = (rows / (len(y) - 1) - 0.5) ** 2, (columns / (len(x) - 1) - 0.5) ** 2
            region |= {"ellipse": down + right_ <= 0.25, "pupil_sigma": 2.5, "reflector": []}
        found.append(region)
    return found


def process(video: Path, folder: Path) -> None:
    window = types.ModuleType("facemap.pose.refine_pose")
    sys.modules[window.__name__] = window
    import facemap.pose

    facemap.pose.refine_pose = window
    from facemap import process, utils
    from sklearn.decomposition import PCA

    def svdecon(movie: np.ndarray, k: int = 100) -> tuple:
        state = np.random.RandomState(0)
        return PCA(n_components=k, svd_solver="randomized", random_state=state)._fit(movie)[:3]

    utils.svdecon = svdecon
    proc = {
        "sbin": BIN_PX, "fullSVD": True, "save_mat": True, "rois": regions(), "sy": 0, "sx": 0,
        "savepath": str(folder),
    }  # fmt: skip
    process.run([[str(video)]], motSVD=True, movSVD=True, proc=proc, savepath=str(folder))


if __name__ == "__main__":
    process(Path(sys.argv[1]), Path(sys.argv[2]))
