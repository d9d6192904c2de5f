"""The passes over (batch, classes) that decide the speed of a loss, as each backend runs them fastest.

`generic` says in `keras.ops` what is computed; `jax`, `tensorflow` and `torch` depart from it only where it was
measured to lose (docs/performance.md). Everything here is differentiable any number of times.
"""

import importlib

import keras

from keras_robust.losses.rows.generic import Rows, log_sum_exp

__all__ = ["Rows", "log_sum_exp", "read"]


def read(logits, ids=None, expected=frozenset()) -> Rows:
    """The sums, maxima and entries of the rows of `logits` (..., K), at class ids (...).

    Args:
        expected: what will be asked for, from `Rows.asked` of an earlier step; a hint, and only to PyTorch.
    """
    backend = keras.backend.backend()
    if isinstance(logits, keras.KerasTensor) or backend not in ("jax", "tensorflow", "torch"):
        return Rows(logits, ids, expected)
    return importlib.import_module(f"keras_robust.losses.rows.{backend}").BackendRows(logits, ids, expected)
