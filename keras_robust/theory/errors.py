"""The mean error of the label's output at initialization: what a loss makes of a network that has learned nothing."""

import math
from statistics import NormalDist

import numpy as np

from keras_robust.checks import Interval, greater_than, refuse
from keras_robust.losses.active_negative import ANLCEER
from keras_robust.losses.base import RobustLoss, WeightedSum
from keras_robust.losses.elementary import GCE
from keras_robust.losses.kinds import ComposedLoss
from keras_robust.losses.margins import BiasedLoss
from keras_robust.losses.peer import PeerLoss
from keras_robust.losses.whole_prediction import DAL, Bootstrap
from keras_robust.theory.cubature import cubature
from keras_robust.theory.evaluation import checked_loss, gradients, margin_weights
from keras_robust.theory.initialization import CLASSES
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
    errors = error_of_terms(loss, K, label_logits.ravel(), sigma, {}).reshape(label_logits.shape)
    return errors if errors.ndim else float(errors)


def error_of_terms(loss, K, z, sigma, known):
    """Mean errors (points,) at logits z (points,); terms found before are taken from `known`, which is added to."""
    total = np.zeros(len(z))
    for weight, bias, term, label in _terms(loss, K):
        # Terms of one call differ in nothing that repr does not show.
        key = (type(term), repr(term), bias, label, K, sigma)
        if key not in known:
            known[key] = _error(term, K, z + bias, sigma, label)
        total += weight * known[key]
    return total


def _terms(loss, K):
    """(weight, bias on the label's logit, loss, label) of the parts of a loss, whose errors add up to its own.

    The error is that of output 0; the label is 0, or 1 where the loss is taken at the label of another sample.
    """
    step = type(loss).per_sample
    if loss.of_margin:
        yield 1.0, 0.0, loss, 0
    elif isinstance(loss, PeerLoss):
        # The peer's label is this sample's own with probability 1/K, and any other class equally often.
        yield from _scaled(1.0 - loss.alpha / K, _terms(loss.loss, K))
        yield -loss.alpha * (K - 1) / K, 0.0, loss.loss, 1
    elif isinstance(loss, DAL) and loss.lam > 0:
        yield 1.0, 0.0, GCE(loss.q), 0
        yield loss.lam / (loss.q * math.log(K)), 0.0, Bootstrap(loss.bootstrap), 0
    elif step is WeightedSum.per_sample:
        for part, weight in zip(loss.losses, loss.weights, strict=True):
            yield from _scaled(weight, _terms(part, K))
    # The entropy of the batch has no slope where the batch is predicted evenly, as it is at initialization.
    elif step in (ComposedLoss.per_sample, ANLCEER.per_sample):
        yield from _terms(loss.formula(), K)
    elif loss.batch_coupled:
        raise ValueError(
            f"The mean error of {loss!r} is not known: the gradient of a sample depends on the other samples of its "
            "batch. It is known for ANLCEER, for PeerLoss, and for sums with them."
        )
    elif step is BiasedLoss.per_sample:
        bias = loss.bias(K)
        yield from ((weight, inner + bias, term, label) for weight, inner, term, label in _terms(loss.loss, K))
    else:
        yield 1.0, 0.0, loss, 0


def _scaled(factor, terms):
    return ((factor * weight, bias, term, label) for weight, bias, term, label in terms)


def _error(loss, K, z, sigma, label):
    if label == 0 and loss.of_margin:
        rule = log_sum(K - 1, sigma)
        return np.array([-(margin_weights(loss, point - rule.points, K) @ rule.weights) for point in z])
    if isinstance(loss, Bootstrap) and loss.kind == "hard":
        # p_y - [y is the largest]; the mean of p_y is an integral of the slope of log p_y, 1 - p_y.
        return _mean_probability(K, z, sigma) - np.array([NormalDist(0.0, sigma).cdf(point) for point in z]) ** (K - 1)
    rule = cubature(K - 1, sigma)
    errors = np.empty(len(z))
    for i, point in enumerate(z):
        logits = np.concatenate([np.full((len(rule.points), 1), point), rule.points], axis=1)
        errors[i] = rule.weights @ gradients(loss, logits, label)[:, 0]
    return errors


def _mean_probability(K, z, sigma):
    rule = log_sum(K - 1, sigma)
    return np.array([(1.0 / (1.0 + np.exp(rule.points - point))) @ rule.weights for point in z])


__all__ = ["mean_error"]
