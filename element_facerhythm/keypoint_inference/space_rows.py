"""Rows of the parts of `Keypoint3D`, made of a record."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from element_facerhythm.facial_behavior_estimation.array_codec import ArrayReference
from element_facerhythm.facial_behavior_estimation.product_files import object_of

if TYPE_CHECKING:
    from element_facerhythm.keypoint_inference.space_run import SpaceRecord

_COLUMNS = {
    "x_space": "x",
    "y_space": "y",
    "z_space": "z",
    "reprojection_px": "error",
    "n_views": "ncams",
    "space_likelihood": "likelihood",
}
"""Columns of arrays, and the datasets of the file that they are."""


def view_rows(record: "SpaceRecord") -> Iterator[dict[str, Any]]:
    """Yield the rows of `Keypoint3D.View`, without the key of the result."""
    for view in record.views:
        yield {
            "view_recording_id": view.recording_id,
            "n_matched_frames": view.n_matched_frames,
            "median_apart_s": view.median_apart_s,
            "view_error_px": view.error_px,
            "used_fraction": view.used_fraction,
        }


def position_rows(record: "SpaceRecord", file_path: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of `Keypoint3D.Position`, without the key of the result.

    Parameters
    ----------
    record
        The result.
    file_path
        Its file, relative to the data directories.
    """
    shape, sha256 = (record.n_frames,), record.product.sha256
    for point in record.points:
        group = record.tracks[point.individual, point.body_part]
        arrays = {
            column: ArrayReference(
                file_path,
                f"{group}/{dataset}",
                shape,
                record.dtype,
                sha256,
                object=object_of(sha256),
            )
            for column, dataset in _COLUMNS.items()
        }
        yield {
            "body_part": point.body_part,
            "space_individual": point.individual,
            **arrays,
            "mean_reprojection_px": point.mean_error_px,
            "found_fraction": point.found_fraction,
            "mean_views": point.mean_views,
            "median_likelihood": point.median_likelihood,
        }
