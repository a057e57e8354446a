"""Videos of a textured surface whose motion is planted in closed form, and the tracks it should give.

The material point that rests at x is at ``x + sum over sources of weight(x) * course(t) * direction``,
as in `element_facerhythm.demo.synthetic`; here the surface is a band-limited random texture, and noise,
compression, flicker and a passing bar are set one by one. Gray levels are taken from a picture drawn
four times larger than the frame by cubic interpolation at exact positions, so that what the video
shows follows the formula to some thousandths of a pixel.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from benchmarks.common import CACHE_DIR
from element_facerhythm.core.rois import PlacedRois, Rois, place_rois
from element_facerhythm.core.tracking import Mesh, mesh_offsets
from element_facerhythm.demo.synthetic import Region, Source
from element_facerhythm.io.atomic import atomic_path
from element_facerhythm.io.h5 import atomic_h5
from element_facerhythm.io.products import write_rois

Frame = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
FloatArray = npt.NDArray[np.float64]

OVERSAMPLING = 4
MARGIN_PX = 24
N_FIXED_POINT_STEPS = 8
FIXED_POINT_PX = 1e-5
_RENDERING_VERSION = 1
SHARE_IN_THE_DARK = 0.02  # of the light that is left where it is off
DEEP_BASE, DEEP_LEVELS_PER_GRAY = 4096, 4  # of 16 bits: a narrow part of the range
N_DROPPED = (4, 11, 25)  # frames that are missing in three places

Timing = Literal["steady", "pause", "two rates", "dropped"]

_LATER_FIELDS = {"light", "bands_fraction", "bands_hz", "exposure", "off_frames", "bump", "timing"}


@dataclass(frozen=True)
class PlantedScene:
    """A textured surface that moves as `sources` say.

    Attributes
    ----------
    codec
        ``ffv1`` (lossless), ``ffv1-16`` (lossless, 16 bits) or ``h264-CRF``.
    flicker_fraction, flicker_hz
        Sine by which the light changes all gray levels.
    with_bar
        Whether an opaque bar crosses the frame once, from left to right.
    spacing_px
        Of the grid of points.
    light
        Factor of all gray levels before noise is added.
    bands_fraction, bands_hz
        Sine by which the light changes while a rolling shutter reads row after row, in a whole frame's
        time: bands that roll.
    exposure
        (frame, factor) corners between which the light changes evenly; two in successive frames make
        a step.
    off_frames
        First frame in which the light is off, and the first in which it is on again.
    bump
        Frame from which on the camera is displaced, and by how much (x, y) in pixels.
    timing
        When frames were taken: `steady`; a `pause` of 5 s in the middle; the second half at half the
        rate (`two rates`); some `dropped`. The time stamps of the video say so, its header does not.
    """

    sources: tuple[Source, ...]
    seed: int
    n_frames: int = 400
    frame_rate_hz: float = 100.0
    width_px: int = 320
    height_px: int = 240
    noise_sd: float = 4.0
    codec: str = "h264-18"
    flicker_fraction: float = 0.0
    flicker_hz: float = 0.0
    with_bar: bool = False
    spacing_px: int = 16
    light: float = 1.0
    bands_fraction: float = 0.0
    bands_hz: float = 0.0
    exposure: tuple[tuple[int, float], ...] = ()
    off_frames: tuple[int, int] | None = None
    bump: tuple[int, float, float] | None = None
    timing: Timing = "steady"

    @property
    def key(self) -> str:
        """Digest of everything that the video depends on."""
        fields = asdict(self)
        for field in dataclasses.fields(self):
            # scenes that were rendered before there was a field keep their names
            if field.name in _LATER_FIELDS and getattr(self, field.name) == field.default:
                del fields[field.name]
        text = json.dumps([_RENDERING_VERSION, fields], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def displacement_px(self, resting_px: npt.ArrayLike, index: float) -> FloatArray:
        """(..., 2) displacement in frame `index` of the material points that rest at (..., 2)."""
        resting = np.asarray(resting_px, dtype=np.float64)
        time_s = np.asarray(self.time_s(index))
        moved = np.zeros_like(resting)
        if self.bump is not None and index >= self.bump[0]:
            moved += self.bump[1:]
        for source in self.sources:
            course = float(source.time_course(time_s))
            if course:
                weight = source.region.weight(resting)[..., None]
                moved += course * weight * np.asarray(source.direction)
        return moved

    def time_s(self, index: float) -> float:
        """When frame `index` was taken."""
        middle, frames = self.n_frames // 2, index
        if self.timing == "pause" and index >= middle:
            frames += 5 * self.frame_rate_hz
        elif self.timing == "two rates":
            frames += max(index - middle, 0)
        elif self.timing == "dropped":
            places = (self.n_frames * (k + 1) // 4 for k in range(len(N_DROPPED)))
            frames += sum(n for place, n in zip(places, N_DROPPED, strict=True) if index >= place)
        return frames / self.frame_rate_hz

    def light_of(self, index: int) -> FloatArray:
        """(H, 1) factor of the gray levels of each row of a frame."""
        rows = np.arange(self.height_px)[:, None] / self.height_px
        turns = self.bands_hz * (index + rows) / self.frame_rate_hz
        phase = 2 * np.pi * self.flicker_hz * index / self.frame_rate_hz
        light = self.light * (1 + self.flicker_fraction * np.sin(phase))
        if self.exposure:
            light *= float(np.interp(index, *zip(*self.exposure, strict=True)))
        if self.off_frames is not None and self.off_frames[0] <= index < self.off_frames[1]:
            light *= SHARE_IN_THE_DARK
        return light * (1 + self.bands_fraction * np.sin(2 * np.pi * turns))

    def resting_px(self, positions_px: npt.ArrayLike, index: float) -> FloatArray:
        """(..., 2) resting place of the material that is at `positions_px` in frame `index`."""
        positions = np.asarray(positions_px, dtype=np.float64)
        resting = positions
        for _ in range(N_FIXED_POINT_STEPS):
            before, resting = resting, positions - self.displacement_px(resting, index)
            if np.abs(resting - before).max() < FIXED_POINT_PX:
                break
        return resting

    def true_positions(self, home_px: npt.ArrayLike) -> FloatArray:
        """(T, P, 2) true positions of the material points that rest at `home_px`."""
        home = np.asarray(home_px, dtype=np.float64)
        return np.stack([home + self.displacement_px(home, i) for i in range(self.n_frames)])

    def ideal_track(
        self, home_px: npt.ArrayLike, mesh: Mesh, *, mesh_rigidity: float, relaxation: float
    ) -> FloatArray:
        """(T, P, 2) track that a perfect flow gives under the tracker's own mesh and relaxation."""
        home = np.asarray(home_px, dtype=np.float64)
        rest_offsets = mesh_offsets(home, mesh.neighbors)
        points, track = home.copy(), np.empty((self.n_frames, *home.shape))
        for index in range(self.n_frames):
            if index:
                resting = self.resting_px(points, index - 1)
                points = resting + self.displacement_px(resting, index)
            points -= (mesh_offsets(points, mesh.neighbors) - rest_offsets) * mesh_rigidity
            points -= (points - home) * relaxation
            track[index] = points
        return track

    def bar_px(self, index: int) -> tuple[float, float]:
        """Left and right edge of the bar in frame `index`; outside the frame where there is none."""
        width = 0.14 * self.width_px
        phase = (index / self.n_frames - 0.3) / 0.3
        left = -width + phase * (self.width_px + width) if self.with_bar else -2 * width
        return left, left + width

    def hidden(self, positions_px: FloatArray) -> npt.NDArray[np.bool_]:
        """(T, P) true where the bar covers one of the positions (T, P, 2), or the light is off."""
        edges = np.array([self.bar_px(i) for i in range(self.n_frames)])
        x = positions_px[..., 0]
        hidden: npt.NDArray[np.bool_] = (x > edges[:, :1]) & (x < edges[:, 1:])
        if self.off_frames is not None:
            hidden[slice(*self.off_frames)] = True
        return hidden

    def placed_rois(self) -> tuple[Rois, PlacedRois]:
        """Seed points in an ellipse, everything outside a somewhat larger one is hidden."""
        size = np.array([self.width_px, self.height_px])
        turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        circle = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
        rois = Rois(
            seed_polygons=(size / 2 + circle * size * 0.33,),
            mask_polygons=(size / 2 + circle * size * 0.42,),
        )
        placed = place_rois(
            rois, height_px=self.height_px, width_px=self.width_px, spacing_px=self.spacing_px
        )
        return rois, placed


