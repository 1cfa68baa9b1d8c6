"""Can a neuron's latents tell what it is? Linear readout of group and of inhibition, on neurons never fitted.

The paper shows that groups and inhibitory neurons lie together in a t-SNE map of training neurons (Figure 4A, B).
Here a logistic regression of standardised latents is fitted to training and validation neurons and scored on test
neurons. Classes differ in size (a fifth of the neurons is inhibitory): they have equal weight in fit and score.
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from calcium_latents.metrics.clustering import standardise

QUANTILE = 0.975
ITERATIONS = 1000


def separation(
    training: np.ndarray,
    training_labels: np.ndarray,
    test: np.ndarray,
    test_labels: np.ndarray,
    rng: np.random.Generator,
    permutations: int = 200,
) -> dict[str, float]:
    """Return score (balanced accuracy), chance and null_upper of a linear readout of labels from latents.

    Args:
        training, test: [neuron, latent]; standardised by the training neurons.
        training_labels, test_labels: [neuron].
        rng: for the permutations of test labels.
        permutations: their number.

    Returns:
        score: mean over the test neurons' classes of the part that is told right. chance: 1 / classes. null_upper:
        97.5 % quantile of the score with permuted test labels. All but chance are NaN where latents are not finite
        or training or test neurons are of one class.
    """
    classes, codes = np.unique(np.concatenate([training_labels, test_labels]), return_inverse=True)
    known, truth = codes[: len(training_labels)], codes[len(training_labels) :]
    result = {"score": np.nan, "chance": 1 / max(len(classes), 1), "null_upper": np.nan}
    finite = np.isfinite(training).all() and np.isfinite(test).all()
    if not finite or min(len(np.unique(known)), len(np.unique(truth))) < 2:
        return result
    z, new = standardise(training), standardise(test, training)
    if z.shape[1]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            predicted = LogisticRegression(class_weight="balanced", max_iter=ITERATIONS).fit(z, known).predict(new)
    else:  # constant latents tell nothing
        predicted = np.full(len(new), known[0])
    shuffled = rng.permuted(np.tile(truth, (permutations, 1)), axis=1)
    return result | {
        "score": float(balanced_accuracy(truth[None], predicted)[0]),
        "null_upper": float(np.quantile(balanced_accuracy(shuffled, predicted), QUANTILE)),
    }


def balanced_accuracy(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return [k] the mean recall over the classes that truth has; truth [k, neuron], predicted [neuron]."""
    right = truth == predicted
    recalls = [
        np.where((truth == code).any(axis=1), (right & (truth == code)).sum(axis=1), np.nan)
        / np.maximum((truth == code).sum(axis=1), 1)
        for code in np.unique(truth)
    ]
    return np.nanmean(recalls, axis=0)
