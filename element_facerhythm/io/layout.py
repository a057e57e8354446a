"""Names in a project directory, and where its products lie."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from element_facerhythm.io.data_paths import place_inside

PRODUCTS: tuple[str, ...] = ("Dataset_videos", "ROIs", "PointTracker", "VQT_Analyzer", "TCA")
"""Names of the five products, in the order in which they are made."""

SIGNALS = "FacialSignal"
"""Name of a further product, of the signals of regions, which a project directory may hold with the five, or
alone where another program computed them."""

TEXTS = ("config.yaml", "run_info.json", "run.json")
"""Text files; the last one is this package's."""

CURATION_FILE = "curation.json"
"""What people decided about the results; no run reads or writes it."""

CURATION_LOCK = ".facerhythm.curation.lock"
"""Locked by the process that writes the curation."""

CRATE_FILE = "ro-crate-metadata.json"
"""Description of the project as an RO-Crate, where somebody had it written."""

INPUTS = "inputs"
"""Folder of the parameter and ROI files that runs were given, byte for byte."""

PARTS = "analysis_files/PointTracker_parts"
"""Folder of the sequences that are tracked, until all of them are."""

FOLDERS = ("analysis_files", PARTS, "visualizations", INPUTS)
"""Folders that runs write into."""

FILES = (*TEXTS, *(f"analysis_files/{name}.h5" for name in (*PRODUCTS, SIGNALS)))
"""Files that runs write."""


def is_project(directory: Path) -> bool:
    """Whether a directory looks like a project."""
    return (
        any((directory / name).is_file() for name in TEXTS)
        and (directory / "analysis_files").is_dir()
    )


def product_path(directory: Path, name: str, roots: Iterable[str | Path] = ()) -> Path:
    """Where a product of a project directory lies, or would lie.

    Parameters
    ----------
    directory
        The project directory.
    name
        Of the product.
    roots
        Data directories that it may be a link into; see `io.data_paths.place_inside`.

    Raises
    ------
    PathError
        A link on the way leads out.
    """
    return place_inside(directory, f"analysis_files/{name}.h5", roots)
