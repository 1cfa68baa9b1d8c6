"""Small inputs for the figures of roles and lagged influence: the benchmark itself, with few small networks."""

from pathlib import Path

from calcium_latents.recordings.netcdf import write_dataset
from calcium_latents.studies.latent_contributions.roles_benchmark import benchmark
from calcium_latents.studies.latent_contributions.roles_example import example

PROVENANCE = {"config_digest": "0", "code_digest": "0", "seed": 0, "versions": "{}"}
PARAMETERS = {
    "networks": 3,
    "delay_networks": 3,
    "difficulties": {"observation_noise": [1.0, 3.0], "pulse_strength": [1.25]},
    "delay_noise": [0.5, 2.0],
    "attractor_network": {"neurons": 80, "transitions": 8},
    "delayed_lorenz": {"neurons": 40, "frames": 500},
}
EXPECTED_TEXT = {
    "latent_contributions_transition_roles": [
        "One detected transition",
        "Initiators: against the best plain score,",
        "crossing share ",
        "hold share ",
        "0.5 = chance",
        "n = 3 networks, 95 % t intervals",
        "plain: same windows, own change",
        "shuffled neurons",
        "interval includes 0",
    ],
    "latent_contributions_lagged_influence": [
        "Against the best plain score",
        "association, not causation",
        "by its sign only",
        "n = 3 networks, 95 % t intervals",
        "plain: peak lag of pairs",
        "noise 2 (signal: s.d. 1)",
        "chance 50 %",
    ],
}


def make(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """Write the inputs below `folder`; return figure name -> input name -> files."""
    folder.mkdir(parents=True, exist_ok=True)
    benchmark(PARAMETERS, 1).to_csv(folder / "scores.csv", index=False)
    write_dataset(example(PARAMETERS, 1), folder / "example.nc", PROVENANCE)
    inputs = {"scores": [folder / "scores.csv"], "example": [folder / "example.nc"]}
    return {name: inputs for name in EXPECTED_TEXT}
