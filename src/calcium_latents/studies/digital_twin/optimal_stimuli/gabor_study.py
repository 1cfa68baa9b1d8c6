"""Tables of optimal stimuli: own and cluster optima of the model and of true neurons, and the check of the search."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from calcium_latents.studies.digital_twin.optimal_stimuli.gabor_clusters import ClusterSettings, cluster_optima
from calcium_latents.studies.digital_twin.optimal_stimuli.gabor_search import (
    Counter,
    Optima,
    Probe,
    SearchSettings,
    brute_force,
    rates_of,
    search,
)
from calcium_latents.studies.digital_twin.optimal_stimuli.gabor_translation import can_share, shared_search
from calcium_latents.studies.digital_twin.optimal_stimuli.optimal_gabors import DifferenceGrid, GaborGrid, StimulusGrid
from calcium_latents.studies.digital_twin.optimal_stimuli.search_parameters import CheckSettings

KEYS = ("neuron", "cluster", "source", "stimulus")
RESULTS = ("rate", "fraction_of_own")
GABOR_TABLE = (*KEYS, *GaborGrid.COLUMNS, *RESULTS, "border")
DIFFERENCE_TABLE = (*KEYS, *DifferenceGrid.COLUMNS, *RESULTS)
CHECK_TABLE = (
    *("neuron", "brute_force_images", "two_stage_images", "cost_ratio"),
    *("brute_force_rate", "two_stage_rate", "rate_ratio"),
)


@dataclass(frozen=True)
class Neurons:
    """Neurons that are searched for.

    Attributes:
        names: [n], `neuron` of the tables.
        clusters: [n].
        starts_px: [n, 2], where their receptive fields lie (y, x).
    """

    names: np.ndarray
    clusters: np.ndarray
    starts_px: np.ndarray


def own_optima(
    probe: Probe,
    grid: StimulusGrid,
    numbers: np.ndarray,
    starts_px: np.ndarray,
    settings: SearchSettings,
    share_places: bool = False,
) -> Optima:
    """Return the optima of neurons [n] about starts_px [n, 2]; `share_places`: by a twin's shared scan."""
    if share_places and can_share(probe):
        return shared_search(probe, grid, numbers, settings)
    return search(probe, grid, starts_px, numbers, settings)


def refine_orientation(probe: Probe, grid: GaborGrid, own: Optima) -> Optima:
    """Return optima with orientations between those of the grid, by a parabola through the neighbours' logarithms.

    A tuning curve of the form of a Gaussian has its peak there. The new orientation is kept where its rate is higher.
    """
    numbers = np.arange(len(own.rates))
    step = np.pi / grid.orientations
    sides = []
    for turn in (-step, step):
        turned = own.parameters | {"orientation_rad": own.parameters["orientation_rad"] + turn}
        sides.append(rates_of(probe, grid, turned, numbers))
    low, middle, high = np.log(np.maximum([sides[0], own.rates, sides[1]], 1e-6 * np.maximum(own.rates, 1e-12)))
    curvature = low - 2 * middle + high
    shift = np.where(curvature < 0, 0.5 * (low - high) / np.where(curvature < 0, curvature, -1.0), 0.0)
    orientation = own.parameters["orientation_rad"] + step * np.clip(shift, -0.5, 0.5)
    rates = rates_of(probe, grid, own.parameters | {"orientation_rad": orientation}, numbers)
    better = rates > own.rates
    orientation = np.where(better, orientation, own.parameters["orientation_rad"])
    parameters = own.parameters | {"orientation_rad": orientation}
    return replace(own, parameters=parameters, rates=np.where(better, rates, own.rates), images=own.images + 3)


