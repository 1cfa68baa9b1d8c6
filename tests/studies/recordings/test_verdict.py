"""The verdict in a sentence."""

import pandas as pd
import pytest

from calcium_latents.studies.recordings.commands import write_verdict
from calcium_latents.studies.recordings.verdict import verdict

BASELINES = {"constant": 0.0, "guess": 0.3, "smoothed population": 0.2}


def comparison(model=0.5, width=0.05, sized=None, methods=BASELINES):
    """Return a comparison with every baseline; the model gains `model` bits over constant, `sized` with event sizes."""
    rows = []
    for likelihood, own in (("zero_inflated_gamma", model if sized is None else sized), ("bernoulli", model)):
        gains = methods | {"radical": own}
        for reference in methods:
            for name, gain in gains.items():
                value = gain - gains[reference]
                said = {"likelihood": likelihood, "model": name, "reference": reference, "bits_per_event": value}
                rows.append(said | {"lower_bits": value - width, "upper_bits": value + width})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            comparison(),
            "RADICaL predicts hidden samples better than all 3 baselines"
            " (+0.200 bits per event [0.150, 0.250] against the best of them, guess).",
        ),
        (
            comparison(0.32),
            "RADICaL does not beat 1 of 3 baselines on hidden samples: guess"
            " (+0.020 bits per event [-0.030, 0.070] against the best of them, guess).",
        ),
        (
            comparison(-1.0),
            "RADICaL beats no baseline on hidden samples"
            " (-1.300 bits per event [-1.350, -1.250] against the best of them, guess).",
        ),
        (
            comparison(0.1, sized=0.5, methods={"constant": 0.0, "guess": 0.3}),
            "RADICaL predicts hidden samples better than all 2 baselines"
            " (+0.200 bits per event [0.150, 0.250] against the best of them, guess); scored as event or none,"
            " it does not beat 1 of 2 baselines on hidden samples: guess"
            " (-0.200 bits per event [-0.250, -0.150] against the best of them, guess).",
        ),
        (comparison().query("model != 'radical'"), "No model was compared with the baselines."),
    ],
)
def test_sentence(table, said):
    assert verdict(table) == said


def test_command(tmp_path):
    comparison().to_csv(tmp_path / "table.csv", index=False)
    write_verdict.main(["--comparison", str(tmp_path / "table.csv"), "--output", str(tmp_path / "verdict.txt")])
    assert (tmp_path / "verdict.txt").read_text() == verdict(comparison()) + "\n"
