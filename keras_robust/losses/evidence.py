"""Evidence: the few numbers of a sample on which every loss is built, read off its logits once.

Of a sample whose label is a class id two things are read: the margin of the label, and the shares of the other classes.

    margin           z_y - log sum exp(z_k), k != y      p_y = sigmoid(margin)
    log p_y          log sigmoid(margin)
    log(1 - p_y)     log sigmoid(-margin)
    share of k       exp(z_k) / sum exp(z_i), i != y     p_k = (1 - p_y) (share of k)

So no digit of 1 - p_y is lost where the sample is right, and a bias on the label's logit is a bias on the margin. Sums
over the other classes make no (batch, classes) tensor: sum_k log p_k = sum_k log(share of k) + (K - 1) log(1 - p_y).

Soft labels have the probabilities of all classes, log p_k = (z_k - m) - log sum exp(z - m), m = max z.

Each number is computed on first use and then shared, so a sum of losses pays for it once. A loss that is a function of
one probability is asked for its value at a `Probability`, which knows its logarithm and its margin.
"""

from keras import ops

from keras_robust.backend import cached_property, largest, select
from keras_robust.labels import Ids, Targets
from keras_robust.losses import rows
from keras_robust.numerics import SMALLEST, floor, one_minus_exp


class Probability:
    """One probability p for each entry, by log p or by its margin log(p / (1 - p))."""

    def __init__(self, num_classes: int, log_p=None, margin=None):
        self.num_classes = num_classes
        self._log_p, self._margin = log_p, margin

    @cached_property
    def log_p(self):
        return ops.log_sigmoid(self._margin) if self._log_p is None else self._log_p

    @cached_property
    def margin(self):
        if self._margin is not None:
            return self._margin
        return self.log_p - ops.log(floor(one_minus_exp(self.log_p), SMALLEST))

    @cached_property
    def complement(self):
        """1 - p."""
        return one_minus_exp(self.log_p) if self._margin is None else ops.sigmoid(-self._margin)

    def scaled(self, factor) -> "Probability":
        """sigmoid(factor * margin)."""
        return Probability(self.num_classes, margin=factor * self.margin)


def evidence(logits, labels: Ids | Targets, valid=None, reads=frozenset()) -> "Evidence":
    """The evidence of logits (..., K), computed in their dtype, for labels read by `labels.read_labels`.

    Args:
        valid: a boolean (...) or None: the samples that count where samples meet (batch means, peers).
        reads: what the loss will read of the rows, for speed; see `rows.generic.Others`.
    """
    kind = OfIds if isinstance(labels, Ids) else OfTargets
    return kind(logits, labels, valid, reads)


class Evidence:
    """What the evidence of ids and of soft labels have in common."""

    def __init__(self, logits, labels, valid=None, reads=frozenset()):
        self.logits, self.labels, self.valid, self.reads = logits, labels, valid, reads

    @property
    def has_ids(self) -> bool:
        return isinstance(self.labels, Ids)

    @property
    def num_classes(self) -> int:
        return self.logits.shape[-1]

    @cached_property
    def shifted(self):
        """Logits whose largest is 0."""
        return self.logits - ops.stop_gradient(largest(self.logits, axis=-1, keepdims=True))

    def of_logits(self, logits) -> "Evidence":
        """Evidence of other logits for the same labels."""
        return evidence(logits, self.labels, self.valid, self.reads)

    def normalized(self, tau) -> "Evidence":
        """Evidence of z / (tau |z|_2). A vector of zeros stays one, with the gradient of z / tau."""
        squares = ops.sum(ops.square(self.logits), axis=-1, keepdims=True)
        norm = select(squares > SMALLEST, ops.sqrt(select(squares > SMALLEST, squares, 1.0)), 1.0)
        return self.of_logits(self.logits / (tau * norm))

    def probability(self, log_p=None, margin=None) -> Probability:
        return Probability(self.num_classes, log_p, margin)

    def of_classes(self, loss, log_p_min=None):
        """A function of one probability (..., K) at each class; `log_p_min` is a floor of log p."""
        log_p = self.log_probs if log_p_min is None else floor(self.log_probs, log_p_min)
        return at_log_p(loss, log_p, self.num_classes)

    def over_classes(self, loss):
        """Sum of a function of one probability over all classes."""
        return ops.sum(self.of_classes(loss), axis=-1)


