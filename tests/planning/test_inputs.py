"""Patterns of inputs are filled in from the plan."""

from pathlib import Path

import pytest

from calcium_latents.configuration import load_configuration
from calcium_latents.errors import UserError
from calcium_latents.planning import studies as planned_studies
from calcium_latents.planning.inputs import claim_inputs, figure_inputs, files, groups
from calcium_latents.planning.plan import Plan
from calcium_latents.planning.studies import (
    claim_tables,
    constants,
    figure_modules,
    labels,
    module_constants,
    studies,
    with_claims,
)


def plan_of(repository, *names, **changes):
    config = {"scale": "smoke", "studies": list(names), "seed": 1, "recordings_file": None}
    return Plan(load_configuration(config | changes, repository), repository)


def test_patterns_are_filled_in(repository):
    plan = plan_of(repository, "radical", radical={"seeds": [1, 2], "models": {"radical_pbt": {"datasets": []}}})
    named = groups(plan, "radical")
    top = "results/smoke/radical"
    assert files(plan, "radical", "convergence.csv", named) == [f"{top}/convergence.csv"]
    assert files(plan, "radical", "{run}/scores.csv", named) == [
        f"{top}/lorenz-7hz/scores.csv",
        f"{top}/lorenz-10hz/scores.csv",
    ]
    every = files(plan, "radical", "{activity}/{runs}/output.nc", named)
    assert every == plan.outputs("radical", "lorenz-7hz")
    assert (
        f"{top}/lorenz-7hz/radical/seed-2/output.nc" in every and f"{top}/lorenz-7hz/smth-dec/seed-1/output.nc" in every
    )
    (first,) = files(plan, "radical", "{activity}/{first_run}/output.nc", named)
    assert first == f"{top}/lorenz-7hz/radical/seed-1/output.nc"
    (paper,) = files(plan, "radical", "config/papers/radical.yaml", named)
    assert Path(paper).resolve() == repository / "config/papers/radical.yaml"


def test_a_figure_for_each_key_and_none_without_inputs(repository):
    twin = figure_inputs(plan_of(repository, "digital_twin"), "digital_twin")
    assert {"digital_twin_figure1", "digital_twin_figure1-dependent"} <= set(twin)
    assert all("/dependent/" in path for paths in twin["digital_twin_figure1-dependent"].values() for path in paths)
    assert len(twin["digital_twin_figure4"]["properties"]) == 2
    # without recordings, no figure of recordings
    assert "cross_encoder_recordings" not in figure_inputs(plan_of(repository, "cross_encoder"), "cross_encoder")


def test_figures_and_claims_of_all_studies_name_groups_that_exist(repository):
    plan = plan_of(repository, *studies())
    for study in studies():
        figure_inputs(plan, study)
        claim_inputs(plan, study)
    assert set(with_claims()) < set(studies())
    assert claim_tables("spike_ground_truth") == {}


def test_files_of_other_studies_can_be_inputs(repository):
    plan = plan_of(repository, "radical", "spike_ground_truth")
    named = groups(plan, "spike_ground_truth")
    assert files(plan, "spike_ground_truth", "{simulated}/spike_inference.csv", named) == [
        "results/smoke/radical/lorenz-7hz/spike_inference.csv",
        "results/smoke/radical/lorenz-10hz/spike_inference.csv",
    ]


def test_every_figure_is_found_once_and_named_after_its_study():
    for figure, (study, module) in figure_modules().items():
        assert figure.startswith(study) and module_constants(module)["INPUTS"]


def test_methods_of_one_figure_differ():
    for study in studies():
        looks = [
            look[1:] for look in module_constants(f"calcium_latents.studies.{study}.study").get("LABELS", {}).values()
        ]
        # null models share their look: they are never drawn together
        assert len({look for look in looks if look != ("grey", "x")}) == len([x for x in looks if x != ("grey", "x")])
    assert labels()["radical"] == ("RADICaL", "vermillion", "o")


def test_searches_that_name_no_dataset_are_refused(repository):
    change = {"models": {"radical_pbt": {"datasets": ["lorenz-99hz"]}}}
    with pytest.raises(UserError, match="lorenz-99hz"):
        groups(plan_of(repository, "radical", radical=change), "radical")


@pytest.mark.parametrize("word", ["search.jobs=many", "training.stepz=3", "training.steps=0", "seed=9"])
def test_words_of_a_model_are_checked(repository, word):
    change = {"models": {"radical": {"overrides": [word]}}}
    with pytest.raises(UserError, match=rf"field 'radical.models.radical' \(dataset 'lorenz-7hz'\).*{word}"):
        plan_of(repository, "radical", radical=change).compose_all()


def test_patterns_of_unknown_groups_are_explained(repository):
    plan = plan_of(repository, "radical")
    named = groups(plan, "radical")
    with pytest.raises(UserError, match=r"figure x, '{runn}/a.csv': expected one of the groups run, .* found 'runn'"):
        files(plan, "radical", "{runn}/a.csv", named, "figure x")
    with pytest.raises(UserError, match="figure x: expected the file config/papers/none.yaml"):
        files(plan, "radical", "config/papers/none.yaml", named, "figure x")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def draw(inputs, stem): ...\n", "INPUTS: expected a literal mapping"),
        ("INPUTS = {'a': ['b']}\ndef draw(inputs, stem): ...\n", "INPUTS: expected a literal mapping"),
        ("def draw(:\n", "line 1: expected Python"),
    ],
)
def test_figures_that_do_not_say_what_they_read_are_refused(tmp_path, monkeypatch, text, said):
    folder = tmp_path / "mine/figures"
    folder.mkdir(parents=True)
    (tmp_path / "mine/study.py").touch()
    (folder / "one.py").write_text(text)
    monkeypatch.setattr(planned_studies, "FOLDER", tmp_path)
    studies.cache_clear(), figure_modules.cache_clear()
    try:
        with pytest.raises(UserError, match=rf"one\.py.*{said}"):
            figure_modules()
    finally:
        monkeypatch.undo()
        studies.cache_clear(), figure_modules.cache_clear()


