"""The files that rows refer to: put into the store, and checked to be unchanged when they are used."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from element_facerhythm.errors import ProjectError
from element_facerhythm.facial_behavior_estimation.schema import dj, schema
from element_facerhythm.files.digest import file_change
from element_facerhythm.files.texts import parse_json
from element_facerhythm.io.atomic import atomic_path, writing_inside
from element_facerhythm.io.content_digest import CHANGED_FILE_REMEDY
from element_facerhythm.io.data_paths import place_inside
from element_facerhythm.io.folders import OpenDirectory, write_small
from element_facerhythm.linking import active_link, expected_path, resolve_path, store_is_remote
from element_facerhythm.pipeline.run.ownership import OWNER
from element_facerhythm.storage import ObjectStore, configured_store
from element_facerhythm.storage.cache import download_verified
from element_facerhythm.storage.object_store import ROOT, product_name

if TYPE_CHECKING:
    from element_facerhythm.pipeline import ProductRecord, RunRecord

File = tuple[str, str]  # path relative to the data directories, sha256

DESCRIPTION = ("config.yaml", "run_info.json")
"""Text files of a project that are needed beside its products."""

OWN_DESCRIPTION = ("run.json",)
"""The same, of projects of this package: facts of the recording, and the limits for its results."""


def schema_name() -> str:
    """Part of the store that belongs to this database: the name of the schema."""
    return str(schema.database)


def object_of(sha256: str) -> str | None:
    """Name of the object with this content; None where the store is a directory."""
    return product_name(schema_name(), sha256) if store_is_remote(dj.config.stores) else None


def keep_project(store: ObjectStore | None, record: "RunRecord") -> None:
    """As `keep_products`, for a project directory and its description.

    Parameters
    ----------
    store
        Where they go; None where there is no object store.
    record
        The run whose project it is.

    Raises
    ------
    ConfigurationError
        The store refuses.
    ProcessingError
        The store does not answer.
    """
    keep_products(store, record.products)
    if store is not None:
        digests = [product.sha256 for product in record.products]
        _put_description(store, record.project_dir, digests)


def keep_products(store: ObjectStore | None, products: Sequence["ProductRecord"]) -> None:
    """Put products into the store; nothing happens where there is none, and they stay where they are.

    Parameters
    ----------
    store
        Where they go; None where there is no object store.
    products
        The files, each with its digest, by which its object is named.

    Raises
    ------
    ConfigurationError
        The store refuses.
    ProcessingError
        The store does not answer.
    """
    if store is not None:
        for product in products:
            store.put(product.path, product_name(schema_name(), product.sha256), product.size_bytes)


def description_name(digests: Iterable[str]) -> str:
    """Name of the object with the description of the project that has these products."""
    together = hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()
    return f"{ROOT}/{schema_name()}/projects/{together}.json"


def fetch_verified_file(path: str, sha256: str, size_bytes: int | None = None) -> Path:
    """Absolute path of a file that is still what was entered; read from the store where it is not here.

    Parameters
    ----------
    path
        As entered, relative to a data directory.
    sha256, size_bytes
        As entered; a size of None is not compared.

    Raises
    ------
    ProjectError
        It changed since.
    PathError
        It is not here, and no store is configured; or the path leads out of the data directories.
    ConfigurationError, ProcessingError
        The store refuses, does not answer, or lacks it.
    """
    place = expected_path(path, active_link().search_dirs())
    store = None if place.exists() else configured_store()
    if store is not None:
        with _writing_at(place):
            download_verified(store, product_name(schema_name(), sha256), sha256, place)
    place = resolve_path(path, active_link().search_dirs())
    change = file_change(place, sha256, size_bytes)
    if change is not None:
        raise ProjectError(f"{place} is not what was entered: {change}. {CHANGED_FILE_REMEDY}")
    return place


def present_project(output_dir: str, products: Sequence[File]) -> Path:
    """Absolute path of a project directory whose products are still what was entered.

    Where another worker computed it on a disk of its own, it is read from the store.

    Parameters
    ----------
    output_dir
        The directory, relative to the data directories.
    products
        Path (relative likewise) and SHA-256 of each product.

    Raises
    ------
    ProjectError
        A product changed since, or the store does not hold the project's description, or a damaged one.
    PathError
        Something is not here, and no store is configured; or a path leads out of the data directories.
    ConfigurationError, ProcessingError
        The store refuses, does not answer, or lacks a product.
    """
    directory = expected_path(output_dir, active_link().search_dirs())
    for path, sha256 in products:
        fetch_verified_file(path, sha256)
    if not all((directory / name).is_file() for name in DESCRIPTION):
        store = configured_store()
        if store is not None:
            _restore_description(store, directory, [sha256 for _, sha256 in products])
    return project_dir(output_dir)


def ensure_local_project(output_dir: str, products: Sequence[File]) -> Path:
    """As `present_project`; where it was computed before there was a store, it is put there.

    Parameters
    ----------
    output_dir, products
        As of `present_project`, with its errors.
    """
    directory = present_project(output_dir, products)
    store = configured_store()
    if store is not None:
        for path, sha256 in products:
            place = resolve_path(path, active_link().search_dirs())
            store.ensure(place, product_name(schema_name(), sha256), place.stat().st_size)
        digests = [sha256 for _, sha256 in products]
        if store.look(description_name(digests)) is None:
            _put_description(store, directory, digests)
    return directory


def project_dir(output_dir: str) -> Path:
    """Absolute path of a stored project directory."""
    return resolve_path(output_dir, active_link().search_dirs())


def _put_description(store: ObjectStore, directory: Path, digests: Sequence[str]) -> None:
    roots = active_link().search_dirs()
    places = {n: place_inside(directory, n, roots) for n in (*DESCRIPTION, *OWN_DESCRIPTION)}
    texts = {
        name: place.read_text("utf-8")
        for name, place in places.items()
        if name in DESCRIPTION or place.is_file()
    }
    store.put_text(description_name(digests), json.dumps(texts))


def _restore_description(store: ObjectStore, directory: Path, digests: Sequence[str]) -> None:
    name = description_name(digests)
    content = store.read(name)
    if content is None:
        raise ProjectError(
            f"{directory} is not on this machine, and the {store} does not hold it ({name}): populate where "
            "it was computed, or delete the entry of FaceRhythmProcessing and populate again"
        )
    try:
        texts = parse_json(content.decode("utf-8"))
        own = [file for file in OWN_DESCRIPTION if file in texts]
        described = {file: str(texts[file]) for file in (*DESCRIPTION, *own)}
    except (ValueError, KeyError, TypeError) as error:
        raise ProjectError(
            f"object {name} of the {store} is damaged: it does not hold {' and '.join(DESCRIPTION)}. Restore "
            "it from a backup, or populate where the project was computed"
        ) from error
    for file, text in described.items():
        with _writing_at(directory / file), atomic_path(directory / file) as temporary:
            temporary.write_text(text, "utf-8")
    _mark(directory)


@contextmanager
def _writing_at(place: Path) -> Iterator[None]:
    """Make the folder of a file, and keep what is written meanwhile below the root that holds it."""
    roots = (root.resolve() for root in active_link().search_dirs())
    root = next(root for root in roots if place.is_relative_to(root))
    root.mkdir(parents=True, exist_ok=True)
    with writing_inside(root) as held, held.folder(place.parent, make=True):
        yield


def _mark(directory: Path) -> None:
    """Record in a directory that this schema's rows refer to it, where it names no owner yet."""
    name = f"{OWNER}{schema_name()}"
    if (directory / name).is_file():
        return
    with OpenDirectory(directory) as root:
        write_small(root.descriptor, name, "")
