"""The named losses of the logit-bias paper (Staats et al. 2023)."""

from keras_robust.checks import Interval, at_least
from keras_robust.losses.active_passive import NFL
from keras_robust.losses.algebra import ComposedLoss
from keras_robust.losses.declaration import parameter
from keras_robust.losses.elementary import GCE, MAE, WEIGHT
from keras_robust.losses.margins import LogitBias
from keras_robust.registration import registered

BIAS = Interval(optional=True)


@registered
class MAEStar(ComposedLoss):
    """MAE*, the mean absolute error with a logit bias: robust, with no parameter to tune, and it learns 1000 classes.

    Reference: Staats et al. 2023.

    Args:
        epsilon: the bias, a finite number. None: `max(0, theory.logit_bias(K))`.

    Example:

    >>> loss = keras_robust.MAEStar(epsilon=1.0)
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.2689
    """

    epsilon: float | None = parameter(default=None, within=BIAS)

    def line(self):
        return LogitBias(MAE(), self.epsilon)


@registered
class GCEStar(ComposedLoss):
    """GCE*, generalized cross entropy with a logit bias.

    Reference: Staats et al. 2023.

    Args:
        q: exponent of `GCE`, at least 0.
        epsilon: the bias, a finite number. None: `max(0, theory.logit_bias(K))`.

    Example:

    >>> loss = keras_robust.GCEStar(q=0.7, epsilon=1.0)
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.2813
    """

    q: float = parameter(within=at_least(0.0))
    epsilon: float | None = parameter(default=None, within=BIAS)

    def line(self):
        return LogitBias(GCE(self.q), self.epsilon)


@registered
class NFLandMAEStar(ComposedLoss):
    """NF-MAE*, alpha NFL + beta MAE with a logit bias.

    Reference: Staats et al. 2023, with the normalized focal loss of Ma et al. 2020, not the form printed there. They
    print MAE as 2 (1 - p): at that scale, its beta is half of ours.

    Args:
        alpha: weight of `NFL`, at least 0.
        beta: weight of `MAE`, at least 0.
        gamma: exponent of `NFL`, at least 0.
        epsilon: the bias, a finite number. None: `max(0, theory.logit_bias(K))`.

    Example:

    >>> loss = keras_robust.NFLandMAEStar(alpha=1.0, beta=0.4, epsilon=1.0)
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.1493
    """

    alpha: float = parameter(within=WEIGHT)
    beta: float = parameter(within=WEIGHT)
    gamma: float = parameter(default=0.5, within=at_least(0.0))
    epsilon: float | None = parameter(default=None, within=BIAS)

    def line(self):
        return LogitBias(self.alpha * NFL(self.gamma) + self.beta * MAE(), self.epsilon)
