"""Asymmetric losses (Zhou et al. 2021): functions of p that bear noise which leaves the true label the likeliest."""

from keras import ops

from keras_robust.backend import select
from keras_robust.checks import greater_than
from keras_robust.losses.algebra import ElementaryLoss
from keras_robust.losses.declaration import current, parameter
from keras_robust.numerics import away_from_zero, expm1_over, floor, log, log1p, one_minus_exp
from keras_robust.registration import registered


@registered
class AUL(ElementaryLoss):
    """Asymmetric unhinged loss, [(a - p)^q - (a - 1)^q] / q.

    Reference: Zhou et al. 2021 (asymmetric loss functions). Ou & Zhang 2023, Table 6, prints its formula under the
    name AGCE.

    Args:
        a: offset, above 1.
        q: exponent, above 0.

    Example:

    >>> loss = keras_robust.AUL(a=6.3, q=1.5)
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    1.1778
    """

    a: float = parameter(within=greater_than(1.0))
    q: float = parameter(within=greater_than(0.0))

    def value(self, log_p):
        q, base = current(self.q), self._base(log_p)
        ratio = ops.log1p(one_minus_exp(log_p) / (current(self.a) - 1.0))
        return -(base**q) * expm1_over(q, -ratio)

    def slope(self, log_p):
        return ops.exp(log_p + (current(self.q) - 1.0) * ops.log(self._base(log_p)))

    def _base(self, log_p):
        """a - p, without the cancellation at a near 1."""
        return (current(self.a) - 1.0) + one_minus_exp(log_p)


@registered
class AGCE(ElementaryLoss):
    """Asymmetric generalized cross entropy, [(a + 1)^q - (a + p)^q] / q.

    Reference: Zhou et al. 2021 (asymmetric loss functions). Ou & Zhang 2023, Table 6, prints it under the name AUL
    and with (a + 1) for (a + 1)^q.

    Args:
        a: offset, above 0.
        q: exponent, above 0.

    Example:

    >>> loss = keras_robust.AGCE(a=0.6, q=0.6)
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.4449
    """

    a: float = parameter(within=greater_than(0.0))
    q: float = parameter(within=greater_than(0.0))

    def value(self, log_p):
        a, q = current(self.a), current(self.q)
        u = one_minus_exp(log_p)
        near, far = ops.log1p(-u / (a + 1.0)), self._log_base(log_p) - log1p(a)
        return -((a + 1.0) ** q) * expm1_over(q, select(u < 0.5 * (a + 1.0), near, far))

    def slope(self, log_p):
        return ops.exp(log_p + (current(self.q) - 1.0) * self._log_base(log_p))

    def _log_base(self, log_p):
        """log(a + p), which does not underflow with p."""
        log_a = log(current(self.a))
        top = floor(log_p, log_a)
        return top + ops.log(ops.exp(log_p - top) + ops.exp(log_a - top))


@registered
class AEL(ElementaryLoss):
    """Asymmetric exponential loss, exp(-p / a).

    Reference: Zhou et al. 2021 (asymmetric loss functions).

    Args:
        a: scale, above 0.

    Example:

    >>> loss = keras_robust.AEL(a=2.5)
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.8187
    """

    a: float = parameter(within=greater_than(0.0))

    def value(self, log_p):
        return ops.exp(-ops.exp(log_p) / away_from_zero(current(self.a)))

    def slope(self, log_p):
        x = log_p - log(current(self.a))
        return ops.exp(x - ops.exp(x))
