"""Active negative losses (Ye et al. 2023): a normalized loss plus a normalized negative one."""

import math

from keras import ops

from keras_robust.backend import select
from keras_robust.checks import at_least
from keras_robust.losses.algebra import PROBABILITY, ComposedLoss, NegativeNormalized, Normalized, SumOfTerms
from keras_robust.losses.base import RobustLoss
from keras_robust.losses.declaration import current, parameter
from keras_robust.losses.elementary import CE, FL, WEIGHT
from keras_robust.numerics import floor
from keras_robust.registration import registered


@registered
class NNCE(ComposedLoss):
    """Normalized negative cross entropy, 1 - (A + log p_y) / sum_k (A + log p_k), A = -log p_min.

    Reference: Ye et al. 2023. In its Eq. 15, labeled entry, the numerator must sum over k != y.

    Args:
        p_min: smallest probability, in (0, 1/K); p is clamped there, as the definition says.

    Example:

    >>> loss = keras_robust.NNCE()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.6564
    """

    p_min: float = parameter(default=1e-7, within=PROBABILITY)

    def line(self):
        return NegativeNormalized(CE(), self.p_min)


@registered
class NNFL(ComposedLoss):
    """Normalized negative focal loss, 1 - (A - FL(y)) / sum_k (A - FL(k)), A = FL at p_min.

    Reference: Ye et al. 2023. The gradient flows through the focal factor; released code detaches it.

    Args:
        gamma: focusing exponent, at least 0.
        p_min: smallest probability, in (0, 1/K).

    Example:

    >>> loss = keras_robust.NNFL()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.6562
    """

    gamma: float = parameter(default=0.5, within=at_least(0.0))
    p_min: float = parameter(default=1e-7, within=PROBABILITY)

    def line(self):
        return NegativeNormalized(FL(self.gamma), self.p_min)


@registered
class ANLCE(ComposedLoss):
    """ANL-CE, alpha NCE + beta NNCE: the strongest all-round loss of the five papers. Start here.

    The paper trains it with an L1 penalty on all weights and no weight decay: `keras_robust.regularize(model, l1=...)`.

    Reference: Ye et al. 2023; alpha, beta and the L1 factor in its released code: 1, 1, 1e-6 (MNIST), 5, 5, 5e-5
    (CIFAR-10), 10, 1, 5e-7 (CIFAR-100), with a gradient norm clip of 5.

    Args:
        alpha: weight of `NCE`, at least 0.
        beta: weight of `NNCE`, at least 0.
        p_min: smallest probability of `NNCE`, in (0, 1/K).

    Example:

    >>> loss = keras_robust.ANLCE()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.8564
    """

    alpha: float = parameter(default=1.0, within=WEIGHT)
    beta: float = parameter(default=1.0, within=WEIGHT)
    p_min: float = parameter(default=1e-7, within=PROBABILITY)

    def line(self):
        return self.alpha * Normalized(CE()) + self.beta * NegativeNormalized(CE(), self.p_min)


@registered
class ANLFL(ComposedLoss):
    """ANL-FL, alpha NFL + beta NNFL.

    Reference: Ye et al. 2023, whose released code gives it the settings of `ANLCE` on MNIST and CIFAR.

    Args:
        alpha: weight of `NFL`, at least 0.
        beta: weight of `NNFL`, at least 0.
        gamma: focusing exponent of both, at least 0.
        p_min: smallest probability of `NNFL`, in (0, 1/K).

    Example:

    >>> loss = keras_robust.ANLFL()
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.8258
    """

    alpha: float = parameter(default=1.0, within=WEIGHT)
    beta: float = parameter(default=1.0, within=WEIGHT)
    gamma: float = parameter(default=0.5, within=at_least(0.0))
    p_min: float = parameter(default=1e-7, within=PROBABILITY)

    def line(self):
        return self.alpha * Normalized(FL(self.gamma)) + self.beta * NegativeNormalized(FL(self.gamma), self.p_min)


@registered
class ANLCEER(SumOfTerms):
    """ANL-CE with the entropy of the batch: ANL-CE + lam (log K + sum_k pbar_k log pbar_k), pbar the batch mean of p.

    The added term is at least 0, and 0 where the batch is predicted evenly over the classes. Ignored samples and those
    of weight 0 do not enter the mean. The loss couples the samples of a batch: it has no implicit weight, and under
    data parallelism each replica takes its own mean, so it is not equal to training on one device.

    Reference: the later variant of Ye et al. 2023; lam is 2 on CIFAR-10 and 0.01 on CIFAR-100 in its released code.

    Args:
        alpha: weight of `NCE`, at least 0.
        beta: weight of `NNCE`, at least 0.
        lam: weight of the entropy term, at least 0.
        p_min: smallest probability of `NNCE`, in (0, 1/K).

    Example:

    >>> loss = keras_robust.ANLCEER(alpha=1.0, beta=1.0, lam=0.01)
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.857
    """

    alpha: float = parameter(within=WEIGHT)
    beta: float = parameter(within=WEIGHT)
    lam: float = parameter(within=WEIGHT)
    p_min: float = parameter(default=1e-7, within=PROBABILITY)

    def summands(self):
        return ANLCE(self.alpha, self.beta, self.p_min), BatchEntropy()

    def weights(self, num_classes):
        return 1.0, current(self.lam)


@registered
class BatchEntropy(RobustLoss):
    """log K + sum_k pbar_k log pbar_k, pbar the batch mean of p: how far the batch is from being predicted evenly.

    A term for sums, as in `ANLCEER`; alone it ignores the labels.
    """

    batch_coupled = True
    reads = frozenset({"shares"})

    def per_sample(self, evidence):
        probs = ops.reshape(ops.exp(evidence.log_probs), (-1, evidence.num_classes))
        if evidence.valid is None:
            mean = ops.mean(probs, axis=0)
        else:
            counts = ops.cast(ops.reshape(evidence.valid, (-1, 1)), probs.dtype)
            mean = ops.sum(probs * counts, axis=0) / floor(ops.sum(counts), 1.0)
        present = mean > 0
        negative_entropy = ops.sum(select(present, mean * ops.log(select(present, mean, 1.0)), 0.0))
        shortfall = math.log(evidence.num_classes) + negative_entropy
        return shortfall * (evidence.label_mass * ops.ones_like(evidence.logits[..., 0]))

    def terms(self, num_classes):
        """None: it has no slope where the batch is predicted evenly, as it is at initialization."""
        return []
