"""How well scores of roles find the neurons whose role is known, in simulated networks, and whether latents help.

Two benchmarks, both with several networks for each level of difficulty:

- transitions (`simulation.networks.attractor_network`): area under the ROC curve (0.5 = chance) of initiators, and of
  stabilisers, against all other movers (`roles.movers`, which knows no truth). Transitions are detected from the
  latents of the noisy activity; all scores use the same ones. The `ceiling` is the default score on activity without
  noise, at the true times.
- delays (`simulation.lorenz.delayed_lorenz`): Spearman correlation of a score with the true lead (0 = chance).

Each contribution score is compared with the best plain score of its level, best by its mean over the very networks that
are reported: that favours the plain side. A difference whose 95 % t interval over networks includes zero is a tie.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from calcium_latents.errors import UserError
from calcium_latents.progress import progress
from calcium_latents.seeds import generator, integer
from calcium_latents.simulation.lorenz.delayed_lorenz import simulate_delayed_lorenz
from calcium_latents.simulation.networks.attractor_network import simulate_attractor_network
from calcium_latents.statistics.intervals import mean_interval
from calcium_latents.studies.latent_contributions import roles
from calcium_latents.studies.latent_contributions.influence import mean_degrees
from calcium_latents.studies.latent_contributions.latent_axes import principal_axes
from calcium_latents.studies.latent_contributions.roles_benchmark_parameters import RolesBenchmarkParameters
from calcium_latents.studies.latent_contributions.transitions import detect_transitions

TRANSITIONS, DELAYS, LEAD = "transitions", "delays", "lead"
COLUMNS = (
    "benchmark", "role", "difficulty", "level", "network", "method", "kind", "lag_s", "metric", "score",
    "detection_rate", "false_detections", "transitions", "movers", "positives",
)  # fmt: skip
LEVEL = ["benchmark", "role", "difficulty", "level"]
METHOD = ["method", "kind", "lag_s"]
#: method of the delays benchmark -> kind:
#: net_influence: row less column sums of c_i(t - lag).c_j(t); influence_on_latents: sum_j |r(x_i(t - lag), y_j(t))|
#: less the reverse, with y_j = <u_j, z>, the latents' picture of j; lagged_correlation: the same without latents;
#: peak_lag (_of_latents): `peak_lag` of the activity (of y, with more latents); shuffled: net_influence, neurons
#: permuted.
DELAY_METHODS = {
    "net_influence": "contribution",
    "influence_on_latents": "contribution",
    "peak_lag_of_latents": "contribution",
    "lagged_correlation": "plain",
    "peak_lag": "plain",
    "shuffled": "null",
}
DEFAULT_LEAD = "peak_lag_of_latents"
WINS, TIES, LOSES = "wins", "ties", "loses"


def benchmark(parameters: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """Run both benchmarks; return one row a level, network, role and method, with the columns `COLUMNS`.

    The networks of a level are the same as those of the others but for what the level changes. Where nothing was
    detected the score is NaN and the detection rate says why.

    Raises:
        UserError: a parameter is unknown or wrong.
    """
    p = settings(parameters)
    cases = [(name, value, network) for name, values in p["difficulties"].items() for value in values
             for network in range(p["networks"])]  # fmt: skip
    rows: list[dict] = []
    for name, value, network in progress(cases, "transitions"):
        recording = simulate_attractor_network(p["attractor_network"] | {name: value}, network_seed(seed, network))
        for row in score_transitions(recording, p, seed=network):
            rows.append({"difficulty": name, "level": value, "network": network, **row})
    cases = [(noise, network) for noise in p["delay_noise"] for network in range(p["delay_networks"])]
    for noise, network in progress(cases, "delays"):
        recording = simulate_delayed_lorenz(
            p["delayed_lorenz"] | {"observation_noise": noise}, network_seed(seed, network)
        )
        for row in score_delays(recording, p, seed=network):
            rows.append({"difficulty": "observation_noise", "level": noise, "network": network, **row})
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS))


def settings(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `RolesBenchmarkParameters`; raise UserError for an unknown or useless one."""
    return RolesBenchmarkParameters.from_mapping(parameters).to_dict()


def network_seed(seed: int, network: int) -> int:
    """Return the seed of a simulated network of the benchmark."""
    return integer(seed, "roles benchmark", network) % 2**31


