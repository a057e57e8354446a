"""One decomposition of many sessions of an animal: shared places and frequencies, time by session."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from element_facerhythm import __version__
from element_facerhythm.core.decomposition import AxisPlan, Decomposition, FitSettings, decompose
from element_facerhythm.core.decomposition.components import peak_frequencies_hz
from element_facerhythm.core.device import resolve_device
from element_facerhythm.core.sessions.joint import ResampledSpectrogram, SessionGrid, shared_grid
from element_facerhythm.core.sessions.registration import Registration, register
from element_facerhythm.errors import RequestError
from element_facerhythm.io.h5 import write_tree
from element_facerhythm.io.products import new_product, stamp_texts, write_decomposition
from element_facerhythm.io.project import Project
from element_facerhythm.parameters import parameters_from_mapping
from element_facerhythm.parameters.axes import FREQUENCY
from element_facerhythm.pipeline.records import NullProgress, Progress
from element_facerhythm.pipeline.results.session_pictures import (
    project_image,
    reference_name,
    region_around,
    session_names,
)
from element_facerhythm.pipeline.run.core_arguments import fit_settings

SAME_SETTINGS = ("normalization_factor", "spectrogram_exponent", "one_over_f_exponent")
"""Of the spectrograms: sessions that differ in one of these are in other units."""
_PLACES = "(xy points)"
_PLAN = AxisPlan(
    pairs=(("xy", "points"),), element_axis="videos", method="concatenate", undo_join=True
)


@dataclass(frozen=True)
class JointComponent:
    """A component of a joint decomposition in one session, as a row.

    Attributes
    ----------
    component_index
        Number of the component, the same in every session.
    session
        Name of the session.
    peak_frequency_hz
        Where its spectrum is largest; the same in every session.
    centroid_x_px, centroid_y_px
        Mean position of its points, weighted by loading, in pixels of the reference.
    strength
        Root mean square, over the windows of the session, of the component as a part of the spectrogram:
        comparable between sessions and between components. 0 where it did not happen.
    """

    component_index: int
    session: str
    peak_frequency_hz: float
    centroid_x_px: float
    centroid_y_px: float
    strength: float


@dataclass(frozen=True, eq=False)
class JointRecord:
    """What a joint decomposition gave.

    Attributes
    ----------
    path
        The product.
    reference
        Name of the session whose pixels the places are in.
    registrations
        Of every session.
    grid
        Places and frequencies that all sessions share.
    n_points_left_out, n_frequencies_left_out
        Of the reference: those that another session lacks.
    decomposition
        The model, time courses by the numbers of `videos`.
    videos
        Session and number of the video, of each video in the order of the model.
    rows
        One for each component and session.
    """

    path: Path
    reference: str
    registrations: tuple[Registration, ...]
    grid: SessionGrid
    n_points_left_out: int
    n_frequencies_left_out: int
    decomposition: Decomposition
    videos: tuple[tuple[str, int], ...]
    rows: tuple[JointComponent, ...]


def decompose_jointly(
    directories: Sequence[Path],
    output: Path,
    rank: int,
    *,
    options: Mapping[str, Any] | None = None,
    reference: Path | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> JointRecord:
    """Decompose the spectrograms of many sessions together, and write the product; whole or not at all.

    Spectrograms are read in slices and interpolated to the places and frequencies of the reference that all
    sessions have; they may be larger than memory together.

    Parameters
    ----------
    directories
        Two projects of one animal or more, with spectrograms. Their order changes nothing.
    output
        HDF5 file to write.
    rank
        Number of components.
    options
        Other parameters of the method, as of ``TCA.fit.params_method``.
    reference
        Project that the others are registered to; the first in the order of the names where None.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda[:n]"``.
    progress
        Notified of sessions and iterations.

    Raises
    ------
    RequestError
        There are fewer than two projects, a picture does not align, sessions share too little, or their
        spectrograms are in other units.
    ProjectError
        One is no project, lacks its spectrograms, or they are damaged.
    ParameterError
        The rank, an option or the device is impossible.
    """
    if len(directories) < 2:
        raise RequestError(
            "give two project directories or more: one has a decomposition of its own"
        )
    settings, resolved = _settings(rank, options or {}), resolve_device(device)
    named, progress = session_names(directories), progress or NullProgress()
    projects = {name: Project.open(place) for name, place in named.items()}
    for project in projects.values():
        project.require("ROIs", "PointTracker", "VQT_Analyzer")
    first = reference_name(reference, named)
    _require_same_settings(projects, first)
    registrations = _registrations(projects, first, progress)
    grids = {r.session: _grid(projects[r.session], r) for r in registrations}
    shared = shared_grid(grids[first], [one for name, one in grids.items() if name != first])
    videos = [(n, i) for n, project in projects.items() for i in range(len(project.video_keys))]
    arrays = {
        str(number): ResampledSpectrogram(projects[name].spectrogram(i), grids[name], shared)
        for number, (name, i) in enumerate(videos)
    }
    started = time.perf_counter()
    with progress.stage("decomposition", settings.n_iter_max, "iterations") as advance:
        found = decompose(arrays, _PLAN, settings, device=resolved, on_iteration=advance)
    record = JointRecord(
        output, first, registrations, shared,
        len(grids[first].positions_px) - len(shared.positions_px),
        len(grids[first].frequencies_hz) - len(shared.frequencies_hz),
        found, tuple(videos), tuple(_rows(found, shared, videos)),
    )  # fmt: skip
    how = {"seconds": time.perf_counter() - started, "device": str(resolved)}
    _write(record, projects, settings, how)
    return record


def _settings(rank: int, options: Mapping[str, Any]) -> FitSettings:
    method = {"rank": rank, **options}
    tree = {"TCA": {"fit": {"method": "CP_NN_HALS", "params_method": method}}}
    return fit_settings(parameters_from_mapping(tree).parameters)


def _require_same_settings(projects: Mapping[str, Project], first: str) -> None:
    stated = {name: project.settings("VQT_Analyzer") for name, project in projects.items()}
    for name, own in stated.items():
        for key in SAME_SETTINGS:
            if own.get(key) != stated[first].get(key):
                raise RequestError(
                    f"{key} is {own.get(key)} in {name} and {stated[first].get(key)} in {first}: their "
                    "spectrograms are in other units; run one of them again with the other's parameters"
                )


def _registrations(
    projects: Mapping[str, Project], first: str, progress: Progress
) -> tuple[Registration, ...]:
    images = {name: project_image(project) for name, project in projects.items()}
    region = region_around(projects[first].point_positions.astype(np.float64), images[first])
    with progress.stage("register", len(images), "sessions") as advance:
        found = register(images, first, region, advance=advance)
    refused = [f"{one.session}: {one.refused}" for one in found if one.refused]
    if refused:
        raise RequestError(f"{'; '.join(refused)}. Leave it out, or give another --reference")
    return found


def _grid(project: Project, registration: Registration) -> SessionGrid:
    frequencies = project.frequencies_hz.astype(np.float64)
    if len(frequencies) < 2 or not (np.diff(frequencies) > 0).all():
        raise RequestError(
            f"{registration.session}: its frequencies do not ascend; expected two or more that do"
        )
    positions = project.point_positions.astype(np.float64)
    return SessionGrid(registration.session, registration.to_reference(positions), frequencies)


def _rows(
    found: Decomposition, shared: SessionGrid, videos: Sequence[tuple[str, int]]
) -> list[JointComponent]:
    (factors,) = found.factors_rearranged.values()
    places = np.abs(factors[_PLACES].reshape(2, len(shared.positions_px), -1)).sum(axis=0)
    spectra = factors[FREQUENCY]
    peaks = peak_frequencies_hz(spectra, shared.frequencies_hz)
    # of all entries of a window: what an average entry of the spectrogram gets from the component
    entry = np.linalg.norm(factors[_PLACES], axis=0) * np.linalg.norm(spectra, axis=0)
    entry = entry / np.sqrt(len(factors[_PLACES]) * len(spectra))
    rows = []
    for session in dict.fromkeys(name for name, _ in videos):
        courses = np.concatenate(
            [
                factors["videos"][f"time_{n}"]
                for n, (name, _) in enumerate(videos)
                if name == session
            ]
        )
        strengths = entry * np.sqrt(np.square(courses.astype(np.float64)).mean(axis=0))
        for index, strength in enumerate(strengths):
            total = places[:, index].sum()
            centre = (
                places[:, index] @ shared.positions_px / total if total > 0 else (np.nan, np.nan)
            )
            rows.append(
                JointComponent(index, session, float(peaks[index]), float(centre[0]), float(centre[1]),
                               float(strength))
            )  # fmt: skip
    return sorted(rows, key=lambda row: row.component_index)


def _write(
    record: JointRecord,
    projects: Mapping[str, Project],
    settings: FitSettings,
    how: Mapping[str, Any],
) -> None:
    inputs = {
        f"{name}/{product.name}.h5": product.sha256
        for name, project in projects.items()
        for product in project.products
        if product.name in ("ROIs", "PointTracker", "VQT_Analyzer")
    }
    fingerprint = {
        "stage": "joint_decomposition", "version": 1, "rank": settings.rank, "seed": settings.seed,
        "method": settings.method, "reference": record.reference,
    }  # fmt: skip
    about = {"stage": "joint_decomposition", "package_version": __version__, **how}
    with new_product(record.path, lambda: stamp_texts(fingerprint, inputs, about)) as file:
        write_decomposition(file, record.decomposition, settings.method)
        write_tree(
            file,
            {
                "point_positions": record.grid.positions_px,
                "frequencies": record.grid.frequencies_hz,
                "reference": record.reference,
                "sessions": {
                    str(number): {
                        "name": one.session,
                        "project_dir": str(projects[one.session].directory.absolute()),
                        "matrix": np.eye(2, 3) if one.alignment is None else one.alignment.matrix,
                    }
                    for number, one in enumerate(record.registrations)
                },
                "videos": {
                    str(number): {
                        "session": name,
                        "video_index": np.int64(i),
                        "times_s": projects[name].window_times_s(i),
                    }
                    for number, (name, i) in enumerate(record.videos)
                },
            },
        )
