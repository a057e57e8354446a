"""The files that rows refer to: kept for others to read, and found unchanged again."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from element_facerhythm.digest import file_sha256
from element_facerhythm.errors import ProjectError
from element_facerhythm.facial_behavior_estimation.schema import dj, schema
from element_facerhythm.io.atomic import atomic_path, writing_inside
from element_facerhythm.io.content_digest import CHANGED_FILE_REMEDY
from element_facerhythm.io.data_paths import place_inside
from element_facerhythm.io.folders import OpenDirectory, write_small
from element_facerhythm.linking import active_link, expected_path, resolve_path, store_is_remote
from element_facerhythm.pipeline.ownership import OWNER
from element_facerhythm.stores import ObjectStore, configured_store
from element_facerhythm.stores.cache import download_verified
from element_facerhythm.stores.object_store import ROOT, product_name
from element_facerhythm.text_files import parse_json

if TYPE_CHECKING:
    from element_facerhythm.pipeline import ProductRecord, RunRecord

File = tuple[str, str]  # path relative to the data directories, sha256

DESCRIPTION = ("config.yaml", "run_info.json")
"""Text files of a project that are needed beside its products."""

OWN_DESCRIPTION = ("run.json",)
"""The same, of projects of ours: facts of the recording, and the limits that results are judged by."""


def section() -> str:
    """Part of the store that belongs to this database: the name of the schema."""
    return str(schema.database)


def object_of(sha256: str) -> str | None:
    """Name of the object with this content; None where the store is a directory."""
    return product_name(section(), sha256) if store_is_remote(dj.config.stores) else None


def keep_project(store: ObjectStore | None, record: "RunRecord") -> None:
    """As `keep_products`, for a project directory and its description."""
    keep_products(store, record.products)
    if store is not None:
        digests = [product.sha256 for product in record.products]
        _put_description(store, record.project_dir, digests)


def keep_products(store: ObjectStore | None, products: Sequence["ProductRecord"]) -> None:
    """Put products into the store; nothing happens where there is none, and they stay where they are.

    Raises
    ------
    ProcessingError
        The store does not answer.
    """
    if store is not None:
        for product in products:
            store.put(product.path, product_name(section(), product.sha256), product.size_bytes)


def description_name(digests: Iterable[str]) -> str:
    """Name of the object with the description of the project that has these products."""
    together = hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()
    return f"{ROOT}/{section()}/projects/{together}.json"


def unchanged_file(path: str, sha256: str) -> Path:
    """Absolute path of a file that is still what was entered; read from the store where it is not here.

    Raises
    ------
    ProjectError
        It changed since.
    PathError
        It is not here, and in no store either.
    """
    place = expected_path(path, active_link().search_dirs())
    store = None if place.exists() else configured_store()
    if store is not None:
        with _writing_at(place):
            download_verified(store, product_name(section(), sha256), sha256, place)
    place = resolve_path(path, active_link().search_dirs())
    found = file_sha256(place)
    if found != sha256:
        raise ProjectError(
            f"{place} is not what was entered: its SHA-256 is {found[:12]}..., the row says "
            f"{sha256[:12]}.... {CHANGED_FILE_REMEDY}"
        )
    return place


def unchanged_project(output_dir: str, products: Sequence[File]) -> Path:
    """Absolute path of a project directory whose products are still what was entered.

    Where another worker computed it on a disk of its own, it is read from the store; and where it was
    computed before there was a store, it is put there.
    """
    directory = expected_path(output_dir, active_link().search_dirs())
    places = [unchanged_file(path, sha256) for path, sha256 in products]
    store = configured_store()
    if store is not None:
        digests = [sha256 for _, sha256 in products]
        if not all((directory / name).is_file() for name in DESCRIPTION):
            _restore_description(store, directory, digests)
        for place, sha256 in zip(places, digests, strict=True):
            store.ensure(place, product_name(section(), sha256), place.stat().st_size)
        if store.look(description_name(digests)) is None:
            _put_description(store, directory, digests)
    return project_dir(output_dir)


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
    """Say in a directory that this schema's rows refer to it, where nothing says whose it is."""
    name = f"{OWNER}{section()}"
    if (directory / name).is_file():
        return
    with OpenDirectory(directory) as root:
        write_small(root.descriptor, name, "")
