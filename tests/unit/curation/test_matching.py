"""Components of another fit are suggested where loadings agree, whatever their order, scale and sign."""

import numpy as np
import pytest

from element_facerhythm.curation import suggest_matches
from element_facerhythm.errors import RequestError


def test_planted_components_are_found_in_another_order_and_scale() -> None:
    rng = np.random.default_rng(0)
    points, frequencies = rng.random((40, 5)) ** 4, rng.random((12, 5)) ** 4
    order = np.array([3, 0, 4])
    scale = np.array([2.0, -0.1, 7.0])
    other = [
        np.c_[points[:, order] * scale, rng.random(40) ** 4],
        np.c_[frequencies[:, order], rng.random(12) ** 4],
    ]
    found = suggest_matches([points, frequencies], other)
    assert {s.component_index: s.suggested_index for s in found} == {0: 1, 3: 0, 4: 2}
    assert [s.congruence for s in found] == pytest.approx([1, 1, 1])
    # with a threshold of 0 each component has a partner, as far as there are any
    assert len(suggest_matches([points, frequencies], other, least=0)) == 4


def test_a_component_of_the_same_place_and_another_frequency_is_none() -> None:
    place = np.ones((30, 1))
    low, high = np.eye(8)[:, :1], np.eye(8)[:, 5:6]
    assert suggest_matches([place, low], [place, high]) == ()
    assert suggest_matches([1j * place, low], [place, low])[0].congruence == pytest.approx(1)


def test_other_points_cannot_be_compared() -> None:
    with pytest.raises(RequestError, match="30 and 8 in one fit and over 31 and 8"):
        suggest_matches([np.ones((30, 1)), np.ones((8, 1))], [np.ones((31, 2)), np.ones((8, 2))])
