"""Parameters that fit a recording, and what is left of them where something was typed."""

import math

import pytest
import yaml

from element_facerhythm.core.spectral import filter_length, make_filter_bank
from element_facerhythm.errors import ParameterError
from element_facerhythm.parameters import (
    Parameters,
    RecordingFacts,
    check_parameters,
    fit_parameters,
    open_parameters_from_mapping,
)
from element_facerhythm.parameters.commented import commented_yaml
from element_facerhythm.parameters.open import FITTED_NAMES

AREA_PX = 30_000
FLOW = {"PointTracker": {"method": "flow"}}
OF_FLOW_ALONE = {
    "PointTracker.params_optical_flow.relaxation",
    "PointTracker.params_clahe.tileGridSize",
    "PointTracker.params_outlier_handling.framesHalted_before",
    "PointTracker.params_outlier_handling.framesHalted_after",
}


def facts(rate_hz=30.0, seconds=(10.0,), size=(640, 480), area_px=AREA_PX):
    n_samples = tuple((round(rate_hz * s),) for s in seconds)
    return RecordingFacts(rate_hz, n_samples, *size, area_px, lambda px: max(area_px // px**2, 1))


def fitted(tree=None, known=None, **options):
    """The closed parameters for a recording, checked against it as a run checks them, and the reasons."""
    known = known or facts()
    given = open_parameters_from_mapping(tree or {}, **options).parameters
    closed, reasons = fit_parameters(given, known)
    assert closed.is_closed
    vqt = closed.stand_in.VQT_Analyzer.params_VQT
    rate_hz = closed.stand_in.spectral_rate_hz(known.frame_rate_hz)
    notes = check_parameters(
        closed.stand_in,
        frame_rate_hz=known.frame_rate_hz,
        n_frames=sum(map(sum, known.n_samples)),
        n_samples=known.n_samples,
        n_points=known.n_points(closed.stand_in.ROIs.make_rois.point_spacing),
        filter_length=filter_length(frame_rate_hz=rate_hz, q_low=vqt.Q_lowF, freq_min_hz=vqt.F_min),
    )
    return closed.stand_in, reasons, notes


def vqt_of(tree=None, known=None, **options):
    return fitted(tree, known, **options)[0].VQT_Analyzer.params_VQT


def typed(**values):
    return {"VQT_Analyzer": {"params_VQT": values}}


@pytest.mark.parametrize("method", ["anchored", "flow"])
@pytest.mark.parametrize("rate_hz", [10.0, 25.0, 29.97, 30.0, 60.0, 100.0, 120.0, 250.0, 1000.0])
@pytest.mark.parametrize("seconds", [1.0, 2.0, 5.0, 10.0, 60.0, 3600.0])
def test_every_rate_and_length_is_possible_without_a_remark(rate_hz, seconds, method):
    tree = {"PointTracker": {"method": method}}
    parameters, reasons, notes = fitted(tree, facts(rate_hz, (seconds, 2 * seconds)))
    assert notes == ()
    names = [value.name for value in reasons]
    unused = OF_FLOW_ALONE if method == "anchored" else set()
    assert sorted(names) == sorted(set(FITTED_NAMES) - unused)
    vqt = parameters.VQT_Analyzer.params_VQT
    assert vqt.F_max == pytest.approx(min(60.0, 0.4 * rate_hz), rel=0.01)
    assert vqt.F_max / vqt.F_min >= 2.9
    # no filter is cut, and the longest fits twice into the shorter video
    assert vqt.Q_highF / vqt.F_max <= vqt.Q_lowF / vqt.F_min * 1.001
    assert vqt.Q_lowF / vqt.F_min <= seconds / 2 * 1.001
    make_filter_bank(
        frame_rate_hz=rate_hz, q_low=vqt.Q_lowF, q_high=vqt.Q_highF, freq_min_hz=vqt.F_min,
        freq_max_hz=vqt.F_max, n_freq_bins=vqt.n_freq_bins,
    )  # fmt: skip


def test_a_minute_of_an_ordinary_camera():
    parameters, reasons, _ = fitted(known=facts(30.0, (60.0,)))
    assert parameters.PointTracker.method == "anchored"
    vqt, tracker = parameters.VQT_Analyzer.params_VQT, parameters.PointTracker
    assert (vqt.F_min, vqt.F_max, vqt.Q_lowF, vqt.Q_highF) == (1.0, 12.0, 4.0, 10.0)
    assert (vqt.Fs_sample, vqt.downsample_factor) == (30.0, 2)
    assert parameters.ROIs.make_rois.point_spacing == 11  # sqrt(30000 / 250)
    assert tracker.params_outlier_handling.threshold_displacement == 38.4  # 6 % of 640
    assert parameters.TCA.fit.params_method.rank == 5
    told = {value.name: value.reason for value in reasons}
    assert "247 points in a region of 30000 px" in told["ROIs.make_rois.point_spacing"]
    assert "no rhythm above 15 Hz" in told["VQT_Analyzer.params_VQT.F_max"]


def test_a_minute_of_an_ordinary_camera_by_flow():
    tracker = fitted(FLOW, facts(30.0, (60.0,)))[0].PointTracker
    assert tracker.params_outlier_handling.threshold_displacement == 38.4
    assert tracker.params_clahe.tileGridSize == (150, 150)
    assert tracker.params_optical_flow.relaxation == 0.5
    outliers = tracker.params_outlier_handling
    assert (outliers.framesHalted_before, outliers.framesHalted_after) == (2, 2)


def test_only_what_the_method_uses_is_fitted_and_the_rest_is_told():
    loaded = open_parameters_from_mapping(
        {
            "PointTracker": {
                "params_optical_flow": {"relaxation": 0.1, "mesh_n_neighbors": 6},
                "params_clahe": {"clipLimit": 40.0, "tileGridSize": [8, 8]},
            }
        }
    )
    (note,) = loaded.notes
    assert "does not use params_optical_flow.relaxation, params_clahe: these" in note
    closed, fitted_values = fit_parameters(loaded.parameters, facts(30.0, (60.0,)))
    assert not closed.open_names
    names = {value.name for value in fitted_values if value.name.startswith("PointTracker")}
    assert names == {"PointTracker.params_outlier_handling.threshold_displacement"}
    for method, unused in (("flow", "params_anchored.window_px=21"), ("anchored", "refine=false")):
        settings = [f"PointTracker.method={method}", unused]
        (note,) = open_parameters_from_mapping({}, settings=settings).notes
        assert f"method {method} does not use" in note


def test_a_file_of_face_rhythm_is_tracked_with_references_and_what_it_says_of_the_flow_is_told():
    """As `params_pipeline_basic.json` says it; values that are the defaults need no word."""
    said = {
        "contiguous": False,
        "params_optical_flow": {
            "method": "lucas_kanade",
            "mesh_rigidity": 0.005,
            "mesh_n_neighbors": 15,
            "relaxation": 0.001,
            "kwargs_method": {"winSize": [20, 20], "maxLevel": 2, "criteria": [3, 2, 0.03]},
        },
        "visualize_video": False,
        "params_outlier_handling": {
            "threshold_displacement": 150, "framesHalted_before": 30, "framesHalted_after": 30,
        },
        "idx_start": 0,
    }  # fmt: skip
    loaded = open_parameters_from_mapping({"PointTracker": said})
    tracker = loaded.parameters.stand_in.PointTracker
    assert tracker.method == "anchored"
    assert tracker.params_optical_flow.mesh_n_neighbors == 15
    (note,) = loaded.notes
    assert note == (
        "PointTracker.method anchored does not use params_optical_flow.mesh_rigidity, "
        "params_optical_flow.relaxation, params_outlier_handling.framesHalted_before, "
        "params_outlier_handling.framesHalted_after: these are of method flow"
    )


def test_a_run_that_goes_over_to_the_flow_has_its_values_fitted():
    run = fitted({"PointTracker": {"params_outlier_handling": {"framesHalted_after": 7}}})[0]
    over = {"settings": ["PointTracker.method=flow"], "base": run}
    parameters, reasons, _ = fitted(known=facts(30.0, (60.0,)), **over)
    names = OF_FLOW_ALONE - {"PointTracker.params_outlier_handling.framesHalted_after"}  # was typed
    assert {value.name for value in reasons} == names
    assert parameters.PointTracker.params_optical_flow.relaxation == 0.5
    assert parameters.PointTracker.params_outlier_handling.framesHalted_after == 7
    bare = fitted({"PointTracker": {"params_clahe": None}})[0]
    assert fitted(**{**over, "base": bare})[0].PointTracker.params_clahe is None


def test_what_face_rhythm_or_an_earlier_version_left_unsaid_is_flow():
    def method_of(tree, **options):
        return open_parameters_from_mapping(tree, **options).parameters.stand_in.PointTracker.method

    assert method_of({}, fitted=False) == "flow"
    assert method_of({"PointTracker": {"contiguous": True}}, fitted=False) == "flow"
    assert method_of({"PointTracker": {"method": "anchored"}}, fitted=False) == "anchored"
    assert method_of({"compat": "face-rhythm"}) == "flow"
    assert method_of({}, base=Parameters()) == "anchored"
    with pytest.raises(ParameterError, match=r"PointTracker: given 3"):
        open_parameters_from_mapping({"PointTracker": 3}, fitted=False)


def test_what_counts_frames_follows_the_rate():
    tracker = fitted(FLOW, facts(250.0))[0].PointTracker
    assert (
        tracker.params_optical_flow.relaxation == 0.12
    )  # 1/30 s, as two frames are at 60 frames/s
    outliers = tracker.params_outlier_handling
    assert (outliers.framesHalted_before, outliers.framesHalted_after) == (21, 21)  # 1/12 s


def test_the_shortest_stretch_decides():
    vqt = vqt_of(known=facts(60.0, (60.0, 4.0, 10.0)))
    assert (vqt.F_min, vqt.Q_lowF) == (2.0, 2.0)  # two periods of 2 Hz, 1 s, four times in 4 s


def test_of_a_recording_with_gaps_the_longest_stretch_holds_the_filters():
    """10 s in pieces of 2, 5 and 3 s: two periods of 1.6 Hz fit four times into 5 s."""
    known = RecordingFacts(60.0, ((120, 300, 180),), 640, 480, AREA_PX, lambda px: 100)
    closed, reasons = fit_parameters(open_parameters_from_mapping({}).parameters, known)
    vqt = closed.stand_in.VQT_Analyzer.params_VQT
    assert (vqt.F_min, vqt.Q_lowF) == (1.6, 2.0)
    rank = {value.name: value.reason for value in reasons}["TCA.fit.params_method.rank"]
    # a stretch is sqrt(20 / 38.4) = 0.72 s; 75 frames are lost to the filter: 1 + 5 + 2
    assert "it has 8 separate stretches of 0.72 s" in rank


def test_a_small_picture_and_a_small_region():
    parameters, _, notes = fitted(FLOW, facts(size=(160, 120), area_px=350))
    assert notes == ()
    assert parameters.PointTracker.params_clahe.tileGridSize == (53, 40)
    assert parameters.ROIs.make_rois.point_spacing == 4  # 21 points; at 5 px there would be 14


def test_what_was_typed_stays_and_the_rest_gives_way():
    known = facts(30.0, (10.0,))
    assert vqt_of(typed(F_max=3.0), known).F_min == 1.0
    assert vqt_of(typed(F_max=2.0), known).F_min == pytest.approx(2 / 3, rel=0.01)
    low = vqt_of(typed(F_min=9.0), known)
    assert (low.F_min, low.F_max) == (9.0, 15.0)
    slow = vqt_of(typed(F_min=0.25), known)
    assert slow.Q_lowF == 1.25  # half of 10 s, since two periods of 0.25 Hz take 8
    sharp = vqt_of(typed(Q_lowF=8.0), known)
    assert sharp.Q_lowF == 8.0
    assert sharp.F_min == 3.2  # 8 periods, four times in 10 s
    sharper = vqt_of(typed(Q_lowF=40.0), known)
    assert sharper.F_min == pytest.approx(1.1 * 40 / 10, rel=0.01)
    wide = fitted({"ROIs": {"make_rois": {"point_spacing": 60}}}, known)[0]
    assert wide.ROIs.make_rois.point_spacing == 60
    assert wide.TCA.fit.params_method.rank == 5  # of 8 points
    few = {"TCA": {"fit": {"method": "RandomizedCP", "params_method": {"n_samples": 3}}}}
    assert fitted(few, known)[0].TCA.fit.params_method.rank == 2


def test_what_was_typed_and_is_impossible_is_told_as_ever():
    known = facts(25.0, (10.0,))
    with pytest.raises(ParameterError, match=r"F_max: given 60.0 Hz, expected at most .* 12.5 Hz"):
        fitted(typed(F_max=60.0), known)
    with pytest.raises(ParameterError, match=r"F_min 20.0 must be below F_max 12.5"):
        fitted(typed(F_min=20.0), known)
    with pytest.raises(ParameterError, match=r"filter of 401 frames"):
        fitted(typed(Q_lowF=4.0, F_min=0.25), known)


def test_a_rank_that_was_typed_stays_and_is_told():
    parameters, _, notes = fitted({"TCA": {"fit": {"params_method": {"rank": 30}}}})
    assert parameters.TCA.fit.params_method.rank == 30
    assert "30 components are asked for" in notes[0]


def test_without_regions_spacing_and_rank_stay_open():
    given = open_parameters_from_mapping({}).parameters
    known = RecordingFacts(30.0, ((300,),), 640, 480, None, None)
    closed, reasons = fit_parameters(given, known)
    assert closed.open_names == ("ROIs.make_rois.point_spacing", "TCA.fit.params_method.rank")
    assert len(reasons) == len(FITTED_NAMES) - len(OF_FLOW_ALONE) - 2


def test_regions_that_bring_their_points_leave_the_spacing_unused():
    known = RecordingFacts(30.0, ((300,),), 640, 480, None, lambda px: 12)
    _, reasons, _ = fitted(known=known)
    told = {value.name: value.reason for value in reasons}
    assert "bring their own 12 points" in told["ROIs.make_rois.point_spacing"]


def test_a_compat_set_fits_only_what_says_auto_at_the_rate_that_was_typed():
    tree = {"compat": "face-rhythm", **typed(F_max="auto", Fs_sample=50.0)}
    given = open_parameters_from_mapping(tree).parameters
    closed, reasons = fit_parameters(given, facts(30.0, (600.0,)))
    assert [value.name for value in reasons] == ["VQT_Analyzer.params_VQT.F_max"]
    assert closed.stand_in.VQT_Analyzer.params_VQT.F_max == 20.0


def test_a_closed_set_is_left_alone():
    given = open_parameters_from_mapping(Parameters().to_tree()).parameters
    assert fit_parameters(given, facts()) == (given, ())


def test_the_commented_file_gives_the_same_parameters_and_says_why():
    given = open_parameters_from_mapping(
        {"TCA": {"fit": {"params_method": {"tol": 1e-9}}}}
    ).parameters
    closed, reasons = fit_parameters(given, facts())
    text = commented_yaml(closed, reasons, heading=["For mouse.mp4."])
    assert text.startswith("# For mouse.mp4.\n")
    again = open_parameters_from_mapping(yaml.safe_load(text)).parameters
    assert again.is_closed
    assert again.stand_in == closed.stand_in
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.strip().startswith("F_max:"))
    assert "# fitted: 60 Hz, or 0.4 of the 30 frames/s" in lines[at - 2] + lines[at - 1]
    relaxation = next(i for i, line in enumerate(lines) if line.strip().startswith("relaxation:"))
    assert lines[relaxation - 1].strip() == "# not used by method anchored"
    assert all(math.isfinite(len(line)) and len(line) <= 130 for line in lines)
    for index, line in enumerate(lines):
        if ":" in line and not line.lstrip().startswith("#") and not line.endswith(":"):
            assert lines[index - 1].lstrip().startswith("#"), line
