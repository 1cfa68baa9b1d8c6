"""Small made-up fits of cross-encoders and their baselines, through the real scoring command."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import gaussian_filter1d

from calcium_latents.recordings import make_inferred, make_recording, write_inferred, write_recording
from calcium_latents.studies.cross_encoder.commands.score_cross_encoder import main as score

PROVENANCE = {"config_digest": "0", "code_digest": "0", "seed": 0, "versions": "{}"}
EXPECTED_TEXT = {
    "cross_encoder_figure3": [
        "cross-encoder",
        "reduced-rank regression",
        "95 %",
        "latent size",
        "true latent size",
        "test R²",
        "3 seeds",
        "does not win",
        "joint best",
        "own best",
        "true expected activity",
    ],
    "cross_encoder_figure4": ["running speed", "multiple R²", "shifted", "principal components", "correlation", "1 s"],
    "cross_encoder_recordings": ["test R²", "latent size", "neurons", "chunks", "cross-encoder ties", "difference"],
}
SIZES = (1, 2, 3, 4, 5, 8, 16)
#: dataset -> (label, true latent size, sizes at which cross-encoder and regression saturate, their best R2)
STIMULI = {
    "ring": ("ring, p = 1", 2, (2, 6), (0.80, 0.78)),
    "sphere": ("sphere, d = 3", 3, (3, 14), (0.78, 0.72)),
    "linear": ("linear, d = 3", 3, (3, 3), (0.79, 0.80)),
    "images": ("images, d = 40", 40, (24, 40), (0.17, 0.21)),
}


def make(folder: Path, seeds: tuple[int, ...] = (1, 2, 3)) -> dict[str, dict[str, list[Path]]]:
    """Write inputs below `folder`; return figure name -> input name -> files."""
    for number, (name, (label, size, knees, tops)) in enumerate(STIMULI.items()):
        recording = stimuli(size, number, "linear" if name == "linear" else "power")
        fit_and_score(folder / name, recording, label, knees, tops, 0.82, seeds, linear_encoder=name == "sphere")
    sessions = {"spontaneous": True, "session-2": True, "recording": False}
    for number, (name, simulated) in enumerate(sessions.items()):
        recording = spontaneous(number, simulated)
        knees, tops = ((3, 14), (0.78, 0.74)) if simulated else ((4, 4), (0.1, 0.1))
        label = f"simulated session {number + 1}" if simulated else "mouse visual cortex, an excerpt"
        fit_and_score(folder / name, recording, label, knees, tops, 0.83 if simulated else np.nan, seeds)
    simulated = [*STIMULI, "spontaneous"]
    tables = {kind: [folder / name / f"{kind}.csv" for name in simulated] for kind in ("scores", "normalised")}
    running = ["spontaneous", "session-2"]
    return {
        "cross_encoder_figure3": tables,
        "cross_encoder_figure4": {
            "latents": [folder / name / "latents.nc" for name in running],
            "running_speed": [folder / name / "running_speed.csv" for name in running],
            "latent_recovery": [folder / name / "latent_recovery.csv" for name in running],
        },
        "cross_encoder_recordings": {"scores": [folder / "recording" / "scores.csv"]},
    }


def stimuli(size: int, seed: int, nonlinearity: str, count: int = 40) -> xr.Dataset:
    """Return presentations of `count` stimuli, each shown twice, with unit latents of `size` dimensions."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(count, size))
    z = np.tile(z / np.linalg.norm(z, axis=1, keepdims=True), (2, 1))
    drive = np.maximum(z @ rng.normal(size=(size, 20)) + 0.3, 0)
    return make_recording(
        time=np.zeros(1),
        bin_width_s=0.5,
        imaging_rate_hz=2.0,
        source="made up",
        events=np.maximum(drive + 0.1 * rng.normal(size=drive.shape), 0)[:, None],
        latents=z[:, None],
        condition=np.tile(np.arange(count), 2),
        attributes={
            "paradigm": "stimulus",
            "true_latent_size": size,
            "nonlinearity": nonlinearity,
            "exponent": 1.0,
        },
    )


def spontaneous(seed: int, simulated: bool, frames: int = 1500) -> xr.Dataset:
    """Return a session at 5 Hz; the simulated one with three latents, one of which drives running."""
    rng = np.random.default_rng(seed)
    z = gaussian_filter1d(rng.normal(size=(frames, 3)), 12, axis=0)
    z /= z.std(axis=0)
    drive = np.maximum(z @ rng.normal(size=(3, 30)), 0)
    truth = {"true_latent_size": 3, "nonlinearity": "power", "exponent": 1.0} if simulated else {}
    speed = np.maximum(8 * z[:, 0] + 3 * rng.normal(size=frames), 0)[None].astype(np.float32)
    return make_recording(
        time=np.arange(frames) / 5.0,
        bin_width_s=0.2,
        imaging_rate_hz=5.0,
        source="made up",
        events=np.maximum(drive + rng.normal(size=drive.shape), 0)[None],
        latents=z[None] if simulated else None,
        others={"running_speed": (("trial", "time"), speed, "cm/s", "running speed")} if simulated else None,
        attributes={"paradigm": "spontaneous"} | truth,
    )


