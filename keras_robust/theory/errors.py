"""The mean error of the label's output at initialization: what a loss makes of a network that has learned nothing."""

from statistics import NormalDist

import numpy as np

from keras_robust.checks import Interval, greater_than, refuse
from keras_robust.losses.base import RobustLoss
from keras_robust.losses.initialization import CLASSES
from keras_robust.theory.cubature import cubature
from keras_robust.theory.evaluation import checked_loss, gradients, margin_weights
from keras_robust.theory.log_sum import log_sum

_FINITE = Interval()


def mean_error(loss: RobustLoss, K: int, z=0.0, sigma: float = 1.0):
    """Mean error of the label's output, <delta_y>(z) = E[dL / dz_y], with the label's logit at z.

    The other K - 1 logits are independent N(0, sigma^2), as at initialization. It is negative where the loss raises
    the label's logit, and its size says how fast: a loss whose mean error has all but vanished at K classes does not
    start to learn there.

    A loss of the margin is integrated over the density of the log-sum-exp of the other logits, to about 6 digits. One
    that looks at the whole prediction is integrated by `cubature`, to 4 digits and more; to 3 where parts cancel
    (entropy terms) or the gradient has a pole (`SparseRegularized` at K = 3; at K = 2 its mean is infinite). Nothing
    is random: the same call gives the same number. For a batch-coupled loss the rest of the batch is large, at
    initialization, and its labels are uniform.

    Reference: Staats et al. 2023, Eq. 3. They print -0.279 for GCE with q = 0.7 at K = 100, where the equation gives
    -0.0282.

    Args:
        loss: any loss; hyper-parameters that move count as they are now.
        K: number of classes, at least 2.
        z: the label's logit, a number or an array of them.
        sigma: standard deviation of the other logits, above 0.

    Returns:
        A float, or a float64 array of the shape of z.

    Raises:
        ValueError: for an argument out of range; for a batch-coupled loss inside a wrapper.

    Example:

    >>> round(keras_robust.theory.mean_error(keras_robust.GCE(q=0.7), 100), 5)
    -0.02823
    >>> keras_robust.theory.mean_error(keras_robust.NCE(), 10, z=[0.0, 2.0]).round(4).tolist()
    [-0.0335, -0.0256]
    """
    loss = checked_loss("mean_error", loss)
    K = CLASSES.check("mean_error", "K", K)
    sigma = greater_than(0.0).check("mean_error", "sigma", sigma)
    try:
        label_logits = np.asarray(z, "float64")
    except (TypeError, ValueError):
        refuse("mean_error", "z", "a finite number or an array of them", z)
    if not np.all(np.isfinite(label_logits)):
        refuse("mean_error", "z", "a finite number or an array of them", z)
    errors = error_of_terms(loss, K, label_logits.ravel(), sigma, {}, compiled=True).reshape(label_logits.shape)
    return errors if errors.ndim else float(errors)


def error_of_terms(loss, K, z, sigma, known, compiled=False):
    """Mean errors (points,) at logits z (points,); terms found before are taken from `known`, which is added to.

    Args:
        compiled: as in `gradients`.
    """
    total = np.zeros(len(z))
    for weight, term, bias, of_label in loss.terms(K):
        # Terms of one call differ in nothing that repr does not show.
        key = (type(term), repr(term), bias, of_label, K, sigma)
        if key not in known:
            known[key] = _error(term, K, z + bias, sigma, of_label, compiled)
        total += weight * known[key]
    return total


def _error(loss, K, z, sigma, of_label, compiled):
    """Mean errors of output 0; the label is 0, or 1 where the loss is taken at the label of another sample."""
    if of_label and loss.of_margin:
        rule = log_sum(K - 1, sigma)
        return np.array([-(margin_weights(loss, point - rule.points, K) @ rule.weights) for point in z])
    if loss.of_maximum:
        # p_y - [y is the largest]; the mean of p_y is an integral of the slope of log p_y, 1 - p_y.
        return _mean_probability(K, z, sigma) - np.array([NormalDist(0.0, sigma).cdf(point) for point in z]) ** (K - 1)
    rule = cubature(K - 1, sigma)
    errors, slopes = np.empty(len(z)), gradients(loss, 0 if of_label else 1, compiled)
    for i, point in enumerate(z):
        logits = np.concatenate([np.full((len(rule.points), 1), point), rule.points], axis=1)
        errors[i] = rule.weights @ slopes(logits)[:, 0]
    return errors


def _mean_probability(K, z, sigma):
    rule = log_sum(K - 1, sigma)
    return np.array([(1.0 / (1.0 + np.exp(rule.points - point))) @ rule.weights for point in z])


__all__ = ["mean_error"]
