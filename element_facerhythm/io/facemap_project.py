"""A project directory that holds signals alone, which facemap measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from element_facerhythm.io.config import write_config, write_json
from element_facerhythm.io.facemap_signals import FacemapSignals
from element_facerhythm.io.h5 import write_tree
from element_facerhythm.io.layout import SIGNALS
from element_facerhythm.io.products import new_product, stamp_texts


def write_facemap_project(
    directory: Path,
    signals: FacemapSignals,
    *,
    inputs: Mapping[str, Any],
    digests: Mapping[str, str],
    completed_utc: str,
    run_info: Mapping[str, Any],
) -> Path:
    """Write a project directory that holds signals alone; what is there already is replaced.

    Parameters
    ----------
    directory
        Where; it and the folders above it are made.
    signals
        What to write.
    inputs
        What they were measured from: ``videos`` (name, sha256, size and frames of each), ``width_px``,
        ``height_px``.
    digests
        SHA-256 by name of the files that were read.
    completed_utc
        When facemap wrote them.
    run_info
        Section ``Dataset_videos`` of ``run_info.json``.

    Returns
    -------
    Path
        FacialSignal.h5.
    """
    product = directory / "analysis_files" / f"{SIGNALS}.h5"
    product.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "stage": "facial_signal",
        "source": "facemap",
        "completed_utc": completed_utc,
        "notes": signals.notes,
    }
    texts = stamp_texts({"inputs": dict(inputs)}, digests, record)
    write_config(directory / "config.yaml", {"paths": {"project": str(directory)}})
    write_json(directory / "run_info.json", {"Dataset_videos": run_info})
    n_frames = np.array([video["n_frames"] for video in inputs["videos"]], np.int64)
    with new_product(product, lambda: texts) as file:
        tree = {
            str(region.index): {
                "name": region.name,
                "kind": region.kind,
                "polygon": region.polygon,
                **region.tree,
            }
            for region in signals.regions
        }
        write_tree(file, {"regions": tree, "summary": {**signals.summary, "n_frames": n_frames}})
        for name in (f"regions/{i}/{part}" for i, own in tree.items() for part in own):
            if name.endswith("_svd"):
                file[name].attrs["method"] = np.bytes_(b"facemap")
    return product
