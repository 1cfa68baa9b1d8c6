"""Small simulated cultures, in both orientations, and noisy traces of one set."""

from pathlib import Path

from calcium_latents.recordings import write_recording
from calcium_latents.simulation.culture.culture_recording import add_noise, simulate_cultures

PROVENANCE = {"config_digest": "0", "code_digest": "0", "seed": 1, "versions": "{}"}
EXPECTED_TEXT = {
    "avae_cultures": [
        *("excitatory neurons", "inhibitory neurons", "published:", "presynaptic:"),
        *("RS, culture 1 of 2", "CH, culture 1 of 2"),
        *("I without excitation:\n100 %", "rates, I / E:", "exciting inputs", "network bursts per minute"),
        *("driven by the neurons that", "whose axons reach it", "270 neurons", "published 6, presynaptic 6"),
    ],
    "avae_figure1": [
        *("v₀ (mV)", "Δu (mV/ms)", "Table 1", "noisy trace, σ = 1", "without noise", "100 % nearest own"),
        *("chance 33 %", "time (s)", "fluorescence", "noise of 1: ", "neurons of 6 cultures"),
    ],
}
SET = {
    "rate_hz": 100,
    "duration_s": 4.0,
    "neurons": 60,
    "groups": [{"label": name, "cultures": 2, "parameters": {"neuron_type": name}} for name in ("RS", "CH", "IB")],
    # few neurons that burst all the same
    "parameters": {
        "density_per_mm2": 30.0,
        "axon_length_mm": 0.5,
        "dendrite_radius_mm": 0.25,
        "excitatory_weight": 12.0,
        "noise": 4.0,
    },
}


def make(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """Write inputs below `folder`; return figure name -> input name -> files."""
    folder.mkdir(parents=True, exist_ok=True)
    orientations = ("published", "presynaptic")
    recordings = {}
    for name in orientations:
        recordings[name], statistics = simulate_cultures(SET | {"orientation": name}, 1)
        write_recording(recordings[name], folder / f"{name}.nc", PROVENANCE)
        statistics.to_csv(folder / f"{name}.csv", index=False)
    traces = add_noise(recordings["published"], 1.0, "noise of 1", 1)
    write_recording(traces, folder / "traces.nc", PROVENANCE)
    return {
        "avae_cultures": {
            "sets": [folder / f"{name}.nc" for name in orientations],
            "statistics": [folder / f"{name}.csv" for name in orientations],
        },
        "avae_figure1": {"traces": [folder / "traces.nc"]},
    }
