"""Components are the same on other grids of points, and on other axes of frequencies."""

import numpy as np
import pytest

from element_facerhythm.core.sessions.common_axes import SessionComponents, on_common_axes
from element_facerhythm.core.sessions.identities import join_identities, member_congruence
from element_facerhythm.core.sessions.matching import (
    ComponentPair,
    congruence_table,
    match_all,
    match_pair,
)
from element_facerhythm.errors import RequestError

PLANTED = (  # place, width in px, direction, peak in Hz
    ((60, 50), 18, (1.0, 0.2), 10.0),
    ((120, 60), 14, (0.1, 1.0), 5.0),
    ((85, 90), 20, (0.6, 0.6), 2.5),
    ((60, 50), 18, (1.0, 0.2), 5.0),  # the place of the first, the frequency of the second
)


def session(
    name, which, *, spacing=8.0, offset=(0.0, 0.0), frequencies=(1.5, 25.0, 24), directions=2
):
    """Components of a grid of points, in pixels of the reference."""
    x, y = np.meshgrid(
        np.arange(30, 150, spacing) + offset[0], np.arange(30, 110, spacing) + offset[1]
    )
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    hz = np.geomspace(*frequencies[:2], frequencies[2])
    maps, spectra = [], []
    for place, width, direction, peak in (PLANTED[k] for k in which):
        weight = np.exp(-((points - place) ** 2).sum(axis=1) / (2 * width**2))
        maps.append(np.outer(direction, weight))
        spectra.append(np.exp(-0.5 * (np.log2(hz / peak) / 0.3) ** 2))
    maps = np.stack(maps, axis=-1)
    if directions == 1:
        maps = np.linalg.norm(maps, axis=0, keepdims=True)
    return SessionComponents(name, points, maps, hz, np.stack(spectra, axis=1))


@pytest.mark.parametrize(
    "other",
    [
        {"spacing": 11.0, "offset": (3.7, -2.1)},
        {"frequencies": (1.0, 40.0, 41)},
        {"directions": 1},
    ],
)
def test_other_grids_and_other_axes_are_the_same_components(other):
    sessions = [session("a", (0, 1, 2)), session("b", (2, 3, 0), **other)]
    pairs = match_pair(*on_common_axes(sessions))
    assert {(p.component_index, p.other_index) for p in pairs} == {(0, 2), (2, 0)}
    assert min(p.congruence for p in pairs) > 0.97
    for pair in pairs:
        assert pair.congruence == pytest.approx(pair.place_cosine * pair.spectrum_cosine)


def test_a_component_where_the_other_session_did_not_look_has_no_partner():
    whole, part = session("a", (0, 1)), session("b", (0, 1))
    seen = part.positions_px[:, 0] < 95  # the place of the second component is not among the points
    part = SessionComponents(
        "b", part.positions_px[seen], part.maps[:, seen], part.frequencies_hz, part.spectra
    )
    pairs = match_pair(*on_common_axes([whole, part]))
    assert [(p.component_index, p.other_index) for p in pairs] == [(0, 0)]


def test_pairs_below_the_threshold_draw_nothing_away():
    """A sum over all pairs would be larger with the components crossed; one of these is none."""
    places = [np.eye(3)[:, :2], np.array([[0.8, 0.79], [0.0, 0.61], [0.6, 0.0]])]
    one, other = (
        type("Axes", (), {"session": name, "places": p, "spectra": np.ones((2, 2))})()
        for name, p in zip("ab", places, strict=True)
    )
    assert [(p.component_index, p.other_index) for p in match_pair(one, other, 0.7)] == [(0, 0)]


def test_identities_are_followed_through_a_session_that_lacks_the_component():
    sessions = [session("c", (1, 0)), session("a", (0, 1)), session("b", (1,))]
    compared = on_common_axes(sessions)
    identities = join_identities({s.session: s.rank for s in sessions}, match_all(compared))
    assert [one.members for one in identities] == [
        (("a", 0), ("c", 1)),
        (("a", 1), ("b", 0), ("c", 0)),
    ]
    found = member_congruence(identities[1], congruence_table(compared))
    assert found == {(s, i): pytest.approx(1) for s, i in identities[1].members}


def test_a_pair_that_contradicts_a_surer_one_is_dropped():
    def pair(a, i, b, j, congruence):
        return ComponentPair(a, i, b, j, congruence, 1.0, congruence)

    pairs = [pair("a", 0, "b", 0, 0.9), pair("b", 0, "c", 0, 0.8), pair("a", 1, "c", 0, 0.85)]
    identities = join_identities({"a": 2, "b": 1, "c": 1}, pairs)
    assert [one.members for one in identities] == [(("a", 0), ("b", 0)), (("a", 1), ("c", 0))]


def test_what_cannot_be_compared_is_refused():
    slow, fast = (
        session("a", (0,), frequencies=(1, 4, 9)),
        session("b", (0,), frequencies=(5, 25, 9)),
    )
    with pytest.raises(RequestError, match="b has frequencies from 5 Hz, and a up to 4 Hz"):
        on_common_axes([slow, fast])
    twice = on_common_axes([session("a", (0,)), session("a", (1,))])
    with pytest.raises(RequestError, match="two sessions are called a"):
        match_all(twice)
    for least in (0.0, 1.1, float("nan")):
        with pytest.raises(RequestError, match="least congruence"):
            match_pair(*twice, least)
