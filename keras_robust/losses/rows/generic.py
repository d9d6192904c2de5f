"""What is read off rows of logits, in `keras.ops`."""

import math

from keras import ops

from keras_robust.backend import cached_property, largest, select
from keras_robust.numerics import SMALLEST, floor


def log_sum_exp(x, keepdims=False):
    top = ops.stop_gradient(largest(x, axis=-1, keepdims=True))
    total = top + ops.log(ops.sum(ops.exp(x - top), axis=-1, keepdims=True))
    return total if keepdims else ops.squeeze(total, axis=-1)


def with_slope(function, x):
    """The first of `function(x)` = (value, slope), differentiable as if d value / dx were - slope, elementwise.

    The slope may itself be differentiated. Only x is: a gradient in anything else that the function reads is 0.
    """
    return function(x)[0]


def peaked(logits):
    """(top, log sum exp(z - top), is_top): the largest of each row is left out of the sum, and then added.

    So log sum exp(z - top) has relative digits where the largest is all but the whole; its gradient has them because
    it flows through `top`.
    """
    top = largest(logits, axis=-1)
    is_top = logits >= ops.stop_gradient(top)[..., None]
    shifted = select(is_top, 0.0, logits - top[..., None])
    rest = ops.sum(select(is_top, 0.0, ops.exp(shifted)), axis=-1)
    number = ops.sum(ops.cast(is_top, rest.dtype), axis=-1)
    return top, ops.log1p(rest + (number - 1.0)), is_top


def log_shares(logits, left_out=None):
    """log softmax of `logits` (..., K) by `peaked`; where `left_out` is true the logit is minus infinity."""
    top, log_whole, is_top = peaked(logits)
    # The only largest logit has no part of its own beside - log_whole; where several share it, each has.
    alone = ops.logical_and(is_top, ops.sum(ops.cast(is_top, "int32"), axis=-1, keepdims=True) == 1)
    alone = alone if left_out is None else ops.logical_or(alone, left_out)
    own = select(alone, 0.0, logits - top[..., None])
    return own - log_whole[..., None]


def share(part, rest):
    """part / (part + rest) for numbers of at least 0, without the cancellation of its derivative near 1."""
    small = part <= rest
    # The quotient does not change with the unit, but JAX squares the divisor, which may underflow.
    unit = 1.0 / floor(ops.stop_gradient(select(small, rest, part)), SMALLEST)
    part, rest = part * unit, rest * unit
    ratio = select(small, part, rest) / select(small, rest, part)
    return select(small, ratio, 1.0) / (1.0 + ratio)


def pick(values, ids):
    """Entry of `values` (..., K) at class ids (...) in [0, K)."""
    return ops.squeeze(ops.take_along_axis(values, ids[..., None], axis=-1), axis=-1)


class Whole:
    """Rows without a label: log p_k = (z_k - top) - log_total, never put together where a sum over k will do."""

    def __init__(self, logits):
        self.logits = logits

    @property
    def num_classes(self):
        return self.logits.shape[-1]

    @cached_property
    def normalizer(self):
        """Largest logit of each row, through which no gradient flows, and log sum exp(z - top)."""
        top = ops.stop_gradient(largest(self.logits, axis=-1))
        return top, ops.log(ops.sum(ops.exp(self.logits - top[..., None]), axis=-1))

    @property
    def shifted(self):
        return self.logits - self.normalizer[0][..., None]

    @cached_property
    def log_probs(self):
        """log p_k (..., K); its digits are relative ones, those of a p near 1 included."""
        return log_shares(self.logits)

    @cached_property
    def sum_log_probs(self):
        return ops.sum(self.shifted, axis=-1) - self.num_classes * self.normalizer[1]

    @cached_property
    def max_log_prob(self):
        """Maximum over k of log p_k; where several share it, they share its gradient."""
        top, log_total = self.normalizer
        return largest(self.logits, axis=-1) - top - log_total


