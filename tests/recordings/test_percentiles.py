import numpy as np
import pytest

from calcium_latents.recordings.percentiles import percentile
from calcium_latents.seeds import generator


@pytest.mark.parametrize("samples", [1, 2, 11, 2401])
@pytest.mark.parametrize("percent", [0.0, 10.0, 15.0, 47.0, 100.0])
def test_percentiles_are_numpys_to_the_last_bit(samples, percent):
    values = generator(1, "tests", "percentile", str(samples)).normal(size=(5, samples))
    values[3] = np.nan
    np.testing.assert_array_equal(percentile(values, percent), np.percentile(values, percent, axis=-1))
