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
    name: f"calcium_latents.figures.{name}"
    for name in (
        "radical_figure2",
        "radical_extended_data1",
        "radical_extended_data2",
        "radical_supplementary1",
        "radical_convergence",
        "selection_metric",
        "selection_population",
        "population_search",
        "spike_ground_truth",
        "calibration",
        "real_recording",
        "cross_encoder_figure1",
        "cross_encoder_figure2",
        "cross_encoder_figure3",
        "cross_encoder_figure4",
        "cross_encoder_recordings",
        "gaussian_process_limit",
        "latent_contributions",
        "lagged_influence",
        "transition_roles",
        "avae_cultures",
        "avae_figure1",
        "avae_figure3",
        "avae_figure4",
        "avae_figure5",
        "avae_figure6",
        "avae_recordings",
        "digital_twin_images",
        "digital_twin_scores",
        "digital_twin_recovery",
        "digital_twin_figure1",
        "digital_twin_figure2",
        "digital_twin_figure3",
        "digital_twin_figure4",
        "digital_twin_figure5",
        "digital_twin_figure6",
    )
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