class Surface:
    """Makes the frames of one scene, in order (the noise is a stream)."""

    def __init__(self, scene: PlantedScene) -> None:
        import torch

        self._scene = scene
        self._rng = np.random.default_rng(scene.seed)
        size = (scene.height_px + 2 * MARGIN_PX, scene.width_px + 2 * MARGIN_PX)
        texture = fur_texture(size, self._rng)
        self._texture = torch.as_tensor(texture)[None, None]
        bar = fur_texture((scene.height_px, scene.width_px), self._rng)
        self._bar = 0.45 * bar[::OVERSAMPLING, ::OVERSAMPLING]
        x, y = np.meshgrid(np.arange(scene.width_px), np.arange(scene.height_px))
        self._grid = np.stack([x, y], axis=-1).astype(np.float64)

    def frames(self) -> Iterator[Frame]:
        """Yield every frame (H, W) of the scene."""
        for index in range(self._scene.n_frames):
            yield self._frame(index)

    def _frame(self, index: int) -> Frame:
        scene = self._scene
        picture = self._sample(scene.resting_px(self._grid, index))
        left, right = scene.bar_px(index)
        opacity = np.clip(self._grid[0, :, 0] - left + 0.5, 0, 1)
        opacity = opacity * np.clip(right - self._grid[0, :, 0] + 0.5, 0, 1)
        picture += opacity * (self._bar - picture)
        picture *= scene.light_of(index)
        picture += scene.noise_sd * self._rng.standard_normal(picture.shape)
        if scene.codec == "ffv1-16":
            deep = DEEP_BASE + DEEP_LEVELS_PER_GRAY * picture
            return np.clip(np.rint(deep), 0, 65535).astype(np.uint16)
        return np.clip(np.rint(picture), 0, 255).astype(np.uint8)

    def _sample(self, positions_px: FloatArray) -> FloatArray:
        """Gray levels of the resting surface at (H, W, 2) positions."""
        import torch

        height, width = self._texture.shape[-2:]
        pixels = (positions_px + MARGIN_PX) * OVERSAMPLING + (OVERSAMPLING - 1) / 2
        normalised = pixels / ((np.array([width, height]) - 1) / 2) - 1
        grid = torch.as_tensor(normalised.astype(np.float32))[None]
        sampled = torch.nn.functional.grid_sample(
            self._texture, grid, mode="bicubic", padding_mode="border", align_corners=True
        )
        return sampled[0, 0].numpy().astype(np.float64)


