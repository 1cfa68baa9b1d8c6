"""Tables of the figures of the study `avae`: their numbers are those of the statistics, and figures say no others."""

import numpy as np
import pandas as pd
import pytest
from test_figures import texts  # noqa: F401  (a fixture)

from calcium_latents.recordings import read_embedding
from calcium_latents.statistics.partitions import corrected_interval
from calcium_latents.studies.avae import condition_comparison as cc
from calcium_latents.studies.avae.figures import cultures, figure1, figure3, figure4, figure5, figure6, recordings

FIGURES = {
    **{"avae_cultures": cultures, "avae_figure1": figure1, "avae_figure3": figure3, "avae_figure4": figure4},
    **{"avae_figure5": figure5, "avae_figure6": figure6, "avae_recordings": recordings},
}


@pytest.fixture(scope="module")
def tables(figure_inputs):
    return {name: module.tabulate(figure_inputs[name]) for name, module in FIGURES.items()}


@pytest.mark.parametrize("name", FIGURES)
def test_a_table_is_tidy(name, tables):
    table = tables[name]
    assert table.columns[0] == "panel" and {"quantity", "value"} <= set(table) and table["panel"].notna().all()
    assert not table.duplicated().any() and table["value"].notna().any()


def test_means_have_the_corrected_interval_of_the_partitions_beside_them(tables, figure_inputs):
    rows = tables["avae_figure3"]
    rows = rows[(rows["panel"] == "B") & (rows["method"] == "avae_plus") & (rows["noise_level"] == 2)]
    box = read_embedding(figure_inputs["avae_figure3"]["embeddings"][0], ["part", "split"])
    for split, part in rows.groupby("split"):
        points, mean = part[part["partition"].notna()], part[part["partition"].isna()].iloc[0]
        tests = (box["part"].values[box["split"].values == split] == 2).sum(axis=1).max()
        expected = corrected_interval(points["value"].to_numpy(), tests / (box.sizes["neuron"] - tests))
        assert tuple(mean[["value", "lower", "upper"]]) == pytest.approx(expected) and mean["n"] == len(points) == 5


def test_medians_are_of_the_partitions_beside_them(tables):
    rows = tables["avae_figure5"]
    rows = rows[(rows["panel"] == "C") & (rows["method"] != "shuffled labels")]
    for _, part in rows.groupby(["protocol", "split", "method", "latents"]):
        points = part.loc[part["partition"].notna(), "value"]
        assert part.loc[part["partition"].isna(), "value"].item() == pytest.approx(points.median())


def test_conditions_have_the_numbers_of_the_comparison(tables, figure_inputs):
    table, inputs = tables["avae_figure6"], figure_inputs["avae_figure6"]
    areas = pd.read_csv(inputs["separability"][0])
    found = table[(table["panel"] == "C") & table["culture_a"].isna()]
    expected = cc.summarise_comparison(areas)
    np.testing.assert_array_equal(found["value"], expected["auc"])
    pair = table[(table["panel"] == "B") & (table["method"] == "pca") & (table["comparison"] == cc.NULL)].iloc[0]
    same = (areas["culture_a"] == pair["culture_a"]) & (areas["culture_b"] == pair["culture_b"])
    rows = areas[same & (areas["method"] == "pca") & (areas["protocol"] == cc.NEURONS)]
    assert rows["auc"].tolist() == [pair["value"]]
    means = table[table["quantity"] == figure6.MEAN].set_index(["method", "latents", "group"])["value"]
    ratios = table[table["quantity"] == figure6.RATIO].set_index(["method", "latents"])["value"]
    wide = means.unstack("group")
    np.testing.assert_allclose(wide["altered"] / wide["control"], ratios.loc[wide.index])


def test_neighbours_of_other_cultures_count_for_groups_that_cultures_do_not_share(tables):
    rows = tables["avae_figure4"].set_index(["label", "method"])
    assert (rows.loc["group", "of_other_cultures"] == 1).all()
    # three cultures of each of three groups: two of the eight others have the same
    assert rows.loc["group", "chance"].tolist() == pytest.approx([0.25] * 3)
    cultures_found = rows.loc["culture"]
    assert (cultures_found["value"] > 3 * cultures_found["chance"]).all()
    assert (cultures_found["of_other_cultures"] == 0).all()


@pytest.mark.parametrize(
    ("name", "quantity", "said"),
    [
        ("avae_cultures", cultures.WITHOUT, "I without excitation:\n1235 %"),
        ("avae_figure1", "part nearest to the median of their own group", "1235 % nearest own"),
        ("avae_figure3", "error", "error 12.3 ("),
        ("avae_figure4", "part of the neighbours with the same label", "same: 1235 %"),
        ("avae_figure5", "difference to principal components", "AVAE+ ties +12.35"),
        ("avae_figure6", figure6.AUC, "AUC 12.35 ["),
        ("avae_recordings", "difference to principal components", "AVAE loses: +12.350"),
    ],
)
def test_figures_say_what_the_table_says(name, quantity, said, tables, figure_inputs, tmp_path, texts):  # noqa: F811
    tables[name].to_csv(tmp_path / "table.csv", index=False)
    table = pd.read_csv(tmp_path / "table.csv")
    numbers = [column for column in ("value", "lower", "upper") if column in table]
    shift = (12.35 - table["value"]).where(table["quantity"] == quantity, 0.0)
    table[numbers] = table[numbers].add(shift, axis=0)
    FIGURES[name].draw(figure_inputs[name], table, tmp_path / name)
    assert any(said in text for text, _, _ in texts)
