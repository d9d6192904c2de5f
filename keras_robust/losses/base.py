"""What all losses share: labels, masks, weights, reduction, and that they can be weighted and added.

A loss itself only says `per_sample(evidence)`.
"""

import inspect
import numbers
from collections import Counter
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_robust.checks import Interval, refuse
from keras_robust.losses.calling import CalledLoss
from keras_robust.losses.declaration import (
    DEFAULTS,
    SHARED,
    Moving,
    Part,
    Slot,
    as_number,
    current,
)
from keras_robust.losses.evidence import Evidence, Probability
from keras_robust.losses.saved import check_saved, restored
from keras_robust.numerics import SMALLEST, floor, log
from keras_robust.registration import registered, snake_case


class Term(NamedTuple):
    """A part of a loss as theory takes it: its loss, weighted, at the label or at another class.

    Attributes:
        weight: its factor.
        loss: the part.
        bias: what is added to the label's logit before it.
        of_label: whether it is taken at the label; False: at the label of another sample that has another class.
    """

    weight: Any
    loss: "RobustLoss"
    bias: Any = 0.0
    of_label: bool = True


class RobustLoss(CalledLoss):
    """Base class of all losses of this package.

    Args:
        from_logits: whether `y_pred` holds logits (recommended) or probabilities. Probabilities are renormalized and
            floored at 2^-126.
        ignore_class: a class id whose samples count for nothing, for example 255 in segmentation; None: no class.
        reduction: "sum_over_batch_size" (alias "mean"), "sum", "mean_with_sample_weight", or None ("none").
        name: name of the loss; by default made from the class name.
        dtype: dtype of the computation, float32 at least whatever is asked for. By default the widest of Keras'
            `floatx`, float32 and the dtype of `y_pred`.

    Shapes:
        y_pred: (..., K), classes last; (K,) gives a scalar. K = 1 is one yes/no output, read as by `Binary`.
        y_true: class ids (integers) of shape (...) or (..., 1), or one-hot / soft labels t of shape (..., K), for
            which the loss is the expectation sum_k t_k L(k).
        Per-sample loss (`reduction=None`): (...).

    Losses can be weighted and added: `2.0 * CE() + MAE()` is a loss that computes what both need once.

    Raises:
        ValueError: for an argument out of range (in the constructor); for shapes that do not fit, float ids (at the
            first call); for ids outside [0, K), targets that are no distribution (an entry below 0, a sum of 0 or
            above 1) and negative probabilities (where values are in the memory of the host; in a compiled step or on
            an accelerator the loss of such a sample is NaN).
    """

    # What a loss defines

    def per_sample(self, evidence: Evidence) -> Any:
        """Loss (...) of each sample, from its evidence."""
        raise TypeError(f"{type(self).__name__} does not define per_sample(evidence).")

    #: What `per_sample` reads of the rows besides the margin of the label, see `rows.generic.Others`.
    reads: frozenset = frozenset()

    #: Whether the loss is a function of one probability, p_y: then it has the methods of `OfProbability`.
    of_probability = False

    #: Whether the loss of an id is a function of the margin alone: then it has `weight_at_margin`.
    of_margin = False

    #: Whether the loss is - max_k log p_k, which has a kink where two classes are equal.
    of_maximum = False

    #: Whether the loss falls strictly as p_y rises, as NegativeNormalized needs.
    decreasing = False

    #: Whether samples of a batch enter each other's loss.
    batch_coupled = False

    #: Whether a sample has C outputs with a yes/no question each, as `Binary` reads them.
    asks_questions = False

    #: Whether the loss learns from two classes with the logits (0, z).
    takes_one_logit = True

    def of_questions(self, questions) -> Any:
        """Loss (..., C) of each yes/no output; see `samples.Questions`."""
        return questions.expected(self)

    def weight_at_margin(self, margin, num_classes: int) -> Any:
        """- d loss / d margin with its sign at margins of the label, for losses with `of_margin`."""
        raise TypeError(f"{type(self).__name__} is not a function of the label's margin.")

    def terms(self, num_classes: int) -> list["Term"]:
        """The losses that, weighted and added, have the mean gradient of this one at K classes; itself, if no sum."""
        return [Term(1.0, self)]

    def _configure(self, **keywords):
        super()._configure(**keywords)
        parts = self.parts.values()
        asking = [part for part in parts if part.asks_questions]
        if asking and not (isinstance(self, WeightedSum) and len(asking) == len(parts)):
            kind = "a sum with losses of classes" if isinstance(self, WeightedSum) else type(self).__name__
            raise ValueError(
                f"Binary goes outside: Binary of {kind}, not {kind} of Binary. Received: {asking[0]!r} as a part."
            )

    # Sums

    def __add__(self, other: "RobustLoss") -> "WeightedSum":
        return add(self, other)

    def __mul__(self, weight: float) -> "WeightedSum":
        return scale(self, weight)

    def __radd__(self, other):
        # The built-in sum() starts from the number 0.
        return self if isinstance(other, int) and other == 0 else NotImplemented

    __rmul__ = __mul__