def fur_texture(size_px: tuple[int, int], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Random texture, `OVERSAMPLING` times (height, width), without detail that a frame cannot hold.

    Its spectrum falls with frequency as that of fur does and ends, smoothly, at 0.28 cycles a pixel
    of the frame; gray levels have mean 110 and standard deviation 32.
    """
    shape = (size_px[0] * OVERSAMPLING, size_px[1] * OVERSAMPLING)
    frequency = np.hypot(
        np.fft.fftfreq(shape[0], 1 / OVERSAMPLING)[:, None],
        np.fft.rfftfreq(shape[1], 1 / OVERSAMPLING)[None],
    )
    gain = np.exp(-((frequency / 0.2) ** 4)) / (frequency + 0.03)
    gain[0, 0] = 0
    texture = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(shape)) * gain, s=shape)
    return (110 + 32 * texture / texture.std()).astype(np.float32)


def scene_files(scene: PlantedScene) -> tuple[Path, Path]:
    """Return the scene's video and its ``ROIs.h5``, made where they are missing."""
    directory = CACHE_DIR / "scenes"
    directory.mkdir(parents=True, exist_ok=True)
    video, rois_path = directory / f"{scene.key}.mkv", directory / f"{scene.key}.ROIs.h5"
    if not video.exists():
        times = None if scene.timing == "steady" else map(scene.time_s, range(scene.n_frames))
        frames = Surface(scene).frames()
        encode(video, frames, scene.frame_rate_hz, scene.codec, times_s=times)
    if not rois_path.exists():
        rois, placed = scene.placed_rois()
        image = np.zeros((scene.height_px, scene.width_px, 3), np.uint8)
        with atomic_h5(rois_path) as file:
            write_rois(file, rois, placed, image)
    return video, rois_path


def encode(
    path: Path,
    frames: Iterator[Frame],
    frame_rate_hz: float,
    codec: str,
    *,
    times_s: Iterable[float] | None = None,
) -> None:
    """Write gray frames as Matroska (`PlantedScene.codec`); the file appears whole or not at all.

    `times_s` are the time stamps; None takes those of the frame rate.
    """
    import av

    clock = None if times_s is None else iter(times_s)
    with atomic_path(path) as partial, av.open(str(partial), "w", format="matroska") as container:
        stream: Any = None
        for frame in frames:
            if stream is None:
                stream = _add_stream(container, frame.shape, frame_rate_hz, codec)
                if clock is not None:
                    stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
            deep = frame.dtype == np.uint16
            image = av.VideoFrame.from_ndarray(frame, format="gray16le" if deep else "gray")
            shown = image.reformat(format=stream.pix_fmt)
            if clock is not None:
                shown.pts, shown.time_base = round(1000 * next(clock)), Fraction(1, 1000)
            container.mux(stream.encode(shown))
        container.mux(stream.encode())


def _add_stream(container: Any, shape: tuple[int, ...], frame_rate_hz: float, codec: str) -> Any:
    name, _, how = codec.partition("-")
    stream = container.add_stream({"h264": "libx264"}.get(name, name), rate=round(frame_rate_hz))
    stream.height, stream.width = shape
    if name == "h264":
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": how, "preset": "medium"}
    else:
        stream.pix_fmt = "gray16le" if how == "16" else "gray"
    return stream


def movement(
    frequency_hz: float,
    amplitude_px: float,
    *,
    direction: tuple[float, float] = (0.8, 0.6),
    center_px: tuple[float, float] = (160.0, 120.0),
    sigma_px: tuple[float, float] = (70.0, 55.0),
    active_s: tuple[tuple[float, float], ...] = ((-1.0, 1e6),),
) -> Source:
    """Return a sine movement of a smooth patch of the surface."""
    return Source(
        name=f"{frequency_hz:g} Hz",
        frequency_hz=frequency_hz,
        amplitude_px=amplitude_px,
        direction=direction,
        region=Region(center_px, sigma_px),
        active_intervals_s=active_s,
        ramp_s=0.25,
    )
