import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.recordings import read_recording
from calcium_latents.seeds import generator
from calcium_latents.simulation.culture import culture_recording
from calcium_latents.simulation.culture.culture import grow_culture
from calcium_latents.simulation.culture.culture_parameters import CultureParameters, CultureSet
from calcium_latents.simulation.culture.culture_recording import add_noise, simulate_cultures
from calcium_latents.simulation.culture.culture_statistics import culture_statistics
from calcium_latents.simulation.culture.gcamp6s import fluorescence
from calcium_latents.simulation.culture.izhikevich import NEURON_TYPES, draw_parameters, simulate_spikes
from calcium_latents.studies.avae.commands import add_noise as add_noise_command
from calcium_latents.studies.avae.commands import simulate_cultures as simulate_cultures_command

RS, CH = {"label": "RS", "cultures": 2}, {"label": "CH", "cultures": 1, "parameters": {"neuron_type": "CH"}}
#: Small cultures with many links and much noise, so that they burst: 270 neurons each.
SET = {
    "orientation": "published",
    "rate_hz": 100,
    "duration_s": 3.0,
    "neurons": 40,
    "groups": [RS, CH],
    "parameters": {
        "density_per_mm2": 30.0,
        "axon_length_mm": 0.5,
        "dendrite_radius_mm": 0.25,
        "excitatory_weight": 12.0,
        "noise": 4.0,
    },
    "discarded_s": [0.2, 0.6],
}
COLUMNS = [
    "culture", "group", "neuron_type", "orientation", "neurons", "potential_links", "links", "mean_degree",
    "excitatory_rate_hz", "inhibitory_rate_hz", "active_fraction", "bursts_per_minute", "burst_participation",
    "burst_duration_s", "excitatory_rate_from_start_hz", "inhibitory_rate_from_start_hz",
]  # fmt: skip


@pytest.fixture(scope="module")
def simulated():
    """Recording and statistics of the small set."""
    return simulate_cultures(SET, 5)


def run_again(group, number, seed=5, **changes):
    """Simulate one culture of the set from its parts; return culture, types, values, start, steps and neurons."""
    parameters = CultureParameters(**SET["parameters"] | group.get("parameters", {}) | changes)

    def stream(purpose):
        return generator(seed, "culture", group["label"], number, purpose)

    culture = grow_culture(parameters, stream("growth"))
    values = draw_parameters([parameters.neuron_type] * 270, 0.05, stream("parameters"))
    start = round(1000 * stream("discarded start").uniform(0.2, 0.6))
    step, neuron = simulate_spikes(
        culture.inputs(parameters.orientation), values, start + 3000, stream("dynamics"), noise=4.0
    )
    return culture, values, start, step, neuron


def test_the_recording_is_what_the_contract_says(simulated):
    recording, statistics = simulated
    assert recording.sizes["trial"] == 1 and recording.sizes["time"] == 300 and recording.sizes["neuron"] == 120
    assert recording["fluorescence"].dtype == np.float32 and recording["spikes"].dtype == np.int16
    np.testing.assert_allclose(recording["time"], np.arange(300) / 100)
    assert recording.attrs["bin_width_s"] == 0.01 and recording.attrs["imaging_rate_hz"] == 100
    assert recording["position"].attrs["units"] == "mm"
    assert list(recording["group"].values) == ["RS"] * 80 + ["CH"] * 40
    np.testing.assert_array_equal(recording["culture"], np.repeat([0, 1, 2], 40))
    types = {
        "culture": "int32", "inhibitory": "int8", "spike_count": "int32", "a": "float64", "b": "float64",
        "v0": "float64", "du": "float64",
    }  # fmt: skip
    assert {name: str(recording[name].dtype) for name in types} == types
    assert recording.attrs["orientation"] == "published"
    cultures = json.loads(recording.attrs["cultures"])
    assert [(c["culture"], c["group"], c["neurons_simulated"]) for c in cultures] == [
        (0, "RS", 270),
        (1, "RS", 270),
        (2, "CH", 270),
    ]
    starts = [c["discarded_start_s"] for c in cultures]
    assert len(set(starts)) == 3 and min(starts) >= 0.2 and max(starts) <= 0.6
    assert list(statistics) == COLUMNS and len(statistics) == 3 and statistics["burst_duration_s"].notna().all()
    assert list(statistics["neuron_type"]) == ["RS", "RS", "CH"] and set(statistics["neurons"]) == {270}


