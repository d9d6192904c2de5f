"""How Y = log S is distributed, S the sum of n lognormal variables exp(N(0, sigma^2)).

Y is the log-sum-exp of the logits that are not the label's, so the margin is z_y - Y. Its density comes from that of
one normal variable by doubling: for independent Y_a and Y_b, the density of log(exp(Y_a) + exp(Y_b)) at y is

    integral g_a(y - log(1 + exp(d))) g_b(y - log(1 + exp(-d))) dd,   d = Y_b - Y_a,

because (d, y) has a Jacobian of 1. The integrand is smooth and falls off on both sides, where the trapezoidal rule is
exact to many digits, and 2 log2(n) steps reach any n. Nothing is sampled, and nothing taken for lognormal.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from keras_robust.losses.initialization import expected_margin

# Points of a density, of the first rough look at where it lies, and of the rule that comes out.
_POINTS, _ROUGH, _FINE = 257, 65, 2049

# A density counts as 0 below this part of its maximum.
_TAIL = 1e-14


class LogSum(NamedTuple):
    """A quadrature rule: the mean of f(Y) is sum_i weights_i f(points_i).

    Attributes:
        points: evenly spaced values of Y, (points,).
        weights: their probabilities, (points,), which sum to 1.
    """

    points: np.ndarray
    weights: np.ndarray


@lru_cache(maxsize=64)
def log_sum(n: int, sigma: float) -> LogSum:
    """The rule for a sum of n variables, n >= 1, with the exact mean of Y.

    Up to sigma = 2 and n = 1000 the mean of Y was right to 5e-5 of its standard deviation before that correction.
    """
    bits = [bool(n >> place & 1) for place in range(n.bit_length())]
    power, total = _normal(sigma), None
    for place, counts in enumerate(bits):
        if place > 0:
            power = _added(power, power)
        if counts:
            total = power if total is None else _added(total, power)
    points = np.linspace(total.low, total.high, _FINE)
    weights = np.exp(total.log_at(points))
    weights /= weights.sum()
    return LogSum(points - expected_margin(n + 1, sigma, exact=True) - weights @ points, weights)


@dataclass(frozen=True)
class _Density:
    """Logarithm of a density at evenly spaced points from `low` to `high`; outside it is 0."""

    low: float
    high: float
    log: np.ndarray

    def log_at(self, y):
        """Cubic interpolation, which is close because the logarithm of such a density is nearly quadratic."""
        place = (y - self.low) * ((len(self.log) - 1) / (self.high - self.low))
        left = np.clip(place.astype("int64"), 1, len(self.log) - 3)
        t = place - left
        value = (
            self.log[left - 1] * (-t * (t - 1.0) * (t - 2.0) / 6.0)
            + self.log[left] * ((t + 1.0) * (t - 1.0) * (t - 2.0) / 2.0)
            + self.log[left + 1] * (-(t + 1.0) * t * (t - 2.0) / 2.0)
            + self.log[left + 2] * ((t + 1.0) * t * (t - 1.0) / 6.0)
        )
        # A hair beyond the borders is rounding.
        return np.where((place > -1e-6) & (place < len(self.log) - 1.0 + 1e-6), value, -np.inf)


def _normal(sigma):
    reach = math.sqrt(-2.0 * math.log(_TAIL))
    unit = np.linspace(-reach, reach, _POINTS)
    return _Density(-reach * sigma, reach * sigma, -0.5 * unit**2 - math.log(sigma * math.sqrt(2.0 * math.pi)))


def _added(a, b):
    """Density of log(exp(Y_a) + exp(Y_b))."""
    y = np.linspace(np.logaddexp(a.low, b.low), np.logaddexp(a.high, b.high), _ROUGH)
    seen = np.flatnonzero((density := _convolved(a, b, y)) > _TAIL * density.max())
    y = np.linspace(y[max(seen[0] - 1, 0)], y[min(seen[-1] + 1, _ROUGH - 1)], _POINTS)
    density = _convolved(a, b, y)
    density /= density.sum() * (y[1] - y[0])
    with np.errstate(divide="ignore"):
        return _Density(y[0], y[-1], np.maximum(np.log(density), -700.0))


def _convolved(a, b, y):
    d, step = np.linspace(b.low - a.high, b.high - a.low, _POINTS, retstep=True)
    share = np.logaddexp(0.0, d)
    return np.exp(a.log_at(y[:, None] - share) + b.log_at(y[:, None] - (share - d))).sum(axis=1) * step


__all__ = ["LogSum", "log_sum"]
