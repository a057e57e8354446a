"""Small projects with tracks that are known, of videos whose frames carry their number in stripes."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import h5py
import numpy as np
import pytest

WIDTH, HEIGHT, RATE_HZ = 320, 240, 60.0
HOMES = np.float32([[24, 60], [296, 60], [160, 110], [100, 150], [24, 178], [296, 178]])
BITS, BIT_PX, STRIPE = 8, 28, (30, 196)  # where the stripe of bits begins, in pixels of the frame
FREQUENCIES_HZ = np.float32([2, 5, 11])


@dataclass(frozen=True)
class Made:
    """A project of face-rhythm's layout, and what it holds."""

    directory: Path
    videos: tuple[Path, ...]
    tracks: tuple[np.ndarray, ...]  # of each sequence, (T, P, 2)
    times: np.ndarray  # (W, R), of all sequences, one after another
    maps: np.ndarray  # (2 P, R)


def numbered_frame(number: int) -> np.ndarray:
    """A gray frame (HEIGHT, WIDTH, 3) with its number in white and black stripes."""
    frame = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    x, y = STRIPE
    for bit in range(BITS):
        level = 255 if number >> bit & 1 else 0
        frame[y : y + 20, x + bit * BIT_PX : x + (bit + 1) * BIT_PX] = level
    return frame


def number_in(picture: np.ndarray, places: Callable[[np.ndarray], np.ndarray]) -> int:
    """Number that a picture shows; `places` leads from pixels of the frame to those of the picture."""
    x, y = STRIPE
    middles = np.array([[x + (bit + 0.5) * BIT_PX, y + 10] for bit in range(BITS)])
    shown = np.rint(places(middles)).astype(int)
    return sum(int(picture[py, px].mean() > 128) << bit for bit, (px, py) in enumerate(shown))


def encode(path: Path, frames: list[np.ndarray], *, rate: float = RATE_HZ) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=round(rate))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "bgr0"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def planted_tracks(n_frames: int, first: int) -> np.ndarray:
    """Circles of some pixels, of another phase for each point."""
    phase = 0.4 * (first + np.arange(n_frames))[:, None] + np.arange(len(HOMES))
    return HOMES + 4 * np.stack([np.cos(phase), np.sin(phase)], axis=2).astype(np.float32)


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Made]:
    """Function that writes a project of one sequence for each video, or of one for all of them."""

    def make(
        n_frames: tuple[int, ...] = (60,),
        *,
        rate: float = RATE_HZ,
        contiguous: bool = False,
        name: str = "p",
        flags: tuple[tuple[int, int], ...] = ((7, 2),),
        times: np.ndarray | None = None,
    ) -> Made:
        lab = tmp_path / "raw"
        lab.mkdir(exist_ok=True)
        starts = np.concatenate([[0], np.cumsum(n_frames)])
        videos = tuple(lab / f"{name}_{i}.mkv" for i in range(len(n_frames)))
        for i, video in enumerate(videos):
            numbers = range(starts[i], starts[i + 1])
            encode(video, [numbered_frame(number) for number in numbers], rate=rate)
        lengths = (int(starts[-1]),) if contiguous else n_frames
        begins = np.concatenate([[0], np.cumsum(lengths)])
        tracks = tuple(planted_tracks(n, int(b)) for n, b in zip(lengths, begins, strict=False))
        directory = tmp_path / name
        made = Made(directory, videos, tracks, *_factors(lengths, times))
        _write(made, rate, contiguous, flags)
        return made

    return make


