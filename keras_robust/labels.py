"""Labels as a loss meets them, brought to one of two forms: class ids or class probabilities.

`y_true` is read by its rank and last dimension alone, never by its values:

    y_pred (..., K)   y_true (...,) or (..., 1)   class ids
                      y_true (..., K)             one-hot or soft labels
"""

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_robust import backend


@dataclass(frozen=True)
class Ids:
    """Class ids of shape (...,), all within [0, K): an id that is not was set to 0 and marked in `wrong`."""

    ids: Any
    ignored: Any  # boolean (...,) or None: samples of the class to ignore
    wrong: Any  # boolean (...,): ids outside [0, K) that are not ignored


@dataclass(frozen=True)
class Targets:
    """One-hot or soft labels of shape (..., K)."""

    targets: Any
    ignored: Any


def read_labels(y_true, y_pred, ignore_class, dtype) -> Ids | Targets:
    """Reads `y_true` for predictions `y_pred`; soft labels come out in `dtype`, ids in int32.

    Raises:
        ValueError: if the shapes do not fit, if ids are floats, or if `y_pred` has fewer than two classes.
    """
    y_true = ops.convert_to_tensor(y_true)
    shape, expected = tuple(y_true.shape), tuple(y_pred.shape)
    classes = _number_of_classes(expected)
    if len(shape) == len(expected) and shape[-1] == classes:
        _check_fit(shape[:-1], shape, expected)
        targets = ops.cast(y_true, dtype)
        ignored = None
        if ignore_class is not None:
            ignored = ops.equal(ops.argmax(targets, axis=-1), ignore_class)
        return Targets(targets, ignored)

    if len(shape) == len(expected) and shape[-1] == 1:
        y_true = ops.squeeze(y_true, axis=-1)
    elif len(shape) != len(expected) - 1:
        _refuse_shape(shape, expected)
    _check_fit(tuple(y_true.shape), shape, expected)
    if "float" in keras.backend.standardize_dtype(y_true.dtype) and not backend.is_rehearsal():
        raise ValueError(
            "Class ids must be integers. "
            f"Received: y_true of dtype {keras.backend.standardize_dtype(y_true.dtype)} and shape {shape} for y_pred "
            f"of shape {expected}. Cast ids to an integer dtype, or give one-hot labels of shape {expected}."
        )
    ids = ops.cast(y_true, "int32")
    ignored = None if ignore_class is None else ops.equal(ids, ignore_class)
    wrong = ops.logical_or(ops.less(ids, 0), ops.greater_equal(ids, classes))
    ids = ops.where(wrong, 0, ids)
    if ignored is not None:
        wrong = ops.logical_and(wrong, ops.logical_not(ignored))
    return Ids(ids, ignored, wrong)


def class_ids(y, y_pred):
    """Class ids (batch,), int32, of labels (batch,), (batch, 1) or, one-hot or soft, (batch, K) as `y_pred`."""
    y = ops.convert_to_tensor(y)
    if len(y.shape) == len(y_pred.shape):
        y = ops.squeeze(y, axis=-1) if y.shape[-1] == 1 else ops.argmax(y, axis=-1)
    return ops.cast(y, "int32")


def _number_of_classes(shape):
    if len(shape) < 2 or shape[-1] is None:
        raise ValueError(
            f"y_pred must have shape (..., K) with a known number of classes K. Received: y_pred of shape {shape}."
        )
    if shape[-1] < 2:
        raise ValueError(
            "y_pred must have at least two classes in its last dimension: for a yes/no problem give the model two "
            f"outputs, Dense(2). Received: y_pred of shape {shape}."
        )
    return shape[-1]


def _check_fit(leading, shape, expected):
    if any(a is not None and b is not None and a != b for a, b in zip(leading, expected[:-1], strict=True)):
        _refuse_shape(shape, expected)


def _refuse_shape(shape, expected):
    leading = expected[:-1]
    raise ValueError(
        f"y_true must hold class ids of shape {leading} or {(*leading, 1)}, or one-hot / soft labels of shape "
        f"{expected}, to fit y_pred of shape {expected}. Received: y_true of shape {shape}."
    )
