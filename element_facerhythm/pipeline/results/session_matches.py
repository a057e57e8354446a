"""Components of the projects of one animal, registered, compared, and told which is which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from element_facerhythm.core.arrays import Float64Array, GrayFrame
from element_facerhythm.core.decomposition.components import peak_frequencies_hz
from element_facerhythm.core.sessions.common_axes import SessionComponents, on_common_axes
from element_facerhythm.core.sessions.identities import (
    Identity,
    join_identities,
    member_congruence,
)
from element_facerhythm.core.sessions.matching import (
    LEAST_CONGRUENCE,
    ComponentPair,
    congruence_table,
    match_all,
)
from element_facerhythm.core.sessions.registration import Registration, register
from element_facerhythm.errors import RequestError
from element_facerhythm.io.project import Project
from element_facerhythm.io.stored_factors import project_factors, project_maps, project_spectra
from element_facerhythm.pipeline.records import NullProgress, Progress
from element_facerhythm.pipeline.results.session_pictures import (
    project_image,
    reference_name,
    region_around,
    session_names,
)


@dataclass(frozen=True)
class MatchedComponent:
    """A component of one session, as a row.

    Attributes
    ----------
    identity
        Number of the identity: the same number, the same component.
    session
        Name of the session.
    model_key, component_index
        Of the component in its decomposition.
    n_sessions
        In how many sessions the identity was found; 1 where it is matched with nothing.
    congruence
        Mean with the other members of the identity, 0 to 1; NaN where there is none.
    peak_frequency_hz
        Where its spectrum is largest; NaN where loadings vanish.
    centroid_x_px, centroid_y_px
        Mean position of its points, weighted by loading, in pixels of the reference; NaN where they vanish.
    """

    identity: int
    session: str
    model_key: str
    component_index: int
    n_sessions: int
    congruence: float
    peak_frequency_hz: float
    centroid_x_px: float
    centroid_y_px: float


@dataclass(frozen=True, eq=False)
class SessionPicture:
    """What a session looks like.

    Attributes
    ----------
    directory
        Of the project.
    model_key
        Of its decomposition.
    image
        (H, W) background image, or the first frame of a project without one.
    components
        In the pixels of the session itself.
    """

    directory: Path
    model_key: str
    image: GrayFrame
    components: SessionComponents


@dataclass(frozen=True, eq=False)
class SessionMatches:
    """What is the same in several sessions.

    Attributes
    ----------
    reference
        Name of the session that the others were registered to.
    pictures
        Of every session that was given, by its name, in the order of the names.
    registrations
        Of every session; those that were refused are in nothing below.
    pairs
        Assigned components of every two sessions.
    identities
        What the pairs were joined into.
    rows
        One for each component, by identity and session.
    """

    reference: str
    pictures: Mapping[str, SessionPicture]
    registrations: tuple[Registration, ...]
    pairs: tuple[ComponentPair, ...]
    identities: tuple[Identity, ...]
    rows: tuple[MatchedComponent, ...]

    @property
    def refused(self) -> dict[str, str]:
        """Why sessions were not compared, by their names."""
        return {one.session: one.refused for one in self.registrations if one.refused}


def match_projects(
    directories: Sequence[Path],
    *,
    model_key: str | None = None,
    reference: Path | None = None,
    least: float = LEAST_CONGRUENCE,
    progress: Progress | None = None,
) -> SessionMatches:
    """Match the components of the projects of one animal.

    Parameters
    ----------
    directories
        Of two projects or more, of this package or of face-rhythm. Their order changes nothing.
    model_key
        Of the decomposition, where each video has its own; None for the only one.
    reference
        Project whose picture the others are registered to; the first in the order of the names where None.
    least
        Congruence below which components are not matched, above 0 and at most 1.
    progress
        Notified of the sessions that were registered.

    Raises
    ------
    RequestError
        There are fewer than two projects, none aligns with the reference, their frequencies have nothing in
        common, the threshold is none, or it is not said which decomposition.
    ProjectError
        One is no project, or not complete.
    """
    if len(directories) < 2:
        raise RequestError(
            "give two project directories or more: components of one are all different"
        )
    named = session_names(directories)
    pictures = {name: session_picture(place, name, model_key) for name, place in named.items()}
    first = reference_name(reference, named)
    with (progress or NullProgress()).stage("register", len(pictures), "sessions") as advance:
        registrations = register(
            {name: one.image for name, one in pictures.items()},
            first,
            region_around(pictures[first].components.positions_px, pictures[first].image),
            advance=advance,
        )
    registered = [_moved(pictures[r.session].components, r) for r in registrations if not r.refused]
    if len(registered) < 2:
        listed = "; ".join(f"{r.session}: {r.refused}" for r in registrations if r.refused)
        raise RequestError(
            f"no session aligns with {first} ({listed}). They may be of other animals or views; with "
            "--reference, they are aligned with another session"
        )
    compared = on_common_axes(registered)
    pairs = match_all(compared, least)
    identities = join_identities({one.session: one.rank for one in registered}, pairs)
    congruences = congruence_table(compared)
    by_name = {one.session: one for one in registered}
    rows = [
        _row(identity, member, value, by_name[member[0]], pictures[member[0]].model_key)
        for identity in identities
        for member, value in member_congruence(identity, congruences).items()
    ]
    return SessionMatches(first, pictures, registrations, pairs, identities, tuple(rows))


def session_picture(directory: Path, name: str, model_key: str | None = None) -> SessionPicture:
    """Read what a project says of its components, and what its recording looks like.

    Parameters
    ----------
    directory
        The project.
    name
        Of the session.
    model_key
        As of `match_projects`.

    Raises
    ------
    RequestError
        It is not said which decomposition.
    ProjectError
        It is no project, or not complete.
    ParameterError
        The decomposition has no points or no frequencies.
    """
    project = Project.open(directory)
    project.require("ROIs", "PointTracker", "VQT_Analyzer", "TCA")
    models = project.models()
    if model_key is None and len(models) > 1:
        raise RequestError(
            f"{directory}: which decomposition? say --model, one of {', '.join(models)}"
        )
    key = next(iter(models)) if model_key is None else model_key
    factors = project_factors(project, key, models)
    maps = project_maps(project, factors).loadings.values()
    loadings = np.abs(np.stack([direction.T for direction in maps]))
    spectra = project_spectra(project, factors)
    ascending = np.argsort(spectra.frequencies_hz)
    components = SessionComponents(
        name,
        project.point_positions.astype(np.float64),
        np.nan_to_num(loadings.astype(np.float64)),
        spectra.frequencies_hz[ascending],
        np.nan_to_num(np.abs(spectra.loadings.T[ascending]).astype(np.float64)),
    )
    return SessionPicture(directory, key, project_image(project), components)


def _moved(components: SessionComponents, registration: Registration) -> SessionComponents:
    return SessionComponents(
        components.session,
        registration.to_reference(components.positions_px),
        components.maps,
        components.frequencies_hz,
        components.spectra,
    )


def _row(
    identity: Identity,
    member: tuple[str, int],
    congruence: float,
    components: SessionComponents,
    model_key: str,
) -> MatchedComponent:
    session, index = member
    weights: Float64Array = components.maps[:, :, index].sum(axis=0)
    total = float(weights.sum())
    x, y = weights @ components.positions_px / total if total > 0 else (np.nan, np.nan)
    peaks = peak_frequencies_hz(components.spectra[:, [index]], components.frequencies_hz)
    return MatchedComponent(
        identity.number, session, model_key, index, len(identity.members),
        congruence, float(peaks[0]), float(x), float(y),
    )  # fmt: skip
