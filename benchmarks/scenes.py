"""The videos of the speed benchmarks: a textured face with motion in closed form, loops of it, a real mouse.

``face_video`` is the synthetic face at 640 x 480 under about 960 points, H.264 at a realistic quality;
it is made once and kept in ``.bench``. ``looped`` repeats a video's packets, so that hours of video cost
seconds. ``real_video`` is the recording of FACERHYTHM_REFERENCE_DATA with a threshold so tight that
points violate.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy_cells import tca_section, tracker_section
from benchmarks.common import CACHE_DIR
from benchmarks.planted import encode
from element_facerhythm.core.rois import Rois, place_rois
from element_facerhythm.demo.synthetic import Renderer, plan_scene
from element_facerhythm.io.atomic import atomic_path
from element_facerhythm.io.h5 import atomic_h5
from element_facerhythm.io.products import write_rois
from element_facerhythm.video import probe_video

FRAME_RATE_HZ = 105.0
N_FRAMES_DRAWN = 600
VIOLATING_THRESHOLD_PX = 12
"""face-rhythm then processes 946 frames for the 300 of the real video."""


@dataclass(frozen=True)
class BenchVideo:
    """A video, its ROI file, and the parameters it is tracked with."""

    name: str
    video: Path
    rois: Path
    parameters: dict[str, Any]
    n_frames: int
    n_points: int


def bench_parameters(*, frame_rate_hz: float = FRAME_RATE_HZ, rank: int = 6) -> dict[str, Any]:
    """face-rhythm's defaults with window 15, 10 iterations and relaxation 0.5, spectra to 40 Hz."""
    params_vqt = {
        "Fs_sample": frame_rate_hz,
        "Q_lowF": 1.5,
        "Q_highF": 8,
        "F_min": 1.0,
        "F_max": 40.0,
        "n_freq_bins": 55,
        "window_type": "hann",
        "symmetry": "center",
        "taper_asymmetric": True,
        "downsample_factor": 8,
        "padding": "valid",
        "fft_conv": True,
        "fast_length": True,
        "take_abs": True,
        "filters": None,
        "plot_pref": False,
    }
    analyzer = {
        "params_VQT": params_vqt,
        "batch_size": 10,
        "normalization_factor": 0.95,
        "spectrogram_exponent": 1.0,
        "one_over_f_exponent": 0.5,
    }
    tracker = tracker_section(window_px=15, criteria=[3, 10, 0.03], relaxation=0.5)
    return {
        "project": {"random_seed": 0},
        "PointTracker": tracker,
        "VQT_Analyzer": analyzer,
        "TCA": tca_section(rank=rank),
    }


def face_video(
    n_frames: int = 6000, *, width_px: int = 640, height_px: int = 480, spacing_px: int = 7
) -> BenchVideo:
    """Return the textured face; about 960 points at the defaults.

    Two periods of its slowest movement (600 frames) are drawn and repeated: the seam is no jump.
    """
    n_drawn = min(n_frames, N_FRAMES_DRAWN)
    scene = plan_scene(
        n_frames=n_drawn,
        frame_rate_hz=FRAME_RATE_HZ,
        width_px=width_px,
        height_px=height_px,
        seed=7,
        with_paw=False,
    )
    directory = CACHE_DIR / "videos"
    directory.mkdir(parents=True, exist_ok=True)
    video = directory / f"face-{width_px}x{height_px}-{n_drawn}.mkv"
    if not video.exists():
        encode(video, Renderer(scene).frames(), FRAME_RATE_HZ, "h264-20")
    rois = Rois(
        seed_polygons=tuple(_grown(polygon, 1.045) for polygon in scene.rois.seed_polygons),
        mask_polygons=scene.rois.mask_polygons,
    )
    if n_frames > n_drawn:
        video = looped(video, n_frames)
    return with_rois(f"face-{width_px}x{height_px}", video, rois, spacing_px=spacing_px)


def with_rois(name: str, video: Path, rois: Rois, *, spacing_px: int) -> BenchVideo:
    """Place ROIs on a video and write them as the ``ROIs.h5`` that both packages read."""
    facts = probe_video(video)
    size = {"height_px": facts.height_px, "width_px": facts.width_px}
    placed = place_rois(rois, **size, spacing_px=spacing_px)
    path = video.with_suffix(f".spacing{spacing_px}.ROIs.h5")
    if not path.exists():
        image = np.zeros((facts.height_px, facts.width_px, 3), np.uint8)
        with atomic_h5(path) as file:
            write_rois(file, rois, placed, image)
    n_points = len(placed.point_positions)
    return BenchVideo(name, video, path, bench_parameters(), facts.n_frames, n_points)


def looped(video: Path, n_frames: int) -> Path:
    """Repeat a video's packets; nothing is encoded again.

    The last repetition is left whole: the video has ``n_frames`` or up to one repetition more.
    """
    n_loops = -(-n_frames // probe_video(video).n_frames)
    target = video.with_name(f"{video.stem}-x{n_loops}.mkv")
    if not target.exists():
        _repeat(video, target, n_loops)
    return target


def _repeat(video: Path, target: Path, n_loops: int) -> None:
    import av

    with (
        atomic_path(target) as partial,
        av.open(str(partial), "w", format="matroska") as written,
        av.open(str(video)) as source,
    ):
        stream = source.streams.video[0]
        copy = written.add_stream_from_template(stream)
        packets = [p for p in source.demux(stream) if p.pts is not None]
        ticks = Fraction(1) / (Fraction(stream.average_rate) * stream.time_base)
        # Matroska keeps no decoding times: packet k is decoded at k, early enough for every pts.
        early = min(p.pts - round(k * ticks) for k, p in enumerate(packets))
        for k in range(n_loops * len(packets)):
            i_loop, packet = k // len(packets), packets[k % len(packets)]
            shifted = av.Packet(bytes(packet))
            shifted.time_base = stream.time_base
            shifted.pts = packet.pts + round(i_loop * len(packets) * ticks)
            shifted.dts = early + round(k * ticks)
            shifted.is_keyframe = packet.is_keyframe
            shifted.stream = copy
            written.mux(shifted)


def real_video() -> BenchVideo | None:
    """Return the real mouse under a tight threshold, or None where the recording is not at hand."""
    directory = os.environ.get("FACERHYTHM_REFERENCE_DATA")
    if directory is None or not (Path(directory) / "video").is_dir():
        return None
    (video,) = (Path(directory) / "video").iterdir()
    inputs = Path(directory) / "inputs"
    parameters = json.loads((inputs / "params.json").read_text())
    outliers = parameters["PointTracker"]["params_outlier_handling"]
    outliers["threshold_displacement"] = VIOLATING_THRESHOLD_PX
    facts = probe_video(video)
    import h5py

    with h5py.File(inputs / "ROIs.h5") as file:
        n_points = len(file["point_positions"])
    return BenchVideo("real mouse", video, inputs / "ROIs.h5", parameters, facts.n_frames, n_points)


def _grown(polygon: Any, factor: float) -> Any:
    center = np.mean(polygon, axis=0)
    return center + factor * (np.asarray(polygon) - center)
