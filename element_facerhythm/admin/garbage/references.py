"""References of rows: objects of the store, and places in the processed directory."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from element_facerhythm import facial_behavior_estimation as fbe
from element_facerhythm import keypoint_inference as kpi
from element_facerhythm.errors import ConfigurationError, PathError
from element_facerhythm.facial_behavior_estimation.product_files import (
    description_name,
    schema_name,
)
from element_facerhythm.facial_behavior_estimation.task_directories import directories_of
from element_facerhythm.linking import active_link, resolve_new_path
from element_facerhythm.storage.object_store import product_name


@dataclass(frozen=True)
class References:
    """Names of objects, and absolute places; a place protects all that is above and below it."""

    objects: frozenset[str]
    places: frozenset[Path]

    @cached_property
    def above(self) -> frozenset[Path]:
        """Directories that hold a place."""
        return frozenset(parent for place in self.places for parent in place.parents)

    def name(self, directory: Path) -> bool:
        """Return whether a row refers to a directory, to something in it, or to one that holds it."""
        return directory in self.above or not self.places.isdisjoint(
            (directory, *directory.parents)
        )


def check_database(n_referenced: int, found: str) -> None:
    """Refuse to delete where no row refers to anything that was found, as in the wrong database.

    Parameters
    ----------
    n_referenced
        How many of those found rows refer to.
    found
        What was found, in the plural, for the message.

    Raises
    ------
    ConfigurationError
        There are none.
    """
    if n_referenced == 0:
        raise ConfigurationError(
            f"no row of this database refers to any of the {found}: is this the right database (DJ_HOST, "
            "FACERHYTHM_DB_PREFIX)? If all is to go, say --all"
        )


def read_references() -> References:
    """Read all references, in one transaction."""
    connection = fbe.schema.connection
    with connection.transaction:
        objects = frozenset(_objects())
        relative = set(_relative_places())
    return References(objects, frozenset(_places(relative)))


def _objects() -> Iterator[str]:
    by_run: dict[tuple[object, ...], list[str]] = {}
    products = fbe.FaceRhythmProcessing.Product
    keys = fbe.FaceRhythmProcessing.primary_key
    for row in products().proj("product_sha256").to_dicts():
        by_run.setdefault(tuple(row[name] for name in keys), []).append(row["product_sha256"])
        yield product_name(schema_name(), row["product_sha256"])
    for digests in by_run.values():
        yield description_name(digests)
    of_keypoints = kpi.KeypointInference.to_arrays("keypoints_sha256")
    for sha256 in (*of_keypoints, *kpi.Keypoint3D.to_arrays("space_sha256")):
        yield product_name(schema_name(), sha256)


def _relative_places() -> Iterator[str]:
    """Every path that a row holds, relative to the processed or to a root directory."""
    for tasks in (fbe.FaceRhythmTask, kpi.KeypointInferenceTask):
        yield from directories_of(tasks)
    for table, column in (
        (fbe.FaceRhythmProcessing, "project_dir"),
        (fbe.VideoRecording.File, "file_path"),
        (fbe.FaceRhythmProcessing.Product, "product_path"),
        (kpi.KeypointModel.File, "model_file_path"),
        (kpi.KeypointInferenceTask.File, "prediction_file_path"),
        (kpi.KeypointInference, "keypoints_path"),
        (kpi.Keypoint3D, "space_path"),
    ):
        yield from table().to_arrays(column)


def _places(relative: set[str]) -> Iterator[Path]:
    """Every place that these paths may mean; one that leads out of a directory has no place there.

    Raises
    ------
    PathError
        A place cannot be read now: it might be one that must be kept.
    """
    roots = active_link().search_dirs()
    for root in roots:
        for path in relative:
            if PurePosixPath(path) == PurePosixPath("."):
                continue  # a project in a root directory itself, which protects nothing elsewhere
            try:
                yield resolve_new_path(path, root, roots)
            except PathError as error:
                if isinstance(error.__cause__, OSError):
                    raise
