"""What a user who runs recordings alone is told: verdicts on the console, a report that opens on them, no claims."""

import subprocess

import numpy as np
import pandas as pd
import pytest
from forked_python import forked_python
from test_snakefile import planned, recordings_file, snakemake

from calcium_latents.recordings import make_inferred, write_inferred
from calcium_latents.recordings.inferred import WARNINGS

SENTENCE = "RADICaL predicts hidden samples better than the best baseline, constant rate"
PROVENANCE = {"config_digest": "0", "code_digest": "0", "seed": 1, "versions": "{}"}
ALONE = ("--config", "scale=smoke", "studies=['recordings']")


@pytest.fixture
def one(tmp_path):
    """A recording `one`, of which a model and its comparison with a baseline are there already."""
    path = recordings_file(tmp_path, {"one": "sampling_rate_hz: 30, is_dff: true"})
    np.save(tmp_path / "traces.npy", np.zeros((100, 3)))
    folder = tmp_path / "results/smoke/recordings/one"
    folder.mkdir(parents=True)
    rate, attributes = np.ones((1, 4, 2), np.float32), {WARNINGS: '["rates barely vary"]'}
    run = make_inferred(event_rate=rate, time=np.arange(4.0), model="radical", attributes=attributes)
    write_inferred(run, folder / "radical/seed-1/output.nc", PROVENANCE)
    row = {"reference": "constant", "bits_per_event": 0.2, "lower_bits": 0.1, "upper_bits": 0.3}
    zero = {name: 0.0 for name in ("bits_per_event", "lower_bits", "upper_bits")}
    rows = [
        {"likelihood": likelihood, "model": model, **row, **(zero if model == "constant" else {})}
        for likelihood in ("zero_inflated_gamma", "bernoulli")
        for model in ("constant", "radical")
    ]
    pd.DataFrame(rows).to_csv(folder / "held_out_comparison.csv", index=False)
    return tmp_path, [*ALONE, f"recordings_file={path}"]


def test_the_console_has_the_verdict_and_where_logs_are(one):
    folder, options = one
    target = "results/smoke/recordings/one/verdict.txt"
    done = snakemake(folder, "--cores", "1", "--rerun-triggers", "mtime", *options, "--", target)
    assert done.returncode == 0, done.stdout
    assert f"one: {SENTENCE}: +0.200 [+0.100, +0.300] bits an event" in done.stdout
    assert "Warning: RADICaL: rates barely vary." in done.stdout
    assert "Log: results/smoke/logs/recordings/one/write_verdict.log" in done.stdout
    assert "[1 of 1] done: recordings/one/write_verdict" in done.stdout


def test_recordings_alone_show_no_claims_of_papers(one):
    folder, options = one
    jobs = planned(folder, *options[2:])
    assert "claims" not in jobs
    assert {"recordings_event_rates__one", "recordings_conditions__one", "recordings_behaviour__one"} <= set(jobs)
    assert "claims" in planned(folder, "studies=['recordings', 'radical']", *options[3:])


WORKFLOW = """
report: "{caption}"
config["scale"] = "smoke"
rule all:
    input: {figures}, "claims.html"
rule figure:
    output: report("results/smoke/recordings/figures/recordings_{{what}}-{{name}}.png", category="recordings")
    shell: "echo picture > {{output:q}}"
rule claims:
    output: report("claims.html", category="{category}")
    shell: "echo claims > {{output}}"
"""


@pytest.mark.parametrize("category", ["claims", "avae"])
def test_the_report_opens_on_recordings(tmp_path, repository, category):
    figures = [
        f"results/smoke/recordings/figures/recordings_{what}-{name}.png"
        for name in ("one", "more-one")
        for what in ("event_rates", "conditions")
    ]
    caption = repository / "workflow/report/workflow.rst"
    text = WORKFLOW.format(caption=caption, figures=", ".join(map(repr, figures)), category=category)
    (tmp_path / "Snakefile").write_text(text)
    (tmp_path / "results/smoke/recordings/one").mkdir(parents=True)
    (tmp_path / "results/smoke/recordings/one/verdict.txt").write_text(SENTENCE + ".\n")
    command = [forked_python(), "-m", "snakemake", "--cores", "1"]
    for more in ([], ["--report", "report.html"]):
        done = subprocess.run([*command, *more], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    page = (tmp_path / "report.html").read_text()
    opening = page[page.index("var workflow_desc") :].partition("</script>")[0]
    shown = opening.replace("\\u003c", "<").replace("\\u003e", ">").replace("\\/", "/")
    assert "one</strong>: " + SENTENCE in shown
    assert "no samples were held out" in opening  # of more-one
    assert shown.count(">event rates<") == 2 and shown.count(">conditions<") == 2
    assert ("Start with" in opening) == (category == "claims")
    assert "system-message" not in opening  # docutils found nothing wrong
