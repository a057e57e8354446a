"""Maps, spectra and courses in time come out the same, over whatever axes a decomposition was made."""

from itertools import product

import numpy as np
import pytest

from element_facerhythm.core.decomposition import AxisPlan, rearrange, undo_factors
from element_facerhythm.core.decomposition.factors import Factors, split_by_video
from element_facerhythm.core.decomposition.loadings import (
    VideoWindows,
    spatial_maps,
    spectra,
    time_courses,
)
from element_facerhythm.errors import ParameterError
from element_facerhythm.parameters.axes import AXES, has_parts

P, F, N_WINDOWS, R = 5, 4, (6, 9, 7), 3
RNG = np.random.default_rng(0)
TRUTH = {
    "xy": RNG.random((2, R)), "points": RNG.random((P, R)), "frequency": RNG.random((F, R)),
    "time": [RNG.random((n, R)) for n in N_WINDOWS],
}  # fmt: skip
POSITIONS = RNG.random((P, 2))


def along_time(complex_into):
    """Courses in time of each video; complex where there is a complex axis."""
    if complex_into is None:
        return TRUTH["time"]
    return [course * np.exp(1j * np.arange(len(course)))[:, None] for course in TRUTH["time"]]


def arrays_of(component, times):
    """Give each video's array of one component."""
    own = [TRUTH[axis][:, component] for axis in AXES[:3]]
    return {
        str(i): np.einsum("d,p,f,t->dpft", *own, time[:, component]) for i, time in enumerate(times)
    }


def column(tensor, axis):
    """Give the loadings of a tensor of rank one along an axis, up to scale."""
    flat = np.moveaxis(tensor, axis, 0).reshape(tensor.shape[axis], -1)
    return flat[:, np.argmax(np.abs(flat).sum(axis=0))]


def factors_of(plan, key, times):
    """Factors of the model `key`, from tensors that are of rank one for each component."""
    columns = {name: [] for name in plan.tensor_names}
    for component in range(R):
        rearranged = rearrange(arrays_of(component, times), plan)
        tensor = np.asarray(rearranged.tensors[key])
        for axis, name in enumerate(plan.tensor_names):
            columns[name].append(column(tensor, axis))
    return {name: np.stack(found, axis=1) for name, found in columns.items()}, rearranged


def windows():
    return [
        VideoWindows(i, 0.5 * np.arange(n), np.arange(n, dtype=np.float32))
        for i, n in enumerate(N_WINDOWS)
    ]


def proportional(found, expected):
    """Compare each row with another one up to its scale."""
    for one, other in zip(found, expected, strict=True):
        scale = np.vdot(other, one) / np.vdot(other, other)
        np.testing.assert_allclose(one, scale * other, rtol=1e-5, atol=1e-6)
        assert abs(scale) > 0


PLANS = [
    AxisPlan(AXES, pairs, complex_into, "trials", method, along)
    for pairs, (complex_into, method, along) in product(
        ((), (("xy", "points"),), (("points", "xy"),), (("xy", "frequency"),), (("points", "time"),),
         (("time", "points"),), (("xy", "points"), ("(xy points)", "frequency"))),
        ((None, "separate", "time"), (None, "concatenate", "time"), ("time", "concatenate", "time"),
         ("time", "separate", "time")),
    )
]  # fmt: skip


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"{plan.method} {plan.tensor_names}")
def test_the_same_component_comes_out_of_every_form(plan):
    times = along_time(plan.complex_into)
    key, own = ("1", 1) if plan.method == "separate" else ("0", None)
    raw, _ = factors_of(plan, key, times)
    factors = split_by_video(raw, dict(enumerate(N_WINDOWS)), (0, 1, 2), own_video=own)

    maps = spatial_maps(factors, POSITIONS, F)
    assert set(maps.loadings) == {"x", "y"}
    np.testing.assert_array_equal(maps.x_px, POSITIONS[:, 0])
    expected = np.einsum("dr,pr->rdp", TRUTH["xy"], TRUTH["points"])
    found = np.stack([maps.loadings["x"], maps.loadings["y"]], axis=1)
    proportional(np.abs(found), expected)

    found = spectra(factors, np.arange(F) + 1.0, P)
    np.testing.assert_array_equal(found.frequencies_hz, [1, 2, 3, 4])
    proportional(found.loadings, TRUTH["frequency"].T)

    courses = time_courses(factors, windows(), P, F)
    videos = (1,) if plan.method == "separate" else (0, 1, 2)
    assert [(c.component_index, c.video_index) for c in courses] == list(product(range(R), videos))
    magnitude = any(has_parts(name, "time", "points") for name in plan.tensor_names)
    for component in range(R):
        own = np.concatenate([c.loadings for c in courses if c.component_index == component])
        true = np.concatenate([times[video][:, component] for video in videos])
        proportional([own], [np.abs(true) if magnitude else true])


