"""What a linking module must offer, and where files may lie.

A linking module connects the tables of this package with a lab's own: it holds the tables `Session`
and `Device` (or `Equipment`) and the function `get_facerhythm_root_data_dir()`, optionally also
`get_facerhythm_processed_data_dir()`. Paths in the database are relative to the directories that
these functions name, and are resolved by `io.data_paths` and nowhere else: a path that leads out of
them is refused.
"""

import importlib
import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from element_facerhythm.errors import ConfigurationError
from element_facerhythm.io.data_paths import (
    ROOT_VARIABLE,
    as_directories,
    expected_path,
    relative_to_roots,
    resolve_new_path,
    resolve_path,
)

__all__ = [
    "PROCESSED_VARIABLE",
    "ROOT_VARIABLE",
    "STORE_NAME",
    "Link",
    "active_link",
    "as_directories",
    "check_linking_module",
    "environment_processed_dir",
    "environment_root_dirs",
    "expected_path",
    "relative_to_roots",
    "resolve_new_path",
    "resolve_path",
    "search_dirs",
    "set_active_link",
    "store_is_remote",
]

PROCESSED_VARIABLE = "FACERHYTHM_PROCESSED_DATA_DIR"
STORE_NAME = "facerhythm"

_CONTRACT = (
    "it must hold the table Session, the table Device (or Equipment) and the function "
    "get_facerhythm_root_data_dir()"
)


@dataclass(frozen=True)
class Link:
    """A checked linking module."""

    name: str
    session: type
    device: type
    get_root_data_dir: Callable[[], Any]
    get_processed_data_dir: Callable[[], Any] | None

    def root_dirs(self) -> tuple[Path, ...]:
        """Directories that hold recordings, in the order in which they are searched."""
        given = self.get_root_data_dir()
        return as_directories(given, f"{self.name}.get_facerhythm_root_data_dir()")

    def processed_dir(self) -> Path:
        """Directory for what is computed; the first root directory where the module names none."""
        if self.get_processed_data_dir is None:
            return self.root_dirs()[0]
        given = self.get_processed_data_dir()
        return as_directories(given, f"{self.name}.get_facerhythm_processed_data_dir()")[0]

    def search_dirs(self) -> tuple[Path, ...]:
        """Every directory that a stored path may be relative to: the processed one, then the roots."""
        return tuple(dict.fromkeys((self.processed_dir(), *self.root_dirs())))


def check_linking_module(linking_module: Any) -> Link:
    """Check that a linking module offers what this package needs.

    Parameters
    ----------
    linking_module
        A module, the import name of one, a mapping of names, or any object with the attributes.

    Raises
    ------
    ConfigurationError
        It cannot be imported, or something is missing; the message names everything that is.
    """
    name, names = _namespace(linking_module)
    session = names.get("Session")
    device = names.get("Device", names.get("Equipment"))
    get_roots = names.get("get_facerhythm_root_data_dir")
    get_processed = names.get("get_facerhythm_processed_data_dir")
    wrong = [
        *([] if _is_table(session) else ["the table Session"]),
        *([] if _is_table(device) else ["the table Device (or Equipment)"]),
        *([] if callable(get_roots) else ["the function get_facerhythm_root_data_dir()"]),
        *(
            []
            if get_processed is None or callable(get_processed)
            else ["a callable get_facerhythm_processed_data_dir"]
        ),
    ]
    if wrong:
        raise ConfigurationError(f"linking module {name} lacks {', '.join(wrong)}: {_CONTRACT}")
    return Link(name, session, device, get_roots, get_processed)  # type: ignore[arg-type]


def _namespace(linking_module: Any) -> tuple[str, Mapping[str, Any]]:
    if linking_module is None:
        raise ConfigurationError(f"activate() was given no linking module: {_CONTRACT}")
    if isinstance(linking_module, str):
        try:
            linking_module = importlib.import_module(linking_module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{linking_module}.".startswith(f"{error.name}."):
                raise  # the module is there and itself lacks something
            raise ConfigurationError(
                f"linking module {linking_module!r} cannot be imported: {error}"
            ) from error
    if isinstance(linking_module, Mapping):
        return "(a mapping)", linking_module
    name = getattr(linking_module, "__name__", type(linking_module).__name__)
    if isinstance(linking_module, ModuleType):
        return str(name), vars(linking_module)
    return str(name), {key: getattr(linking_module, key) for key in dir(linking_module)}


def _is_table(value: Any) -> bool:
    return inspect.isclass(value) and hasattr(value, "definition")


# ------------------------------------------------------------------ the link in use

_active_link: Link | None = None


def set_active_link(link: Link) -> None:
    """Remember the link that the tables of this process were activated with."""
    global _active_link
    _active_link = link


def active_link() -> Link:
    """Return the link that the tables were activated with.

    Raises
    ------
    ConfigurationError
        Nothing was activated yet.
    """
    if _active_link is None:
        raise ConfigurationError(
            "the tables are not activated: import element_facerhythm.workflow, or call "
            "facial_behavior_estimation.activate(schema_name, linking_module=...)"
        )
    return _active_link


def search_dirs(stores: Mapping[str, Any]) -> tuple[Path, ...]:
    """Directories for stored paths: those of the active link, else those of environment and stores.

    The second case serves a process that reads the tables without having activated them (a virtual
    module).

    Parameters
    ----------
    stores
        DataJoint's `config.stores`.
    """
    if _active_link is not None:
        return _active_link.search_dirs()
    processed = environment_processed_dir(stores)
    found = (*((processed,) if processed else ()), *environment_root_dirs())
    if not found:
        raise ConfigurationError(
            f"nothing says where files lie: set {PROCESSED_VARIABLE} and {ROOT_VARIABLE}, configure the "
            f"DataJoint store {STORE_NAME!r}, or activate the tables with a linking module"
        )
    return found


# ------------------------------------------------------------------ directories


def environment_root_dirs() -> tuple[Path, ...]:
    """Directories of `FACERHYTHM_ROOT_DATA_DIR` (separated as in PATH); none where it is not set."""
    given = [part for part in os.environ.get(ROOT_VARIABLE, "").split(os.pathsep) if part]
    return as_directories(given, ROOT_VARIABLE) if given else ()


def environment_processed_dir(stores: Mapping[str, Any]) -> Path | None:
    """`FACERHYTHM_PROCESSED_DATA_DIR`, else the place of the DataJoint store `facerhythm`, else None."""
    given = os.environ.get(PROCESSED_VARIABLE)
    if given:
        return as_directories(given, PROCESSED_VARIABLE)[0]
    store = stores.get(STORE_NAME)
    if isinstance(store, Mapping) and str(store.get("protocol", "")).lower() == "file":
        return as_directories(store.get("location", ""), f"store {STORE_NAME!r}")[0]
    return None


def store_is_remote(stores: Mapping[str, Any]) -> bool:
    """Return whether the DataJoint store `facerhythm` is configured, and is more than a directory."""
    store = stores.get(STORE_NAME)
    return isinstance(store, Mapping) and str(store.get("protocol", "")).lower() not in ("", "file")
