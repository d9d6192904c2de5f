"""A rule for means over many normal logits, for losses that look at the whole prediction.

The mean over z_1, ..., z_n, independent N(0, sigma^2), of a function that treats them alike is a weighted mean over
`points`. These are a Latin hypercube: in each coordinate one point in each of N strata of equal probability. The
weights start equal and are moved as little as possible until the rule is exact for Y^a M^b, a <= 3, b <= 2, where
Y = log sum exp(z_i), M = sum z_i: most of what a loss makes of the logits is close to a function of these two. The
means of Y^a are known from `log_sum`, and those with M by Stein's identity, E[z_i f] = sigma^2 E[df / dz_i].

The same call gives the same numbers on every machine.
"""

import math
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from keras_robust.theory.log_sum import log_sum

# Numbers in the points of a rule, and how many points that may make. Above _ONE_ROW logits the points are one: a row
# of all quantiles stands for any other, with an error of 1 / n.
_SIZE, _FEWEST, _MOST, _ONE_ROW = 2**18, 64, 2**14, 2**15

_POWERS = [(a, b) for a in range(4) for b in range(3)]


class Cubature(NamedTuple):
    """The mean of f(z) is sum_i weights_i f(points_i).

    Attributes:
        points: logits (points, n).
        weights: (points,), which sum to 1; a few may be negative.
        log_sums: Y of each point, (points,).
    """

    points: np.ndarray
    weights: np.ndarray
    log_sums: np.ndarray


@lru_cache(maxsize=8)
def cubature(n: int, sigma: float) -> Cubature:
    """The rule for n logits, n >= 1."""
    if n > _ONE_ROW:
        points = sigma * _quantiles((np.arange(n) + 0.5) / n)[None, :]
        return Cubature(points, np.ones(1), _logsumexp(points))
    count = min(max(_SIZE // n, _FEWEST), _MOST)
    # This generator's numbers are frozen: they will never change between versions of numpy.
    random = np.random.RandomState(0)
    strata = np.argsort(random.random_sample((count, n)), axis=0)
    points = sigma * _quantiles((strata + random.random_sample((count, n))) / count)
    log_sums = _logsumexp(points)
    rule = log_sum(n, sigma)
    center = rule.weights @ rule.points
    spread = math.sqrt(rule.weights @ (rule.points - center) ** 2)
    y, m = (log_sums - center) / spread, points.sum(axis=1) / (sigma * math.sqrt(n))
    y_means = [rule.weights @ ((rule.points - center) / spread) ** a for a in range(4)]
    values = np.stack([y**a * m**b for a, b in _POWERS])
    means = np.array([_mean_of_powers(a, b, y_means, sigma / (spread * math.sqrt(n))) for a, b in _POWERS])
    weights = np.full(count, 1.0 / count)
    # The smallest change of the weights that makes the rule exact for these functions.
    weights += np.linalg.lstsq(values, means - values @ weights, rcond=1e-9)[0]
    return Cubature(points, weights, log_sums)


def _mean_of_powers(a, b, y_means, covariance):
    """E[y^a m^b] of standardized Y and M by Stein's identity: the gradient of Y sums to 1, so E[y m] = `covariance`."""
    if b == 0:
        return y_means[a]
    mean = a * covariance * _mean_of_powers(a - 1, b - 1, y_means, covariance) if a else 0.0
    return mean + (b - 1) * _mean_of_powers(a, b - 2, y_means, covariance) if b > 1 else mean


def _quantiles(probabilities):
    inverse = NormalDist().inv_cdf
    return np.array([inverse(p) for p in probabilities.ravel().tolist()]).reshape(probabilities.shape)


def _logsumexp(points):
    top = points.max(axis=1, keepdims=True)
    return (top + np.log(np.exp(points - top).sum(axis=1, keepdims=True)))[:, 0]


__all__ = ["Cubature", "cubature"]
