"""Training the digital twin: it learns simulated neurons, keeps its best weights, and resumes to the same bytes."""

import copy
import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from calcium_latents.errors import UserError
from calcium_latents.models.digital_twin.family import DigitalTwinFamily
from calcium_latents.models.digital_twin.training import CALIBRATION_IMAGES, column_correlation, recalibrate
from calcium_latents.models.digital_twin.twin import LOG_OFFSET, DigitalTwin, poisson_loss
from calcium_latents.recordings.fields import TEST, TRAINING, VALIDATION
from calcium_latents.simulation.visual_cortex.visual_cortex_recording import simulate_visual_cortex
from calcium_latents.training.schedules import LearningRateSchedule

torch.set_num_threads(1)  # as the training command does: models as small as these get slower with more
NEURONS = {"place_radius_px": 2.0, "surround_px": 2.5, "hole_px": 1.5, "shares": {"simple": 1, "complex": 1}}
IMAGES = {"shape": [16, 16], "training_images": 300, "validation_images": 60, "test_images": 10, "repeats": 2}
PENALTIES = {"smoothness": 0.01, "smoothness_layers": [1.0, 0.0], "sparsity": 0.001, "sparsity_layers": [0.0, 1.0]}
TRAINING_OPTIONS = {
    "steps": 120,
    "batch_size": 32,
    "learning_rate": 2e-2,
    "schedule": {"warmup_steps": 5, "final_fraction": 0.01},
    "penalties": PENALTIES | {"readout": 0.01},
    "masks": "nonnegative",
    "validate_every": 20,
    "patience": None,
    "precision": "float32",
}
SHORT = {"steps": 20, "batch_size": 8, "validate_every": 4}  # 7 batches an epoch of `tiny`
SPOILING = {"learning_rate": 100.0}  # the start stays the best


def simulate(neurons=12, animals=1, seed=3, shape=(16, 16), missed_share=0.0, images=IMAGES, **changes):
    settings = images | {"shape": list(shape), "animals": animals, "missed_share": missed_share}
    return simulate_visual_cortex(settings | {"neurons": NEURONS | {"neurons": neurons} | changes}, seed)


def family(**changes):
    sizes = {"features": [2, 2], "kernels": [7, 3], "rotations": 8, "max_ranks": None, "padding": "valid"}
    return DigitalTwinFamily(**({"name": "digital_twin", "mask_initialisation": "energy"} | sizes | changes))


def small(**changes):
    return family(**({"features": [1, 1], "kernels": [5, 3], "rotations": 4} | changes))


def fit(recording, seed=1, state=None, states=None, model=None, **changes):
    """As the training command does; `state`: to go on from, `states`: takes the states on the way."""
    model = model or (family() if recording.sizes["neuron"] == 12 else small())
    module, batches, steps = model.prepare(recording, "a.nc", {}, TRAINING_OPTIONS | changes, {}, seed)
    if states is not None:
        module.on_checkpoint = lambda saved: states.append(copy.deepcopy(saved))
    if state is not None:
        module.resume(copy.deepcopy(state))
    if module.step < steps:
        module.fit(batches, steps - module.step)
    return module, model


def prepared(recording, model=None, data=None):
    """The module before training."""
    return (model or small()).prepare(recording, "a.nc", data or {}, TRAINING_OPTIONS, {}, 1)[0]


def bytes_of(value):
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


@pytest.fixture(scope="module")
def cortex():
    return simulate()


@pytest.fixture(scope="module")
def tiny():
    return simulate(4, images=IMAGES | {"training_images": 60, "validation_images": 20})


@pytest.fixture(scope="module")
def fitted(cortex):
    module, model = fit(cortex)
    chosen = copy.deepcopy(module.twin.state_dict())
    return module, model.result(module, cortex), chosen


