"""The table of tuning properties: joins by number, floors, sources, subsets; and the command that summarises them."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.recordings.image_responses import make_image_responses, write_image_responses
from calcium_latents.recordings.netcdf import write_dataset
from calcium_latents.studies.digital_twin.commands.summarise_properties import main as summarise
from calcium_latents.studies.digital_twin.tuning import neuron_properties as tuning

PROVENANCE = {"config_digest": "0", "code_digest": "0", "versions": "{}"}
NEURONS = 120
NUMBERS = np.arange(NEURONS) + 500
TABLES = ("properties", "cluster-tests", "independence", "combinations")


def make(seed=0, dependent=False):
    """Indices, comparison, scores, bar codes and responses of neurons in random order."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (NEURONS, 3))
    if dependent:
        bits[:, 1] = np.where(rng.random(NEURONS) < 0.9, bits[:, 0], bits[:, 1])
    on = np.arange(NEURONS) % 6 == 5
    bits[on] = 0
    cluster = np.where(on, 8, bits @ [4, 2, 1])
    types = np.array([f"type {c}" for c in cluster], object)
    rows = []
    for source, error in (("model", 0.1), ("truth", 0.02)):
        values = 0.1 + 0.5 * bits + error * rng.normal(size=bits.shape)
        indices = {"neuron": NUMBERS, "cluster": cluster, "neuron_type": types, "source": source, "stimulus": "cluster"}
        indices |= {"orientation_selectivity": np.where(on, 0.05, 0.6) + error * rng.normal(size=NEURONS)}
        indices |= {"phase_selectivity": 1 - values[:, 0], "suppression": values[:, 1]}
        rows.append(pd.DataFrame(indices | {"cross_orientation_inhibition": values[:, 2]}))
        rows.append(rows[-1].assign(stimulus="own", suppression=-1.0))
    indices = pd.concat(rows).sample(frac=1, random_state=1)
    ratio = np.where(on, 0.3, 0.8) + 0.02 * rng.normal(size=NEURONS)
    comparison = pd.DataFrame({"neuron": NUMBERS, "gabor_vs_mei": ratio, "dog_vs_mei": 1 - ratio, "gabor_vs_dog": 2.0})[
        np.arange(NEURONS) % 4 < 2
    ]  # half of the neurons, ON cells among them
    scores = []
    for method, run, r in (("digital_twin", 1, 0.4), ("digital_twin", 2, 0.6), ("poisson_glm", 1, 0.25)):
        table = {"dataset": "d", "neuron": NUMBERS, "animal": np.arange(NEURONS) % 2, "neuron_type": types}
        scores.append(pd.DataFrame(table | {"method": method, "seed": run, "single_trial": r}))
    scores = pd.concat(scores).assign(correlation_to_truth=0.5)
    codes = xr.Dataset(
        {
            "cluster": (("neuron",), cluster.astype(np.int32), {"units": "1"}),
            "tsne": (("neuron", "axis"), rng.normal(size=(NEURONS, 2)), {"units": "1"}),
        },
        {"neuron": NUMBERS},
    )
    truth = {
        "kind": np.where(on, "on", "gabor").astype(object),
        "neuron_type": types,
        "is_complex": bits[:, 0],
        "surround_weight": 6.0 * bits[:, 1],
        "orthogonal_weight": 4.0 * bits[:, 2],
    }
    responses = make_image_responses(
        label="made up",
        image_source="noise",
        seed=1,
        images=rng.normal(size=(4, 3, 3)),
        part=[0, 1, 2, 2],
        image_of_trial=[0, 1, 2, 2, 3, 3],
        response=rng.poisson(1, (6, NEURONS)),
        neuron=NUMBERS,
        simulated=True,
        truth=truth,
    )
    return indices, comparison, scores, codes, responses


def test_joins_by_number_of_neuron():
    indices, comparison, scores, codes, _ = make()
    table = tuning.neuron_properties(indices, comparison, scores, codes, "d", "D")
    assert list(table.columns) == list(tuning.COLUMNS) and list(table["neuron"]) == list(NUMBERS)
    mine = indices[(indices["source"] == "model") & (indices["stimulus"] == "cluster")].set_index("neuron")
    assert table["suppression"].to_numpy() == pytest.approx(mine["suppression"].loc[NUMBERS])
    assert np.array_equal(table["cluster"], codes["cluster"]) and np.array_equal(table["tsne_2"], codes["tsne"][:, 1])
    assert np.array_equal(table["gabor_vs_mei"].notna(), np.arange(NEURONS) % 4 < 2)
    assert table["gabor_vs_mei"].iloc[4] == comparison["gabor_vs_mei"].iloc[2]
    # seeds of the twin are averaged: (.4 + .6) / 2 over .25
    assert table["nonlinearity"].to_numpy() == pytest.approx(2) and table[
        "test_correlation"
    ].to_numpy() == pytest.approx(0.5)
    assert table["nonlinearity_difference"].to_numpy() == pytest.approx(0.25)
    assert list(table["animal"]) == list(np.arange(NEURONS) % 2) and table["neuron_type"].iloc[5] == "type 8"


