"""Whether an object that was sent has the content of its file."""

import hashlib
import re
from pathlib import Path

PART_BYTES = 16 * 2**20
"""Size of the parts that a large file is sent in; two are in memory at a time."""

_MD5_TAG = re.compile(r"^[0-9a-f]{32}(-\d+)?$")


def _expected_tag(path: Path, *, in_parts: bool) -> str:
    """Return the tag that an S3 server makes of a file: its MD5, or that of the MD5s of its parts."""
    parts = []
    whole = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(PART_BYTES):
            whole.update(block)
            parts.append(hashlib.md5(block, usedforsecurity=False).digest())
    if not in_parts:
        return whole.hexdigest()
    return f"{hashlib.md5(b''.join(parts), usedforsecurity=False).hexdigest()}-{len(parts)}"


def tag_agrees(path: Path, tag: str | None) -> bool | None:
    """Compare a file with the tag of its object; None where the tag is of another kind.

    A store that encrypts, or one that is not S3, gives tags that are no MD5.

    Parameters
    ----------
    path
        The file that was sent, in parts of `PART_BYTES` where it is larger.
    tag
        `ETag` of the object, with its quotes or without; None where the store gives none.
    """
    tag = (tag or "").strip('"').lower()
    if not _MD5_TAG.match(tag):
        return None
    return tag == _expected_tag(path, in_parts="-" in tag)
