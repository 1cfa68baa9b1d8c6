import numpy as np
import pytest

from calcium_latents.seeds import generator
from calcium_latents.simulation.smooth_noise import smooth_noise


@pytest.mark.parametrize("time_constant", [0.3, 10.0, 500.0])
def test_smooth_noise_has_the_autocorrelation_of_a_twice_filtered_process(time_constant):
    columns = 4000
    path = smooth_noise(60, columns, time_constant, generator(1, "test"))
    np.testing.assert_allclose(path.mean(axis=1), 0, atol=5 / columns**0.5)
    np.testing.assert_allclose(path.var(axis=1), 1, atol=5 * (2 / columns) ** 0.5)  # stationary from the first frame
    for first in (0, 7):
        for lag in (1, 5, 10, 30):
            expected = (1 + lag / time_constant) * np.exp(-lag / time_constant)
            found = np.mean(path[first] * path[first + lag])
            assert found == pytest.approx(expected, abs=5 * ((1 + expected**2) / columns) ** 0.5)


def test_smooth_noise_is_smooth():
    """Its increments shrink as the lag (a once filtered process: as the root of the lag)."""
    path = smooth_noise(9, 20_000, 100.0, generator(2, "test"))
    squares = [np.mean((path[lag] - path[0]) ** 2) for lag in (1, 8)]
    assert np.log(squares[1] / squares[0]) / np.log(8) == pytest.approx(2, abs=0.1)
