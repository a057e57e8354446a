"""What may stand under a name in place of a file."""

from __future__ import annotations

import gzip
import os
import socket
from pathlib import Path

from tests.fuzz.mutations.context import Context

_HDF5 = (".h5", ".slp", ".nwb", ".nc")


def replace_by_oddity(path: Path, context: Context) -> None:
    """Put a directory, a device, a pipe, or the file in another wrapping under the name of the input."""
    content = path.read_bytes()
    path.unlink()
    way = context.rng.randrange(9)
    if way == 0:
        path.mkdir()
    elif way == 1:
        os.mkfifo(path)
    elif way == 2:
        path.symlink_to(
            context.rng.choice(
                ("/dev/zero", "/dev/null", "/dev/urandom", "/dev/tty", "/proc/self/mem")
            )
        )
    elif way == 3:
        path.symlink_to(context.rng.choice((path.name, "nowhere", ".", "x" * 250)))
    elif way == 4:
        with socket.socket(socket.AF_UNIX) as listener:
            directory = os.open(path.parent, os.O_RDONLY)
            listener.bind(f"/proc/self/fd/{directory}/{path.name}"[:100])
            os.close(directory)
    elif way == 5:
        path.write_bytes(b"")
    elif way == 6:
        path.write_bytes(gzip.compress(content * 100))
    elif way == 7:
        path.write_bytes(context.rng.randbytes(context.rng.choice((1, 8, 5000))))
    else:
        with path.open("wb") as file:  # sparse: takes no room on the disk
            file.write(content)
            # a video is hashed as a whole, which is right, and takes a second for each GB
            file.truncate(1 << 36 if path.suffix in _HDF5 else 1 << 30)


def odd_name(name: str, context: Context) -> str:
    """Return a file name with the same ending that a library may take for something else."""
    stem, dot, ending = name.rpartition(".")
    stems = (
        "a:b",
        "concat:x",
        "file:x",
        "-i",
        "a b\nc",
        "%03d",
        "\x1b[2Jx",
        "http:",
        "é",
        "x" * 240,
        "a|b",
        "$(id)",
        "[bold]x",
        "subfile,,x",
        "..x",
        "\udcff",
    )
    return f"{context.rng.choice(stems)}{dot}{ending or stem}"
