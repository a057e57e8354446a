"""What a linking module must provide, and where files may lie.

A linking module connects the tables of this package with a lab's own: it holds the tables `Session`
and `Device` (or `Equipment`) and the function `get_facerhythm_root_data_dir()`, optionally also
`get_facerhythm_processed_data_dir()` and `get_facerhythm_video_files(key)`. Paths in the database are
relative to the directories that the first two name, and are resolved by `io.data_paths` and nowhere
else: a path that leads out of them is refused.
"""

import importlib
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from element_facerhythm.errors import ConfigurationError, FaceRhythmError
from element_facerhythm.io.data_paths import (
    ROOT_VARIABLE,
    as_directories,
    resolve_path,
)

PROCESSED_VARIABLE = "FACERHYTHM_PROCESSED_DATA_DIR"
STORE_NAME = "facerhythm"

_CONTRACT = (
    "it must hold the table Session, the table Device (or Equipment) and the function "
    "get_facerhythm_root_data_dir()"
)


@dataclass(frozen=True)
class Link:
    """A checked linking module; `module` is what it was made of."""

    name: str
    module: Any
    session: Any
    device: Any
    get_root_data_dir: Callable[[], Any]
    get_processed_data_dir: Callable[[], Any] | None
    get_video_files: Callable[[dict[str, Any]], Any] | None = None

    def root_dirs(self) -> tuple[Path, ...]:
        """Directories that hold recordings, in the order in which they are searched."""
        given = self._answer(self.get_root_data_dir, "get_facerhythm_root_data_dir")
        return as_directories(given, f"{self.name}.get_facerhythm_root_data_dir()")

    def processed_dir(self) -> Path:
        """Directory for what is computed; the first root directory where the module names none."""
        if self.get_processed_data_dir is None:
            return self.root_dirs()[0]
        given = self._answer(self.get_processed_data_dir, "get_facerhythm_processed_data_dir")
        return as_directories(given, f"{self.name}.get_facerhythm_processed_data_dir()")[0]

    def _answer(self, function: Callable[..., Any], name: str, *arguments: Any) -> Any:
        """Call a function of the linking module; ConfigurationError where it fails."""
        try:
            return function(*arguments)
        except FaceRhythmError:
            raise
        except Exception as error:
            said = ", ".join(map(str, arguments))
            raise ConfigurationError(
                f"{self.name}.{name}({said}) of the linking module fails: {type(error).__name__}: {error}"
            ) from error

    def search_dirs(self) -> tuple[Path, ...]:
        """Every directory that a stored path may be relative to: the processed one, then the roots."""
        return tuple(dict.fromkeys((self.processed_dir(), *self.root_dirs())))

    def video_files(self, key: Mapping[str, Any]) -> tuple[Path, ...]:
        """Video files of a recording, in the order in which `get_facerhythm_video_files(key)` returns them.

        Relative paths are looked for below the data directories.

        Raises
        ------
        ConfigurationError
            The linking module has no such function, or it gave no path, or something else.
        PathError
            A relative path leads to nothing, or out of the data directories.
        """
        if self.get_video_files is None:
            raise ConfigurationError(
                f"linking module {self.name} has no get_facerhythm_video_files(key), which would name the "
                "video files of a recording: write one, or name the files yourself"
            )
        given = self._answer(self.get_video_files, "get_facerhythm_video_files", dict(key))
        paths = [given] if isinstance(given, (str, os.PathLike)) else given
        source = f"{self.name}.get_facerhythm_video_files({dict(key)})"
        found = _as_given(paths, source)
        dirs = self.search_dirs()
        return tuple(path if path.is_absolute() else resolve_path(path, dirs) for path in found)


def _as_given(paths: Any, source: str) -> list[Path]:
    """Return the paths that a lab's function returned, unchanged; ConfigurationError where they are none."""
    found = list(paths) if isinstance(paths, Iterable) else [paths]
    if not found or not all(isinstance(path, (str, os.PathLike)) and str(path) for path in found):
        raise ConfigurationError(f"{source} gave {paths!r}; expected a path or a list of paths")
    return [Path(path).expanduser() for path in found]


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
    module = import_linking_module(linking_module)
    name, names = _namespace(module)
    session = names.get("Session")
    device = names.get("Device", names.get("Equipment"))
    get_roots = names.get("get_facerhythm_root_data_dir")
    get_processed = names.get("get_facerhythm_processed_data_dir")
    get_videos = names.get("get_facerhythm_video_files")
    wrong = [
        *([] if _is_table(session) else ["the table Session"]),
        *([] if _is_table(device) else ["the table Device (or Equipment)"]),
        *([] if callable(get_roots) else ["the function get_facerhythm_root_data_dir()"]),
        *(
            []
            if get_processed is None or callable(get_processed)
            else ["a callable get_facerhythm_processed_data_dir"]
        ),
        *(
            []
            if get_videos is None or callable(get_videos)
            else ["a callable get_facerhythm_video_files"]
        ),
    ]
    if wrong:
        raise ConfigurationError(f"linking module {name} lacks {', '.join(wrong)}: {_CONTRACT}")
    return Link(name, module, session, device, get_roots, get_processed, get_videos)  # type: ignore[arg-type]


def import_linking_module(linking_module: Any) -> Any:
    """Import the linking module of a name; return anything else unchanged.

    Raises
    ------
    ConfigurationError
        It is None, or no module of that name can be found.
    """
    if linking_module is None:
        raise ConfigurationError(f"activate() was given no linking module: {_CONTRACT}")
    if not isinstance(linking_module, str):
        return linking_module
    try:
        return importlib.import_module(linking_module)
    except (ModuleNotFoundError, ValueError) as error:  # ValueError: an empty name
        missing = getattr(error, "name", linking_module)
        if missing is None or not f"{linking_module}.".startswith(f"{missing}."):
            raise  # the module is there and itself lacks something
        raise ConfigurationError(
            f"linking module {linking_module!r} cannot be imported: {error}. It must be installed, or stand "
            "in the working directory or in a directory of PYTHONPATH"
        ) from error


def _namespace(linking_module: Any) -> tuple[str, Mapping[str, Any]]:
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
    """Set the link that the tables of this process were activated with."""
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