def test_split_is_what_undoing_the_join_gives():
    plan = AxisPlan(AXES, (("xy", "points"),), method="concatenate", undo_join=True)
    raw, rearranged = factors_of(plan, "0", TRUTH["time"])
    undone, _ = undo_factors(rearranged, {"0": raw})
    factors = split_by_video(raw, dict(enumerate(N_WINDOWS)), (0, 1, 2))
    assert set(factors.shared) == {"(xy points)", "frequency"}
    for video in range(3):
        np.testing.assert_array_equal(
            factors.by_video[video]["time"], undone["0"]["trials"][f"time_{video}"]
        )
    in_another_order = split_by_video(raw, dict(enumerate(N_WINDOWS)), (2, 0, 1))
    assert len(in_another_order.by_video[2]["time"]) == N_WINDOWS[2]
    np.testing.assert_array_equal(
        in_another_order.by_video[2]["time"], raw["(time trials)"][: N_WINDOWS[2]]
    )


def test_stacked_videos_share_a_course_that_each_scales():
    shared = {
        "trials": np.array([[1.0, 2.0], [3.0, 0.5]]), "(xy points)": RNG.random((2 * P, 2)),
        "frequency": RNG.random((F, 2)), "time": RNG.random((6, 2)),
    }  # fmt: skip
    factors = split_by_video(shared, {0: 6, 1: 6}, (1, 0))
    assert not factors.by_video
    courses = time_courses(
        factors, [windows()[0], VideoWindows(1, np.arange(6.0), np.arange(6.0))], P, F
    )
    np.testing.assert_array_equal(
        courses[0].loadings, shared["time"][:, 0] * 3.0
    )  # video 0 is second
    np.testing.assert_array_equal(courses[1].loadings, shared["time"][:, 0] * 1.0)


def test_what_does_not_fit_is_refused_by_name():
    course = {"(time trials)": RNG.random((10, 2))}
    factors = split_by_video(course, {0: 6, 1: 9}, (0, 1))
    assert set(factors.shared) == {"(time trials)"}
    with pytest.raises(ParameterError, match=r"'\(time trials\)' joins the windows of all videos"):
        time_courses(factors, windows()[:2], P, F)
    own = Factors({}, {0: {"time": RNG.random((4, 2))}})
    with pytest.raises(ParameterError, match="4 loadings over the time of video 0, which has 6"):
        time_courses(own, windows(), P, F)
    for ask, word in (
        (lambda: spatial_maps(own, POSITIONS, F), "points"),
        (lambda: spectra(own, [1.0], P), "frequencies"),
    ):
        with pytest.raises(ParameterError, match=f"a model over time has no {word}"):
            ask()
    short = Factors({"(xy points)": RNG.random((7, 2))}, {})
    with pytest.raises(
        ParameterError, match=r"7 loadings, which do not fit its parts \(xy 2, points 5\)"
    ):
        spatial_maps(short, POSITIONS, F)
