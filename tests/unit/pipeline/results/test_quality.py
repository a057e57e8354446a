"""Each formula of the checks, on arrays whose answer is known."""

import math

import numpy as np
import pytest

from element_facerhythm.core.decomposition import CpModel
from element_facerhythm.core.decomposition.components import largest_point_shares
from element_facerhythm.core.texture import texture_at
from element_facerhythm.errors import ParameterError
from element_facerhythm.parameters import Parameters, parameters_from_mapping
from element_facerhythm.parameters.quality import FLAGGED_BELOW, QualityLimits
from element_facerhythm.pipeline.results.quality.components import (
    largest_congruence,
    largest_determined_rank,
)
from element_facerhythm.pipeline.results.quality.judging import Measure, judge
from element_facerhythm.pipeline.results.quality.picture import (
    FrameLight,
    light_measures,
    line_amplitude,
    longest_run,
)
from element_facerhythm.pipeline.results.quality.tracks import drift_in_movements

LIMITS = QualityLimits()


def model(*factors):
    names = ("(xy points)", "frequency", "time")
    rank = factors[0].shape[1]
    nan = float("nan")
    return CpModel(
        names=names,
        factors=dict(zip(names, factors, strict=True)),
        weights=np.ones(rank, np.float32),
        explained_variance=np.full(rank, nan),
        squared_correlation=np.full(rank, nan),
        relative_error=nan,
        r_squared=nan,
        n_iterations=None,
        stability=None,
    )


def light(level, *, contrast=None, change=None, held=()):
    level = np.asarray(level, float)
    contrast = np.full(len(level), 30.0) if contrast is None else contrast
    change = np.r_[np.nan, np.full(len(level) - 1, 2.0)] if change is None else change
    facts = np.stack([level, contrast, change], axis=1).astype(np.float32)
    return FrameLight("a.mp4", facts, np.asarray(held, np.int32))


def verdicts(lights, rate_hz=60.0):
    return {m.name: judge(m, LIMITS) for m in light_measures(lights, rate_hz)}


@pytest.mark.parametrize(
    ("value", "verdict", "threshold"),
    [(0.02, "ok", 0.02), (0.021, "warn", 0.02), (0.15, "warn", 0.02), (0.151, "red", 0.15)],
)
def test_a_value_at_its_limit_is_not_beyond_it(value, verdict, threshold):
    found = judge(Measure("violations", value, "so much strayed", "look there"), LIMITS)
    assert (found.verdict, found.threshold, found.value) == (verdict, threshold, value)
    flagged = verdict != "ok"
    assert found.message == ("So much strayed: look there" if flagged else "So much strayed")


@pytest.mark.parametrize(("value", "verdict"), [(30, "ok"), (29, "warn"), (10, "warn"), (9, "red")])
def test_checks_of_what_there_is_too_little_of_flag_below(value, verdict):
    assert judge(Measure("n_windows", value, "windows"), LIMITS).verdict == verdict


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_what_is_not_known_is_never_ok(value):
    found = judge(Measure("drift", value, "nothing to tell it from"), LIMITS)
    assert (found.verdict, found.value, found.threshold) == ("unknown", None, 1.5)


def test_limits_are_read_and_checked_and_belong_to_no_stage():
    given = parameters_from_mapping({"Quality": {"drift": [2, None]}}).parameters
    assert given.Quality.drift == (2, None)
    assert given.sha256() != Parameters().sha256()
    with pytest.raises(ParameterError, match=r"violations.*red above warn"):
        parameters_from_mapping({"Quality": {"violations": [0.2, 0.1]}})
    with pytest.raises(ParameterError, match=r"n_windows.*red below warn"):
        parameters_from_mapping({"Quality": {"n_windows": [10, 30]}})
    assert set(QualityLimits.model_fields) > FLAGGED_BELOW


def test_drift_is_the_way_between_the_ends_in_units_of_the_movement():
    rng = np.random.default_rng(0)
    still = rng.normal(0, 2 / math.sqrt(2), (1000, 30, 2)) + rng.uniform(0, 100, (30, 2))
    assert drift_in_movements(still) < 0.2
    moved = still + np.linspace(0, 10, 1000)[:, None, None] * np.array([1, 0])
    assert drift_in_movements(moved) == pytest.approx(9 / 2, rel=0.1)
    # points that hardly move are measured in pixels
    assert drift_in_movements(moved - still) == pytest.approx(9, rel=0.01)
    assert math.isnan(drift_in_movements(moved[:19]))


