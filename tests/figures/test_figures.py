"""Every figure draws from small inputs, says what it shows, overlaps nothing, and gives the same bytes."""

import re
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import fake_avae_conditions
import fake_avae_cultures
import fake_avae_scores
import fake_avae_traces
import fake_contributions
import fake_cross_encoder
import fake_digital_twin_bar_codes
import fake_digital_twin_images
import fake_digital_twin_meis
import fake_digital_twin_properties
import fake_digital_twin_scan
import fake_digital_twin_tuning
import fake_population
import fake_recording
import fake_roles
import fake_theory
import matplotlib
import pandas as pd
import pytest

from calcium_latents.errors import UserError
from calcium_latents.figures import draw_figure, parse_inputs, style
from calcium_latents.planning.studies import figure_modules, module_constants
from calcium_latents.studies.radical.model_selection import METRICS

EXPECTED_TEXT = {
    "radical_figure2": [
        "RADICaL",
        "AutoLFADS",
        "smth-dec",
        "7 Hz",
        "paired one-sided t-test",
        "5 folds",
        "true rate",
    ],
    "radical_supplementary1": ["R² of X", "R² of Y", "5 folds"],
    "radical_extended_data1": ["Lorenz states", "power (s.d.²/Hz)", "spikes/s"],
    "radical_extended_data2": ["deconvolved", "GCaMP6f", "20 spikes at 10 Hz"],
    "radical_convergence": [
        "training time (min)",
        "gradient steps",
        "smth-dec",
        "mean predictor",
        "published recipe, no search",
        "passes smth-dec",
        "90 % of its own best",
        "not reached",
    ],
    "radical_selection_metric": [
        "speckled hold-out",
        "co-smoothing",
        "reconstruction\n(published)",
        "speckled hold-out:\nevent or none",
        "co-smoothing: event or none",
        "Spearman",
        "finished runs alone",
    ],
    "spike_ground_truth": ["bin width (ms)", "simulated (n = 60; lag ", "bootstrap"],
    "radical_calibration": ["paper: mean 0.32", "noise level"],
    "recordings_event_rates": [
        "deconvolved events",
        "bits per event",
        "held-out events",
        "factor",
        "RADICaL beats all baselines",
        "RADICaL predicts hidden samples better than the best baseline",
        "no better after step 400",
    ],
    **fake_population.EXPECTED_TEXT,
    **fake_recording.EXPECTED_TEXT,
    **fake_theory.EXPECTED_TEXT,
    **fake_cross_encoder.EXPECTED_TEXT,
    **fake_contributions.EXPECTED_TEXT,
    **fake_roles.EXPECTED_TEXT,
    **fake_avae_cultures.EXPECTED_TEXT,
    **fake_avae_traces.EXPECTED_TEXT,
    **fake_avae_scores.EXPECTED_TEXT,
    **fake_avae_conditions.EXPECTED_TEXT,
    **fake_digital_twin_bar_codes.EXPECTED_TEXT,
    **fake_digital_twin_images.EXPECTED_TEXT,
    **fake_digital_twin_meis.EXPECTED_TEXT,
    **fake_digital_twin_properties.EXPECTED_TEXT,
    **fake_digital_twin_scan.EXPECTED_TEXT,
    **fake_digital_twin_tuning.EXPECTED_TEXT,
}


@pytest.fixture
def texts(monkeypatch):
    """Collect (text, box in pixels) of all visible text of each figure that is saved."""
    seen = []
    original = style.save

    def spy(fig, stem):
        written = original(fig, stem)
        fig.draw_without_rendering()
        ticks = {
            id(text)
            for axes in fig.axes
            for axis in (axes.xaxis, axes.yaxis)
            for text in axis.get_ticklabels(which="both")
        }
        for item in fig.findobj(matplotlib.text.Text):
            # Labels of ticks outside of the view exist but are not drawn; those of 3-D axes have no place of
            # their own.
            if (
                id(item) not in ticks
                and item.get_visible()
                and item.get_text().strip()
                and not hasattr(item.axes, "zaxis")
            ):
                seen.append((item.get_text(), item.get_window_extent(), fig.bbox))
        return written

    monkeypatch.setattr(style, "save", spy)
    return seen


