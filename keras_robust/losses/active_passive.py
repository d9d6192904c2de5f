"""Normalized losses and the active + passive pairs (Ma et al. 2020, and the pairs of Zhou et al. 2021)."""

from keras_robust.checks import at_least, greater_than
from keras_robust.losses.algebra import ComposedLoss, Normalized
from keras_robust.losses.asymmetric import AEL, AGCE, AUL
from keras_robust.losses.base import RobustLoss
from keras_robust.losses.declaration import Part, parameter
from keras_robust.losses.elementary import BELOW_ZERO, CE, FL, GCE, MAE, RCE, WEIGHT
from keras_robust.registration import registered


@registered
class NCE(ComposedLoss):
    """Normalized cross entropy, log p_y / sum_k log p_k. Robust, but underfits alone: see `NCEandRCE`.

    Reference: Ma et al. 2020.

    Example:

    >>> loss = keras_robust.NCE()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.2
    """

    def line(self):
        return Normalized(CE())


@registered
class NFL(ComposedLoss):
    """Normalized focal loss, FL(y) / sum_k FL(k).

    Reference: Ma et al. 2020. Staats et al. 2023 print the factor inside the logarithm; we do not.

    Args:
        gamma: focusing exponent, at least 0; 0.5 in the released code of Ma et al.

    Example:

    >>> loss = keras_robust.NFL()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.1695
    """

    gamma: float = parameter(default=0.5, within=at_least(0.0))

    def line(self):
        return Normalized(FL(self.gamma))


@registered
class NMAE(ComposedLoss):
    """Normalized MAE, (1 - p) / (K - 1).

    Reference: Ma et al. 2020. Sums to 1 over the labels; the versions of two released code bases do not.

    Example:

    >>> loss = keras_robust.NMAE()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.25
    """

    def line(self):
        return Normalized(MAE())


@registered
class NRCE(ComposedLoss):
    """Normalized RCE, which is (1 - p) / (K - 1) whatever A is.

    Reference: Ma et al. 2020.

    Args:
        A: what log 0 stands for, below 0; it cancels.

    Example:

    >>> loss = keras_robust.NRCE()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.25
    """

    A: float = parameter(default=-4.0, within=BELOW_ZERO)

    def line(self):
        return Normalized(RCE(self.A))


@registered
class NGCE(ComposedLoss):
    """Normalized generalized cross entropy, GCE(y) / sum_k GCE(k).

    Reference: Ma et al. 2020; q = 0.7 in its text, 0.1 in its configurations.

    Args:
        q: exponent, at least 0.

    Example:

    >>> loss = keras_robust.NGCE()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.2363
    """

    q: float = parameter(default=0.7, within=at_least(0.0))

    def line(self):
        return Normalized(GCE(self.q))


@registered
class APL(ComposedLoss):
    """Active passive loss, alpha active + beta passive: any two losses under one name.

    An active loss raises the label's probability, a passive one lowers the others'; robust losses of both kinds
    together do not underfit.

    Reference: Ma et al. 2020.

    Args:
        active: any loss.
        passive: any loss.
        alpha: weight of `active`, at least 0.
        beta: weight of `passive`, at least 0.

    Example:

    >>> loss = keras_robust.APL(keras_robust.NCE(), keras_robust.MAE(), beta=2.0)
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    1.2
    """

    active: RobustLoss = parameter(within=Part())
    passive: RobustLoss = parameter(within=Part())
    alpha: float = parameter(default=1.0, within=WEIGHT)
    beta: float = parameter(default=1.0, within=WEIGHT)

    def line(self):
        return self.alpha * self.active + self.beta * self.passive


class Pair(ComposedLoss):
    """The weights that all published pairs have: alpha of the active part, beta of the passive one."""

    alpha: float = parameter(default=1.0, within=WEIGHT)
    beta: float = parameter(default=1.0, within=WEIGHT)


@registered
class NCEandMAE(Pair):
    """alpha NCE + beta MAE.

    Reference: Ma et al. 2020. MAE is 1 - p: its published weights go with that scale.

    Args:
        alpha: weight of `NCE`, at least 0.
        beta: weight of `MAE`, at least 0.

    Example:

    >>> loss = keras_robust.NCEandMAE()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.7
    """

    def line(self):
        return self.alpha * NCE() + self.beta * MAE()


@registered
class NCEandRCE(Pair):
    """alpha NCE + beta RCE. A strong general choice.

    Reference: Ma et al. 2020; alpha and beta are 1 and 1 (CIFAR-10) or 10 and 0.1 (CIFAR-100) in its released code,
    which has A = log(1e-4).

    Args:
        alpha: weight of `NCE`, at least 0.
        beta: weight of `RCE`, at least 0.
        A: what log 0 stands for in `RCE`, below 0.

    Example:

    >>> loss = keras_robust.NCEandRCE()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    2.2
    """

    A: float = parameter(default=-4.0, within=BELOW_ZERO)

    def line(self):
        return self.alpha * NCE() + self.beta * RCE(self.A)


