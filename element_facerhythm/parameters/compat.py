"""What ``compat: face-rhythm`` means: every rule that depends on it, side by side.

Nothing else compares `compat` with a name; code that depends on it uses `Parameters.rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Compat = Literal["face-rhythm"]


@dataclass(frozen=True)
class ComputationRules:
    """How numbers are computed where this package and face-rhythm differ.

    Attributes
    ----------
    fixed_values
        Parameters, by name, that are not free: values typed for them are not used.
    are_parameters_fitted
        Whether parameters that are not given are fitted to the video; otherwise they are the defaults.
    are_frame_times_used
        Whether the times of frames place them; otherwise they are taken as equally spaced.
    is_header_rate_used
        Whether a recording's frame rate is that of its first video's header, and not the measured one.
    is_rate_typed
        Whether filters are made for ``Fs_sample`` as typed, and not for the recording's frame rate.
    are_levels_shared
        Whether the gray levels of video of more than 8 bits are scaled alike for all videos of a
        recording; otherwise each frame is converted as face-rhythm's reader does.
    tracks_by_opencv
        Whether OpenCV computes the flow, on the CPU: nothing else gives its numbers bit for bit.
    rewind
        Rule that tracking follows after a violation, see `core.tracking.PointDynamics`.
    complex_average
        How complex spectrograms are averaged in time, see `core.spectral.TransformOptions`.
    solver
        Which solver fits the components: this package's where it can, or always tensorly's.
    """

    fixed_values: Mapping[str, Any] = field(default_factory=dict)
    are_parameters_fitted: bool = True
    are_frame_times_used: bool = True
    is_header_rate_used: bool = False
    is_rate_typed: bool = False
    are_levels_shared: bool = True
    tracks_by_opencv: bool = False
    rewind: Literal["correct", "face-rhythm"] = "correct"
    complex_average: Literal["linear", "face-rhythm"] = "linear"
    solver: Literal["auto", "tensorly"] = "auto"


_OURS = ComputationRules()
_FACE_RHYTHM = ComputationRules(
    fixed_values={
        "PointTracker.method": "flow",
        "PointTracker.params_optical_flow.refine": False,
        "VQT_Analyzer.params_VQT.averaging": "exact",
        "TCA.fit.params_method.n_restarts": 1,
    },
    are_parameters_fitted=False,
    are_frame_times_used=False,
    is_header_rate_used=True,
    is_rate_typed=True,
    are_levels_shared=False,
    tracks_by_opencv=True,
    rewind="face-rhythm",
    complex_average="face-rhythm",
    solver="tensorly",
)


def rules_of(compat: object) -> ComputationRules:
    """Return the rules for a value of `compat`; what is no name, and refused elsewhere, counts as None."""
    return _FACE_RHYTHM if compat == "face-rhythm" else _OURS
