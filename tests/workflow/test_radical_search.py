"""Searches over hyperparameters in the workflow: which figures they bring, and what a wrong name says."""

import json

from test_snakefile import snakemake


def plan(folder, change):
    """Plan the study radical with `change`."""
    words = ["scale=smoke", 'studies=["radical"]', f"radical={json.dumps(change)}"]
    return snakemake(folder, "--dry-run", "--printshellcmds", "--config", *words)


def test_searches_bring_their_figures(tmp_path):
    own = {"data": "subframe", "training": "smoke", "scored": False, "datasets": ["lorenz-7hz"]}
    change = {"models": {"radical_dropout30": {**own, "search": "pbt_published"}, "radical_random": {"datasets": []}}}
    done = plan(tmp_path, change)
    assert done.returncode == 0, done.stdout
    drawn = {line.partition("Draw radical/")[2] for line in done.stdout.splitlines() if "Draw radical/" in line}
    assert {
        "radical_population_search-radical_pbt-lorenz-10hz",
        "radical_population_search-radical_dropout30-lorenz-7hz",
    } <= drawn
    assert "radical_selection_population" not in drawn and "score_population" not in done.stdout


def test_random_searches_are_scored_at_each_level_of_noise(tmp_path):
    done = plan(tmp_path, {})
    assert done.returncode == 0, done.stdout
    for dataset in ("lorenz-10hz", "lorenz-10hz-noise2"):
        assert f"Score the members of random searches on radical/{dataset}" in done.stdout
        assert f"--input=recovery=results/smoke/radical/{dataset}/population_recovery.csv" in done.stdout


def test_a_search_on_an_unknown_dataset_is_named(tmp_path):
    done = plan(tmp_path, {"models": {"radical_random": {"datasets": ["lorenz-11hz"]}}})
    assert done.returncode != 0 and "radical.models.radical_random.datasets" in done.stdout
    assert "found 'lorenz-11hz'" in done.stdout
