"""What a complete generation leads to: rows of the history, the best member so far, how the next generation starts.

The history has one row a generation and member: generation, member, parent (the member whose end state of the
generation before it went on from: itself unless it copied), epoch, step, score (NaN where it diverged), diverged, the
searched hyperparameters, and the last validation's metrics and training terms.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from calcium_latents.search import tournament
from calcium_latents.search.settings import SearchSettings

MOST_KEPT = 40  # states of best members that are kept for snapshots


def start(settings: SearchSettings, seed: int) -> dict[str, Any]:
    """What the first generation starts from."""
    values = tournament.first_generation(settings.hyperparameters, settings.population, seed)
    return {
        "generation": 0,
        "history": [],
        "timing": [],
        "best": None,
        "best_scores": [],
        "improved": [],
        "kept": [],
        "parents": list(range(settings.population)),
        "hyperparameters": {name: value.tolist() for name, value in values.items()},
        "finish_after": None,
        "stopped": None,
    }


def conclude(
    settings: SearchSettings, seed: int, before: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], seconds: float
) -> dict[str, Any]:
    """Return what a generation led to, as plain values; a pure function, the same for every worker.

    Args:
        settings: of the search.
        seed: of the run.
        before: what the generation before led to, or `start`.
        rows: of `GroupTrainer.train`, in order of members.
        seconds: of training steps, all groups together.

    Raises UserError when all members diverged.
    """
    generation = before["generation"] + 1
    scores = [row["score"] for row in rows]
    tournament.require_finite(scores, generation)
    values, parents = before["hyperparameters"], before["parents"]
    history = before["history"] + [
        _history_row(generation, row, parents[member], {name: value[member] for name, value in values.items()})
        for member, row in enumerate(rows)
    ]
    member = int(np.nanargmin(scores))
    best, improved = before["best"], before["improved"]
    if best is None or scores[member] < best["score"]:
        best = {"generation": generation, "member": member, "score": scores[member]}
        improved = [*improved, generation]
    best_scores = [*before["best_scores"], best["score"]]
    finish_after, reason = _phase(settings, best_scores, before["finish_after"])
    following, parents = values, list(range(settings.population))
    if settings.kind == "pbt" and reason is None:
        space = settings.hyperparameters if finish_after is None else {}
        drawn, new = tournament.next_generation(scores, values, space, seed, generation)
        parents, following = drawn.tolist(), {name: value.tolist() for name, value in new.items()}
    total = seconds + (before["timing"][-1]["training_seconds"] if before["timing"] else 0.0)
    return {
        "generation": generation,
        "history": history,
        "timing": [
            *before["timing"],
            {"generation": generation, "step": rows[0]["step"], "training_seconds": total},
        ],
        "best": best,
        "best_scores": best_scores,
        "improved": improved,
        "kept": thinned(improved),
        "parents": parents,
        "hyperparameters": following,
        "finish_after": finish_after,
        "stopped": reason,
    }


def _phase(
    settings: SearchSettings, best_scores: Sequence[float], finish_after: int | None
) -> tuple[int | None, str | None]:
    """Return after which generation the finish began or begins (None: not yet), and why the search ends (None: not
    yet). Learning rates fall in the finish only, so a search that was to end finishes first."""
    done, last = len(best_scores), settings.finish_generations
    if finish_after is None:
        reason = tournament.reason_to_stop(
            best_scores, settings.generations - last, settings.patience, settings.minimum_improvement
        )
        return (None, reason) if reason is None or last == 0 else (done, None)
    over = done - finish_after >= last
    return finish_after, f"{done} generations are done, the last {last} with falling learning rates" if over else None


def thinned(generations: Sequence[int]) -> list[int]:
    """Return at most `MOST_KEPT` of the generations: the first, the last, and evenly many between.

    One that is left out stays left out when later generations come, since what is kept of a longer sequence, but its
    last, is kept of every shorter one.
    """
    stride = 1
    while len(range(0, len(generations), stride)) >= MOST_KEPT:
        stride *= 2
    return sorted({*generations[::stride], *generations[-1:]})


def _history_row(
    generation: int, row: Mapping[str, Any], parent: int, hyperparameters: Mapping[str, float]
) -> dict[str, Any]:
    leading = {"generation": generation, "member": row["member"], "parent": parent}
    leading |= {name: row[name] for name in ("epoch", "step", "score", "diverged")} | dict(hyperparameters)
    return leading | {name: value for name, value in row.items() if name not in leading}
