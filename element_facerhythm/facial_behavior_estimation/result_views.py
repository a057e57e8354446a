"""Views of a result: time courses, maps, spectra and figures, wherever the numbers are kept."""

from typing import TYPE_CHECKING, Any

import numpy as np

from element_facerhythm.core.decomposition.factors import Factors, split_by_video
from element_facerhythm.core.decomposition.loadings import (
    SpatialMaps,
    Spectra,
    TimeCourse,
    VideoWindows,
    spatial_maps,
    spectra,
    time_courses,
)
from element_facerhythm.core.gaps import pause_breaks
from element_facerhythm.curation.changes import DECOMPOSITION
from element_facerhythm.database.keys import key_text, restriction_of
from element_facerhythm.errors import RequestError
from element_facerhythm.facial_behavior_estimation.processing import FaceRhythmProcessing
from element_facerhythm.facial_behavior_estimation.recording import Key
from element_facerhythm.facial_behavior_estimation.run_directory import present_run
from element_facerhythm.facial_behavior_estimation.schema import schema
from element_facerhythm.io.stored_factors import chosen_windows, video_order
from element_facerhythm.linking import active_link
from element_facerhythm.pipeline.records import IMAGINARY, REAL

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr
    from matplotlib.figure import Figure

    from element_facerhythm.keypoints.nwb_export import NwbFacts
    from element_facerhythm.pipeline.exchange.datasets import What
    from element_facerhythm.pipeline.exchange.nwb.session import NwbOptions, WrittenSession

UNDECIDED = {
    "component_verdict": "undecided",
    "component_name": "",
    "component_note": "",
    "merged_into": None,
    "curator": None,
    "curated_time": None,
}
"""Columns of a component that nobody decided anything about."""