def find_transitions(activity: np.ndarray, rate_hz: float, p: Mapping[str, Any]):
    """Return the principal axes of activity [time, neuron], and the large transitions of its latents."""
    axes = principal_axes(activity, min(p["latents"], *activity.shape))
    latents = (activity - axes.mean) @ axes.axes
    span = max(1, round(p["span_s"] * rate_hz))
    found, _ = detect_transitions([latents], span, false_positives=p["false_positives"])
    if not found:
        return axes, []
    distance = np.array([transition.distance for transition in found])
    large = distance >= p["smallest_distance"] * np.quantile(distance, 0.9)
    return axes, [transition for transition, keep in zip(found, large, strict=True) if keep]


def score_transitions(recording: xr.Dataset, p: Mapping[str, Any], seed: int = 0) -> list[dict]:
    """Return one row a role and method of one recording of `simulate_attractor_network`."""
    rate = recording.attrs["imaging_rate_hz"]
    activity = recording["fluorescence"].values[0].astype(np.float64)
    axes, found = find_transitions(activity, rate, p)
    peaks = np.array([transition.peak for transition in found], dtype=int)
    true = recording["transition_time_s"].values
    true = np.round(true[np.isfinite(true)] * rate).astype(int)
    leader = recording["latents"].values[0].argmax(axis=1)
    common = {
        "benchmark": TRANSITIONS,
        "metric": "auc",
        **detection(peaks, true, np.flatnonzero(np.diff(leader)) + 1, p["matching_s"] * rate),
    }
    try:
        scores, moved = roles.role_scores(activity, axes.axes, peaks, rate, lags_s=p["lags_s"], seed=seed)
        chosen = roles.movers(moved.latent_change)
    except UserError:  # nothing detected, or too near to the session's ends: there is no score to give
        scores, chosen = {}, np.zeros(activity.shape[1], dtype=bool)
    clean = recording["activity"].values[0].astype(np.float64)
    ceiling_axes = principal_axes(clean, axes.axes.shape[1]).axes
    try:
        ceiling, _ = roles.role_scores(clean, ceiling_axes, true, rate, lags_s=p["lags_s"])
    except UserError:
        ceiling = {}
    rows = []
    for role, methods in roles.METHODS.items():
        truth = recording[role].values[chosen] == 1
        entries = [(method, kind, scores.get(role, {}).get(method)) for method, kind in methods.items()]
        entries.append(("noise_free", "ceiling", ceiling.get(role, {}).get(roles.DEFAULT[role])))
        for method, kind, score in entries:
            value = np.nan if score is None else area_under_curve(truth, score[chosen])
            counts = {"movers": int(chosen.sum()), "positives": int(truth.sum())}
            rows.append({"role": role, "method": method, "kind": kind, "score": value, **common, **counts})
    return rows


def detection(found: np.ndarray, true: np.ndarray, any_change: np.ndarray, tolerance: float) -> dict[str, float]:
    """Return detection_rate, false_detections and transitions, from frames.

    Args:
        found: detections, [detection].
        true: transitions as scheduled, [transition]; the rate is over these.
        any_change: all changes of basin, [change]; a detection that is near none of them is false.
        tolerance: frames.
    """
    hits = [bool(np.abs(found - at).min() <= tolerance) if len(found) else False for at in true]
    false = [not len(any_change) or np.abs(any_change - at).min() > tolerance for at in found]
    rate = float(np.mean(hits)) if hits else np.nan
    return {"detection_rate": rate, "false_detections": int(np.sum(false)), "transitions": len(found)}


def area_under_curve(truth: np.ndarray, score: np.ndarray) -> float:
    """Return the area under the ROC curve of score [neuron] for truth [neuron]; NaN when one class is absent or a score
    is not finite."""
    if truth.all() or not truth.any() or not np.isfinite(score).all():
        return np.nan
    return float(roc_auc_score(truth, score))


