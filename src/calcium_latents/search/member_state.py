"""The state of one member, cut out of a population's and put into another."""

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor

State = dict[str, Any]


def split_members(state: State, population: int, parameters: Collection[str]) -> list[State]:
    """Cut `LFADSTraining.training_state()` into one state a member, on the CPU.

    Args:
        state: of a population of `population` members.
        population: P.
        parameters: names of the tensors that lead with the population axis; others are shared.

    Returns:
        P states: step, model, evaluated (the averaged weights, or the model's own), averaged_steps, moments of Adam and
        param_groups, stream. Their tensors keep a population axis, of one.
    """

    def own(tensor: Tensor, member: int) -> Tensor:
        return tensor[member : member + 1].detach().cpu().clone()

    def weights(tensors: dict[str, Tensor], member: int) -> dict[str, Tensor]:
        shared = {name: value.detach().cpu().clone() for name, value in tensors.items() if name not in parameters}
        return {name: shared[name] if name in shared else own(value, member) for name, value in tensors.items()}

    states = []
    for member in range(population):
        model = weights(state["model"], member)
        moments = {
            index: {"step": entry["step"], "mean": own(entry["mean"], member), "square": own(entry["square"], member)}
            for index, entry in state["optimizer"]["state"].items()
        }
        states.append(
            {
                "step": state["step"],
                "model": model,
                "evaluated": weights(state["evaluated"], member) if state["averaged_steps"] else model,
                "averaged_steps": state["averaged_steps"],
                "moments": moments,
                "param_groups": state["optimizer"]["param_groups"],
                "stream": state["streams"][member].clone(),
            }
        )
    return states


def join_members(parents: Sequence[State], streams: Sequence[Tensor], parameters: Collection[str]) -> State:
    """Return the state from which `LFADSTraining.resume` trains a population that starts as `parents`.

    Args:
        parents: from `split_members`, one a member; all at the same step.
        streams: state [byte] of each member's own random stream: two copies of a parent go on with different numbers.
        parameters: names of the tensors that lead with the population axis.
    """
    first = parents[0]

    def weights(part: str) -> dict[str, Tensor]:
        return {
            name: torch.cat([parent[part][name] for parent in parents]) if name in parameters else value
            for name, value in first[part].items()
        }

    moments = {
        index: {
            "step": entry["step"],
            "mean": torch.cat([parent["moments"][index]["mean"] for parent in parents]),
            "square": torch.cat([parent["moments"][index]["square"] for parent in parents]),
        }
        for index, entry in first["moments"].items()
    }
    return {
        "step": first["step"],
        "model": weights("model"),
        "evaluated": weights("evaluated"),
        "averaged_steps": first["averaged_steps"],
        "optimizer": {"state": moments, "param_groups": first["param_groups"]},
        "streams": list(streams),
        "history": [],
        "timing": [],
        "snapshots": [],
        "seconds": 0.0,
        "sums": ({}, 0),
        "best": None,
    }
