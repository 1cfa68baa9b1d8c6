"""A made-up session for the figures of study `recordings`: trials by condition, behaviour, and what a model says."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from calcium_latents.recordings import make_inferred, make_recording, write_inferred, write_recording
from calcium_latents.recordings.trial_table import trial_attribute

PROVENANCE = {"config_digest": "0", "code_digest": "0", "seed": 0, "versions": "{}"}
RATE_HZ, FRAMES, NEURONS, LATENTS = 20.0, 4000, 40, 4
CONDITIONS = ("left", "right", "blank")
EXPECTED_TEXT = {
    "recordings_conditions": [
        "deconvolved\nevents (1/s)",
        "inferred\nevent rate (1/s)",
        "factor (s.d.)",
        "left (",
        "time from onset (s)",
        "40 neurons",
        "(r = ",
    ],
    "recordings_behaviour": [
        *("running speed", "cm/s", "pupil", "R²", "shifted in time", "p = "),
        *("predict running speed, better than", "do not predict pupil"),
    ],
}


def make(
    folder: Path, trials: bool = True, behaviour: bool = True, conditions: tuple | None = CONDITIONS
) -> dict[str, dict[str, list[Path]]]:
    """Write inputs below `folder`; return figure name -> input name -> files.

    Half of the latents answer to trials by condition. Running speed follows another one; the pupil nothing.
    """
    rng = np.random.default_rng(11)
    time = np.arange(FRAMES) / RATE_HZ
    starts = np.arange(3.0, time[-1] - 5, 4.0) + rng.uniform(0, 0.5, len(np.arange(3.0, time[-1] - 5, 4.0)))
    shown = np.array(CONDITIONS)[np.arange(len(starts)) % 3]
    latents = gaussian_filter1d(rng.normal(size=(FRAMES, LATENTS)), 8, axis=0) * 4
    for start, condition in zip(starts, shown, strict=True):
        after = time - start
        bump = np.where(after > 0, after * np.exp(-after / 0.5), 0) * 6
        latents[:, 0] += {"left": 1, "right": -0.5, "blank": 0}[condition] * bump
        latents[:, 1] += {"left": 0, "right": 1, "blank": 0}[condition] * bump
    probability = 1 / (1 + np.exp(-(latents @ rng.normal(size=(LATENTS, NEURONS)) * 0.6 - 3)))
    events = np.where(rng.random(probability.shape) < probability, 0.1 + rng.gamma(2, 0.3, probability.shape), 0.0)
    speed = np.maximum(8 + 6 * latents[:, 2] + 2 * rng.normal(size=FRAMES), 0)
    signals = {
        "running_speed": (speed, "cm/s"),
        "behaviour_pupil": (gaussian_filter1d(rng.normal(size=FRAMES), 20), "1"),
    }
    table = pd.DataFrame({"start_s": starts, "stop_s": starts + 2.0} | ({"condition": shown} if conditions else {}))
    recording = make_recording(
        time=time,
        bin_width_s=1 / RATE_HZ,
        imaging_rate_hz=RATE_HZ,
        source="made up",
        events=events[None],
        consecutive_trials=True,
        others={
            name: (
                ("trial", "time"),
                values[None].astype(np.float32),
                unit,
                name.removeprefix("behaviour_").replace("_", " "),
            )
            for name, (values, unit) in signals.items()
            if behaviour
        },
        attributes={"event_minimum": 0.1} | ({"trials": trial_attribute(table)} if trials else {}),
    )
    mixed = latents @ rng.normal(size=(LATENTS, 8)) + 0.3 * gaussian_filter1d(rng.normal(size=(FRAMES, 8)), 4, axis=0)
    inferred = make_inferred(
        event_rate=probability[None] * 0.7 * RATE_HZ,
        factors=mixed[None],
        time=time,
        model="radical",
        recording=recording,
        attributes={"stitched": 1},
    )
    write_recording(recording, folder / "recording.nc", PROVENANCE)
    write_inferred(inferred, folder / "event_rates.nc", PROVENANCE)
    files = {"recording": [folder / "recording.nc"], "events": [folder / "recording.nc"]}
    files["inferred"] = [folder / "event_rates.nc"]
    return {name: files for name in EXPECTED_TEXT}


def training(
    folder: Path, values=None, select: str = "speckled_holdout_nll", steps: int = 600
) -> dict[str, list[Path]]:
    """Write a model's metrics.csv (every 50 steps) and config.yaml; return them as inputs of a figure."""
    at = np.arange(50, 601, 50)
    values = 0.15 + 0.1 * np.exp(-at / 80) + 2e-5 * np.maximum(at - 400, 0) if values is None else np.asarray(values)
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame({"step": at[: len(values)], "member": 0, "speckled_holdout_nll": values})
    table.assign(reconstruction_nll=0.1).to_csv(folder / "metrics.csv", index=False)
    (folder / "config.yaml").write_text(f"training: {{select: {select}, steps: {steps}}}\n")
    return {"training": [folder / "metrics.csv"], "configuration": [folder / "config.yaml"]}
