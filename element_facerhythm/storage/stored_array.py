"""Arrays whose file may be on this machine, or in an object store alone."""

from pathlib import Path
from typing import Any

from numpy.typing import DTypeLike

from element_facerhythm.errors import ConfigurationError
from element_facerhythm.files.digest import file_sha256
from element_facerhythm.io.lazy import LazyArray
from element_facerhythm.linking import STORE_NAME
from element_facerhythm.storage.cache import cached_file
from element_facerhythm.storage.object_store import configured_store


class StoredArray(LazyArray):
    """A `LazyArray` whose file is looked for on this machine first, then in the object store.

    Parameters
    ----------
    path
        Where the file would lie on this machine; None where no directory is configured.
    dataset, sha256, stored_as
        As of `LazyArray`.
    object_name
        The object that holds the file's content.
    """

    def __init__(
        self,
        path: Path | None,
        dataset: str,
        *,
        object_name: str,
        sha256: str,
        stored_as: tuple[tuple[int, ...], DTypeLike],
    ) -> None:
        self.object_name = object_name
        self._local = path
        super().__init__(path or Path(object_name), dataset, sha256=sha256, stored_as=stored_as)

    def _locate(self) -> Path:
        assert self.sha256 is not None
        self.path = present_file(self._local, self.object_name, self.sha256)
        return super()._locate()


def present_file(path: Path | None, object_name: str, sha256: str, config: Any = None) -> Path:
    """Local path of a content: the file itself where it is unchanged, else the cached object.

    Parameters
    ----------
    path
        Where the file would lie on this machine; None where no directory is configured.
    object_name
        The object that holds the content.
    sha256
        Digest of the content.
    config
        DataJoint's configuration; that of this process if None.

    Raises
    ------
    ConfigurationError
        It is not on this machine, and no object store is configured here or the store refuses.
    ProcessingError
        The store does not answer, or the object is damaged or gone.
    """
    if path is not None and path.is_file() and file_sha256(path) == sha256:
        return path
    store = configured_store(config)
    if store is None:
        raise ConfigurationError(
            f"object {object_name} holds this array, its file is not on this machine ({path}), and no object "
            f"store is configured here: configure the DataJoint store {STORE_NAME!r} as the workers do "
            "(DJ_STORES or datajoint.json)"
        )
    return cached_file(store, object_name, sha256)