def test_every_figure_is_tested_and_documents_its_inputs(figure_inputs, repository):
    assert set(figure_modules()) == set(EXPECTED_TEXT) == set(figure_inputs)
    for name, (_, module) in figure_modules().items():
        said = module_constants(module)
        documentation = import_module(module).__doc__
        for given in {**said["INPUTS"], **said.get("OPTIONAL_INPUTS", {})}:
            assert re.search(rf"^    {given}( \(optional\))?:", documentation, re.MULTILINE), (module, given)
        assert (repository / f"workflow/report/{name}.rst").is_file()


@pytest.mark.parametrize("name", sorted(EXPECTED_TEXT))
def test_figure(name, figure_inputs, tmp_path, texts):
    paths = draw_figure(name, figure_inputs[name], tmp_path / name)
    assert [path.suffix for path in paths][:2] == [".png", ".svg"]
    png, svg = (path.read_bytes() for path in paths[:2])
    assert png[:8] == b"\x89PNG\r\n\x1a\n" and len(png) > 20_000
    assert b"<dc:date>" not in svg and b"<svg" in svg
    shown = "\n".join(text for text, _, _ in texts)
    for expected in EXPECTED_TEXT[name]:
        assert expected in shown
    check_layout(texts)


def check_layout(texts):
    """Check that no text leaves the page or overlaps another."""
    for text, box, page in texts:
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= page.x1 + 1 and box.y1 <= page.y1 + 1
        assert inside, f"{text!r} leaves the page"
    for index, (text, box, _) in enumerate(texts):
        for other, place, _ in texts[:index]:
            across = min(box.x1, place.x1) - max(box.x0, place.x0)
            along = min(box.y1, place.y1) - max(box.y0, place.y0)
            assert across < 1.5 or along < 1.5, f"{text!r} overlaps {other!r}"


def test_a_model_that_is_beaten_is_said_to_be(figure_inputs, tmp_path, texts):
    inputs = figure_inputs["recordings_event_rates"]
    table = pd.read_csv(inputs["held_out"][0])
    numbers = ["bits_per_event", "lower_bits", "upper_bits"]
    against = (table["model"] == "radical") & (table["reference"] != "constant")
    table.loc[against, numbers] -= 2.0
    table.to_csv(tmp_path / "two.csv", index=False)
    table.loc[(table["model"] == "radical"), numbers] -= 50.0
    table.to_csv(tmp_path / "all.csv", index=False)
    for name, said in (("two", "RADICaL does not beat:\nown, population"), ("all", "RADICaL beats no baseline")):
        texts.clear()
        draw_figure("recordings_event_rates", inputs | {"held_out": [tmp_path / f"{name}.csv"]}, tmp_path / "figure")
        assert any(said in text for text, _, _ in texts)
        check_layout(texts)


def test_selection_without_a_good_metric_says_so(figure_inputs, tmp_path, texts):
    table = pd.read_csv(figure_inputs["radical_selection_metric"]["convergence"][0])
    for metric in METRICS:
        table[metric] = -table[metric]
    table.to_csv(tmp_path / "wrong.csv", index=False)
    draw_figure("radical_selection_metric", {"convergence": [tmp_path / "wrong.csv"]}, tmp_path / "figure")
    assert any("No metric ranks snapshots reliably" in text and "no metric." in text for text, _, _ in texts)
    check_layout(texts)
    texts.clear()
    table[table["model"] == "radical_published"].to_csv(tmp_path / "one.csv", index=False)
    draw_figure("radical_selection_metric", {"convergence": [tmp_path / "one.csv"]}, tmp_path / "figure")
    assert not any("finished runs alone" in text for text, _, _ in texts)
    for few in (1, 3):
        texts.clear()
        dropped = table.drop(columns=list(METRICS)[few:])
        dropped.to_csv(tmp_path / "few.csv", index=False)
        draw_figure("radical_selection_metric", {"convergence": [tmp_path / "few.csv"]}, tmp_path / "figure")
        check_layout(texts)


