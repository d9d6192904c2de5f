"""Rows on TensorFlow: gathers and masks that copy nothing twice, and gradients in the fewest passes."""

import math

import tensorflow as tf

from keras_robust.backend import cached_property
from keras_robust.losses.rows import generic

share = generic.share


def with_slope(function, x):
    @tf.custom_gradient
    def valued(x):
        return function(x)[0], lambda change: -function(x)[1] * change

    return valued(x)


class Whole(generic.Whole):
    @cached_property
    def max_log_prob(self):
        top, log_total = self.normalizer
        return _largest(self.logits) - top - log_total


class Others(generic.Others):
    @cached_property
    def masked(self):
        # An addition hands its gradient on as it is, where a choice would make another pass; exp(-inf) is 0 anyway.
        return self.logits + tf.one_hot(
            self.ids, self.num_classes, on_value=-math.inf, off_value=0.0, dtype=self.logits.dtype
        )

    def spread(self, top):
        # The label's term is taken out of the sum, of which it is never nearly all, in place of a mask.
        return tf.reduce_sum(self.logits - top[..., None], axis=-1) - (self.label_logit - top)

    @cached_property
    def label_logit(self):
        return pick(self.logits, self.ids)


class Peak(generic.Peak):
    @cached_property
    def peaked(self):
        return _peaked(self.logits)

    @cached_property
    def label_logit(self):
        return pick(self.logits, self.ids)


def pick(values, ids):
    # Keras would broadcast `values` to its own shape first, a copy.
    return tf.gather(values, ids, batch_dims=len(ids.shape))


@tf.custom_gradient
def _largest(logits):
    top = tf.reduce_max(logits, axis=-1)

    def gradient(slope):
        is_top = tf.cast(tf.equal(logits, top[..., None]), logits.dtype)
        return is_top * (slope / tf.reduce_sum(is_top, axis=-1))[..., None]

    return top, gradient


@tf.custom_gradient
def _peaked(logits):
    """The first two of `generic.peaked`, with its gradient in four passes."""

    def split():
        top = tf.reduce_max(logits, axis=-1)
        parts = tf.exp(logits - top[..., None])
        is_top = tf.cast(parts >= 1.0, parts.dtype)
        below = parts - is_top
        return top, is_top, below, tf.reduce_sum(below, axis=-1), tf.reduce_sum(is_top, axis=-1)

    top, _, _, rest, number = split()

    def gradient(of_top, of_whole):
        _, is_top, below, rest, number = split()
        of_whole = of_whole / (rest + number)
        return below * of_whole[..., None] + is_top * ((of_top - rest * of_whole) / number)[..., None]

    return (top, tf.math.log1p(rest + (number - 1.0))), gradient
