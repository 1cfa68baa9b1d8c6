"""The distribution that inference keeps when it is asked to."""

import numpy as np
import pandas as pd
import pytest
import torch
from continuous_recording import make_continuous

from calcium_latents.models.lfads.batches import TrialStore
from calcium_latents.models.lfads.inference import infer_rates, to_inferred
from calcium_latents.models.lfads.model import LFADS
from calcium_latents.models.lfads.observation import PoissonObservation, ZeroInflatedGammaObservation
from calcium_latents.models.lfads.sizes import LFADSSizes
from calcium_latents.models.lfads.trials import TrialOptions, prepare_trials
from calcium_latents.recordings import cut_windows
from calcium_latents.recordings.inferred import DISTRIBUTION
from calcium_latents.training.streams import Streams


def model_and_trials(observation):
    sizes = LFADSSizes(neurons=5, encoder=4, controller=4, generator=6, initial_condition=4, factors=4)
    events = torch.where(torch.rand(7, 12, 5) < 0.3, 0.4, 0.0)
    return LFADS(sizes, observation(5, 1, 0.1), Streams([1])), TrialStore(events)


def test_the_kept_distribution_has_the_mean_that_is_the_rate():
    model, store = model_and_trials(ZeroInflatedGammaObservation)
    once = infer_rates(model, store, 0, keep_distribution=True)
    q, shape, scale = (once[name] for name in DISTRIBUTION)
    assert q.dtype == np.float32 and q.shape == once["mean"].shape == (7, 12, 5)
    np.testing.assert_allclose(q * (shape * scale + 0.1), once["mean"], rtol=1e-5)
    drawn = infer_rates(model, store, 3, Streams([2]), keep_distribution=True)
    assert not np.allclose(drawn["event_probability"], q)
    assert ((drawn["event_probability"] > 0) & (drawn["event_probability"] < 1)).all()


@pytest.mark.parametrize("observation", [ZeroInflatedGammaObservation, PoissonObservation])
def test_it_is_kept_only_when_asked_for_and_only_where_there_is_one(observation):
    model, store = model_and_trials(observation)
    ask = observation is PoissonObservation
    assert not set(DISTRIBUTION) & set(infer_rates(model, store, 0, keep_distribution=ask))


@pytest.mark.parametrize("bin_width_s", [0.01, None])
def test_shorter_trials_say_where_they_end(bin_width_s):
    recording = make_continuous(n_frames=300)
    table = pd.DataFrame({"start_s": [0.5, 2.0, 5.0], "stop_s": [1.0, 4.0, 6.5]})
    for stops in (table["stop_s"].to_numpy(), table["start_s"].to_numpy() + 1.5):
        cut = cut_windows(recording, bin_width_s, 1.0, 0.2, trials=table.assign(stop_s=stops))
        trials = prepare_trials(cut, TrialOptions())
        shape = cut["events"].shape
        names = ("mean", "factors", "inferred_inputs", "initial_condition")
        rates = {name: np.ones(shape[: 3 - (name == "initial_condition")], np.float32) for name in names}
        inferred = to_inferred(rates, trials, cut, "lfads")
        if len(set(np.diff([table["start_s"], stops], axis=0)[0])) == 1:
            assert "trial_stop" not in inferred
        else:
            np.testing.assert_allclose(inferred["trial_stop"], stops, atol=1 / 30)
