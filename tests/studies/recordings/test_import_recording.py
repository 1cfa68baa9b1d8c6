"""What an import takes of memory and time, by the workflow's own command, and what is asked for it."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from calcium_latents.planning.sizes import START_MB, by_size

#: A process counts what its parent held when it was forked: so a small one starts the command.
MEASURE = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=sys.stderr)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_maxrss, used.ru_utime + used.ru_stime)
sys.exit(done.returncode)
"""


def asked(field, paths=()):
    return by_size("import_recording", field, 0)({}, list(paths), attempt=1)


def test_it_takes_less_than_is_asked_for(tmp_path):
    """38 neurons over an hour: their traces are kept on disk."""
    random, shape = np.random.default_rng(1), (38, 111_000)
    for name, level in {"F": 400, "Fneu": 100}.items():
        np.save(tmp_path / f"{name}.npy", level * (1 + 0.1 * random.standard_normal(shape, np.float32)))
    np.save(tmp_path / "ops.npy", np.array({"fs": 30.0}, object))
    said, output = tmp_path / "said.txt", tmp_path / "out" / "recording.nc"
    module = "calcium_latents.studies.recordings.commands.import_recording"
    entry = json.dumps({"file": str(tmp_path), "format": "suite2p"})
    command = [sys.executable, "-m", module, "--parameters", entry, "--output", str(output)]
    with said.open("w") as log:
        measured = subprocess.run(
            [sys.executable, "-c", MEASURE, *command], stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert measured.returncode == 0, said.read_text()
    assert os.listdir(output.parent) == [output.name]
    peak, seconds = map(float, measured.stdout.split())
    read = [str(tmp_path / name) for name in ("F.npy", "Fneu.npy", "ops.npy")]
    peak_mb = peak * (1 if sys.platform == "darwin" else 1024) / 1e6
    assert peak_mb < asked("mem_mb", read) < START_MB + 10
    assert seconds / 60 < asked("runtime", read)


@pytest.mark.parametrize(("neurons", "most_mb"), [(2000, 2000), (10_000, 6000)])
def test_an_hour_of_many_neurons_asks_for_little(neurons, most_mb, monkeypatch):
    """F and Fneu at 30 Hz, of which 2,000 neurons were measured to take 320 MB."""
    monkeypatch.setattr("os.path.getsize", lambda _: 4 * neurons * 108_000)
    assert 320 < asked("mem_mb", ["F.npy", "Fneu.npy"]) < most_mb
