"""What comes into a loss besides labels, predictions and sample weights, and what is said about wrong ones."""

import warnings

import keras
import numpy as np
from keras import ops
from keras.src.losses.loss import scale_loss_for_distribution

from keras_robust import backend
from keras_robust.labels import Ids, Targets
from keras_robust.losses.numerics import SMALLEST, floor


def log_of_probabilities(y_pred, dtype):
    """log p in `dtype`, with p floored at the smallest normal float32 and NaN below 0.

    The slope 1 / p is capped at 2^120, and at 2^10 for float16, so that the gradient fits the dtype of `y_pred` with
    room for the weights of a sum.
    """
    cap = 2.0**10 if keras.backend.standardize_dtype(y_pred.dtype) == "float16" else 2.0**120
    p = ops.cast(y_pred, dtype)
    value = ops.log(floor(p, SMALLEST))
    steep = p < 1.0 / cap
    slope_line = ops.where(p > SMALLEST, p, 0.0) * cap
    capped = ops.stop_gradient(value - slope_line) + slope_line
    safe = ops.log(ops.where(steep, 1.0, p))
    return ops.where(p < 0, float("nan"), ops.where(steep, capped, safe))


def as_predictions(y_pred):
    y_pred = ops.convert_to_tensor(y_pred)
    dtype = keras.backend.standardize_dtype(y_pred.dtype)
    if "float" not in dtype:
        raise ValueError(f"y_pred must hold floats. Received: y_pred of dtype {dtype}.")
    return y_pred


def align_weights(sample_weight, losses_shape):
    """Brings weights of shape (), (batch,), (batch, 1) or (...) to the rank of the losses."""
    sample_weight = ops.convert_to_tensor(sample_weight)
    shape, rank = tuple(sample_weight.shape), len(losses_shape)
    if len(shape) == rank + 1 and shape[-1] == 1:
        sample_weight = ops.squeeze(sample_weight, axis=-1)
    elif len(shape) < rank:
        sample_weight = ops.reshape(sample_weight, (*ops.shape(sample_weight), *(1,) * (rank - len(shape))))
    sizes = zip(sample_weight.shape, losses_shape, strict=False)
    if len(sample_weight.shape) != rank or any(a != b for a, b in sizes if None not in (a, b) and a != 1):
        raise ValueError(
            f"sample_weight must fit the per-sample loss of shape {losses_shape}: that shape, its first dimensions, or "
            f"1 in their place. Received: sample_weight of shape {shape}."
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
    if mean or weights is None:
        count = ops.sum(ops.ones_like(losses) if mask is None else mask)
    else:
        count = ops.sum(weights)
    return scale_loss_for_distribution(total / ops.where(count == 0, ops.ones_like(count), count))


def explain_nan(kind, from_logits, y_true, y_pred, labels, valid):
    """Says which wrong input made a loss NaN, as a ValueError; a NaN that came in is passed on."""
    counts = ops.convert_to_numpy(ops.ones_like(y_pred[..., 0], dtype="bool") if valid is None else valid)
    misplaced = counts & ops.convert_to_numpy(labels.wrong) if isinstance(labels, Ids) else counts & False
    if misplaced.any():
        wrong = np.unique(ops.convert_to_numpy(y_true).reshape(misplaced.shape)[misplaced]).tolist()
        raise ValueError(
            f"Class ids must lie in [0, {y_pred.shape[-1]}) for y_pred of shape {tuple(y_pred.shape)}. Received ids "
            f"outside: {wrong[:10]}. If one of them marks samples to leave out, pass it as `ignore_class` to {kind}."
        )
    if isinstance(labels, Targets):
        unknown = counts & np.isnan(ops.convert_to_numpy(labels.targets)).any(axis=-1)
        if unknown.any():
            raise ValueError(
                f"One-hot and soft labels must be numbers. Received: NaN in y_true of shape {tuple(y_true.shape)}, in "
                f"{np.count_nonzero(unknown)} of {unknown.size} samples. Give samples to leave out the weight 0."
            )
    values = ops.convert_to_numpy(ops.cast(y_pred, "float32"))[counts]
    if not from_logits and np.any(values < 0):
        raise ValueError(
            f"{kind}(from_logits=False) reads probabilities, which are at least 0. Received: y_pred with smallest "
            f"value {np.nanmin(values):g}. For logits pass from_logits=True."
        )


def warn_about_predictions(name, from_logits, y_pred) -> bool:
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
    values = ops.convert_to_numpy(ops.cast(y_pred, "float32"))
    if values.size and values.min() >= 0 and np.allclose(values.sum(axis=-1), 1.0, atol=1e-3):
        warnings.warn(
            f"{name} was told from_logits=True, but every row of y_pred is non-negative and sums to 1, as "
            "probabilities do. For a model that ends in softmax pass from_logits=False.",
            stacklevel=5,
        )
    return True
