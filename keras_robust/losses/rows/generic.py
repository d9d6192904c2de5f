"""What is read off rows of logits, in `keras.ops`."""

import math
from functools import cached_property

from keras import ops


def log_sum_exp(x, keepdims=False):
    top = ops.stop_gradient(ops.max(x, axis=-1, keepdims=True))
    total = top + ops.log(ops.sum(ops.exp(x - top), axis=-1, keepdims=True))
    return total if keepdims else ops.squeeze(total, axis=-1)


class Rows:
    """log p_k = (z_k - top) - log_total, never put together where a sum over k will do."""

    #: Names of what was asked for, as `expected` of a later step takes them.
    asked = frozenset()

    def __init__(self, logits, ids, expected):
        self.logits, self.ids, self.expected = logits, ids, expected

    @property
    def num_classes(self):
        return self.logits.shape[-1]

    @cached_property
    def normalizer(self):
        """Largest logit of each row, through which no gradient flows, and log sum exp(z - top)."""
        top = ops.stop_gradient(ops.max(self.logits, axis=-1))
        return top, ops.log(ops.sum(ops.exp(self.logits - top[..., None]), axis=-1))

    @property
    def shifted(self):
        return self.logits - self.normalizer[0][..., None]

    @cached_property
    def log_probs(self):
        return self.shifted - self.normalizer[1][..., None]

    @cached_property
    def at_ids(self):
        """log p at the class ids."""
        top, log_total = self.normalizer
        return self.pick(self.logits) - top - log_total

    @cached_property
    def total(self):
        """Sum over k of log p_k."""
        return ops.sum(self.shifted, axis=-1) - self.num_classes * self.normalizer[1]

    @cached_property
    def largest(self):
        """Maximum over k of log p_k; where several share it, they share its gradient."""
        top, log_total = self.normalizer
        return self.largest_logit() - top - log_total

    def above(self, low):
        """Sum over k of max(log p_k - low, 0), for a number or scalar `low` through which no gradient flows."""
        return ops.sum(ops.relu(self.log_probs - low), axis=-1)

    @cached_property
    def margin(self):
        """z_y - log sum exp(z_i), i != y, at the class ids y."""
        return self.pick(self.logits) - log_sum_exp(self.without_ids())

    def largest_logit(self):
        return ops.max(self.logits, axis=-1)

    def without_ids(self):
        """The logits, minus infinity at the class ids."""
        at_ids = ops.equal(ops.arange(self.num_classes, dtype=self.ids.dtype), self.ids[..., None])
        return ops.where(at_ids, -math.inf, self.logits)

    def pick(self, values):
        """Entry of `values` (..., K) at the class ids, which lie in [0, K)."""
        return ops.squeeze(ops.take_along_axis(values, self.ids[..., None], axis=-1), axis=-1)
