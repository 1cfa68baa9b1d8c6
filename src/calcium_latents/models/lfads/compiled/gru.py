"""Steps backwards through a GRU, for a tile of trials, and sums: what encoders and decoder share."""

from calcium_latents.models.lfads.compiled.math import compiled


@compiled
def gru_before(grad, rows, state, size, to_candidate):
    """Backwards through the update gate: `grad` becomes the direct gradient of the previous state."""
    one = grad.dtype.type(1)
    for i in range(len(state)):
        for j in range(size):
            g, update, proposal = grad[i, j], rows[i, size + j], rows[i, 2 * size + j]
            direct = g * update
            rest = g - direct
            grad[i, j] = direct
            rows[i, size + j] = (state[i, j] - proposal) * rest * update
            value = rest * (one - proposal * proposal)
            to_candidate[i, j] = value
            rows[i, 2 * size + j] = value


@compiled
def gru_after(grad, rows, state, size, to_product, product, to_gates):
    """Backwards through the reset gate."""
    one = grad.dtype.type(1)
    for i in range(len(state)):
        for j in range(size):
            reset, previous = rows[i, j], state[i, j]
            through = to_product[i, j] * reset
            product[i, j] = reset * previous
            grad[i, j] += through
            value = through * previous * (one - reset)
            rows[i, j] = value
            to_gates[i, j] = value
        for j in range(size, 2 * size):
            to_gates[i, j] = rows[i, j]


@compiled
def add(to, value, n):
    for i in range(n):
        for j in range(to.shape[1]):
            to[i, j] += value[i, j]


@compiled
def add_rows(to, rows):
    for i in range(len(rows)):
        row = rows[i]
        for j in range(len(to)):
            to[j] += row[j]


@compiled
def masked(to, value, mask):
    for j in range(len(to)):
        to[j] = value[j] * mask[j]