def _factors(lengths: tuple[int, ...], times: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    n_windows = sum(_windows(n) for n in lengths)
    loadings = rng.random((n_windows, 2)) + 0.1 if times is None else times
    return loadings.astype(np.float32), rng.random((2 * len(HOMES), 2)).astype(np.float32)


def _windows(n_frames: int) -> int:
    """A window at every second frame."""
    return (n_frames + 1) // 2


def _write(made: Made, rate: float, contiguous: bool, flags: Any) -> None:
    files = made.directory / "analysis_files"
    files.mkdir(parents=True)
    with h5py.File(files / "Dataset_videos.h5", "w") as file:
        file["example_image"] = numbered_frame(0)
    with h5py.File(files / "ROIs.h5", "w") as file:
        mask = np.zeros((HEIGHT, WIDTH), bool)
        mask[50:186, 16:304] = True
        for i in (0, 1):
            file[f"mask_images/mask_{i}"] = mask
            file[f"roi_points/ROI_{i}"] = np.float32([[16, 50], [303, 50], [303, 185]])
        file["point_positions"] = HOMES
        file["exampleImage"] = numbered_frame(0).astype(np.float32)
        file["num_points"] = len(HOMES)
    with h5py.File(files / "PointTracker.h5", "w") as file:
        file["point_positions"] = HOMES
        file["neighbors"] = np.zeros((len(HOMES), 2), np.int64)
        file["mesh_d0"] = np.zeros((len(HOMES), 2), np.float32)
        file["mask"] = np.ones((HEIGHT, WIDTH), bool)
        for i, points in enumerate(made.tracks):
            file[f"points_tracked/{i}"] = points
            file[f"violations/{i}/row"] = np.int32([frame for frame, _ in flags])
            file[f"violations/{i}/col"] = np.int32([point for _, point in flags])
            file[f"violations/{i}/data"] = np.ones(len(flags), bool)
            file[f"violations/{i}/shape"] = np.int64(points.shape[:2])
    windows = [_windows(len(points)) for points in made.tracks]
    with h5py.File(files / "VQT_Analyzer.h5", "w") as file:
        file["frequencies"] = FREQUENCIES_HZ
        for i, n in enumerate(windows):
            file[f"spectrograms/{i}"] = np.ones((2, len(HOMES), 3, n), np.float32)
            file[f"x_axis/{i}"] = 2 * np.arange(n, dtype=np.float32)
        file["point_positions"] = HOMES.T.ravel()
    names = ["(xy points)", "frequency", "(time trials)"]
    frequency = np.float32([[0, 1], [1, 0], [0, 0]])
    with h5py.File(files / "TCA.h5", "w") as file:
        for name, factor in zip(names, (made.maps, frequency, made.times), strict=True):
            file[f"factors/0/{name}"] = factor
        for name, factor in zip(names[:2], (made.maps, frequency), strict=True):
            file[f"factors_rearranged/0/{name}"] = factor
        pieces = np.split(made.times, np.cumsum(windows)[:-1])
        for i, piece in enumerate(pieces):
            file[f"factors_rearranged/0/trials/time_{i}"] = piece
        file["names_dims_array_preDecomp"] = names
        file["name_dim_dictElements_preDecomp"] = np.bytes_("0")
        file["names_dims_array"] = ["(xy points)", "frequency", "time"]
        file["name_dim_dictElements"] = np.bytes_("trials")
    config = {
        "Dataset_videos": {"contiguous": contiguous, "frame_rate_clamp": None},
        "ROIs": {"point_spacing": 20},
        "PointTracker": {"contiguous": contiguous, "relaxation_during_freeze_frames": True},
        "VQT_Analyzer": {"one_over_f_exponent": 1.0, "batch_size": 10},
        "TCA": {"method": "CP_NN_HALS"},
    }
    (made.directory / "config.yaml").write_text(json.dumps(config))
    paths = [str(video) for video in made.videos]
    info = {"Dataset_videos": {"frame_rate": rate, "metadata": {"paths_videos": paths}}}
    (made.directory / "run_info.json").write_text(json.dumps(info))


@dataclass(frozen=True)
class Movie:
    """A movie as a player finds it."""

    pictures: list[np.ndarray]
    codec: str
    pixel_format: str
    rate_hz: float
    duration_s: float
    steps: set[int]


def play(path: Path) -> Movie:
    """Decode a movie with nothing of ours."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        return Movie(
            [frame.to_ndarray(format="rgb24") for frame in frames],
            stream.codec_context.name,
            stream.codec_context.pix_fmt,
            float(stream.average_rate),
            float(stream.duration * stream.time_base),
            {b.pts - a.pts for a, b in itertools.pairwise(frames)},
        )
