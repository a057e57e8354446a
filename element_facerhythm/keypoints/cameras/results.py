"""Files of keypoints in space: HDF5 as deeperfly lays it out, movement's netCDF, Anipose's table.

The HDF5 file holds deeperfly's groups (format version 2), and beside them the tracks as every file of
keypoints of this package has them, so that it is read as one of these, too.
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import KeypointError, TextError
from element_facerhythm.files.texts import parse_json
from element_facerhythm.io.atomic import atomic_path
from element_facerhythm.io.content_digest import seal
from element_facerhythm.io.h5 import atomic_h5, make_room, read_text_attribute, write_tree
from element_facerhythm.io.h5_reader import H5Group, open_h5
from element_facerhythm.keypoints.cameras.reconstruction import Reconstruction
from element_facerhythm.keypoints.cameras.stored_cameras import write_cameras
from element_facerhythm.keypoints.predictions import DEFAULT_INDIVIDUAL, Predictions
from element_facerhythm.keypoints.product import write_tracks
from element_facerhythm.keypoints.writing import write_predictions

FORMAT_VERSION = 2
"""deeperfly's, of results that are written and read."""
ENDINGS = (".h5", ".nc", ".csv")
_LIMB, _COLOR = "points", "#0f7399"
_META = "meta"
_AGAIN = "triangulate again"
_STAGES = ("triangulation", "pictorial_structures", "pose2d")


