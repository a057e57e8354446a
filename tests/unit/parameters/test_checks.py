import pytest

from element_facerhythm.errors import ParameterError
from element_facerhythm.parameters import Parameters, check_parameters, parameters_from_mapping

FACTS = {
    "frame_rate_hz": 120.0,
    "n_frames": 1300,
    "n_samples": [[600], [700]],
    "n_points": 50,
    "filter_length": 481,
}


def make(**sections):
    return parameters_from_mapping(sections).parameters


def test_the_defaults_fit_a_recording_at_their_own_rate_without_notes():
    assert check_parameters(Parameters(), **FACTS) == ()


def test_the_frame_rate_is_the_videos_and_a_typed_one_is_only_told():
    facts = {**FACTS, "frame_rate_hz": 250.0}
    (note,) = check_parameters(Parameters(), **facts)
    assert "Fs_sample: 120 Hz is not used; the frame rate is 250 Hz" in note
    assert Parameters().spectral_rate_hz(250.0) == 250.0


def test_compat_uses_the_typed_rate_and_says_so():
    parameters = make(compat="face-rhythm")
    assert parameters.spectral_rate_hz(250.0) == 120.0
    (note,) = check_parameters(parameters, **{**FACTS, "frame_rate_hz": 250.0})
    assert "as typed, 120 Hz" in note


def test_a_clamp_takes_the_place_of_the_videos_rate():
    parameters = make(Dataset_videos={"frame_rate_clamp": 120.0})
    assert parameters.spectral_rate_hz(30.0) == 120.0
    notes = check_parameters(parameters, **{**FACTS, "frame_rate_hz": 30.0})
    assert any("frame_rate_clamp: 120 Hz is used" in note for note in notes)


def test_half_the_frame_rate_is_the_limit():
    assert check_parameters(Parameters(), **FACTS) == ()
    with pytest.raises(ParameterError, match=r"F_max: given 60.0 Hz, expected at most .* 59.5 Hz"):
        check_parameters(Parameters(), **{**FACTS, "frame_rate_hz": 119.0})


def test_one_stretch_of_every_sequence_must_hold_a_filter():
    with pytest.raises(
        ParameterError, match="filter of 481 frames, and the shortest video has 300"
    ):
        check_parameters(Parameters(), **{**FACTS, "n_samples": [[300], [900]]})
    with pytest.raises(
        ParameterError, match=r"481 frames, and a video has between its gaps .* 480"
    ):
        check_parameters(Parameters(), **{**FACTS, "n_samples": [[300, 480], [900]]})
    assert check_parameters(Parameters(), **{**FACTS, "n_samples": [[300, 481], [900]]}) == ()


def test_the_rank_is_bounded_by_the_tensor():
    """Six windows and 36 frequencies: 216 components reproduce any tensor of that shape."""
    facts = {**FACTS, "n_samples": [[600]]}  # (600 - 480) / 20 = 6 windows

    def with_rank(rank):
        return make(TCA={"fit": {"params_method": {"rank": rank}}})

    assert check_parameters(with_rank(6 * 36), **facts) == ()
    with pytest.raises(ParameterError, match="given 217, expected at most 216"):
        check_parameters(with_rank(6 * 36 + 1), **facts)
    assert check_parameters(with_rank(217), **{**facts, "n_points": None}) == ()


def test_more_neighbours_than_points_are_told():
    (note,) = check_parameters(Parameters(), **{**FACTS, "n_points": 5})
    assert "8 asked, and there are only 5 points" in note


def test_filters_that_fill_the_memory_are_refused():
    facts = {**FACTS, "n_samples": [[10**6]], "filter_length": 100_000}
    check_parameters(make(VQT_Analyzer={"params_VQT": {"n_freq_bins": 2_500}}), **facts)
    with pytest.raises(ParameterError, match="2501 filters of 100000 frames are asked for"):
        check_parameters(make(VQT_Analyzer={"params_VQT": {"n_freq_bins": 2_501}}), **facts)
