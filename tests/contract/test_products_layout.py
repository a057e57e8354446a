"""The files of a run, byte conventions included, against face-rhythm's layout."""

import json
import os
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from element_facerhythm.core.rois import Rois
from element_facerhythm.demo.synthetic import make_scene_video
from element_facerhythm.parameters import parameters_from_mapping
from element_facerhythm.pipeline import RunRequest, run_project

# name -> (type, number of axes) of what face-rhythm 0.3.3 writes; "*" stands for a video's key.
LAYOUT = {
    "Dataset_videos": {"example_image": ("uint8", 3)},
    "ROIs": {
        "mask_images/mask_0": ("bool", 2),
        "mask_images/mask_1": ("bool", 2),
        "roi_points/ROI_0": ("float64", 2),
        "roi_points/ROI_1": ("float64", 2),
        "point_positions": ("float32", 2),
        "exampleImage": ("uint8", 3),
        "num_points": ("int64", 0),
    },
    "PointTracker": {
        "point_positions": ("float32", 2),
        "neighbors": ("int64", 2),
        "mesh_d0": ("float32", 2),
        "mask": ("bool", 2),
        "points_tracked/*": ("float32", 3),
        "violations/*/row": ("int32", 1),
        "violations/*/col": ("int32", 1),
        "violations/*/data": ("bool", 1),
        "violations/*/shape": ("int64", 1),
    },
    "VQT_Analyzer": {
        "VQT/filters": ("complex64", 2),
        "VQT/wins": ("float32", 2),
        "frequencies": ("float32", 1),
        "spectrograms/*": ("float32", 4),
        "x_axis/*": ("float32", 1),
        "point_positions": ("float32", 1),
    },
    "TCA": {
        "factors/0/(xy points)": ("float32", 2),
        "factors/0/frequency": ("float32", 2),
        "factors/0/(time trials)": ("float32", 2),
        "names_dims_array_preDecomp": ("object", 1),
        "name_dim_dictElements_preDecomp": ("|S1", 0),
        "factors_rearranged/0/(xy points)": ("float32", 2),
        "factors_rearranged/0/frequency": ("float32", 2),
        "factors_rearranged/0/trials/time_*": ("float32", 2),
        "names_dims_array": ("object", 1),
        "name_dim_dictElements": ("|S6", 0),
    },
}
OURS = (
    "polygons/",
    "background_image",
    "weights/",
    "fit/",
    "window_times_s/",
    "clock/",
    "frame_light/",
    "held_frames/",
    "confidence/",
)
N_VIDEOS = 12  # more than ten: names are then no longer in alphabetical order


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("layout")
    videos = tuple(folder / f"{i}.mp4" for i in range(N_VIDEOS))
    for i, video in enumerate(videos):
        scene = make_scene_video(
            video, n_frames=40 + i, width_px=96, height_px=64, with_paw=False, noise_sd=0, seed=i
        )
    tree = {
        "ROIs": {"make_rois": {"point_spacing": 20}},
        "VQT_Analyzer": {
            "params_VQT": {"Q_lowF": 2, "Q_highF": 2, "F_min": 5, "F_max": 20, "n_freq_bins": 3}
        },
        "TCA": {
            "rearrange_data": {
                "name_dim_dictElements": "trials",
                "method_handling_dictElements": "concatenate",
            },
            "fit": {"params_method": {"rank": 2, "n_iter_max": 3}},
            "rearrange_factors": {"undo_concat_dictElements": True},
        },
    }
    parameters = parameters_from_mapping(tree).parameters
    request = RunRequest(videos, scene.rois, parameters, folder / "project", "cpu")
    return run_project(request).project_dir


def tree_of(path: Path) -> dict[str, tuple[str, int]]:
    found: dict[str, tuple[str, int]] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, node: (
                found.update({name: (str(node.dtype), node.ndim)})
                if isinstance(node, h5py.Dataset)
                else None
            )
        )
    return found


def expected(product: str) -> dict[str, tuple[str, int]]:
    return {
        name.replace("*", str(i)): kind
        for name, kind in LAYOUT[product].items()
        for i in range(N_VIDEOS if "*" in name else 1)
    }


@pytest.mark.parametrize("product", LAYOUT)
def test_products_hold_face_rhythms_datasets_and_ours_beside_them(project, product):
    found = tree_of(project / "analysis_files" / f"{product}.h5")
    theirs = {name: kind for name, kind in found.items() if not name.startswith(OURS)}
    assert theirs == expected(product)


@pytest.mark.parametrize("product", LAYOUT)
def test_groups_keep_their_order_and_data_lie_plain(project, product):
    with h5py.File(project / "analysis_files" / f"{product}.h5") as file:
        top = list(dict.fromkeys(name.partition("/")[0] for name in LAYOUT[product]))
        assert [name for name in file if not f"{name}/".startswith(OURS)] == top
        nodes: list[h5py.Dataset] = []
        file.visititems(lambda _, node: nodes.append(node) if hasattr(node, "chunks") else None)
        assert all(node.chunks is None and node.compression is None for node in nodes)
        assert all(not node.attrs for node in nodes)
        if product == "PointTracker":
            assert list(file["points_tracked"]) == [str(i) for i in range(N_VIDEOS)]