def write_reconstruction(
    made: Reconstruction,
    path: Path,
    *,
    facts: dict[str, Any] | None = None,
    overwrite: bool = False,
    in_layout: bool = True,
) -> None:
    """Write keypoints in space, whole or not at all, in the form that the ending names.

    Parameters
    ----------
    made
        The keypoints.
    path
        `.h5`: deeperfly's results and this package's tracks; `.nc`: a dataset of movement, with errors and
        numbers of views as variables; `.csv`: Anipose's columns.
    facts
        What else is known; JSON values, for HDF5.
    overwrite
        Whether a file that is there is replaced.
    in_layout
        Whether an HDF5 file has deeperfly's groups; without them, cameras may be fisheyes.

    Raises
    ------
    KeypointError
        As of `require_writable`.
    ConfigurationError
        movement (for netCDF) is not installed.
    """
    require_writable(made if in_layout else None, path, overwrite=overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    ending = path.suffix.lower()
    if ending == ".nc":
        write_predictions(made.predictions(), path, "netcdf", overwrite=True)
    elif ending == ".csv":
        _write_table(made, path)
    else:
        _write_results(made, path, facts or {}, in_layout)


def require_writable(made: Reconstruction | None, path: Path, *, overwrite: bool) -> None:
    """Refuse what cannot be written, before or after it is computed.

    Parameters
    ----------
    made
        What is to be written; None while it is not known, for what can be said without it.
    path
        As of `write_reconstruction`.
    overwrite
        Likewise.

    Raises
    ------
    KeypointError
        The ending is another, the file is there, a camera is a fisheye, which deeperfly's layout has no place
        for, or the table is to hold several individuals.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise KeypointError(
            f"{path} does not end like a file of positions in space: {' or '.join(ENDINGS)}"
        )
    if path.exists() and not overwrite:
        raise KeypointError(
            f"{path} exists; give --overwrite to replace it, or another name with -o"
        )
    if made is None:
        return
    fisheyes = [camera.name for camera in made.cameras if camera.is_fisheye]
    if ending == ".h5" and fisheyes:
        raise KeypointError(
            f"camera {', '.join(fisheyes)} is a fisheye, for which deeperfly's layout has no place: "
            "write .nc or "
            ".csv instead"
        )
    if ending == ".csv" and len(made.seen.individuals) > 1:
        raise KeypointError(
            f"Anipose's table holds one individual, these are {len(made.seen.individuals)}: write .h5 or "
            ".nc instead"
        )


def point_names(made: Reconstruction) -> list[str]:
    """Names of the I x K points: body parts, with the individual before them where there are several."""
    parts, owners = made.seen.body_parts, made.seen.individuals
    return list(parts) if len(owners) == 1 else [f"{i}/{k}" for i in owners for k in parts]


def facts_of(made: Reconstruction) -> dict[str, Any]:
    """How positions were found, in values of JSON."""
    match = made.seen.match
    refined = made.refined
    return {
        "cameras": [camera.facts for camera in made.cameras],
        "options": made.options.facts,
        "tolerances_s": match.tolerances_s.tolist(),
        "frames_matched": match.n_matched.tolist(),
        "frames_left": match.n_left.tolist(),
        "refined_by_points": None if refined is None else refined.n_points,
        "refined_cameras": None
        if refined is None
        else [camera.facts for camera in refined.cameras],
    }


def _write_results(
    made: Reconstruction, path: Path, facts: dict[str, Any], in_layout: bool
) -> None:
    clock = {"times_s": made.seen.times_s, "frame_numbers": made.seen.frame_numbers}
    with atomic_h5(path) as file:
        if in_layout:
            _write_layout(file, made)
        write_tree(file, {"clock": clock})
        write_tracks(file, made.predictions(), {**facts_of(made), **facts})
        seal(file)


def _write_layout(file: h5py.File, made: Reconstruction) -> None:
    """Write the groups that deeperfly's results have."""
    n_views, n_frames = made.used.shape[:2]
    flat = (n_views, n_frames, -1)
    used, points = made.used.reshape(flat), made.seen.pixels.reshape(*flat, 2)
    names = point_names(made)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    meta = {"deeperfly_format_version": FORMAT_VERSION, "created_utc": now, "source": "facerhythm"}
    skeleton = {
        "point_names": names,
        "limb_names": [_LIMB],
        "limb_id": np.zeros(len(names), dtype=np.int64),
        "bones": np.empty((0, 2), dtype=np.int64),
        "palette": {},
    }
    make_room(file, 3 * points.nbytes)
    file.attrs[_META] = json.dumps(meta)
    write_tree(file, {"skeleton": skeleton})
    file["skeleton"].attrs["name"] = "facerhythm"
    file["skeleton/palette"].attrs[_LIMB] = _COLOR
    conf = made.seen.likelihood.reshape(flat)
    write_tree(file, {"pose2d": {"points": points, "conf": conf}})
    write_cameras(file["pose2d"], made.cameras)
    if made.refined is not None:
        write_cameras(file.create_group("bundle_adjustment"), made.refined.cameras)
    stage = {
        "points": np.where(used[..., None], points, np.nan),
        "points3d": made.positions.reshape(n_frames, -1, 3),
        "reproj_error": np.where(used, made.errors_px.reshape(flat), np.nan),
    }
    write_tree(file, {"triangulation": stage})


def _write_table(made: Reconstruction, path: Path) -> None:
    """Anipose's columns of each body part: x, y, z, error, ncams, score; and the frame's number."""
    values = made.predictions()
    columns: dict[str, NDArray[np.floating]] = {}
    for k, part in enumerate(made.seen.body_parts):
        for d, axis in enumerate("xyz"):
            columns[f"{part}_{axis}"] = values.positions[:, 0, k, d]
        columns |= {f"{part}_{name}": kept[:, 0, k] for name, kept in values.variables.items()}
        columns[f"{part}_score"] = values.likelihood[:, 0, k]
    rows = np.column_stack(list(columns.values()))
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch, atomic_path(path) as whole:
        written = Path(scratch, "one.csv")
        with written.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow([*columns, "fnum"])
            for number, row in zip(made.seen.frame_numbers[0].tolist(), rows.tolist(), strict=True):
                table.writerow([*("" if v != v else repr(v) for v in row), number])
        written.replace(whole)


def read_results(path: Path) -> Predictions:
    """Read the positions of deeperfly's results: of the last stage that has them.

    Each point is a body part of one individual. The mean reprojection error of a point over the views, and
    the number of views, are the variables `error` and `ncams`; the likelihood is the mean of the views'.

    Raises
    ------
    ProjectError
        The file is missing or damaged.
    KeypointError
        It is of another version, is none of deeperfly's, or no stage has positions in space yet.
    """
    with open_h5(path, _AGAIN) as file:
        _require_version(file)
        stage = next((s for s in _STAGES if f"{s}/points3d" in file), None)
        if stage is None:
            raise KeypointError(
                f"{path} has no positions in space: neither its triangulation nor its pictorial "
                "structures are done"
            )
        names = file.dataset("skeleton/point_names").texts()
        positions = file.dataset(f"{stage}/points3d").numbers(3).astype(np.float64)
        n_frames = len(positions)
        if positions.shape != (n_frames, len(names), 3):
            file.refuse(
                f"has points3d of shape {positions.shape}; expected (frames, {len(names)}, 3)"
            )
        errors = _by_view(file, f"{stage}/reproj_error", (n_frames, len(names)))
        conf = _by_view(file, "pose2d/conf", (n_frames, len(names)))
    has_position = np.asarray(np.isfinite(positions).all(axis=2))
    variables = {}
    if errors is not None:
        counted = np.isfinite(errors).sum(axis=0).astype(np.float64)
        variables = {"error": _mean(errors, has_position)[:, None], "ncams": counted[:, None]}
    if conf is None:
        likelihood = np.full(has_position.shape, np.nan)
    else:
        seen = conf if errors is None else np.where(np.isfinite(errors), conf, np.nan)
        likelihood = _mean(seen, has_position)
    return Predictions(
        positions[:, None],
        likelihood[:, None],
        tuple(names),
        (DEFAULT_INDIVIDUAL,),
        "deeperfly",
        variables=variables,
        notes=() if stage == _STAGES[0] else (f"positions are those of the stage {stage}",),
    )


def _require_version(file: H5Group) -> None:
    text = read_text_attribute(file, _META)
    try:
        meta = parse_json(text or "{}")
    except TextError:
        meta = {}
    version = meta.get("deeperfly_format_version") if isinstance(meta, dict) else None
    if not isinstance(version, int):
        raise KeypointError(
            f"{file.path} holds no results of deeperfly, or says no version; name another software"
        )
    if version != FORMAT_VERSION:
        what = "newer" if version > FORMAT_VERSION else "older"
        raise KeypointError(
            f"{file.path} is of deeperfly's format version {version}, {what} than the version "
            f"{FORMAT_VERSION} that "
            "is read; write it again in that version, or give Anipose's table"
        )


def _by_view(file: H5Group, name: str, shape: Sequence[int]) -> NDArray[np.float64] | None:
    """(V, T, P) array of each view; None where the file has none."""
    if name not in file:
        return None
    values = file.dataset(name).numbers(3).astype(np.float64)
    if values.shape[1:] != tuple(shape):
        file.refuse(f"has {name} of shape {values.shape}; expected (views, {shape[0]}, {shape[1]})")
    return values


def _mean(values: NDArray[np.float64], is_wanted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(T, P) mean over the views that say something."""
    says = np.isfinite(values)
    total = np.where(says, values, 0.0).sum(axis=0)
    n_views = says.sum(axis=0)
    return np.where(is_wanted & (n_views > 0), total / np.maximum(n_views, 1), np.nan)