class OfIds(Evidence):
    """Evidence of samples whose labels are class ids, with `bias` added to the label's logit."""

    def __init__(self, logits, labels, valid=None, reads=frozenset(), bias=0.0):
        super().__init__(logits, labels, valid, reads)
        self.bias = bias

    @cached_property
    def rows(self):
        return rows.others(self.logits, self.labels.ids, self.reads)

    def with_ids(self) -> "OfIds":
        return self

    def biased(self, epsilon) -> "OfIds":
        """Evidence of z + epsilon at the label."""
        changed = OfIds(self.logits, self.labels, self.valid, self.reads, self.bias + epsilon)
        changed.rows = self.rows
        return changed

    #: What a loss of the batch or of soft labels is multiplied by: the sum of a label's targets.
    label_mass = 1.0

    # Label

    @cached_property
    def peak(self):
        """The rows read for log p_y and max_k log p_k alone, if no more than that is asked for; else None."""
        return rows.peak(self.logits, self.labels.ids) if self.reads == {"max"} and self.unbiased else None

    @property
    def unbiased(self) -> bool:
        return isinstance(self.bias, float) and self.bias == 0.0

    @cached_property
    def margin(self):
        """Logit margin of the label, leave-one-out."""
        return self.rows.margin if self.unbiased else self.rows.margin + self.bias

    @cached_property
    def label(self) -> Probability:
        return self.probability(margin=self.margin) if self.peak is None else self.probability(log_p=self.peak.log_p)

    def at_label(self, loss, log_p_min=None):
        """A function of one probability at the label: `loss.at`, with the derivative `loss.signed_weight`.

        `log_p_min` is a floor of log p.
        """
        if log_p_min is not None:
            return at_log_p(loss, floor(self.label.log_p, log_p_min), self.num_classes)
        if self.peak is not None:
            return at_log_p(loss, self.peak.log_p, self.num_classes)

        def value_and_weight(margin):
            p = self.probability(margin=margin)
            # A tensor of its own: not the slope, not what came in, not one number, not a bool.
            return loss.at(p) + ops.zeros_like(margin), loss.signed_weight(p)

        return rows.with_slope(value_and_weight, self.margin)

    # Other classes

    @cached_property
    def log_complement(self):
        """log(1 - p_y)."""
        return ops.log_sigmoid(-self.margin)

    @cached_property
    def others(self) -> Probability:
        """Probabilities (..., K) of the other classes; at the label stands 1 - p_y."""
        complement = self.log_complement[..., None]
        if self.num_classes == 2:
            return self.probability(log_p=complement + ops.zeros_like(self.logits))
        return self.probability(log_p=self.rows.log_shares + complement)

    @property
    def sum_other_complements(self):
        """Sum over k != y of 1 - p_k."""
        return self.num_classes - 2.0 + ops.exp(self.label.log_p)

    @cached_property
    def sum_other_log_probs(self):
        """Sum over k != y of log p_k."""
        if self.num_classes == 2:  # the one other class is all of the rest: parts of its slope would cancel
            return self.log_complement
        return self.rows.sum_log_shares + (self.num_classes - 1.0) * self.log_complement

    def others_above(self, low):
        """Sum over k != y of max(log p_k - low, 0)."""
        if self.num_classes == 2:
            return ops.relu(self.log_complement - (low if isinstance(low, float) else ops.stop_gradient(low)))
        return self.rows.above(low, self.bias)

    def over_others(self, loss, log_p_min=None):
        """Sum of a function of one probability over k != y; `log_p_min` is a floor of log p."""
        log_p = self.others.log_p if self.num_classes > 2 else self.log_complement
        if log_p_min is not None:
            log_p = floor(log_p, log_p_min)
        values = at_log_p(loss, log_p, self.num_classes)
        return ops.sum(select(self.rows.at_ids, 0.0, values), axis=-1) if self.num_classes > 2 else values

    # Whole prediction

    @cached_property
    def log_probs(self):
        return select(self.rows.at_ids, self.label.log_p[..., None], self.others.log_p)

    @cached_property
    def sum_log_probs(self):
        return self.label.log_p + self.sum_other_log_probs

    @cached_property
    def max_log_prob(self):
        if self.peak is not None:
            return self.peak.max_log_prob
        largest_other = self.log_complement
        if self.num_classes > 2:
            largest_other = self.rows.max_log_share + largest_other
        return select(self.rows.label_leads(self.bias), self.label.log_p, largest_other)

    def pick(self, values):
        """Entry of `values` (..., K) at the label."""
        return rows.pick(values, self.labels.ids)


class OfTargets(Evidence):
    """Evidence of samples whose labels are one-hot or soft."""

    @cached_property
    def rows(self):
        return rows.whole(self.logits)

    def with_ids(self) -> OfIds:
        """Evidence for the largest target as a class id."""
        ids = ops.cast(ops.argmax(self.labels.targets, axis=-1), "int32")
        return OfIds(self.logits, Ids(ids, self.labels.ignored, ops.zeros_like(ids, dtype="bool")), self.valid)

    def biased(self, epsilon) -> "OfTargets":
        """Evidence of z + epsilon t."""
        return self.of_logits(self.shifted + epsilon * self.labels.targets)

    @cached_property
    def label_mass(self):
        return ops.sum(self.labels.targets, axis=-1)

    def at_label(self, loss):
        """The expectation of a function of one probability under the targets."""
        return self.pick(self.of_classes(loss))

    @property
    def log_probs(self):
        return self.rows.log_probs

    @property
    def sum_log_probs(self):
        return self.rows.sum_log_probs

    @property
    def max_log_prob(self):
        return self.rows.max_log_prob

    def pick(self, values):
        """Expectation of `values` (..., K) under the targets."""
        return ops.sum(self.labels.targets * values, axis=-1)


def at_log_p(loss, log_p, num_classes):
    """A function of one probability at log p of any shape, with its own slope as derivative."""

    def value_and_slope(log_p):
        p = Probability(num_classes, log_p=log_p)
        return loss.at(p) + ops.zeros_like(log_p), loss.slope_at(p)  # as in `at_label`

    return rows.with_slope(value_and_slope, log_p)
