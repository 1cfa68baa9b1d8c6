"""What fits on pairs leave behind: scores of every fit, and what the reported one says about the whole recording."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.models.cross_encoder.linear_pairs import explained_variance
from calcium_latents.models.cross_encoder.pairs import TEST, TRAINING, Pairs
from calcium_latents.recordings.expected_activity import expected_activity
from calcium_latents.recordings.inferred import make_inferred

COLUMNS = (
    "latent_size",
    "restart",
    "phase",
    "training_r2",
    "validation_r2",
    "test_r2",
    "dead_fraction",
    "exponent",
    "ridge_penalty",
    "chosen",
    "ceiling_r2",
)
ENOUGH = 0.95  # of the best validation R2: the smallest latent size that reaches it is reported


def final_rows(rows: Sequence[Mapping[str, float]], ceiling_r2: float) -> pd.DataFrame:
    """Return the scores of all fits, a row each; `chosen` marks the best restart of a size by validation R2."""
    table = pd.DataFrame(rows).assign(phase="final", ceiling_r2=ceiling_r2)
    # a fit that diverged has no R2, and is chosen only where all of its size did
    best = table["validation_r2"].fillna(-np.inf).groupby(table["latent_size"]).idxmax()
    table["chosen"] = table.index.isin(best).astype(int)
    return table.reindex(columns=COLUMNS)


def reported_row(table: pd.DataFrame, latent_size: int | None) -> int:
    """Return the index of the reported fit: the chosen restart of `latent_size`, or, where that is null, of the
    smallest size whose validation R2 reaches 95 % of the best."""
    chosen = table[table["chosen"] == 1].sort_values("latent_size")
    if latent_size is None:
        values = chosen["validation_r2"].fillna(-np.inf)
        # where even the best is below 0, only the best itself is enough
        chosen = chosen[values >= min(ENOUGH * values.max(), values.max())]
    else:
        chosen = chosen[chosen["latent_size"] == latent_size]
    return int(chosen.index[0])


def ceiling(recording: xr.Dataset, pairs: Pairs) -> float:
    """Return the test R2 of the true expected activity, which no model can pass; NaN without ground truth."""
    if "preferred_direction" not in recording:
        return np.nan
    expected = expected_activity(recording, pairs.targets).reshape(-1, len(pairs.targets))
    mean = pairs.outputs(TRAINING).mean(0)
    return explained_variance(pairs.outputs(TEST, expected), pairs.outputs(TEST), mean)


def to_inferred(
    recording: xr.Dataset, pairs: Pairs, prediction: np.ndarray, latents: np.ndarray, name: str
) -> xr.Dataset:
    """Return the reported fit's predictions `[S, B]` (scaled) and latents `[S, d]` as an Inferred.

    Event rates are those of the target neurons alone, cut at 0 (a linear model also predicts less). Resampled activity
    is still the mean of an imaging frame: its events per second follow from the rate before resampling.
    """
    activity = np.maximum(prediction * pairs.target_scale, 0.0)
    rate = activity * recording.attrs.get("resampled_from_hz", recording.attrs["imaging_rate_hz"])
    part = pairs.sample_part.reshape(pairs.shape)
    ids = recording["neuron"].values
    grid = ("trial", "time")
    return make_inferred(
        event_rate=rate.reshape(*pairs.shape, -1).astype(np.float32),
        time=recording["time"].values,
        factors=latents.reshape(*pairs.shape, -1).astype(np.float32),
        model=name,
        recording=recording,
        neuron=ids[pairs.targets],
        others={
            "part": (grid, part.astype(np.int8), "1", "0 training, 1 validation, 2 test, 3 in none"),
            "source_neuron": (("source",), ids[pairs.sources], "1", "source neurons"),
        },
        attributes={"paradigm": recording.attrs.get("paradigm", "spontaneous"), "latent_size": latents.shape[1]},
    )