class Peak:
    """Rows of which only log p_y and max_k log p_k are asked for: both by `peaked`, with relative digits near 0."""

    def __init__(self, logits, ids):
        self.logits, self.ids = logits, ids

    @cached_property
    def peaked(self):
        return peaked(self.logits)[:2]

    @cached_property
    def label_logit(self):
        return pick(self.logits, self.ids)

    @cached_property
    def log_p(self):
        top, log_whole = self.peaked
        # Alone at the top, the label has no part of its own beside - log_whole; its slope would cancel with the top's.
        alone = ops.logical_and(self.label_logit >= top, log_whole < math.log(2.0))
        return select(alone, 0.0, self.label_logit - top) - log_whole

    @property
    def max_log_prob(self):
        return -self.peaked[1]


class Others:
    """Rows with the label y left out, and its logit beside them: everything about a sample with a class id.

    The shares exp(z_k) / sum_{i != y} exp(z_i) of the other classes k, and the margin of the label against their
    log-sum-exp, say all of a row, and both keep their digits where p_y or another p_k is all but 1.

    Args:
        logits: (..., K).
        ids: the labels (...), class ids in [0, K).
        reads: what will be asked for besides the margin, for speed: "sum" (`sum_log_shares`) and numbers, each the
            `low` of `above`.
    """

    #: A `low` that is not above this one cannot be foreseen.
    lowest = -math.inf

    def __init__(self, logits, ids, reads=frozenset()):
        self.logits, self.ids, self.reads = logits, ids, reads

    @property
    def num_classes(self):
        return self.logits.shape[-1]

    @cached_property
    def foreseen(self):
        """The `low` of `above` that will be asked for, or None."""
        return next((low for low in self.reads if isinstance(low, float) and low > self.lowest), None)

    def is_foreseen(self, low, bias):
        return isinstance(low, float) and low == self.foreseen and isinstance(bias, float) and bias == 0.0

    @cached_property
    def at_ids(self):
        """Boolean (..., K), true at the label."""
        return ops.equal(ops.arange(self.num_classes, dtype=self.ids.dtype), self.ids[..., None])

    @cached_property
    def masked(self):
        """The logits, minus infinity at the label."""
        return select(self.at_ids, -math.inf, self.logits)

    @cached_property
    def normalizer(self):
        """Largest of the other logits, through which no gradient flows, and log sum exp(z_k - top) of the others."""
        top = ops.stop_gradient(largest(self.masked, axis=-1))
        return top, ops.log(ops.sum(ops.exp(self.masked - top[..., None]), axis=-1))

    @cached_property
    def margin(self):
        """z_y - log sum exp(z_k), k != y."""
        top, log_whole = self.normalizer
        return self.label_logit - top - log_whole

    @cached_property
    def label_logit(self):
        return pick(self.logits, self.ids)

    def label_leads(self, bias=0.0):
        """Boolean (...): whether the label's logit, with a bias, is the largest, or one of them."""
        return ops.stop_gradient(self.label_logit - self.normalizer[0]) + bias >= 0.0

    @cached_property
    def sum_log_shares(self):
        """Sum over k != y of log(share of k)."""
        top, log_whole = self.normalizer
        return self.spread(top) - (self.num_classes - 1.0) * log_whole

    @cached_property
    def max_log_share(self):
        """Maximum over k != y of log(share of k)."""
        return -peaked(self.masked)[1]

    @cached_property
    def log_shares(self):
        """log(share of k) (..., K), 0 at the label; its digits are relative ones, those of a share near 1 included."""
        return select(self.at_ids, 0.0, log_shares(self.masked, self.at_ids))

    def level(self, low, bias=0.0):
        """What z_k - top of another class is where log p_k is `low`, through which no gradient flows."""
        low = low if isinstance(low, float) else ops.stop_gradient(low)
        return low + self.normalizer[1] - ops.log_sigmoid(-self.margin - bias)

    def above(self, low, bias=0.0):
        """Sum over k != y of max(log p_k - low, 0), with a bias on the label's logit.

        No gradient flows through `low`, a number or scalar.
        """
        return self.above_level(self.normalizer[0], self.level(low, bias))

    def spread(self, top):
        """Sum over k != y of z_k - top."""
        return ops.sum(select(self.at_ids, 0.0, self.logits - top[..., None]), axis=-1)

    def above_level(self, top, level):
        """Sum over k != y of max(z_k - top - level, 0), level (...)."""
        return ops.sum(ops.relu((self.masked - top[..., None]) - level[..., None]), axis=-1)
