"""Losses that are functions of one probability, p = p_y."""

import math

from keras import ops

from keras_robust.backend import select
from keras_robust.checks import Interval, at_least, refuse
from keras_robust.losses.algebra import ComposedLoss, ElementaryLoss
from keras_robust.losses.declaration import Moving, current, parameter
from keras_robust.numerics import ceiling, expm1_over, floor, log, one_minus_exp, smallest
from keras_robust.registration import registered

WEIGHT = at_least(0.0)
BELOW_ZERO = Interval(high=0.0, open_high=True)


@registered
class CE(ElementaryLoss):
    """Cross entropy, -log p: the baseline, which memorizes wrong labels.

    The same value as `keras.losses.SparseCategoricalCrossentropy` and `CategoricalCrossentropy`, for ids and for
    one-hot labels, with nothing clipped.

    Example:

    >>> loss = keras_robust.CE()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.6931
    """

    def value(self, log_p):
        return -log_p

    def slope(self, log_p):
        return ops.ones_like(log_p)

    reads_of_sums = frozenset({"sum"})

    def over_others(self, evidence):
        return -evidence.sum_other_log_probs

    def over_classes(self, evidence):
        return -evidence.sum_log_probs

    def negative_over_others(self, evidence, p_min):
        return evidence.others_above(log(p_min))


@registered
class FL(ElementaryLoss):
    """Focal loss, -(1 - p)^gamma log p: less weight on samples that are learned already. Not robust by itself.

    The gradient flows through the factor, as the formula says; released code of APL and ANL detaches it.

    Reference: Lin et al. 2017; gamma = 0.5 is the value in the released code of Ma et al. 2020.

    Args:
        gamma: focusing exponent, at least 0; 0 is `CE`.

    Example:

    >>> loss = keras_robust.FL()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.4901
    """

    gamma: float = parameter(default=0.5, within=at_least(0.0))

    def value(self, log_p, log_unit=0.0):
        return -log_p * self._factor(log_p, log_unit)

    def slope(self, log_p, log_unit=0.0):
        steepness = current(self.gamma) * ops.exp(log_p) * (log_p / self._base(log_p))
        return self._factor(log_p, log_unit) * (1.0 - steepness)

    def label_and_others(self, evidence):
        gamma = current(self.gamma)
        if isinstance(gamma, float) and gamma <= 100.0:
            return super().label_and_others(evidence)
        # (1 - p)^gamma may be 0 for every class: it is taken in units of that of the least likely one.
        two = evidence.num_classes == 2
        others = evidence.log_complement[..., None] if two else evidence.others.log_p
        least = ops.minimum(evidence.label.log_p, ops.min(others, axis=-1))
        unit = ops.stop_gradient(gamma * self._log_base(least))
        return evidence.at_label(_InUnits(self, unit)), evidence.over_others(
            _InUnits(self, unit if two else unit[..., None])
        )

    def _factor(self, log_p, log_unit):
        """(1 - p)^gamma / exp(log_unit)."""
        return ops.exp(current(self.gamma) * self._log_base(log_p) - log_unit)

    def _log_base(self, log_p):
        """log(1 - p), whose digits a large gamma takes from a small p."""
        return select(log_p > -0.5, ops.log(self._base(log_p)), ops.log1p(-ops.exp(ceiling(log_p, -0.5))))

    @staticmethod
    def _base(log_p):
        """1 - p, kept above 0: it is divided by."""
        return floor(one_minus_exp(log_p), smallest(log_p))


class _InUnits:
    """`FL` divided by a number of each sample."""

    def __init__(self, loss, log_unit):
        self.loss, self.log_unit = loss, log_unit

    def at(self, p):
        return self.loss.value(p.log_p, self.log_unit)

    def slope_at(self, p):
        return self.loss.slope(p.log_p, self.log_unit)

    def signed_weight(self, p):
        return self.slope_at(p) * p.complement


@registered
class MAE(ElementaryLoss):
    """Mean absolute error, 1 - p: symmetric, so robust to uniform noise, but slow to learn with many classes.

    Papers print 2 (1 - p), the L1 distance to the one-hot label; all released code, and so all published weights of
    sums, have 1 - p.

    Reference: Ghosh et al. 2017.

    Example:

    >>> loss = keras_robust.MAE()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.5
    """

    def value(self, log_p):
        return one_minus_exp(log_p)

    def slope(self, log_p):
        return ops.exp(log_p)

    def gap(self, p, higher):
        return ops.exp(higher.log_p) - ops.exp(p.log_p)

    reads_of_sums = frozenset()

    def over_others(self, evidence):
        return evidence.sum_other_complements

    def over_classes(self, evidence):
        return float(evidence.num_classes - 1)


@registered
class RCE(ElementaryLoss):
    """Reverse cross entropy, -A (1 - p): cross entropy with prediction and label exchanged, log 0 set to A.

    Reference: Wang et al. 2019; Ma et al. 2020 print A = -4. Released code clamps the one-hot label at 1e-4, which
    is A = log(1e-4) = -9.2103 and weighs the term 2.303 times more.

    Args:
        A: what log 0 stands for, below 0.

    Example:

    >>> loss = keras_robust.RCE()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    2.0
    """

    A: float = parameter(default=-4.0, within=BELOW_ZERO)

    def value(self, log_p):
        return -current(self.A) * one_minus_exp(log_p)

    def slope(self, log_p):
        return -current(self.A) * ops.exp(log_p)

    def gap(self, p, higher):
        return -current(self.A) * (ops.exp(higher.log_p) - ops.exp(p.log_p))

    reads_of_sums = frozenset()

    def over_others(self, evidence):
        return -current(self.A) * evidence.sum_other_complements

    def over_classes(self, evidence):
        return -current(self.A) * float(evidence.num_classes - 1)


