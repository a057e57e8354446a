"""The transform against direct convolution."""

import numpy as np
import pytest
import torch

from element_facerhythm.core.spectral import (
    FilterBank,
    TransformOptions,
    make_filter_bank,
    variable_q_transform,
    window_centres,
)
from element_facerhythm.core.spectral import segments as segments_module
from element_facerhythm.core.spectral import vqt as vqt_module
from element_facerhythm.core.spectral.segments import plan_segments
from element_facerhythm.core.spectral.windows import Span
from element_facerhythm.errors import ParameterError


@pytest.fixture(scope="module")
def bank():
    return make_filter_bank(
        frame_rate_hz=100.0,
        q_low=2.0,
        q_high=5.0,
        freq_min_hz=4.0,
        freq_max_hz=45.0,
        n_freq_bins=6,
    )


def direct(trace, bank, factor, padding, average):
    """Convolve with numpy and average window by window."""
    rows = []
    for kernel in bank.filters:
        full = np.convolve(trace, kernel.astype(complex), mode="full")
        n, k = len(trace), len(kernel)
        kept = {"valid": full[k - 1 : n], "same": full[k // 2 : k // 2 + n], "full": full}[padding]
        rows.append([average(kept[i : i + factor]) for i in range(0, len(kept), factor)])
    return np.array(rows)


AVERAGES = {
    "magnitude": lambda z: np.abs(z).mean(),
    "linear": lambda z: z.mean(),
    "face-rhythm": lambda z: np.abs(z).mean() * np.exp(1j * np.angle(z).mean()),
}


@pytest.mark.parametrize("factor", [1, 4, 7])
@pytest.mark.parametrize(
    ("average", "padding"),
    [
        *[(average, p) for average in ("magnitude", "linear") for p in ("valid", "same", "full")],
        # Not "full": where a filter hardly touches the trace, the phase of next to nothing is noise.
        *[("face-rhythm", padding) for padding in ("valid", "same")],
    ],
)
def test_the_transform_is_the_averaged_convolution(bank, factor, average, padding):
    traces = np.random.default_rng(0).standard_normal((3, 203)).astype(np.float32)
    result = variable_q_transform(
        traces,
        bank,
        TransformOptions(
            downsample_factor=factor,
            padding=padding,
            take_abs=average == "magnitude",
            complex_average="linear" if average == "magnitude" else average,
        ),
    )
    expected = np.stack([direct(t, bank, factor, padding, AVERAGES[average]) for t in traces])
    assert result.dtype == (np.float32 if average == "magnitude" else np.complex64)
    np.testing.assert_allclose(result, expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize("options", [{}, {"averaging": "fast"}, {"take_abs": False}])
def test_long_traces_in_segments_equal_short_ones(bank, monkeypatch, options):
    """The same trace, cut into hundreds of segments and taken a filter at a time, or whole."""
    trace = np.cumsum(np.random.default_rng(1).standard_normal((2, 9_001)), axis=1)
    trace = (trace - trace.mean()).astype(np.float32)
    arguments = {"downsample_factor": 6, "padding": "same", "take_abs": True, **options}
    monkeypatch.setattr(segments_module, "_lengths", lambda *_: {9_600: 1.0})
    whole = variable_q_transform(trace, bank, TransformOptions(**arguments))
    monkeypatch.setattr(segments_module, "_lengths", lambda *_: {192: 1.0})
    monkeypatch.setattr(vqt_module, "_SAMPLES_IN_FLIGHT", {"cpu": 1})
    cut = variable_q_transform(trace, bank, TransformOptions(**arguments))
    np.testing.assert_allclose(cut, whole, atol=2e-6 * np.abs(trace).max(), rtol=0)


@pytest.mark.parametrize("options", [{}, {"averaging": "fast"}, {"take_abs": False}])
@pytest.mark.parametrize("n_more", [0, 5, 19, 20])
def test_a_trace_of_about_one_window(bank, options, n_more):
    trace = np.random.default_rng(2).standard_normal(bank.n_taps + n_more).astype(np.float32)
    arguments = {"downsample_factor": 20, "padding": "valid", "take_abs": True, **options}
    result = variable_q_transform(trace, bank, TransformOptions(**arguments))[0]
    average = AVERAGES["magnitude" if arguments["take_abs"] else "linear"]
    expected = direct(trace, bank, 20, "valid", average)
    assert result.shape == expected.shape
    fast = "averaging" in options
    np.testing.assert_allclose(result, expected, atol=2e-3 if fast else 2e-6, rtol=0)


@pytest.mark.parametrize("n_samples", [0, 60, 3_000, 60_000, 5_000_000])
def test_segments_do_not_grow_with_the_trace(n_samples):
    plan = plan_segments(
        Span(0, n_samples), n_before=270, n_after=0, factor=8, multiple=1, longest_hop=2**20
    )
    assert 271 < plan.n_fft <= 2**15
    assert plan.hop % 8 == 0
    assert plan.n_segments * plan.hop >= n_samples


@pytest.mark.parametrize("n_taps", [8, 9])
@pytest.mark.parametrize("padding", ["valid", "same", "full"])
def test_window_centres_follow_an_impulse(n_taps, padding):
    """The centre of each window is where the filter's middle lies, averaged over the window."""
    kernel = np.ones((1, n_taps), np.complex64) / n_taps
    bank = FilterBank(kernel, kernel.real.copy(), np.ones(1, np.float32), 10.0)
    ramp = np.arange(100, dtype=np.float32)[None]  # a flat filter returns its centre's value
    options = TransformOptions(downsample_factor=4, padding=padding, take_abs=True)
    response = variable_q_transform(ramp, bank, options)[0, 0]
    centres = window_centres(100, bank, options)
    assert centres.shape == response.shape
    inside = slice(None) if padding == "valid" else slice(4, -4)
    np.testing.assert_allclose(response[inside], centres[inside], atol=1e-4)


def test_what_cannot_be_transformed_is_refused(bank):
    short = np.zeros((1, 50), np.float32)
    options = {"downsample_factor": 4, "padding": "valid", "take_abs": True}
    with pytest.raises(ParameterError, match=r"50 frames and the filters have 51.*F_min"):
        variable_q_transform(short, bank, TransformOptions(**options))
    with pytest.raises(ParameterError, match="50 frames"):
        window_centres(50, bank, TransformOptions(**options))
    with pytest.raises(ParameterError, match="padding is 'reflect'"):
        TransformOptions(**{**options, "padding": "reflect"})
    with pytest.raises(ParameterError, match="downsample_factor is 0"):
        TransformOptions(**{**options, "downsample_factor": 0})
    with pytest.raises(ParameterError, match="complex_average is 'mean'"):
        TransformOptions(complex_average="mean", **options)


def test_a_device_without_memory_gets_smaller_blocks(bank, monkeypatch, caplog):
    """The path of a GPU, on a CPU that pretends to have room for five traces only."""
    traces = np.random.default_rng(0).standard_normal((11, 900)).astype(np.float32)
    transform = vqt_module.Transform(
        bank, TransformOptions(4, "valid", take_abs=True, averaging="fast"), n_frames=900
    )
    windows = slice(0, transform.n_windows)
    expected = transform(traces, windows)
    inverse = torch.fft.ifft

    def small_inverse(values):
        if len(values) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return inverse(values)

    monkeypatch.setattr(torch.fft, "ifft", small_inverse)
    result = np.empty_like(expected)
    transform._fill_in_turn(result, traces, windows, 2**18)
    np.testing.assert_array_equal(result, expected)
    assert "out of memory" in caplog.text
    monkeypatch.setattr(torch.fft, "ifft", lambda _: small_inverse(np.zeros(6)))
    with pytest.raises(torch.OutOfMemoryError):
        transform._fill_in_turn(result, traces, windows, 2**18)


@pytest.mark.gpu
@pytest.mark.parametrize("averaging", ["fast", "exact"])
def test_a_gpu_gives_the_same_numbers(bank, averaging):
    traces = np.random.default_rng(0).standard_normal((5, 5_000)).astype(np.float32)
    options = {
        "downsample_factor": 4,
        "padding": "valid",
        "take_abs": True,
        "averaging": averaging,
    }
    on_cpu = variable_q_transform(traces, bank, TransformOptions(**options), device="cpu")
    on_gpu = variable_q_transform(traces, bank, TransformOptions(**options), device="cuda")
    np.testing.assert_allclose(on_gpu, on_cpu, atol=2e-6, rtol=0)
