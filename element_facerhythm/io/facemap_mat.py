"""A .mat of MATLAB 5, read by scipy in a process of its own: on damaged files scipy may die of a bad pointer.

That process writes the variables to its output as an object of numpy, which `files.plain_npy` reads without
unpickling.
"""

from __future__ import annotations

import os
import subprocess
import sys
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np

from element_facerhythm.files.plain_npy import read_npy_object

_TIMEOUT_S = 600


def read_mat(path: Path, heads: tuple[str, ...], names: tuple[str, ...]) -> dict[str, Any]:
    """Read variables of a .mat of MATLAB 5; structures become dicts, cells lists.

    Parameters
    ----------
    path
        The file.
    heads
        Variables of these names with a number behind them, as ``motion_0``, are read.
    names
        Further variables that are read, those that are there.

    Raises
    ------
    ValueError
        It is none, or is damaged.
    """
    words = [str(path.absolute()), ",".join(heads), ",".join(names)]
    command = [sys.executable, "-P", "-m", __name__, *words]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, timeout=_TIMEOUT_S, env=environment
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"scipy did not read it in {_TIMEOUT_S} s") from error
    if done.returncode:
        told = done.stderr.decode("utf-8", "replace").strip().splitlines()
        kind = (told or [f"it died of signal {-done.returncode}"])[-1].partition(":")[0]
        raise ValueError(f"scipy finds no .mat in it ({kind[:80]})")
    file = cast("BufferedReader", BytesIO(done.stdout))
    found = read_npy_object(file, largest_bytes=len(done.stdout), strict=True)
    if not isinstance(found, dict):
        raise ValueError("scipy finds no variables in it")
    return found


def _convert(path: str, heads: str, names: str) -> None:
    from scipy import io

    of_lists, alone = heads.split(","), names.split(",")
    there = [name for name, *_ in io.whosmat(path)]
    wanted = [
        name
        for name in there
        if name in alone
        or (name.rpartition("_")[0] in of_lists and name.rpartition("_")[2].isdecimal())
    ]
    found = io.loadmat(path, variable_names=wanted, simplify_cells=True)
    content = {name: _plain(found[name]) for name in wanted}
    np.save(sys.stdout.buffer, content)  # type: ignore[arg-type]


def _plain(value: Any) -> Any:
    """Return a value with lists in place of arrays of texts or objects."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "OUS":
        return _plain(value.tolist())
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, np.ndarray) or value is None else _scalar(value)


def _scalar(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


if __name__ == "__main__":
    _convert(*sys.argv[1:4])