@pytest.mark.parametrize("product", LAYOUT)
def test_the_proof_of_validity_lies_in_attributes_of_the_root(project, product):
    with h5py.File(project / "analysis_files" / f"{product}.h5") as file:
        attributes = dict(file.attrs)
    assert attributes["facerhythm_format_version"] == 1
    fingerprint = json.loads(attributes["facerhythm_fingerprint"])
    assert set(fingerprint) == {"stage_version", "parameters", "inputs"}
    inputs = json.loads(attributes["facerhythm_inputs_sha256"])
    assert inputs
    assert all(len(digest) == 64 for digest in inputs.values())


def test_text_files_have_face_rhythms_sections_and_no_python_tags(project):
    config = yaml.safe_load((project / "config.yaml").read_text())
    run_info = json.loads((project / "run_info.json").read_text())
    assert list(config) == ["general", "paths", *LAYOUT]
    assert list(run_info) == list(LAYOUT)
    assert run_info["Dataset_videos"]["metadata"]["num_frames"] == list(range(40, 40 + N_VIDEOS))
    assert run_info["TCA"] == {
        "names_dims_array": ["(xy points)", "frequency", "time"],
        "name_dim_dictElements": "trials",
        "num_dictElements": N_VIDEOS,
    }
    fractions = run_info["PointTracker"]["violation_fraction"]
    assert len(fractions) == N_VIDEOS
    assert all(isinstance(fraction, float) for fraction in fractions)


def test_factors_alone_reconstruct_what_the_model_says(project):
    """Readers that know no weights multiply the factors; ours must then come out right."""
    with h5py.File(project / "analysis_files" / "TCA.h5") as file:
        names = list(file["names_dims_array_preDecomp"].asstr())
        factors = [file["factors/0"][name][()].astype(float) for name in names]
        error = float(file["fit/0/relative_error"][()])
    with h5py.File(project / "analysis_files" / "VQT_Analyzer.h5") as file:
        spectrograms = [file[f"spectrograms/{i}"][()] for i in range(N_VIDEOS)]
    joined = np.concatenate(spectrograms, axis=3)
    tensor = joined.reshape(-1, *joined.shape[2:])
    model = np.einsum("ar,br,cr->abc", *factors)
    assert np.linalg.norm(tensor - model) / np.linalg.norm(tensor) == pytest.approx(error, rel=1e-4)


def test_seed_positions_lie_as_all_x_then_all_y_in_the_spectrograms_file(project):
    with (
        h5py.File(project / "analysis_files" / "PointTracker.h5") as tracks,
        h5py.File(project / "analysis_files" / "VQT_Analyzer.h5") as spectra,
    ):
        positions = tracks["point_positions"][()]
        np.testing.assert_array_equal(
            spectra["point_positions"][()], np.concatenate([positions[:, 0], positions[:, 1]])
        )


def test_every_polygon_is_kept_though_face_rhythm_stores_one_of_a_kind(tmp_path):
    """Two seed regions are one mask in face-rhythm's layout."""
    video = tmp_path / "v.mp4"
    make_scene_video(video, n_frames=40, width_px=96, height_px=64, with_paw=False)
    square = np.array([[5.0, 5], [30, 5], [30, 30], [5, 30]])
    rois = Rois(seed_polygons=(square, square + np.array([50, 20])))
    tree = {
        "ROIs": {"make_rois": {"point_spacing": 12}},
        "VQT_Analyzer": {"params_VQT": {"Q_lowF": 2, "F_min": 5, "F_max": 20, "n_freq_bins": 2}},
        "TCA": {"fit": {"params_method": {"rank": 1, "n_iter_max": 2}}},
    }
    parameters = parameters_from_mapping(tree).parameters
    record = run_project(RunRequest((video,), rois, parameters, tmp_path / "p", "cpu"))
    found = tree_of(record.project_dir / "analysis_files" / "ROIs.h5")
    assert {name for name in found if name.startswith("polygons/")} == {
        "polygons/points/0",
        "polygons/points/1",
    }


# With an interpreter that has face-rhythm, its own loaders are asked as well.
if PEER := os.environ.get("FACE_RHYTHM_PYTHON"):
    _READ_WITH_FACE_RHYTHM = """
import json, sys
from pathlib import Path
import face_rhythm as fr
project = Path(sys.argv[1])
config = fr.util.load_config_file(str(project / "config.yaml"))
info = fr.util.load_run_info_file(str(project / "run_info.json"))
trees = {
    p.stem: fr.h5_handling.simple_load(str(p)) for p in (project / "analysis_files").glob("*.h5")
}
rois = fr.rois.ROIs(select_mode="file", path_file=str(project / "analysis_files" / "ROIs.h5"))
print(json.dumps({
    "sections": list(config), "info": list(info), "products": sorted(trees),
    "shape": trees["PointTracker"]["points_tracked"]["0"].shape,
    "name": trees["TCA"]["name_dim_dictElements"].item().decode(),
    "n_points": rois.num_points, "n_masks": len(rois),
}))
"""

    def test_face_rhythms_own_loaders_read_it(project):
        result = subprocess.run(
            [PEER, "-c", _READ_WITH_FACE_RHYTHM, str(project)],
            capture_output=True,
            text=True,
            check=True,
        )
        read = json.loads(result.stdout.splitlines()[-1])
        assert read["sections"] == ["general", "paths", *LAYOUT]
        assert read["products"] == sorted(LAYOUT)
        assert read["shape"][0] == 40
        assert read["shape"][1] == read["n_points"]
        assert (read["name"], read["n_masks"]) == ("trials", 2)