def test_the_loss_falls_and_predictions_follow_the_truth(cortex, fitted):
    result, history = fitted[1], fitted[1].metrics
    start, end = history["validation_correlation"].iloc[[0, -1]]
    assert abs(start) < 0.2 and end > 0.5  # against single trials of 2 spikes on average
    assert history["validation_loss"].iloc[-1] < history["validation_loss"].iloc[0] - 0.1
    test = cortex["part"].values == TEST
    rate, truth = result.inferred["rate"].values[test], cortex["rate"].values[test]
    assert np.median([np.corrcoef(rate[:, n], truth[:, n])[0, 1] for n in range(12)]) > 0.7


def test_nothing_is_learnt_where_there_is_nothing(cortex):
    shuffled = cortex.copy(deep=True)
    order = np.random.default_rng(0).permutation(360)
    shuffled["response"].values[:360] = cortex["response"].values[:360][order]
    module, _ = fit(shuffled, steps=40)
    assert abs(module.history[-1]["validation_correlation"]) < 0.2


def test_results_hold_together(cortex, fitted):
    module, result, chosen = fitted
    inferred = result.inferred
    assert inferred.attrs["model"] == "digital_twin" and inferred.attrs["seed"] == 1
    assert inferred.attrs["mask_offset_px"] == 3 and inferred["mask"].shape == (12, 10, 10)
    assert inferred["bar_code"].dims == ("neuron", "rotation", "feature") and inferred["bar_code"].shape == (12, 8, 2)
    np.testing.assert_allclose(np.abs(inferred["mask"]).sum(("map_y", "map_x")), 1, atol=1e-5)
    np.testing.assert_allclose(inferred["mask_centre_px"], cortex["position_px"], atol=2.5)
    # the response's scale is that of the recording: mean rates are mean spikes
    spikes = cortex["response"].values[:300].mean(0)
    np.testing.assert_allclose(inferred["rate"].values[:300].mean(0), spikes, rtol=0.25)
    # the readout may be scaled between masks and bar codes, and no more than that
    product = [torch.einsum("nyx,nrf->nyxrf", s["masks"], s["weights"]) for s in (chosen, module.twin.state_dict())]
    torch.testing.assert_close(*product, rtol=1e-4, atol=1e-6)


def validation_loss(module):
    """Poisson loss a neuron of the module's twin as it is, written out."""
    rows = module.parts == VALIDATION
    rate, response = module.rates(module.images[rows]).double(), module.response[rows].double()
    return float((rate - response * (rate + LOG_OFFSET).log()).sum() / response.numel())


def test_the_best_weights_by_validation_are_kept(cortex, monkeypatch):
    states = []
    # right at first and far too high then
    monkeypatch.setattr(LearningRateSchedule, "factor", lambda self, step, steps: 1.0 if step < 40 else 50.0)
    module, _ = fit(cortex, steps=60, states=states, checkpoint_every=20)
    losses = [row["validation_loss"] for row in module.history]
    best = int(np.argmin(losses))
    assert 0 < best < 3 and losses[3] > losses[best] + 0.05
    assert states[best - 1]["step"] == module.history[best]["step"]
    for name, value in module.twin.state_dict().items():
        assert torch.equal(value, states[best - 1]["twin"][name]), name
    with torch.no_grad():
        assert validation_loss(module) == pytest.approx(losses[best], abs=1e-5)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tiny):
    found = []
    for seed in (1, 1, 2):
        module, model = fit(tiny, seed, **SHORT)
        result = model.result(module, tiny)
        found.append((bytes_of(result.checkpoint), result.inferred, result.metrics))
    assert found[0][0] == found[1][0] and found[0][0] != found[2][0]
    assert found[0][1].identical(found[1][1]) and found[0][2].equals(found[1][2])
    assert not np.allclose(found[0][1]["bar_code"], found[2][1]["bar_code"])


