"""Garbage collection of the store and of the processed directory together."""

import os
from dataclasses import dataclass
from datetime import timedelta

from element_facerhythm.admin.garbage.directories import DirectoryReport, collect_directories
from element_facerhythm.admin.garbage.objects import ObjectReport, collect_objects
from element_facerhythm.admin.garbage.references import read_references
from element_facerhythm.errors import ConfigurationError
from element_facerhythm.facial_behavior_estimation.product_files import schema_name
from element_facerhythm.linking import active_link
from element_facerhythm.storage import configured_store


@dataclass(frozen=True)
class GarbageReport:
    """What was found and removed; `objects` is None where the products are in directories alone."""

    deleted: bool
    older_than_hours: float
    objects: ObjectReport | None
    directories: DirectoryReport


def collect_garbage(
    *, older_than_hours: float = 24.0, delete: bool = False, allow_deleting_all: bool = False
) -> GarbageReport:
    """List what no row refers to, and with `delete` remove it. The tables must be activated.

    Parameters
    ----------
    older_than_hours
        Nothing younger is removed. It must be longer than a worker takes from putting a product into
        the store to entering its row; with 0, no worker may run.
    delete
        Remove what was found.
    allow_deleting_all
        Remove it also where rows refer to nothing that is there.

    Raises
    ------
    ConfigurationError
        The processed directory does not exist, or rows refer to nothing that is there.
    ProcessingError
        The store does not answer.
    """
    age = timedelta(hours=older_than_hours)
    store = configured_store()
    processed_dir = active_link().processed_dir()
    if not processed_dir.is_dir() or not os.access(processed_dir, os.W_OK):
        raise ConfigurationError(
            f"the processed data directory {processed_dir} is not there, or cannot be written; correct "
            "FACERHYTHM_PROCESSED_DATA_DIR"
        )
    options = {"delete": delete, "allow_deleting_all": allow_deleting_all}
    objects = None
    if store is not None:
        objects = collect_objects(
            store, schema_name(), lambda: read_references().objects, age, **options
        )
    directories = collect_directories(
        processed_dir, schema_name(), read_references, age.total_seconds(), **options
    )
    return GarbageReport(delete, older_than_hours, objects, directories)
