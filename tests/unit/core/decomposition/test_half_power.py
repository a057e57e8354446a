"""The half-power band is that of a peak whose width is known."""

import numpy as np
import pytest

from element_facerhythm.core.decomposition.half_power import half_power_band

FREQUENCIES_HZ = np.geomspace(1, 40, 200)


def peak(centre_hz: float, sigma_octaves: float) -> np.ndarray:
    return np.exp(-(np.log2(FREQUENCIES_HZ / centre_hz) ** 2) / (2 * sigma_octaves**2))


@pytest.mark.parametrize("exponent", [1.0, 2.0, 0.5])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_power_of_a_bell_is_half_where_it_should_be(exponent: float, sign: int) -> None:
    low, high = half_power_band(sign * peak(8, 0.3) ** exponent, FREQUENCIES_HZ, exponent=exponent)
    octaves = 0.3 * np.sqrt(np.log(2))  # where the square of the magnitude is 1/2
    assert (low, high) == pytest.approx((8 * 2**-octaves, 8 * 2**octaves), rel=0.01)


def test_a_peak_at_the_end_of_the_axis_is_open_there() -> None:
    low, high = half_power_band(peak(1, 0.3), FREQUENCIES_HZ)
    assert low == pytest.approx(1) and 1 < high < 2
    assert half_power_band(np.ones(5), FREQUENCIES_HZ[:5]) == pytest.approx(
        (FREQUENCIES_HZ[0], FREQUENCIES_HZ[4])
    )


@pytest.mark.parametrize("loadings", [np.zeros(3), np.array([1, np.nan, 2]), np.array([])])
def test_where_there_is_no_peak_it_is_not_known(loadings: np.ndarray) -> None:
    assert np.isnan(half_power_band(loadings, FREQUENCIES_HZ[: len(loadings)])).all()
