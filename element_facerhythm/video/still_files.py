"""Directories and patterns of numbered pictures, as one video: which files, in which order."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from element_facerhythm.errors import VideoError
from element_facerhythm.video.limits import FRAMES_VARIABLE, max_frames

STILL_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})

_SAME = {".jpeg": ".jpg", ".tiff": ".tif"}
_NUMBER = re.compile("([0-9]{1,18})")
_C_NUMBER = re.compile("%(?:0?[0-9]{1,2})?d")
_WILD = re.compile(r"[*?]|%(?:0?[0-9]{1,2})?d")


def is_set_of_stills(path: Path) -> bool:
    """Whether a path is a directory, or a pattern (`frame_*.png`, `frame_%05d.png`) and no file's name."""
    return path.is_dir() or (
        _WILD.search(path.name) is not None
        and path.suffix.lower() in STILL_SUFFIXES
        and path.parent.is_dir()
        and not path.exists()
    )


def still_files(path: Path) -> tuple[Path, ...]:
    """Pictures of a directory, or of a pattern, in the order of the numbers in their names.

    Files that begin with a dot, and what is no picture by its ending, are passed over.

    Raises
    ------
    VideoError
        There is none, or they are of several kinds, or too many, or one is a link out of the directory.
    """
    folder = path if path.is_dir() else path.parent
    wanted = None if path.is_dir() else _expression(path.name)
    try:
        found = [
            entry
            for entry in folder.iterdir()
            if entry.suffix.lower() in STILL_SUFFIXES
            and not entry.name.startswith(".")
            and (wanted is None or wanted.fullmatch(entry.name))
        ]
    except OSError as error:
        raise VideoError(f"{path} cannot be listed: {error.strerror}.") from error
    if not found:
        raise VideoError(
            f"{path} holds no picture ({', '.join(sorted(STILL_SUFFIXES))}); give a video, or the directory "
            "of its frames."
        )
    if len(found) > max_frames():
        raise VideoError(
            f"{path} holds {len(found)} pictures, and {max_frames()} are read at most; split it, or set "
            f"{FRAMES_VARIABLE} higher."
        )
    kinds = {_kind(entry) for entry in found}
    if len(kinds) > 1:
        raise VideoError(
            f"{path} holds pictures of several kinds ({', '.join(sorted(kinds))}); give one of them by a "
            "pattern (frame_*.png)."
        )
    inside = folder.resolve()
    for entry in found:
        _require_inside(path, entry, inside)
    return tuple(sorted(found, key=_natural))


def missing_numbers(files: tuple[Path, ...]) -> int:
    """How many numbers are left out between the first and the last picture, where only numbers differ.

    0 where names do not count their pictures one by one.
    """
    parts = [_NUMBER.split(file.stem) for file in files]
    if len({len(one) for one in parts}) > 1 or len(parts[0]) < 2:
        return 0
    varying = [i for i in range(len(parts[0])) if len({one[i] for one in parts}) > 1]
    if len(varying) != 1 or varying[0] % 2 == 0:
        return 0
    numbers = sorted(int(one[varying[0]]) for one in parts)
    n_missing = numbers[-1] - numbers[0] + 1 - len(numbers)
    return n_missing if 0 <= n_missing < len(numbers) else 0


def _expression(name: str) -> re.Pattern[str]:
    text = re.escape(name).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(_C_NUMBER.sub("[0-9]+", text))


def _kind(path: Path) -> str:
    suffix = path.suffix.lower()
    return _SAME.get(suffix, suffix)


def _natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Sort by numbers as numbers: frame_2 comes before frame_10."""
    parts = _NUMBER.split(path.name.lower())
    return [(int(p), "") if i % 2 else (0, p) for i, p in enumerate(parts)], path.name


def _require_inside(path: Path, entry: Path, inside: Path) -> None:
    try:
        if entry.is_symlink() and entry.resolve().parent != inside:
            raise VideoError(
                f"{path} holds a link out of it ({entry.name}); a directory of pictures holds them itself."
            )
        if not stat.S_ISREG(entry.stat().st_mode):
            raise VideoError(
                f"{path} holds {entry.name}, which is no file; keep pictures alone in it."
            )
    except (OSError, RuntimeError) as error:  # a link to nowhere, or to itself
        raise VideoError(f"{path} holds {entry.name}, which cannot be read.") from error