def test_a_search_without_copies_divergence_or_many_generations_is_drawn(figure_inputs, tmp_path, texts):
    inputs = figure_inputs["radical_population_search"]
    history = pd.read_csv(inputs["metrics"][0])
    history = history[(history["generation"] == 1)].assign(parent=history["member"], diverged=False)
    history.to_csv(tmp_path / "one.csv", index=False)
    draw_figure("radical_population_search", inputs | {"metrics": [tmp_path / "one.csv"]}, tmp_path / "figure")
    assert any("lost to divergence: none" in text for text, _, _ in texts)
    check_layout(texts)


def test_inputs_of_other_runs_are_refused(figure_inputs, tmp_path):
    inputs = figure_inputs["radical_population_search"]
    (tmp_path / "config.yaml").write_text("model: {name: radical}\nsearch: {population: 1}\n")
    with pytest.raises(UserError, match="expected the config.yaml of a run with search=pbt or search=random"):
        draw_figure("radical_population_search", inputs | {"config": [tmp_path / "config.yaml"]}, tmp_path / "x")
    history = pd.read_csv(inputs["metrics"][0]).drop(columns="dropout_rate")
    history.to_csv(tmp_path / "less.csv", index=False)
    with pytest.raises(UserError, match="searched hyperparameters \\['dropout_rate'\\]"):
        draw_figure("radical_population_search", inputs | {"metrics": [tmp_path / "less.csv"]}, tmp_path / "x")


def test_a_population_in_which_no_metric_is_right_is_said_so(figure_inputs, tmp_path, texts):
    table = pd.read_csv(figure_inputs["radical_selection_population"]["recovery"][0])
    for metric in METRICS:
        table[metric] = -table[metric]
    table["speckled_holdout_nll"] = float("nan")
    table.to_csv(tmp_path / "wrong.csv", index=False)
    other = figure_inputs["radical_selection_population"]["recovery"][1]
    draw_figure("radical_selection_population", {"recovery": [other, tmp_path / "wrong.csv"]}, tmp_path / "figure")
    shown = "\n".join(text for text, _, _ in texts)
    assert "no metric surely points the right way – the wrong way: co-smoothing" in shown
    assert "no finite value" in shown
    check_layout(texts)
    texts.clear()
    table[:5].to_csv(tmp_path / "few.csv", index=False)
    draw_figure("radical_selection_population", {"recovery": [tmp_path / "few.csv"]}, tmp_path / "figure")
    assert any("fewer than 8 members" in text for text, _, _ in texts)


def test_variants_of_one_hyperparameter_are_left_to_the_selection_figure(figure_inputs, tmp_path, texts):
    draw_figure("radical_convergence", figure_inputs["radical_convergence"], tmp_path / "c")
    assert not any("dropout rate" in text for text, _, _ in texts)
    table = pd.read_csv(figure_inputs["radical_convergence"]["convergence"][0])
    table[table["model"] == "radical_dropout30"].to_csv(tmp_path / "only.csv", index=False)
    timing = figure_inputs["radical_convergence"]["timing"]
    draw_figure("radical_convergence", {"convergence": [tmp_path / "only.csv"], "timing": timing}, tmp_path / "o")
    assert any("dropout rate 0.3" in text for text, _, _ in texts)


@pytest.mark.parametrize("name", ["radical_calibration", "radical_extended_data1"])
def test_the_same_bytes_again(figure_inputs, tmp_path, name):
    first = draw_figure(name, figure_inputs[name], tmp_path / "a" / name)
    second = draw_figure(name, figure_inputs[name], tmp_path / "b" / name)
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_figures_do_with_little(figure_inputs, tmp_path):
    """One speed, one method, a continuous recording without factors or scores: still a figure."""
    inputs = figure_inputs["radical_supplementary1"]
    table = pd.read_csv(inputs["scores"][0])
    table[table["model"] == "smth-dec"].to_csv(tmp_path / "scores.csv", index=False)
    draw_figure("radical_supplementary1", inputs | {"scores": [tmp_path / "scores.csv"]}, tmp_path / "one")
    folder = figure_inputs["recordings_event_rates"]["recording"][0].parent
    real = {
        "recording": [folder / "deconvolved.nc"],
        "inferred": [folder / "whole" / "seed-1" / "output.nc"],
    }
    draw_figure("recordings_event_rates", real, tmp_path / "real")
    measured = {name: paths for name, paths in figure_inputs["spike_ground_truth"].items() if name != "simulated"}
    draw_figure("spike_ground_truth", measured, tmp_path / "s")
    assert len(list(tmp_path.glob("*.png"))) == 3


