"""A simulated experiment has the parts, repeats and gaps asked for, and its truth gives back the population."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from calcium_latents.errors import UserError
from calcium_latents.recordings.image_responses import read_image_responses
from calcium_latents.recordings.netcdf import read_dataset
from calcium_latents.simulation.visual_cortex.gabors import gabor
from calcium_latents.simulation.visual_cortex.visual_cortex import Population
from calcium_latents.simulation.visual_cortex.visual_cortex_parameters import GaborScan, VisualCortexExperiment
from calcium_latents.simulation.visual_cortex.visual_cortex_recording import record_gabor_scan, simulate_visual_cortex
from calcium_latents.studies.digital_twin.commands import record_gabor_scan as scan_command
from calcium_latents.studies.digital_twin.commands import simulate_visual_cortex as simulate_command

SMALL = {
    "training_images": 200,
    "validation_images": 20,
    "test_images": 30,
    "repeats": 4,
    "animals": 3,
    "missed_share": 0.1,
    "neurons": {"neurons": 31},
}
GABORS = pd.DataFrame(
    {
        "rank": [1, 2],
        "y_px": 12.5,
        "x_px": 12.5,
        "size_px": 8.0,
        "cycles_per_size": 1.5,
        "frequency_cpp": [0.19, 0.15],
        "contrast": 1.0,
        "orientation_rad": [0.3, 1.2],
        "phase_rad": [0.0, 2.0],
    }
)


@pytest.fixture(scope="module")
def responses():
    return simulate_visual_cortex(SMALL, 5, "small")


def test_parts_trials_and_gaps_are_those_asked_for(responses):
    part, shown = responses["part"].values, responses["image_of_trial"].values
    assert list(np.bincount(part)) == [200, 20, 30]
    assert list(np.bincount(shown)) == [1] * 220 + [4] * 30
    animal, missing = responses["animal"].values, np.isnan(responses["response"].values)
    assert sorted(np.bincount(animal)) == [10, 10, 11]
    assert not missing[part[shown] != 0].any()
    gaps = [missing[:, animal == number].any(axis=1) for number in range(3)]
    assert [gap.sum() for gap in gaps] == [20, 20, 20]
    assert not np.array_equal(gaps[0], gaps[1])


def test_images_are_z_scored_by_the_training_images(responses):
    training = responses["images"].values[responses["part"].values == 0].astype(float)
    assert training.mean() == pytest.approx(0, abs=1e-5)
    assert training.std() == pytest.approx(1, abs=1e-5)


def test_the_truth_gives_back_the_population(responses):
    population = Population.from_dataset(responses)
    assert np.array_equal(population.rates(responses["images"].values), responses["rate"].values)
    with pytest.raises(UserError, match="some.nc: gain"):
        Population.from_dataset(responses.drop_vars("gain"), "some.nc")


def test_spikes_are_poisson_and_independent_between_neurons(responses):
    """Pearson's statistic of counts about their rates is chi-squared; residuals do not correlate."""
    rate = responses["rate"].values[responses["image_of_trial"].values].astype(float)
    count = responses["response"].values
    seen = np.isfinite(count) & (rate > 1)
    squared = (count - rate)[seen] ** 2 / rate[seen]
    # The kurtosis of Poisson counts of mean above 1 makes the spread a little wider than that of chi-squared.
    low, high = chi2.ppf([1e-4, 1 - 1e-4], seen.sum()) / seen.sum()
    assert low - 0.03 < squared.mean() < high + 0.03
    assert np.array_equal(count[np.isfinite(count)], np.round(count[np.isfinite(count)]))
    residual = np.nan_to_num((count - rate) / np.sqrt(rate + 0.1))
    others = np.corrcoef(residual.T) - np.eye(31)
    assert np.abs(others).max() < 5 / np.sqrt(len(rate))


def test_streams_are_independent_of_each_other(responses):
    """Other neurons see the same images; more animals leave images, neurons and rates as they are."""
    other = simulate_visual_cortex(SMALL | {"neurons": {"neurons": 12}}, 5)
    assert np.array_equal(other["images"].values, responses["images"].values)
    fewer = simulate_visual_cortex(SMALL | {"animals": 1, "missed_share": 0.0}, 5)
    assert np.array_equal(fewer["rate"].values, responses["rate"].values)
    seen = np.isfinite(responses["response"].values)
    assert np.array_equal(fewer["response"].values[seen], responses["response"].values[seen])
    assert not np.array_equal(simulate_visual_cortex(SMALL, 6)["images"].values, responses["images"].values)