def score_delays(recording: xr.Dataset, p: Mapping[str, Any], seed: int = 0) -> list[dict]:
    """Return one row a lag and method of one recording of `simulate_delayed_lorenz`."""
    rate = recording.attrs["imaging_rate_hz"]
    activity = recording["fluorescence"].values[0].astype(np.float64)
    lead = recording["lead_s"].values
    picture_axes = principal_axes(activity, min(p["delay_picture_latents"], *activity.shape)).axes
    axes = principal_axes(activity, min(p["delay_latents"], *activity.shape))
    x = activity - axes.mean
    reconstructed = x @ axes.axes @ axes.axes.T
    rows = []

    def add(method: str, score: np.ndarray, lag_s: float = np.nan) -> None:
        value = float(spearmanr(score, lead).statistic)
        rows.append({"benchmark": DELAYS, "role": LEAD, "method": method, "kind": DELAY_METHODS[method],
                     "lag_s": lag_s, "metric": "spearman", "score": value})  # fmt: skip

    longest = roles.lag_frames([p["longest_lag_s"]], rate)[0]
    add("peak_lag_of_latents", roles.peak_lag(x @ picture_axes @ picture_axes.T, longest))
    add("peak_lag", roles.peak_lag(x, longest))
    for lag_s in p["delay_lags_s"]:
        (lag,) = roles.lag_frames([lag_s], rate)
        outgoing = np.abs(roles.lagged_correlation(x, reconstructed, lag)).sum(axis=1)
        incoming = np.abs(roles.lagged_correlation(reconstructed, x, lag)).sum(axis=0)
        scores = {
            "net_influence": mean_degrees(x, axes.axes, lag).net[0],
            "influence_on_latents": outgoing - incoming,
            "lagged_correlation": roles.lagged_correlation_asymmetry(x, lag),
        }
        scores["shuffled"] = generator(seed, "shuffled", LEAD).permutation(scores["net_influence"])
        for method, score in scores.items():
            add(method, score, lag_s)
    return rows


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Return mean, lower, upper (95 % t interval over networks) and n of each level and method."""
    rows = []
    for key, group in table.groupby([*LEVEL, *METHOD], sort=False, dropna=False):
        values = group["score"].dropna().to_numpy()
        mean, lower, upper = mean_interval(values)
        rows.append(dict(zip([*LEVEL, *METHOD], key, strict=True))
                    | {"mean": mean, "lower": lower, "upper": upper, "n": len(values)})  # fmt: skip
    return pd.DataFrame(rows, columns=[*LEVEL, *METHOD, "mean", "lower", "upper", "n"])


def paired_differences(table: pd.DataFrame) -> pd.DataFrame:
    """Return each contribution score less the best plain score of its level, network by network.

    Returns:
        Columns of `LEVEL` and `METHOD`, network, baseline, baseline_lag_s, difference (NaN where either score is).
    """
    rows = []
    for level, group in table.groupby(LEVEL, sort=False):
        scores = {
            (kind, method, lag): part.set_index("network")["score"]
            for (kind, method, lag), part in group.groupby(["kind", "method", "lag_s"], sort=False, dropna=False)
        }
        plain = {key[1:]: values for key, values in scores.items() if key[0] == "plain" and values.notna().any()}
        if not plain:
            continue
        best = max(plain, key=lambda key: plain[key].mean())
        for (kind, method, lag), values in scores.items():
            if kind == "contribution":
                for network, difference in (values - plain[best]).items():
                    rows.append([*level, method, kind, lag, network, *best, difference])
    columns = [*LEVEL, *METHOD, "network", "baseline", "baseline_lag_s", "difference"]
    return pd.DataFrame(rows, columns=columns)


def compare(table: pd.DataFrame) -> pd.DataFrame:
    """Compare each contribution score with the best plain score of its level, paired over networks.

    Returns:
        Columns of `LEVEL` and `METHOD`, baseline, baseline_lag_s, difference, lower, upper (95 % t interval), n,
        verdict ("wins", "ties" or "loses"; a tie where the interval includes zero or there is none).
    """
    rows = []
    keys = [*LEVEL, *METHOD, "baseline", "baseline_lag_s"]
    for key, group in paired_differences(table).groupby(keys, sort=False, dropna=False):
        values = group["difference"].dropna().to_numpy()
        mean, lower, upper = mean_interval(values)
        rows.append([*key, mean, lower, upper, len(values), verdict(lower, upper)])
    return pd.DataFrame(rows, columns=[*keys, "difference", "lower", "upper", "n", "verdict"])


def verdict(lower: float, upper: float) -> str:
    """Return what an interval of a difference says."""
    if lower > 0:
        return WINS
    return LOSES if upper < 0 else TIES
