"""How a model does against simple baselines on samples that were hidden from all: one sentence."""

import pandas as pd

from calcium_latents.planning.studies import labels

CONSTANT = "constant"
#: likelihood of `held_out_comparison.csv` -> what it scores; the first decides
LIKELIHOODS = {"zero_inflated_gamma": "event and its size", "bernoulli": "event or none"}
NAMED = 4  # more baselines are counted


def in_order(methods) -> list[str]:
    """Return methods as in legends: those that studies label first."""
    known = list(labels())
    return sorted(set(methods), key=lambda name: (known.index(name) if name in known else len(known), name))


def label(method: str) -> str:
    """Return the name of a method as it is printed."""
    return labels().get(method, (method, "", ""))[0]


def baselines(comparison: pd.DataFrame) -> list[str]:
    """Return the methods of a comparison that others are compared with, in order."""
    return in_order(comparison["reference"])


def model_of(comparison: pd.DataFrame) -> str | None:
    """Return the model that is judged: the first that is no baseline; None: there are baselines alone."""
    return next(iter(in_order(set(comparison["model"]) - set(comparison["reference"]))), None)


def judged(comparison: pd.DataFrame, likelihood: str) -> pd.DataFrame:
    """Return the rows of the model against every baseline, with `beats`: its paired interval lies above 0."""
    rows = comparison[(comparison["model"] == model_of(comparison)) & (comparison["likelihood"] == likelihood)]
    return rows.assign(beats=rows["lower_bits"] > 0)


def verdict(comparison: pd.DataFrame) -> str:
    """Return one sentence: which baselines the model beats, and by how much the best of them.

    Args:
        comparison: of `metrics.held_out.compare_held_out`, with every baseline as a reference.
    """
    model = model_of(comparison)
    if model is None:
        return "No model was compared with the baselines."
    told = {
        likelihood: _told(judged(comparison, likelihood), comparison, likelihood)
        for likelihood in LIKELIHOODS
        if (comparison["likelihood"] == likelihood).any()
    }
    first, *others = told
    sentence = f"{label(model)} {told[first][1]}"
    for likelihood in others:
        if told[likelihood][0] != told[first][0]:
            sentence += f"; scored as {LIKELIHOODS[likelihood]}, it {told[likelihood][1]}"
    return sentence + "."


def _told(rows: pd.DataFrame, comparison: pd.DataFrame, likelihood: str) -> tuple[tuple, str]:
    """Return which baselines are not beaten, and that in words."""
    count, unbeaten = len(rows), in_order(rows.loc[~rows["beats"], "reference"])
    gains = comparison[(comparison["likelihood"] == likelihood) & (comparison["reference"] == CONSTANT)]
    gains = gains.set_index("model")["bits_per_event"]
    best = max(rows["reference"], key=lambda name: gains.get(name, 0.0))
    row = rows[rows["reference"] == best].iloc[0]
    margin = f"{row['bits_per_event']:+.3f} bits per event [{row['lower_bits']:.3f}, {row['upper_bits']:.3f}]"
    against = f"{margin} against {'the best of them, ' if count > 1 else ''}{label(best)}"
    if not unbeaten:
        all_of_them = f"all {count} baselines" if count > 1 else "the baseline"
        return (), f"predicts hidden samples better than {all_of_them} ({against})"
    if len(unbeaten) == count:
        return tuple(unbeaten), f"beats no baseline on hidden samples ({against})"
    names = "; ".join(map(label, unbeaten[:NAMED])) + (" and others" if len(unbeaten) > NAMED else "")
    return tuple(unbeaten), f"does not beat {len(unbeaten)} of {count} baselines on hidden samples: {names} ({against})"
