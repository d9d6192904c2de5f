"""Labels as a loss meets them, brought to one of three forms: class ids, class probabilities, or answers yes and no.

`y_true` is read by its rank and last dimension alone, never by its values:

    y_pred (..., K)   y_true (...,) or (..., 1)   class ids
                      y_true (..., K)             one-hot or soft labels
    y_pred (..., C)   y_true (..., C)             answers to C yes/no questions; (...,) too where C = 1

What makes no sense is set to something harmless and marked in `wrong`, so that it brings no NaN into gradients.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.src.backend import is_tensor

from keras_robust import backend

# How far the sum of soft labels may lie above 1, in the precision of their dtype.
EXCESS = {"float16": 2e-2, "bfloat16": 2e-2}


@dataclass(frozen=True)
class Ids:
    """Class ids of shape (...,), all within [0, K): an id that is not was set to 0."""

    ids: Any
    ignored: Any  # boolean (...,) or None: samples of the class to ignore
    wrong: Any  # boolean (...,): ids outside [0, K) that are not ignored


@dataclass(frozen=True)
class Targets:
    """One-hot or soft labels of shape (..., K); a row that is no distribution was set to the uniform one."""

    targets: Any
    ignored: Any
    wrong: Any = None  # boolean (...,): rows with an entry below 0 or NaN, or a sum of 0 or above 1


@dataclass(frozen=True)
class Answers:
    """Answers to yes/no questions, (..., C): 0 and 1 of an integer dtype, or the probability of yes as a float."""

    answers: Any
    ignored: Any  # boolean (..., C) or None: NaN among floats, and the class to ignore
    wrong: Any  # boolean (..., C): what lies outside [0, 1]

    @property
    def are_hard(self) -> bool:
        return "float" not in keras.backend.standardize_dtype(self.answers.dtype)


def read_labels(y_true, y_pred, ignore_class, dtype) -> Ids | Targets:
    """Reads `y_true` for predictions `y_pred` (..., K); soft labels come out in `dtype`, ids in int32.

    Raises:
        ValueError: if the shapes do not fit, or if ids are floats.
    """
    y_true = _as_tensor(y_true)
    shape, expected = tuple(y_true.shape), tuple(y_pred.shape)
    classes = expected[-1]
    if len(shape) == len(expected) and shape[-1] == classes:
        _check_fit(shape[:-1], shape, expected)
        return _read_targets(y_true, classes, ignore_class, dtype)
    if len(shape) == len(expected) and shape[-1] == 1:
        y_true = ops.squeeze(y_true, axis=-1)
    elif len(shape) != len(expected) - 1:
        _refuse_shape(shape, expected)
    _check_fit(tuple(y_true.shape), shape, expected)
    if _is_float(y_true) and not backend.is_rehearsal():
        raise ValueError(
            "Class ids must be integers. "
            f"Received: y_true of dtype {keras.backend.standardize_dtype(y_true.dtype)} and shape {shape} for y_pred "
            f"of shape {expected}. Cast ids to an integer dtype, or give one-hot labels of shape {expected}."
        )
    return Ids(*_read_ids(y_true, classes, ignore_class))


def read_answers(y_true, y_pred, ignore_class, dtype) -> Answers:
    """Reads `y_true` as answers to the yes/no questions of `y_pred` (..., C); soft ones come out in `dtype`.

    Raises:
        ValueError: if the shapes do not fit.
    """
    y_true = _as_tensor(y_true)
    shape, expected = tuple(y_true.shape), tuple(y_pred.shape)
    if expected[-1] == 1 and len(shape) == len(expected) - 1:
        y_true = y_true[..., None]
    fits = len(y_true.shape) == len(expected) and y_true.shape[-1] == expected[-1]
    if not fits or _disagree(y_true.shape[:-1], expected[:-1]):
        allowed = f"{expected[:-1]} or {expected}" if expected[-1] == 1 else f"{expected}"
        raise ValueError(
            f"y_true must hold a yes or no (0 or 1, or between them) for each output of y_pred, of shape {allowed} for "
            f"y_pred of shape {expected}. Received: y_true of shape {shape}."
        )
    if not _is_float(y_true):
        return Answers(*_read_ids(y_true, 2, ignore_class))
    answers = ops.cast(y_true, dtype)
    ignored = ops.isnan(answers)
    if ignore_class is not None:
        ignored = ops.logical_or(ignored, backend.equals(answers, float(ignore_class)))
    outside = ops.logical_or(answers < 0.0, answers > 1.0)
    wrong = ops.logical_and(outside, ops.logical_not(ignored))
    return Answers(backend.select(ops.logical_or(ignored, wrong), 0.0, answers), ignored, wrong)


def class_ids(y, y_pred):
    """Class ids (batch,), int32, of labels (batch,), (batch, 1) or, one-hot or soft, (batch, K) as `y_pred`.

    For one output, `y_pred` (batch, 1), they are 0 and 1.
    """
    y = ops.convert_to_tensor(y)
    if y_pred.shape[-1] == 1 and _is_float(y):
        y = y > 0.5
    if len(y.shape) == len(y_pred.shape):
        y = ops.squeeze(y, axis=-1) if y.shape[-1] == 1 else ops.argmax(y, axis=-1)
    return ops.cast(y, "int32")


def _as_tensor(y_true):
    if backend.is_sparse(y_true):
        raise ValueError(
            f"y_true must be dense. Received: a sparse tensor of shape {tuple(y_true.shape)}. Pass "
            "keras.ops.convert_to_tensor(y_true, sparse=False)."
        )
    if isinstance(y_true, list | tuple) and not any(is_tensor(entry) for entry in y_true):
        y_true = np.asarray(y_true)
    if isinstance(y_true, np.ndarray) and y_true.dtype.kind in "iu":
        # JAX would wrap what does not fit int32, and PyTorch lacks most unsigned types.
        border = np.iinfo("int32")
        y_true = np.clip(y_true.astype("int64"), border.min, border.max).astype("int32")
    return ops.convert_to_tensor(y_true)


def _read_ids(y_true, classes, ignore_class):
    wide = keras.backend.standardize_dtype(y_true.dtype) in ("int64", "uint64")
    ids = ops.cast(y_true, "int64" if wide else "int32")
    ignored = None if ignore_class is None else backend.equals(ids, ignore_class)
    wrong = ops.logical_or(ids < 0, ids >= classes)
    ids = ops.cast(backend.select(wrong, 0, ids), "int32")
    if ignored is not None:
        wrong = ops.logical_and(wrong, ops.logical_not(ignored))
    return ids, ignored, wrong


def _read_targets(y_true, classes, ignore_class, dtype):
    excess = EXCESS.get(keras.backend.standardize_dtype(y_true.dtype), 1e-3)
    targets = ops.cast(y_true, dtype)
    ignored = None
    if ignore_class is not None:
        ignored = backend.equals(ops.argmax(targets, axis=-1), ignore_class)
    total = ops.sum(targets, axis=-1)
    # Written so that a NaN is wrong.
    fits = ops.logical_and(ops.all(targets >= 0.0, axis=-1), ops.logical_and(total > 0.0, total <= 1.0 + excess))
    wrong = ops.logical_not(fits)
    return Targets(backend.select(wrong[..., None], 1.0 / classes, targets), ignored, wrong)


def _is_float(y_true):
    return "float" in keras.backend.standardize_dtype(y_true.dtype)


def _disagree(leading, expected):
    sizes = zip(leading, expected, strict=True)
    return any(a is not None and b is not None and a != b for a, b in sizes)


def _check_fit(leading, shape, expected):
    if _disagree(leading, expected[:-1]):
        _refuse_shape(shape, expected)


def _refuse_shape(shape, expected):
    leading = expected[:-1]
    raise ValueError(
        f"y_true must hold class ids of shape {leading} or {(*leading, 1)}, or one-hot / soft labels of shape "
        f"{expected}, to fit y_pred of shape {expected}. Received: y_true of shape {shape}."
    )
