"""Results as datasets of xarray: named axes, units, seconds on the clock of the recording.

Large arrays stay in the files of the project until a part of them is asked for, so the directory must be
there as long as a dataset is used; `dataset.load()` reads all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from element_facerhythm.errors import ConfigurationError, RequestError
from element_facerhythm.io.layout import SIGNALS
from element_facerhythm.io.project import Project

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd
    import xarray as xr

What: TypeAlias = Literal["points", "spectrograms", "factors", "signals"]

PRODUCTS_OF: dict[What, tuple[str, ...]] = {
    "points": ("Dataset_videos", "ROIs", "PointTracker", "VQT_Analyzer"),
    "spectrograms": ("Dataset_videos", "ROIs", "PointTracker", "VQT_Analyzer"),
    "factors": ("Dataset_videos", "ROIs", "PointTracker", "VQT_Analyzer", "TCA"),
    "signals": (SIGNALS,),
}
"""What there are datasets of, and the products that each is read from."""

_ADVICE = 'datasets need: pip install "element-facerhythm[formats]"'


def to_xarray(project: Project | str | Path, what: What = "points") -> xr.Dataset:
    """Return results of a project as a dataset.

    Every coordinate along time is in seconds since the first frame of the recording, by the clock of its
    frames, videos end to end; `video` and `frame` say which frame of which video. NaN stays NaN.

    Parameters
    ----------
    project
        A project, or its directory, of this package or of face-rhythm.
    what
        ``"points"``: a dataset of movement's, `position` (time, space, keypoints, individuals) in pixels,
        `confidence` and `flagged` (time, keypoints, individuals), and `held` (time); `region`, `home_x`
        and `home_y` along the points. ``"spectrograms"``: `spectrogram` (space, points, frequency, time).
        ``"factors"``: `spatial_map` (model, component, space, points), `spectrum` (model, component,
        frequency), `time_course` (model, component, time), weights and measures of fit, and the loadings as
        decomposed. ``"signals"``: arrays (time, region) of each kind of region, singular vectors and masks.

    Raises
    ------
    ConfigurationError
        xarray is not installed.
    RequestError
        There is no such dataset.
    ProjectError
        It is no project, or a product is missing or damaged.
    """
    require_xarray()
    from element_facerhythm.pipeline.exchange.factors_dataset import factors_of
    from element_facerhythm.pipeline.exchange.points_dataset import points_of
    from element_facerhythm.pipeline.exchange.signals_dataset import signals_of
    from element_facerhythm.pipeline.exchange.spectrogram_dataset import spectrograms_of

    makers: Mapping[str, Callable[[Project], xr.Dataset]] = {
        "points": points_of,
        "spectrograms": spectrograms_of,
        "factors": factors_of,
        "signals": signals_of,
    }
    if what not in makers:
        raise RequestError(f"there is no dataset of {what!r}; expected one of {', '.join(makers)}")
    opened = project if isinstance(project, Project) else Project.open(project)
    opened.require(*PRODUCTS_OF[what])
    return makers[what](opened)


def all_datasets(project: Project) -> dict[str, xr.Dataset]:
    """Every dataset of a project whose products are there, by name.

    Raises
    ------
    ConfigurationError
        xarray is not installed.
    ProjectError
        There is none, or a product is damaged.
    """
    there = {product.name for product in project.products}
    found = [what for what, products in PRODUCTS_OF.items() if there.issuperset(products)]
    if not found:
        project.require(*PRODUCTS_OF["points"])
    return {what: to_xarray(project, what) for what in found}


def from_numpy(
    positions: npt.ArrayLike,
    confidence: npt.ArrayLike | None = None,
    *,
    times_s: npt.ArrayLike | None = None,
    frame_rate_hz: float | None = None,
    names: Sequence[str] | None = None,
    regions: Sequence[str] | None = None,
    source_software: str = "element-facerhythm",
) -> xr.Dataset:
    """Tracks in arrays as a dataset of points, which movement and `write_datasets` take.

    Parameters
    ----------
    positions
        (T, P, 2) or (T, P, 3), x, y (and z); NaN where a point was not seen.
    confidence
        (T, P), 0 to 1; NaN, all of it, where not given.
    times_s
        (T,) rising seconds. Without, frames are evenly spaced at `frame_rate_hz`.
    frame_rate_hz
        Frames per second; without, that of the median step of `times_s`.
    names, regions
        (P,) names of the points, and of the region of each.
    source_software
        What tracked them.

    Raises
    ------
    ConfigurationError
        xarray is not installed.
    RequestError
        Shapes do not fit, times do not rise, names stand twice, or neither times nor a rate is given.
    """
    require_xarray()
    from element_facerhythm.pipeline.exchange.points_dataset import points_from_numpy

    return points_from_numpy(
        positions, confidence, times_s=times_s, frame_rate_hz=frame_rate_hz, names=names,
        regions=regions, source_software=source_software,
    )  # fmt: skip


def from_dataframe(
    frame: pd.DataFrame,
    *,
    frame_rate_hz: float | None = None,
    source_software: str = "element-facerhythm",
) -> xr.Dataset:
    """Tracks in a table with a row for each point and frame as a dataset of points.

    Parameters
    ----------
    frame
        Columns, or levels of the index, `time` (s), `keypoints`, `x`, `y` and, if they are there, `z`,
        `confidence` and `region`. A point without a row at a time is NaN there.
    frame_rate_hz, source_software
        As of `from_numpy`.

    Raises
    ------
    ConfigurationError
        xarray is not installed.
    RequestError
        A column is missing, a point has two rows at one time, or as of `from_numpy`.
    """
    require_xarray()
    from element_facerhythm.pipeline.exchange.points_dataset import points_from_dataframe

    return points_from_dataframe(
        frame, frame_rate_hz=frame_rate_hz, source_software=source_software
    )


def require_xarray() -> None:
    """Raise `ConfigurationError` where xarray is not installed."""
    try:
        import xarray  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{error}; {_ADVICE}") from error