def optima_tables(
    probe: Probe,
    source: str,
    grid: StimulusGrid,
    neurons: Neurons,
    settings: SearchSettings,
    cluster_settings: ClusterSettings,
    share_places: bool = False,
    seed: int = 0,
    fast: Probe | None = None,
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return rows "own" and "cluster" of all neurons (`GABOR_TABLE` or `DIFFERENCE_TABLE`), and images by stage.

    `fast` is the same twin in a lower precision: it searches, and `probe` rates what it found.
    """
    counter, exact = Counter(fast or probe), Counter(probe)
    numbers = np.arange(len(neurons.names))
    asked = (fast or probe) if share_places and can_share(probe) else counter
    own = own_optima(asked, grid, numbers, neurons.starts_px, settings, share_places)
    stages = {"scan": own.scan_images, "refinement": int(own.images.sum())}
    counter.images = 0
    if fast is not None:
        own = replace(own, rates=rates_of(exact, grid, own.parameters, numbers))
    if isinstance(grid, GaborGrid):
        own = refine_orientation(exact, grid, own)
        stages["orientation"] = exact.images
    shared = cluster_optima(counter, grid, own, numbers, neurons.clusters, cluster_settings, seed)
    stages["clusters"] = counter.images
    if fast is not None:
        shared = replace(shared, rates=rates_of(exact, grid, shared.parameters, numbers))
    tables = []
    for stimulus, found in (("own", own), ("cluster", shared)):
        table = {"neuron": neurons.names, "cluster": neurons.clusters, "source": source, "stimulus": stimulus}
        fraction = np.where(own.rates > 0, found.rates / np.where(own.rates > 0, own.rates, 1), np.nan)
        table |= {**found.parameters, "rate": found.rates, "fraction_of_own": fraction}
        if isinstance(grid, GaborGrid):
            turn = np.pi if stimulus == "own" else 2 * np.pi
            table["orientation_rad"], table["phase_rad"] = _canonical(found.parameters, turn)
            table["border"] = grid.at_edge(found.rows).astype(int)
        columns = GABOR_TABLE if isinstance(grid, GaborGrid) else DIFFERENCE_TABLE
        tables.append(pd.DataFrame(table)[list(columns)])
    return pd.concat(tables, ignore_index=True), stages


def _canonical(parameters: Mapping[str, np.ndarray], turn: float) -> tuple[np.ndarray, np.ndarray]:
    """Return orientation within 0 .. turn (pi or 2 pi) and phase within 0 .. 2 pi of the same Gabor."""
    orientation, phase = parameters["orientation_rad"], parameters["phase_rad"]
    turns = np.floor(orientation / turn)
    if turn == np.pi:
        phase = np.where(turns % 2, -phase, phase)
    return orientation - turns * turn, np.mod(phase, 2 * np.pi)


def check_search(
    probe: Probe,
    grid: GaborGrid,
    neurons: Neurons,
    settings: SearchSettings,
    check: CheckSettings,
    share_places: bool = False,
) -> pd.DataFrame:
    """Compare the search with the whole grid for a few neurons (`CHECK_TABLE`).

    Images are those that a search for this neuron alone shows: the coarse scan, which neurons share, counts in full.
    """
    count = min(check.neurons, len(neurons.names))
    chosen = np.unique(np.linspace(0, len(neurons.names) - 1, count).round().astype(int))
    grid = thinner(grid, neurons.starts_px[chosen], check)
    whole = brute_force(probe, grid, chosen)
    rows = []
    for number, neuron in enumerate(chosen):
        alone = np.array([neuron])
        found = own_optima(probe, grid, alone, neurons.starts_px[alone], settings, share_places)
        images = found.scan_images + int(found.images[0])
        rate, best = float(found.rates[0]), float(whole.rates[number])
        rows.append(
            {
                "neuron": neurons.names[neuron],
                "brute_force_images": grid.size,
                "two_stage_images": images,
                "cost_ratio": images / grid.size,
                "brute_force_rate": best,
                "two_stage_rate": rate,
                "rate_ratio": rate / best if best > 0 else np.nan,
            }
        )
    return pd.DataFrame(rows, columns=list(CHECK_TABLE))


def thinner(grid: GaborGrid, starts_px: np.ndarray, check: CheckSettings) -> GaborGrid:
    """Return the grid of the check: fewer places about the mean of starts_px [n, 2], fewer contrasts."""
    if check.contrasts is not None:
        grid = grid.changed(contrasts=grid.contrasts[-check.contrasts :])
    if check.reach_px is None:
        return grid
    spans = []
    for values, centre in zip(grid.place_axes().values(), np.mean(starts_px, axis=0), strict=True):
        kept = values[np.abs(values - values[np.abs(values - centre).argmin()]) <= check.reach_px]
        spans.append((int(kept[0]), int(kept[-1])))
    return grid.changed(rows_px=spans[0], columns_px=spans[1])
