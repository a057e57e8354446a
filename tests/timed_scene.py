"""Videos whose frames were taken when one says: a texture that moves 2 px along x at 6 Hz of real time."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

RHYTHM_HZ = 6.0
AMPLITUDE_PX = 2.0
ROIS = {"points": [[[40, 30], [120, 30], [120, 90], [40, 90]]], "mask": []}
PARAMETERS = {
    "ROIs": {"make_rois": {"point_spacing": 16}},
    "VQT_Analyzer": {
        "params_VQT": {
            "Q_lowF": 3.0, "Q_highF": 6.0, "F_min": 2.0, "F_max": 12.0, "n_freq_bins": 60,
            "downsample_factor": 5,
        }
    },
    "TCA": {
        "rearrange_data": {
            "name_dim_dictElements": "trials", "method_handling_dictElements": "concatenate",
        },
        "fit": {"params_method": {"rank": 1, "n_iter_max": 20}},
        "rearrange_factors": {"undo_concat_dictElements": True},
    },
}  # fmt: skip


def always(time_s: float) -> float:
    """Strength of a movement that never pauses."""
    return 1.0


def pictures(
    times_s: Sequence[float],
    width: int = 160,
    height: int = 120,
    strength: Callable[[float], float] = always,
) -> Iterator[NDArray[np.uint8]]:
    """Gray frames (height, width) at the given times; the movement is so strong at each."""
    rng = np.random.default_rng(0)
    texture = np.zeros((height + 40, width + 40), np.float32)
    for sigma in (1.5, 4.0, 10.0):
        blurred = cv2.GaussianBlur(
            rng.standard_normal(texture.shape).astype(np.float32), (0, 0), sigma
        )
        texture += sigma * blurred / blurred.std()
    texture = 30 + 195 * (texture - texture.min()) / np.ptp(texture)
    for time_s in times_s:
        shift = strength(time_s) * AMPLITUDE_PX * np.sin(2 * np.pi * RHYTHM_HZ * time_s)
        move = np.float32([[1, 0, shift - 20], [0, 1, -20]])
        moved = cv2.warpAffine(texture, move, (width, height), flags=cv2.INTER_CUBIC)
        yield moved.clip(0, 255).astype(np.uint8)


def write_timed_video(
    path: Path,
    times_s: Sequence[float],
    *,
    stamps_s: Sequence[float] | None = None,
    strength: Callable[[float], float] = always,
) -> Path:
    """Write the scene as taken at `times_s`, with these time stamps or others."""
    tick = Fraction(1, 90_000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=60, options={"crf": "12", "preset": "veryfast"}
        )
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.time_base = stream.time_base = tick
        for stamp, picture in zip(
            stamps_s or times_s, pictures(times_s, strength=strength), strict=True
        ):
            frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = round(float(stamp) / tick), tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
