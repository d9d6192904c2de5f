"""The algebra of losses: sums and wrappers, each a loss itself.

a * L1 + b * L2          WeightedSum
Normalized(L)            L(y) / sum_k L(k)
NegativeNormalized(L)    1 - (A - L(y)) / sum_k (A - L(k)),  A = L at p_min
LogitBias(L, epsilon)    L of z + epsilon at the label
MarginShift(L, tau)      LogitBias(L, |E margin| - tau)
MarginScale(L, tau)      L of p* = sigmoid(margin * tau / |E margin|)
UnitWeight(L)            L / max over the margin of its implicit weight
"""

import math
import numbers
from collections import Counter

import keras
from keras import ops

from keras_robust.checks import Interval, refuse
from keras_robust.losses.base import DEFAULTS, RobustLoss, snake_case
from keras_robust.losses.evidence import Probability
from keras_robust.losses.kinds import Part
from keras_robust.losses.parameters import parameter
from keras_robust.registration import registered

PROBABILITY = Interval(0.0, 1.0, open_low=True, open_high=True)


def scale(loss, weight):
    """`weight * loss`; the weights of a sum are multiplied."""
    if isinstance(weight, bool) or not isinstance(weight, numbers.Real):
        return NotImplemented
    weight = Interval().check("a weighted loss", "weight", weight)
    if isinstance(loss, WeightedSum):
        return WeightedSum(loss.losses, [weight * w for w in loss.weights], **loss.explicit_keywords())
    return WeightedSum([loss], [weight])


def add(first, second):
    """`first + second`; sums within sums are flattened, so that evidence is shared by all terms."""
    if isinstance(second, numbers.Real) and second == 0:
        return first
    if not isinstance(second, RobustLoss):
        return NotImplemented
    terms = [
        (loss, weight)
        for side in (first, second)
        for loss, weight in (
            zip(side.losses, side.weights, strict=True) if isinstance(side, WeightedSum) else [(side, 1.0)]
        )
    ]
    keywords = {}
    for side in (first, second):
        if isinstance(side, WeightedSum):
            keywords |= side.explicit_keywords()
    return WeightedSum(*zip(*terms, strict=True), **keywords)


