"""The verdict as a file."""

import pandas as pd

from calcium_latents.studies.recordings.commands import write_verdict
from calcium_latents.studies.recordings.verdict import verdict


def test_command(tmp_path):
    row = {"likelihood": "bernoulli", "model": "radical", "reference": "constant", "bits_per_event": 0.2}
    row |= {"lower_bits": 0.1, "upper_bits": 0.3}
    same = row | {"model": "constant", "bits_per_event": 0.0, "lower_bits": 0.0, "upper_bits": 0.0}
    table = pd.DataFrame([row, same])
    table.to_csv(tmp_path / "table.csv", index=False)
    write_verdict.main(["--comparison", str(tmp_path / "table.csv"), "--output", str(tmp_path / "verdict.txt")])
    said = (tmp_path / "verdict.txt").read_text()
    assert said == verdict(table).sentence() + "\n" and said.startswith("RADICaL predicts hidden samples better")
