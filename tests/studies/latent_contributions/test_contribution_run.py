"""Contributions of a whole recording: all methods, trials and sessions, and the command."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from calcium_latents.errors import UserError
from calcium_latents.recordings import make_inferred, make_recording, write_inferred, write_recording
from calcium_latents.recordings.netcdf import read_dataset
from calcium_latents.studies.latent_contributions.commands.contributions import main
from calcium_latents.studies.latent_contributions.contribution_run import run
from calcium_latents.studies.latent_contributions.contribution_study import Population, find_pieces, surrogate_latents
from calcium_latents.studies.latent_contributions.contribution_tables import neurons_for_half

sys.path.insert(0, str(Path(__file__).parents[1] / "figures"))
from fake_contributions import PROVENANCE, jumping_recording  # noqa: E402

SETTINGS = {"activity": "events", "span_s": 1.0, "components": 3, "shown_s": 20.0}


class Encoder:
    """What `chosen_encoder` returns, for a made-up encoder."""

    def __init__(self, sources, offsets, linear=False):
        torch.manual_seed(0)
        self.sources, self.offsets, self.latent_size = np.asarray(sources), offsets, 2
        inputs = len(sources) * len(offsets)
        first = torch.nn.Linear(inputs, 2 if linear else 8)
        self.network = torch.nn.Sequential(first, *([] if linear else [torch.nn.ReLU(), torch.nn.Linear(8, 2)]))
        self.network.double().requires_grad_(False)

    def encode(self, x):
        return self.network(x)


@pytest.fixture(scope="module")
def recording():
    return jumping_recording()


@pytest.fixture(scope="module")
def inferred(recording):
    events = recording["events"].values
    factors = (events - events.mean((0, 1))) @ np.random.default_rng(0).normal(size=(30, 4))
    return make_inferred(
        event_rate=events * 10, time=recording["time"].values, model="m", factors=factors, recording=recording
    )


def check(box, transitions, summary):
    """Identities that hold for every method."""
    shares = box["transition_share"].values
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-3)
    np.testing.assert_allclose(box["movement_share"].values.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(box["variance_share"].values.sum(axis=0), 1, atol=1e-3)
    np.testing.assert_allclose(box["population_share"].values.sum(), 1, atol=1e-3)
    whole = box["shown_contributions"].sum("rank") + box["shown_rest"]
    np.testing.assert_allclose(whole, box["shown_latents"], atol=3e-3 * float(box["latent_size"].max()))
    assert len(transitions) == box.sizes["transition"] and set(summary.columns) == {"quantity", "latent", "value"}
    assert (transitions["onset_s"] < transitions["end_s"]).all()
    assert all(variable.attrs["units"] for variable in box.variables.values() if variable.ndim)


def value(summary, quantity, latent=-1):
    return summary[(summary["quantity"] == quantity) & (summary["latent"] == latent)]["value"].item()


def test_principal_components(recording):
    box, transitions, summary = run(recording, "pca", SETTINGS)
    check(box, transitions, summary)
    x = recording["events"].values[0].astype(float)
    x -= x.mean(axis=0)
    np.testing.assert_allclose(np.abs(box["latents"].values[0]), np.abs(x @ box["axes"].values), atol=1e-4)
    assert len(transitions) >= 7
    # three states in two dimensions: the patterns are found, and noise is not
    fractions = summary[summary["quantity"] == "variance_fraction"]["value"].to_numpy()
    assert fractions[:2].sum() > 3 * fractions[2]
    assert value(summary, "surrogate_threshold") > 0 and value(summary, "transitions") == len(transitions)
    # shares are those of the neurons that change
    assert value(summary, "spearman_share_movement_share") > 0.7


def test_standardised_and_whitened(recording):
    box, transitions, summary = run(recording, "pca", SETTINGS | {"standardise": True, "whiten": True})
    check(box, transitions, summary)
    np.testing.assert_allclose(box["latents"].values[0].std(axis=0), 1, rtol=1e-4)
    raw = recording["events"].values[0].var(axis=0)
    np.testing.assert_allclose(box["raw_variance_share"], raw / raw.sum(), rtol=1e-4)


def test_regression_finds_the_linear_latents(recording, inferred):
    box, transitions, summary = run(recording, "regression", SETTINGS | {"activity": None, "slack": 0.0}, inferred)
    check(box, transitions, summary)
    assert value(summary, "residual", 0) < 1e-3 and box.attrs["activity"] == "event_rate"
    np.testing.assert_allclose(box["detection_latents"], box["latents"], atol=0.05)
    given = run(recording, "regression", SETTINGS | {"slack": 0.2}, inferred)[2]
    assert value(given, "penalty", 0) > value(summary, "penalty", 0)


@pytest.mark.parametrize("offsets", [(0,), (-1, 0, 1)])
def test_encoders(recording, offsets):
    sources = recording["neuron"].values[[3, 1, 20, 7, 11]]
    linear = Encoder(sources, offsets, linear=True)
    box, transitions, summary = run(recording, "integrated_gradients", SETTINGS | {"whiten": False}, encoder=linear)
    check(box, transitions, summary)
    weights = linear.network[0].weight.numpy().T.reshape(len(offsets), 5, 2)
    x = recording["events"].values[0][:, [3, 1, 20, 7, 11]].astype(float)
    frames = slice(1, -1) if len(offsets) > 1 else slice(None)
    padded = np.stack([np.roll(x, -offset, axis=0)[frames] for offset in offsets])
    c = np.einsum("lti,lik->tik", padded - padded.mean(axis=1, keepdims=True), weights)
    np.testing.assert_allclose(box["mean_absolute_contribution"], np.abs(c).mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(box["latents"].values[0, frames], c.sum(axis=1), atol=1e-5)
    box, transitions, summary = run(
        recording, "integrated_gradients", SETTINGS | {"most_frames": 100}, encoder=Encoder(sources, offsets)
    )
    check(box, transitions, summary)
    assert value(summary, "completeness_error", 0) < 2e-3 and value(summary, "frames_summarised") == 100
    assert np.isfinite(box["cancellation"].values[..., 0]).sum() == 100


def test_trials_with_samples_missing():
    recording = jumping_recording(frames=100, trials=9)
    events = recording["events"].values.copy()
    events[:, ::3, ::2] = np.nan
    sampled = make_recording(
        events=events, time=recording["time"].values, bin_width_s=0.1, imaging_rate_hz=10.0, source="sparse"
    )
    with pytest.raises(UserError, match="not taken"):
        run(sampled, "pca", SETTINGS)
    for settings in ({"activity": "events", "missing": "mean"}, {"activity": "smoothed_events", "sd_s": 0.2}):
        box, transitions, summary = run(sampled, "pca", SETTINGS | settings)
        check(box, transitions, summary)
        assert (value(summary, "missing_fraction") > 0) == ("missing" in settings)


def test_stimuli_have_contributions_and_no_transitions():
    rng = np.random.default_rng(0)
    presented = make_recording(
        events=rng.gamma(1.0, size=(80, 1, 6)), time=np.zeros(1), bin_width_s=0.5, imaging_rate_hz=2.0, source="stimuli"
    )
    box, transitions, summary = run(presented, "pca", {"activity": "events", "components": 2})
    check(box, transitions, summary)
    assert len(transitions) == 0 and box["shown_time"].attrs["long_name"] == "presentation"
    assert list(transitions.columns)[:3] == ["transition", "trial", "onset_s"]


def test_pieces_and_surrogates():
    finite = np.array([[1, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]], bool)
    pieces = find_pieces(finite)
    assert pieces == ((0, 0, 2), (0, 3, 4), (2, 0, 4))
    with pytest.raises(UserError, match="found none"):
        find_pieces(finite[1:2])
    x = np.arange(14.0).reshape(7, 2)

    class Identity:
        population = Population(x, x, pieces, np.arange(2))

        def project(self, inputs):
            return inputs

    found = list(surrogate_latents(Identity(), 3, 0))
    for parts in found:
        for part, whole in zip(parts, Identity.population.split(x), strict=True):
            np.testing.assert_array_equal(np.sort(part, axis=0), whole)
    assert any(not np.array_equal(a, b) for a, b in zip(found[0], found[1], strict=True))
    assert np.isnan(Identity.population.grid(x, 3, 4)[1]).all()
    assert neurons_for_half(np.array([1.0, -4.0, 1.0, 1.0])) == 1 and np.isnan(neurons_for_half(np.zeros(3)))


def test_the_command_writes_the_same_bytes_again(recording, inferred, tmp_path):
    write_recording(recording, tmp_path / "events.nc", PROVENANCE)
    write_inferred(inferred, tmp_path / "output.nc", PROVENANCE)
    for name in "ab":
        here = tmp_path / name
        main(
            ["--recording", str(tmp_path / "events.nc"), "--inferred", str(tmp_path / "output.nc")]
            + ["--method", "regression", "--parameters", json.dumps(SETTINGS | {"activity": "event_rate"})]
            + ["--output", str(here / "c.nc"), "--transitions", str(here / "t.csv"), "--summary", str(here / "s.csv")]
        )
    for file in ("c.nc", "t.csv", "s.csv"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    box = read_dataset(tmp_path / "a" / "c.nc")
    check(box, pd.read_csv(tmp_path / "a" / "t.csv"), pd.read_csv(tmp_path / "a" / "s.csv"))


def test_errors(recording, inferred):
    for method, name in (("regression", "--inferred"), ("integrated_gradients", "--checkpoint")):
        with pytest.raises(UserError, match=name):
            run(recording, method)
    with pytest.raises(UserError, match="unknown field 'spam'"):
        run(recording, "pca", {"spam": 1})
    with pytest.raises(UserError, match="one of event_rate, smoothed_events, events"):
        run(recording, "pca", {"activity": "voltage"})
    with pytest.raises(UserError, match="--inferred"):
        run(recording, "pca", {"activity": "event_rate"})
    with pytest.raises(UserError, match="factors"):
        run(recording, "regression", SETTINGS, inferred.drop_vars("factors"))
    with pytest.raises(UserError, match="source neurons"):
        run(recording, "integrated_gradients", SETTINGS, encoder=Encoder([1, 100], (0,)))
    with pytest.raises(UserError, match="more than 1001 frames"):
        run(recording, "integrated_gradients", SETTINGS, encoder=Encoder([100], (-1001, 0)))
