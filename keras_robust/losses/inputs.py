"""What comes into a loss besides labels, predictions and sample weights, and what is said about wrong ones."""

import math
import warnings

import keras
import numpy as np
from keras import ops
from keras.src.backend import is_tensor
from keras.src.losses.loss import scale_loss_for_distribution

from keras_robust import backend
from keras_robust.labels import Ids
from keras_robust.numerics import SMALLEST, floor


def log_of_probabilities(y_pred, dtype):
    """log p in `dtype`, with p floored at the smallest normal float32 and NaN below 0.

    The slope 1 / p is capped at 2^120, and at 2^10 for float16, so that the gradient fits the dtype of `y_pred` with
    room for the weights of a sum.
    """
    return _capped_log(ops.cast(y_pred, dtype), _steepest(y_pred))


def logits_of_answers(y_pred, from_logits, dtype):
    """Logits (..., C, 2) of no and yes: (0, z), or (log(1 - s), log s) for probabilities s, NaN outside [0, 1]."""
    yes = ops.cast(y_pred, dtype)
    if from_logits:
        return ops.stack([ops.zeros_like(yes), yes], axis=-1)
    small = yes < 0.5
    log_no = backend.select(
        small, ops.log1p(-backend.select(small, yes, 0.0)), _capped_log(1.0 - yes, _steepest(y_pred))
    )
    return ops.stack([log_no, _capped_log(yes, _steepest(y_pred))], axis=-1)


def _steepest(y_pred):
    return 2.0**10 if keras.backend.standardize_dtype(y_pred.dtype) == "float16" else 2.0**120


def _capped_log(p, cap):
    value = ops.log(floor(p, SMALLEST))
    steep = p < 1.0 / cap
    slope_line = backend.select(p > SMALLEST, p, 0.0) * cap
    capped = ops.stop_gradient(value - slope_line) + slope_line
    safe = ops.log(backend.select(steep, 1.0, p))
    return backend.select(p < 0, float("nan"), backend.select(steep, capped, safe))


def as_predictions(y_pred):
    """`y_pred` as a tensor of floats, classes or outputs last.

    Raises:
        ValueError: for integers, sparse tensors, and scalars.
    """
    if backend.is_sparse(y_pred):
        raise ValueError(f"y_pred must be dense. Received: a sparse tensor of shape {tuple(y_pred.shape)}.")
    y_pred = ops.convert_to_tensor(y_pred)
    dtype = keras.backend.standardize_dtype(y_pred.dtype)
    if "float" not in dtype:
        raise ValueError(f"y_pred must hold floats. Received: y_pred of dtype {dtype}.")
    shape = tuple(y_pred.shape)
    if not shape or not shape[-1]:
        raise ValueError(
            f"y_pred must have shape (..., K) with a known number of classes K. Received: y_pred of shape {shape}."
        )
    return y_pred


def align_weights(sample_weight, losses_shape, name="sample_weight"):
    """Brings weights, or a mask, of shape (), (batch,), (batch, 1) or (...) to the rank of the losses."""
    sample_weight = ops.convert_to_tensor(sample_weight)
    shape, rank = tuple(sample_weight.shape), len(losses_shape)
    if len(shape) == rank + 1 and shape[-1] == 1:
        sample_weight = ops.squeeze(sample_weight, axis=-1)
    elif len(shape) < rank:
        sample_weight = ops.reshape(sample_weight, (*ops.shape(sample_weight), *(1,) * (rank - len(shape))))
    sizes = zip(sample_weight.shape, losses_shape, strict=False)
    if len(sample_weight.shape) != rank or any(a != b for a, b in sizes if None not in (a, b) and a != 1):
        raise ValueError(
            f"{name} must fit the per-sample loss of shape {losses_shape}: that shape, its first dimensions, or "
            f"1 in their place. Received: {name} of shape {shape}."
        )
    return sample_weight


def reduce_losses(losses, sample_weight, mask, reduction):
    """Reduces per-sample losses as Keras does, in their own dtype: Keras' PyTorch backend would take means in float32.

    A mask takes its samples out of the mean; a weight of 0 does not, except in "mean_with_sample_weight".
    """
    mean = reduction in ("mean", "sum_over_batch_size")
    weights = None if sample_weight is None else ops.cast(sample_weight, losses.dtype)
    if mask is not None:
        mask = ops.cast(mask, losses.dtype)
        weights = mask if weights is None else weights * mask
    if weights is not None:
        losses = losses * weights
    if reduction in (None, "none") or len(losses.shape) == 0:
        return losses
    total = ops.sum(losses)
    if reduction == "sum":
        return total
    shape = tuple(losses.shape)
    if (mean or weights is None) and mask is None and None not in shape:  # known now: nothing to sum up
        return scale_loss_for_distribution(total / max(1, math.prod(shape)))
    if mean or weights is None:
        count = ops.sum(ops.ones_like(losses) if mask is None else mask)
    else:
        count = ops.sum(weights)
    return scale_loss_for_distribution(total / backend.select(count == 0, ops.ones_like(count), count))


