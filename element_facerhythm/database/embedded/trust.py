"""Files that root may open by name: none in a directory that another account could change.

Started by root, the server runs under an account of its own, to which its data and its log belong. Root
opens files there only without following links and only if they are that account's own; everything else it
opens lies in directories that root alone can change.
"""

import os
import stat
from pathlib import Path

from element_facerhythm.errors import ConfigurationError


def require_trusted(directory: Path) -> None:
    """Refuse a directory that is another account's; for root, also one that others can exchange or write.

    Parameters
    ----------
    directory
        It may be missing: then the directories above it are checked.

    Raises
    ------
    ConfigurationError
        The message names the directory, and what to do.
    """
    if os.name != "posix":
        return
    me = os.geteuid()
    if directory.exists() and directory.stat().st_uid != me:
        raise ConfigurationError(
            f"{directory} belongs to another account (number {directory.stat().st_uid}); the embedded "
            "database is used by the account that owns its directory. Set FACERHYTHM_EMBEDDED_DIR to one "
            "of your own"
        )
    if me != 0:
        return
    real = directory.resolve()
    places = (directory.absolute(), *directory.absolute().parents, real, *real.parents)
    for place in dict.fromkeys(places):
        if os.path.lexists(place) and not _only_root_changes(place.lstat()):
            raise ConfigurationError(
                f"{place} can be changed by other accounts than root, and root opens nothing below it; set "
                "FACERHYTHM_EMBEDDED_DIR to a directory that root alone can write to, or start the embedded "
                "database as an ordinary user"
            )


def _only_root_changes(status: os.stat_result) -> bool:
    """Whether root alone can exchange what root owns at a place."""
    if status.st_uid != 0:
        return False
    if stat.S_ISLNK(status.st_mode) or status.st_mode & stat.S_ISVTX:
        # the rights of a link mean nothing; in a sticky directory only the owner of a file can replace it
        return True
    writers = stat.S_IWOTH if status.st_gid == 0 else stat.S_IWOTH | stat.S_IWGRP
    return not status.st_mode & writers
