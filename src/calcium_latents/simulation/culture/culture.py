"""A neuronal culture in a dish: where the neurons lie, how their axons grow, and who is linked to whom.

After the simulator of Abante et al. 2025 (Methods 2.1, step 1; Orlandi et al. 2013): a square of cells, of which those
of a round well are inside; an axon grows from every soma in short segments of slowly turning direction, and turns along
the rim where it meets it; a neuron whose dendritic disc an axon enters may be linked to it.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse

from calcium_latents.compiling import njit
from calcium_latents.errors import UserError
from calcium_latents.simulation.culture.culture_parameters import CultureParameters

# Places tried for all somata together: a well where this is not enough has no room left.
MOST_TRIES = 10_000_000


@dataclass(frozen=True)
class Culture:
    """The anatomy of a culture of N neurons.

    Attributes
    ----------
    position
        Somata [N, 2], mm.
    axon_length
        Length that each axon may grow to [N], mm; it is made of whole segments that are shorter together.
    axon_tip
        Where each axon ends [N, 2], mm.
    dendrite_radius
        [N], mm.
    inhibitory
        [N], true for inhibitory neurons.
    weights
        Sparse (CSR) [N, N]: `weights[i, j]` is the weight of the link from the axon of neuron i to neuron j,
        positive where i is excitatory, negative where it is inhibitory.
    potential_links
        Number of pairs whose axon and dendrites met; each became a link with the connection probability.
    """

    position: np.ndarray
    axon_length: np.ndarray
    axon_tip: np.ndarray
    dendrite_radius: np.ndarray
    inhibitory: np.ndarray
    weights: sparse.csr_array
    potential_links: int

    def inputs(self, orientation: str) -> sparse.csc_array:
        """Return the matrix [N, N] whose column j is what a spike of neuron j adds to the currents of all neurons.

        "published": `weights` itself, as the authors multiply it, so that a spike of j reaches the neurons whose axons
        reach j, with the sign of the one that receives it. "presynaptic": its transpose; a spike of j reaches the
        neurons that the axon of j reaches, with the sign of j.
        """
        return sparse.csc_array(self.weights if orientation == "published" else self.weights.T)


def grow_culture(parameters: CultureParameters, random: np.random.Generator) -> Culture:
    """Grow a culture; the same state of `random` gives the same culture.

    Somata, first of all, are placed one by one, where they are in the well and not too close to an earlier one (the
    authors' first soma may lie outside). Axon lengths are Rayleigh, dendritic radii and sizes of weights normal.

    Raises
    ------
    UserError
        There is no room for so many neurons.
    """
    size, step = parameters.dish_mm, parameters.axon_step_mm
    inside = well(parameters.dish_cells)
    neurons = parameters.neurons
    position, found = _place(neurons, size, inside, parameters.soma_distance_mm, random, MOST_TRIES)
    if found < neurons:
        distance = parameters.soma_distance_mm
        expected = f"room for {neurons} somata at least soma_distance_mm = {distance:g} apart"
        raise UserError(
            f"{parameters.SECTION}.density_per_mm2: expected {expected}, found places for {found}. Lower one of them."
        )
    length = parameters.axon_length_mm * np.sqrt(-2 * np.log1p(-random.random(neurons)))
    radius = np.maximum(0, random.normal(parameters.dendrite_radius_mm, parameters.dendrite_radius_sd_mm, neurons))
    turn = parameters.axon_turn_rad * np.sqrt(step / 1e-3)  # a random walk: the variance of a turn goes with the length
    pairs, tip = _grow_axons(position, length, radius, size, inside, step, turn, random)
    linked = pairs[random.random(len(pairs)) < parameters.connection_probability]
    # the last ones, as in the authors' code; places are random, so that it does not matter which
    inhibitory = np.arange(neurons) >= neurons - round(parameters.inhibitory_fraction * neurons)
    source, target = linked.T
    mean = np.where(inhibitory[source], parameters.inhibitory_weight, parameters.excitatory_weight)
    weight = mean * np.abs(random.normal(1.0, parameters.weight_variation, len(linked)))
    weights = sparse.csr_array((weight, (source, target)), shape=(neurons, neurons))
    return Culture(position, length, tip, radius, inhibitory, weights, len(pairs))


def well(cells: int) -> np.ndarray:
    """Return which cells [cells, cells] of the dish lie in the round well (the authors' mask)."""
    offset = np.arange(cells) - (cells - 1) / 2
    return offset[:, None] ** 2 + offset[None, :] ** 2 < int(cells / 2.001) ** 2


@njit
def _bin(x, size, bins):
    """Return the bin of 0 <= x < size, also where x / size is rounded up to 1."""
    return min(bins - 1, int(x / size * bins))


@njit
def _place(neurons, size, inside, distance, random, most_tries):
    """Draw somata [neurons, 2] uniformly in the well, none closer than `distance`; return them and how many fitted."""
    cells = len(inside)
    position = np.zeros((neurons, 2))
    # linked lists of the somata in each bin, of the width of the distance or wider
    bins = max(1, min(1000, int(size / max(distance, size / 1000))))
    head, following = np.full((bins, bins), -1), np.full(neurons, -1)
    found = 0
    for _ in range(most_tries):
        if found == neurons:
            break
        x, y = size * random.random(), size * random.random()
        if not inside[_bin(x, size, cells), _bin(y, size, cells)]:
            continue
        column, row = _bin(x, size, bins), _bin(y, size, bins)
        free = True
        for i in range(max(0, column - 1), min(bins, column + 2)):
            for j in range(max(0, row - 1), min(bins, row + 2)):
                other = head[i, j]
                while other >= 0 and free:
                    free = (position[other, 0] - x) ** 2 + (position[other, 1] - y) ** 2 >= distance**2
                    other = following[other]
        if free:
            position[found] = x, y
            following[found], head[column, row] = head[column, row], found
            found += 1
    return position, found


@njit
def _grow_axons(position, length, radius, size, inside, step, turn, random):
    """Grow every axon; return the pairs (from, to) [pairs, 2] whose axon and dendritic disc meet, and the tips."""
    neurons = len(position)
    # linked lists of the somata in each bin, of the width of the largest disc or wider
    bins = int(size / min(size, max(radius.max(), size / 1000)))
    head, following = np.full((bins, bins), -1), np.full(neurons, -1)
    for j in range(neurons):
        column, row = _bin(position[j, 0], size, bins), _bin(position[j, 1], size, bins)
        following[j], head[column, row] = head[column, row], j
    met = np.full(neurons, -1)  # the last axon that met each neuron
    pairs = []
    tip = position.copy()
    for i in range(neurons):
        x, y = position[i]
        angle = 2 * np.pi * random.random()
        met[i] = i  # no link to itself
        segment = 1
        while segment * step < length[i]:
            x, y, angle = _advance(x, y, angle, step, size, inside)
            angle += turn * random.standard_normal()
            segment += 1
            column, row = _bin(x, size, bins), _bin(y, size, bins)
            for p in range(max(0, column - 1), min(bins, column + 2)):
                for q in range(max(0, row - 1), min(bins, row + 2)):
                    j = head[p, q]
                    while j >= 0:
                        if met[j] != i and (position[j, 0] - x) ** 2 + (position[j, 1] - y) ** 2 < radius[j] ** 2:
                            met[j] = i
                            pairs.append((i, j))
                        j = following[j]
        tip[i] = x, y
    found = np.empty((len(pairs), 2), np.int64)
    for n in range(len(pairs)):
        found[n] = pairs[n]
    return found, tip


@njit
def _advance(x, y, angle, step, size, inside):
    """Return the next tip and direction of an axon at (x, y) inside the well.

    Where it would leave the well it goes along the wall of its cell that it would cross (the nearer one, where it would
    cross two), always with the outside to its right, as the authors' axons do. As a step is shorter than half a cell,
    one of these turns stays inside.
    """
    cells = len(inside)
    column, row = _bin(x, size, cells), _bin(y, size, cells)
    while True:
        new_x, new_y = x + step * np.cos(angle), y + step * np.sin(angle)
        new_column, new_row = int(np.floor(new_x / size * cells)), int(np.floor(new_y / size * cells))
        if 0 <= new_column < cells and 0 <= new_row < cells and inside[new_column, new_row]:
            return new_x, new_y, angle
        across, along = new_column != column, new_row != row
        if across and along:
            wall_x, wall_y = max(column, new_column) * size / cells, max(row, new_row) * size / cells
            across = abs(wall_x - x) < abs(wall_y - y)
        up_or_down = np.pi / 2 if new_column > column else -np.pi / 2
        left_or_right = np.pi if new_row > row else 0.0
        angle = up_or_down if across else left_or_right
