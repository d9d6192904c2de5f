"""The noise one does not know, estimated from predictions."""

from typing import NamedTuple

import numpy as np

from keras_robust.checks import missing, refuse
from keras_robust.noise.corruption import checked_ids


class Estimate(NamedTuple):
    """Estimated noise: T (K, K), T[i, j] = P(noisy = j | clean = i), and the share of wrong labels."""

    transition: np.ndarray
    rate: float


def estimate(pred_probs, labels) -> Estimate:
    """Transition matrix and rate of the noise in labels, from predictions of a model that has not seen them.

    Confident learning: a sample counts as class k if its predicted probability of k reaches the mean one of the
    samples labeled k; the counts, scaled to the number of labels, are the joint distribution of noisy and true
    classes. The predictions must be made out of sample, by cross-validation for example: a model that has memorized
    the wrong labels finds none.

    Reference: Northcutt et al. 2021, as the package cleanlab computes it.

    Args:
        pred_probs: predicted probabilities (n, K), out of sample.
        labels: the labels as they are, ids (n,).

    Returns:
        `Estimate(transition, rate)`; the row of a class that no sample seems to have is that of no noise.

    Raises:
        ValueError: for probabilities that are none, or labels that are not their class ids.
        ImportError: without cleanlab.

    Example:

    >>> labels = np.array([0] * 90 + [1] * 110)
    >>> truth = np.array([0] * 80 + [1] * 10 + [1] * 110)
    >>> transition, rate = keras_robust.noise.estimate(np.eye(2)[truth] * 0.8 + 0.1, labels)
    >>> transition.round(3).tolist(), rate
    ([[1.0, 0.0], [0.083, 0.917]], 0.05)
    """
    try:
        from cleanlab.count import compute_confident_joint, estimate_latent
    except ImportError as error:
        raise missing("Noise is estimated with cleanlab", "cleanlab") from error
    probabilities = np.asarray(pred_probs, dtype="float64")
    shaped = probabilities.ndim == 2 and probabilities.shape[1] >= 2
    if not shaped or not np.all(probabilities >= 0) or np.any(np.abs(probabilities.sum(axis=1) - 1) > 1e-2):
        refuse("estimate", "pred_probs", "probabilities (n, K) of K >= 2 classes, rows summing to 1", pred_probs)
    K = probabilities.shape[1]
    labels = checked_ids("estimate", labels, K)
    if len(labels) != len(probabilities) or not labels.size:
        refuse("estimate", "labels", f"one for each of the {len(probabilities)} predictions", labels)
    joint = compute_confident_joint(labels, probabilities)
    _, noisy_given_clean, _ = estimate_latent(joint, labels)
    transition = np.array(noisy_given_clean.T)
    unseen = joint.sum(axis=0) == 0
    transition[unseen] = np.eye(K)[unseen]
    return Estimate(transition, float((joint.sum() - np.trace(joint)) / joint.sum()))
