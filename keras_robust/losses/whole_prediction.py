"""Losses that also look at the classes that are not the label."""

import math

import keras
from keras import ops

from keras_robust.backend import Constant
from keras_robust.checks import Distribution, Interval, OneOf, at_least, greater_than, refuse
from keras_robust.losses.algebra import ComposedLoss, SumOfTerms
from keras_robust.losses.base import RobustLoss, Term
from keras_robust.losses.declaration import Moving, Part, current, parameter
from keras_robust.losses.elementary import CE, GCE, MAE, WEIGHT
from keras_robust.numerics import SMALLEST, away_from_zero, where
from keras_robust.registration import registered

HARD_OR_SOFT = OneOf(("hard", "soft"))


@registered
class SumOfPowers(RobustLoss):
    """sum_k p_k^exponent, a term for sums: it ignores the labels.

    Args:
        exponent: above 0.
    """

    exponent: float = parameter(within=greater_than(0.0), fixed=True)
    reads = frozenset({"shares"})

    def per_sample(self, evidence):
        return ops.sum(ops.exp(current(self.exponent) * evidence.log_probs), axis=-1) * evidence.label_mass


@registered
class Expected(RobustLoss):
    """The expectation of cross entropy over a prior of the labels, - sum_k prior_k log p_k: a term for sums.

    Args:
        prior: probability of each class, K numbers that sum to 1. None: uniform.
    """

    prior: tuple | None = parameter(default=None, within=Distribution())

    def _check(self):
        self.reads = frozenset({"sum" if self.prior is None else "shares"})
        self._prior = None if self.prior is None else Constant(self.prior)

    def per_sample(self, evidence):
        if self.prior is None:
            return evidence.sum_log_probs * (-1.0 / evidence.num_classes) * evidence.label_mass
        prior = self._prior.tensor(keras.backend.standardize_dtype(evidence.log_probs.dtype))
        return -ops.sum(prior * evidence.log_probs, axis=-1) * evidence.label_mass


@registered
class MSE(ComposedLoss):
    """Mean squared error of the prediction, 1 - p_y + alpha sum_k p_k^2.

    alpha = 0.5 is half the squared distance to the one-hot label (plus a constant), alpha = 0 is `MAE`.

    Reference: Ou & Zhang 2023.

    Args:
        alpha: weight of the squares, at least 0.

    Example:

    >>> loss = keras_robust.MSE()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.6875
    """

    alpha: float = parameter(default=0.5, within=WEIGHT)

    def line(self):
        return MAE() + self.alpha * SumOfPowers(2.0)


@registered
class Bootstrap(RobustLoss):
    """The prediction's own opinion as a label: -max_k log p_k (hard) or the entropy of p (soft).

    A term for sums, as in `DAL`; alone it ignores the labels.

    Reference: Reed et al. 2015; Li et al. 2023, Eq. 13 (hard; its code is soft).

    Args:
        kind: "hard" or "soft".

    Example:

    >>> loss = keras_robust.Bootstrap()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.6931
    """

    kind: str = parameter(default="hard", within=HARD_OR_SOFT)

    def _check(self):
        self.of_maximum = self.kind == "hard"
        self.reads = frozenset({"max" if self.of_maximum else "shares"})

    def per_sample(self, evidence):
        if self.of_maximum:
            return -evidence.max_log_prob * evidence.label_mass
        return evidence.over_classes(_Surprise()) * evidence.label_mass


class _Surprise:
    """- p log p, a function of one probability: its sum over the classes is the entropy."""

    def at(self, p):
        return -ops.exp(p.log_p) * p.log_p

    def slope_at(self, p):
        return ops.exp(p.log_p) * (1.0 + p.log_p)


