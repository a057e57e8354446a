"""Rows of the parts of `KeypointInference`, made of a record."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from element_facerhythm.facial_behavior_estimation.array_codec import ArrayReference
from element_facerhythm.facial_behavior_estimation.product_files import object_of
from element_facerhythm.keypoints.product import member_name

if TYPE_CHECKING:
    from element_facerhythm.pipeline.keypoint_records import KeypointRecord


def track_rows(record: "KeypointRecord", file_path: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of `KeypointInference.BodyPartPosition` for a record, without their key.

    Parameters
    ----------
    record
        The run.
    file_path
        File of its tracks, relative to the data directories.
    """
    for track in record.statistics:
        group = record.tracks[track.individual, track.body_part]
        in_space = record.n_dimensions == 3
        yield {
            "body_part": track.body_part,
            "individual": track.individual,
            "individual_index": record.individuals.index(track.individual),
            "x_pos": _reference(record, file_path, group, "x"),
            "y_pos": _reference(record, file_path, group, "y"),
            "z_pos": _reference(record, file_path, group, "z") if in_space else None,
            "likelihood": _reference(record, file_path, group, "likelihood"),
            "mean_likelihood": track.mean_likelihood,
            "confident_fraction": track.confident_fraction,
            "median_speed_px_s": track.median_speed_px_s,
            "missing_fraction": track.missing_fraction,
        }


def variable_rows(record: "KeypointRecord", file_path: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of `KeypointInference.Variable` for a record, without their key.

    Parameters
    ----------
    record, file_path
        As of `track_rows`.
    """
    for (individual, body_part), group in record.tracks.items():
        for index, name in enumerate(record.variables):
            yield {
                "body_part": body_part,
                "individual": individual,
                "variable": name,
                "variable_index": index,
                "variable_values": _reference(record, file_path, group, member_name(name)),
            }


def _reference(record: "KeypointRecord", file_path: str, group: str, column: str) -> ArrayReference:
    shape, sha256 = (record.n_frames,), record.product.sha256
    return ArrayReference(
        file_path, f"{group}/{column}", shape, record.dtype, sha256, object=object_of(sha256)
    )
