"""Small simulated data sets of the visual cortex, with independent and with dependent properties."""

from pathlib import Path

from calcium_latents.recordings.image_responses import write_image_responses
from calcium_latents.simulation.visual_cortex.visual_cortex_parameters import DEPENDENT
from calcium_latents.simulation.visual_cortex.visual_cortex_recording import simulate_visual_cortex

PROVENANCE = {"config_digest": "0", "code_digest": "0", "seed": 1, "versions": "{}"}
EXPECTED_TEXT = {
    "digital_twin_images": [
        *(
            "independent and dependent:\ndead leaves, 26 × 26 px, 300 training, 20 validation, 20 test images (3 times",
            "60 neurons",
        ),
        *("of 2 animals", "cycles/px", "white noise: 0", "natural scenes: −1", "independent: −1.", "photographs: −1."),
        *(
            "all alike: 1",
            "mean ± s.d.",
            "correlation of complex–SS",
            "dependent: 0.5",
            ", 1.00",
            "simple\nSS COI",
            "OFF",
        ),
        *("rate\n(of largest)", "size (px)", "mask contrast", "phase (°)", "types without it, the null"),
    ]
}
SET = {"training_images": 300, "validation_images": 20, "test_images": 20, "repeats": 3}


def make(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """Write inputs below `folder`; return figure name -> input name -> files."""
    folder.mkdir(parents=True, exist_ok=True)
    sets = {
        "independent": {"neurons": {"neurons": 60}},
        "dependent": {"neurons": {"neurons": 60, "shares": DEPENDENT}},
        "photographs": {"neurons": {"neurons": 60}, "image_source": "photographs"},
    }
    paths = []
    for name, parameters in sets.items():
        paths.append(folder / f"{name}.nc")
        write_image_responses(simulate_visual_cortex(SET | parameters, 1, name), paths[-1], PROVENANCE)
    return {"digital_twin_images": {"responses": paths}}
