"""The figure of contributions without transitions, and what its titles say of the baselines."""

import numpy as np
import pandas as pd
import pytest
from fake_contributions import PROVENANCE, jumping_recording
from test_figures import check_layout, texts  # noqa: F401  (a fixture)

from calcium_latents.figures import draw_figure
from calcium_latents.recordings.netcdf import write_dataset
from calcium_latents.studies.latent_contributions.contribution_run import run
from calcium_latents.studies.latent_contributions.figures.latent_contributions import TOP, _verdict


def test_without_transitions(tmp_path, texts):  # noqa: F811
    calm = jumping_recording(frames=200).isel(time=slice(0, 55))
    box, transitions, summary = run(calm, "pca", {"activity": "events", "components": 2, "standardise": True})
    assert not len(transitions)
    write_dataset(box, tmp_path / "c.nc", PROVENANCE)
    summary.to_csv(tmp_path / "s.csv", index=False)
    draw_figure(
        "latent_contributions", {"contributions": [tmp_path / "c.nc"], "summary": [tmp_path / "s.csv"]}, tmp_path / "f"
    )
    table = pd.read_csv(tmp_path / "f.csv")
    top = table[table["quantity"] == TOP]
    assert list(top["panel"]) == ["b", "c"] and (top["n"] == box.sizes["rank"]).all()
    shares = box["variance_share"].sel(neuron=box["top_neuron"].values[1]).values[:, 1]
    assert top["value"].iloc[1] == pytest.approx(shares.sum())
    assert "transition_share" not in set(table["quantity"]) and "population_share" in set(table["quantity"])
    shown = "\n".join(text for text, _, _ in texts)
    assert "no transition" in shown and shown.count("no transition found") == 2 and "standardised events" in shown
    check_layout(texts)
    assert pd.isna(summary.set_index("quantity").loc["spearman_share_movement_share", "value"])


def test_titles_follow_from_the_numbers():
    assert _verdict(0.95, "raw movement") == "ranks neurons as\nraw movement does (ρ = 0.95)"
    assert _verdict(0.7, "raw movement") == "ranks neurons much as\nraw movement does (ρ = 0.70)"
    assert _verdict(-0.95, "raw movement") == "ranks neurons differently\nfrom raw movement (ρ = -0.95)"
    assert "no ranking" in _verdict(np.nan, "raw movement")
