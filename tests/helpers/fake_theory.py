"""Small inputs for the figures of the solvable network: the study itself, at sizes that take a second."""

from pathlib import Path

from calcium_latents.recordings.netcdf import write_dataset
from calcium_latents.studies.cross_encoder.power_law import power_law_spectra, thin_ranks
from calcium_latents.studies.cross_encoder.solvable_checks import checks_table
from calcium_latents.studies.cross_encoder.solvable_network import (
    SolvableNetworkParameters,
    gaussian_process_box,
    ring_network_box,
)

PROVENANCE = {"config_digest": "0", "code_digest": "0", "seed": 0, "versions": "{}"}
PARAMETERS = {
    "neurons": 100, "network_sizes": [16, 64], "random_networks": 4, "dimensions": [2, 3, 4, 5],
    "features": 120, "samples": 120, "replicates": 2, "readout_neurons": 256, "draws": 400, "low_rank_sizes": [200],
    "low_rank_networks": 1,
}  # fmt: skip

EXPECTED_TEXT = {
    "cross_encoder_figure1": [
        "network, equal angles",
        "closed form",
        "angular distance (rad)",
        "Eq. 6 is exact for equal angles",
        "dimensions: 3.00 (latents 2.00)",
        "finite networks turn too slowly",
        "π² / (2N)",
        "time (time constants)",
    ],
    "cross_encoder_figure2": [
        "d = 5 latents",
        "p = 1 (ReLU)",
        "exact spectrum",
        "shuffled in time (null)",
        "α = 1 + (2p+1)/(d−1)",
        "misses α by up to",
        "simulated within 20% of exact up to rank",
    ],
    "cross_encoder_gaussian_process_limit": [
        "as printed",
        "times too large (2π = 6.28)",
        "g(φ) + g(φ+π) is constant",
        "excess kurtosis",
        "intervals hold the exact value",
        "400 draws",
    ],
}


def make(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """Write inputs below `folder`; return figure name -> input name -> files."""
    here = Path(folder) / "theory"
    here.mkdir(parents=True, exist_ok=True)
    parameters = SolvableNetworkParameters.from_mapping(PARAMETERS)
    box, process = ring_network_box(parameters, 0), gaussian_process_box(parameters, 0)
    write_dataset(box, here / "ring.nc", PROVENANCE)
    write_dataset(process, here / "gaussian_process.nc", PROVENANCE)
    sizes = (parameters.dimensions, parameters.exponents, parameters.features, parameters.samples)
    spectra = power_law_spectra(*sizes, parameters.replicates, 0)
    thin_ranks(spectra).to_csv(here / "spectra.csv", index=False)
    checks_table(parameters, box, spectra, process, 0).to_csv(here / "checks.csv", index=False)
    return {
        "cross_encoder_figure1": {"ring": [here / "ring.nc"]},
        "cross_encoder_figure2": {"spectra": [here / "spectra.csv"], "checks": [here / "checks.csv"]},
        "cross_encoder_gaussian_process_limit": {"gaussian_process": [here / "gaussian_process.nc"]},
    }