@registered
class WeightedSum(RobustLoss):
    """sum_i w_i L_i, the loss that `a * L1 + b * L2` makes.

    It has no keywords of its own: it takes those that its parts set, which must agree.

    Args:
        losses: the parts.
        weights: a finite number for each.

    Raises:
        ValueError: if two parts set a shared keyword differently.

    Example:

    >>> loss = 2.0 * keras_robust.CE() + keras_robust.MAE()
    >>> round(float(loss(np.array([0]), np.array([[0.5, 0.5]]))), 4)
    1.8863
    """

    def __init__(self, losses, weights, **keywords):
        losses, weights = tuple(losses), tuple(weights)
        if not losses or len(losses) != len(weights):
            refuse("WeightedSum", "weights", f"one number for each of the {len(losses)} losses", weights)
        self.losses = tuple(Part().check("WeightedSum", "losses", loss) for loss in losses)
        self.weights = tuple(Interval().check("WeightedSum", "weights", weight) for weight in weights)
        for key in DEFAULTS.keys() - {"name"}:
            for loss in self.losses:
                if key in loss._explicit:
                    value = getattr(loss, key)
                    if keywords.setdefault(key, value) != value:
                        raise ValueError(
                            f"The parts of a sum must agree. Received: {key}={keywords[key]!r} and {key}={value!r} "
                            f"(in {type(loss).__name__})."
                        )
        self._explicit = set(keywords)
        self._configure(**{key: keywords.get(key, default) for key, default in DEFAULTS.items()})
        self.of_probability = all(loss.of_probability for loss in self.losses)
        self.of_margin = all(loss.of_margin for loss in self.losses)
        self.batch_coupled = any(loss.batch_coupled for loss in self.losses)
        self.decreasing = all(loss.decreasing for loss in self.losses) and min(self.weights) >= 0 < max(self.weights)

    def explicit_keywords(self):
        return {key: getattr(self, key) for key in self._explicit - {"name"}}

    @property
    def parts(self):
        kinds = [snake_case(type(loss).__name__) for loss in self.losses]
        seen, parts = Counter(), {}
        for kind, loss in zip(kinds, self.losses, strict=True):
            parts[kind if seen[kind] == 0 else f"{kind}_{seen[kind]}"] = loss
            seen[kind] += 1
        return parts

    def _walk(self):
        for (key, part), weight in zip(self.parts.items(), self.weights, strict=True):
            yield (key, "weight"), weight
            for path, value in part._walk():
                yield (key, *path), value

    def _sum(self, method, *args):
        terms = [weight * getattr(loss, method)(*args) for loss, weight in zip(self.losses, self.weights, strict=True)]
        return sum(terms[1:], start=terms[0])

    def value(self, p):
        return self._sum("value", p)

    def weight(self, p):
        return self._sum("weight", p)

    def total(self, evidence):
        return self._sum("total", evidence)

    def per_sample(self, evidence):
        return self._sum("per_sample", evidence)

    def label_weight(self, evidence):
        return self._sum("label_weight", evidence)

    def get_config(self):
        config = super().get_config()
        config["losses"] = [keras.saving.serialize_keras_object(loss) for loss in self.losses]
        config["weights"] = list(self.weights)
        return config

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        losses = [keras.saving.deserialize_keras_object(loss) for loss in config.pop("losses")]
        weights = config.pop("weights")
        return cls(losses, weights, **{key: value for key, value in config.items() if value != DEFAULTS[key]})

    def __repr__(self):
        return " + ".join(f"{weight:g} * {loss!r}" for loss, weight in zip(self.losses, self.weights, strict=True))


class WrapperOfProbability(RobustLoss):
    """A wrapper around a function of one probability; it refuses anything else."""

    loss: RobustLoss = parameter(within=Part())

    def _check(self):
        kind = type(self).__name__
        if not self.loss.of_probability:
            raise ValueError(
                f"`loss` of {kind} must be a function of the label's probability alone, such as CE, GCE or a sum of "
                f"such. Received: {self.loss!r}. Where both make sense, put {kind} inside: "
                f"{type(self.loss).__name__}({kind}(...))."
            )


@registered
class Normalized(WrapperOfProbability):
    """A loss divided by its sum over all labels: L(y) / sum_k L(k).

    Any loss becomes symmetric by it: the normalised losses of the K labels sum to 1, so uniform label noise does not
    move the minimiser. Alone it underfits; see `APL`.

    Reference: N (Ma et al. 2020), Eq. 4 (whose printed sign of the normaliser is wrong).

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
    """Normalised negative loss: 1 - (A - L(y)) / sum_k (A - L(k)), with p clamped from below at `p_min`, A = L(p_min).

    A passive loss made from an active one: it pushes down the classes that are not the label. Symmetric, as
    `Normalized`.

    Reference: A (Ye et al. 2023); the clamp max(p_k, p_min) is part of the definition, so that the gradient of a
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
        if self.p_min * evidence.num_classes >= 1.0:
            refuse(type(self).__name__, "p_min", f"below 1/K = 1/{evidence.num_classes}", self.p_min)
        smallest = Probability(
            evidence.num_classes, ops.convert_to_tensor(math.log(self.p_min), evidence.log_probs.dtype)
        )
        highest = self.loss.value(smallest)

        def negative(p):
            return highest - self.loss.value(p.floored(self.p_min))

        return evidence.label_mass - evidence.at_label(negative) / evidence.over_classes(negative)


@registered
class UnitWeight(WrapperOfProbability):
    """A loss divided by the supremum of its implicit weight, so that max over the margin of w is 1.

    Losses become comparable at one learning rate: they differ in where they put weight, not in how much.

    Reference: C (Ou & Zhang 2023); its Table 6 lists the weights.

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
