"""Losses that also look at the classes that are not the label."""

import math

from keras import ops

from keras_robust.checks import Distribution, Interval, OneOf, at_least, greater_than, refuse
from keras_robust.losses import formulas
from keras_robust.losses.base import RobustLoss
from keras_robust.losses.declaration import Moving, Part, current, parameter
from keras_robust.losses.elementary import CE, GCE, MAE, WEIGHT
from keras_robust.losses.evidence import SMALLEST
from keras_robust.losses.formulas import away_from_zero, where
from keras_robust.registration import registered

HARD_OR_SOFT = OneOf(("hard", "soft"))


@registered
class MSE(RobustLoss):
    """Mean squared error of the prediction, 1 - p_y + alpha sum_k p_k^2.

    alpha = 0.5 is half the squared distance to the one-hot label (plus a constant), alpha = 0 is `MAE`.

    Reference: Ou & Zhang 2023.

    Args:
        alpha: weight of the squares, at least 0.

    Example:

    >>> round(float(keras_robust.MSE()(np.array([0]), np.array([[0.5, 0.25, 0.25]]))), 4)
    0.6875
    """

    alpha: float = parameter(default=0.5, within=WEIGHT)

    def per_sample(self, evidence):
        squares = evidence.over_classes(lambda p: ops.exp(2.0 * p.log_p))
        return MAE().per_sample(evidence) + current(self.alpha) * squares * evidence.label_mass


@registered
class Bootstrap(RobustLoss):
    """The prediction's own opinion as a label: -max_k log p_k (hard) or the entropy of p (soft).

    A term for sums, as in `DAL`; alone it ignores the labels.

    Reference: Reed et al. 2015; Li et al. 2023, Eq. 13 (hard; its code is soft).

    Args:
        kind: "hard" or "soft".

    Example:

    >>> round(float(keras_robust.Bootstrap()(np.array([0]), np.array([[0.5, 0.25, 0.25]]))), 4)
    0.6931
    """

    kind: str = parameter(default="hard", within=HARD_OR_SOFT)

    def per_sample(self, evidence):
        term = -evidence.max_log_prob if self.kind == "hard" else evidence.entropy
        return term * evidence.label_mass


@registered
class DAL(RobustLoss):
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
    >>> round(float(loss(np.array([0]), np.array([[0.5, 0.25, 0.25]]))), 4)
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
        self.of_margin = not moving and self.lam == 0

    def per_sample(self, evidence):
        fit = GCE(self.q).per_sample(evidence)
        if self.of_margin:
            return fit
        q, lam = current(self.q), current(self.lam)
        # lam = 0 is exactly GCE(q), at q = 0 too; a schedule that has lam > 0 there makes the loss NaN.
        factor = where(
            q <= SMALLEST, lambda: math.nan, lambda: 1.0 / (away_from_zero(q) * math.log(evidence.num_classes))
        )
        weight = where(lam <= 0, lambda: 0.0, lambda: lam * factor)
        return fit + weight * Bootstrap(self.bootstrap).per_sample(evidence)

    def label_weight(self, evidence):
        return GCE(self.q).label_weight(evidence)


@registered
class GLS(RobustLoss):
    """Generalized label smoothing, (1 - alpha) CE + alpha / K sum_k CE(k); negative alpha is allowed.

    Reference: Wei et al. 2022. A negative alpha makes the loss unbounded from below; the released code warms up with CE
    and goes on at a learning rate of 1e-6.

    Args:
        alpha: smoothing rate, at most 1.

    Example:

    >>> loss = keras_robust.GLS(alpha=0.1)
    >>> round(float(loss(np.array([0]), np.array([[0.5, 0.25, 0.25]]))), 4)
    0.7394
    """

    alpha: float = parameter(within=Interval(high=1.0))

    def per_sample(self, evidence):
        alpha = current(self.alpha)
        smooth = evidence.sum_log_probs * (alpha / evidence.num_classes) * evidence.label_mass
        return (1.0 - alpha) * CE().per_sample(evidence) - smooth


@registered
class CR(RobustLoss):
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
    >>> round(float(loss(np.array([0]), np.array([[0.5, 0.25, 0.25]]))), 4)
    0.1155
    """

    beta: float = parameter(within=WEIGHT)
    prior: tuple | None = parameter(default=None, within=Distribution())

    def per_sample(self, evidence):
        if self.prior is None:
            expected = evidence.sum_log_probs / evidence.num_classes
        elif len(self.prior) != evidence.num_classes:
            refuse("CR", "prior", f"{evidence.num_classes} probabilities, one for each class of y_pred", self.prior)
        else:
            prior = ops.convert_to_tensor(self.prior, dtype=evidence.log_probs.dtype)
            expected = ops.sum(prior * evidence.log_probs, axis=-1)
        return CE().per_sample(evidence) + current(self.beta) * expected * evidence.label_mass


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
    >>> round(float(loss(np.array([0]), np.array([[3.0, 0.0, -1.0]]))), 4)
    2.7571
    """

    loss: RobustLoss = parameter(within=Part())
    tau: float = parameter(default=0.5, within=greater_than(0.0))
    lam: float = parameter(default=1.0, within=WEIGHT)
    p: float = parameter(default=0.1, within=greater_than(0.0))

    def _check(self):
        self.batch_coupled = self.loss.batch_coupled
        if not self.from_logits:
            refuse("SparseRegularized", "from_logits", "True, because it normalizes the logits", self.from_logits)

    def per_sample(self, evidence):
        sharp = evidence.normalized(current(self.tau))
        sparsity = sharp.over_classes(lambda p: ops.exp(current(self.p) * p.log_p))
        return self.loss.per_sample(sharp) + current(self.lam) * sparsity * sharp.label_mass


@registered
class BiTempered(RobustLoss):
    """Bi-tempered logistic loss: a tempered logarithm (t1) of a tempered softmax (t2).

    (1 - p_y^(1 - t1)) / (1 - t1) - (1 - sum_k p_k^(2 - t1)) / (2 - t1), with
    p_k = [1 + (t2 - 1) (x - z_k)]^(-1 / (t2 - 1)) and x such that the p_k sum to 1. t1 < 1 bounds the
    loss, t2 > 1 gives the softmax heavy tails; t1 = t2 = 1 is CE.

    Reference: Amid et al. 2019. x comes from Newton steps with an implicit gradient; the fixed point of the published
    code errs by up to 1.7e-2 after 5 steps.

    Args:
        t1: temperature of the logarithm, in [0, 1].
        t2: temperature of the softmax, at least 1.
        iterations: Newton steps, at least 1.

    Example:

    >>> loss = keras_robust.BiTempered(from_logits=True)
    >>> round(float(loss(np.array([0]), np.array([[3.0, 0.0, -1.0]]))), 4)
    0.0767
    """

    t1: float = parameter(default=0.8, within=Interval(0.0, 1.0))
    t2: float = parameter(default=1.2, within=at_least(1.0))
    iterations: int = parameter(default=20, within=at_least(1, integer=True), fixed=True)

    def per_sample(self, evidence):
        t1 = current(self.t1)
        tempered = evidence.tempered(current(self.t2), self.iterations)
        power = 2.0 - t1
        excess = tempered.over_classes(lambda p: ops.exp(power * p.log_p)) - 1.0
        fit = tempered.at_label(lambda p: formulas.gce(p.log_p, 1.0 - t1))
        return fit + excess / power * tempered.label_mass
