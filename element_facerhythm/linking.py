"""What a linking module must offer, and where files may lie.

A linking module connects the tables of this package with a lab's own: it holds the tables `Session`
and `Device` (or `Equipment`) and the function `get_facerhythm_root_data_dir()`, optionally also
`get_facerhythm_processed_data_dir()`. Paths in the database are relative to the directories that
these functions name, and are resolved here and nowhere else: a path that leads out of them is
refused.
"""

import importlib
import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import ModuleType
from typing import Any

from element_facerhythm.errors import ConfigurationError, PathError

ROOT_VARIABLE = "FACERHYTHM_ROOT_DATA_DIR"
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


def as_directories(given: Any, source: str) -> tuple[Path, ...]:
    """Make absolute paths of one path or several; `given` is not changed.

    Raises
    ------
    ConfigurationError
        It is empty, or holds something that is no path.
    """
    items = [given] if isinstance(given, (str, os.PathLike)) else given
    if not isinstance(items, Iterable):
        raise ConfigurationError(f"{source} gave {given!r}; expected a path or a list of paths")
    paths = []
    for item in items:
        if not isinstance(item, (str, os.PathLike)) or not str(item):
            raise ConfigurationError(f"{source} gave {item!r}; expected a path or a list of paths")
        paths.append(Path(item).expanduser().absolute())
    if not paths:
        raise ConfigurationError(f"{source} gave no directory; expected at least one")
    return tuple(paths)


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


# ------------------------------------------------------------------ paths


def resolve_path(relative: str | Path, roots: Iterable[str | Path]) -> Path:
    """Find a file or directory by its path relative to one of the roots.

    Parameters
    ----------
    relative
        Path as stored in the database, with forward slashes.
    roots
        Directories, searched in order.

    Returns
    -------
    Path
        Absolute path without symbolic links. It exists and lies below its root.

    Raises
    ------
    PathError
        The path is absolute, climbs with `..`, leads out of the roots through a symbolic link, or
        does not exist below any of them.
    """
    directories = as_directories(list(roots), "roots")
    found = _find(relative, directories)
    if found is None:
        raise PathError(
            f"{str(relative)!r} does not exist below any root directory ({_listed(directories)}); "
            "check the path, or correct the root directories"
        )
    return found


def expected_path(relative: str | Path, roots: Iterable[str | Path]) -> Path:
    """Give the place that `resolve_path` finds, or where the file would lie below the first root.

    Raises
    ------
    PathError
        As `resolve_path`, except that the file may be missing.
    """
    directories = as_directories(list(roots), "roots")
    return _find(relative, directories) or directories[0].joinpath(*_relative_parts(relative))


def _find(relative: str | Path, directories: Sequence[Path]) -> Path | None:
    """Place of a relative path below the first directory that holds it; None where none does."""
    parts = _relative_parts(relative)
    escaped = None
    for root in directories:
        candidate = root.joinpath(*parts)
        if not candidate.exists():
            continue
        found, base = candidate.resolve(), root.resolve()
        if found.is_relative_to(base):
            return found
        escaped = found
    if escaped is not None:
        raise PathError(
            f"{str(relative)!r} leads through a symbolic link to {escaped}, outside of the root "
            f"directories ({_listed(directories)}); add its real place to the roots"
        )
    return None


def resolve_new_path(relative: str | Path, root: str | Path) -> Path:
    """Absolute path, below `root`, of something that may not exist yet; PathError where it escapes."""
    base = as_directories(root, "root")[0].resolve()
    place = base.joinpath(*_relative_parts(relative)).resolve()
    if not place.is_relative_to(base):
        raise PathError(
            f"{str(relative)!r} leads through a symbolic link to {place}, outside of {base}"
        )
    return place


def relative_to_roots(path: str | Path, roots: Iterable[str | Path]) -> str:
    """Path of an existing file or directory relative to the first root that holds it, with `/`.

    Raises
    ------
    PathError
        It does not exist, or lies below none of the roots.
    """
    place = Path(path).expanduser().absolute()
    if not place.exists():
        raise PathError(f"{path} does not exist")
    directories = as_directories(list(roots), "roots")
    for root in directories:
        if place.resolve().is_relative_to(root.resolve()):
            return place.resolve().relative_to(root.resolve()).as_posix()
    raise PathError(
        f"{place} lies outside of the root directories ({_listed(directories)}); move it there, or "
        f"add its directory to the roots ({ROOT_VARIABLE}, or get_facerhythm_root_data_dir() of the "
        "linking module)"
    )


def _relative_parts(relative: str | Path) -> tuple[str, ...]:
    """Parts of a relative path as any system may have written it; PathError where it cannot be one."""
    text = str(relative)
    if not text or "\0" in text:
        raise PathError(f"{text!r} is not a path; expected one relative to a root directory")
    if PurePosixPath(text).is_absolute() or PureWindowsPath(text).drive:
        raise PathError(f"{text!r} is absolute; paths are stored relative to a root directory")
    parts = PureWindowsPath(text).parts if os.name == "nt" else PurePosixPath(text).parts
    if ".." in parts:
        raise PathError(f"{text!r} climbs out with '..'; paths must stay below a root directory")
    return parts


def _listed(directories: Iterable[Path]) -> str:
    return ", ".join(map(str, directories))
