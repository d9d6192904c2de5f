"""The algebra of losses: wrappers, each a loss itself. Sums, a * L1 + b * L2, stand in `base`.

Normalized(L)            L(y) / sum_k L(k)
NegativeNormalized(L)    1 - (A - L(y)) / sum_k (A - L(k)),  A = L at p_min
UnitWeight(L)            L / sup over the margin of its implicit weight

The wrappers that move the label's margin stand in `margins`.
"""

import math

from keras import ops

from keras_robust.checks import Interval, refuse
from keras_robust.losses.base import RobustLoss
from keras_robust.losses.declaration import Part, current, parameter
from keras_robust.losses.evidence import Probability
from keras_robust.losses.formulas import log
from keras_robust.registration import registered

PROBABILITY = Interval(0.0, 1.0, open_low=True, open_high=True)


class WrapperOfProbability(RobustLoss):
    """A wrapper around a function of one probability; it refuses anything else."""

    loss: RobustLoss = parameter(within=Part())

    def _check(self):
        kind = type(self).__name__
        if not self.loss.of_probability:
            hint = f" A logit bias goes outside: LogitBias({kind}(...))." if self.loss.of_margin else ""
            raise ValueError(
                f"`loss` of {kind} must be a function of the label's probability alone, such as CE, GCE or a sum of "
                f"such. Received: {self.loss!r}.{hint}"
            )


@registered
class Normalized(WrapperOfProbability):
    """A loss divided by its sum over all labels: L(y) / sum_k L(k).

    Any loss becomes symmetric by it: the normalized losses of the K labels sum to 1, so uniform label noise does not
    move the minimizer. Alone it underfits; see `APL`.

    Reference: Ma et al. 2020, Eq. 4 (whose printed sign of the normalizer is wrong).

    Args:
        loss: a function of one probability (`CE`, `FL`, `GCE`, ..., sums of them, `UnitWeight`, `MarginScale`).

    Raises:
        ValueError: if `loss` is anything else.

    Example:

    >>> loss = keras_robust.Normalized(keras_robust.CE())
    >>> round(float(loss(np.array([0]), np.array([[0.5, 0.25, 0.25]]))), 4)
    0.2
    """

    def per_sample(self, evidence):
        return self.loss.per_sample(evidence) / self.loss.total(evidence)


@registered
class NegativeNormalized(WrapperOfProbability):
    """Normalized negative loss: 1 - (A - L(y)) / sum_k (A - L(k)), with p clamped from below at `p_min`, A = L(p_min).

    A passive loss made from an active one: it pushes down the classes that are not the label. Symmetric, as
    `Normalized`.

    Reference: Ye et al. 2023; the clamp max(p_k, p_min) is part of the definition, so that the gradient of a
    clamped entry is 0.

    Args:
        loss: a decreasing function of one probability.
        p_min: the smallest probability, in (0, 1/K). Default of the paper's code.

    Raises:
        ValueError: if `loss` is not a decreasing function of one probability, or K * p_min >= 1.

    Example:

    >>> loss = keras_robust.NegativeNormalized(keras_robust.CE())
    >>> round(float(loss(np.array([0]), np.array([[0.5, 0.25, 0.25]]))), 4)
    0.6564
    """

    p_min: float = parameter(default=1e-7, within=PROBABILITY)

    def _check(self):
        super()._check()
        if not self.loss.decreasing:
            raise ValueError(
                "`loss` of NegativeNormalized must fall as the label's probability rises: all weights of a sum at "
                f"least 0, one of them above. Received: {self.loss!r}."
            )

    def per_sample(self, evidence):
        p_min = current(self.p_min)
        if isinstance(p_min, float) and p_min * evidence.num_classes >= 1.0:
            refuse(type(self).__name__, "p_min", f"below 1/K = 1/{evidence.num_classes}", p_min)
        if not isinstance(p_min, float):
            p_min = ops.where(p_min * evidence.num_classes < 1.0, p_min, math.nan)
        smallest = Probability(evidence.num_classes, ops.convert_to_tensor(log(p_min), evidence.logits.dtype))
        highest = self.loss.value(smallest)

        def negative(p):
            return ops.subtract(highest, self.loss.value(p.floored(p_min)))

        return evidence.label_mass - evidence.at_label(negative) / self.loss.negative_total(evidence, p_min, highest)


@registered
class UnitWeight(WrapperOfProbability):
    """A loss divided by the supremum of its implicit weight, so that max over the margin of w is 1.

    Losses become comparable at one learning rate: they differ in where they put weight, not in how much.

    Reference: Ou & Zhang 2023; its Table 6 lists the weights.

    Args:
        loss: a function of one probability whose weight is not 0 everywhere.

    Example:

    >>> loss = keras_robust.UnitWeight(keras_robust.MAE())
    >>> round(float(loss(np.array([0]), np.array([[0.5, 0.5]]))), 4)
    2.0
    """

    of_probability = of_margin = True

    def _check(self):
        super()._check()
        self.decreasing = self.loss.decreasing

    def factor(self, num_classes, dtype="float32"):
        """1 / sup over the margin of |w|, from three rounds of search on ever finer grids."""
        low, high, highest = -100.0, 40.0, 0.0
        steps = ops.linspace(0.0, 1.0, 513, dtype=dtype)
        for _ in range(3):
            margins = low + (high - low) * steps
            weights = ops.abs(self.loss.weight(Probability(num_classes, margin=margins)))
            best = ops.argmax(weights)
            low = ops.take(margins, ops.maximum(best - 1, 0))
            high = ops.take(margins, ops.minimum(best + 1, 512))
            highest = ops.max(weights)
        return 1.0 / highest

    def value(self, p):
        value = self.loss.value(p)
        return self.factor(p.num_classes, value.dtype) * value

    def weight(self, p):
        weight = self.loss.weight(p)
        return self.factor(p.num_classes, weight.dtype) * weight

    def per_sample(self, evidence):
        losses = self.loss.per_sample(evidence)
        return self.factor(evidence.num_classes, losses.dtype) * losses

    def total(self, evidence):
        return self.factor(evidence.num_classes, evidence.logits.dtype) * self.loss.total(evidence)
