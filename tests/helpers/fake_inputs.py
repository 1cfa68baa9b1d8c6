"""Small made-up inputs for every figure, shaped and scaled as the workflow's."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import gaussian_filter1d

from calcium_latents.deconvolution.interface import deconvolve
from calcium_latents.metrics.held_out import EventParameters, fit_constant_rate, smoothed
from calcium_latents.metrics.held_out_scores import compare_held_out, score_held_out
from calcium_latents.metrics.latent_recovery import score_runs
from calcium_latents.metrics.smoothing import smooth
from calcium_latents.recordings import make_inferred, make_recording, write_inferred, write_recording
from calcium_latents.recordings.windows import cut_windows
from calcium_latents.simulation.lorenz.lorenz_recording import simulate_lorenz_recording
from calcium_latents.studies.radical.convergence import RUN

PROVENANCE = {"config_digest": "0", "code_digest": "0", "seed": 0, "versions": "{}"}
SPEEDS = {7: 5, 15: 11}
PAPER = Path(__file__).resolve().parents[2] / "config/papers/radical.yaml"


def make(folder: Path, neurons: int = 40, trials_per_condition: int = 4) -> dict[str, dict[str, list[Path]]]:
    """Write inputs below `folder`; return figure name -> input name -> files."""
    recordings, predictions, scores = [], [], []
    for hz, downsampling in SPEEDS.items():
        here = folder / f"lorenz-{hz}hz"
        recording = deconvolve(
            simulate_lorenz_recording(
                {
                    "downsampling": downsampling,
                    "neurons": neurons,
                    "trials_per_condition": trials_per_condition,
                },
                seed=hz,
            )
        )
        write_recording(recording, here / "events.nc", PROVENANCE)
        runs = {(name, 1): _inferred(recording, name, hz) for name in ("radical", "autolfads")}
        runs |= {
            ("smth-dec", 0): smooth(recording, "events"),
            ("smth-sim-fluor", 0): smooth(recording, "fluorescence"),
        }
        for (name, seed), run in runs.items():
            write_inferred(run, here / name / f"seed-{seed}" / "output.nc", PROVENANCE)
        table, _, predicted = score_runs(recording, runs, sweep=False)
        table = table.assign(dataset=f"lorenz-{hz}hz", frequency_hz=float(hz))
        table.to_csv(here / "scores.csv", index=False)
        predicted.attrs |= {"dataset": f"lorenz-{hz}hz", "frequency_hz": float(hz)}
        predicted.to_netcdf(here / "predictions.nc", engine="h5netcdf")
        recordings.append(here / "events.nc")
        predictions.append(here / "predictions.nc")
        scores.append(here / "scores.csv")
    inferred = sorted((folder / "lorenz-7hz").glob("*/seed-*/output.nc"))
    convergence, timing, spikes, simulated, calibration = _tables(folder)
    real = _real(folder)
    return {
        "radical_figure2": {
            "recording": recordings[:1],
            "inferred": inferred,
            "predictions": predictions,
            "scores": scores,
            "paper": [PAPER],
        },
        "radical_extended_data1": {"recording": recordings},
        "radical_extended_data2": {"recording": recordings[:1]},
        "radical_supplementary1": {"scores": scores, "paper": [PAPER]},
        "radical_convergence": {"convergence": [convergence], "timing": [timing], "scores": scores},
        "radical_selection_metric": {"convergence": [convergence]},
        "spike_ground_truth": {"spike_inference": [spikes], "simulated": [simulated], "paper": [PAPER]},
        "radical_calibration": {"calibration": [calibration], "paper": [PAPER]},
        "recordings_event_rates": real,
    }


def _inferred(recording: xr.Dataset, name: str, hz: int) -> xr.Dataset:
    """Make rates that follow the true ones with a method's kind of error: noise, blur, frames."""
    rng = np.random.default_rng(hz)
    blur, noise = {"radical": (1.0, 0.15), "autolfads": (1.0 + hz / 5, 0.4)}[name]
    rate = np.roll(gaussian_filter1d(recording["firing_rate"].values.astype(float), blur, axis=1), 3, axis=1)
    rate = rate * 0.3 * np.exp(noise * gaussian_filter1d(rng.normal(size=rate.shape), 2, axis=1) * 2)
    factors = recording["latents"].values @ rng.normal(size=(3, 20)) + rng.normal(size=(1, 1, 20))
    time = recording["time"].values
    if name == "autolfads":
        rate, factors, time = rate[:, 1::3], factors[:, 1::3], time[1::3]
    return make_inferred(event_rate=rate, time=time, model=name, factors=factors, recording=recording)


