"""One set of small inputs for all figures."""

import fake_inputs
import pytest


@pytest.fixture(scope="session")
def figure_inputs(tmp_path_factory):
    """Figure name -> input name -> files."""
    return fake_inputs.make(tmp_path_factory.mktemp("figures"), neurons=24, trials_per_condition=2)