class ResultViews:
    """Methods of `FacialRhythm` that gather the rows of its parts."""

    @classmethod
    def time_courses(cls, key: Key, model_key: str = "0") -> tuple[TimeCourse, ...]:
        """Return the time courses of all components of a model, by component and video.

        Read from the rows alone, whether the model is of the whole recording or of one video, and whether
        its axis of time was split by video or not.

        Parameters
        ----------
        key
            Restriction to one result.
        model_key
            Which of its decompositions.

        Returns
        -------
        One `TimeCourse` for each component in each video that the model is of: `times_s` and `loadings`,
        with NaN where the recording paused.

        Raises
        ------
        RequestError
            The key is that of no result or of several, there is no such model, or it has no axis of time.
        """
        result = _one_result(cls, key)
        factors = _stored_factors(cls, result, model_key)
        lengths = (cls & result).fetch1("n_points", "n_frequencies")  # type: ignore[operator]
        return time_courses(factors, _fitted_windows(cls, result), *map(int, lengths))

    @classmethod
    def spatial_maps(cls, key: Key, model_key: str = "0") -> SpatialMaps:
        """Return the maps of all components of a model: how strongly each point moves along x and along y.

        Parameters
        ----------
        key, model_key
            As of `time_courses`.

        Returns
        -------
        `SpatialMaps`: `x_px` and `y_px` (P,), and `loadings` by direction, each (R, P).

        Raises
        ------
        RequestError
            As of `time_courses`; or it has no axis of points.
        """
        result = _one_result(cls, key)
        factors = _stored_factors(cls, result, model_key)
        places = (cls.Point & result).to_arrays("x_px", "y_px", order_by="point_index")  # type: ignore[attr-defined]
        n_frequencies = (cls & result).fetch1("n_frequencies")  # type: ignore[operator]
        return spatial_maps(factors, np.stack(places, axis=1), int(n_frequencies))

    @classmethod
    def spectra(cls, key: Key, model_key: str = "0") -> Spectra:
        """Return the spectra of all components of a model: how strong each is at each frequency.

        Parameters
        ----------
        key, model_key
            As of `time_courses`.

        Returns
        -------
        `Spectra`: `frequencies_hz` (F,) and `loadings` (R, F).

        Raises
        ------
        RequestError
            As of `time_courses`; or it has no axis of frequencies.
        """
        result = _one_result(cls, key)
        factors = _stored_factors(cls, result, model_key)
        frequencies_hz = (cls.Frequency & result).to_arrays(  # type: ignore[attr-defined]
            "frequency_hz", order_by="frequency_index"
        )
        n_points = (cls & result).fetch1("n_points")  # type: ignore[operator]
        return spectra(factors, frequencies_hz, int(n_points))

    @classmethod
    def figure(cls, key: Key, name: str = "components") -> "Figure":
        """Draw a figure of a result from its project directory, read from the store where it is not here.

        Parameters
        ----------
        key
            Restriction to one result.
        name
            ``rois``, ``displacements``, ``violations``, ``spectrogram``, ``components`` or ``cycles``; of a
            result with a model of each video also ``components_<model_key>`` and ``cycles_<model_key>``.

        Returns
        -------
        A matplotlib figure without a window: a notebook shows it, `savefig` writes it.

        Raises
        ------
        RequestError
            The key is that of no result or of several, there is no such figure, or the files are not what
            was entered.
        """
        from element_facerhythm.figures import draw_figure
        from element_facerhythm.io.project import Project

        result = _one_result(cls, key)
        directory = present_run(result)
        return draw_figure(Project.open(directory, active_link().search_dirs()), name)

    @classmethod
    def to_xarray(cls, key: Key, what: "What" = "points") -> "xr.Dataset":
        """Return a result as a dataset of xarray, from its project directory as `figure` reads it.

        Parameters
        ----------
        key
            Restriction to one result.
        what
            ``points``, ``spectrograms``, ``factors`` or ``signals``; see
            `pipeline.exchange.datasets.to_xarray`.

        Returns
        -------
        Large arrays stay in the files until a part of them is asked for; the attribute `key` says of which
        row it is.

        Raises
        ------
        RequestError
            The key is that of no result or of several, there is no such dataset, or the files are not what
            was entered.
        ConfigurationError
            xarray is not installed.
        """
        return dataset_of_result(cls, key, what)

    @classmethod
    def write_nwb(
        cls,
        key: Key,
        output: "Path",
        facts: "NwbFacts | None" = None,
        options: "NwbOptions | None" = None,
    ) -> "WrittenSession":
        """Write everything of a result into an NWB file of its session, or add it to one that is there.

        Parameters
        ----------
        key
            Restriction to one result.
        output
            The file, or a directory, in which it is named by subject and session.
        facts
            What the database does not know, such as the species, or another word for it; subject, session,
            start and camera are those of the database.
        options
            What is written; with keypoints as of `KeypointInference.fetch_all_predictions`.

        Raises
        ------
        RequestError
            The key is that of no result or of several, or as of `write_session`.
        """
        from element_facerhythm.facial_behavior_estimation.session_file import write_session_of_run

        return write_session_of_run(_one_result(cls, key), output, facts, options)

    @classmethod
    def curated_components(cls, key: Key) -> list[dict[str, Any]]:
        """Return components with what people decided about them.

        Parameters
        ----------
        key
            Restriction, with at least one column of the primary key; of many results as well.

        Returns
        -------
        Rows of `FacialRhythm.Component`, each with `component_verdict`, `component_name`, `component_note`,
        `merged_into`, `curator` and `curated_time` of `ComponentCuration`. Where nobody decided anything
        about this component of this fit, the verdict is ``undecided``, and the last three are None.

        Raises
        ------
        RequestError
            The key has no column of the primary key.
        """
        given = restriction_of(cls, key)
        decided = _decisions(given)
        names = [*cls.primary_key, "model_key", "component_index"]  # type: ignore[attr-defined]
        rows = (cls.Component & given).to_dicts(order_by="KEY")  # type: ignore[attr-defined]
        return [
            {**row, **decided.get(tuple(row[name] for name in names), UNDECIDED)} for row in rows
        ]


