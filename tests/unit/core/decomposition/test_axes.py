"""Names and order of folded axes, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from element_facerhythm.core.decomposition import AxisPlan, rearrange, undo_factors
from element_facerhythm.errors import ParameterError
from element_facerhythm.parameters.axes import AXES, axis_parts, find_axis, has_parts

NAMES = AXES


def arrays(n_times=(5, 4)):
    rng = np.random.default_rng(0)
    return {str(i): rng.standard_normal((2, 3, 4, n)) for i, n in enumerate(n_times)}


def test_concatenated_videos_have_facerhythms_names_and_order():
    plan = AxisPlan(NAMES, pairs=(("xy", "points"),), method="concatenate")
    data = arrays()
    made = rearrange(data, plan)
    assert made.names == ("(xy points)", "frequency", "(time trials)")
    assert made.element_axis_before == "0"
    tensor = np.asarray(made.tensors["0"])
    assert tensor.shape == (6, 4, 9)
    # x of all points, then y of all points; the videos one after the other
    np.testing.assert_array_equal(tensor[:3, :, :5], data["0"][0])
    np.testing.assert_array_equal(tensor[3:, :, 5:], data["1"][1])


def test_a_complex_axis_alternates_within_time():
    plan = AxisPlan(NAMES, (("xy", "points"),), complex_into="time", method="concatenate")
    data = {name: array * (1 + 2j) for name, array in arrays().items()}
    made = rearrange(data, plan)
    assert made.names == ("(xy points)", "frequency", "((time complex) trials)")
    real = data["0"].real.reshape(6, 4, 5)
    tensor = np.asarray(made.tensors["0"])
    np.testing.assert_array_equal(tensor[..., 0:10:2], real)
    np.testing.assert_array_equal(tensor[..., 1:10:2], 2 * real)
    assert made.joint_lengths() == (10, 8)


def test_stacked_and_separate_videos():
    data = arrays((4, 4))
    stacked = rearrange(data, AxisPlan(NAMES, element_axis="session", method="stack"))
    assert stacked.names == ("session", *NAMES)
    np.testing.assert_array_equal(np.asarray(stacked.tensors["0"])[1], data["1"])
    separate = rearrange(arrays(), AxisPlan(NAMES, element_axis="session", method="separate"))
    assert separate.names == NAMES
    assert list(separate.tensors) == ["0", "1"]
    assert separate.element_axis_before == "session"


def test_windows_keep_their_last_index():
    plan = AxisPlan(NAMES, method="concatenate", windows=((1, 3), None))
    data = arrays()
    made = rearrange(data, plan)
    assert made.joint_lengths() == (3, 4)
    np.testing.assert_array_equal(np.asarray(made.tensors["0"])[..., :3], data["0"][..., 1:4])


def test_names_are_compared_whole():
    """face-rhythm matches substrings: an axis `x` would vanish because `xy` contains it."""
    plan = AxisPlan(("xy", "x", "frequency", "time"), pairs=(("xy", "frequency"),))
    assert plan.tensor_names == ("x", "(xy frequency)", "time")
    chained = AxisPlan(NAMES, pairs=(("xy", "points"), ("(xy points)", "frequency")))
    assert chained.tensor_names == ("((xy points) frequency)", "time")


@pytest.mark.parametrize(
    "plan",
    [
        AxisPlan(NAMES, (("xy", "points"),), method="concatenate"),
        AxisPlan(NAMES, (("xy", "points"),), complex_into="time", method="concatenate"),
        AxisPlan(NAMES, (("xy", "points"), ("(xy points)", "frequency")), method="stack"),
        AxisPlan(NAMES, complex_into="points", method="separate", element_axis="session"),
        AxisPlan(
            NAMES,
            (("time", "frequency"),),
            "xy",
            method="concatenate",
            concatenate_along="(xy complex)",
        ),
    ],
)
def test_a_plan_is_recovered_from_its_names(plan):
    recovered = AxisPlan.from_names(plan.tensor_names, element_axis=plan.element_axis)
    assert recovered.tensor_names == plan.tensor_names
    assert recovered.pairs == plan.pairs
    assert recovered.method == plan.method


def test_names_that_no_plan_makes_are_refused():
    with pytest.raises(ParameterError, match="cannot be made of arrays with axes"):
        AxisPlan.from_names(["(xy points)", "time"], element_axis="trials")
    with pytest.raises(ParameterError, match="is no axis name"):
        AxisPlan.from_names(["(xypoints)", "frequency", "time"], element_axis="trials")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"pairs": (("xy", "point"),)}, "there is no axis 'point'"),
        ({"pairs": (("xy", "xy"),)}, "folded into itself"),
        ({"method": "join"}, "method_handling_dictElements is 'join'"),
        ({"method": "concatenate", "concatenate_along": "frames"}, "there is no axis 'frames'"),
        ({"element_axis": "time"}, "not all different"),
        ({"element_axis": "my trials"}, "'my trials' is no axis name"),
        ({"windows": ((0, 1),), "window_axis": "frames"}, "name_dim_array_window is 'frames'"),
        ({"pairs": (("xy",),)}, "expected two axis names"),
        ({"pairs": ("xy",)}, "expected two axis names"),
        ({"undo_join": True}, "undo_concat_dictElements is true"),
        ({"undo_complex": True}, "undo_concat_complexDim is true"),
    ],
)
def test_impossible_plans_are_refused(options, told):
    with pytest.raises(ParameterError, match=told):
        AxisPlan(NAMES, **options)


def test_arrays_that_do_not_fit_are_refused():
    joint = AxisPlan(NAMES, method="concatenate")
    with pytest.raises(ParameterError, match="at least one video"):
        rearrange({}, joint)
    with pytest.raises(ParameterError, match="video '0' has 3 axes; expected 4"):
        rearrange({"0": np.zeros((2, 3, 4))}, joint)
    with pytest.raises(ParameterError, match="to concatenate videos these must be equal"):
        rearrange({"a": np.zeros((2, 3, 4, 5)), "b": np.zeros((2, 2, 4, 5))}, joint)
    with pytest.raises(ParameterError, match=r"4 entries along 'time'.*to stack"):
        rearrange(arrays(), AxisPlan(NAMES, method="stack"))
    with pytest.raises(ParameterError, match="spectrogram of video '0' is real"):
        rearrange(arrays(), AxisPlan(NAMES, complex_into="time"))
    with pytest.raises(ParameterError, match=r"idx_windows of video '1' is \[0, 4\]"):
        rearrange(arrays(), AxisPlan(NAMES, windows=(None, (0, 4))))
    with pytest.raises(ParameterError, match="1 entries for 2 videos"):
        rearrange(arrays(), AxisPlan(NAMES, windows=(None,)))


def test_undoing_gives_facerhythms_tree():
    plan = AxisPlan(NAMES, (("xy", "points"),), complex_into="time", method="concatenate")
    made = rearrange({name: array + 0j for name, array in arrays().items()}, plan)

    def undone(**flags):
        return undo_factors(replace(made, plan=replace(plan, **flags)), {"0": rows})

    rows = {
        name: np.arange(n, dtype=float)[:, None]
        for name, n in zip(made.names, made.tensors["0"].shape, strict=True)
    }
    tree, names = undone(undo_join=True, undo_complex=True)
    assert names == ("(xy points)", "frequency", "time")
    assert set(tree["0"]) == {"(xy points)", "frequency", "trials"}
    assert set(tree["0"]["trials"]) == {"time_0", "time_1"}
    np.testing.assert_array_equal(
        tree["0"]["trials"]["time_1"][:, 0], [10 + 11j, 12 + 13j, 14 + 15j, 16 + 17j]
    )
    elements_only, names = undone(undo_join=True)
    assert names[2] == "(time complex)"
    assert set(elements_only["0"]["trials"]) == {"(time complex)_0", "(time complex)_1"}
    complex_only, names = undone(undo_complex=True)
    assert names[2] == "(time trials)"
    assert complex_only["0"]["(time trials)"].shape == (9, 1)


def test_axes_are_known_by_their_parts_and_not_by_letters():
    names = ("((time complex) trials)", "(xy points)", "timepoint")
    assert axis_parts(names[0]) == ("time", "complex", "trials")
    assert [has_parts(name, "time") for name in names] == [True, False, False]
    assert has_parts(names[0], "time", "trials") and not has_parts(names[0], "time", "points")
    assert not has_parts("(times trial)", "time") and not has_parts("(complexes x)", "complex")
    assert find_axis("time", names) == names[0]
    assert find_axis(names[1], names) == names[1]
    assert find_axis("point", names) is None
    assert find_axis("x", ("(x y)", "(x z)")) is None
