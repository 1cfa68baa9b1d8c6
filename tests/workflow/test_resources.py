"""What jobs of the planned workflow ask for: GPUs only where they help, and the partition that follows from them."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from forked_python import forked_python

ROOT = Path(__file__).resolve().parents[2]
PROFILE = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
PARTITIONS = [f"{name}={value}" for name, value in PROFILE["default-resources"].items()]


def planned(folder, *arguments):
    """Return the jobs of a dry run (see planned_jobs), and what Snakemake said."""
    command = [forked_python(), str(ROOT / "tests/helpers/planned_jobs.py"), "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line[4:]) for line in done.stdout.splitlines() if line.startswith("job {")]
    return [job for job in found if job["rule"] != "all"], done.stdout + done.stderr


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """All jobs of the scale paper, with the default-resources of profiles/slurm."""
    folder = tmp_path_factory.mktemp("plan")
    return planned(folder, "--config", "scale=paper", "--default-resources", *PARTITIONS)[0]


def test_the_profile_names_no_rules():
    assert not {"set-resources", "set-threads"} & set(PROFILE)


def test_partitions_follow_from_gpus(jobs):
    partitions = {True: "gpu", False: "cpu"}
    wrong = [job for job in jobs if job["asked"][0]["slurm_partition"] != partitions[job["asked"][0]["gpu"] > 0]]
    assert len(jobs) > 300 and not wrong


def test_models_ask_for_a_gpu_unless_they_are_fitted_in_closed_form(jobs):
    asked = {}  # (study, model) -> numbers of GPUs of its jobs
    for job in jobs:
        if job["rule"] == "train":
            of = job["wildcards"]
            asked.setdefault((of["study"], of["model"]), set()).add(job["asked"][0]["gpu"])
    for study in {study for study, _ in asked}:
        models = yaml.safe_load((ROOT / f"config/scale/paper/{study}.yaml").read_text())["models"]
        for model, choice in models.items():
            if (study, model) in asked:
                assert asked[study, model] == {0 if choice["training"] == "closed_form" else 1}, (study, model)
    assert {gpu for gpus in asked.values() for gpu in gpus} == {0, 1}


def test_what_asks_the_digital_twin_asks_for_a_gpu_and_nothing_else_does(jobs):
    asking = {job["rule"] for job in jobs if job["asked"][0]["gpu"] > 0}
    experiments = {"find_optimal_stimuli", "run_experiments", "find_meis", "select_gabors", "compare_gabor_scan"}
    assert asking == {"train", *experiments}


def test_all_jobs_get_more_memory_and_time_in_the_second_attempt(jobs):
    known = [job["asked"] for job in jobs if "mem_mb" in job["asked"][0]]  # that of others waits for their input
    assert len(known) > 100
    for first, second in known:
        assert (second["mem_mb"], second["runtime"]) == (2 * first["mem_mb"], 2 * first["runtime"])
        assert second["gpu"] == first["gpu"]


def test_the_command_line_has_the_last_word(tmp_path):
    words = ["--config", "scale=paper", "studies=[digital_twin]", "--default-resources", *PARTITIONS]
    found, _ = planned(tmp_path, *words, "--set-resources", "train:gpu=0", "find_meis:gpu=2")
    asked = {(job["rule"], job["asked"][0]["gpu"], job["asked"][0]["slurm_partition"]) for job in found}
    assert ("train", 0, "cpu") in asked and ("train", 1, "gpu") not in asked
    assert ("find_meis", 2, "gpu") in asked


def test_without_a_gpu_nobody_gets_one_and_the_user_is_told(tmp_path):
    words = ["--config", "scale=paper", "studies=[digital_twin]", "--default-resources", *PARTITIONS]
    found, said = planned(tmp_path, *words, "--resources", "gpu=0")
    assert {(job["asked"][0]["gpu"], job["asked"][0]["slurm_partition"]) for job in found} == {(0, "cpu")}
    assert said.count("Note: no GPU: jobs that ask for one run on the CPU") == 1
