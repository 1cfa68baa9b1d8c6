"""Principal components are scikit-learn's, whichever of the two matrices they come from; what the family writes."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from synthetic_traces import run_training, trace_recording, write

from calcium_latents.models.traces.neuron_traces import assign_parts, make_members, normalise, read_traces
from calcium_latents.models.traces.parameters import TraceOptions
from calcium_latents.models.traces.pca_family import PcaFamily, fit_principal_components
from calcium_latents.recordings import read_embedding
from calcium_latents.seeds import generator


def traces(neurons, samples, seed=1):
    """Traces whose components have clearly different variances, on an offset."""
    random = generator(seed, "tests", "pca")
    rank = min(neurons, samples)
    scores = random.normal(size=(neurons, rank)) * 0.8 ** np.arange(rank)
    return (3 + scores @ np.linalg.qr(random.normal(size=(samples, rank)))[0].T).astype(np.float32)


@pytest.mark.parametrize(("neurons", "samples"), [(20, 100), (100, 20), (50, 50), (60, 600)])
def test_components_are_scikit_learns_to_sign(neurons, samples):
    values = traces(neurons, samples)
    count = 8
    ours, theirs = fit_principal_components(values, count), PCA(count, svd_solver="full").fit(values.astype(float))
    signs = np.sign((ours.components * theirs.components_).sum(1, keepdims=True))
    np.testing.assert_allclose(ours.components * signs, theirs.components_, rtol=0, atol=1e-5)
    np.testing.assert_allclose(ours.mean, theirs.mean_, rtol=1e-6)
    np.testing.assert_allclose(ours.scales, np.sqrt(theirs.explained_variance_), rtol=1e-5)
    np.testing.assert_allclose(ours.encode(values) * signs.T, theirs.transform(values), rtol=0, atol=1e-4)
    again = theirs.inverse_transform(theirs.transform(values))
    np.testing.assert_allclose(ours.decode(ours.encode(values)), again, rtol=0, atol=1e-4)
    # the sign is a rule, not chance
    largest = np.take_along_axis(ours.components, np.abs(ours.components).argmax(1)[:, None], 1)
    assert (largest > 0).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 20), st.integers(3, 20), st.data())
def test_both_ways_give_the_same(neurons, samples, data):
    """Samples of zero variance change which matrix is smaller, and nothing else."""
    count = data.draw(st.integers(1, min(neurons, samples) - 1))
    values = traces(neurons, samples, seed=neurons)
    wide = np.concatenate([values, np.full((neurons, 30), 7.0, np.float32)], axis=1)
    own, padded = fit_principal_components(values, count), fit_principal_components(wide, count)
    np.testing.assert_allclose(padded.components[:, :samples], own.components, rtol=0, atol=1e-4)
    np.testing.assert_allclose(padded.components[:, samples:], 0, atol=1e-6)
    np.testing.assert_allclose(padded.scales, own.scales, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(padded.mean[samples:], 7.0)


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 12), st.integers(3, 30), st.integers(1, 6), st.data())
def test_components_are_orthonormal_and_finite_even_where_traces_repeat(neurons, samples, rank, data):
    count = data.draw(st.integers(1, min(neurons - 1, samples)))
    random = generator(rank, "tests", "repeated")
    values = (random.normal(size=(neurons, rank)) @ random.normal(size=(rank, samples))).astype(np.float32)
    values[1:][random.random(neurons - 1) < 0.5] = values[0]
    fit = fit_principal_components(values, count)
    np.testing.assert_allclose(fit.components @ fit.components.T, np.eye(count), atol=1e-5)
    assert np.isfinite(fit.scales).all() and (np.diff(fit.scales) <= 1e-6).all()
    if count >= rank:  # everything is explained
        np.testing.assert_allclose(fit.decode(fit.encode(values)), values, atol=1e-4)
    constant = fit_principal_components(np.full((neurons, samples), 2.0, np.float32), count)
    np.testing.assert_array_equal(constant.scales, 0)
    assert np.isfinite(constant.components).all()


def test_no_other_components_explain_more_of_the_training_traces():
    values = traces(40, 60)
    fit = fit_principal_components(values, 5)
    error = np.square(values - fit.decode(fit.encode(values))).mean()
    random = generator(1, "tests", "other components")
    for _ in range(20):
        other = np.linalg.qr(fit.components.T + 0.05 * random.normal(size=(60, 5)))[0].T
        projected = fit.mean + (values - fit.mean) @ other.T @ other
        assert np.square(values - projected).mean() > error


@pytest.fixture(scope="module")
def recording_path(tmp_path_factory):
    return write(trace_recording(neurons=10, events=3.0), tmp_path_factory.mktemp("pca") / "traces.nc")


def test_the_family_scores_every_member(recording_path, tmp_path):
    directory = run_training(
        recording_path,
        tmp_path / "run",
        "model=pca",
        "training=closed_form",
        "data.partitions=2",
        "model.latent_sizes=[4,2]",
    )
    found = read_embedding(directory / "output.nc")
    assert found.attrs["model"] == "pca" and found.attrs["identity_latents"] == found.attrs["reported_member"] == 0
    assert found["latent_size"].values.tolist() == [4] * 4 + [2] * 4
    assert found["split"].values.tolist() == ["neuron", "neuron", "culture", "culture"] * 2
    assert not found["hidden"].any() and not found["beta"].any()
    assert len(pd.read_csv(directory / "metrics.csv")) == 8
    # scores follow from scikit-learn's components
    from calcium_latents.recordings import read_recording

    recording = read_recording(recording_path)
    values, truth = (recording[name].values[0].T for name in ("fluorescence", "noiseless"))
    for member in (0, 6):
        training = found["part"].values[member] == 0
        theirs = PCA(int(found["latent_size"][member])).fit(values[training])
        reconstruction = theirs.inverse_transform(theirs.transform(values))
        mean = values[training].mean(0)
        expected = {
            "error": np.square(reconstruction - truth).mean(1),
            "residual": np.square(reconstruction - values).mean(1),
            "null_error": np.square(mean - truth).mean(1),
            "null_residual": np.square(mean - values).mean(1),
        }
        for name, numbers in expected.items():
            np.testing.assert_allclose(found[name].values[member], numbers, rtol=1e-3, atol=1e-6)
        if member == 0:
            np.testing.assert_allclose(found["reconstruction"].values, reconstruction.T, rtol=1e-5)
    # latents of the truth are as the authors make them: from components of the truth, on its own scale
    ideal = normalise(truth, "global")[0]
    training = found["part"].values[0] == 0
    theirs = np.abs(PCA(4).fit(ideal[training]).transform(ideal))
    np.testing.assert_allclose(np.abs(found["latents_of_noiseless"].values[0]), theirs, atol=1e-4)


def test_the_same_bytes_and_a_checkpoint_that_rebuilds_the_reported_fit(recording_path, tmp_path):
    words = "model=pca", "training=closed_form", "data.partitions=1", "model.latent_sizes=[3]"
    one, other = (run_training(recording_path, tmp_path / name, *words) for name in ("one", "other"))
    for name in ("output.nc", "checkpoint.pt", "metrics.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    saved = torch.load(one / "checkpoint.pt", weights_only=False)
    traces = normalise(read_values(recording_path), "global")[0]
    scores = (traces - saved["model"]["mean"]) @ saved["model"]["components"].T
    np.testing.assert_allclose(scores, read_embedding(one / "output.nc")["latents"].values[0], atol=1e-5)


def read_values(path):
    from calcium_latents.recordings import read_recording

    return read_recording(path)["fluorescence"].values[0].T


@pytest.mark.parametrize("trials", [1, 3])
def test_a_recording_without_truth_cultures_or_one_trial(trials):
    recording = trace_recording(("a",), neurons=20, labels=False, trials=trials)
    family = PcaFamily("pca", [2])
    module, _, steps = family.prepare(recording, "a.nc", {"partitions": 2}, {}, {}, 1)
    assert steps == 0
    found = family.result(module, recording).inferred
    assert found.sizes == {"member": 2, "neuron": 20, "latent": 2, "time": 60}
    assert "latents_of_noiseless" not in found and np.isnan(found["error"]).all()
    np.testing.assert_allclose(np.diff(found["time"]), 0.1)
    assert (found["residual"].mean("neuron") < found["null_residual"].mean("neuron")).all()


def test_silent_neurons_are_no_trouble():
    """Hardly any neuron has events: the truth has fewer dimensions than there are latents."""
    recording = trace_recording(("a", "a"), neurons=12)
    truth = np.full_like(recording["noiseless"].values, 42.0)
    truth[..., :2] = recording["noiseless"].values[..., :2]
    silent = recording.assign(noiseless=recording["noiseless"].copy(data=truth))
    family = PcaFamily("pca", [8])
    module = family.prepare(silent, "a.nc", {"partitions": 1}, {}, {}, 1)[0]
    assert np.isfinite(family.result(module, silent).inferred["latents_of_noiseless"]).all()


def test_partitions_are_those_of_the_autoencoders():
    recording = trace_recording()
    traces, options = read_traces(recording, "a.nc", "global"), TraceOptions(partitions=3)
    family = PcaFamily("pca", [4])
    module = family.prepare(recording, "a.nc", {"partitions": 3}, {}, {}, 5)[0]
    found = family.result(module, recording).inferred
    members = make_members(traces, options, [(4, 64)], [0.5], "a.nc")
    np.testing.assert_array_equal(
        found["part"], np.stack([assign_parts(traces, member, options) for member in members])
    )
