"""Adam's update in compiled loops: every number is read and written once, and there are no temporaries."""

import numpy as np

from calcium_latents.compiling import njit

#: reassociation lets sums vectorise; what is not a number stays so
OPTIONS = {"nogil": True, "fastmath": {"contract", "reassoc", "nsz"}, "error_model": "numpy"}


@njit(**OPTIONS)
def add_squares(total: np.ndarray, gradients: tuple[np.ndarray, ...]) -> None:
    """Add every member's sum of squares of `gradients`, each `[P, n]`, to `total` `[P]`."""
    for gradient in gradients:
        for p in range(len(total)):
            own, here = gradient[p], gradient.dtype.type(0)
            for i in range(len(own)):
                here += own[i] * own[i]
            total[p] += here


@njit(**OPTIONS)
def adam(gradients, weights, means, squares, factor, rate, betas, root, epsilon):
    """Update `weights` and both moments in place: as many arrays `[P, n]` each as there are `gradients`.

    Gradients are multiplied by `factor` `[P]`, and count as 0 where they are not finite; `rate` `[P]` is the learning
    rate, corrected for the first moment's start at 0, as `root` corrects the root of the second.
    """
    for gradient, weight, mean, square in zip(gradients, weights, means, squares):  # noqa: B905  # Numba has no strict
        kind = weight.dtype.type
        one, nothing, most = kind(1), kind(0), kind(np.finfo(weight.dtype).max)
        first, second, inverse, small = kind(1 - betas[0]), kind(betas[1]), kind(1 / root), kind(epsilon)
        for p in range(len(weight)):
            w, g, m, v = weight[p], gradient[p], mean[p], square[p]
            f, r = kind(factor[p]), kind(rate[p])
            for i in range(len(w)):
                x = g[i] * f
                x = x if abs(x) <= most else nothing
                m[i] += first * (x - m[i])
                v[i] = second * v[i] + (one - second) * x * x
                w[i] -= r * m[i] / (np.sqrt(v[i]) * inverse + small)
