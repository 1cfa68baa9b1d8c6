"""How well a user's recording is analysed, against the truth: simulated two-photon sessions through the whole workflow.

    python benchmarks/two_photon_session.py --seeds 1 2 3 [--parameters '{"neurons": 300}'] [--scale quick] [--cores 2]

Each seed's session is written as a suite2p folder and analysed as a user would analyse it. Printed, a line a method:
the correlation of its rates with the true firing rates over the session's frames, mean over neurons, and its held-out
bits per event; then the time from import to figures, and the largest memory of a step.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
#: Like a session of 600 cells that principal components of 100 ms describe with a correlation of about 0.4.
SESSION = {"noise_level": 0.05, "mean_rate_hz": 0.5}


def run(*command: str, **options) -> None:
    """Run a command with this repository's package; stop with its output where it fails."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-m", *command], env=environment, capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")


def correlations(rates: xr.Dataset, truth: xr.Dataset) -> np.ndarray:
    """Return each neuron's correlation with its true rate [neuron], at the true rate's times (linear between bins)."""
    time, values = rates["time"].values, rates["event_rate"].values[0]
    if (width := np.diff(time).mean()) > 1.5 / truth.attrs["imaging_rate_hz"]:
        time = time + width / 2 - 0.5 / truth.attrs["imaging_rate_hz"]  # the middle of bins of several frames
    at, true = truth["time"].values, truth["firing_rate"].sel(neuron=rates["neuron"]).values[0]
    inside = (at >= time[0]) & (at <= time[-1])
    found = np.full(values.shape[1], np.nan)
    for neuron in range(values.shape[1]):
        inferred = np.interp(at[inside], time, values[:, neuron])
        known = np.isfinite(inferred)
        if np.ptp(inferred[known]) > 0 and np.ptp(true[inside, neuron][known]) > 0:
            found[neuron] = np.corrcoef(inferred[known], true[inside, neuron][known])[0, 1]
    return found


def analyse(seed: int, parameters: dict, scale: str, cores: int, folder: Path) -> pd.DataFrame:
    """Simulate and analyse a session; return a row a method."""
    session, results = folder / f"session-{seed}", folder / "work"
    given = json.dumps(parameters)
    command = "calcium_latents.commands.simulate_session"
    run(command, "--parameters", given, "--seed", str(seed), "--output", str(session))
    entry = {"file": str(session / "suite2p" / "plane0"), "neurons": "usable", "studies": ["recordings"]}
    listed = folder / "recordings.yaml"
    listed.write_text(yaml.safe_dump({"recordings": {f"seed{seed}": entry}}))
    results.mkdir(exist_ok=True)
    for name in ("Snakefile", "workflow", "config", "profiles", "envs", "pyproject.toml", "src"):
        if not (results / name).exists():
            (results / name).symlink_to(REPOSITORY / name)
    started = time.perf_counter()
    options = [f"scale={scale}", 'studies=["recordings"]', f"recordings_file={listed}"]
    run("snakemake", "--cores", str(cores), "--config", *options, cwd=results)
    seconds = time.perf_counter() - started
    base = results / "results" / scale / "recordings" / f"seed{seed}"
    truth = xr.open_dataset(session / "truth.nc", engine="h5netcdf").load()
    comparison = pd.read_csv(base / "held_out_comparison.csv")
    bits = comparison[(comparison["likelihood"] == "bernoulli") & (comparison["reference"] == "constant")]
    bits = bits.set_index("model")["bits_per_event"]
    files = [*base.glob("baselines/*/output.nc"), *base.glob("*/seed-*/event_rates.nc")]
    rows = []
    for path in files:
        rates = xr.open_dataset(path, engine="h5netcdf").load()
        method = rates.attrs["model"]
        r = correlations(rates, truth)
        rows.append({"seed": seed, "method": method, "r": np.nanmean(r), "bits": bits[method]})
    steps = (results / "results" / scale / "benchmarks").rglob("*.tsv")
    tables = [pd.read_csv(path, sep="\t") for path in steps if f"seed{seed}" in str(path)]
    memory = max(float(table["max_rss"].max()) for table in tables)
    print((base / "verdict.txt").read_text().strip())
    print(f"seed {seed}: import to figures {seconds:.0f} s, largest step {memory:.0f} MB", flush=True)
    return pd.DataFrame(rows).sort_values("r", ascending=False)


def main() -> None:
    """Print a table a seed, and how the model compares with the best baseline."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--parameters", type=json.loads, default=SESSION)
    parser.add_argument("--scale", default="quick")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=None, help="keep all files here")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    for seed in options.seeds:
        table = analyse(seed, options.parameters, options.scale, options.cores, folder)
        print(table.round(3).to_string(index=False))
        r = table.set_index("method")["r"]
        baseline = r.drop("radical").idxmax()
        print(
            f"seed {seed}: RADICaL {r['radical']:.3f}, best baseline {baseline} {r[baseline]:.3f}:"
            f" {r['radical'] - r[baseline]:+.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
