"""What rows refer to: objects of the store, and places in the processed directory."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from element_facerhythm import facial_behavior_estimation as fbe
from element_facerhythm import keypoint_inference as kpi
from element_facerhythm.errors import ConfigurationError, PathError
from element_facerhythm.facial_behavior_estimation.product_files import description_name, section
from element_facerhythm.linking import active_link, resolve_new_path
from element_facerhythm.stores.object_store import product_name


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
    """Raise ConfigurationError where rows refer to none of what was found: so the wrong database looks."""
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
    for row in products().proj("sha256").to_dicts():
        by_run.setdefault(tuple(row[name] for name in keys), []).append(row["sha256"])
        yield product_name(section(), row["sha256"])
    for digests in by_run.values():
        yield description_name(digests)
    for sha256 in kpi.KeypointInference.to_arrays("sha256"):
        yield product_name(section(), sha256)


def _relative_places() -> Iterator[str]:
    """Every path that a row holds, relative to the processed or to a root directory."""
    for tasks in (fbe.FaceRhythmTask, kpi.KeypointInferenceTask):
        for row in tasks().proj("output_dir").to_dicts():
            yield row["output_dir"] or tasks.infer_output_dir(row).as_posix()
    yield from fbe.FaceRhythmProcessing.to_arrays("output_dir")
    for table in (
        fbe.VideoRecording.File,
        fbe.FaceRhythmProcessing.Product,
        kpi.KeypointModel.File,
        kpi.KeypointInferenceTask.File,
        kpi.KeypointInference,
    ):
        yield from table().to_arrays("file_path")


def _places(relative: set[str]) -> Iterator[Path]:
    """Every place that these paths may mean; one that leads out of a directory means nothing there.

    Raises
    ------
    PathError
        A place cannot be looked at now: it might be one that must be kept.
    """
    roots = active_link().search_dirs()
    for root in roots:
        for path in relative:
            if PurePosixPath(path) == PurePosixPath("."):
                continue  # a project in a root directory itself: it says nothing of what lies elsewhere
            try:
                yield resolve_new_path(path, root, roots)
            except PathError as error:
                if isinstance(error.__cause__, OSError):
                    raise