@registered
class NFLandMAE(Pair):
    """alpha NFL + beta MAE.

    Reference: Ma et al. 2020.

    Args:
        alpha: weight of `NFL`, at least 0.
        beta: weight of `MAE`, at least 0.
        gamma: exponent of `NFL`, at least 0.

    Example:

    >>> loss = keras_robust.NFLandMAE()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.6695
    """

    gamma: float = parameter(default=0.5, within=at_least(0.0))

    def line(self):
        return self.alpha * NFL(self.gamma) + self.beta * MAE()


@registered
class NFLandRCE(Pair):
    """alpha NFL + beta RCE.

    Reference: Ma et al. 2020, whose released code has A = log(1e-4).

    Args:
        alpha: weight of `NFL`, at least 0.
        beta: weight of `RCE`, at least 0.
        gamma: exponent of `NFL`, at least 0.
        A: what log 0 stands for in `RCE`, below 0.

    Example:

    >>> loss = keras_robust.NFLandRCE()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    2.1695
    """

    gamma: float = parameter(default=0.5, within=at_least(0.0))
    A: float = parameter(default=-4.0, within=BELOW_ZERO)

    def line(self):
        return self.alpha * NFL(self.gamma) + self.beta * RCE(self.A)


@registered
class NGCEandMAE(Pair):
    """alpha NGCE + beta MAE.

    Reference: Ma et al. 2020.

    Args:
        alpha: weight of `NGCE`, at least 0.
        beta: weight of `MAE`, at least 0.
        q: exponent of `NGCE`, at least 0.

    Example:

    >>> loss = keras_robust.NGCEandMAE()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.7363
    """

    q: float = parameter(default=0.7, within=at_least(0.0))

    def line(self):
        return self.alpha * NGCE(self.q) + self.beta * MAE()


@registered
class NGCEandRCE(Pair):
    """alpha NGCE + beta RCE.

    Reference: Ma et al. 2020, whose released code has A = log(1e-4).

    Args:
        alpha: weight of `NGCE`, at least 0.
        beta: weight of `RCE`, at least 0.
        q: exponent of `NGCE`, at least 0.
        A: what log 0 stands for in `RCE`, below 0.

    Example:

    >>> loss = keras_robust.NGCEandRCE()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    2.2363
    """

    q: float = parameter(default=0.7, within=at_least(0.0))
    A: float = parameter(default=-4.0, within=BELOW_ZERO)

    def line(self):
        return self.alpha * NGCE(self.q) + self.beta * RCE(self.A)


@registered
class NCEandAGCE(Pair):
    """alpha NCE + beta AGCE.

    Reference: Zhou et al. 2021 (asymmetric loss functions); a = 6, q = 1.5, alpha = 1, beta = 4 on CIFAR-10 in its
    released code.

    Args:
        alpha: weight of `NCE`, at least 0.
        beta: weight of `AGCE`, at least 0.
        a: parameter of `AGCE`, above 0.
        q: exponent of `AGCE`, above 0.

    Example:

    >>> loss = keras_robust.NCEandAGCE(a=6.0, q=1.5)
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    1.499
    """

    a: float = parameter(within=greater_than(0.0), kw_only=True)
    q: float = parameter(within=greater_than(0.0), kw_only=True)

    def line(self):
        return self.alpha * NCE() + self.beta * AGCE(self.a, self.q)


@registered
class NCEandAUL(Pair):
    """alpha NCE + beta AUL.

    Reference: Zhou et al. 2021 (asymmetric loss functions); a = 6.3, q = 1.5, alpha = 1, beta = 4 on CIFAR-10 in its
    released code.

    Args:
        alpha: weight of `NCE`, at least 0.
        beta: weight of `AUL`, at least 0.
        a: parameter of `AUL`, above 1.
        q: exponent of `AUL`, above 0.

    Example:

    >>> loss = keras_robust.NCEandAUL(a=6.3, q=1.5)
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    1.3778
    """

    a: float = parameter(within=greater_than(1.0), kw_only=True)
    q: float = parameter(within=greater_than(0.0), kw_only=True)

    def line(self):
        return self.alpha * NCE() + self.beta * AUL(self.a, self.q)


@registered
class NCEandAEL(Pair):
    """alpha NCE + beta AEL.

    Reference: Zhou et al. 2021 (asymmetric loss functions); a = 5, alpha = 1, beta = 4 on CIFAR-10 in its released
    code.

    Args:
        alpha: weight of `NCE`, at least 0.
        beta: weight of `AEL`, at least 0.
        a: parameter of `AEL`, above 0.

    Example:

    >>> loss = keras_robust.NCEandAEL(a=5.0)
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    1.1048
    """

    a: float = parameter(within=greater_than(0.0), kw_only=True)

    def line(self):
        return self.alpha * NCE() + self.beta * AEL(self.a)
