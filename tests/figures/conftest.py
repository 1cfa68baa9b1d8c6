"""One set of small inputs for all figures."""

import fake_avae_conditions
import fake_avae_cultures
import fake_avae_scores
import fake_avae_traces
import fake_contributions
import fake_cross_encoder
import fake_digital_twin_bar_codes
import fake_digital_twin_images
import fake_digital_twin_meis
import fake_digital_twin_properties
import fake_digital_twin_scan
import fake_digital_twin_tuning
import fake_inputs
import fake_population
import fake_recording
import fake_roles
import fake_theory
import pytest

STUDIES = (
    *(fake_population, fake_recording, fake_theory, fake_cross_encoder, fake_contributions, fake_roles),
    *(fake_avae_cultures, fake_avae_traces, fake_avae_scores, fake_avae_conditions),
    *(fake_digital_twin_bar_codes, fake_digital_twin_images, fake_digital_twin_meis),
    *(fake_digital_twin_properties, fake_digital_twin_scan, fake_digital_twin_tuning),
)


def make(folder):
    """Return figure name -> input name -> files, which are written below a folder."""

    def inner(name):
        (folder / name).mkdir()
        return folder / name

    inputs = fake_inputs.make(inner("figures"), neurons=24, trials_per_condition=2)
    inputs["recordings_event_rates"] |= fake_recording.training(inner("training"))
    for study in STUDIES:
        inputs |= study.make(inner(study.__name__))
    return inputs


@pytest.fixture(scope="session")
def figure_inputs(made_once):
    """Figure name -> input name -> files."""
    return made_once("figures", make)
