"""Files that pages make to answer fast: in the user's cache, named by what they were made of, droppable."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from element_facerhythm.files.digest import file_sha256

MOST_FILES = 48
ENDINGS = (".h5", ".mp4")
_VERSION = 1


def side_directory() -> Path:
    """Directory of side files; deleting it costs no more than the time to make them again."""
    from platformdirs import user_cache_path

    return user_cache_path("element-facerhythm") / "look"


def side_file(kind: str, product: Path, ending: str = ".h5") -> Path:
    """Where what was made of a product lies, or would lie. Reads the product for its digest.

    Parameters
    ----------
    kind
        What was made of it.
    product
        The HDF5 file.
    ending
        Of the name.
    """
    path = side_directory() / f"{kind}-{_VERSION}-{file_sha256(product)[:40]}{ending}"
    with suppress(FileNotFoundError):
        os.utime(path)  # it is used now
    return path


def drop_oldest() -> None:
    """Delete the side files that were not used for longest, but for the last `MOST_FILES`."""
    files = (path for ending in ENDINGS for path in side_directory().glob(f"*{ending}"))
    used = sorted(files, key=lambda path: -path.stat().st_mtime_ns)
    for path in used[MOST_FILES:]:
        with suppress(FileNotFoundError):  # another server was faster
            path.unlink()