def test_photographs_can_be_shown():
    few = SMALL | {"training_images": 100, "test_images": 10, "neurons": {"neurons": 10}}
    shown = simulate_visual_cortex(few | {"image_source": "photographs"}, 1)
    assert shown.attrs["image_source"] == "photographs"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": [5, 26]}, "shape"),
        ({"shape": "26x26"}, "shape"),
        ({"shape": [20, 20]}, "surround_px"),
        ({"image_source": "noise"}, "image_source"),
        ({"repeats": 1}, "repeats"),
        ({"missed_share": 1.0}, "missed_share"),
        ({"animals": 40}, "animals"),
        ({"leaves": {"blur": 2}}, "blur"),
        ({"neurons": {"gain": 2}}, "gain"),
        ({"neurons": 30}, "neurons"),
        ({"images": 30}, "images"),
    ],
)
def test_wrong_parameters_are_named(change, message):
    with pytest.raises(UserError, match=message):
        VisualCortexExperiment.from_mapping(SMALL | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sizes_px": []}, "sizes_px"),
        ({"sizes_px": [10, 8]}, "sizes_px"),
        ({"contrast": 0}, "contrast"),
        ({"repeats": 1.5}, "repeats"),
    ],
)
def test_wrong_scans_are_named(change, message):
    with pytest.raises(UserError, match=message):
        GaborScan.from_mapping(change)


def test_a_scan_shows_each_pattern_in_each_size(responses):
    scan = record_gabor_scan(responses, GABORS, {"sizes_px": [8, 20, 50], "repeats": 6, "contrast": 2.0}, 1)
    assert dict(scan.sizes) == {"trial": 36, "stimulus": 6, "neuron": 31}
    assert list(scan["gabor"].values) == [1, 1, 1, 2, 2, 2]
    assert list(scan["size_px"].values) == [8, 20, 50] * 2
    assert (np.bincount(scan["stimulus_of_trial"].values) == 6).all()
    population = Population.from_dataset(responses)
    image = gabor((26, 26), 12.5, 12.5, 20.0, 0.15, 2.0, 1.2, 2.0)
    assert np.allclose(scan["rate"].values[4], population.rates(image)[0], rtol=1e-4, atol=1e-6)
    mean = scan["response"].groupby(scan["stimulus_of_trial"]).mean().values
    assert np.abs(mean - scan["rate"].values).max() < 6 * np.sqrt((scan["rate"].values.max() + 1) / 6)
    assert np.corrcoef(mean.ravel(), scan["rate"].values.ravel())[0, 1] > 0.95
    with pytest.raises(UserError, match="phase_rad"):
        record_gabor_scan(responses, GABORS.drop(columns="phase_rad"), {}, 1)
    with pytest.raises(UserError, match="truth"):
        record_gabor_scan(responses.drop_vars("position_px"), GABORS, {}, 1)


def test_commands_write_the_boxes_with_the_same_bytes(tmp_path):
    few = '{"training_images": 60, "validation_images": 5, "test_images": 5, "neurons": {"neurons": 20}}'
    GABORS.to_csv(tmp_path / "scan_gabors.csv", index=False)
    digests = []
    for name in ("a", "b"):
        box, scan = tmp_path / f"{name}.nc", tmp_path / f"{name}_scan.nc"
        simulate_command.main(["--parameters", few, "--label", "few", "--seed", "2", "--output", str(box)])
        given = ["--responses", str(box), "--gabors", str(tmp_path / "scan_gabors.csv"), "--seed", "3"]
        scan_command.main([*given, "--parameters", '{"repeats": 3}', "--output", str(scan)])
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in (box, scan)])
    assert digests[0] == digests[1]
    assert read_image_responses(box).attrs["label"] == "few"
    written = read_dataset(scan)
    assert written.sizes["stimulus"] == 10 and written.sizes["trial"] == 30 and written.attrs["seed"] == 3
    with pytest.raises(UserError, match="neurons"):
        simulate_command.main(["--parameters", '{"neurons": 3}', "--label", "x", "--seed", "1", "--output", str(box)])
