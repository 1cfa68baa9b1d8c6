"""The verdict as a file, with what models warn of."""

import json

import numpy as np
import pandas as pd
import pytest

from calcium_latents.recordings import make_inferred, write_inferred
from calcium_latents.recordings.inferred import WARNINGS
from calcium_latents.studies.recordings.commands import write_verdict
from calcium_latents.studies.recordings.verdict import verdict

PROVENANCE = {"config_digest": "0", "code_digest": "0", "seed": 0, "versions": "{}"}


def inferred(path, warnings):
    attributes = {WARNINGS: json.dumps(warnings)} if warnings else {}
    rate = np.ones((1, 4, 2), np.float32)
    write_inferred(
        make_inferred(event_rate=rate, time=np.arange(4.0), model="radical", attributes=attributes), path, PROVENANCE
    )
    return str(path)


@pytest.mark.parametrize("models", [[], [[]], [["it fell", "it is flat"]], [[], ["it is flat"]]])
def test_command(tmp_path, models):
    row = {"likelihood": "bernoulli", "model": "radical", "reference": "constant", "bits_per_event": 0.2}
    row |= {"lower_bits": 0.1, "upper_bits": 0.3}
    same = row | {"model": "constant", "bits_per_event": 0.0, "lower_bits": 0.0, "upper_bits": 0.0}
    table = pd.DataFrame([row, same])
    table.to_csv(tmp_path / "table.csv", index=False)
    paths = [inferred(tmp_path / f"{number}.nc", warnings) for number, warnings in enumerate(models)]
    words = ["--comparison", str(tmp_path / "table.csv"), "--output", str(tmp_path / "verdict.txt")]
    write_verdict.main([*words, "--inferred", *paths])
    said, *warned = (tmp_path / "verdict.txt").read_text().splitlines()
    assert said == verdict(table).sentence() and said.startswith("RADICaL predicts hidden samples better")
    assert warned == [f"Warning: RADICaL: {text}." for warnings in models for text in warnings]
