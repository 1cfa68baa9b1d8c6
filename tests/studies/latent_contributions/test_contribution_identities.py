"""The exact identities hold on any activity, and the check would notice if they did not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.seeds import generator
from calcium_latents.studies.latent_contributions import contribution_identities
from calcium_latents.studies.latent_contributions.contribution_identities import identities


@settings(max_examples=20, deadline=None)
@given(st.integers(3, 60), st.integers(1, 12), st.integers(0, 10**6))
def test_identities_hold_to_rounding(frames, neurons, seed):
    activity = generator(seed, "activity").gamma(1.0, size=(frames, neurons))
    table = identities(activity)
    assert len(table) == 5 and table["identity"].is_unique
    assert (table["error"] < 1e-10).all(), table


def test_a_wrong_contribution_is_noticed(monkeypatch):
    activity = generator(1, "activity").gamma(1.0, size=(50, 6))
    original = contribution_identities.contributions
    monkeypatch.setattr(contribution_identities, "contributions", lambda *a: original(*a) * 1.001)
    errors = identities(activity).set_index("identity")["error"]
    assert errors["sum of contributions"] > 1e-4
    assert errors["shares of a transition sum to one"] == pytest.approx(0, abs=1e-10)
    assert np.isfinite(errors).all()
