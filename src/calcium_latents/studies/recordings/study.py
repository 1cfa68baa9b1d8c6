"""What the workflow needs to know of the study `recordings`: the user's recordings, and what is written of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calcium_latents.configuration import merge, named_files
from calcium_latents.configuration.sections import Windows
from calcium_latents.deconvolution.options import Options
from calcium_latents.errors import UserError
from calcium_latents.files import user_path
from calcium_latents.parameter_section import WrongFieldsError
from calcium_latents.planning.plan import Plan

#: method -> (label, colour, marker), in the order of legends; models' stand with the studies that compare them
LABELS = {
    "constant": ("constant rate", "grey", "x"),
    "smoothed own": ("own samples, smoothed", "sky", "v"),
    "smoothed population": ("population, smoothed", "green", "^"),
    "pca": ("principal components", "blue", "s"),
    "factor_analysis": ("factor analysis", "purple", "p"),
    "gpfa": ("Gaussian-process factor analysis", "orange", "D"),
    "neighbours": ("regression on other neurons", "black", "<"),
}
#: the simple methods that every model is compared with, from the simplest
BASELINES = tuple(LABELS)
#: Fields of an entry that later steps read, so that they do not touch the import.
LATER = ("studies", "chunk_s", "buffer_s", "response_window_s", "windows", "trials", "bin_width_s", "deconvolution")


def datasets(plan: Plan) -> list[str]:
    """Return the names of the recordings that take part."""
    return plan.recordings_of("recordings")


def check(plan: Plan) -> None:
    """Check the entries' own options of deconvolution and windows, over those of the scale."""
    for name in datasets(plan):
        checked = {
            "deconvolution": (Options, deconvolution_options(plan, name)),
            "windows": (Windows, window_parameters(plan, name)["windows"]),
        }
        for field, (kind, value) in checked.items():
            place = f"{plan.settings['recordings_file']}, field 'recordings.{name}.{field}"
            try:
                kind.from_mapping(value)
            except WrongFieldsError as error:
                faults = (f"{place}{''.join(f'.{part}' for part in path)}': {text}" for path, text in error.faults)
                raise UserError("\n".join(faults)) from None


def check_data(plan: Plan) -> None:
    """Check what the recordings' entries say of their files. Raises UserError."""
    for name, entry in plan.recordings.items():
        plan.header(name, {**entry, **window_parameters(plan, name)})
        response_arguments(plan, name)


def groups(plan: Plan) -> dict:
    """Return the recordings, and those of which samples are held out."""
    held_out = plan.settings["recordings"]["held_out_fraction"] > 0
    return {"recording": datasets(plan), "held_out": datasets(plan) if held_out else []}


def targets(plan: Plan) -> list[str]:
    """Return the event rates of every model on every recording, and of the method that predicts hidden samples best,
    with the verdict on them."""
    best = ["best"] if groups(plan)["held_out"] else []
    rates = [
        plan.box("recordings", name, f"{run}/event_rates.nwb")
        for name in datasets(plan)
        for run in [*plan.trained("recordings", name), *best]
    ]
    return rates + [path for name in datasets(plan) for path in verdict_files(plan, name).values()]


def verdict_files(plan: Plan, name: str) -> dict[str, str]:
    """Return the verdict on a recording's models, where samples are held out."""
    held_out = name in groups(plan)["held_out"]
    return {"verdict": plan.box("recordings", name, "verdict.txt")} if held_out else {}


def at_the_end(plan: Plan) -> list[str]:
    """Return the verdict on every recording that has one, a line each."""
    found = {name: Path(path) for name in datasets(plan) for path in verdict_files(plan, name).values()}
    return [f"{name}: {path.read_text(encoding='utf-8').strip()}" for name, path in found.items() if path.is_file()]


def inferred_files(plan: Plan, name: str) -> list[str]:
    """Return what all models say of a recording."""
    return [plan.box("recordings", name, f"{run}/output.nc") for run in plan.trained("recordings", name)]


def baseline_file(method: str) -> str:
    """Return the file of a baseline's event rates, below the recording's folder."""
    return f"baselines/{method.replace(' ', '-')}/output.nc"


def recording_files(plan: Plan, name: str) -> list[str]:
    """Return the files that the import of a recording opens: its own, and those that its entry names beside."""
    beside = {field: path for field, path in _beside(plan, name).items() if field != "trials"}
    return [*plan.recording_sources[name], *beside.values()]


def trial_files(plan: Plan, name: str) -> dict[str, str]:
    """Return the table of trials, where a recording's entry names one."""
    return {key: path for key, path in _beside(plan, name).items() if key == "trials"}


def _beside(plan: Plan, name: str) -> dict[str, str]:
    folder = plan.recording_folders[name]
    return {key: str(user_path(path, folder)) for key, path in named_files(plan.recordings[name]).items()}


def import_parameters(plan: Plan, name: str) -> dict[str, Any]:
    """Return what a recording's entry says about its file."""
    return {key: value for key, value in plan.recordings[name].items() if key not in LATER}


def window_parameters(plan: Plan, name: str) -> dict[str, Any]:
    """Return how a recording is cut: the scale's windows under its entry's own."""
    entry = plan.recordings[name]
    own = {key: entry[key] for key in ("bin_width_s", "windows", "trials") if key in entry}
    return merge(plan.settings["recordings"]["cut"], own)


def deconvolution_options(plan: Plan, name: str) -> dict[str, Any]:
    """Return the options of a recording's deconvolution: the scale's under its entry's own."""
    own = plan.recordings.get(name, {}).get("deconvolution", {})
    return merge(plan.settings["recordings"]["deconvolution"]["options"], own)


def response_arguments(plan: Plan, name: str) -> list[str]:
    """Return how presentations become responses, as words of a command, where the entry names a response window.

    Raises UserError when it names no table of trials.
    """
    window = plan.recordings[name].get("response_window_s")
    if window is None:
        return []
    trials = plan.recordings[name].get("trials")
    trials = trials.get("starts_s") if isinstance(trials, Mapping) else trials
    files = ["file"] if trials == "file" else list(trial_files(plan, name).values())
    if not files:
        raise UserError(
            f"{plan.settings['recordings_file']}, field 'recordings.{name}.response_window_s': it needs"
            " 'trials', a CSV file with columns start_s and condition, or file; found none."
        )
    return ["--trials", files[0], "--window-s", str(window)]