def test_texture_is_found_where_there_is_some():
    rng = np.random.default_rng(0)
    gray = np.full((120, 160), 100.0)
    gray[:, 80:] += 20 * rng.standard_normal((30, 20)).repeat(4, 0).repeat(4, 1)  # squares of 4 px
    gray[60:, :80] = np.arange(80) * 2.0  # structure in one direction alone
    gray += rng.normal(0, 1.5, gray.shape)
    image = np.repeat(gray.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    points = np.array([[40, 30], [40, 90], [120, 60], [159.6, 119.6]], np.float32)
    flat, ramp, squares, corner = texture_at(image, points, 15)
    assert flat < 0.25
    assert ramp < 0.25
    assert squares > 1
    assert corner > 1


def test_rank_that_the_data_determine():
    assert largest_determined_rank((444, 36, 87)) == 121  # 36 + 87 - 2
    assert largest_determined_rank((444, 36, 3)) == 37
    assert largest_determined_rank((4, 4, 4)) == 5  # 12 >= 2 * 5 + 2


def test_components_that_are_alike_along_every_axis():
    rng = np.random.default_rng(0)
    factors = [rng.random((n, 3)) for n in (40, 12, 50)]
    for factor in factors:
        factor[:, 2] = 3 * factor[:, 0]
    value, pair = largest_congruence(model(*factors))
    assert value == pytest.approx(1)
    assert sorted(pair) == [0, 2]
    factors[0][:, 2] = 0
    factors[0][0, 2] = factors[0][0, 0] = 1e-9
    assert largest_congruence(model(*factors))[0] < 0.8


def test_share_of_one_point_takes_x_and_y_together():
    points = np.zeros((2 * 10, 3))
    points[:, 0] = 1  # all alike
    points[[3, 13], 1] = 3, 4  # one alone, in both directions
    shares = largest_point_shares(
        model(points, np.ones((5, 3)), np.ones((7, 3))), n_points=10, n_frequencies=5
    )
    assert shares[:2] == pytest.approx([0.1, 1.0])
    assert math.isnan(shares[2])


@pytest.mark.parametrize("line_hz", [3.3, 20.0])
def test_amplitude_of_a_line_is_that_of_its_sine(line_hz):
    rng = np.random.default_rng(0)
    t = np.arange(1200) / 60
    relative = 0.04 * np.sin(2 * np.pi * line_hz * t + 1) + rng.normal(0, 0.01, t.size)
    assert line_amplitude(relative, 60, line_hz) == pytest.approx(0.04, rel=0.1)
    assert line_amplitude(relative, 60, line_hz + 5) < 0.002


def test_a_single_step_of_the_light_is_a_change_and_no_flicker():
    found = verdicts([light(np.where(np.arange(600) < 250, 100, 140))])
    assert found["light_change"].verdict == "warn"
    assert "frame 250 of a.mp4" in found["light_change"].message
    assert found["light_flicker"].verdict == found["mains_flicker"].verdict == "ok"


def test_mains_that_no_one_can_see_are_unknown():
    found = verdicts([light(np.full(600, 100.0))], rate_hz=20.0)  # 100 and 120 Hz are seen as 0 Hz
    assert found["mains_flicker"].verdict == "unknown"
    assert found["light_flicker"].verdict == "ok"


def test_every_second_frame_a_repetition_is_red():
    change = np.r_[np.nan, np.tile([0.0, 2.0], 300)[1:]]
    found = verdicts([light(np.full(600, 100.0), change=change)])
    assert found["duplicate_frames"].verdict == "red"
    assert found["duplicate_frames"].value == pytest.approx(0.5, abs=0.01)
    assert found["frozen_picture"].verdict == "ok"


def test_a_frozen_picture_and_held_frames():
    change = np.r_[np.nan, np.full(599, 2.0)]
    change[100:160] = 0.01
    found = verdicts([light(np.full(600, 100.0), change=change, held=[7, 8])])
    assert found["frozen_picture"].value == pytest.approx(1.0)
    assert found["frozen_picture"].verdict == "warn"
    assert found["duplicate_frames"].value == pytest.approx(0.1)
    assert found["duplicate_frames"].verdict == "ok"
    assert found["dark_frames"].value == pytest.approx(2 / 600)
    assert "frame 7 of a.mp4" in found["dark_frames"].message


def test_a_black_video_is_dark_and_divides_by_nothing():
    zeros = np.zeros(100)
    found = verdicts([light(zeros, contrast=zeros, change=np.r_[np.nan, zeros[1:]])])
    assert found["dark_frames"].verdict == "red"
    assert found["dark_frames"].value == 1
    assert found["duplicate_frames"].value == 0


def test_without_gray_levels_nothing_is_known():
    assert {v.verdict for v in verdicts(None).values()} == {"unknown"}


def test_longest_run():
    assert longest_run(np.array([True, True, False, True, True, True])) == 3
    assert longest_run(np.zeros(4, bool)) == 0
