"""Tables of the cross-encoder's figures: their numbers follow from the inputs, and figures say what stands in them."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t
from test_figures import texts  # noqa: F401  (a fixture)

from calcium_latents.figures.rows import number, rows, select
from calcium_latents.studies.cross_encoder.figures import figure1, figure2, figure3, figure4, gaussian_process_limit
from calcium_latents.studies.cross_encoder.figures import recordings as recordings_figure


def said(texts):  # noqa: F811
    shown = "\n".join(text for text, _, _ in texts)
    texts.clear()
    return shown


def test_rows_are_found_again():
    table = pd.concat([rows("a", "one", 3.0), rows("b", "many", [1.0, 2.0], latent=[0, 1])])
    assert list(table.columns[:3]) == ["panel", "quantity", "value"] and len(table) == 3
    assert number(table, "one") == 3 and number(table, "many", latent=1) == 2
    assert select(table, panel="b", latent=0)["value"].tolist() == [1.0]


def test_figure3_intervals_sizes_and_verdicts(figure_inputs, tmp_path, texts):  # noqa: F811
    inputs = figure_inputs["cross_encoder_figure3"]
    table = figure3.tabulate(inputs)
    scores = pd.concat([pd.read_csv(path) for path in inputs["scores"]])
    seeds = select(scores, dataset="ring", model="cross_encoder", latent_size=3, chosen=1)["test_r2"]
    cell = select(table, panel="c", quantity="test_r2", dataset="ring", model="cross_encoder", latent_size=3)
    np.testing.assert_allclose(cell["value"].dropna()[cell["seed"].notna()], seeds)
    mean = cell[cell["seed"].isna()].iloc[0]
    half = t.ppf(0.975, 2) * seeds.std() / np.sqrt(3)
    assert mean[["value", "lower", "upper", "n"]].tolist() == pytest.approx([seeds.mean(), *_around(seeds, half), 3])
    needed = select(table, panel="a", quantity=figure3.SIZE_NEEDED, dataset="ring", model="cross_encoder")
    assert len(needed) == 3 and (needed["value"] <= 2).all()
    table["label"] = table["dataset"]
    difference = (table["quantity"] == "difference") & (table["dataset"] == "ring")
    for values, word in (([0.3, 0.2, 0.4], "wins"), ([-0.3, -0.4, -0.2], "loses"), ([0.0, -0.1, 0.1], "only ties")):
        table.loc[difference, ["value", "lower", "upper"]] = values
        figure3.draw(inputs, table, tmp_path / "f")
        assert f"ring\ncross-encoder {word}" in said(texts)


def _around(values, half):
    return values.mean() - half, values.mean() + half


def test_a_recording_that_nothing_predicts_is_said_to_be_one(figure_inputs, tmp_path, texts):  # noqa: F811
    inputs = figure_inputs["cross_encoder_recordings"]
    table = recordings_figure.tabulate(inputs)
    best = table["quantity"] == "test_r2 at the best size"
    assert (
        set(table.loc[best, "model"]) == {"cross_encoder", "reduced_rank_regression"} and (table["n"][best] == 3).all()
    )
    table.loc[best, "value"] = -0.1
    recordings_figure.draw(inputs, table, tmp_path / "f")
    assert "neither predicts better than the mean" in said(texts)


def test_figure4_compares_with_principal_components(figure_inputs, tmp_path, texts):  # noqa: F811
    inputs = figure_inputs["cross_encoder_figure4"]
    table = figure4.tabulate(inputs)
    one = table[table["dataset"] == "spontaneous"]
    r2 = one[one["quantity"] == figure4.MULTIPLE].pivot(index="seed", columns="model", values="value")
    gap = (r2["cross_encoder"] - r2["principal_components"]).mean()
    assert number(one, figure4.DIFFERENCE) == pytest.approx(gap)
    table.loc[table["quantity"] == figure4.DIFFERENCE, ["value", "lower", "upper"]] = [-0.2, -0.3, -0.1]
    figure4.draw(inputs, table, tmp_path / "f")
    assert said(texts).count("cross-encoder loses to\nprincipal components") == 2


def test_theory(figure_inputs):
    ring = figure1.tabulate(figure_inputs["cross_encoder_figure1"])
    assert number(ring, "radius") == pytest.approx(1, abs=0.01)
    assert select(ring, panel="c", quantity="closed form")["value"].tolist() == pytest.approx([1, -1])
    shares = select(ring, quantity="share of variance", spacing="equal")["value"]
    assert shares.is_monotonic_increasing and shares.max() <= 1 + 1e-12
    spectra = figure2.tabulate(figure_inputs["cross_encoder_figure2"])
    assert select(spectra, quantity="alpha", dimension=3, exponent=1)["value"].tolist() == [2.5]
    assert (spectra.loc[spectra["quantity"] == figure2.RATIO, "n"] == 2).all()
    process = gaussian_process_limit.tabulate(figure_inputs["cross_encoder_gaussian_process_limit"])
    assert number(process, gaussian_process_limit.RATIO) == pytest.approx(2 * np.pi, rel=0.2)
    within = process[process["quantity"] == gaussian_process_limit.WITHIN].iloc[0]
    kurtosis = process[process["quantity"] == "excess kurtosis"]
    assert (
        within["value"] == ((kurtosis["lower"] <= 3 / kurtosis["x"]) & (3 / kurtosis["x"] <= kurtosis["upper"])).sum()
    )
