"""The passes over (batch, classes) that decide the speed of a loss, as each backend runs them fastest.

`Rows` says in `keras.ops` what is computed; a backend departs from that only where it was measured to lose by it
(docs/performance.md). Everything here is differentiable any number of times.
"""

import functools
import math
import types
from functools import cached_property

import keras
from keras import ops

FEW_CLASSES = 64  # below, a row is too short to be worth a second exponential on JAX


def rows(logits, ids=None, expected=()):
    """The sums and maxima over classes of log p, for logits (..., K) and class ids (...).

    Args:
        expected: what will be asked for, from `Rows.asked` of an earlier step; a hint, and only to PyTorch.
    """
    return (_TorchRows if _backend(logits) == "torch" else Rows)(logits, ids, expected)


def pick(values, ids):
    """Entry of `values` (..., K) at `ids` (...), which lie in [0, K)."""
    match _backend(values):
        case "tensorflow":
            import tensorflow as tf

            # Keras would broadcast `values` to its own shape first, a copy.
            return tf.gather(values, ids, batch_dims=len(ids.shape))
        case "jax":
            return _jax().pick(values, ids)
        case "torch":
            return values.gather(-1, ids.long()[..., None]).squeeze(-1)
    return ops.squeeze(ops.take_along_axis(values, ids[..., None], axis=-1), axis=-1)


def log_sum_exp_of_others(logits, ids):
    """log sum exp(z_i) over i != `ids`."""
    if _backend(logits) == "torch":
        import torch

        return torch.logsumexp(logits.scatter(-1, ids.long()[..., None], -math.inf), dim=-1)
    at_ids = ops.equal(ops.arange(logits.shape[-1], dtype=ids.dtype), ids[..., None])
    return log_sum_exp(ops.where(at_ids, -math.inf, logits))


def log_sum_exp(x, keepdims=False):
    top = ops.stop_gradient(ops.max(x, axis=-1, keepdims=True))
    total = top + ops.log(ops.sum(ops.exp(x - top), axis=-1, keepdims=True))
    return total if keepdims else ops.squeeze(total, axis=-1)


class Rows:
    """log p_k = (z_k - top) - log_total, never put together where a sum over k will do."""

    def __init__(self, logits, ids, expected):
        self.logits, self.ids = logits, ids
        self.asked = frozenset()

    @cached_property
    def _normalizer(self):
        """Largest logit of each row, through which no gradient flows, and log sum exp(z - top)."""
        if _backend(self.logits) == "jax" and self.logits.shape[-1] >= FEW_CLASSES:
            return _jax().normalizer(self.logits)
        top = ops.stop_gradient(ops.max(self.logits, axis=-1))
        return top, ops.log(ops.sum(ops.exp(self.logits - top[..., None]), axis=-1))

    @property
    def _shifted(self):
        return self.logits - self._normalizer[0][..., None]

    @cached_property
    def log_probs(self):
        return self._shifted - self._normalizer[1][..., None]

    @cached_property
    def at_ids(self):
        top, log_total = self._normalizer
        return pick(self.logits, self.ids) - top - log_total

    @cached_property
    def total(self):
        return ops.sum(self._shifted, axis=-1) - self.logits.shape[-1] * self._normalizer[1]

    @cached_property
    def largest(self):
        top, log_total = self._normalizer
        largest = _jax().largest if _backend(self.logits) == "jax" else functools.partial(ops.max, axis=-1)
        return largest(self.logits) - top - log_total

    def above(self, low):
        """Sum over k of max(log p_k - low, 0), for a number or scalar `low` through which no gradient flows."""
        above = self.log_probs - low
        if _backend(self.logits) == "jax":
            # The derivative of `relu` keeps XLA from joining it with its neighbours.
            return ops.sum(ops.where(above > 0.0, above, 0.0), axis=-1)
        return ops.sum(ops.relu(above), axis=-1)


class _TorchRows(Rows):
    """All from PyTorch's one kernel for log p. What was asked for in an earlier step is read in one go."""

    def __init__(self, logits, ids, expected):
        super().__init__(logits, ids, expected)
        self.expected = expected
        self._known = {}

    @cached_property
    def log_probs(self):
        import torch

        return torch.log_softmax(self.logits, dim=-1)

    at_ids = property(lambda self: self._read("at_ids"))
    total = property(lambda self: self._read("total"))
    largest = property(lambda self: self._read("largest"))

    def above(self, low):
        return self._read(low) if isinstance(low, float) else super().above(low)

    def _read(self, name):
        self.asked |= {name}
        if name not in self._known:
            names = {name} | (self.expected - self._known.keys())
            if self.ids is None:
                names -= {"at_ids"}
            lows = [low for low in (name, *names) if isinstance(low, float)]
            low = lows[0] if lows else None
            ids = self.ids.long()[..., None] if "at_ids" in names else None
            at_ids, total, largest, above, _ = _torch().read(
                self.log_probs, ids, "total" in names, "largest" in names, low
            )
            known = {"at_ids": at_ids, "total": total, "largest": largest, low: above}
            self._known |= {key: value for key, value in known.items() if value is not None}
        return self._known[name]


