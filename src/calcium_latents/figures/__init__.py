"""One module a figure, named as in its paper; each reads tables and netCDF boxes, computes nothing heavy, and
draws.

A figure module says in its docstring which inputs it needs, and has one function

    draw(inputs: Mapping[str, Sequence[Path]], output_stem: Path) -> list[Path]

where `inputs` maps an input's name to one or more files. It writes `<output_stem>.png` (200 dpi) and
`<output_stem>.svg`, the same bytes for the same inputs.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from calcium_latents.errors import UserError

#: Name of a figure -> its module. A new figure is one file and one line.
FIGURES: dict[str, str] = {
    "radical_figure2": "calcium_latents.studies.radical.figures.figure2",
    "radical_extended_data1": "calcium_latents.studies.radical.figures.extended_data1",
    "radical_extended_data2": "calcium_latents.studies.radical.figures.extended_data2",
    "radical_supplementary1": "calcium_latents.studies.radical.figures.supplementary1",
    "radical_convergence": "calcium_latents.studies.radical.figures.convergence",
    "selection_metric": "calcium_latents.studies.radical.figures.selection_metric",
    "selection_population": "calcium_latents.studies.radical.figures.selection_population",
    "population_search": "calcium_latents.studies.radical.figures.population_search",
    "spike_ground_truth": "calcium_latents.studies.spike_ground_truth.figures.spike_ground_truth",
    "calibration": "calcium_latents.studies.radical.figures.calibration",
    "real_recording": "calcium_latents.studies.recordings.figures.real_recording",
    "cross_encoder_figure1": "calcium_latents.studies.cross_encoder.figures.figure1",
    "cross_encoder_figure2": "calcium_latents.studies.cross_encoder.figures.figure2",
    "cross_encoder_figure3": "calcium_latents.studies.cross_encoder.figures.figure3",
    "cross_encoder_figure4": "calcium_latents.studies.cross_encoder.figures.figure4",
    "cross_encoder_recordings": "calcium_latents.studies.cross_encoder.figures.recordings",
    "gaussian_process_limit": "calcium_latents.studies.cross_encoder.figures.gaussian_process_limit",
    "latent_contributions": "calcium_latents.studies.latent_contributions.figures.latent_contributions",
    "lagged_influence": "calcium_latents.studies.latent_contributions.figures.lagged_influence",
    "transition_roles": "calcium_latents.studies.latent_contributions.figures.transition_roles",
    "avae_cultures": "calcium_latents.studies.avae.figures.cultures",
    "avae_figure1": "calcium_latents.studies.avae.figures.figure1",
    "avae_figure3": "calcium_latents.studies.avae.figures.figure3",
    "avae_figure4": "calcium_latents.studies.avae.figures.figure4",
    "avae_figure5": "calcium_latents.studies.avae.figures.figure5",
    "avae_figure6": "calcium_latents.studies.avae.figures.figure6",
    "avae_recordings": "calcium_latents.studies.avae.figures.recordings",
    "digital_twin_images": "calcium_latents.studies.digital_twin.figures.images",
    "digital_twin_scores": "calcium_latents.studies.digital_twin.figures.scores",
    "digital_twin_recovery": "calcium_latents.studies.digital_twin.figures.recovery",
    "digital_twin_figure1": "calcium_latents.studies.digital_twin.figures.figure1",
    "digital_twin_figure2": "calcium_latents.studies.digital_twin.figures.figure2",
    "digital_twin_figure3": "calcium_latents.studies.digital_twin.figures.figure3",
    "digital_twin_figure4": "calcium_latents.studies.digital_twin.figures.figure4",
    "digital_twin_figure5": "calcium_latents.studies.digital_twin.figures.figure5",
    "digital_twin_figure6": "calcium_latents.studies.digital_twin.figures.figure6",
}


def draw_figure(name: str, inputs: Mapping[str, Sequence[Path]], output_stem: str | Path) -> list[Path]:
    """Draw the figure `name`; return the files written.

    Raises:
        UserError: no such figure, a missing or unknown input, or an input that is not what the figure needs.
    """
    if name not in FIGURES:
        raise UserError(f"figure: expected one of {sorted(FIGURES)}, found {name!r}.")
    module = import_module(FIGURES[name])
    required, optional = set(module.REQUIRED), set(module.OPTIONAL)
    missing, unknown = required - set(inputs), set(inputs) - required - optional
    if missing or unknown:
        raise UserError(
            f"figure {name}: missing inputs {sorted(missing)}, unknown inputs {sorted(unknown)}; it needs "
            f"{sorted(required)} and takes {sorted(optional)} (--input NAME=PATH, repeated for more files)."
        )
    return module.draw({key: [Path(path) for path in paths] for key, paths in inputs.items()}, Path(output_stem))


def parse_inputs(pairs: Iterable[str]) -> dict[str, list[Path]]:
    """Parse repeated `--input NAME=PATH` arguments; the same name may come again with another path.

    Raises:
        UserError: an argument has not the form NAME=PATH.
    """
    inputs: dict[str, list[Path]] = {}
    for pair in pairs:
        name, sign, path = pair.partition("=")
        if not (name and sign and path):
            raise UserError(f"--input: expected NAME=PATH, found {pair!r}.")
        inputs.setdefault(name, []).append(Path(path))
    return inputs
