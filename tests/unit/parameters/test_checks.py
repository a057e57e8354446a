import pytest

from element_facerhythm.errors import ParameterError
from element_facerhythm.parameters import Parameters, check_parameters, parameters_from_mapping

FACTS = {
    "frame_rate_hz": 120.0,
    "n_frames": 7800,
    "n_samples": [[3600], [4200]],
    "n_points": 50,
    "filter_length": 481,
}


def make(**sections):
    return parameters_from_mapping(sections).parameters


def test_the_defaults_fit_a_recording_at_their_own_rate_without_notes():
    assert check_parameters(Parameters(), **FACTS) == ()


def test_the_frame_rate_is_the_videos_and_only_a_typed_one_is_told():
    facts = {**FACTS, "frame_rate_hz": 250.0}
    assert check_parameters(Parameters(), **facts) == ()  # nobody said 120
    for typed in (120.0, 240.0):
        parameters = make(VQT_Analyzer={"params_VQT": {"Fs_sample": typed}})
        (note,) = check_parameters(parameters, **facts)
        assert f"Fs_sample: {typed:g} Hz is not used; the frame rate is 250 Hz" in note
    assert check_parameters(make(VQT_Analyzer={"params_VQT": {"Fs_sample": 250}}), **facts) == ()
    assert Parameters().spectral_rate_hz(250.0) == 250.0


def test_compat_uses_its_own_rate_and_says_so_where_it_is_not_the_videos():
    facts = {**FACTS, "frame_rate_hz": 250.0}
    parameters = make(compat="face-rhythm")
    assert parameters.spectral_rate_hz(250.0) == 120.0
    (note,) = check_parameters(parameters, **facts)
    assert "Fs_sample face-rhythm's default, 120 Hz; the frame rate is 250 Hz" in note
    typed = make(compat="face-rhythm", VQT_Analyzer={"params_VQT": {"Fs_sample": 200}})
    (note,) = check_parameters(typed, **facts)
    assert "Fs_sample as typed, 200 Hz" in note
    assert check_parameters(parameters, **FACTS) == ()


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
    (note,) = check_parameters(Parameters(), **{**FACTS, "n_samples": [[300, 481], [900]]})
    assert "10 components are asked for" in note


def test_the_rank_is_bounded_by_the_tensor():
    """Six windows and 36 frequencies: 216 components reproduce any tensor of that shape."""
    facts = {**FACTS, "n_samples": [[600]]}  # (600 - 480) / 20 = 6 windows

    def with_rank(rank):
        return make(TCA={"fit": {"params_method": {"rank": rank}}})

    (note,) = check_parameters(with_rank(6 * 36), **facts)
    assert "216 components are asked for, and the recording can distinguish about 1" in note
    with pytest.raises(ParameterError, match="given 217, expected at most 216"):
        check_parameters(with_rank(6 * 36 + 1), **facts)
    assert check_parameters(with_rank(217), **{**facts, "n_points": None}) == ()


def test_a_rank_beyond_what_the_recording_tells_is_told_and_not_refused():
    """Filters of 4 to 10 periods from 1 to 60 Hz: sqrt(40) / sqrt(60) s, 0.82 s, are one separate stretch."""

    def notes(rank, n_points=50, method="separate"):
        data = {"method_handling_dictElements": method}
        tree = {"fit": {"params_method": {"rank": rank}}, "rearrange_data": data}
        return check_parameters(make(TCA=tree), **{**FACTS, "n_points": n_points})

    # (3600 - 480) / 98 frames = 31 stretches of the shorter video, 37 of the longer one; 36 frequencies
    assert notes(31) == ()
    (note,) = notes(32)
    assert (
        "can distinguish about 31: it has 31 separate stretches of 0.82 s, 36 frequencies" in note
    )
    assert notes(36, method="concatenate") == ()
    (note,) = notes(37, method="concatenate")
    assert "about 36: it has 68 separate stretches" in note
    assert "distinguish about 9:" in notes(10, n_points=9)[0]


def test_more_neighbours_than_points_are_told():
    parameters = make(TCA={"fit": {"params_method": {"rank": 5}}})
    (note,) = check_parameters(parameters, **{**FACTS, "n_points": 5})
    assert "8 asked, and there are only 5 points" in note


def test_filters_that_fill_the_memory_are_refused():
    facts = {**FACTS, "n_samples": [[10**6]], "filter_length": 100_000}
    check_parameters(make(VQT_Analyzer={"params_VQT": {"n_freq_bins": 2_500}}), **facts)
    with pytest.raises(ParameterError, match="2501 filters of 100000 frames are asked for"):
        check_parameters(make(VQT_Analyzer={"params_VQT": {"n_freq_bins": 2_501}}), **facts)
