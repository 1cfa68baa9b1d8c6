"""Stimuli of the experiments, what is shown of them, and indices of neurons whose answers are known."""

import numpy as np
import pandas as pd
import pytest
from fake_probe import make_probe

from calcium_latents.errors import UserError
from calcium_latents.studies.digital_twin.optimal_stimuli.gabor_search import Counter
from calcium_latents.studies.digital_twin.tuning import tuning_experiments as experiments
from calcium_latents.studies.digital_twin.tuning.tuning_indices import orientation_difference
from calcium_latents.studies.digital_twin.tuning.tuning_tables import indices_of, measure, tuning_dataset

SHAPE = (20, 22)
GABOR = {"y_px": 9.0, "x_px": 11.0, "size_px": 8.0, "cycles_per_size": 1.52, "frequency_cpp": 0.19}
GABOR |= {"contrast": 2.0, "orientation_rad": 0.4, "phase_rad": 1.0}
QUICK = experiments.ExperimentSettings(orientations=12, phases=8, whole_maps=1)


def true_gabors(probe, truth, **changed):
    """Each neuron's own filter as a Gabor."""
    table = {"y_px": truth["position_px"][:, 0], "x_px": truth["position_px"][:, 1]}
    table |= {name: truth[name] for name in ("orientation_rad", "phase_rad", "frequency_cpp", "size_px")}
    table |= {"cycles_per_size": truth["frequency_cpp"] * truth["size_px"], "contrast": 2.0}
    return pd.DataFrame(table | changed)


def test_grids_are_the_published_ones():
    axes = experiments.axis_values(experiments.ExperimentSettings())
    assert axes["size"] == pytest.approx(8 * 1.2 ** np.arange(12))
    assert axes["contrast"] == pytest.approx(2**-3.5 * 2 ** (np.arange(12) / 2))
    assert axes["orthogonal_contrast"] == pytest.approx([0, *(2**-3 * 2 ** (np.arange(9) / 2))])
    assert 0 in axes["orientation"] and np.ptp(axes["orientation"]) < np.pi


def test_size_leaves_the_frequency_in_cycles_per_pixel():
    images = experiments.stimuli(SHAPE, GABOR, QUICK, "size_contrast")
    assert images.shape == (12, 12, *SHAPE)
    # at the centre the envelope is 1: cos(phase) at every size; contrast scales
    centre = images[:, :, 9, 11]
    assert np.allclose(centre, 0.5 * np.cos(1.0) * experiments.axis_values(QUICK)["contrast"], atol=1e-6)
    wide, wider = images[-2, -1], images[-1, -1]
    near = (slice(8, 11), slice(10, 13))
    assert np.allclose(wide[near], wider[near], rtol=0.02, atol=0.02)


def test_plaids_are_sums_and_their_first_row_and_column_single_gabors():
    images = experiments.stimuli(SHAPE, GABOR, QUICK, "plaid")
    assert images.shape == (10, 10, *SHAPE) and not images[0, 0].any()
    assert np.allclose(images[4, 7], images[4, 0] + images[0, 7], atol=1e-6)
    level = experiments.axis_values(QUICK)["preferred_contrast"]
    orientations = experiments.stimuli(SHAPE, GABOR | {"contrast": level[4]}, QUICK, "orientation_curve")
    assert np.allclose(images[4, 0], orientations[6], atol=1e-6)
    # a quarter turn back and a quarter turn on differ in the sign of the phase
    on = experiments.stimuli(SHAPE, GABOR | {"contrast": level[4], "phase_rad": -1.0}, QUICK, "orientation_curve")[0]
    assert np.allclose(images[0, 4], on, atol=1e-5)


def test_what_is_shown_is_counted_and_the_rest_is_missing():
    probe, truth = make_probe(4, SHAPE)
    counter = Counter(probe)
    gabors = true_gabors(probe, truth)
    responses = experiments.run_experiments(counter, gabors, np.arange(4), QUICK)
    assert counter.images == 4 * (12 + 8) + 244 + 3 * (23 + 10)
    assert np.isfinite(responses["size_contrast"][0]).all() and np.isfinite(responses["plaid"][0]).all()
    missing = np.isnan(responses["size_contrast"][1])
    assert missing[:-1, :-1].all() and not missing[-1].any() and not missing[:, -1].any()
    whole = experiments.run_experiments(
        probe, gabors, np.arange(4), experiments.ExperimentSettings(orientations=12, phases=8)
    )
    for name, rates in responses.items():
        seen = np.isfinite(rates)
        assert np.allclose(rates[seen], whole[name][seen])
    rows = experiments.ExperimentSettings(orientations=12, phases=8, own_rows_only=True)
    own = experiments.run_experiments(probe, gabors, np.arange(4), rows, own=True)
    assert not np.isfinite(own["size_contrast"]).all(axis=(1, 2)).any()


