"""The passes over (batch, classes) that decide the speed of a loss, as each backend runs them fastest.

`generic` says in `keras.ops` what is computed; `jax`, `tensorflow` and `torch` depart from it only where it was
measured to lose (docs/explanation/performance.md). Everything here is differentiable any number of times.
"""

import importlib

import keras

from keras_robust.backend import is_transformed
from keras_robust.losses.rows import generic
from keras_robust.losses.rows.generic import log_sum_exp

__all__ = ["log_sum_exp", "others", "peak", "pick", "share", "whole", "with_slope"]


_BACKEND = keras.backend.backend()
# Keras has imported its backend already, and the backend stays.
_ROWS = importlib.import_module(f"{__name__}.{_BACKEND}") if _BACKEND in ("jax", "tensorflow", "torch") else generic


def _for(x):
    """The module of this package that reads the tensor `x`."""
    return generic if isinstance(x, keras.KerasTensor) or is_transformed(x) else _ROWS


def whole(logits) -> generic.Whole:
    """Sums and maxima over all classes of the rows of `logits` (..., K)."""
    return _for(logits).Whole(logits)


def others(logits, ids, reads=frozenset()) -> generic.Others:
    """The rows of `logits` (..., K) without their labels `ids` (...); see `generic.Others`."""
    return _for(logits).Others(logits, ids, reads)


def peak(logits, ids) -> generic.Peak:
    """log p_y and max_k log p_k of the rows of `logits` (..., K) with labels `ids` (...)."""
    return _for(logits).Peak(logits, ids)


def pick(values, ids):
    """Entry of `values` (..., K) at class ids (...) in [0, K)."""
    return _for(values).pick(values, ids)


def share(part, rest):
    """part / (part + rest) of each sample, for numbers (...) of at least 0; see `generic.share`."""
    return _for(part).share(part, rest)


def with_slope(function, x):
    """A value with the derivative that is given beside it; see `generic.with_slope`."""
    return (generic if isinstance(x, keras.KerasTensor) else _ROWS).with_slope(function, x)
