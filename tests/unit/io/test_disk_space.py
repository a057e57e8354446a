"""Room that is taken before it is written to; on a small disk, which root alone can mount."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import h5py
import numpy as np
import pytest

from element_facerhythm.io.disk_space import preallocate, trim_preallocation
from element_facerhythm.io.h5 import atomic_h5, make_room


def test_a_file_looks_as_long_as_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    taken = preallocate(path, 10_000_000)
    assert path.read_bytes() == b"content"
    assert not taken or path.stat().st_blocks * 512 >= 10_000_000
    trim_preallocation(path)
    assert path.read_bytes() == b"content"
    assert path.stat().st_blocks * 512 < 10_000_000


def test_a_product_is_byte_for_byte_what_it_is_without_room(tmp_path: Path) -> None:
    with atomic_h5(tmp_path / "with.h5") as file:
        make_room(file, 5_000_000)
        file["values"] = np.arange(1000.0)
    with h5py.File(tmp_path / "without.h5", "w", track_order=True) as file:
        file["values"] = np.arange(1000.0)
    with_room, without = ((tmp_path / f"{name}.h5") for name in ("with", "without"))
    assert with_room.stat().st_size == without.stat().st_size
    assert with_room.stat().st_blocks == without.stat().st_blocks


SCRIPT = textwrap.dedent(
    """
    import errno, sys
    from pathlib import Path
    import numpy as np
    from element_facerhythm.io.h5 import atomic_h5, make_room
    directory = Path(sys.argv[1])
    try:
        with atomic_h5(directory / "large.h5") as file:
            make_room(file, 40_000_000)
            file["values"] = np.zeros(10_000_000, np.float32)
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
        print("no room")
    with atomic_h5(directory / "small.h5") as file:
        make_room(file, 2_000_000)
        values = file.create_dataset("values", (500_000,), np.float32)
        with open(directory / "filler", "wb", buffering=0) as filler:
            try:
                while filler.write(bytes(1000)):
                    pass
            except OSError:
                print("full")
        values[:] = 1
    print("written")
    """
)


@pytest.mark.mounting
def test_a_full_disk_is_an_error_and_not_the_end_of_the_process(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(tmp_path)], check=True)
    try:
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path)],
            capture_output=True, text=True, check=False, env=dict(os.environ),
        )  # fmt: skip
        assert (run.returncode, run.stderr) == (0, "")
        assert run.stdout.split("\n") == ["no room", "full", "written", ""]
        with h5py.File(tmp_path / "small.h5") as file:
            assert np.all(file["values"][:] == 1)
        left = sorted(path.name for path in tmp_path.iterdir())
        assert left == ["filler", "small.h5"]
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)