def metrics(knee: float, top: float, ceiling: float, restarts: int, seed: int) -> pd.DataFrame:
    """Return a metrics.csv: R2 that rises up to the size `knee`, a worse second restart, and rows along training."""
    rng = np.random.default_rng(seed)
    rows = []
    for size in SIZES:
        for restart in range(restarts):
            r2 = top * min(1.0, (size / knee) ** 0.45) - 0.08 * restart + 0.006 * rng.normal()
            row = {"latent_size": size, "restart": restart, "training_r2": r2 + 0.05, "validation_r2": r2 + 0.01}
            row |= {"test_r2": r2, "dead_fraction": 0.01, "exponent": 1.1, "ridge_penalty": np.nan}
            row |= {"chosen": int(restart == 0), "ceiling_r2": ceiling}
            rows += [row | {"phase": "distillation", "test_r2": np.nan}, row | {"phase": "final"}]
    return pd.DataFrame(rows)


def inferred(recording: xr.Dataset, model: str, seed: int) -> xr.Dataset:
    """Return a fit whose latents are an affine map of the true ones (or of events) with noise."""
    rng = np.random.default_rng([seed, len(model)])
    x = recording["latents"] if "latents" in recording else recording["events"].isel(neuron=slice(0, 4))
    x = x.values[..., :4]
    noise = 0.3 if model == "cross_encoder" else 1.0
    factors = (x + noise * rng.normal(size=x.shape)) @ rng.normal(size=(x.shape[-1],) * 2) + 1.0
    shape = recording["events"].shape[:2]
    part = np.full(shape, 3, np.int8)
    if recording.attrs["paradigm"] == "stimulus":
        part[:] = (recording["condition"].values % 10 // 5 + recording["condition"].values % 10 // 7)[:, None]
    else:
        frame = np.arange(shape[1])
        chunk = frame // 60
        part[0, frame % 60 < 50] = ((chunk % 10 >= 5).astype(int) + (chunk % 10 >= 7))[frame % 60 < 50]
    half = recording.sizes["neuron"] // 2
    others = {
        "part": (("trial", "time"), part, "1", "part"),
        "source_neuron": (("source",), np.arange(half), "1", "source neurons"),
    }
    return make_inferred(
        event_rate=recording["events"].values[..., half:],
        time=recording["time"].values,
        model=model,
        factors=factors,
        neuron=np.arange(half, 2 * half),
        trial=recording["trial"].values,
        trial_start=recording["trial_start"].values,
        others=others,
    )


def fit_and_score(folder, recording, label, knees, tops, ceiling, seeds, linear_encoder=False) -> None:
    """Write a dataset's recording, its fits, and the tables that the command makes of them."""
    write_recording(recording, folder / "events.nc", PROVENANCE)
    models = {"cross_encoder": (knees[0], tops[0], 2), "reduced_rank_regression": (knees[1], tops[1], 1)}
    if linear_encoder:
        models["linear_encoder"] = (knees[0] + 0.5, tops[0] - 0.02, 1)
    runs = []
    for model, (knee, top, restarts) in models.items():
        for seed in seeds:
            runs.append(folder / model / f"seed-{seed}")
            write_inferred(inferred(recording, model, seed), runs[-1] / "output.nc", PROVENANCE)
            table = metrics(knee, top, ceiling, restarts, seed + 10 * len(model))
            table.to_csv(runs[-1] / "metrics.csv", index=False)
    outputs = {name: str(folder / f"{name.replace('-', '_')}.csv") for name in ("scores", "normalised")}
    outputs |= {name: str(folder / f"{name.replace('-', '_')}.csv") for name in ("running-speed", "latent-recovery")}
    score(
        ["--recording", str(folder / "events.nc"), "--dataset", folder.name, "--label", label]
        + ["--metrics", *(str(run / "metrics.csv") for run in runs)]
        + ["--inferred", *(str(run / "output.nc") for run in runs)]
        + ["--parameters", '{"shifts": 60}', "--latents", str(folder / "latents.nc")]
        + [part for name, path in outputs.items() for part in (f"--{name}", path)]
    )
