"""Rows of `FacialSignal` and of its parts, made of a summary."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from element_facerhythm.facial_behavior_estimation.rows import (
    Places,
    Product,
    finite_or_null,
    reference_to,
)

if TYPE_CHECKING:
    from element_facerhythm.pipeline.records import ArrayRef
    from element_facerhythm.pipeline.results.signal_summary import (
        RegionSummary,
        SignalSummary,
        Spread,
        SvdSummary,
    )

_MAX_NAME = 64


def signal_totals(summary: "SignalSummary") -> dict[str, Any]:
    """Quantities of the whole recording, which are columns of `FacialSignal` itself."""
    return {
        "signal_source": summary.stored.source[:_MAX_NAME],
        "n_signal_frames": summary.n_frames,
        "n_signal_regions": len(summary.regions),
        "signal_notes": list(summary.notes),
    }


def signal_part_rows(
    summary: "SignalSummary", products: tuple[Product, ...]
) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    """Yield the name of each part of `FacialSignal` with its rows, in the order in which they are entered.

    Parameters
    ----------
    summary
        The signals in numbers.
    products
        Where the products of the project lie, for the columns that refer to them.
    """
    places = {name: (path, sha256) for name, path, sha256 in products}
    regions = summary.regions
    yield "Region", (_region_row(region, places) for region in regions)
    for part, decomposition, names in (
        ("MotionSVD", "motion_svd", ("component_id", "", "motmask", "projection")),
        (
            "MovieSVD",
            "movie_svd",
            ("movie_component_id", "movie_", "movmask", "movie_projection"),
        ),
    ):
        yield (
            part,
            (
                {"roi_no": region.stored.index, **row}
                for region in regions
                if decomposition in region.svd
                for row in _component_rows(region.svd[decomposition], places, names)
            ),
        )
    yield "Summary", _summary_rows(summary, places)
    for part, kind, row_of in (
        ("Pupil", "pupil", _pupil_row),
        ("Blink", "blink", _blink_row),
        ("Running", "running", _running_row),
    ):
        yield (
            part,
            (
                {"roi_no": region.stored.index, **row_of(region, places, summary.n_frames)}
                for region in regions
                if region.stored.kind == kind
            ),
        )


def _region_row(region: "RegionSummary", places: Places) -> dict[str, Any]:
    stored, trace = region.stored, region.trace if region.stored.kind == "motion" else None
    edges = {
        name: list(stored.edges[place]) if place in stored.edges else None
        for name, place in (
            ("xrange", "x_range"),
            ("yrange", "y_range"),
            ("xrange_bin", "x_range_bin"),
            ("yrange_bin", "y_range_bin"),
        )
    }
    return {
        "roi_no": stored.index,
        "region_name": stored.name[:_MAX_NAME],
        "signal_kind": stored.kind,
        "region_vertices": None if stored.polygon is None else stored.polygon.tolist(),
        **edges,
        "motion": _array(region, "motion", places),
        **_spread(trace, mean="motion_mean", sd="motion_sd", largest="motion_max"),
        "n_motion_frames": trace and trace.n_frames,
        **_svd_columns(region.svd.get("motion_svd"), "motion", places),
        **_svd_columns(region.svd.get("movie_svd"), "movie", places),
    }


def _svd_columns(svd: "SvdSummary | None", prefix: str, places: Places) -> dict[str, Any]:
    """Columns of a decomposition as a whole; NULL, all but the count, where there is none."""
    stored = None if svd is None else svd.stored
    return {
        f"{prefix}_svd_method": None if stored is None else stored.method[:_MAX_NAME],
        f"n_{prefix}_components": 0 if stored is None else stored.n_components,
        f"{prefix}_svd_error": stored and stored.relative_error,
        f"{prefix}_total_variance": stored and stored.total_variance,
        f"{prefix}_projections": _reference(None if svd is None else svd.projection, places),
        f"{prefix}_masks": _reference(None if svd is None else svd.mask, places),
    }


def _component_rows(
    svd: "SvdSummary", places: Places, names: tuple[str, str, str, str]
) -> Iterator[dict[str, Any]]:
    number, prefix, mask, projection = names
    for index in range(svd.stored.n_components):
        yield {
            number: index,
            f"{prefix}singular_value": finite_or_null(svd.stored.singular_values[index]),
            f"{prefix}share_of_variance": finite_or_null(svd.stored.share_of_variance[index]),
            mask: _entry(svd.mask, index, 0, places),
            projection: _entry(svd.projection, index, 1, places),
        }


def _entry(array: "ArrayRef | None", index: int, axis: int, places: Places) -> Any:
    """Return a reference to one component of an array; None of None."""
    if array is None:
        return None
    shape = array.shape[:axis] + array.shape[axis + 1 :]
    return reference_to(array, places, shape=shape, component_index=index, component_axis=axis)


def _summary_rows(summary: "SignalSummary", places: Places) -> Iterator[dict[str, Any]]:
    stored = summary.stored
    if stored.bin_px is not None or stored.images or stored.video_n_frames:
        yield {
            "sbin": stored.bin_px,
            "avgframe": _reference(summary.images.get("mean_frame"), places),
            "avgmotion": _reference(summary.images.get("mean_motion"), places),
            "signal_video_frames": list(stored.video_n_frames),
        }


def _pupil_row(region: "RegionSummary", places: Places, n_frames: int | None) -> dict[str, Any]:
    names = ("area", "centre", "axes", "angle", "confidence")
    trace = region.trace
    return {
        **{f"pupil_{name}": _array(region, name, places) for name in names},
        **_spread(
            trace,
            median="pupil_area_median_px2",
            smallest="pupil_area_min_px2",
            largest="pupil_area_max_px2",
        ),
        "pupil_fraction": trace.n_frames / n_frames if trace and n_frames else None,
        **_spread(region.confidence, mean="pupil_mean_confidence"),
    }


def _blink_row(region: "RegionSummary", places: Places, _: int | None) -> dict[str, Any]:
    blinks = region.blinks
    return {
        "eye_opening": _array(region, "opening", places),
        "blink_confidence": _array(region, "confidence", places),
        **_spread(region.trace, median="eye_opening_median"),
        "n_blinks": blinks and blinks.count,
        "blink_fraction": blinks and blinks.fraction,
        **_spread(region.confidence, mean="blink_mean_confidence"),
    }


def _running_row(region: "RegionSummary", places: Places, _: int | None) -> dict[str, Any]:
    trace = region.trace
    return {
        "running": _array(region, "running", places),
        **_spread(trace, mean="running_speed_mean_px", largest="running_speed_max_px"),
        "n_running_frames": trace and trace.n_frames,
    }


def _spread(spread: "Spread | None", **columns: str) -> dict[str, Any]:
    """Numbers of a trace by column: which number each holds; NULL of no trace."""
    return {column: spread and getattr(spread, name) for name, column in columns.items()}


def _array(region: "RegionSummary", name: str, places: Places) -> Any:
    return _reference(region.arrays.get(name), places)


def _reference(array: "ArrayRef | None", places: Places) -> Any:
    return None if array is None else reference_to(array, places)
