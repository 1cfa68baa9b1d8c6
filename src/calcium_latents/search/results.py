"""What a search leaves behind: the best member of all generations, as if it had been trained alone."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
import torch
import xarray as xr

from calcium_latents.accelerator import device_of
from calcium_latents.search.worker import Worker
from calcium_latents.training.family import FitResult


def best_result(worker: Worker, outcome: Mapping[str, Any], recording: xr.Dataset) -> FitResult:
    """Infer with the best member, and collect the search's history.

    Args:
        worker: of the search, whose folder is read.
        outcome: what its last generation led to.
        recording: the recording that it was trained on.

    Returns:
        As for one model; metrics is the history (see `outcome`), snapshots are the best members so far, oldest first.
        The checkpoint of a random search also has the last weights of every member, `members`, and the last rows of
        the history, `member_metrics`.

    Raises LostState when a file of the search could not be read: search on, and ask again.
    """
    module = worker.trainer.untrained()
    module.store.to(torch.device(device_of(worker.trainer.accelerator)))
    best = outcome["best"]
    module.evaluated.load_state_dict(worker.folder.read_best(best["generation"])["state"])
    result = worker.trainer.family.result(module, recording)
    checkpoint = {**result.checkpoint, "generation": best["generation"], "member": best["member"]}
    if worker.settings.kind == "random":
        states = worker.folder.members(outcome["generation"], worker.groups)
        population = range(worker.settings.population)
        checkpoint["members"] = [states[member]["evaluated"] for member in population]
        checkpoint["member_metrics"] = outcome["history"][-len(population) :]
    names = ("step", "state", "metrics")
    snapshots = [worker.folder.read_best(generation) for generation in outcome["kept"]]
    return replace(
        result,
        checkpoint=checkpoint,
        metrics=pd.DataFrame(outcome["history"]),
        timing=pd.DataFrame(outcome["timing"]),
        snapshots=[{name: snapshot[name] for name in names} for snapshot in snapshots],
    )