@pytest.mark.parametrize(("index", "group", "number"), [(0, RS, 0), (1, RS, 1), (2, CH, 0)])
def test_a_culture_is_its_parts(simulated, index, group, number):
    recording, statistics = simulated
    culture, values, start, step, neuron = run_again(group, number)
    own = recording.isel(neuron=recording["culture"].values == index, trial=0)
    # which neuron is which: parameters are unique
    kept = np.array([np.flatnonzero(values[:, 0] == a)[0] for a in own["a"].values])
    assert (np.diff(kept) > 0).all()
    np.testing.assert_array_equal(np.stack([own[name] for name in ("a", "b", "v0", "du")], axis=1), values[kept])
    np.testing.assert_array_equal(own["position"], culture.position[kept].astype(np.float32))
    np.testing.assert_array_equal(own["axon_tip"], culture.axon_tip[kept].astype(np.float32))
    np.testing.assert_array_equal(own["inhibitory"], culture.inhibitory[kept])
    trains = np.zeros((270, start + 3000), int)
    trains[neuron, step] = 1
    np.testing.assert_array_equal(own["spikes"].values.T, trains[kept, start:].reshape(40, 300, 10).sum(axis=2))
    np.testing.assert_array_equal(own["spike_count"], trains[kept, start:].sum(axis=1))
    assert own["spike_count"].values.min() >= 1
    # calcium from before the start is still there, and samples are not averaged
    np.testing.assert_array_equal(own["fluorescence"].values.T, fluorescence(trains[kept], 1e-3)[:, start::10])
    after = step >= start
    expected = culture_statistics(step[after] - start, neuron[after], culture.inhibitory, 3000)
    row = statistics.iloc[index]
    assert row[list(expected)].to_dict() == pytest.approx(expected, nan_ok=True)
    assert row["links"] == culture.weights.nnz == row["mean_degree"] * 270
    assert row["potential_links"] == culture.potential_links


def test_the_orientation_decides_who_excites_whom(simulated):
    published, presynaptic = simulated[0], simulate_cultures(SET | {"orientation": "presynaptic"}, 5)[0]
    inhibitory = published["inhibitory"].values == 1
    assert 0 < inhibitory.sum() < 60
    # as published, a neuron's own type is the sign of all that it receives
    assert not published["excitatory_inputs"].values[inhibitory].any()
    assert not published["inhibitory_inputs"].values[~inhibitory].any()
    assert published["inhibitory_inputs"].values[inhibitory].any()
    inhibitory = presynaptic["inhibitory"].values == 1
    for name in ("excitatory_inputs", "inhibitory_inputs"):
        assert presynaptic[name].values[inhibitory].any() and presynaptic[name].values[~inhibitory].any()
    # the same anatomy: inputs as published are the neurons that the axon reaches, which are excited or inhibited
    culture, values, *_ = run_again(RS, 0)
    weights = culture.weights.toarray()
    first = presynaptic["culture"].values == 0
    kept = np.array([np.flatnonzero(values[:, 0] == a)[0] for a in presynaptic["a"].values[first]])
    np.testing.assert_array_equal(presynaptic["excitatory_inputs"].values[first], (weights > 0).sum(axis=0)[kept])
    np.testing.assert_array_equal(presynaptic["inhibitory_inputs"].values[first], (weights < 0).sum(axis=0)[kept])


def test_cultures_do_not_change_when_others_are_added(simulated):
    recording, statistics = simulated
    more = SET | {"groups": [CH | {"cultures": 2}, {"label": "IB", "cultures": 1}, RS | {"cultures": 1}]}
    other, other_statistics = simulate_cultures(more, 5)
    for label in ("RS", "CH"):
        one, two = (
            box.isel(neuron=np.flatnonzero(box["group"].values == label)[:40]).drop_vars(["culture", "neuron"])
            for box in (recording, other)
        )
        xr.testing.assert_identical(one.drop_attrs(), two.drop_attrs())
    pd.testing.assert_series_equal(
        statistics.iloc[2].drop("culture"), other_statistics.iloc[0].drop("culture"), check_names=False
    )
    two_of_a_kind = other["fluorescence"].values[0, :, :40], other["fluorescence"].values[0, :, 40:80]
    assert not np.array_equal(*two_of_a_kind)


def test_the_same_seed_gives_the_same_data(simulated):
    again, statistics = simulate_cultures(SET, 5)
    xr.testing.assert_identical(simulated[0], again)
    pd.testing.assert_frame_equal(simulated[1], statistics)
    other, _ = simulate_cultures(SET | {"groups": [RS | {"cultures": 1}]}, 6)
    assert not np.array_equal(other["a"].values[:40], again["a"].values[:40])


def test_how_many_are_kept_does_not_change_the_cultures(simulated):
    everyone, statistics = simulate_cultures(SET | {"neurons": None}, 5)
    pd.testing.assert_frame_equal(statistics, simulated[1])
    active = np.bincount(everyone["culture"].values)
    np.testing.assert_allclose(active / 270, statistics["active_fraction"])
    assert (everyone["spike_count"].values >= 1).all()
    assert np.isin(simulated[0]["a"].values, everyone["a"].values).all()
    crowd, _ = simulate_cultures(SET | {"neurons": 10_000}, 5)
    xr.testing.assert_identical(crowd.drop_attrs(), everyone.drop_attrs())


