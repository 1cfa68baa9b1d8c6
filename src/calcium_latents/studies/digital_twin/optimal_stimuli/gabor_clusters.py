"""One stimulus for all neurons of a cluster, at each neuron's own place and orientation (Methods, "Per cluster").

Place (and, of Gabors, orientation) are those of the neuron's own optimum; all other parameters are shared, and are
those with the highest average rate over the cluster. The paper averages predicted activities, of responses that were
divided by their standard deviation. Here rates are divided by the rate at the neuron's own optimum first
(`average` "relative"), so that few neurons of high rates do not choose for the others; "absolute" takes rates as
they are.

The grid's shared part is searched, not shown whole: from the most common own optima of the members, along groups of
shared axes, until no value of any group is better.
"""

from collections import Counter as Counts

import numpy as np

from calcium_latents.progress import progress
from calcium_latents.seeds import generator
from calcium_latents.studies.digital_twin.optimal_stimuli.gabor_search import Optima, Probe, rates_of
from calcium_latents.studies.digital_twin.optimal_stimuli.optimal_gabors import Parameters, StimulusGrid
from calcium_latents.studies.digital_twin.optimal_stimuli.search_parameters import ClusterSettings


def cluster_optima(
    probe: Probe,
    grid: StimulusGrid,
    own: Optima,
    neurons: np.ndarray,
    clusters: np.ndarray,
    settings: ClusterSettings,
    seed: int = 0,
) -> Optima:
    """Return every neuron's rate and parameters at the optimal stimulus of its cluster.

    Args:
        probe: the model or the true neurons.
        grid: of the family.
        own: the neurons' own optima, by the same probe.
        neurons: [n], numbers by which the probe knows them.
        clusters: [n].
        settings: see there.
        seed: of the members that are drawn.

    Neurons that do not respond at their own optimum (rate 0) take no part in the choice.
    """
    neurons, clusters = np.asarray(neurons), np.asarray(clusters)
    rows, rates = own.rows.copy(), np.zeros(len(neurons))
    parameters = {name: np.array(values, float) for name, values in own.parameters.items()}
    images = np.zeros(len(neurons), int)
    for cluster in progress(np.unique(clusters), "clusters", unit="cluster"):
        members = np.flatnonzero(clusters == cluster)
        voters = members[own.rates[members] > 0]
        if settings.most_members is not None and len(voters) > settings.most_members:
            drawn = generator(seed, "cluster members", int(cluster)).choice(len(voters), settings.most_members, False)
            voters = voters[np.sort(drawn)]
        search = _ClusterSearch(probe, grid, own, neurons, voters, settings)
        row = search.best() if len(voters) else own.rows[members[0]]
        for column in map(grid.column, grid.SHARED):
            rows[members, column] = row[column]
        found = _shared(grid, own, rows, members)
        rates[members] = rates_of(probe, grid, found, neurons[members])
        images[voters] += search.shown
        images[members] += 1
        for name, values in found.items():
            parameters[name][members] = values
    return Optima(rows, parameters, rates, images, 0)


def _shared(grid: StimulusGrid, own: Optima, rows: np.ndarray, members: np.ndarray) -> Parameters:
    mine = {name: values[members] for name, values in own.parameters.items()}
    return grid.shared(mine, own.rows[members], rows[members])


class _ClusterSearch:
    """Looks for the row whose shared axes give the voters of one cluster the highest average rate."""

    def __init__(self, probe, grid, own, neurons, voters, settings):
        self.probe, self.grid, self.own, self.voters, self.settings = probe, grid, own, voters, settings
        self.neurons = neurons
        self.columns = [grid.column(name) for name in grid.SHARED]
        scale = own.rates[voters] if settings.average == "relative" else np.ones(len(voters))
        self.scale = scale
        self.memory: dict[tuple[int, ...], float] = {}

    @property
    def shown(self) -> int:
        """Stimuli that were tried; each voter sees one image for each."""
        return len(self.memory)

    def best(self) -> np.ndarray:
        """Return the best row [axis] found; what it says on axes that are not shared has no meaning."""
        common = Counts(tuple(self.own.rows[voter, self.columns].tolist()) for voter in self.voters)
        # the most common first; equally common ones in the grid's order
        starts = sorted(common, key=lambda values: (-common[values], values))[: self.settings.starts]
        rows = np.repeat(self.own.rows[self.voters[:1]], len(starts), axis=0)
        rows[:, self.columns] = starts
        row = self._best_of(rows)
        for _ in range(self.settings.most_rounds):
            before = row
            for block in self.grid.SHARED_BLOCKS:
                row = self._best_of(np.vstack([row[None], self._around(row, block)]))
            if np.array_equal(row, before):
                break
        return row

    def _around(self, row: np.ndarray, block: tuple[str, ...]) -> np.ndarray:
        """Return all other values of a single axis, or the neighbours along two axes."""
        columns = [self.grid.column(name) for name in block]
        if len(block) == 1:
            rows = np.repeat(row[None], self.grid.shape[columns[0]], axis=0)
            rows[:, columns[0]] = np.arange(len(rows))
            return rows
        return self.grid.neighbours(row[None], block)[0]

    def _best_of(self, rows: np.ndarray) -> np.ndarray:
        """Return the row of the highest average; of equal ones the first."""
        keys = [tuple(row[self.columns].tolist()) for row in rows]
        new = {key: row for key, row in zip(keys, rows, strict=True) if key not in self.memory}
        if new:
            count = len(self.voters)
            asked = self.own.rows[np.tile(self.voters, len(new))]
            asked[:, self.columns] = np.repeat(np.array([row[self.columns] for row in new.values()]), count, axis=0)
            mine = {name: np.tile(values[self.voters], len(new)) for name, values in self.own.parameters.items()}
            parameters = self.grid.shared(mine, self.own.rows[np.tile(self.voters, len(new))], asked)
            rates = rates_of(self.probe, self.grid, parameters, self.neurons[np.tile(self.voters, len(new))])
            averages = (rates.reshape(len(new), count) / self.scale).mean(axis=1)
            self.memory |= dict(zip(new, averages.tolist(), strict=True))
        return rows[int(np.argmax([self.memory[key] for key in keys]))]