@registered
class GCE(ElementaryLoss):
    """Generalized cross entropy, (1 - p^q) / q: between cross entropy (q = 0) and MAE (q = 1).

    A good first choice. q above 1 bounds the loss even further, as the late phase of `DAL` does.

    Reference: Zhang & Sabuncu 2018; q = 0.7 as in the released code of Ma et al. 2020; Li et al. 2023 for
    q > 1. Nothing is clamped: a confidently wrong sample keeps its gradient.

    Args:
        q: robustness exponent, at least 0; 0 is exactly `CE`, 1 is `MAE`.

    Example:

    >>> loss = keras_robust.GCE()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.5492
    """

    q: float = parameter(default=0.7, within=at_least(0.0))

    def value(self, log_p):
        return -expm1_over(current(self.q), log_p)

    def slope(self, log_p):
        return ops.exp(current(self.q) * log_p)

    def gap(self, p, higher):
        q = current(self.q)
        return -ops.exp(q * higher.log_p) * expm1_over(q, p.log_p - higher.log_p)

    def over_others(self, evidence):
        # At q = 1 the sum over all labels is constant, which rounding would not leave it.
        if isinstance(self.q, float) and self.q == 1.0:
            return evidence.sum_other_complements
        return super().over_others(evidence)


@registered
class SCE(ComposedLoss):
    """Symmetric cross entropy, alpha CE + beta RCE.

    Reference: Wang et al. 2019, with alpha and beta as in its released code for CIFAR-10. See `RCE` for A.

    Args:
        alpha: weight of `CE`, at least 0.
        beta: weight of `RCE`, at least 0.
        A: what log 0 stands for, below 0.

    Example:

    >>> loss = keras_robust.SCE()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    2.0693
    """

    alpha: float = parameter(default=0.1, within=WEIGHT)
    beta: float = parameter(default=1.0, within=WEIGHT)
    A: float = parameter(default=-4.0, within=BELOW_ZERO)

    def line(self):
        return self.alpha * CE() + self.beta * RCE(self.A)


@registered
class TCE(ElementaryLoss):
    """Taylor cross entropy, sum_{i=1..t} (1 - p)^i / i: the Taylor series of -log p, cut after t terms.

    Reference: Feng et al. 2020.

    Args:
        t: number of terms, a whole number of at least 1; 1 is `MAE`, many terms come close to `CE`.
        t_max: the largest t that a schedule may set, which rounds what it sets. None: t.

    Example:

    >>> loss = keras_robust.TCE()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.625
    """

    t: int = parameter(default=2, within=at_least(1, integer=True))
    t_max: int | None = parameter(
        default=None, within=at_least(1, integer=True, optional=True), fixed=True, kw_only=True
    )

    def _check(self):
        if not isinstance(self.t, Moving):
            if self.t_max is not None and self.t > self.t_max:
                refuse("TCE", "t", f"at most t_max, {self.t_max}", self.t)
            self._most = self.t_max or self.t

    def value(self, log_p):
        """Horner's scheme; a term above a t that moves is switched off."""
        u, total = one_minus_exp(log_p), 0.0
        for i in range(self._most, 0, -1):
            total = u * (total + self._counts(i) / i)
        return total

    def slope(self, log_p):
        u, total = one_minus_exp(log_p), 0.0
        for i in range(self._most, 0, -1):
            total = u * total + self._counts(i)
        return ops.exp(log_p) * total

    def _counts(self, i):
        """1 for a term that counts, else 0."""
        counts = i - 0.5 <= current(self.t)
        return float(counts) if isinstance(counts, bool) else ops.cast(counts, "float32")

    def constraint_now(self, key):
        return Interval(1.0, float(self._most))

    def shown(self):
        return ["t"] if self.t_max is None else ["t", "t_max"]

    def get_config(self):
        moved = {"t_max": self._most} if isinstance(self.t, Moving) else {}
        return super().get_config() | moved


@registered
class Poly1(ComposedLoss):
    """Poly-1 loss, CE + epsilon (1 - p).

    Reference: Leng et al. 2022.

    Args:
        epsilon: change of the first Taylor coefficient of cross entropy, at least -1.

    Example:

    >>> loss = keras_robust.Poly1()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    1.1931
    """

    epsilon: float = parameter(default=1.0, within=at_least(-1.0))

    def line(self):
        return CE() + self.epsilon * MAE()


@registered
class PHuberCE(ElementaryLoss):
    """Partially Huberized cross entropy: -log p for p > 1 / tau, else the tangent -tau p + log tau + 1.

    Reference: Menon et al. 2020; tau = 10 on MNIST and CIFAR-100, 2 on CIFAR-10.

    Args:
        tau: largest slope in p, at least 1; 1 is `MAE`.

    Example:

    >>> loss = keras_robust.PHuberCE()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.6931
    """

    tau: float = parameter(default=10.0, within=at_least(1.0))

    def value(self, log_p):
        tau = current(self.tau)
        line = one_minus_exp(log_p + log(tau)) + log(tau)
        return select(log_p > -log(tau), -log_p, line)

    def slope(self, log_p):
        tau = current(self.tau)
        return select(log_p > -log(tau), ops.ones_like(log_p), tau * ops.exp(log_p))

    def over_others(self, evidence):
        direct = super().over_others(evidence)
        if evidence.num_classes == 2:
            return direct
        # Where it is linear in all of them, their sum depends on p_y alone, which rounding would not leave it.
        tau = current(self.tau)
        linear = (evidence.num_classes - 1.0) * (1.0 + log(tau)) - tau + tau * ops.exp(evidence.label.log_p)
        others = select(evidence.rows.at_ids, -math.inf, evidence.others.log_p)
        return select(ops.max(others, axis=-1) > -log(tau), direct, linear)
