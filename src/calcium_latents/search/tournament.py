"""Exploit and explore, and when to stop: pure functions of scores, so that every worker may compute them.

The rules are those of the code behind AutoLFADS and RADICaL (Zhu et al. 2022, Methods, "AutoLFADS"): between
generations each member meets one other in a binary tournament; if that one is better, the member goes on with its
weights and perturbed hyperparameters.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from calcium_latents.errors import UserError
from calcium_latents.search.search_space import SearchedHyperparameter
from calcium_latents.seeds import generator

#: names of random streams that are not the hyperparameter's: those under which the reference results were drawn
STREAMS = {"dropout_rate": "keep", "coordinated_dropout_rate": "coordinated_keep"}


def first_generation(space: Mapping[str, SearchedHyperparameter], population: int, seed: int) -> dict[str, np.ndarray]:
    """Return name -> `[M]` first values; a member's value does not depend on other members or hyperparameters."""
    return {
        name: np.array([entry.draw(_stream(name, seed, "first hyperparameters", m)) for m in range(population)])
        for name, entry in space.items()
    }


def next_generation(
    scores: Sequence[float] | np.ndarray,
    hyperparameters: Mapping[str, np.ndarray],
    space: Mapping[str, SearchedHyperparameter],
    seed: int,
    generation: int,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Binary tournament, then perturbation of those that copied.

    Each member draws one random other member whose score is finite, and copies it if that one is better, or if its own
    score is not finite. All copies are of the population as it stood. Only members that copied change.

    Args:
        scores: `[M]`, lower is better; not finite where a member diverged.
        hyperparameters: name -> `[M]` values.
        space: how each is perturbed.
        seed: of the search.
        generation: the one that ended.

    Returns:
        parents `[M]` (itself where a member did not copy), name -> `[M]` values of the next generation.
    """
    scores = np.asarray(scores, float)
    finite, parents = np.isfinite(scores), np.arange(len(scores))
    require_finite(scores, generation)
    for member in range(len(scores)):
        others = np.flatnonzero(finite & (np.arange(len(scores)) != member))
        if len(others) == 0:
            continue
        other = generator(seed, "opponent", generation, member).choice(others)
        if not finite[member] or scores[other] < scores[member]:
            parents[member] = other
    following = {name: np.array(values, float)[parents] for name, values in hyperparameters.items()}
    for member in map(int, np.flatnonzero(parents != np.arange(len(scores)))):
        for name, entry in space.items():
            rng = _stream(name, seed, "perturbation", generation, member)
            following[name][member] = entry.perturb(following[name][member], rng)
    return parents, following


def _stream(hyperparameter: str, seed: int, *address: str | int) -> np.random.Generator:
    return generator(seed, *address, STREAMS.get(hyperparameter, hyperparameter))


def require_finite(scores: Sequence[float] | np.ndarray, generation: int) -> None:
    """Raise a UserError when all `scores` [member] are not finite: there is nothing to go on from."""
    if not np.isfinite(scores).any():
        raise UserError(
            f"search: expected a finite score of at least one member after generation {generation}, found none: all"
            " diverged. Lower the learning rates (search.hyperparameters.learning_rate: initial, high) or"
            " training.gradient_clip."
        )


def reason_to_stop(
    bests: Sequence[float], generations: int, patience: int | None, minimum_improvement: float
) -> str | None:
    """Return why a search ends after its last generation, or None.

    It ends when the best score has improved, over `patience` generations, by no more than `minimum_improvement` of the
    mean size of the best scores in them (original code).

    Args:
        bests: lowest score until each generation, `[generations so far]`.
        generations: how many there may be.
        patience, minimum_improvement: see `SearchSettings`.
    """
    if patience is not None and len(bests) > patience:
        recent = np.abs(bests[-patience:]).mean()
        if bests[-1 - patience] - bests[-1] <= minimum_improvement * recent:
            return f"no improvement in {patience} generations"
    return f"{generations} generations are done" if len(bests) >= generations else None