@registered
class DAL(SumOfTerms):
    """Dynamics-aware loss, GCE(q) + lam / (q log K) Bootstrap: fits early, grows robust and confident later.

    The paper moves q and lam during training (Algorithm 1); this class is the loss at one moment.

    Reference: Li et al. 2023, Eq. 13 for the hard bootstrap. Its released code bootstraps softly.

    Args:
        q: exponent of `GCE`, at least 0; the released code starts at 0.6 on CIFAR, 0.4 on mini WebVision.
        lam: weight of the bootstrapping term, at least 0; 0 is exactly GCE(q).
        bootstrap: "hard", the formula, or "soft", the released code.

    Raises:
        ValueError: if lam > 0 and q = 0.

    Example:

    >>> loss = keras_robust.DAL(q=1.2, lam=0.5)
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.7335
    """

    q: float = parameter(default=0.6, within=at_least(0.0))
    lam: float = parameter(default=0.0, within=WEIGHT)
    bootstrap: str = parameter(default="hard", within=HARD_OR_SOFT)

    def _check(self):
        moving = isinstance(self.q, Moving) or isinstance(self.lam, Moving)
        if not moving and self.lam > 0 and self.q == 0:
            raise ValueError(
                "`q` of DAL must be greater than 0 where lam is, because its weight is lam / (q log K). "
                f"Received: q={self.q!r}, lam={self.lam!r}."
            )
        super()._check()
        self.of_margin = not moving and self.lam == 0
        if self.of_margin:
            self.reads = frozenset()

    def summands(self):
        return GCE(self.q), Bootstrap(self.bootstrap)

    def weights(self, num_classes):
        q, lam = current(self.q), current(self.lam)
        # lam = 0 is exactly GCE(q), at q = 0 too; a schedule that has lam > 0 there makes the loss NaN.
        factor = where(q <= SMALLEST, lambda: math.nan, lambda: 1.0 / (away_from_zero(q) * math.log(num_classes)))
        return 1.0, where(lam <= 0, lambda: 0.0, lambda: lam * factor)

    def per_sample(self, evidence):
        return self._summands[0].per_sample(evidence) if self.of_margin else super().per_sample(evidence)

    def weight_at_margin(self, margin, num_classes):
        return self._summands[0].weight_at_margin(margin, num_classes)

    def terms(self, num_classes):
        return [Term(1.0, self)] if self.of_margin else super().terms(num_classes)


@registered
class GLS(SumOfTerms):
    """Generalized label smoothing, (1 - alpha) CE + alpha / K sum_k CE(k); negative alpha is allowed.

    Reference: Wei et al. 2022. A negative alpha makes the loss unbounded from below; the released code warms up with CE
    and goes on at a learning rate of 1e-6.

    Args:
        alpha: smoothing rate, at most 1.

    Example:

    >>> loss = keras_robust.GLS(alpha=0.1)
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.7394
    """

    alpha: float = parameter(within=Interval(high=1.0))

    def summands(self):
        return CE(), Expected()

    def weights(self, num_classes):
        alpha = current(self.alpha)
        return 1.0 - alpha, alpha


@registered
class CR(SumOfTerms):
    """Cross entropy with the confidence regularizer: CE minus beta times its expectation over the label prior.

    -log p_y + beta sum_k prior_k log p_k. It is not bounded from below.

    Reference: Cheng et al. 2021 (CORES^2).

    Args:
        beta: weight of the regularizer, at least 0.
        prior: probability of each class in the noisy labels, K numbers that sum to 1. None: uniform.

    Raises:
        ValueError: at the first call, if `prior` does not have K entries.

    Example:

    >>> loss = keras_robust.CR(beta=0.5)
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.1155
    """

    beta: float = parameter(within=WEIGHT)
    prior: tuple | None = parameter(default=None, within=Distribution())

    def summands(self):
        return CE(), Expected(self.prior)

    def weights(self, num_classes):
        if self.prior is not None and len(self.prior) != num_classes:
            refuse("CR", "prior", f"{num_classes} probabilities, one for each class of y_pred", self.prior)
        return 1.0, -current(self.beta)


@registered
class SparseRegularized(RobustLoss):
    """A loss of L2-normalized logits over tau, plus lam sum_k p_k^p: predictions are held close to one-hot.

    Any loss becomes more robust where predictions are restricted to permutations of one fixed, near one-hot vector.

    Reference: Zhou et al. 2021 (sparse regularization); in its released code lam grows by 1.03 (CIFAR-10) or 1.02
    (CIFAR-100) an epoch.

    Args:
        loss: any loss; `CE()` gives the CE+SR of the paper.
        tau: temperature, above 0.
        lam: weight of the sparsity term, at least 0.
        p: exponent of the term, above 0.

    Raises:
        ValueError: unless `from_logits=True`, because probabilities have lost the scale of the logits.

    Example:

    >>> loss = keras_robust.SparseRegularized(keras_robust.CE(), from_logits=True)
    >>> round(float(loss([0], [[3.0, 0.0, -1.0]])), 4)
    2.7571
    """

    loss: RobustLoss = parameter(within=Part())
    tau: float = parameter(default=0.5, within=greater_than(0.0))
    lam: float = parameter(default=1.0, within=WEIGHT)
    p: float = parameter(default=0.1, within=greater_than(0.0))

    takes_one_logit = False

    def _check(self):
        if not self.from_logits:
            refuse("SparseRegularized", "from_logits", "True, because it normalizes the logits", self.from_logits)
        self._line = self.loss + self.lam * SumOfPowers(self.p)
        self.batch_coupled = self._line.batch_coupled

    def per_sample(self, evidence):
        return self._line.per_sample(evidence.normalized(current(self.tau)))