class OfProbability(RobustLoss):
    """What a function of one probability can do, if it is one (`of_probability`): a subclass says `at`, and one slope.

    A loss says `slope_at` or `signed_weight`; each follows from the other.
    """

    def at(self, p: Probability) -> Any:
        """The loss at a probability."""
        raise TypeError(f"{type(self).__name__} is not a function of one probability.")

    def slope_at(self, p: Probability) -> Any:
        """- d loss / d log p at a probability."""
        return self.signed_weight(p) / floor(p.complement, SMALLEST)

    def signed_weight(self, p: Probability) -> Any:
        """- d loss / d margin at a probability: the implicit weight with its sign."""
        return self.slope_at(p) * p.complement

    def gap(self, p: Probability, higher: Probability) -> Any:
        """The loss at p minus the loss at a higher probability."""
        return ops.subtract(self.at(p), self.at(higher))

    def weight_at_margin(self, margin, num_classes):
        return self.signed_weight(Probability(num_classes, margin=margin))

    def per_sample(self, evidence):
        return evidence.at_label(self)

    def label_and_others(self, evidence) -> tuple:
        """The loss of a sample with an id, and `over_others`, both in units that may differ from sample to sample."""
        return self.per_sample(evidence), self.over_others(evidence)

    #: What the sums below read of the rows.
    reads_of_sums = frozenset({"shares"})

    def over_others(self, evidence) -> Any:
        """Sum of the loss over the K - 1 other labels that a sample with an id could have."""
        return evidence.over_others(self)

    def over_classes(self, evidence) -> Any:
        """Sum of the loss over all K labels."""
        return evidence.over_classes(self)

    def negative_over_others(self, evidence, p_min) -> Any:
        """Sum of A - loss over the K - 1 other labels, p floored at `p_min`, A the loss there."""
        return evidence.over_others(Negative(self, p_min), log(p_min))


class Negative:
    """A - L as a function of one probability, A = L at p_min."""

    def __init__(self, loss: OfProbability, p_min):
        self.loss, self.log_p_min = loss, log(p_min)

    def at(self, p):
        # Made here, not before: a tensor of another level is not known where `torch.func` calls this.
        place = p.log_p[..., :1] if len(p.log_p.shape) else p.log_p
        smallest = Probability(p.num_classes, log_p=ops.zeros_like(place) + self.log_p_min)
        return self.loss.gap(smallest, p)

    def slope_at(self, p):
        return -self.loss.slope_at(p)

    def signed_weight(self, p):
        return -self.loss.signed_weight(p)


def scale(loss, weight):
    """`weight * loss`; the weights of a sum are multiplied."""
    if isinstance(weight, bool) or not isinstance(weight, numbers.Real | Moving):
        return NotImplemented
    weight = Interval().check("a weighted loss", "weight", weight)
    if isinstance(loss, WeightedSum) and not isinstance(weight, Moving):
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


