"""Rows on JAX: derivatives that read what was computed, behind barriers that keep XLA from computing it again.

Without a barrier XLA computes maximum and sum anew inside each loop that reads them; with it the shares are one
exponential inside the loop of the gradient, and nothing of shape (batch, classes) is kept.
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
    def sum_log_probs(self):
        return _sum(self.shifted) - self.num_classes * self.normalizer[1]

    @cached_property
    def max_log_prob(self):
        top, log_total = self.normalizer
        return _largest(self.logits) - top - log_total


class Others(generic.Others):
    @cached_property
    def _read(self):
        return _leave_one_out(self.logits, self.ids)

    @property
    def plain(self):
        return self._read[1:]

    @property
    def label_logit(self):
        return self._read[0]

    @cached_property
    def peaked(self):
        return _peaked(self.logits, self.ids)

    def spread(self, top):
        return _spread(self.logits, self.ids, top)

    def above_level(self, top, level):
        return _above(self.logits, self.ids, top + level)

    def pick(self, values):
        return _pick(values, self.ids)


def _sum(x):
    """Sum over the last axis. On a CPU XLA vectorizes a product with ones, and not the sum of a short row."""
    if jax.default_backend() == "cpu":
        return jnp.matmul(x, jnp.ones(x.shape[-1], x.dtype), precision=jax.lax.Precision.HIGHEST)
    return jnp.sum(x, axis=-1)


def _at(ids, logits):
    return jnp.arange(logits.shape[-1], dtype=ids.dtype) == ids[..., None]


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
    return top, jnp.sum(is_top * change, axis=-1) / _barrier(_sum(is_top))


def _picked(values, ids):
    picked = jnp.take_along_axis(values, ids[..., None], axis=-1, mode="promise_in_bounds")[..., 0]
    # A gather is not vectorized, and takes the mathematics of the rows along if they share a loop.
    return _barrier(picked)


@jax.custom_jvp
def _pick(values, ids):
    return _picked(values, ids)


@_pick.defjvp
def _(primals, tangents):
    (values, ids), (change, _) = primals, tangents
    return _pick(values, ids), jnp.sum(jnp.where(_at(ids, values), change, 0.0), axis=-1)


@jax.custom_jvp
def _leave_one_out(logits, ids):
    """The label's logit, the largest other one, and log sum exp(z_k - it) of the others."""
    masked = jnp.where(_at(ids, logits), -math.inf, logits)
    top = jax.lax.stop_gradient(jnp.max(masked, axis=-1))
    return _picked(logits, ids), top, jnp.log(jnp.sum(jnp.exp(masked - top[..., None]), axis=-1))


@_leave_one_out.defjvp
def _(primals, tangents):
    (logits, ids), (change, _) = primals, tangents
    label_logit, top, log_whole = _barrier(_leave_one_out(logits, ids))
    at_ids = _at(ids, logits)
    shares = jnp.where(at_ids, 0.0, jnp.exp(logits - top[..., None] - log_whole[..., None]))
    moved = (jnp.sum(jnp.where(at_ids, change, 0.0), axis=-1), jnp.zeros_like(top), jnp.sum(shares * change, axis=-1))
    return (label_logit, top, log_whole), moved


def _without_peak(logits, ids):
    """Largest of the others, how many share it, and the sum of exp(z_k - it) over those that do not."""
    masked = jnp.where(_at(ids, logits), -math.inf, logits)
    top = jnp.max(masked, axis=-1)
    is_top = masked >= top[..., None]
    rest = jnp.sum(jnp.where(is_top, 0.0, jnp.exp(masked - top[..., None])), axis=-1)
    return top, jnp.sum(is_top.astype(logits.dtype), axis=-1), rest


@jax.custom_jvp
def _peaked(logits, ids):
    top, number, rest = _without_peak(logits, ids)
    return top, jnp.log1p(rest + (number - 1.0))


@_peaked.defjvp
def _(primals, tangents):
    (logits, ids), (change, _) = primals, tangents
    top, number, rest = _barrier(_without_peak(logits, ids))
    masked = jnp.where(_at(ids, logits), -math.inf, logits)
    is_top = masked >= top[..., None]
    moved = jnp.sum(jnp.where(is_top, change, 0.0), axis=-1) / number
    parts = jnp.where(is_top, 0.0, jnp.exp(masked - top[..., None]))
    moved_whole = (jnp.sum(parts * change, axis=-1) - rest * moved) / (rest + number)
    return (top, jnp.log1p(rest + (number - 1.0))), (moved, moved_whole)


@jax.custom_jvp
def _spread(logits, ids, top):
    return _sum(jnp.where(_at(ids, logits), 0.0, logits - top[..., None]))


@_spread.defjvp
def _(primals, tangents):
    (logits, ids, top), (change, _, change_of_top) = primals, tangents
    moved = jnp.sum(jnp.where(_at(ids, logits), 0.0, change), axis=-1)
    return _spread(logits, ids, top), moved - (logits.shape[-1] - 1.0) * change_of_top


@jax.custom_jvp
def _above(logits, ids, level):
    """Sum over the others of max(z_k - level, 0), level (...)."""
    over = jnp.maximum(logits - level[..., None], 0.0)
    return _sum(jnp.where(_at(ids, logits), 0.0, over))


@_above.defjvp
def _(primals, tangents):
    (logits, ids, level), (change, _, change_of_level) = primals, tangents
    above = jnp.logical_and(logits > level[..., None], jnp.logical_not(_at(ids, logits)))
    is_above = jnp.where(above, jnp.ones_like(logits), 0.0)
    number = _barrier(_sum(is_above))
    return _above(logits, ids, level), jnp.sum(is_above * change, axis=-1) - number * change_of_level
