"""How `facerhythm rank` reads numbers of components."""

import pytest

from element_facerhythm.cli.rank import fit_options, parse_ranks
from element_facerhythm.errors import ParameterError


@pytest.mark.parametrize(
    ("text", "ranks"),
    [
        ("2:5", (2, 3, 4, 5)),
        ("2:10:3", (2, 5, 8)),
        ("8,2,4,2", (2, 4, 8)),
        ("1,3:4", (1, 3, 4)),
        ("6", (6,)),
    ],
)
def test_ranks_are_read(text, ranks):
    assert parse_ranks(text) == ranks


@pytest.mark.parametrize("text", ["", "a", "0:3", "-2", "5:2", "2:3:4:5", "1:99999999999", "2.5"])
def test_what_is_no_rank_is_refused(text):
    with pytest.raises(ParameterError, match="--ranks is"):
        parse_ranks(text)


def test_two_numbers_of_starts_are_refused():
    """One of them was taken without a word."""
    assert fit_options(["n_iter_max=5"], 3) == {"n_iter_max": 5, "n_restarts": 3}
    assert fit_options(["n_restarts=4"], None) == {"n_restarts": 4}
    with pytest.raises(ParameterError, match="--restarts is 3, and --set gives n_restarts=4"):
        fit_options(["n_restarts=4"], 3)
