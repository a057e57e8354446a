"""What a product says of itself: its format, what it was made from and how, and whether it is whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from element_facerhythm.errors import ProjectError
from element_facerhythm.files.digest import file_sha256
from element_facerhythm.files.texts import parse_json
from element_facerhythm.io.content_digest import Content, content_of
from element_facerhythm.io.h5 import read_text_attribute
from element_facerhythm.io.h5_reader import open_h5
from element_facerhythm.io.layout import PRODUCTS

FORMAT_VERSION = 1
"""Version of this package's layout on top of face-rhythm's; raised when older readers would err."""

ATTRIBUTE_FORMAT = "facerhythm_format_version"
ATTRIBUTE_PACKAGE = "facerhythm_package_version"
ATTRIBUTE_FINGERPRINT = "facerhythm_fingerprint"
ATTRIBUTE_INPUTS = "facerhythm_inputs_sha256"
ATTRIBUTE_RECORD = "facerhythm_record"


def product_format(path: Path) -> int | None:
    """Return a product's format version; None where it is face-rhythm's, missing or damaged."""
    try:
        with open_h5(path) as file:
            return file.integer(ATTRIBUTE_FORMAT)
    except ProjectError:
        return None


def stage_fingerprint(path: Path) -> dict[str, Any] | None:
    """Fingerprint stored in a product; None where it is not of this package."""
    return _json_attribute(path, ATTRIBUTE_FINGERPRINT)


def stage_inputs(path: Path) -> dict[str, Any]:
    """SHA-256 of each file that a product was made from, by name; empty where it is not of this package."""
    return _json_attribute(path, ATTRIBUTE_INPUTS) or {}


def content_faults(product: Path, inputs: Mapping[str, str]) -> tuple[str, ...]:
    """Sentences on how a product, or a product that it was made from, is not what was written.

    Parameters
    ----------
    product
        The HDF5 file; one that carries no digest of its content (face-rhythm's) has nothing to say of that.
    inputs
        SHA-256 of what it was made from, by name; only products beside it are checked here.
    """
    faults = []
    if content_of(product) is Content.DAMAGED:
        faults.append(
            f"{product.name} is damaged: its content is not what was written (its digest differs)"
        )
    for name in (f"{other}{product.suffix}" for other in PRODUCTS):
        beside = product.with_name(name)
        if name in inputs and beside.is_file() and file_sha256(beside) != inputs[name]:
            faults.append(f"{product.name} was made from another {name} than the one beside it")
    return tuple(faults)


def stage_record(path: Path) -> dict[str, Any]:
    """Seconds, device and versions of the stage that wrote a product; empty for a foreign product."""
    return _json_attribute(path, ATTRIBUTE_RECORD) or {}


def _json_attribute(path: Path, name: str) -> dict[str, Any] | None:
    remedy = "delete it and run the project again"
    with open_h5(path, remedy) as file:
        text = read_text_attribute(file, name)
    if text is None:
        return None
    try:
        value = parse_json(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ProjectError(f"{path}: its attribute {name} is no JSON object; {remedy}")
    return value
