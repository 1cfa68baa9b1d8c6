"""The digital twin's figures draw numbers from tables; clusters look like no type; neurons need no known truth."""

import numpy as np
import pandas as pd
import pytest

from calcium_latents.figures import draw_figure, style
from calcium_latents.recordings.netcdf import read_dataset, write_dataset
from calcium_latents.studies.digital_twin.figures import figure2, figure3, figure4, figure5, figure6, recovery, scores
from calcium_latents.studies.digital_twin.figures.panels import CLUSTER_COLOURS, CLUSTER_MARKERS, cluster_look


@pytest.fixture
def tables(figure_inputs):
    """Figure module -> its table."""

    def tabulate(module):
        return module.tabulate(figure_inputs[f"digital_twin_{module.__name__.rpartition('.')[2]}"])

    return tabulate


def test_clusters_look_like_no_type_animal_or_method():
    looks = {tuple(cluster_look(cluster).values()) for cluster in range(56)}
    assert len(looks) == 56  # more than the paper's 50 clusters
    assert not set(CLUSTER_COLOURS) & {*style.COLOURS.values()}
    taken = {marker for _, marker in style.GROUPS} | {marker for _, _, marker in style.METHODS.values()}
    assert not set(CLUSTER_MARKERS) - {"x", "+", "_"} & taken and not set(CLUSTER_MARKERS) & set("o^sDvPX*<>")


def test_numbers_of_panels_are_those_of_their_inputs(tables, figure_inputs):
    third = tables(figure3).set_index("panel")
    neurons = pd.read_csv(figure_inputs["digital_twin_figure3"]["properties"][0])
    row = third.loc["B"].query("property == 'suppression' and cluster == 2").iloc[0]
    own = neurons.loc[neurons["cluster"] == 2, "suppression"]
    assert row[["lower", "value", "upper"]].tolist() == pytest.approx(own.quantile([0.25, 0.5, 0.75]).tolist())
    counts = third.loc["C"].query("assignment == 'k-means'")
    assert (counts["of"] == 10).all() and counts["value"].is_monotonic_decreasing
    fourth = tables(figure4)
    percent = fourth[fourth["statistic"] == "percent"].groupby(["panel", "dataset", "property", "group"])["value"].sum()
    assert len(percent) == 24 and percent.to_numpy() == pytest.approx(100)
    sixth = tables(figure6).set_index("panel").loc["C"]
    mean = sixth[sixth["cluster"].isna() & (sixth["stimulus"] == "cluster_mei_fraction")].iloc[0]
    meis = read_dataset(figure_inputs["digital_twin_figure6"]["meis"][0])
    assert mean["n"] == 60 and mean["value"] == pytest.approx(float(meis["cluster_mei_fraction"].mean()))
    second = tables(figure2)
    assert second.query("quantity == 'phase_curve' and source == 'model'")["value"].max() == pytest.approx(1)


def test_intervals_of_panels_hold_their_numbers(tables):
    recovered = tables(recovery)
    renamed = recovered.drop(columns=["value", "lower", "upper"]).rename(
        columns={"r": "value", "r_lower": "lower", "r_upper": "upper"}
    )
    for table in (tables(figure5), renamed, tables(scores)):
        known = table[table["lower"].notna() & ~table.get("statistic", table["panel"]).isin(["part", "percent"])]
        assert len(known) and (known["lower"] <= known["value"]).all() and (known["value"] <= known["upper"]).all()
    fifth = tables(figure5)
    assert fifth.query("statistic == 'model less this curve'")["curve"].tolist() == [
        "other neurons",
        "mean curve",
        "poisson_glm",
    ]
    fractions = recovered.query("panel == 'H' and statistic == 'part'").groupby("source")["value"].sum()
    assert set(fractions.index) == {"model", "truth"} and fractions.to_numpy() == pytest.approx(1)


def test_no_ratio_where_repeats_do_not_agree(figure_inputs, tmp_path):
    table = pd.read_csv(figure_inputs["digital_twin_scores"]["scores"][3])
    table["oracle"] = np.where(table["neuron"] % 2, 0.1, -0.1)
    table.to_csv(tmp_path / "silent.csv", index=False)
    inputs = figure_inputs["digital_twin_scores"] | {"scores": [tmp_path / "silent.csv"]}
    found = scores.tabulate(inputs)
    assert found.loc[found["quantity"] == "fraction_of_oracle", "value"].isna().all()
    assert not (found["panel"] == "C").any()  # no truth
    assert len(draw_figure("digital_twin_scores", inputs, tmp_path / "silent")) == 3


def test_recorded_neurons_have_no_types_in_figure_6(figure_inputs, tmp_path):
    inputs = figure_inputs["digital_twin_figure6"]
    meis = read_dataset(inputs["meis"][0])
    provenance = {name: meis.attrs[name] for name in ("config_digest", "code_digest", "seed", "versions")}
    write_dataset(meis.drop_vars("neuron_type"), tmp_path / "meis.nc", provenance)
    table = pd.read_csv(inputs["comparison"][0])
    table[[name for name in table if not name.startswith("true_")]].to_csv(tmp_path / "comparison.csv", index=False)
    given = inputs | {"meis": [tmp_path / "meis.nc"], "comparison": [tmp_path / "comparison.csv"]}
    found = figure6.tabulate(given)
    assert not (found["panel"] == "A").any() and set(found["source"].dropna()) == {"model"}
    assert len(draw_figure("digital_twin_figure6", given, tmp_path / "recorded")) == 3