def test_blocks_do_not_show(simulated, monkeypatch):
    monkeypatch.setattr(culture_recording, "BLOCK", 7)
    xr.testing.assert_identical(simulate_cultures(SET, 5)[0], simulated[0])
    noisy = add_noise(simulated[0], 1.0, "small blocks", 1)
    monkeypatch.undo()
    np.testing.assert_array_equal(noisy["fluorescence"], add_noise(simulated[0], 1.0, "large", 1)["fluorescence"])


def test_a_thinned_recording_is_every_nth_sample(simulated):
    dense, _ = simulate_cultures(SET | {"rate_hz": 1000}, 5)
    np.testing.assert_array_equal(dense["fluorescence"][0, ::10], simulated[0]["fluorescence"][0])
    np.testing.assert_array_equal(dense["spike_count"], simulated[0]["spike_count"])
    assert dense["spikes"].values.max() == 1
    summed, _ = simulate_cultures(SET | {"nonlinearity": "summed"}, 5)
    assert not np.array_equal(summed["fluorescence"], simulated[0]["fluorescence"])


def test_inhibitory_neurons_may_have_a_type_of_their_own():
    group = {"label": "mixed", "cultures": 1, "parameters": {"inhibitory_type": "FS"}}
    recording, statistics = simulate_cultures(SET | {"groups": [group], "neurons": None}, 0)
    inhibitory = recording["inhibitory"].values == 1
    assert set(recording["neuron_type"].values[inhibitory]) == {"FS"}
    assert set(recording["neuron_type"].values[~inhibitory]) == {"RS"}
    assert recording["a"].values[inhibitory].mean() == pytest.approx(NEURON_TYPES["FS"][0], rel=0.1)
    assert statistics["neuron_type"][0] == "RS"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate_hz": 300}, "avae.sets.rate_hz: expected a rate whose samples are a whole number of ms apart"),
        ({"rate_hz": 2000}, "rate_hz"),
        ({"rate_hz": -1}, "rate_hz"),
        ({"duration_s": 3.0005}, "duration_s: expected a whole number .* of samples, 10 ms apart"),
        ({"duration_s": 0.01}, "duration_s"),
        ({"neurons": 0}, "neurons"),
        ({"neurons": 2.5}, "neurons"),
        ({"orientation": "both"}, "orientation: expected one of published, presynaptic"),
        ({"nonlinearity": "hill"}, "nonlinearity"),
        ({"discarded_s": [2.0, 0.5]}, "discarded_s"),
        ({"discarded_s": 1.0}, "discarded_s"),
        ({"discarded_s": [-1, 1]}, "discarded_s"),
        ({"groups": []}, "groups"),
        ({"groups": "RS"}, "groups"),
        ({"groups": ["RS"]}, r"groups\.0: expected named fields"),
        ({"groups": [RS, RS]}, r"groups\.1\.label: expected a label of its own"),
        ({"groups": [{"cultures": 3}]}, "groups.0: expected the field.s. label"),
        ({"groups": [RS | {"cultures": 0}]}, "groups.0.cultures"),
        ({"groups": [RS | {"type": "RS"}]}, "unknown field 'type'"),
        (
            {"groups": [RS | {"parameters": {"neuron_type": "XX"}}]},
            "groups.RS.parameters.neuron_type: expected one",
        ),
        ({"groups": [RS | {"parameters": {"orientation": "published"}}]}, "groups.RS.parameters: expected no orient"),
        ({"parameters": {"orientation": "published"}}, "parameters: .* without orientation"),
        ({"parameters": {"weight": 3}}, "unknown field 'weight'"),
        ({"set": 1}, "avae.sets: unknown field 'set'"),
    ],
)
def test_wrong_fields_are_named(change, message):
    with pytest.raises(UserError, match=message):
        simulate_cultures(SET | change, 0)


def test_rates_that_are_no_whole_number_are_rounded_to_whole_milliseconds():
    settings = CultureSet(groups=[RS], rate_hz=33.3333333, duration_s=30.0)
    assert settings.interval_ms == 30 and settings.samples == 1000


def test_a_silent_culture_is_an_error():
    with pytest.raises(UserError, match="group 'RS', culture 0: expected neurons that fire in 3 s, found none"):
        simulate_cultures(SET | {"parameters": {"density_per_mm2": 25.0, "noise": 0.0}}, 0)


