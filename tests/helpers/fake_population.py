"""Small made-up searches over hyperparameters: a history with copies and divergence, and populations with scores."""

from pathlib import Path

import numpy as np
import pandas as pd
import yaml

SPACE = {
    name: {"distribution": distribution, "low": low, "high": high, "initial": initial, "perturbation": perturbation}
    for name, distribution, low, high, initial, perturbation in (
        ("learning_rate", "log_uniform", 1e-5, 5e-3, 1e-3, 0.3),
        ("dropout_rate", "uniform", 0.0, 0.7, None, 0.3),
        ("coordinated_dropout_rate", "uniform", 0.01, 0.99, 0.5, 0.3),
        ("generator_l2", "log_uniform", 1e-5, 1e-1, None, 0.8),
        ("controller_l2", "log_uniform", 1e-5, 1e-1, None, 0.8),
        ("initial_condition_kl", "log_uniform", 1e-6, 1e-4, None, 0.8),
        ("inferred_inputs_kl", "log_uniform", 1e-6, 1e-4, None, 0.8),
    )
}
#: metric -> agreement with recovery that it is made to have, at noise 1 and 2
AGREEMENT = {
    "reconstruction_nll": (-0.8, -0.9),
    "speckled_holdout_nll": (0.95, 0.2),
    "cosmoothing_nll": (0.8, -0.3),
    "speckled_holdout_event_nll": (0.97, 0.8),
    "cosmoothing_event_nll": (0.9, 0.85),
    "reduced_rank_nll": (0.95, 0.93),
}
EXPECTED_TEXT = {
    "radical_population_search": [
        "score (lower is better)",
        "speckled hold-out,\nsmoothed (nats per sample)",
        "learning rate",
        "KL, inferred inputs",
        "descent of the best model",
        "first members\nwith descendants (share)",
        "RADICaL, population-based training; lorenz-10hz, seed 1: 8 members",
        "members lost to divergence: 3",
        "line of descent of the best model",
        "finish: learning rates fall",
    ],
    "radical_selection_population": [
        "reconstruction\n(published)",
        "speckled hold-out:\nevent or none",
        "agreement = minus Spearman's ρ",
        "noise as in the paper",
        "noise 2 x the paper's",
        "14 members",
        "1 diverged",
        "a member at random",
        "points the right way: speckled hold-out; ",
    ],
}


def make(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """Write inputs below `folder`; return figure name -> input name -> files."""
    folder.mkdir(parents=True, exist_ok=True)
    history().to_csv(folder / "metrics.csv", index=False)
    config = {
        "model": {"name": "radical_pbt"},
        "search": {"kind": "pbt", "metric": "speckled_holdout_nll", "hyperparameters": SPACE, "finish_generations": 4},
        "recording": "results/quick/radical/lorenz-10hz/events.nc",
        "seed": 1,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    recovery = []
    for noise, place in ((1.0, 0), (2.0, 1)):
        recovery.append(folder / f"recovery-{noise:g}.csv")
        population(noise, {name: pair[place] for name, pair in AGREEMENT.items()}).to_csv(recovery[-1], index=False)
    return {
        "radical_population_search": {"metrics": [folder / "metrics.csv"], "config": [folder / "config.yaml"]},
        "radical_selection_population": {"recovery": recovery},
    }


def history(members: int = 8, generations: int = 16, seed: int = 0) -> pd.DataFrame:
    """Return the history of a search whose members copy better ones by binary tournament; some diverge."""
    rng = np.random.default_rng(seed)
    values = {name: _draw(entry, members, rng) for name, entry in SPACE.items()}
    progress, parent, rows = np.zeros(members), np.arange(members), []
    for generation in range(1, generations + 1):
        fit = -(np.log10(values["learning_rate"] / 2e-3) ** 2) - 2 * (values["coordinated_dropout_rate"] - 0.6) ** 2
        progress = progress + 0.1 * np.exp(fit) * (1 - progress)
        score = 0.14 - 0.025 * progress + rng.normal(0, 0.002, members) + (0.2 if generation == 1 else 0)
        if generation in (4, 5, 9):
            score[generation % members] = np.nan
        for member in range(members):
            rows.append(
                {
                    "generation": generation,
                    "member": member,
                    "parent": parent[member],
                    "epoch": 80 + 50 * generation,
                    "step": 80 + 50 * generation,
                    "score": score[member],
                    "diverged": bool(np.isnan(score[member])),
                    "speckled_holdout_nll": score[member],
                    **{name: value[member] for name, value in values.items()},
                }
            )
        rival = (np.arange(members) + rng.integers(1, members, members)) % members
        worse = np.isnan(score) | (score[rival] < score)
        parent = np.where(worse & ~np.isnan(score[rival]), rival, np.arange(members))
        copied = parent != np.arange(members)
        progress = progress[parent]
        for name, entry in SPACE.items():
            factor = 1 + rng.uniform(-1, 1, members) * entry["perturbation"]
            values[name] = values[name][parent] * np.where(copied, factor, 1)
            if name in ("learning_rate", "dropout_rate", "coordinated_dropout_rate"):
                values[name] = values[name].clip(entry["low"], entry["high"])
    return pd.DataFrame(rows)


def population(noise: float, agreement: dict[str, float], members: int = 14) -> pd.DataFrame:
    """Return a scored population whose metrics agree with recovery about as much as asked for; one member diverged."""
    rng = np.random.default_rng(int(10 * noise))
    level = rng.uniform(0.1, 0.8, members) / noise
    table = pd.DataFrame(
        {
            "dataset": "lorenz-10hz" if noise == 1 else f"lorenz-10hz-noise{noise:g}",
            "noise_multiplier": noise,
            "model": "radical_random",
            "seed": 1,
            "member": range(members),
        }
    )
    rank = (level - level.mean()) / level.std()
    for name, wanted in agreement.items():
        mixed = wanted * rank + np.sqrt(1 - wanted**2) * rng.normal(size=members)
        table[name] = 0.13 - 0.004 * mixed + (0.3 if "reconstruction" in name else 0) * (np.arange(members) == 3)
    for name, entry in SPACE.items():
        table[name] = _draw({**entry, "initial": None}, members, rng)
    for latent, offset in (("X", 0.06), ("Y", 0.0), ("Z", -0.06)):
        table[f"r2_{latent}"] = level + offset
    table["r2"], table["r2_validation"] = level, level - 0.03
    table.loc[members - 1, [*agreement, "r2", "r2_validation", "r2_X", "r2_Y", "r2_Z"]] = np.nan
    return table


def _draw(entry: dict, members: int, rng: np.random.Generator) -> np.ndarray:
    if entry["initial"] is not None:
        return np.full(members, entry["initial"])
    if entry["distribution"] == "log_uniform":
        return 10 ** rng.uniform(np.log10(entry["low"]), np.log10(entry["high"]), members)
    return rng.uniform(entry["low"], entry["high"], members)
