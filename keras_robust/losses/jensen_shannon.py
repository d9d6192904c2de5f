"""The generalized Jensen-Shannon loss (Englesson & Azizpour 2021)."""

from keras import ops

from keras_robust.backend import select
from keras_robust.checks import Interval
from keras_robust.losses.algebra import ElementaryLoss
from keras_robust.losses.declaration import current, parameter
from keras_robust.numerics import SMALLEST, floor, log, log1p, one_minus_exp, smallest, where
from keras_robust.registration import registered

LINEAR = -40.0  # float64 cannot tell log(1 + e^x) from e^x below


@registered
class JS(ElementaryLoss):
    """Generalized Jensen-Shannon loss: the divergence of label and prediction, scaled to lie between CE and MAE.

    With the mixture m = pi e_y + (1 - pi) p:
    [pi KL(e_y || m) + (1 - pi) KL(p || m)] / [-(1 - pi) log(1 - pi)], computed in closed form from p_y alone:
    [-pi (log p + s) - (1 - pi) (p s + (1 - p) log(1 - pi))] / [-(1 - pi) log(1 - pi)], s = log(1 + pi (1 - p) / p).

    Reference: Englesson & Azizpour 2021. Li et al. 2023, Eq. 12 (its gradient) has the wrong sign.

    Args:
        pi: weight of the label in the mixture, in [0, 1]; 0 is exactly `CE`, 1 exactly `MAE`.

    Example:

    >>> loss = keras_robust.JS()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.6226
    """

    pi: float = parameter(default=0.5, within=Interval(0.0, 1.0))

    def value(self, log_p):
        """u + [-log m - (1 - pi) p s / pi] / [(1 - pi) c / pi], u = 1 - p, m = pi + (1 - pi) p, c = -log(1 - pi).

        The bracket is of the order of u^2 near p = 1, so that u bears the digits there.
        """
        u = one_minus_exp(log_p)

        def inside(pi, rest, c):
            log_m = select(rest * u < 0.5, ops.log1p(-rest * u), ops.log(pi + rest * ops.exp(log_p)))
            return u - (log_m + rest * self._p_s_over(log_p, u, pi, pi)) / (rest * (c / pi))

        return self._limits(lambda: -log_p, lambda: u, inside)

    def slope(self, log_p):
        """p (1 + s / c)."""
        p, u = ops.exp(log_p), one_minus_exp(log_p)
        return self._limits(
            lambda: ops.ones_like(log_p), lambda: p, lambda pi, rest, c: p + self._p_s_over(log_p, u, pi, c)
        )

    def _limits(self, at_zero, at_one, inside):
        """`inside(pi, 1 - pi, -log(1 - pi))`, or the limits at pi = 0 and 1."""
        pi = current(self.pi)
        return where(pi <= SMALLEST, at_zero, lambda: where(pi >= 1.0, at_one, lambda: inside(*_inside(pi))))

    @staticmethod
    def _p_s_over(log_p, u, pi, divisor):
        """p s / divisor, s = log(m / p) = log(1 + pi u / p), by logarithms: p may underflow where this does not.

        Where pi u / p is small, s is that.
        """
        log_ratio = log(pi) + ops.log(floor(u, smallest(u))) - log_p
        s = -ops.log_sigmoid(-floor(log_ratio, LINEAR))
        return select(log_ratio > LINEAR, ops.exp(log_p + ops.log(s) - log(divisor)), u * (pi / divisor))


def _inside(pi):
    """pi, 1 - pi and -log(1 - pi), away from both ends: for use inside `where` only."""
    if not isinstance(pi, float):
        pi = select(ops.logical_or(pi <= SMALLEST, pi >= 1.0), 0.5, pi)
    return pi, 1.0 - pi, -log1p(-pi)
