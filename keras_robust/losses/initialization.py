"""What a loss meets at initialization, where the logits are independent normal variables N(0, sigma^2).

Sums of lognormal variables S = sum exp(z_i) enter through their Laplace transform
phi(t)^n = E exp(-t S), phi(t) = E exp(-t exp(z)): with 1/S = integral exp(-t S) dt everything becomes a smooth
one-dimensional integral, computed by the trapezoidal rule on u = log t. No sampling, no dependence beyond numpy.
"""

import math
from functools import lru_cache

import numpy as np

from keras_robust.checks import Interval, greater_than

CLASSES = Interval(2, integer=True)
_STEP = 1 / 16


@lru_cache(maxsize=256)
def logit_bias(K: int, activation: float = 0.15, sigma: float = 1.0) -> float:
    """The bias epsilon on the label's logit at which its mean softmax output is `activation` at initialization.

    Solves E[x / (x + S)] = activation with x = exp(z_y + epsilon), S = sum of the K - 1 other exp(z_i). It is negative
    where 1/K is above `activation`.

    Reference: Staats et al. 2023, Eq. 4. The paper prints 0.5, 3.0 and 5.2 for K = 10, 100 and 1000; its equation
    gives 0.5246, 3.0341 and 5.3576.

    Args:
        K: number of classes, at least 2.
        activation: the mean output aimed at, in (0, 1).
        sigma: standard deviation of the logits, above 0.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> round(keras_robust.theory.logit_bias(100), 4)
    3.0341
    """
    K = CLASSES.check("logit_bias", "K", K)
    activation = Interval(0.0, 1.0, open_low=True, open_high=True).check("logit_bias", "activation", activation)
    sigma = greater_than(0.0).check("logit_bias", "sigma", sigma)
    log_t, others = _others(K, sigma)
    # Mean of x exp(-t x) at x = exp(v): a function of t exp(epsilon) alone, so that a bias is a shift on the grid.
    z, density = _normal(sigma)

    def mean_activation(epsilon):
        v = log_t[:, None] + epsilon + z[None, :]
        with np.errstate(over="ignore"):
            label = np.exp(v - np.exp(v)) @ density
        return float(np.sum(label * others) * _STEP)

    def distance(epsilon):
        mean = mean_activation(epsilon)
        return math.log(mean / (1.0 - mean)) - math.log(activation / (1.0 - activation))

    # The log-odds of the mean are close to linear in epsilon: the secant method takes a handful of steps.
    last, epsilon = 0.0, math.log((K - 1) * activation / (1.0 - activation)) + 0.1
    last_distance = distance(last)
    for _ in range(100):
        now = distance(epsilon)
        if now == last_distance or abs(epsilon - last) < 1e-12 * max(1.0, abs(epsilon)):
            break
        last, last_distance, epsilon = epsilon, now, epsilon - now * (epsilon - last) / (now - last_distance)
    return epsilon


def expected_margin(K: int, sigma: float = 1.0, exact: bool = False) -> float:
    """Mean logit margin of the label at initialization, E[z_y - log sum_{i != y} exp(z_i)].

    The paper's approximation is - log(K - 1) - sigma^2 / 2 + (exp(sigma^2) - 1) / (2 (K - 1)), with the wrong sign at
    K = 2; the exact value comes from quadrature.

    Reference: Ou & Zhang 2023, Eq. 4. Its Table 9 uses K for K - 1: 2.717 and 5.097 where the equation gives
    2.602 and 5.086 for K = 10 and 100 (exact: 2.616, 5.087).

    Args:
        K: number of classes, at least 2.
        sigma: standard deviation of the logits, above 0.
        exact: whether to integrate instead of approximating.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> round(keras_robust.theory.expected_margin(100), 4)
    -5.0864
    """
    K = CLASSES.check("expected_margin", "K", K)
    sigma = greater_than(0.0).check("expected_margin", "sigma", sigma)
    if not exact:
        return -math.log(K - 1) - sigma**2 / 2 + math.expm1(sigma**2) / (2 * (K - 1))
    log_t, others = _others(K, sigma)
    with np.errstate(over="ignore"):
        # E log S = integral (exp(-t) - E exp(-t S)) / t dt
        return float(-np.sum(np.exp(-np.exp(log_t)) - others) * _STEP)


def _normal(sigma):
    """Grid and weights of N(0, sigma^2)."""
    unit = np.arange(-12.0, 12.0, _STEP / 2 / max(1.0, sigma))
    density = np.exp(-0.5 * unit**2)
    return sigma * unit, density / density.sum()


def _others(K, sigma):
    """A grid of log t that covers all scales, and E exp(-t S) of the K - 1 other classes on it."""
    reach = 12.0 * sigma + 40.0
    log_t = np.arange(-reach - math.log(K), reach, _STEP)
    z, density = _normal(sigma)
    with np.errstate(over="ignore", divide="ignore"):
        # phi^(K - 1) through log1p(phi - 1): phi is near 1 where K is large.
        below_one = np.expm1(-np.exp(log_t[:, None] + z[None, :])) @ density
        return log_t, np.exp((K - 1) * np.log1p(np.maximum(below_one, -1.0)))


__all__ = ["expected_margin", "logit_bias"]