def test_rates_belong_to_the_neurons_and_stimuli_they_stand_by():
    probe, truth = make_probe(5, SHAPE, orthogonal_weight=1.0)
    gabors = true_gabors(probe, truth).iloc[[3, 1]]
    responses = experiments.run_experiments(probe, gabors, [3, 1], QUICK)
    for row, neuron in enumerate([3, 1]):
        images = experiments.stimuli(SHAPE, gabors.loc[neuron].to_dict(), QUICK, "plaid")[-1]
        assert np.allclose(responses["plaid"][row, -1], probe.own_rates(images, np.full(10, neuron)), rtol=1e-5)


def test_indices_tell_simple_from_complex_and_inhibited_from_others():
    inhibited = np.array([0, 0, 0, 0, 6, 6, 6, 6.0])
    probe, truth = make_probe(8, SHAPE, orthogonal_weight=inhibited, surround_weight=inhibited[::-1])
    gabors = true_gabors(probe, truth)
    found = measure({"model": probe}, {"own": gabors}, QUICK)
    about = {"neuron": np.arange(8) + 10, "cluster": np.zeros(8, int), "neuron_type": None}
    table = indices_of(found, {"own": gabors}, QUICK, about)
    assert list(table.columns) == list(experiments.INDEX_COLUMNS) and list(table["neuron"]) == list(range(10, 18))
    simple = ~probe.is_complex
    assert table["phase_selectivity"][simple].min() > 0.3 > 0.1 > table["phase_selectivity"][~simple].max()
    inhibition, suppression = table["cross_orientation_inhibition"], table["suppression"]
    assert inhibition[4:].min() > inhibition[:4].max() + 0.1 and suppression[:4].min() > suppression[4:].max() + 0.1
    error = orientation_difference(table["preferred_orientation_rad"].to_numpy(), truth["orientation_rad"])
    assert np.degrees(error).max() < 1


def test_the_box_holds_every_source_and_stimulus():
    probe, truth = make_probe(3, SHAPE)
    chosen = {"own": true_gabors(probe, truth), "cluster": true_gabors(probe, truth, size_px=9.0)}
    found = measure({"model": probe, "truth": probe}, chosen, QUICK)
    box = tuning_dataset(found, chosen, QUICK, np.array([4, 5, 9]), SHAPE)
    assert dict(box.sizes) == {
        **{"source": 2, "stimulus": 2, "neuron": 3, "orientation": 12, "phase": 8, "size": 12, "contrast": 12},
        **{"preferred_contrast": 10, "orthogonal_contrast": 10},
    }
    same = box.sel(source="model")["plaid"].values, box.sel(source="truth")["plaid"].values
    assert np.array_equal(*same, equal_nan=True) and all(box[name].attrs["units"] for name in box.variables)
    curve = box["phase_curve"].sel(source="model", stimulus="cluster", neuron=9).values
    assert np.allclose(curve, found["model", "cluster"]["phase_curve"][2])


def test_whole_maps_go_to_neurons_with_the_strongest_effects_and_rows_to_all():
    weight = np.array([0, 0, 8, 8.0])
    probe, truth = make_probe(4, SHAPE, orthogonal_weight=weight, surround_weight=weight)
    gabors = true_gabors(probe, truth)
    found = measure({"model": probe, "truth": probe}, {"own": gabors}, QUICK)
    for responses in found.values():
        whole = np.isfinite(responses["plaid"]).all(axis=(1, 2))
        assert whole.sum() == 1 and whole[2:].any() and np.isfinite(responses["plaid"][:, -1]).all()


@pytest.mark.parametrize(
    "wrong",
    [{"orientations": 2}, {"sizes_px": (8.0, 4.0)}, {"sizes_px": (0.0, 4.0)}, {"own_rows_only": 1}, {"whole_maps": -1}],
)
def test_wrong_settings_are_named(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        experiments.ExperimentSettings(**wrong)