def scaled_terms(num_classes, parts):
    """The terms of a sum of (weight, loss)."""
    return [term._replace(weight=weight * term.weight) for weight, loss in parts for term in loss.terms(num_classes)]


@registered
class WeightedSum(OfProbability):
    """sum_i w_i L_i, the loss that `a * L1 + b * L2` makes.

    It has no keywords of its own: it takes those that its parts set, which must agree.

    Args:
        losses: the parts.
        weights: a finite number for each.

    Raises:
        ValueError: if two parts set a shared keyword differently.

    Example:

    >>> loss = 2.0 * keras_robust.CE() + keras_robust.MAE()
    >>> round(float(loss([0], [[0.5, 0.5]])), 4)
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
        self._check()

    def _check(self):
        self.of_probability = all(loss.of_probability for loss in self.losses)
        self.of_margin = all(loss.of_margin for loss in self.losses)
        self.batch_coupled = any(loss.batch_coupled for loss in self.losses)
        self.asks_questions = all(loss.asks_questions for loss in self.losses)
        self.reads = frozenset().union(*(loss.reads for loss in self.losses))
        if self.of_probability:
            self.reads_of_sums = frozenset().union(*(loss.reads_of_sums for loss in self.losses))
        weights = [as_number(weight) for weight in self.weights]
        self.decreasing = all(loss.decreasing for loss in self.losses) and min(weights) >= 0 < max(weights)

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

    def paths(self):
        for index, (key, part) in enumerate(self.parts.items()):
            yield (key, "weight"), Slot(self, index)
            for path, slot in part.paths():
                yield (key, *path), slot

    def read(self, key):
        return self.weights[key]

    def write(self, key, value):
        self.weights = (*self.weights[:key], value, *self.weights[key + 1 :])

    def declared_constraint(self, key):
        return Interval()

    def _sum(self, method, *args):
        terms = [
            current(weight) * getattr(loss, method)(*args)
            for loss, weight in zip(self.losses, self.weights, strict=True)
        ]
        return sum(terms[1:], start=terms[0])

    def at(self, p):
        return self._sum("at", p)

    def slope_at(self, p):
        return self._sum("slope_at", p)

    def signed_weight(self, p):
        return self._sum("signed_weight", p)

    def gap(self, p, higher):
        return self._sum("gap", p, higher)

    def over_others(self, evidence):
        return self._sum("over_others", evidence)

    def over_classes(self, evidence):
        return self._sum("over_classes", evidence)

    def negative_over_others(self, evidence, p_min):
        return self._sum("negative_over_others", evidence, p_min)

    def per_sample(self, evidence):
        return evidence.at_label(self) if self.of_probability else self._sum("per_sample", evidence)

    def of_questions(self, questions):
        return self._sum("of_questions", questions) if self.asks_questions else super().of_questions(questions)

    def weight_at_margin(self, margin, num_classes):
        return self._sum("weight_at_margin", margin, num_classes)

    def terms(self, num_classes):
        return scaled_terms(num_classes, zip(map(current, self.weights), self.losses, strict=True))

    def get_config(self):
        config = super().get_config()
        config["losses"] = [keras.saving.serialize_keras_object(loss) for loss in self.losses]
        config["weights"] = [as_number(weight) for weight in self.weights]
        return config

    @classmethod
    def from_config(cls, config):
        required = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in ("losses", "weights")]
        check_saved(cls, config, inspect.Signature([*required, *SHARED.values()]))
        config = dict(config)
        losses = [restored(loss) for loss in config.pop("losses")]
        weights = config.pop("weights")
        return cls(losses, weights, **{key: value for key, value in config.items() if value != DEFAULTS[key]})

    def __repr__(self):
        return " + ".join(f"{weight!r} * {loss!r}" for loss, weight in zip(self.losses, self.weights, strict=True))