@pytest.mark.parametrize(
    ("stops", "changes"),
    [
        ((6, 12), {"masks": "signed", "optimiser": "orthogonal"}),  # between validations and within epochs
        ((20,), SPOILING),  # after the last step, before results: the last weights are not the best
        ((4, 8, 12), SPOILING | {"patience": 1, "stages": 3}),  # the last of them ends training
    ],
)
def test_an_interrupted_fit_goes_on_to_the_same_bytes(tiny, stops, changes):
    changes, states = SHORT | {"checkpoint_every": stops[0]} | changes, []
    whole, model = fit(tiny, states=states, **changes)
    expected = model.result(whole, tiny)
    assert states[0]["step"] == stops[0] and ("patience" not in changes or whole.step == stops[-1])
    for state in states[: len(stops)]:
        resumed, model = fit(tiny, state=state, **changes)
        found = model.result(resumed, tiny)
        assert resumed.step == whole.step, state["step"]
        assert found.metrics.equals(expected.metrics), state["step"]
        assert bytes_of(found.checkpoint) == bytes_of(expected.checkpoint), state["step"]
        assert found.inferred.identical(expected.inferred), state["step"]


@pytest.mark.parametrize(("patience", "stages"), [(1, 1), (2, 2)])
def test_training_ends_when_its_stages_are_used_up(tiny, patience, stages):
    states = []
    changes = {"learning_rate": 5.0, "patience": patience, "stages": stages, "steps": 1000, "validate_every": 3}
    changes |= {"schedule": {"warmup_steps": 0, "final_fraction": 1.0}, "readout_factor": 0.5, "checkpoint_every": 1}
    module, _ = fit(tiny, states=states, **changes)
    # the rule, replayed
    best, waited, stage, rates = np.inf, 0, 0, []
    for row in module.history:
        assert stage < stages
        rates += [5.0 * 0.1**stage] * 3
        if row["validation_loss"] < best:
            best, waited = row["validation_loss"], 0
        else:
            waited += 1
        if waited == patience:
            waited, stage = 0, stage + 1
    assert stage == stages and module.step == module.history[-1]["step"] < 1000
    for state in states:
        core, readout = (group["lr"] for group in state["optimizer"]["param_groups"])
        assert core == pytest.approx(rates[state["step"] + 2]), state["step"]
        assert readout == pytest.approx(0.5 * core)
    # a new stage starts from the best weights
    for before, after in zip(states, states[1:], strict=False):
        if after["stage"] > before["stage"]:
            assert all(torch.equal(value, after["best"][name]) for name, value in after["twin"].items())
            assert not torch.equal(before["twin"]["masks"], after["twin"]["masks"])


@pytest.mark.parametrize("start", ["random", "energy"])
def test_masks_stay_nonnegative_where_asked(tiny, start):
    least = {}
    for masks in ("nonnegative", "signed"):
        states = []
        fit(tiny, model=small(mask_initialisation=start), masks=masks, states=states, **SHORT, checkpoint_every=1)
        least[masks] = [float(state["twin"]["masks"].min()) for state in states]
    assert min(least["nonnegative"]) == 0 and max(least["signed"]) < 0


def test_masks_that_were_never_trained_are_nonnegative_too(tiny):
    module, model = fit(tiny, model=small(mask_initialisation="random"), **(SHORT | SPOILING))
    assert module.step == 20 and module.stage == 0  # patience is null
    assert int(np.argmin([row["validation_loss"] for row in module.history])) == 0
    assert (model.result(module, tiny).inferred["mask"] >= 0).all()


def test_the_rate_warms_up_and_falls(tiny):
    states = []
    fit(tiny, **SHORT, checkpoint_every=1, states=states)
    rates = [state["optimizer"]["param_groups"][0]["lr"] for state in states]
    assert rates[0] == pytest.approx(2e-2 / 5) and int(np.argmax(rates)) == 4 and rates[-1] < 0.05 * max(rates)


def test_gradients_are_clipped(tiny):
    def norm(**changes):
        module, _ = fit(tiny, **(SHORT | {"steps": 1} | changes))
        return float(torch.cat([p.grad.flatten() for p in module.twin.parameters()]).norm())

    assert norm() > 0.1
    assert norm(gradient_clip=0.05) == pytest.approx(0.05, rel=1e-4)


