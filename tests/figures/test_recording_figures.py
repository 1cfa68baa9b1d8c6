"""Figures of a user's recording: what they compute, and what they say where there is nothing to show."""

import json

import fake_recording
import numpy as np
import pandas as pd
import pytest

from calcium_latents.figures import draw_figure, style
from calcium_latents.recordings import read_inferred, write_inferred
from calcium_latents.recordings.inferred import WARNINGS
from calcium_latents.studies.recordings.figures import behaviour, conditions
from calcium_latents.studies.recordings.figures.training_panel import remarks, tabulate_training


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return fake_recording.make(tmp_path_factory.mktemp("session"))


@pytest.fixture
def said(monkeypatch):
    """Collect the text of every figure that is saved."""
    texts = []
    original = style.save

    def spy(fig, stem):
        texts.extend(text.get_text() for text in fig.texts)
        return original(fig, stem)

    monkeypatch.setattr(style, "save", spy)
    return texts


def test_without_trials_or_behaviour_a_line_says_what_to_add(tmp_path, said):
    bare = fake_recording.make(tmp_path / "in", trials=False, behaviour=False)
    for name, field in (("recordings_conditions", "`trials:`"), ("recordings_behaviour", "`behaviour:`")):
        paths = draw_figure(name, bare[name], tmp_path / name)
        assert len(paths) == 3 and len(pd.read_csv(paths[2])) == 0
        assert field in said[-1] and "config/recordings.yaml" in said[-1]


def test_curves_are_means_over_trials_of_events_per_second(inputs):
    table = conditions.tabulate(inputs["recordings_conditions"])
    curves = table[table["panel"] == "a"]
    assert set(curves["condition"]) == set(fake_recording.CONDITIONS) and curves["number"].nunique() == 5
    assert (curves.groupby("condition")["trials"].max() == 16).all()
    means = curves.groupby("source")["mean"].mean()
    assert means["events"] == pytest.approx(means["inferred"], rel=0.25)  # one unit
    factors = table[(table["panel"] == "b") & (table["condition"] == "left") & (table["time_s"] > 0.3)]
    blank = table[(table["panel"] == "b") & (table["condition"] == "blank") & (table["time_s"] > 0.3)]
    assert np.abs(factors["mean"]).mean() > 2 * np.abs(blank["mean"]).mean()


def test_trials_without_conditions_are_one_condition(tmp_path):
    files = fake_recording.make(tmp_path, conditions=None)["recordings_conditions"]
    table = conditions.tabulate(files)
    assert set(table["condition"]) == {"all trials"}
    assert len(draw_figure("recordings_conditions", files, tmp_path / "figure")) == 3


def test_factors_predict_what_they_drive_and_nothing_else(inputs):
    table = behaviour.tabulate(inputs["recordings_behaviour"])
    scores = table[(table["panel"] == "b") & (table["method"] == "factors")].set_index("behaviour")
    speed, pupil = scores.loc["running speed"], scores.loc["pupil"]
    assert speed["r2"] > 0.8 and speed["p"] == pytest.approx(1 / 200) and speed["null_upper"] < 0.2
    assert pupil["r2"] < 0.1 and pupil["p"] > 0.05
    assert speed["difference_lower"] > 0


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        ([0.3, 0.2, 0.1], {"steps": 150}, "still improving at the end"),
        ([0.3, 0.2, 0.25], {"steps": 600}, "ended at step 150 of 600"),
        ([0.3, 0.2, 0.25], {"steps": 150}, "no better after step 100;\nits weights are used"),
        ([0.3, 0.2, 0.25], {"steps": 150, "select": "last"}, "no better after step 100;\nthe last weights are used"),
        ([0.3, 0.2, np.nan], {"steps": 150}, "lower the learning rate"),
    ],
)
def test_remarks_on_training(tmp_path, values, options, expected):
    table = tabulate_training(fake_recording.training(tmp_path, values, **options))
    assert table["best"].sum() == 1 and expected in "; ".join(remarks(table))


def test_a_model_without_validations_has_no_panel(tmp_path):
    files = fake_recording.training(tmp_path)
    pd.DataFrame({"fit": [1]}).to_csv(files["training"][0], index=False)
    assert tabulate_training(files).empty and tabulate_training({}).empty


def test_a_figure_of_training_alone(inputs, figure_inputs, tmp_path):
    files = {name: paths for name, paths in figure_inputs["recordings_event_rates"].items() if name != "held_out"}
    table = pd.read_csv(draw_figure("recordings_event_rates", files, tmp_path / "figure")[2])
    assert set(table["panel"]) == {"f"}


@pytest.mark.parametrize("scored", [True, False])
@pytest.mark.parametrize("warnings", [[], ["rates barely vary", "the factors have collapsed"]])
def test_warnings_of_training_stand_in_the_title_below_the_verdict(figure_inputs, tmp_path, said, warnings, scored):
    files = dict(figure_inputs["recordings_event_rates"])
    if not scored:
        del files["held_out"]
    run = read_inferred(files["inferred"][0])
    attributes = {WARNINGS: json.dumps(warnings)} if warnings else {}
    write_inferred(run.assign_attrs(attributes), tmp_path / "radical/seed-1/output.nc", fake_recording.PROVENANCE)
    draw_figure("recordings_event_rates", files | {"inferred": [tmp_path / "radical/seed-1/output.nc"]}, tmp_path / "f")
    titles = [text for text in said if "Warning" in text or "predicts hidden samples" in text]
    assert len(titles) == (scored or bool(warnings))
    if titles:
        lines = titles[0].split("\n")
        assert lines[len(lines) - len(warnings) :] == [f"Warning: {text}." for text in warnings]
        assert lines[0].startswith("RADICaL predicts" if scored else "Warning")
