import json
import time

import pytest

from element_facerhythm.errors import ParameterError
from element_facerhythm.parameters import (
    Parameters,
    describe_difference,
    parameters_from_mapping,
    read_parameters,
)


def nested(path: str, value: object) -> dict:
    """{"a": {"b": value}} of "a.b"."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


# What face-rhythm's releases put into the parameter file of their basic pipeline, besides numbers.
OWN_KEYS = {
    "steps": ["load_videos", "ROIs", "point_tracking", "VQT", "TCA"],
    "project": {
        "directory_project": "/somewhere",
        "overwrite_config": False,
        "update_project_paths": True,
        "random_seed": None,
        "initialize_visualization": False,
        "use_GPU": True,
        "verbose": 2,
    },
    "figure_saver": {"formats_save": ["png"], "kwargs_savefig": {"dpi": 300}},
    "paths_videos": {"directory_videos": "/videos", "filename_videos_strMatch": ".*", "depth": 1},
    "BufferedVideoReader": {"buffer_size": 1000, "backend": "torchcodec"},
    "Dataset_videos": {"contiguous": False, "frame_rate_clamp": None, "verbose": 2},
    "ROIs": {
        "initialize": {"select_mode": "file", "path_file": "/ROIs.h5"},
        "make_rois": {"rois_points_idx": [0], "point_spacing": 9},
    },
    "PointTracker": {"visualize_video": False, "params_visualization": {"alpha": 0.2}},
    "VQT_Analyzer": {
        "batch_size": 10,
        "device": "cpu",
        "params_VQT": {
            "win_size": 501,
            "batch_size": 10,
            "progressBar": True,
            "plot_pref": False,
            "fft_conv": True,
            "fast_length": True,
        },
    },
    "TCA": {
        "verbose": 2,
        "fit": {"verbose": 2, "backend": "pytorch", "params_method": {"verbose": True}},
    },
}


def test_what_concerns_readers_pictures_and_paths_is_reported_and_changes_nothing():
    loaded = parameters_from_mapping(OWN_KEYS)
    assert loaded.parameters == Parameters()
    assert {
        "steps",
        "figure_saver",
        "paths_videos",
        "BufferedVideoReader",
        "project.use_GPU",
        "ROIs.initialize",
        "VQT_Analyzer.batch_size",
        "VQT_Analyzer.params_VQT.win_size",
        "TCA.fit.params_method.verbose",
    } <= set(loaded.unused)
    assert any("random_seed" in note for note in loaded.notes)


def test_defaults_are_those_of_face_rhythm():
    tree = Parameters().to_tree()
    flow = tree["PointTracker"]["params_optical_flow"]
    assert (flow["mesh_rigidity"], flow["mesh_n_neighbors"]) == (0.025, 8)
    assert (flow["relaxation"], flow["kwargs_method"]["winSize"]) == (0.0015, [20, 20])
    assert tree["PointTracker"]["params_clahe"] == {"clipLimit": 40.0, "tileGridSize": [150, 150]}
    assert tree["VQT_Analyzer"]["params_VQT"]["F_max"] == 60
    assert tree["TCA"]["fit"]["params_method"]["rank"] == 10
    assert tree["TCA"]["normalize_data"] == {
        "mean_subtract": False,
        "std_divide": False,
        "dim_name": "time",
    }


@pytest.mark.parametrize(
    ("path", "value", "meant"),
    [
        ("TCA.fit.params_method.rnak", 3, "TCA.fit.params_method.rank"),
        ("PointTracker.relaxation", 0.5, "PointTracker.params_optical_flow.relaxation"),
        ("PointTracker.params_optical_flow.mesh_rigidty", 1, "mesh_rigidity"),
        ("VQT_analyzer.params_VQT", {}, "VQT_Analyzer"),
        ("Fmax", 3, "VQT_Analyzer.params_VQT.F_max"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(path, value, meant):
    with pytest.raises(ParameterError, match="unknown parameter") as caught:
        parameters_from_mapping(nested(path, value))
    assert f"{meant}'" in str(caught.value)
    assert repr(path.partition(".params_VQT")[0]) in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("VQT_Analyzer.params_VQT.n_freq_bins", 8.0, "integer"),
        ("VQT_Analyzer.params_VQT.n_freq_bins", "8", "integer"),
        ("VQT_Analyzer.params_VQT.F_max", "60", "number"),
        ("VQT_Analyzer.params_VQT.F_max", float("nan"), "finite"),
        ("VQT_Analyzer.params_VQT.F_max", float("inf"), "finite"),
        ("VQT_Analyzer.params_VQT.take_abs", 1, "boolean"),
        ("VQT_Analyzer.params_VQT.padding", "vaild", "'valid' or 'same'"),
        ("VQT_Analyzer.normalization_factor", 1.2, "less than or equal to 1"),
        ("VQT_Analyzer.params_VQT.Q_lowF", 0, "greater than 0"),
        ("PointTracker.params_optical_flow.kwargs_method.winSize", [20, 1], "3"),
        ("PointTracker.params_optical_flow.mesh_n_neighbors", 0, "1"),
        ("PointTracker.params_optical_flow.relaxation", True, "number"),
        ("TCA.fit.params_method.rank", 0, "1"),
        ("TCA.fit.params_method.tol", "1e-7", "1.0e-7"),
        ("TCA.fit", 3, "dictionary"),
        ("compat", "facemap", "face-rhythm"),
        ("ROIs.make_rois.rois_points_idx", [1], r"expected \[0\]"),
    ],
)
def test_a_wrong_value_is_told_with_its_dotted_name(path, value, expected):
    with pytest.raises(ParameterError, match=expected) as caught:
        parameters_from_mapping(nested(path, value))
    assert path in str(caught.value)
    assert "given" in str(caught.value)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (nested("VQT_Analyzer.params_VQT", {"F_min": 60}), "F_min 60.0 must be below F_max 60.0"),
        (nested("PointTracker.params_clahe", {"clipLimit": 2}), r"params_clahe\.tileGridSize"),
        (
            nested("TCA.rearrange_factors.undo_concat_dictElements", True),
            "only 'concatenate' can be undone",
        ),
        (nested("TCA.rearrange_factors.undo_concat_complexDim", True), "nothing to undo"),
        (
            nested("TCA", {"rearrange_data": {"concat_complexDim": True}, "fit": {"method": "CP"}}),
            "take_abs",
        ),
        (nested("TCA.rearrange_data.names_dims_array", ["time", "xy"]), "in this order"),
        (nested("TCA.rearrange_data.names_dims_concat_array", [["xy", "z"]]), r"\['xy', 'z'\]"),
        (nested("TCA.fit", {"method": "RandomizedCP"}), "n_samples"),
        (nested("TCA.fit", {"method": "Tucker"}), "CP_NN_HALS"),
    ],
)
def test_values_that_contradict_each_other_are_refused(tree, message):
    with pytest.raises(ParameterError, match=message):
        parameters_from_mapping(tree)


def test_other_spellings_of_old_releases_are_read():
    tree = nested("VQT_Analyzer.params_VQT.return_complex", True)
    loaded = parameters_from_mapping({**tree, "ROIs": {"make_points": {"point_spacing": 5}}})
    assert loaded.parameters.VQT_Analyzer.params_VQT.take_abs is False
    assert loaded.parameters.ROIs.make_rois.point_spacing == 5
    assert len(loaded.notes) == 2


def test_null_switches_clahe_off_and_its_absence_does_not():
    off = parameters_from_mapping(nested("PointTracker.params_clahe", None)).parameters
    assert off.PointTracker.params_clahe is None
    assert Parameters().PointTracker.params_clahe is not None


def test_the_seed_of_a_step_goes_before_that_of_the_project():
    tree = {"project": {"random_seed": 5}}
    assert parameters_from_mapping(tree).parameters.seed == 5
    tree |= nested("TCA.fit.params_method.random_state", 7)
    assert parameters_from_mapping(tree).parameters.seed == 7


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.json", '{"TCA": ', "cannot be parsed"),
        ("p.json", "[1, 2]", "expected a mapping"),
        ("p.json", '{"TCA": {}, "TCA": {}}', "given twice"),
        ("p.json", '{"VQT_Analyzer": {"spectrogram_exponent": NaN}}', "finite"),
        ("p.yaml", "TCA: [", "cannot be parsed"),
        ("p.yaml", "TCA: !!python/object/apply:os.getcwd []", "cannot be parsed"),
        ("p.yaml", "TCA: {}\nTCA: {}", "given twice"),
        ("p.json", "[" * 100_000, "nested deeper"),
        ("p.yaml", "a: &a [*a]", "alias"),
    ],
)
def test_a_malformed_file_is_named(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ParameterError, match=message) as caught:
        read_parameters(path)
    assert str(path) in str(caught.value)


def test_yaml_and_json_say_the_same(tmp_path):
    tree = nested("TCA.fit.params_method", {"rank": 4, "tol": 1e-7})
    (tmp_path / "p.json").write_text(json.dumps(tree))
    (tmp_path / "p.yaml").write_text("TCA: {fit: {params_method: {rank: 4, tol: 1.0e-7}}}")
    first, second = (read_parameters(tmp_path / name).parameters for name in ("p.json", "p.yaml"))
    assert first.sha256() == second.sha256()
    assert first != Parameters()


@pytest.mark.parametrize(
    "tree",
    [
        {"k" * 100_000: 1},
        {"TCA": {"k" * 100_000: 1}},
        nested("PointTracker.frames_freeze", ["x"] * 10**6),
        nested("PointTracker.frames_freeze", [0] * 10**6 + [-1]),
        nested("PointTracker.frames_freeze", [True] * 10**6 + [1]),
        nested("TCA.rearrange_data.idx_windows", [[0]] * 10**6),
        nested("TCA.rearrange_data.names_dims_array", ["x" * 10**6] * 100),
        nested("TCA.fit.params_method.fixed_modes", ["x"] * 10**4),
        nested("PointTracker.params_optical_flow.kwargs_method.winSize", list(range(10**6))),
        nested("project.random_seed", 10**5000),
        nested("project.random_seed", 2**32),
        nested("VQT_Analyzer.params_VQT.n_freq_bins", 10**300),
        nested("VQT_Analyzer.params_VQT.n_freq_bins", 10**9),
        nested("PointTracker.params_clahe", {"clipLimit": 2, "tileGridSize": [10**6, 10**6]}),
        nested("PointTracker.params_optical_flow.kwargs_method.winSize", [10**5, 10**5]),
        nested("VQT_Analyzer.params_VQT.F_max", 10**400),
        nested("VQT_Analyzer.params_VQT.padding", "x" * 10**7),
        nested("ROIs.make_rois.rois_points_idx", [0] * 10**6),
    ],
    ids=range(18),
)
def test_huge_values_are_refused_at_once_and_in_a_few_words(tree):
    started = time.process_time()
    with pytest.raises(ParameterError) as caught:
        parameters_from_mapping(tree)
    assert len(str(caught.value)) < 4000
    assert time.process_time() - started < 5


def test_frames_to_ignore_may_be_many():
    for frames in ([True, False] * 10**6, list(range(2 * 10**6))):
        tree = nested("PointTracker.frames_freeze", frames)
        assert parameters_from_mapping(tree).parameters.PointTracker.frames_freeze == tuple(frames)


def test_values_of_a_file_that_nobody_named_are_not_quoted():
    for path, value in (
        ("TCA.fit.params_method.rank", "S3CRETVALUE"),
        ("TCA.rearrange_data.name_dim_dictElements", "S3CRET VALUE"),
        ("PointTracker.frames_freeze", "S3CRETVALUE"),
        ("TCA.fit.method", "S3CRETVALUE"),
    ):
        with pytest.raises(ParameterError, match="S3CRET"):
            parameters_from_mapping(nested(path, value))
        with pytest.raises(ParameterError, match="has the wrong type or is out of range") as caught:
            parameters_from_mapping(nested(path, value), quote=False)
        assert "S3CRET" not in str(caught.value)


def test_no_file_gives_the_defaults_and_a_missing_one_is_refused(tmp_path):
    assert read_parameters(None).parameters == Parameters()
    with pytest.raises(ParameterError, match=r"nowhere\.json does not exist"):
        read_parameters(tmp_path / "nowhere.json")


def test_differences_are_told_by_name():
    changed = parameters_from_mapping(
        nested("PointTracker.params_optical_flow.kwargs_method.winSize", [15, 15])
    ).parameters
    name = "PointTracker.params_optical_flow.kwargs_method.winSize"
    assert describe_difference(Parameters(), changed) == (f"{name}: [20, 20] -> [15, 15]",)
    assert describe_difference({"a": 1}, {"b": None}) == ("b: (absent) -> null", "a: 1 -> (absent)")
