"""A search that several jobs of a cluster share."""

import json

from test_snakefile import planned, snakemake


def override(jobs):
    words = [f"search.jobs={jobs}", "search.population=3", "search.generations=1", "search.finish_generations=0"]
    choice = {"data": "subframe", "training": "smoke", "search": "pbt", "overrides": words, "datasets": ["lorenz-7hz"]}
    return "radical=" + json.dumps({"models": {"radical": choice}})


def test_the_training_job_waits_for_the_jobs_of_its_search(tmp_path):
    alone = planned(tmp_path, override(0), "studies=[radical]")
    shared = planned(tmp_path, override(3), "studies=[radical]")
    assert "search_worker" not in alone
    assert shared.pop("search_worker") == 3
    assert shared.pop("total") == alone.pop("total") + 3
    assert shared == alone


def test_a_number_of_jobs_that_is_none_is_explained(tmp_path):
    done = snakemake(tmp_path, "--dry-run", "--config", "scale=smoke", override("many"), "studies=[radical]")
    assert done.returncode != 0 and "search.jobs: expected a whole number of at least 0" in done.stdout