def test_wrong_inputs_are_named(figure_inputs, tmp_path):
    with pytest.raises(UserError, match="expected one of"):
        draw_figure("no_such_figure", {}, tmp_path / "x")
    with pytest.raises(UserError, match="missing inputs \\['paper', 'scores'\\]"):
        draw_figure("radical_supplementary1", {}, tmp_path / "x")
    paper = {"paper": figure_inputs["radical_supplementary1"]["paper"]}
    with pytest.raises(UserError, match="unknown inputs \\['more'\\]"):
        draw_figure("radical_supplementary1", paper | {"scores": [], "more": []}, tmp_path / "x")
    with pytest.raises(UserError, match="found none"):
        draw_figure("radical_supplementary1", paper | {"scores": [tmp_path / "absent.csv"]}, tmp_path / "x")
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="expected the columns"):
        draw_figure("radical_supplementary1", paper | {"scores": [tmp_path / "bad.csv"]}, tmp_path / "x")
    with pytest.raises(UserError, match="expected predictions"):
        draw_figure(
            "radical_figure2",
            figure_inputs["radical_figure2"] | {"predictions": [tmp_path / "bad.csv"]},
            tmp_path / "x",
        )
    assert not list(tmp_path.glob("x*"))


def test_inputs_are_parsed():
    assert parse_inputs(["a=x.csv", "b=y=z.nc", "a=w.csv"]) == {
        "a": [Path("x.csv"), Path("w.csv")],
        "b": [Path("y=z.nc")],
    }
    for wrong in ("a", "=x", "a="):
        with pytest.raises(UserError, match="NAME=PATH"):
            parse_inputs([wrong])


def test_methods_differ_in_colour_and_marker_and_unknown_ones_get_spares():
    main = ["radical", "radical_published", "autolfads", "smth-dec", "smth-sim-fluor"]
    looks = [tuple(style.appearance(name).values()) for name in main]
    assert len({colour for colour, _ in looks}) == len({marker for _, marker in looks}) == len(main)
    assert style.in_order(["zebra", "smth-dec", "radical"]) == ["radical", "smth-dec", "zebra"]
    assert style.appearance("zebra", ["zebra", "yak"]) != style.appearance("yak", ["zebra", "yak"])


def test_a_figure_of_kept_results_says_so(tmp_path, monkeypatch):
    from calcium_latents import figures

    kept = tmp_path / "results/reference"
    kept.mkdir(parents=True)
    shown = []
    module = SimpleNamespace(INPUTS={"a": "a.csv"}, draw=lambda inputs, stem: shown.append(style._remark.get()))
    monkeypatch.setattr(figures, "REFERENCE", kept)
    monkeypatch.setattr(figures, "figure_modules", lambda: {"own": ("study", "module")})
    monkeypatch.setattr(figures, "import_module", lambda name: module)
    monkeypatch.setattr(figures, "has_table", lambda name: False)
    module.__name__ = "module"
    for file in (kept / "a.csv", tmp_path / "a.csv"):
        figures.draw_figure("own", {"a": [file]}, tmp_path / "own")
    assert shown == [figures.FROM_REFERENCE, ""]


@pytest.mark.parametrize("title", ["", "what is shown"])
def test_a_remark_stands_above_all_else_and_moves_nothing_onto_another(tmp_path, title):
    figure = style.figure(2.0)
    axis = figure.subplots()
    axis.set_title("panel")
    if title:
        figure.suptitle(title)
    with style.remark("computed elsewhere"):
        style.save(figure, tmp_path / "figure")
    figure.draw_without_rendering()
    above, below = figure._suptitle.get_window_extent(), axis.title.get_window_extent()
    assert figure.get_suptitle() == "\n".join(filter(None, ["computed elsewhere", title]))
    assert above.y0 >= below.y1 and above.y1 <= figure.bbox.height