def statistics(twin, images):
    """Mean and variance over images, rotations and places of what the first normalisation sees, [feature]."""
    with torch.no_grad():
        x = torch.nn.functional.conv2d(images[:, None], twin.core.layers[0].filters())
    x = x.unflatten(1, (twin.sizes.rotations, -1))
    return x.mean((0, 1, 3, 4)), x.var((0, 1, 3, 4))


def test_calibration_takes_the_statistics_of_training_images(tiny):
    module, _ = fit(tiny, **SHORT)
    layer = module.twin.core.layers[0].normalisation
    before = layer.running_mean.clone()
    module.twin.compute_dtype = torch.bfloat16
    module.calibrate()
    assert not module.twin.training and module.twin.compute_dtype == torch.float32 and layer.momentum == 0.1
    mean, variance = statistics(module.twin, module.images[:60])
    assert not torch.allclose(before, mean, rtol=1e-3)
    # other images do not count, nor does what stood there before
    module.images = torch.where((module.parts == TRAINING)[:, None, None], module.images, 99)
    for _ in range(2):
        torch.testing.assert_close(layer.running_mean, mean, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(layer.running_variance, variance, rtol=1e-4, atol=1e-5)
        layer.running_mean.fill_(7)
        module.calibrate()
    module.parts = torch.full((2000,), TRAINING)
    assert len(module.calibration_rows()) == CALIBRATION_IMAGES


def test_calibration_over_blocks_is_the_mean_of_theirs(tiny):
    twin = prepared(tiny).twin
    images = torch.as_tensor(tiny["images"].values[:60])
    recalibrate(twin, images, block=20)
    layer = twin.core.layers[0].normalisation
    mean, variance = (sum(values) / 3 for values in zip(*(statistics(twin, b) for b in images.split(20)), strict=True))
    torch.testing.assert_close(layer.running_mean, mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.running_variance, variance, rtol=1e-4, atol=1e-5)


def test_calibrated_features_of_the_same_images_are_normalised(tiny):
    twin = prepared(tiny).twin
    images = torch.as_tensor(tiny["images"].values[:60])
    with torch.no_grad():
        recalibrate(twin, images)
        features = twin.core(images)
        assert features.mean().abs() < 1e-3 and features.std() == pytest.approx(1, abs=0.02)
        recalibrate(twin, images * 2 + 1)
        assert abs(twin.core(images).std() - 1) > 0.1


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_masks_start_near_receptive_fields_by_local_contrast_and_not_at_random(padding):
    few = IMAGES | {"training_images": 1500, "validation_images": 1, "test_images": 1}
    shares = {"simple": 1, "complex": 1, "ON": 1, "OFF": 1}
    cortex = simulate(40, shape=(26, 26), images=few, place_radius_px=4.5, shares=shares)
    error = {}
    for start in ("energy", "random"):
        twin = prepared(cortex, family(padding=padding, mask_initialisation=start)).twin
        error[start] = float((twin.mask_centres() - torch.as_tensor(cortex["position_px"].values)).norm(dim=1).median())
        if start == "energy":
            assert (twin.masks >= 0).all()
            torch.testing.assert_close(twin.masks.sum((1, 2)).detach(), torch.ones(40))
    assert error["energy"] < 1.5 and error["random"] > 2.5


@pytest.mark.parametrize("scale_responses", [True, False])
def test_offsets_start_at_half_the_drive_of_the_mean_response(tiny, scale_responses):
    twin = prepared(tiny, data={"scale_responses": scale_responses}).twin
    scale, spikes = twin.response_scale.numpy(), tiny["response"].values[:60].mean(0)
    np.testing.assert_allclose(np.log1p(np.exp(2 * twin.bias.detach().numpy())) * scale, spikes, rtol=1e-4)
    assert (scale == 1).all() != scale_responses


def test_offsets_stay_finite_for_large_responses(tiny):
    large = tiny.assign(response=tiny["response"] * 100)
    twin = prepared(large, data={"scale_responses": False}).twin
    np.testing.assert_allclose(2 * twin.bias.detach(), large["response"].values[:60].mean(0), rtol=1e-4)


def test_presentations_that_were_missed_do_not_stop_the_others():
    cortex = simulate(animals=2, missed_share=0.4)
    assert np.isnan(cortex["response"].values).mean() > 0.2
    module, model = fit(cortex, steps=40)
    assert module.history[-1]["validation_correlation"] > 0.35
    assert np.isfinite(model.result(module, cortex).inferred["rate"]).all()
    # images that the first animal missed say nothing about its neurons
    missed = torch.nonzero(module.response[:, 0].isnan() & ~module.response[:, 11].isnan()).flatten()
    module.twin.zero_grad()
    poisson_loss(module.twin(module.images[missed]), module.response[missed]).backward()
    for gradient in (module.twin.bias.grad, module.twin.masks.grad, module.twin.weights.grad):
        moved = gradient.flatten(1).norm(dim=1) if gradient.ndim > 1 else gradient
        assert (moved[:6] == 0).all() and (moved[6:] != 0).all()


def test_validation_images_are_needed(tiny):
    without = tiny.copy(deep=True)
    without["part"].values[without["part"].values == VALIDATION] = TRAINING
    with pytest.raises(UserError, match="a.nc: part: expected validation images"):
        fit(without)


def test_a_neuron_that_validation_lacks_does_not_hide_the_others(tiny):
    lacking = tiny.copy(deep=True)
    lacking["response"].values[60:80, 2] = np.nan
    module, _ = fit(lacking, **SHORT)
    assert np.isfinite([list(row.values()) for row in module.history]).all()


def test_a_loss_that_is_no_number_is_named(tiny, monkeypatch):
    monkeypatch.setattr(DigitalTwin, "forward", lambda self, images: torch.full((len(images), 4), torch.nan))
    with pytest.raises(UserError, match="loss is nan at step 0. Lower training.learning_rate"):
        fit(tiny)


@pytest.mark.parametrize("changes", [{"precision": "bfloat16"}, {"optimiser": "orthogonal", "learning_rate": 0.04}])
def test_other_ways_to_optimise_learn_as_well_and_results_are_in_full_precision(cortex, changes):
    module, model = fit(cortex, steps=40, **changes)
    assert module.twin.compute_dtype == (torch.float32 if "optimiser" in changes else torch.bfloat16)
    filters, others = module.make_optimizer().param_groups
    assert filters["orthogonal"] == ("optimiser" in changes) and not others["orthogonal"]
    assert module.history[-1]["validation_correlation"] > 0.45
    result = model.result(module, cortex)
    with torch.no_grad():
        assert module.twin.compute_dtype == torch.float32
        rate = module.twin.rates(torch.as_tensor(cortex["images"].values))
    np.testing.assert_allclose(result.inferred["rate"], rate, rtol=1e-5)


COLUMNS = arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 4)), elements=st.integers(-5, 5))


@settings(max_examples=80, deadline=None)
@given(a=COLUMNS, seed=st.integers(0, 100), share=st.sampled_from([0.0, 0.3, 0.9]))
def test_column_correlation_is_that_of_what_was_recorded(a, seed, share):
    random = np.random.default_rng(seed)
    b = random.integers(-3, 4, a.shape).astype(float)
    b[random.random(a.shape) < share] = np.nan
    found = column_correlation(torch.as_tensor(a), torch.as_tensor(b)).numpy()
    for x, y, value in zip(a.T, b.T, found, strict=True):
        known = ~np.isnan(y)
        x, y = x[known], y[known]
        if not known.any() or np.ptp(x) == 0 or np.ptp(y) == 0:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-10)


@pytest.mark.parametrize("constant", [0.1, 1 / 3, 7.7, 1e-3])
def test_a_neuron_whose_rate_never_changes_has_no_correlation(constant):
    response = torch.as_tensor(np.random.default_rng(1).poisson(2.0, (61, 1)), dtype=torch.float32)
    found = column_correlation(torch.full((61, 1), constant), response)
    assert found.nan_to_num().abs() < 1e-5  # nan, or what rounding leaves
