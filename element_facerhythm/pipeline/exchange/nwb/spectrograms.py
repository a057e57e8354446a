"""Spectrograms as `DecompositionSeries`: means over the points of each region, and the whole tensor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pynwb.core import DynamicTableRegion
from pynwb.misc import DecompositionSeries, FrequencyBandsTable

from element_facerhythm.io.lazy import LazyArray
from element_facerhythm.pipeline.exchange.nwb.contents import PREFIX, Contents, table
from element_facerhythm.pipeline.exchange.nwb.streams import BLOCK_BYTES, blocks

_DIRECTIONS = ("x", "y")
_WINDOWS_OF_CHUNK, _POINTS_OF_CHUNK = 256, 16
_UNIT = "n.a."


def add_spectrograms(contents: Contents, with_tensor: bool) -> None:
    """Add the mean spectrogram of each region and direction and, if wanted, that of every point.

    Parameters
    ----------
    contents
        What they are added to.
    with_tensor
        Whether every point is written as well.
    """
    _add_means(contents)
    if with_tensor:
        _add_tensor(contents)


def _add_means(contents: Contents) -> None:
    project, clock = contents.project, contents.clock
    n_videos, regions = len(project.video_keys), contents.regions
    channels = table(
        f"{PREFIX}SpectrogramChannels",
        f"Channels of {PREFIX}MeanSpectrogram: a region and a direction of motion each.",
        {
            "region": ("region of the points that are averaged", [r.name for r in regions for _ in "xy"]),
            "direction": ("direction of motion: x to the right, y down", list(_DIRECTIONS) * len(regions)),
            "n_points": ("points that are averaged",
                         np.array([len(r.points) for r in regions for _ in "xy"])),
        },
    )  # fmt: skip
    n_channels = len(_DIRECTIONS) * len(regions)
    shape = (_n_windows(contents), n_channels, len(project.frequencies_hz))
    stored = contents.streams.lay_out(shape, np.float32)
    contents.made.append(channels)
    contents.made.append(
        _series(
            contents,
            "MeanSpectrogram",
            stored,
            "amplitude",
            DynamicTableRegion(
                name="source_channels",
                data=list(range(n_channels)),
                description="region and direction of each channel",
                table=channels,
            ),
            "magnitude of the variable-Q transform of the displacements, normalised, mean over the points "
            "of a region; (windows, channels, bands)",
        )
    )

    def fill() -> None:
        for video in range(n_videos):
            place = clock.part(clock.n_windows, video)
            sums = _sums(project.spectrogram(video), [r.points for r in regions])
            means = sums / np.array([len(r.points) for r in regions])[:, None, None, None]
            stored.dataset[place] = means.reshape(n_channels, *means.shape[2:]).transpose(2, 0, 1)

    contents.streams.then(fill)


def _sums(spectrogram: LazyArray, groups: list[NDArray[np.intp]]) -> NDArray[np.float64]:
    """(G, 2, F, W) sums of magnitudes over groups of points."""
    _, n_points, n_bands, n_windows = spectrogram.shape
    sums = np.zeros((len(groups), len(_DIRECTIONS), n_bands, n_windows))
    for part in blocks(n_points, 2 * n_bands * n_windows * spectrogram.dtype.itemsize):
        magnitudes = np.abs(spectrogram[:, part])
        for g, points in enumerate(groups):
            own = points[(points >= part.start) & (points < part.stop)] - part.start
            sums[g] += magnitudes[:, own].sum(axis=1, dtype=np.float64)
    return sums


def _add_tensor(contents: Contents) -> None:
    """Add every point; of complex numbers the phases as a series of their own."""
    project, clock = contents.project, contents.clock
    n_points, n_bands = len(project.point_positions), len(project.frequencies_hz)
    shape = (_n_windows(contents), 2 * n_points, n_bands)
    is_complex = any(
        project.spectrogram(i).dtype.kind == "c" for i in range(len(project.video_keys))
    )
    names = {"amplitude": "Spectrogram", **({"phase": "SpectrogramPhase"} if is_complex else {})}
    # blocks of points are whole chunks, which are then compressed once
    fitting = BLOCK_BYTES // (n_bands * max(clock.n_windows) * 8)
    of_chunk = max(1, min(n_points, fitting, _POINTS_OF_CHUNK))
    together = max(of_chunk, fitting // of_chunk * of_chunk)
    chunks = (min(shape[0], _WINDOWS_OF_CHUNK), of_chunk, n_bands)
    channels = table(
        f"{PREFIX}SpectrogramPoints",
        f"Channels of {PREFIX}Spectrogram: x of every point, then y of every point.",
        {
            "point": (f"row of {PREFIX}PointTable", np.tile(np.arange(n_points), 2)),
            "direction": ("direction of motion: x to the right, y down",
                          [d for d in _DIRECTIONS for _ in range(n_points)]),
        },
    )  # fmt: skip
    contents.made.append(channels)
    for metric, name in names.items():
        stored = contents.streams.lay_out(shape, np.float32, chunks)
        region = DynamicTableRegion(
            name="source_channels",
            data=list(range(2 * n_points)),
            description="point and direction of each channel",
            table=channels,
        )
        what = f"{metric} of the variable-Q transform of every point; (windows, channels, bands)"
        contents.made.append(_series(contents, name, stored, metric, region, what))

        def fill(metric: str = metric, stored: object = stored) -> None:
            of_numbers = np.abs if metric == "amplitude" else np.angle
            for video in range(len(project.video_keys)):
                place, source = clock.part(clock.n_windows, video), project.spectrogram(video)
                for direction in range(2):
                    for start in range(0, n_points, together):
                        points = slice(start, min(start + together, n_points))
                        columns = slice(
                            direction * n_points + points.start, direction * n_points + points.stop
                        )
                        values = of_numbers(source[direction, points])  # (points, F, W)
                        stored.dataset[place, columns] = values.transpose(2, 0, 1)  # type: ignore[attr-defined]

        contents.streams.then(fill)


def _series(
    contents: Contents, name: str, stored: object, metric: str, channels: object, what: str
) -> object:
    assert contents.clock.windows is not None
    made: object = contents.clock.windows.series(
        DecompositionSeries,
        name=f"{PREFIX}{name}",
        data=stored,
        metric=metric,
        unit="radians" if metric == "phase" else _UNIT,
        bands=_bands(contents.project.frequencies_hz),
        source_channels=channels,
        description=f"{what}. The time of a window is that of its centre.",
    )
    return made


def _bands(frequencies_hz: NDArray[np.float32]) -> FrequencyBandsTable:
    """Bands around the centre frequencies, each to half way (of ratios) to its neighbours."""
    centres = frequencies_hz.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = np.sqrt(centres[1:] * centres[:-1])
    low = np.concatenate([centres[:1], between])
    high = np.concatenate([between, centres[-1:]])
    bands = FrequencyBandsTable()
    for centre, *limits in zip(centres, low, high, strict=True):
        bands.add_band(band_name=f"{centre:.4g} Hz", band_limits=limits, band_mean=float(centre))
    return bands


def _n_windows(contents: Contents) -> int:
    return sum(contents.clock.n_windows)
