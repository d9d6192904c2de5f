"""Looking at a loss from outside: its weights and gradients in float64 on any backend."""

import contextlib

import keras
import numpy as np
from keras import ops

from keras_robust import backend
from keras_robust.checks import refuse
from keras_robust.labels import Ids
from keras_robust.losses.base import RobustLoss
from keras_robust.losses.evidence import Probability, evidence
from keras_robust.losses.initialization import CLASSES

#: Numbers in one batch of logits: large enough to be fast, small enough for the memory of a notebook.
_BATCH = 2**20


@contextlib.contextmanager
def in_float64():
    """A context in which every backend computes in float64, on the host."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(keras.device("cpu"))
        if keras.backend.backend() == "jax":
            import jax

            # Before jax 0.8 it was experimental.
            enable = getattr(jax, "enable_x64", None)
            if enable is None:
                from jax.experimental import enable_x64 as enable
            stack.enter_context(enable(True))
        yield


def checked_loss(owner: str, loss) -> RobustLoss:
    """The loss with the numbers that it has now: those that a callback moves are frozen in a copy."""
    if not isinstance(loss, RobustLoss):
        refuse(owner, "loss", "a loss of keras_robust, such as keras_robust.GCE()", loss)
    return loss.with_hyperparameters({}) if loss.moving() else loss


def margin_weights(loss: RobustLoss, margins: np.ndarray, K: int) -> np.ndarray:
    """- dL / dmargin, with its sign, at margins of any shape, for a loss with `of_margin`."""
    with in_float64():
        weights = loss.weight_at_margin(ops.convert_to_tensor(margins, "float64"), K)
        return np.asarray(ops.convert_to_numpy(ops.broadcast_to(weights, margins.shape)), "float64")


def probability_values(loss: RobustLoss, log_p: np.ndarray, margins: np.ndarray, K: int):
    """Value and signed weight, (points,) each, at probabilities, for a loss with `of_probability`."""
    with in_float64():
        log_p, margins = ops.convert_to_tensor(log_p, "float64"), ops.convert_to_tensor(margins, "float64")
        p = Probability(K, log_p=log_p, margin=margins)
        found = (loss.at(p) * ops.ones_like(log_p), loss.signed_weight(p) * ops.ones_like(log_p))
        return tuple(np.asarray(ops.convert_to_numpy(x), "float64") for x in found)


def losses_of(loss: RobustLoss, logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The loss (rows,) of logits (rows, classes) and class ids (rows,)."""
    with in_float64():
        return np.asarray(ops.convert_to_numpy(loss.per_sample(_evidence(loss, logits, labels))), "float64")


def gradients(loss: RobustLoss, label: int = 0, compiled: bool = False):
    """A function from logits (rows, classes) to the gradient in them of each row's loss, all having the same label.

    Args:
        compiled: whether JAX compiles it as a whole. It would else compile each operation, which takes ten times as
            long, but once for all losses that differ in their numbers alone.
    """

    def slopes(batch):
        read = _evidence(loss, batch, np.full(len(batch), label))
        return backend.gradient(lambda z: loss.per_sample(read.of_logits(z)), read.logits)

    if compiled:
        slopes = backend.compiled_by_jax(slopes)

    def of_rows(logits):
        found = np.empty(logits.shape)
        rows = max(1, _BATCH // logits.shape[1])
        for start in range(0, len(logits), rows):
            with in_float64():
                batch = ops.convert_to_tensor(logits[start : start + rows], "float64")
                found[start : start + rows] = ops.convert_to_numpy(slopes(batch))
        return found

    return of_rows


def for_any_classes(owner: str, function, K):
    """`function(K)`; without K, its value if that is the same for every number of classes."""
    if K is not None:
        return function(CLASSES.check(owner, "K", K))
    few, many = function(3), function(1000)
    if not np.allclose(few, many, rtol=1e-9, atol=0.0, equal_nan=True):
        refuse(owner, "K", "given for this loss, which depends on the number of classes", K)
    return few


def _evidence(loss, logits, labels):
    ids = ops.convert_to_tensor(labels, "int32")
    labels = Ids(ids, None, ops.zeros_like(ids, dtype="bool"))
    return evidence(ops.convert_to_tensor(logits, "float64"), labels, reads=loss.reads)