def test_annotated_inputs_are_read(tmp_path):
    (tmp_path / "a.py").write_text("INPUTS: dict[str, str] = {'a': '{run}/a.csv'}\nOTHER = len('x')\n")
    assert constants(tmp_path / "a.py") == {"INPUTS": {"a": "{run}/a.csv"}}


def test_a_dataset_may_not_take_the_folder_of_figures(repository):
    change = {"datasets": {"figures": {"label_hz": 3, "parameters": {}}}}
    with pytest.raises(UserError, match="radical.datasets.figures': expected another name"):
        plan_of(repository, "radical", radical=change)


def test_a_baseline_may_not_have_a_models_name(repository):
    change = {"smoothing": {"radical": {"variable": "events", "sd_s": 0.1}}}
    with pytest.raises(UserError, match="radical.smoothing.*names that no model has, found 'radical'"):
        plan_of(repository, "radical", radical=change)


def test_paths_below_a_home_are_tracked(repository, tmp_path, monkeypatch):
    from calcium_latents.studies.digital_twin.study import response_files
    from calcium_latents.studies.recordings.study import recording_files, trial_files

    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    paths = [str(tmp_path / "home" / name) for name in ("a.npy", "b.csv", "t.csv")]
    for path in paths:
        Path(path).touch()
    (tmp_path / "home/mine.yaml").write_text(
        "recordings: {one: {file: ~/a.npy, behaviour: ~/b.csv, trials: {starts_s: ~/t.csv}, sampling_rate_hz: 30}}"
    )
    named = {"training_images": "~/a.npy", "training_responses": ["b.csv", {"file": "~/t.csv"}], "image_source": "x"}
    named |= {"test_images": "~/a.npy", "test_responses": "b.csv"}
    dataset = {"label": "one", "folder": "~/", "recording": named}
    twin = {"run": ["one"], "datasets": {"one": dataset}}
    plan = plan_of(repository, "recordings", "digital_twin", recordings_file="~/mine.yaml", digital_twin=twin)
    assert recording_files(plan, "one") == paths[:2] and trial_files(plan, "one") == {"trials": paths[2]}
    assert response_files(plan, "one") == paths


def test_a_folder_without_traces_is_said_when_planning(repository, tmp_path):
    (tmp_path / "mine.yaml").write_text(f"recordings: {{one: {{file: {tmp_path}}}}}")
    with pytest.raises(UserError, match=r"recordings\.one\.file': .*expected a suite2p folder with F\.npy, found none"):
        plan_of(repository, "recordings", recordings_file=str(tmp_path / "mine.yaml"))


def test_files_with_real_spikes_are_tracked_one_by_one(repository, tmp_path):
    from calcium_latents.studies.spike_ground_truth.study import ground_truth, groups

    plan = plan_of(repository, "spike_ground_truth", data_directory=str(tmp_path))
    assert ground_truth(plan) == [] and groups(plan)["measured"] == []
    names = ("DS1/a.mat", "DS1/b.mat", "DS2/c.mat", "DS2/readme.txt", "d.mat", "empty/x/e.mat")
    for name in names:
        (tmp_path / "spike_ground_truth" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "spike_ground_truth" / name).touch()
    assert ground_truth(plan) == [str(tmp_path / "spike_ground_truth" / name) for name in names[:3]]
    assert groups(plan)["measured"] == ["."]


def test_files_beside_a_recording_are_tracked_or_missed_when_planning(repository, tmp_path):
    from calcium_latents.studies.recordings.study import recording_files, response_arguments, trial_files

    names = ("traces.npy", "run.csv", "trials.csv")
    for name in names:
        (tmp_path / name).write_text("")
    traces, run, trials = (str(tmp_path / name) for name in names)

    def planned(fields):
        entries = tmp_path / "mine.yaml"
        entries.write_text(f"recordings: {{one: {{file: {traces}, {fields}}}}}\n")
        return plan_of(repository, "recordings", "cross_encoder", recordings_file=str(entries))

    plan = planned(f"behaviour: {run}, trials: {trials}, response_window_s: 0.5")
    assert recording_files(plan, "one") == [traces, run]
    assert trial_files(plan, "one") == {"trials": trials}
    assert response_arguments(plan, "one") == ["--trials", trials, "--window-s", "0.5"]
    own = planned("sample_offsets: none, trials: {starts_s: file, before_s: 0.5}")
    assert recording_files(own, "one") == [traces] and trial_files(own, "one") == {}
    assert response_arguments(planned("trials: file, response_window_s: 2"), "one")[:2] == ["--trials", "file"]
    assert trial_files(planned("trials: [1.5, 3]"), "one") == {}
    for field in ("behaviour: x.csv", "trials: x.csv", "trials: {starts_s: x.csv}", "sample_offsets: x.npy"):
        with pytest.raises(
            UserError, match=f"recordings.one.{field.split(':')[0]}': expected an existing file, found 'x"
        ):
            planned(field)