def test_the_truth_has_its_own_indices_and_non_linearity():
    indices, comparison, scores, codes, _ = make()
    table = tuning.neuron_properties(indices, comparison, scores, codes, "d", "D", source="truth")
    mine = indices[(indices["source"] == "truth") & (indices["stimulus"] == "cluster")].set_index("neuron")
    assert table["phase_selectivity"].to_numpy() == pytest.approx(mine["phase_selectivity"].loc[NUMBERS])
    assert table["nonlinearity"].to_numpy() == pytest.approx(1 / 0.5)
    own = tuning.neuron_properties(indices, comparison, scores, codes, "d", "D", stimulus="own")
    assert (own["suppression"] == -1).all()


@pytest.mark.parametrize(
    ("network", "linear", "expected"),
    [
        (0.4, 0.2, 2.0),
        (0.4, 0.0, 8.0),
        (0.4, -0.3, 8.0),
        (-0.1, 0.2, 0.0),
        (0.5, np.nan, np.nan),
        (np.nan, 0.5, np.nan),
    ],
)
def test_non_linearity_does_not_explode(network, linear, expected):
    assert tuning.nonlinearity(network, linear) == pytest.approx(expected, nan_ok=True)


def test_subsets_use_the_cluster_where_a_neuron_has_no_mei():
    indices, comparison, scores, codes, responses = make()
    table = tuning.neuron_properties(indices, comparison, scores, codes, "d", "D")
    found = tuning.subsets(table, responses)
    on = codes["cluster"].values == 8
    assert list(found) == ["all", "gabor-like", "gabor cells"]
    assert found["all"]["neurons"].all() and found["all"]["clusters"].all()
    assert np.array_equal(found["gabor-like"]["neurons"], ~on) and np.array_equal(found["gabor cells"]["neurons"], ~on)
    assert list(found["gabor-like"]["clusters"]) == list(found["gabor cells"]["clusters"]) == [True] * 8 + [False]
    without = tuning.subsets(table.assign(gabor_vs_mei=np.nan), responses.drop_vars("kind"))
    assert list(without) == ["all"]


def test_design_of_simulated_neurons():
    *_, codes, responses = make()
    clusters = pd.Series(codes["cluster"].values, NUMBERS)
    table = tuning.design_properties(responses, clusters)
    assert np.array_equal(table["suppression"], responses["surround_weight"].values > 0)
    assert list(table["cluster"]) == list(clusters)
    assert tuning.design_properties(responses.drop_vars("is_complex"), clusters) is None


def test_what_is_missing_is_named():
    indices, comparison, scores, codes, _ = make()
    with pytest.raises(UserError, match="suppression"):
        tuning.neuron_properties(indices.drop(columns="suppression"), comparison, scores, codes, "d", "D")
    with pytest.raises(UserError, match="model and cluster"):
        tuning.neuron_properties(indices.assign(source="other"), comparison, scores, codes, "d", "D")
    with pytest.raises(UserError, match="0 rows"):
        tuning.neuron_properties(indices, comparison, scores.iloc[:0], codes, "d", "D")


def write(folder, **others):
    indices, comparison, scores, codes, responses = make(**others)
    write_image_responses(responses, folder / "responses.nc", PROVENANCE)
    write_dataset(codes, folder / "bar_codes.nc", PROVENANCE)
    paths = {"responses": folder / "responses.nc", "bar-codes": folder / "bar_codes.nc"}
    for name, table in {"indices": indices, "comparison": comparison, "scores": scores}.items():
        table.to_csv(paths.setdefault(name, folder / f"{name}.csv"), index=False)
    parameters = '{"permutations": 200, "bootstraps": 100, "shuffles": 3, "alpha": 0.05, "floor": 0.3}'
    call = [f"--{name}={path}" for name, path in paths.items()]
    return [*call, "--dataset=d", "--label=D", "--seed=2", f"--parameters={parameters}"]


def outputs(folder):
    return [f"--{name}={folder / name}.csv" for name in TABLES]


@pytest.mark.parametrize("dependent", [False, True])
def test_command(tmp_path, dependent):
    call = write(tmp_path, dependent=dependent)
    summarise([*call, *outputs(tmp_path / "a")])
    summarise([*call, *outputs(tmp_path / "b")])
    for name in TABLES:
        assert (tmp_path / "a" / f"{name}.csv").read_bytes() == (tmp_path / "b" / f"{name}.csv").read_bytes()
    tables = {name: pd.read_csv(tmp_path / "a" / f"{name}.csv") for name in TABLES}
    assert tables["properties"]["nonlinearity"].to_numpy() == pytest.approx(0.5 / 0.3)  # the floor that was asked for
    assert set(tables["cluster-tests"]["assignment"]) == {"k-means", "shuffled 0", "shuffled 1", "shuffled 2"}
    counts = tables["combinations"]
    assert set(counts["source"]) == {"model", "truth", "design"}
    assert set(counts["subset"]) == {"all", "gabor-like", "gabor cells"}
    gabor = counts[(counts["subset"] == "gabor cells") & (counts["unit"] == "neurons")]
    decisions = gabor.groupby("source")["decision"].first()
    assert (decisions == "dependent").all() if dependent else ~decisions.str.contains("^dependent").any()
    # built-in bits and indices of the true neurons tell the same combinations
    pairs = gabor.pivot(index=["phase_invariant", "suppressed", "cross_inhibited"], columns="source", values="count")
    assert pairs["design"].equals(pairs["truth"])
    with pytest.raises(UserError, match="permutation"):
        summarise([*call, *outputs(tmp_path / "c"), '--parameters={"permutation": 3}'])