def _backend(x):
    """The backend, or None for a tensor that has no values."""
    return None if isinstance(x, keras.KerasTensor) else keras.backend.backend()


@functools.cache
def _jax():
    import jax
    import jax.numpy as jnp

    @jax.custom_jvp
    def normalizer(logits):
        top = jax.lax.stop_gradient(jnp.max(logits, axis=-1))
        return top, jnp.log(jnp.sum(jnp.exp(logits - top[..., None]), axis=-1))

    @normalizer.defjvp
    def _(primals, tangents):
        (logits,), (change,) = primals, tangents
        # Without the barrier XLA computes both anew inside each loop that reads them; with it the probabilities are
        # one exponential inside the loop of the gradient, and nothing of shape (batch, classes) is kept.
        top, log_total = jax.lax.optimization_barrier(normalizer(logits))
        probs = jnp.exp(logits - top[..., None] - log_total[..., None])
        return (top, log_total), (jnp.zeros_like(top), jnp.sum(probs * change, axis=-1))

    @jax.custom_jvp
    def pick(values, ids):
        picked = jnp.take_along_axis(values, ids[..., None], axis=-1, mode="promise_in_bounds")[..., 0]
        # A gather is not vectorised, and takes the mathematics of the rows along if they share a loop.
        return jax.lax.optimization_barrier(picked)

    @pick.defjvp
    def _(primals, tangents):
        (values, ids), (change, _) = primals, tangents
        if values.shape[-1] >= FEW_CLASSES:
            return pick(values, ids), pick(change, ids)
        at_ids = jnp.arange(values.shape[-1], dtype=ids.dtype) == ids[..., None]
        return pick(values, ids), jnp.sum(jnp.where(at_ids, change, 0.0), axis=-1)

    @jax.custom_jvp
    def largest(logits):
        return jnp.max(logits, axis=-1)

    @largest.defjvp
    def _(primals, tangents):
        (logits,), (change,) = primals, tangents
        top = jax.lax.optimization_barrier(largest(logits))
        is_top = logits == top[..., None]
        share = jax.lax.optimization_barrier(1.0 / jnp.sum(is_top, axis=-1, dtype=logits.dtype))
        return top, jnp.sum(jnp.where(is_top, change, 0.0), axis=-1) * share

    return types.SimpleNamespace(normalizer=normalizer, pick=pick, largest=largest)


@functools.cache
def _torch():
    import torch

    class Read(torch.autograd.Function):
        """Entry, sum, maximum and `sum_above` of the rows, with one gradient for all that were asked for.

        Plain autograd makes a (batch, classes) gradient for each, and for the last keeps another one.
        """

        generate_vmap_rule = True

        @staticmethod
        def forward(values, ids, total, largest, low):
            top, top_ids = values.max(dim=-1, keepdim=True) if largest else (None, None)
            return (
                None if ids is None else values.gather(-1, ids).squeeze(-1),
                values.sum(dim=-1) if total else None,
                top.squeeze(-1) if largest else None,
                None if low is None else (values - low).relu_().sum(dim=-1),
                top_ids,
            )

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.set_materialize_grads(False)
            values, ids, _, _, ctx.low = inputs
            top_ids = output[-1]
            if top_ids is not None:
                ctx.mark_non_differentiable(top_ids)
            ctx.save_for_backward(values, ids, top_ids)

        @staticmethod
        def backward(ctx, at_ids, total, largest, above, _):
            values, ids, top_ids = ctx.saved_tensors
            if above is not None:
                gradient = torch.ops.aten.threshold_backward(above[..., None].expand_as(values), values, ctx.low)
                gradient = gradient if total is None else gradient.add_(total[..., None])
            elif total is not None:
                gradient = total[..., None].expand_as(values).clone(memory_format=torch.contiguous_format)
            else:
                gradient = torch.zeros_like(values)
            for where, slope in ((ids, at_ids), (top_ids, largest)):
                if slope is not None:
                    gradient = gradient.scatter_add_(-1, where, slope[..., None])
            return gradient, None, None, None, None

    return types.SimpleNamespace(read=Read.apply)