def test_noise_has_its_standard_deviation_and_is_white(simulated):
    recording, _ = simulated
    noisy = add_noise(recording, 1.5, "noise of 1.5", 3)
    noise = (noisy["fluorescence"] - recording["fluorescence"]).values[0].astype(float)
    assert noise.std() == pytest.approx(1.5, rel=4 / np.sqrt(2 * noise.size))
    assert abs(noise.mean()) < 4 * 1.5 / np.sqrt(noise.size)
    assert (noise**4).mean() / 1.5**4 == pytest.approx(3, abs=0.1)
    limit = 4 * 1.5**2 / np.sqrt(noise.size)
    assert abs((noise[1:] * noise[:-1]).mean()) < limit  # from time to time
    assert abs((noise[:, 1:] * noise[:, :-1]).mean()) < limit  # from neuron to neuron
    assert noisy["fluorescence"].dtype == noisy["noiseless"].dtype == np.float32
    np.testing.assert_array_equal(noisy["noiseless"], recording["fluorescence"])
    np.testing.assert_array_equal(noisy["noise_level"], np.full(120, 1.5, np.float32))
    assert noisy.attrs == recording.attrs | {"label": "noise of 1.5"}
    assert "spikes" not in noisy and set(recording) - set(noisy) == {"spikes"}
    for name in set(recording) - {"spikes", "fluorescence"}:
        xr.testing.assert_identical(noisy[name], recording[name])
    assert "label" not in recording.attrs and "noiseless" not in recording  # the given one is left alone


def test_every_level_of_noise_has_its_own_stream(simulated):
    recording, _ = simulated

    def noise(level, seed):
        return (add_noise(recording, level, "", seed)["fluorescence"] - recording["fluorescence"]).values / level

    np.testing.assert_array_equal(noise(1.0, 3), noise(1, 3))
    for other in (noise(2.0, 3), noise(1.0, 4)):
        assert abs(np.corrcoef(noise(1.0, 3).ravel(), other.ravel())[0, 1]) < 4 / np.sqrt(other.size)


def test_noise_of_earlier_cultures_does_not_change_when_others_follow(simulated):
    recording, _ = simulated
    first = recording.isel(neuron=slice(0, 40))
    np.testing.assert_array_equal(
        add_noise(first, 1.0, "", 3)["fluorescence"], add_noise(recording, 1.0, "", 3)["fluorescence"][:, :, :40]
    )


def test_no_noise_is_a_level_too(simulated):
    recording, _ = simulated
    clean = add_noise(recording, 0, "without noise", 3)
    np.testing.assert_array_equal(clean["fluorescence"], recording["fluorescence"])
    assert not clean["noise_level"].any()


@pytest.mark.parametrize("noise", [-1.0, float("nan"), float("inf"), "one", True])
def test_wrong_noise_is_an_error(simulated, noise):
    with pytest.raises(UserError, match="noise: expected a standard deviation"):
        add_noise(simulated[0], noise, "", 0)


def test_noise_needs_a_noiseless_recording(simulated):
    noisy = add_noise(simulated[0], 1.0, "", 0)
    with pytest.raises(UserError, match="found one with noise already"):
        add_noise(noisy, 1.0, "", 0)
    with pytest.raises(UserError, match="found no fluorescence"):
        add_noise(simulated[0].drop_vars("fluorescence"), 1.0, "", 0)


def test_commands_write_the_files(tmp_path, simulated):
    small = json.dumps(SET | {"groups": [RS | {"cultures": 1}]})
    paths = [tmp_path / name for name in ("set.nc", "set.csv", "traces.nc")]
    arguments = ["--parameters", small, "--seed", "5", "--recording", str(paths[0]), "--statistics", str(paths[1])]
    simulate_cultures_command.main(arguments)
    add_noise_command.main(
        ["--recording", str(paths[0]), "--noise", "0.5", "--label", "σ 0.5", "--seed", "5", "--output", str(paths[2])]
    )
    recording, traces = read_recording(paths[0]), read_recording(paths[2])
    np.testing.assert_array_equal(recording["fluorescence"][0], simulated[0]["fluorescence"][0, :, :40])
    np.testing.assert_array_equal(recording["group"], ["RS"] * 40)
    assert recording.attrs["seed"] == 5 and traces.attrs["label"] == "σ 0.5"
    np.testing.assert_array_equal(traces["noiseless"], recording["fluorescence"])
    assert traces.attrs["config_digest"] != recording.attrs["config_digest"]
    table = pd.read_csv(paths[1])
    assert list(table) == COLUMNS
    pd.testing.assert_frame_equal(table, simulated[1].iloc[:1], rtol=1e-7, check_dtype=False)
    before = paths[0].read_bytes()
    simulate_cultures_command.main(arguments)
    assert paths[0].read_bytes() == before
