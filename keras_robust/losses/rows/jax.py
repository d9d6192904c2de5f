"""Rows on JAX: derivatives that read what was computed, behind barriers that keep XLA from computing it again.

Without a barrier XLA computes maximum and sum anew inside each loop that reads them; with it the probabilities are
one exponential inside the loop of the gradient, and nothing of shape (batch, classes) is kept.
"""

from functools import cached_property

import jax
import jax.numpy as jnp

from keras_robust.losses.rows.generic import Rows

FEW_CLASSES = 64  # below, a row is too short to be worth a scatter

_barrier = jax.lax.optimization_barrier


class BackendRows(Rows):
    @cached_property
    def normalizer(self):
        return _normalizer(self.logits)

    @cached_property
    def total(self):
        return _sum(self.shifted) - self.num_classes * self.normalizer[1]

    def above(self, low):
        return _above(self.shifted, self.normalizer[1] + jax.lax.stop_gradient(low))

    def largest_logit(self):
        return _largest(self.logits)

    def pick(self, values):
        return _pick(values, self.ids)


def _sum(x):
    """Sum over the last axis. On a CPU XLA vectorizes a product with ones, and not the sum of a short row."""
    if jax.default_backend() == "cpu":
        return jnp.matmul(x, jnp.ones(x.shape[-1], x.dtype), precision=jax.lax.Precision.HIGHEST)
    return jnp.sum(x, axis=-1)


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
def _above(values, low):
    """Sum over k of max(values_k - low, 0), low (...)."""
    return _sum(jnp.maximum(values - low[..., None], 0.0))


@_above.defjvp
def _(primals, tangents):
    (values, low), (change, change_of_low) = primals, tangents
    is_above = jnp.where(values > low[..., None], jnp.ones_like(values), 0.0)
    number = _barrier(_sum(is_above))
    return _above(values, low), jnp.sum(is_above * change, axis=-1) - number * change_of_low


@jax.custom_jvp
def _largest(logits):
    return jnp.max(logits, axis=-1)


@_largest.defjvp
def _(primals, tangents):
    (logits,), (change,) = primals, tangents
    top = _barrier(_largest(logits))
    is_top = jnp.where(logits == top[..., None], jnp.ones_like(logits), 0.0)
    return top, jnp.sum(is_top * change, axis=-1) / _barrier(_sum(is_top))


@jax.custom_jvp
def _pick(values, ids):
    picked = jnp.take_along_axis(values, ids[..., None], axis=-1, mode="promise_in_bounds")[..., 0]
    # A gather is not vectorized, and takes the mathematics of the rows along if they share a loop.
    return _barrier(picked)


@_pick.defjvp
def _(primals, tangents):
    (values, ids), (change, _) = primals, tangents
    if values.shape[-1] >= FEW_CLASSES:
        return _pick(values, ids), _pick(change, ids)
    at_ids = jnp.arange(values.shape[-1], dtype=ids.dtype) == ids[..., None]
    return _pick(values, ids), jnp.sum(jnp.where(at_ids, change, 0.0), axis=-1)