def _decisions(given: Key) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return what holds of components, by their keys: of each the last row about the fit that is there."""
    curation = schema.table("ComponentCuration")
    products = FaceRhythmProcessing.Product() & given & {"product": DECOMPOSITION}
    task = FaceRhythmProcessing.primary_key
    present = {
        tuple(row[name] for name in task): row["product_sha256"]
        for row in products.proj("product_sha256").to_dicts()
    }
    own = {name: value for name, value in given.items() if name in task}
    changes = curation.Component * curation.proj("curator", "curated_time", "curated_sha256") & own
    decided = {}
    for row in changes.to_dicts(order_by="curation_revision"):
        result = tuple(row[name] for name in task)
        if present.get(result) == row["curated_sha256"]:
            component = (*result, row["curated_model_key"], row["curated_component"])
            decided[component] = {name: row[name] for name in UNDECIDED}
    return decided


def dataset_of_result(table: Any, key: Key, what: "What") -> "xr.Dataset":
    """Dataset of one entry of a table of results, read from its project directory.

    Parameters
    ----------
    table
        Of which the key restricts the entries.
    key, what
        As of `ResultViews.to_xarray`.
    """
    from element_facerhythm.io.project import Project
    from element_facerhythm.pipeline.exchange.datasets import to_xarray

    run = _one_result(table, key)
    project = Project.open(present_run(run), active_link().search_dirs())
    return to_xarray(project, what).assign_attrs(key=key_text(run))


def _one_result(table: Any, key: Any) -> Key:
    """Primary key of the one row that a key, or a part of one, leaves.

    Raises
    ------
    RequestError
        It leaves none, or several, or names no column of the primary key.
    """
    given = restriction_of(table, key)
    rows = (table & given).proj().to_dicts(limit=2)
    if len(rows) == 1:
        return dict(rows[0])
    asked = f"{table.__name__} & {given}"
    if not rows:
        raise RequestError(
            f"{asked} is no result: nothing with this key was populated. `facerhythm status` shows what was"
        )
    open_names = [name for name in table.primary_key if name not in given]
    raise RequestError(
        f"{asked} is {len(table & given)} results; expected the key of one, which names "
        f"{', '.join(open_names) or ', '.join(table.primary_key)} as well"
    )


def _stored_factors(table: Any, result: Key, model_key: str) -> Factors:
    """Factors of one model of a result, put together from its rows.

    Raises
    ------
    RequestError
        There is no such model.
    """
    keys = list((table.Decomposition & result).to_arrays("model_key", order_by="model_key"))
    if model_key not in keys:
        raise RequestError(
            f"{table.__name__} {key_text(result)} has no model {model_key!r}; expected one of "
            f"{', '.join(keys)}"
        )
    of_model = {**result, "model_key": model_key}
    videos = (table.Video & result).to_arrays("video_index", order_by="video_index")
    layout = (FaceRhythmProcessing() & result).fetch1("layout")
    of_videos = sorted(keys, key=lambda name: (len(name), name))  # numbers
    is_of_one = len(keys) == len(videos)
    own = of_videos.index(model_key) if is_of_one else None
    windows = {own.video_index: len(own.times_s) for own in _fitted_windows(table, result)}
    order = video_order(len(videos), is_ours=layout.startswith("element-facerhythm"))
    factors = split_by_video(
        _joined((table.ComponentFactor & of_model), "dimension", "loadings"),
        windows,
        order,
        own_video=own,
    )
    by_video = {video: dict(of_video) for video, of_video in factors.by_video.items()}
    for video in videos:
        rows = table.ComponentVideoFactor & of_model & {"video_index": video}
        of_video = _joined(rows, "video_dimension", "video_loadings")
        if of_video:
            by_video.setdefault(int(video), {}).update(of_video)
    return Factors(factors.shared, by_video, order)


def _joined(rows: Any, dimension: str, loadings: str) -> dict[str, np.ndarray]:
    """(n, R) loadings by dimension, real and imaginary parts together; the last two name the columns."""
    columns: dict[str, list[np.ndarray]] = {}
    for row in rows.to_dicts(order_by="component_index"):
        columns.setdefault(row[dimension], []).append(row[loadings])
    found = {name: np.stack(values, axis=1) for name, values in columns.items()}
    for name in [name for name in found if name.endswith(REAL)]:
        whole = name.removesuffix(REAL)
        found[whole] = found.pop(name) + 1j * found.pop(f"{whole}{IMAGINARY}")
    return found


def _fitted_windows(table: Any, result: Key) -> tuple[VideoWindows, ...]:
    """Windows of each video that the models of a result were fitted to, with the pauses of the recording."""
    columns = ("video_index", "video_n_gaps", "window_times_s", "window_centres")
    rows = (table.Video & result).proj(*columns).to_dicts(order_by="video_index")
    rate_hz = (table & result).fetch1("analysis_frame_rate_hz")
    windows = []
    for row in rows:
        times_s = np.atleast_1d(row["window_times_s"])
        breaks = pause_breaks(times_s, int(row["video_n_gaps"]), rate_hz)
        centres = np.atleast_1d(row["window_centres"])
        windows.append(VideoWindows(int(row["video_index"]), times_s, centres, breaks))
    parameters = (FaceRhythmProcessing() & result).fetch1("run_parameters")
    return chosen_windows(windows, (parameters or {}).get("TCA", {}).get("rearrange_data"))
