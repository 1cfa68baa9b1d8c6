"""Probes: the twin and the true neurons, asked alike, answer as they do themselves."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.models.digital_twin.checkpoint import described
from calcium_latents.models.digital_twin.parameters import CoreSizes
from calcium_latents.models.digital_twin.twin import DigitalTwin
from calcium_latents.seeds import generator
from calcium_latents.simulation.visual_cortex.visual_cortex_recording import simulate_visual_cortex
from calcium_latents.studies.digital_twin import probe
from calcium_latents.studies.digital_twin.probe import ModelProbe, TruthProbe

torch.set_num_threads(1)
SHAPE = 16, 18
NEURONS = 10
CORTEX = {
    "shape": SHAPE,
    "training_images": 40,
    "validation_images": 3,
    "test_images": 3,
    "repeats": 2,
    "neurons": {"neurons": NEURONS, "place_radius_px": 2.0, "surround_px": 2.5, "hole_px": 1.5},
}


def images(count, seed=0):
    return generator(seed, "tests", "probe images").normal(size=(count, *SHAPE)).astype(np.float32)


@pytest.fixture(scope="module")
def twin():
    random = torch.Generator().manual_seed(1)
    twin = DigitalTwin(CoreSizes(features=(2, 3), kernels=(5, 3), rotations=4, padding="valid"), SHAPE, NEURONS, random)
    with torch.no_grad():
        twin.weights.mul_(100)
        twin.response_scale.copy_(torch.linspace(0.5, 3, NEURONS))
    twin.train()  # a probe must not ask it so
    return twin


@pytest.fixture(scope="module")
def cortex():
    return simulate_visual_cortex(CORTEX, 2)


@pytest.fixture(scope="module")
def probes(twin, cortex):
    return {"model": ModelProbe(twin), "truth": TruthProbe(cortex)}


@pytest.mark.parametrize("name", ["model", "truth"])
def test_what_is_asked(probes, name):
    assert probes[name].image_shape == SHAPE and probes[name].neurons == NEURONS
    everything = probes[name].all_rates(images(7))
    assert isinstance(everything, np.ndarray) and everything.dtype == np.float32 and everything.shape == (7, NEURONS)
    own = probes[name].own_rates(images(7), np.arange(7))
    assert isinstance(own, np.ndarray) and own.dtype == np.float32 and own.shape == (7,)
    assert (everything >= 0).all() and everything.std(0).min() > 0


@pytest.mark.parametrize("name", ["model", "truth"])
@settings(max_examples=25, deadline=None)
@given(neurons=st.lists(st.integers(0, NEURONS - 1), min_size=1, max_size=12), seed=st.integers(0, 50))
def test_own_rates_are_those_of_all_rates(probes, name, neurons, seed):
    shown = images(len(neurons), seed)
    everything = probes[name].all_rates(shown)
    own = probes[name].own_rates(shown, np.array(neurons))
    np.testing.assert_allclose(own, everything[np.arange(len(neurons)), neurons], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["model", "truth"])
def test_images_are_answered_one_by_one(probes, name):
    """Neither the other images nor their order change an answer, nor the type that they come in."""
    shown, neurons = images(9), np.array([3, 3, 1, 0, 9, 8, 3, 2, 5])
    order = np.array([4, 2, 7, 0, 1, 8, 3, 6, 5])
    everything, own = probes[name].all_rates(shown), probes[name].own_rates(shown, neurons)
    np.testing.assert_allclose(probes[name].all_rates(shown[order]), everything[order], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(probes[name].own_rates(shown[order], neurons[order]), own[order], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(probes[name].all_rates(shown[:1]), everything[:1], rtol=1e-4, atol=1e-6)
    for kind in (np.int32, np.int64, list):
        given_neurons = neurons.tolist() if kind is list else neurons.astype(kind)
        np.testing.assert_array_equal(probes[name].own_rates(shown.astype(np.float64), given_neurons), own)


@pytest.mark.parametrize("name", ["model", "truth"])
def test_no_images_no_answers(probes, name):
    assert probes[name].all_rates(images(0)).shape == (0, NEURONS)
    assert probes[name].own_rates(images(0), np.zeros(0, int)).shape == (0,)


@pytest.mark.parametrize("count", [3, 4, 5, 8])
def test_blocks_of_images_are_joined_in_order(probes, count, monkeypatch):
    shown, neurons = images(count), np.arange(count) % NEURONS
    whole = probes["model"].all_rates(shown), probes["model"].own_rates(shown, neurons)
    monkeypatch.setitem(probe.BLOCKS, "cpu", 4)
    blocks = probes["model"].all_rates(shown), probes["model"].own_rates(shown, neurons)
    for one, other in zip(whole, blocks, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5)


def test_the_model_answers_as_the_twin_in_evaluation_and_is_not_changed(twin, probes):
    shown, neurons = images(6), np.array([0, 1, 5, 5, 9, 2])
    before = {name: value.clone() for name, value in twin.state_dict().items()}
    everything, own = probes["model"].all_rates(shown), probes["model"].own_rates(shown, neurons)
    assert not probes["model"].twin.training
    for name, value in twin.state_dict().items():
        assert torch.equal(value, before[name]), name
    with torch.no_grad():
        # by hand: features, masks, bar codes, offset, scale
        features = twin.core(torch.as_tensor(shown)).numpy()
    readout = [value.detach().numpy() for value in (twin.masks, twin.weights, twin.bias)]
    drive = np.einsum("nyx,nrf,irfyx->in", *readout[:2], features) + readout[2]
    expected = np.logaddexp(0, drive) * np.linspace(0.5, 3, NEURONS)
    np.testing.assert_allclose(everything, expected, rtol=1e-3)
    np.testing.assert_allclose(own, expected[np.arange(6), neurons], rtol=1e-3)


def test_the_model_of_a_checkpoint_answers_the_same(twin, probes, tmp_path):
    torch.save(described(twin), tmp_path / "checkpoint.pt")
    again = ModelProbe.from_checkpoint(tmp_path / "checkpoint.pt")
    np.testing.assert_allclose(again.all_rates(images(5)), probes["model"].all_rates(images(5)), rtol=1e-5)
    assert again.image_shape == SHAPE
    with pytest.raises(UserError, match="missing.pt"):
        ModelProbe.from_checkpoint(tmp_path / "missing.pt")


def test_true_neurons_answer_with_the_rates_of_the_recording(cortex, probes):
    shown = cortex["images"].values
    np.testing.assert_allclose(probes["truth"].all_rates(shown), cortex["rate"], rtol=1e-4, atol=1e-5)
    neurons = np.arange(len(shown)) % NEURONS
    own = cortex["rate"].values[np.arange(len(shown)), neurons]
    np.testing.assert_allclose(probes["truth"].own_rates(shown, neurons), own, rtol=1e-4, atol=1e-5)
    some = cortex.isel(neuron=[4, 1])
    np.testing.assert_allclose(TruthProbe(some).all_rates(shown), cortex["rate"][:, [4, 1]], rtol=1e-4, atol=1e-5)


def test_neurons_without_a_known_truth_are_named(cortex):
    with pytest.raises(UserError, match="gain: expected the truth of a simulated data set"):
        TruthProbe(cortex.drop_vars("gain"))
