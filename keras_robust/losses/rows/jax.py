"""Rows on JAX: derivatives that read what was computed, behind barriers that keep XLA from computing it again.

Without a barrier XLA computes maximum and sum anew inside each loop that reads them; with it the shares are one
exponential inside the loop of the gradient, and nothing of shape (batch, classes) is kept. On a CPU XLA hands a sum
to a library with the arithmetic before it, but writes out what comes of a comparison: so sums here compare nothing.
"""

import math

import jax
import jax.numpy as jnp

from keras_robust.backend import cached_property
from keras_robust.losses.rows import generic

_barrier = jax.lax.optimization_barrier


def with_slope(function, x):
    @jax.custom_jvp
    def valued(x):
        return function(x)[0]

    @valued.defjvp
    def _(primals, tangents):
        (x,), (change,) = primals, tangents
        return valued(x), -function(x)[1] * change

    return valued(x)


class Whole(generic.Whole):
    @cached_property
    def normalizer(self):
        return _normalizer(self.logits)

    @cached_property
    def max_log_prob(self):
        top, log_total = self.normalizer
        return _largest(self.logits) - top - log_total


class Others(generic.Others):
    @cached_property
    def _read(self):
        return _leave_one_out(self.logits, self.ids)

    @property
    def normalizer(self):
        return self._read[1:]

    @property
    def label_logit(self):
        return self._read[0]

    def spread(self, top):
        return _spread(self.logits, self.ids, self.label_logit, top)

    def above_level(self, top, level):
        return _above(self.logits, self.ids, self.label_logit, top, level)


class Peak(generic.Peak):
    @cached_property
    def peaked(self):
        return _peaked(self.logits)

    @cached_property
    def label_logit(self):
        return pick(self.logits, self.ids)


def _at(ids, logits):
    return jnp.arange(logits.shape[-1], dtype=ids.dtype) == ids[..., None]


def _masked(logits, ids):
    return jnp.where(_at(ids, logits), -math.inf, logits)


@jax.custom_jvp
def _normalizer(logits):
    top = jax.lax.stop_gradient(jnp.max(logits, axis=-1))
    return top, jnp.log(jnp.sum(jnp.exp(logits - top[..., None]), axis=-1))


@_normalizer.defjvp
def _(primals, tangents):
    (logits,), (change,) = primals, tangents
    top, log_total = _barrier(_normalizer(logits))
    probs = jnp.exp(logits - top[..., None] - log_total[..., None])
    return (top, log_total), (jnp.zeros_like(top), jnp.sum(probs * change, axis=-1))


@jax.custom_jvp
def _largest(logits):
    return jnp.max(logits, axis=-1)


@_largest.defjvp
def _(primals, tangents):
    (logits,), (change,) = primals, tangents
    top = _barrier(_largest(logits))
    is_top = jnp.where(logits == top[..., None], jnp.ones_like(logits), 0.0)
    return top, jnp.sum(is_top * change, axis=-1) / _barrier(jnp.sum(is_top, axis=-1))


def _picked(values, ids):
    picked = jnp.take_along_axis(values, ids[..., None], axis=-1, mode="promise_in_bounds")[..., 0]
    # A gather is not vectorized, and takes the mathematics of the rows along if they share a loop.
    return _barrier(picked)


@jax.custom_jvp
def pick(values, ids):
    return _picked(values, ids)


@pick.defjvp
def _(primals, tangents):
    (values, ids), (change, _) = primals, tangents
    return pick(values, ids), jnp.sum(jnp.where(_at(ids, values), change, 0.0), axis=-1)


@jax.custom_jvp
def _leave_one_out(logits, ids):
    """The label's logit, the largest other one, and log sum exp(z_k - it) of the others."""
    masked = _masked(logits, ids)
    top = jax.lax.stop_gradient(jnp.max(masked, axis=-1))
    parts = jnp.exp(masked - top[..., None])
    return _picked(logits, ids), top, jnp.log(jnp.sum(parts, axis=-1))


@_leave_one_out.defjvp
def _(primals, tangents):
    (logits, ids), (change, _) = primals, tangents
    label_logit, top, log_whole = _barrier(_leave_one_out(logits, ids))
    at_ids = _at(ids, logits)
    shares = jnp.where(at_ids, 0.0, jnp.exp(logits - top[..., None] - log_whole[..., None]))
    moved = (jnp.sum(jnp.where(at_ids, change, 0.0), axis=-1), jnp.zeros_like(top), jnp.sum(shares * change, axis=-1))
    return (label_logit, top, log_whole), moved


def _without_peak(logits):
    """Largest of each row, how many share it, and the sum of exp(z_k - it) over those that do not."""
    top = jnp.max(logits, axis=-1)
    # exp(0) is 1, and nothing below 0 is.
    parts = jnp.exp(logits - top[..., None])
    is_top = jnp.floor(parts)
    return top, jnp.sum(is_top, axis=-1), jnp.sum(parts - is_top, axis=-1)


@jax.custom_jvp
def _peaked(logits):
    top, number, rest = _without_peak(logits)
    return top, jnp.log1p(rest + (number - 1.0))


@_peaked.defjvp
def _(primals, tangents):
    (logits,), (change,) = primals, tangents
    top, number, rest = _barrier(_without_peak(logits))
    parts = jnp.exp(logits - top[..., None])
    is_top = parts >= 1.0
    moved = jnp.sum(jnp.where(is_top, change, 0.0), axis=-1) / number
    moved_whole = (jnp.sum(jnp.where(is_top, 0.0, parts) * change, axis=-1) - rest * moved) / (rest + number)
    return (top, jnp.log1p(rest + (number - 1.0))), (moved, moved_whole)


@jax.custom_jvp
def _spread(logits, ids, label_logit, top):
    # The label's term is taken out of the sum, of which it is never nearly all, in place of a mask.
    return jnp.sum(logits - top[..., None], axis=-1) - (label_logit - top)


@_spread.defjvp
def _(primals, tangents):
    (logits, ids, label_logit, top), (change, _, _, change_of_top) = primals, tangents
    moved = jnp.sum(jnp.where(_at(ids, logits), 0.0, change), axis=-1)
    return _spread(logits, ids, label_logit, top), moved - (logits.shape[-1] - 1.0) * change_of_top


@jax.custom_jvp
def _above(logits, ids, label_logit, top, level):
    """Sum over the others of max(z_k - top - level, 0), level (...); no gradient flows through `top`."""
    over = jnp.sum(jnp.maximum((logits - top[..., None]) - level[..., None], 0.0), axis=-1)
    return over - jnp.maximum((label_logit - top) - level, 0.0)


@_above.defjvp
def _(primals, tangents):
    (logits, ids, label_logit, top, level), (change, *_, change_of_level) = primals, tangents

    def is_above(x):
        return jnp.clip((level[..., None] - (x - top[..., None])) * -1e30, 0.0, 1.0)

    number = _barrier(jnp.sum(is_above(logits), axis=-1) - is_above(label_logit[..., None])[..., 0])
    counted = jnp.where(_at(ids, logits), 0.0, is_above(logits))
    moved = jnp.sum(counted * change, axis=-1)
    return _above(logits, ids, label_logit, top, level), moved - number * change_of_level
