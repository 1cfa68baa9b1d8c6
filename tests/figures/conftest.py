"""One set of small inputs for all figures."""

import fake_contributions
import fake_cross_encoder
import fake_inputs
import fake_roles
import fake_theory
import pytest


@pytest.fixture(scope="session")
def figure_inputs(tmp_path_factory):
    """Figure name -> input name -> files."""
    inputs = fake_inputs.make(tmp_path_factory.mktemp("figures"), neurons=24, trials_per_condition=2)
    for study in (fake_theory, fake_cross_encoder, fake_contributions, fake_roles):
        inputs |= study.make(tmp_path_factory.mktemp(study.__name__))
    return inputs
