"""What all figures share. A figure is a module of a study's folder `figures`; it is found there by its constant INPUTS.

    INPUTS = {"scores": "{run}/scores.csv"}  # input -> pattern of its files; see `planning.inputs`
    OPTIONAL_INPUTS = {...}                  # likewise; left out where there are no such files
    EACH = ("application",)                  # a figure for each key of that group; left out: one figure
    SOON = True                              # readers wait for it: it comes before others that take less

    def tabulate(inputs) -> pd.DataFrame     # every number that is computed for the figure, one observation a row
    def draw(inputs, table, output_stem) -> list[Path]

`inputs` maps an input's name to its files. Intervals, tests and fits are made in `tabulate`, whose table is written
beside the figure and read again before it is drawn. Figures that show what they read as it is have no `tabulate`, and
`draw(inputs, output_stem)`. `draw` writes `<output_stem>.png` (200 dpi) and `.svg`, the same bytes for the same inputs.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from calcium_latents.errors import UserError
from calcium_latents.figures import style
from calcium_latents.files import read_table, write_table
from calcium_latents.planning.studies import figure_modules, has_table
from calcium_latents.provenance import SOURCE

REFERENCE = SOURCE.parent / "results/reference"
FROM_REFERENCE = "from results/reference: an earlier, longer run, not computed by this one"


def draw_figure(name: str, inputs: Mapping[str, Sequence[Path]], output_stem: str | Path) -> list[Path]:
    """Draw the figure `name` (of `figure_modules`); return the files written, a table of its numbers last.

    Raises:
        UserError: no such figure, a missing or unknown input, or an input that is not what the figure needs.
    """
    if name not in figure_modules():
        raise UserError(f"figure: expected one of {sorted(figure_modules())}, found {name!r}.")
    module = import_module(figure_modules()[name][1])
    required, optional = set(module.INPUTS), set(getattr(module, "OPTIONAL_INPUTS", ()))
    missing, unknown = required - set(inputs), set(inputs) - required - optional
    if missing or unknown:
        raise UserError(
            f"figure {name}: missing inputs {sorted(missing)}, unknown inputs {sorted(unknown)}; it needs "
            f"{sorted(required)} and takes {sorted(optional)} (--input NAME=PATH, repeated for more files)."
        )
    given, stem = {key: [Path(path) for path in paths] for key, paths in inputs.items()}, Path(output_stem)
    kept = any(path.resolve().is_relative_to(REFERENCE) for paths in given.values() for path in paths)
    with style.remark(FROM_REFERENCE if kept else ""):
        if not has_table(module.__name__):
            return module.draw(given, stem)
        path = stem.with_name(f"{stem.name}.csv")
        write_table(module.tabulate(given), path)
        return [*module.draw(given, read_table(path), stem), path]


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