def _tables(folder: Path) -> tuple[Path, ...]:
    rng = np.random.default_rng(0)
    rows = []
    for model, runs, ceiling, speed, last, step_s in (
        ("radical", 2, 0.9, 60.0, 2000, 0.12),
        ("radical_dropout30", 1, 0.8, 60.0, 1000, 0.12),
        ("radical_dropout05", 1, 0.5, 60.0, 1000, 0.12),
        ("radical_published", 1, 0.15, 400.0, 200, 0.7),
        ("radical_pbt", 1, 0.92, 200.0, 1560, 0.5),
    ):
        far = 0.05 if model == "radical_published" else 0.0
        for seed in range(runs):
            for step in np.arange(0, last + 1, last // 10):
                seconds = step * step_s
                level = ceiling * (1 - np.exp(-seconds / speed)) - 0.05 * np.exp(-seconds / 10) + rng.normal(0, 0.01)
                start = 3 if step == 0 else 0
                losses = {
                    "reconstruction_nll": 0.12 + far - 0.02 * (seconds / 240) * (2 - ceiling) + start,
                    "speckled_holdout_nll": 0.14 + start + far - 0.02 * level + rng.normal(0, 0.0006),
                    "cosmoothing_nll": 0.15 + start + far - 0.018 * level + rng.normal(0, 0.001),
                    "speckled_holdout_event_nll": 0.11 + start + far - 0.015 * level + rng.normal(0, 0.0006),
                    "reduced_rank_nll": -0.008 * max(level, 0) + rng.normal(0, 0.0002),
                    "cosmoothing_event_nll": 0.12 + start + far - 0.014 * level + rng.normal(0, 0.001),
                }
                rows += [
                    {
                        "dataset": "lorenz-7hz",
                        "model": model,
                        "seed": seed,
                        "step": step,
                        "seconds": seconds,
                        "latent": latent,
                        "r2": level + offset,
                        **losses,
                    }
                    for latent, offset in (("X", 0.06), ("Y", 0), ("Z", -0.12))
                ]
    names = ("convergence.csv", "convergence_timing.csv", "spikes.csv", "simulated.csv", "calibration.csv")
    paths = [folder / name for name in names]
    table = pd.DataFrame(rows)
    table.drop(columns="seconds").to_csv(paths[0], index=False)
    table[[*RUN, "step", "seconds"]].drop_duplicates().to_csv(paths[1], index=False)

    def correlations(dataset, indicator, neurons, level):
        return [
            {
                "dataset": dataset,
                "indicator": indicator,
                "neuron": f"n{n}",
                "recording": f"r{r}",
                "bin_width_s": width,
                "lag_s": lag,
                "correlation": np.clip(level + 0.15 * np.log10(width / 0.03) + rng.normal(0, 0.08) - lag, -0.1, 0.99),
                "bins": 100,
                "spikes": 50,
            }
            for n in range(neurons)
            for r in range(2)
            for width in (0.01, 0.02, 0.03, 0.04, 0.1, 0.2, 0.5)
            for lag in (0.0, 0.03)
        ]

    real = correlations("DS09-GCaMP6f-m-V1", "GCaMP6f", 9, 0.4) + correlations("DS14-GCaMP6s-m-V1", "GCaMP6s", 6, 0.3)
    real += correlations("DS16-GCaMP6s-m-V1", "GCaMP6s", 7, 0.25)
    pd.DataFrame(real).to_csv(paths[2], index=False)
    pd.DataFrame(correlations("lorenz-7hz", "", 60, 0.32)).to_csv(paths[3], index=False)
    level = rng.normal(0.12, 0.02, (len(SPEEDS), 200)).clip(0.06)
    pd.concat(
        [
            pd.DataFrame(
                {
                    "dataset": f"lorenz-{hz}hz",
                    "neuron": range(200),
                    "noise_level": level[i],
                    "correlation": 0.32 - 2 * (level[i] - 0.12) + rng.normal(0, 0.07, 200),
                }
            )
            for i, hz in enumerate(SPEEDS)
        ]
    ).to_csv(paths[4], index=False)
    return tuple(paths)


def _real(folder: Path) -> dict[str, list[Path]]:
    rng = np.random.default_rng(4)
    frames, neurons = 3000, 60
    drive = gaussian_filter1d(rng.normal(size=(frames, 5)), 12, axis=0) * 6
    probability = 1 / (1 + np.exp(-(drive @ rng.normal(size=(5, neurons)) * 0.6 - 3)))[None]
    events = np.where(rng.random(probability.shape) < probability, 0.1 + rng.gamma(2, 0.3, probability.shape), 0.0)
    time = np.arange(frames) / 30.0
    recording = make_recording(
        time=time,
        bin_width_s=1 / 30,
        imaging_rate_hz=30.0,
        source="made up",
        events=events,
        consecutive_trials=True,
        attributes={"event_minimum": 0.1, "deconvolution": "oasis"},
    )
    write_recording(recording, folder / "real" / "deconvolved.nc", PROVENANCE)
    held = rng.random(events.shape) < 0.1
    constant = fit_constant_rate(events, ~held, 0.1)
    known = (events, ~held, rng.random(events.shape) < 0.1, constant, 1 / 30)
    predictions = {
        "constant": constant,
        "smoothed own": smoothed(*known, population=False)[0],
        "smoothed population": smoothed(*known, population=True)[0],
        "radical": EventParameters(constant.shape, constant.scale, probability),
    }
    scores = score_held_out(events, held, predictions, 0.1, window_bins=100)
    references = [name for name in predictions if name != "radical"]
    pd.concat([compare_held_out(scores, name) for name in references]).to_csv(folder / "held.csv", index=False)
    # As the workflow does: windows on the sub-frame grid, rates inferred in each.
    windows = cut_windows(recording, 0.01, 1.0, 0.2)
    at = windows["trial_start"].values[:, None] + windows["time"].values[None]
    frame = np.clip((at * 30).astype(int), 0, frames - 1)
    run = make_inferred(
        event_rate=probability[0][frame] * 21,
        time=windows["time"].values,
        model="radical",
        factors=drive[frame],
        recording=windows,
    )
    write_recording(windows, folder / "real" / "events.nc", PROVENANCE)
    write_inferred(run, folder / "real" / "radical" / "seed-1" / "output.nc", PROVENANCE)
    whole = make_inferred(event_rate=probability * 21, time=time, model="radical", recording=recording)
    write_inferred(whole, folder / "real" / "whole" / "seed-1" / "output.nc", PROVENANCE)
    return {
        "recording": [folder / "real" / "events.nc"],
        "inferred": [folder / "real" / "radical" / "seed-1" / "output.nc"],
        "held_out": [folder / "held.csv"],
    }
