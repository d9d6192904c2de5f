"""The kinds of losses that most are, and the wrappers of one probability. Sums, a * L1 + b * L2, stand in `base`.

Normalized(L)            L(y) / sum_k L(k)
NegativeNormalized(L)    1 - (A - L(y)) / sum_k (A - L(k)),  A = L at p_min
UnitWeight(L)            L / sup over the margin of its implicit weight

The wrappers that move the label's margin stand in `margins`.
"""

import math

from keras import ops

from keras_robust.backend import largest, select
from keras_robust.checks import Interval, refuse
from keras_robust.losses.base import Negative, OfProbability, RobustLoss, Term, scaled_terms
from keras_robust.losses.declaration import Part, current, parameter
from keras_robust.losses.evidence import Probability
from keras_robust.losses.rows import share
from keras_robust.numerics import ceiling, floor, log
from keras_robust.registration import registered

PROBABILITY = Interval(0.0, 1.0, open_low=True, open_high=True)


class ElementaryLoss(OfProbability):
    """A function of one log-probability: a subclass says its `value` and, directly below, its `slope`.

    The gradient is the slope's: the value is never differentiated. Both take log p of any shape, use `keras.ops` alone,
    and reduce and clip nothing.
    """

    of_probability = of_margin = decreasing = True

    def value(self, log_p):
        """The loss of a sample whose label has probability p."""
        raise TypeError(f"{type(self).__name__} does not define value(log_p).")

    def slope(self, log_p):
        """- d value / d log p."""
        raise TypeError(f"{type(self).__name__} does not define slope(log_p).")

    def at(self, p):
        return self.value(p.log_p)

    def slope_at(self, p):
        return self.slope(p.log_p)


class ComposedLoss(OfProbability):
    """A named loss that is one line on the algebra: a subclass gives the line."""

    def line(self) -> RobustLoss:
        """The loss that this one is a name for."""
        raise TypeError(f"{type(self).__name__} does not define line().")

    def _check(self):
        self._line = line = self.line()
        for trait in ("of_probability", "of_margin", "of_maximum", "decreasing", "batch_coupled", "reads"):
            setattr(self, trait, getattr(line, trait))
        self.reads_of_sums = getattr(line, "reads_of_sums", None)

    def at(self, p):
        return self._line.at(p)

    def slope_at(self, p):
        return self._line.slope_at(p)

    def signed_weight(self, p):
        return self._line.signed_weight(p)

    def gap(self, p, higher):
        return self._line.gap(p, higher)

    def over_others(self, evidence):
        return self._line.over_others(evidence)

    def over_classes(self, evidence):
        return self._line.over_classes(evidence)

    def negative_over_others(self, evidence, p_min):
        return self._line.negative_over_others(evidence, p_min)

    def per_sample(self, evidence):
        return self._line.per_sample(evidence)

    def weight_at_margin(self, margin, num_classes):
        return self._line.weight_at_margin(margin, num_classes)

    def terms(self, num_classes):
        return [Term(1.0, self)] if self.of_margin else self._line.terms(num_classes)


class SumOfTerms(RobustLoss):
    """A weighted sum whose weights are formulas of hyper-parameters and of the number of classes."""

    def summands(self) -> tuple[RobustLoss, ...]:
        """The losses that are added."""
        raise TypeError(f"{type(self).__name__} does not define summands().")

    def weights(self, num_classes) -> tuple:
        """A number or scalar tensor for each of `summands`."""
        raise TypeError(f"{type(self).__name__} does not define weights(num_classes).")

    def _check(self):
        self._summands = self.summands()
        self.batch_coupled = any(loss.batch_coupled for loss in self._summands)
        self.reads = frozenset().union(*(loss.reads for loss in self._summands))

    def per_sample(self, evidence):
        weighted = zip(self.weights(evidence.num_classes), self._summands, strict=True)
        first, *rest = (weight * loss.per_sample(evidence) for weight, loss in weighted)
        return sum(rest, start=first)

    def terms(self, num_classes):
        return scaled_terms(num_classes, zip(self.weights(num_classes), self._summands, strict=True))


class WrapperOfProbability(OfProbability):
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
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
    0.2
    """

    def _check(self):
        super()._check()
        self.reads = self.loss.reads_of_sums

    def per_sample(self, evidence):
        if evidence.has_ids:
            return share(*self.loss.label_and_others(evidence))
        return self.loss.per_sample(evidence) / self.loss.over_classes(evidence)


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
    >>> round(float(loss([0], [[0.5, 0.25, 0.25]])), 4)
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
        self.reads = self.loss.reads_of_sums
        if self.reads == {"sum"} and isinstance(self.p_min, float):
            self.reads = frozenset({log(self.p_min)})

    def per_sample(self, evidence):
        p_min = current(self.p_min)
        if isinstance(p_min, float) and p_min * evidence.num_classes >= 1.0:
            refuse(type(self).__name__, "p_min", f"below 1/K = 1/{evidence.num_classes}", p_min)
        if not isinstance(p_min, float):
            p_min = select(p_min * evidence.num_classes < 1.0, p_min, math.nan)
        negative = Negative(self.loss, p_min)
        if evidence.has_ids:
            return share(self.loss.negative_over_others(evidence, p_min), evidence.at_label(negative, log(p_min)))
        values = evidence.of_classes(negative, log(p_min))
        return evidence.label_mass - evidence.pick(values) / ops.sum(values, axis=-1)


@registered
class UnitWeight(WrapperOfProbability):
    """A loss divided by the supremum of its implicit weight, so that max over the margin of w is 1.

    Losses become comparable at one learning rate: they differ in where they put weight, not in how much.

    Reference: Ou & Zhang 2023; its Table 6 lists the weights.

    Args:
        loss: a function of one probability whose weight is not 0 everywhere.

    Example:

    >>> loss = keras_robust.UnitWeight(keras_robust.MAE())
    >>> round(float(loss([0], [[0.5, 0.5]])), 4)
    2.0
    """

    of_probability = of_margin = True

    def _check(self):
        super()._check()
        self.decreasing, self.reads = self.loss.decreasing, self.loss.reads

    def factor(self, num_classes, dtype="float32"):
        """1 / sup over the margin of |w|, from three rounds of search on ever finer grids."""
        low, high, highest = -100.0, 40.0, 0.0
        steps = ops.arange(513, dtype=dtype) / 512.0
        for _ in range(3):
            margins = low + (high - low) * steps
            weights = ops.abs(self.loss.signed_weight(Probability(num_classes, margin=margins)))
            best = ops.argmax(weights)
            low = ops.take(margins, floor(best - 1, 0))
            high = ops.take(margins, ceiling(best + 1, 512))
            highest = largest(weights)
        return 1.0 / highest

    def at(self, p):
        value = self.loss.at(p)
        return self.factor(p.num_classes, value.dtype) * value

    def slope_at(self, p):
        slope = self.loss.slope_at(p)
        return self.factor(p.num_classes, slope.dtype) * slope

    def signed_weight(self, p):
        weight = self.loss.signed_weight(p)
        return self.factor(p.num_classes, weight.dtype) * weight

    def per_sample(self, evidence):
        losses = self.loss.per_sample(evidence)
        return self.factor(evidence.num_classes, losses.dtype) * losses
