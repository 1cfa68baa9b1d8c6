"""What the workflow needs to know of the study `spike_ground_truth`: where the recordings with real spikes are."""

from pathlib import Path

from calcium_latents.planning.paths import require_no_braces
from calcium_latents.planning.plan import Plan


def ground_truth(plan: Plan) -> list[str]:
    """Return the files of recordings with simultaneous electrophysiology; each folder of them is a dataset."""
    directory = plan.settings["data_directory"]
    found = sorted(map(str, Path(directory, "spike_ground_truth").glob("*/*.mat"))) if directory else []
    for path in found:
        require_no_braces("the data directory", path)
    if not found:
        plan.notice("the comparison with real spikes is left out: no spike_ground_truth in the data directory.")
    return found


def datasets(_: Plan) -> list[str]:
    """Return none: all recordings go into one table."""
    return []


def groups(plan: Plan) -> dict:
    """Return the study's own folder where there are real spikes, and folders of simulated recordings, to compare."""
    simulated = [
        f"../{study}/{name}"
        for study in plan.studies
        if "simulation" in plan.settings[study]
        for name in plan.datasets(study)
    ]
    return {"measured": ["."] if ground_truth(plan) else [], "simulated": simulated}
