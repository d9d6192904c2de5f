"""Rows on JAX: derivatives that read what was computed, behind barriers that keep XLA from computing it again.

Without a barrier XLA computes maximum and sum anew inside each loop that reads them; with it the shares are one
exponential inside the loop of the gradient, and nothing of shape (batch, classes) is kept.

On a CPU XLA hands a single sum to a library, which is good at long rows and writes out what comes of a comparison; two
of them that read the same rows become one call that is five times as slow. Several sums in one `reduce` stay in a loop
of XLA's own: one pass, good at short rows, but there an exponential of a long row is not vectorized.
"""

import math

import jax
import jax.numpy as jnp

from keras_robust.backend import cached_property
from keras_robust.losses.rows import generic

share = generic.share

_barrier = jax.lax.optimization_barrier
#: Rows shorter than this are summed by XLA itself.
LONG = 48


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
        return self._read[1:3]

    @property
    def label_logit(self):
        return self._read[0]

    @cached_property
    def _above_foreseen(self):
        """What is above the level that was foreseen, and the spread, which comes with the same pass."""
        return _above(self.logits, self.ids, self.normalizer[0], self.level(self.foreseen))

    def spread(self, top):
        return self._read[3] if self.foreseen is None else self._above_foreseen[1]

    def above(self, low, bias=0.0):
        return self._above_foreseen[0] if self.is_foreseen(low, bias) else super().above(low, bias)

    def above_level(self, top, level):
        return _above(self.logits, self.ids, top, level)[0]


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


def _added(sums, values):
    return tuple(a + b for a, b in zip(sums, values, strict=True))


@jax.custom_jvp
def _in_one_pass(*terms):
    """The sums over the classes of several terms."""
    # JAX knows what it has compiled by the function: one made here would be compiled at every call that is not in jit.
    zeros = tuple(jnp.zeros((), term.dtype) for term in terms)
    return jax.lax.reduce(terms, zeros, _added, (terms[0].ndim - 1,))


@_in_one_pass.defjvp
def _(terms, changes):
    return _in_one_pass(*terms), tuple(jnp.sum(change, axis=-1) for change in changes)


@jax.custom_jvp
def _leave_one_out(logits, ids):
    """The label's logit, the largest other one, and log sum exp(z_k - it) and sum of z_k - it of the others."""
    at_ids, masked = _at(ids, logits), _masked(logits, ids)
    top = jax.lax.stop_gradient(jnp.max(masked, axis=-1))
    label_logit = _picked(logits, ids)
    if logits.shape[-1] < LONG:
        shifted = logits - top[..., None]
        whole, spread = _in_one_pass(jnp.where(at_ids, 0.0, jnp.exp(shifted)), jnp.where(at_ids, 0.0, shifted))
    else:
        whole = jnp.sum(jnp.exp(masked - top[..., None]), axis=-1)
        after, _ = _barrier((top, whole))
        # The label's term is taken out of the sum, of which it is never nearly all, in place of a mask.
        spread = jnp.sum(logits - after[..., None], axis=-1) - (label_logit - top)
    return label_logit, top, jnp.log(whole), spread


@_leave_one_out.defjvp
def _(primals, tangents):
    (logits, ids), (change, _) = primals, tangents
    label_logit, top, log_whole, spread = _barrier(_leave_one_out(logits, ids))
    at_ids = _at(ids, logits)
    shares = jnp.where(at_ids, 0.0, jnp.exp(logits - top[..., None] - log_whole[..., None]))
    moved = (
        jnp.sum(jnp.where(at_ids, change, 0.0), axis=-1),
        jnp.zeros_like(top),
        jnp.sum(shares * change, axis=-1),
        jnp.sum(jnp.where(at_ids, 0.0, change), axis=-1),
    )
    return (label_logit, top, log_whole, spread), moved


def _without_peak(logits):
    """Largest of each row, how many share it, and the sum of exp(z_k - it) over those that do not."""
    top = jnp.max(logits, axis=-1)
    parts = jnp.exp(logits - top[..., None])
    if logits.shape[-1] < LONG:
        is_top = logits >= top[..., None]
        return top, *_in_one_pass(is_top.astype(parts.dtype), jnp.where(is_top, 0.0, parts))
    # exp(0) is 1, and nothing below 0 is.
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


def _pass_above(logits, ids, top, level):
    other = jnp.where(_at(ids, logits), 0.0, jnp.ones_like(logits))
    shifted = logits - top[..., None]
    over = shifted - level[..., None]
    return _in_one_pass(jnp.maximum(over, 0.0) * other, shifted * other, jnp.where(over > 0.0, other, 0.0))


@jax.custom_jvp
def _above(logits, ids, top, level):
    """Sums over the others of max(z_k - top - level, 0), level (...), and of z_k - top; `top` has no gradient."""
    return _pass_above(logits, ids, top, level)[:2]


@_above.defjvp
def _(primals, tangents):
    (logits, ids, top, level), (change, _, _, change_of_level) = primals, tangents
    over, spread, number = _barrier(_pass_above(logits, ids, top, level))
    is_other = ~_at(ids, logits)
    is_above = is_other & (logits - top[..., None] > level[..., None])
    moved = jnp.sum(jnp.where(is_above, change, 0.0), axis=-1) - number * change_of_level
    return (over, spread), (moved, jnp.sum(jnp.where(is_other, change, 0.0), axis=-1))