def explain_classes(kind, from_logits, y_true, y_pred, labels, valid):
    """Says which wrong input made a loss of classes NaN, as a ValueError; a NaN that came in is passed on."""
    counts, wrong = _counted(y_pred[..., 0], labels, valid)
    if wrong.any():
        shape, given = tuple(y_pred.shape), np.asarray(_to_numpy(y_true))
        if isinstance(labels, Ids):
            ids = np.unique(given.reshape(wrong.shape)[wrong]).tolist()
            raise ValueError(
                f"Class ids must lie in [0, {shape[-1]}) for y_pred of shape {shape}. Received ids outside: "
                f"{ids[:10]}. If one of them marks samples to leave out, pass it as `ignore_class` to {kind}."
            )
        row = given.reshape(shape)[wrong][0].astype("float64")
        if np.isnan(row).any():
            raise ValueError(
                f"One-hot and soft labels must be numbers. Received: NaN in y_true of shape {given.shape}, in "
                f"{np.count_nonzero(wrong)} of {wrong.size} samples. Give samples to leave out the weight 0."
            )
        told = f"a sum of {row.sum():g}" if row.min() >= 0 else f"an entry of {row.min():g}"
        raise ValueError(
            "One-hot and soft labels must be at least 0, with a sum above 0 and at most 1. Received: "
            f"{np.count_nonzero(wrong)} of {wrong.size} rows of y_true, shape {given.shape}, that are no distribution; "
            f"the first has {told}. For several classes at once (multi-hot labels, yes/no outputs) use "
            f"keras_robust.Binary; divide the votes of several annotators by their number; give samples to leave out "
            "the weight 0."
        )
    _refuse_probabilities(kind, from_logits, y_pred, counts)


def explain_answers(kind, from_logits, y_true, y_pred, labels, counted):
    """Says which wrong input made a loss of yes/no outputs NaN, as a ValueError; a NaN that came in is passed on."""
    counts, wrong = _counted(y_pred, labels, counted)
    if wrong.any():
        found = np.unique(np.asarray(_to_numpy(y_true)).reshape(wrong.shape)[wrong].astype("float64")).tolist()
        raise ValueError(
            f"Answers to yes/no outputs must lie in [0, 1]. Received: y_true with {found[:10]}, for y_pred of shape "
            f"{tuple(y_pred.shape)}. If one of them marks outputs to leave out, pass it as `ignore_class` to {kind}."
        )
    _refuse_probabilities(kind, from_logits, y_pred, counts, highest=1.0)


def _counted(losses, labels, counted):
    """Which losses count, and which of those have labels that make no sense; as numpy arrays."""
    counts = _to_numpy(ops.ones_like(losses, dtype="bool") if counted is None else counted)
    return counts, counts & _to_numpy(labels.wrong)


def _to_numpy(x):
    return ops.convert_to_numpy(x) if is_tensor(x) else np.asarray(x)


def _refuse_probabilities(kind, from_logits, y_pred, counts, highest=np.inf):
    values = ops.convert_to_numpy(ops.cast(y_pred, "float32"))[counts]
    if from_logits or not np.any((values < 0) | (values > highest)):
        return
    rule = "are at least 0" if highest == np.inf else "lie in [0, 1]"
    told = "smallest" if np.any(values < 0) else "largest"
    value = np.nanmin(values) if told == "smallest" else np.nanmax(values)
    raise ValueError(
        f"{kind}(from_logits=False) reads probabilities, which {rule}. Received: y_pred with {told} value "
        f"{value:g}. For logits pass from_logits=True."
    )


def warn_about_predictions(name, from_logits, y_pred, asks_questions=False) -> bool:
    """Warns of predictions that look wrong for `from_logits`; returns whether they could be judged."""
    dtype = keras.backend.standardize_dtype(y_pred.dtype)
    if not from_logits:
        if dtype in backend.NARROW_FLOATS:
            warnings.warn(
                f"{name} received probabilities in {dtype}, which cannot hold a small probability or its gradient: the "
                "slope is capped. Let the model end in logits and pass from_logits=True, or give its last layer "
                'dtype="float32".',
                stacklevel=5,
            )
        return True
    if not backend.is_concrete(y_pred):
        return False
    if asks_questions or y_pred.shape[-1] == 1:  # a logit of its own may be anything
        return True
    values = ops.convert_to_numpy(ops.cast(y_pred, "float32"))
    if values.size and values.min() >= 0 and np.allclose(values.sum(axis=-1), 1.0, atol=1e-3):
        warnings.warn(
            f"{name} was told from_logits=True, but every row of y_pred is non-negative and sums to 1, as "
            "probabilities do. For a model that ends in softmax pass from_logits=False.",
            stacklevel=5,
        )
    return True
