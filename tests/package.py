"""`python -m tests.package`: what a user installs is built, looked at, installed, and run.

The sdist and the wheel are built from a copy of the checkout's files, the wheel is installed into a bare
environment at the versions of `constraints.txt`, and the demo runs from there, on the PostgreSQL that came
along. All of that happens in a temporary directory: nothing is written to the checkout, and nothing of it is
within reach of what runs. `PIP_FLAGS` is passed to pip.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
CONSTRAINTS = CHECKOUT / "constraints.txt"
PACKAGE = "element_facerhythm"
BESIDE = {"LICENSE", "README.md", "pyproject.toml"}
"""What the sdist needs beside the package to be built."""
MADE_FOR_SDIST = ("PKG-INFO", "setup.cfg", f"{PACKAGE}.egg-info")
METADATA = {
    "METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "top_level.txt",
}  # fmt: skip


def main() -> int:
    """Build, compare, install, run; 1 where something is not as it should be."""
    with tempfile.TemporaryDirectory(prefix="facerhythm-package-") as scratch:
        work = Path(scratch)
        environment = bare_environment(work)
        files = copy_checkout(work / "checkout")
        sdist, wheel, direct = build(work, environment)
        problems = [
            *differences(sdist.name, in_sdist(sdist), files | BESIDE),
            *differences(wheel.name, in_wheel(wheel), files),
            *(
                f"{name} is not the same in the wheels of the sdist and of the checkout"
                for name in sorted(different(wheel, direct))
            ),
        ]
        if problems:
            print("\n".join(problems), file=sys.stderr)
            return 1
        print(f"{sdist.name} and {wheel.name} hold the {len(files)} files of the package")
        programs = install(wheel, work / "bare", environment)
        return run_demo(programs, work, environment)


def bare_environment(work: Path) -> dict[str, str]:
    """Variables of somebody who configured nothing, with pip's cache and settings."""
    ours = ("DJ_", "FACERHYTHM_", "PYTHON", "VIRTUAL_ENV", "XDG_DATA_HOME")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    own = {"FACERHYTHM_EMBEDDED_DIR": str(work / "embedded"), "DJ_IGNORE_CONFIG_FILE": "true"}
    return {**kept, **own}


def copy_checkout(place: Path) -> set[str]:
    """Copy the files that git knows or would take; return those of the package."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(listing, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    names = {name for name in found.split("\0") if name and (CHECKOUT / name).is_file()}
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CHECKOUT / name, place / name)
    return {name for name in names if name.startswith(f"{PACKAGE}/")}


def build(work: Path, environment: dict[str, str]) -> tuple[Path, Path, Path]:
    """Return the sdist, the wheel that was built from it, and the one built from the checkout."""
    command = [sys.executable, "-m", "build", str(work / "checkout"), "--outdir"]
    pinned = {**environment, "PIP_CONSTRAINT": str(CONSTRAINTS)}
    for options in ([str(work / "by-sdist")], [str(work / "direct"), "--wheel"]):
        said = subprocess.run(
            [*command, *options], cwd=work, env=pinned, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        if said.returncode != 0:
            raise SystemExit(f"{said.stdout}\nthe package could not be built")
    (sdist,) = (work / "by-sdist").glob("*.tar.gz")
    (wheel,) = (work / "by-sdist").glob("*.whl")
    (direct,) = (work / "direct").glob("*.whl")
    return sdist, wheel, direct


def in_sdist(sdist: Path) -> set[str]:
    """Names of the files that were taken from the checkout."""
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    return {name for name in names if not name.startswith(MADE_FOR_SDIST)}


def in_wheel(wheel: Path) -> set[str]:
    """Names of the files that were taken from the package, and whatever should not be there."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    about = "-".join(wheel.name.split("-")[:2]) + ".dist-info"
    return names - {f"{about}/{name}" for name in METADATA}


def differences(what: str, found: set[str], expected: set[str]) -> Iterable[str]:
    """Say which files are missing, and which should not be there."""
    yield from (f"{what} lacks {name}" for name in sorted(expected - found))
    yield from (f"{what} should not hold {name}" for name in sorted(found - expected))


def different(one: Path, other: Path) -> set[str]:
    """Names of the files that only one of two wheels has, or that differ."""
    with zipfile.ZipFile(one) as a, zipfile.ZipFile(other) as b:
        contents = [{(info.filename, info.CRC) for info in wheel.infolist()} for wheel in (a, b)]
    return {name for name, _ in contents[0] ^ contents[1]}


def install(wheel: Path, place: Path, environment: dict[str, str]) -> Path:
    """Install the wheel and what it needs into a new environment; return where its programs are."""
    started = time.monotonic()
    python = place / "bin" / "python"
    flags = ["--quiet", "--disable-pip-version-check", *os.environ.get("PIP_FLAGS", "").split()]
    pip = [python, "-m", "pip"]
    for command in (
        [sys.executable, "-m", "venv", place],
        [*pip, "install", *flags, "--constraint", CONSTRAINTS, wheel],
        [*pip, "check", "--disable-pip-version-check"],
    ):
        subprocess.run(list(map(str, command)), cwd=place.parent, env=environment, check=True)
    here = next(place.glob("lib/python*/site-packages"))
    n_distributions = sum(1 for path in here.glob("*.dist-info") if path.stem[:4] != "pip-")
    size_mb = sum(path.lstat().st_size for path in place.rglob("*")) / 1e6
    print(
        f"installed bare: {n_distributions} distributions, {size_mb:,.0f} MB, "
        f"in {time.monotonic() - started:.0f} s"
    )
    return python.parent


def run_demo(programs: Path, work: Path, environment: dict[str, str]) -> int:
    """Run the demo of what was installed, away from the checkout and from home; return its exit code."""
    environment = {**environment, "HOME": str(work / "home")}
    (work / "home").mkdir()
    where = f"import {PACKAGE}; print({PACKAGE}.__file__)"
    place = subprocess.run(
        [programs / "python", "-c", where], cwd=work, env=environment, capture_output=True,
        text=True, check=True,
    ).stdout  # fmt: skip
    if not Path(place.strip()).is_relative_to(programs.parent):
        raise SystemExit(f"{PACKAGE} was imported from {place.strip()}, not from the wheel")
    facerhythm = str(programs / "facerhythm")
    try:
        demo = [facerhythm, "demo", "--dir", "demo"]
        return subprocess.run(demo, cwd=work, env=environment, check=False).returncode
    finally:
        subprocess.run([facerhythm, "db", "stop"], cwd=work, env=environment, check=True)


if __name__ == "__main__":
    sys.exit(main())
