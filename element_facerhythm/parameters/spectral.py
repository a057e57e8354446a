"""Parameters of the spectrograms."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from element_facerhythm.parameters.base import Count, Fraction, NonNegative, Positive, Section

WindowType = Literal[
    "barthann",
    "bartlett",
    "blackman",
    "blackmanharris",
    "bohman",
    "boxcar",
    "cosine",
    "exponential",
    "flattop",
    "gaussian",
    "hamming",
    "hann",
    "lanczos",
    "nuttall",
    "parzen",
    "taylor",
    "triang",
    "tukey",
]


class VariableQ(Section):
    """The filter bank and what is made of its output."""

    Fs_sample: Positive = Field(
        default=120.0,
        description="Sampling rate in Hz. The video's frame rate is used instead and a difference "
        'is noted, unless compat is "face-rhythm".',
    )
    Q_lowF: Positive = Field(
        default=4.0, description="Periods within the window at the lowest frequency."
    )
    Q_highF: Positive = Field(
        default=10.0, description="Periods within the window at the highest frequency."
    )
    F_min: Positive = Field(default=1.0, description="Lowest centre frequency, in Hz.")
    F_max: Positive = Field(
        default=60.0, description="Highest centre frequency, in Hz; at most half the frame rate."
    )
    n_freq_bins: Annotated[Count, Field(le=10_000)] = Field(
        default=36, description="Number of centre frequencies."
    )
    window_type: WindowType = Field(default="hann", description="Shape of the window.")
    symmetry: Literal["center", "left", "right"] = Field(
        default="center", description="Two-sided window, or only its left or right half."
    )
    taper_asymmetric: bool = Field(
        default=True, description="Halve the middle sample of a one-sided window."
    )
    downsample_factor: Count = Field(
        default=20, description="Frames averaged into one spectrogram window."
    )
    padding: Literal["valid", "same"] = Field(
        default="valid", description="Leave out the ends that the filter does not cover, or pad."
    )
    averaging: Literal["fast", "exact"] = Field(
        default="fast",
        description="Amplitudes averaged over a window: of every frame (exact), or of as many frames "
        "as a bin needs for an expected error of at most 5e-4 of its amplitude (fast). Always exact "
        'for complex spectrograms and where compat is "face-rhythm".',
    )
    take_abs: bool = Field(
        default=True, description="Amplitude (true) or complex spectrogram (false)."
    )
    filters: None = Field(default=None, description="Filters of one's own are not supported.")

    @model_validator(mode="after")
    def _frequencies_rise(self) -> VariableQ:
        if self.F_min >= self.F_max:
            raise ValueError(f"F_min {self.F_min} must be below F_max {self.F_max}; both are in Hz")
        return self


class VqtAnalyzer(Section):
    """Spectrograms and their normalisation."""

    params_VQT: VariableQ = VariableQ()
    normalization_factor: Fraction = Field(
        default=0.95,
        description="How far the total amplitude over points and frequencies is made equal at "
        "every time: 0 not at all, 1 entirely.",
    )
    spectrogram_exponent: NonNegative = Field(
        default=1.0, description="Power to which amplitudes are raised before normalisation."
    )
    one_over_f_exponent: float = Field(
        default=0.5,
        description="Amplitudes are multiplied by frequency to this power afterwards; 0 for none.",
    )
