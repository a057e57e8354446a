"""Names that a file system takes: cut where they are too long, with a digest that keeps them apart."""

import hashlib
from collections.abc import Sequence
from pathlib import PurePath

MAX_NAME_BYTES = 255
"""Of one name, on every usual file system; bytes count, of which a letter beyond ASCII has two to four."""

_DIGITS = 16


def short_name(name: str, ending: str = "", max_bytes: int = MAX_NAME_BYTES) -> str:
    """Return `name + ending`; where that is too long, the beginning of `name` with a digest of it.

    Parameters
    ----------
    name
        Without a slash. Two names that are cut differ in their digests.
    ending
        Kept whole.
    max_bytes
        What the result may have, at least 17 more than `ending`.
    """
    encoded = _encoded(name)
    room = max_bytes - len(_encoded(ending))
    if len(encoded) <= room:
        return name + ending
    beginning = encoded[: room - _DIGITS - 1].decode(errors="ignore")
    return f"{beginning}-{hashlib.sha256(encoded).hexdigest()[:_DIGITS]}{ending}"


def short_names(names: Sequence[str], max_bytes: int, min_bytes: int) -> list[str]:
    """Return names for one path, each and all together no longer than a path may be.

    Parameters
    ----------
    names
        Without slashes.
    max_bytes
        What they may have together, joined by slashes. Names that fit stay as they are; else each is cut to
        its share.
    min_bytes
        That no name is cut below, whatever its share.
    """
    whole = [short_name(name) for name in names]
    if sum(len(_encoded(name)) + 1 for name in whole) - 1 <= max_bytes:
        return whole
    share = max((max_bytes + 1) // len(names) - 1, min_bytes)
    return [short_name(name, max_bytes=share) for name in names]


def is_text(path: str | PurePath) -> bool:
    """Return whether the whole name of a path is text (UTF-8), as JSON, YAML and databases take it."""
    return not any("\ud800" <= c <= "\udfff" for c in str(path))


def _encoded(name: str) -> bytes:
    return name.encode(errors="surrogatepass")  # a name may hold what is no text
