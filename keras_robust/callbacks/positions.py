"""Records of samples that have many labels: pixels, time steps, yes/no outputs."""

import math
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops
from keras.src.backend.common.masking import get_keras_mask

from keras_robust.backend import select
from keras_robust.checks import refuse
from keras_robust.labels import class_ids
from keras_robust.losses.inputs import align_weights
from keras_robust.sample_numbers import LARGEST_INDEX


class Columns(NamedTuple):
    """What is recorded of a batch: tensors (batch,), or (batch, positions...)."""

    margin: Any
    weight: Any
    loss: Any
    label: Any
    clean: Any
    predicted: Any


def columns_of(loss, label, clean, y_pred, mask=None, apart: bool = False) -> Columns:
    """The columns of a batch, one record a sample or, `apart`, one a position.

    A position that is ignored or masked has no label (-1), no margin (NaN), and weight and loss 0. In a record of a
    sample it does not count: margin, weight and loss are means over the positions that do, and label, clean and
    predicted class the most frequent ones among them, the smallest id of a tie.

    Args:
        loss: the loss that is asked.
        label, clean: labels as the loss takes them; clean ones may be None.
        y_pred: predictions of the batch.
        mask: boolean, of the positions that count, as Keras has it; None: all.
    """
    statistics = loss.position_statistics(label, y_pred)
    shape = tuple(statistics.margin.shape)
    ids = ops.zeros_like(statistics.label) - 1 if clean is None else _clean_ids(loss, clean, y_pred)
    columns = Columns(*statistics[:3], statistics.label, ids, statistics.predicted)
    if len(shape) == 1:
        return columns
    counted = columns.label >= 0
    if mask is not None:
        whole = shape[:-1] if loss.outputs_are_positions(y_pred) else shape
        mask = align_weights(ops.cast(mask, "bool"), whole, "The mask of y_pred")
        counted = ops.logical_and(counted, mask[..., None] if len(whole) < len(shape) else mask)
        columns = columns._replace(
            margin=select(counted, columns.margin, float("nan")),
            weight=select(counted, columns.weight, 0.0),
            loss=select(counted, columns.loss, 0.0),
            label=select(counted, columns.label, -1),
        )
    return columns if apart else _of_samples(columns, counted, 2 if loss.outputs_are_positions(y_pred) else y_pred)


def mask_of(y_pred):
    """The mask of predictions of many positions; None for one prediction a sample."""
    return get_keras_mask(y_pred) if len(y_pred.shape) > 2 else None


def has_masks(model) -> bool:
    """Whether a layer of a model may mask positions."""
    usual = keras.layers.Layer.compute_mask
    return any(type(layer).compute_mask is not usual for layer in model._flatten_layers(include_self=False))


def positions_of(loss, shape) -> tuple:
    """The positions' axes of a shape of predictions, (batch, positions..., classes)."""
    return tuple(shape[1:] if loss.outputs_are_positions(shape) else shape[1:-1])


def checked_positions(owner: str, positions) -> bool | tuple:
    """`positions` as they were given, a shape as a tuple.

    Raises:
        ValueError: for anything but True, False or a shape.
    """
    if isinstance(positions, bool):
        return positions
    rule = "True, False, or the shape of the positions, whole numbers of at least 1"
    if not isinstance(positions, list | tuple) or not positions:
        refuse(owner, "positions", rule, positions)
    if not all(isinstance(size, int | np.integer) and not isinstance(size, bool) and size > 0 for size in positions):
        refuse(owner, "positions", rule, positions)
    return tuple(map(int, positions))


def check_positions(owner: str, given: bool | tuple, shape: tuple) -> None:
    """Refuses `positions` of samples that have one label, or of another shape."""
    told = f"the shape of the positions, {shape}" if shape else "False: the model makes one prediction a sample"
    if not shape or (given is not True and given != shape):
        refuse(owner, "positions", f"True, or {told}" if shape else told, given)


def count_of(owner: str, num_samples: int, positions: tuple) -> int:
    """How many records samples with so many positions have.

    Raises:
        ValueError: if they cannot be numbered by int32.
    """
    count = num_samples * math.prod(positions)
    if count + math.prod(positions) > LARGEST_INDEX:
        rule = f"False where {num_samples:,} samples with so many positions make more than {LARGEST_INDEX:,} records"
        refuse(owner, "positions", rule, positions)
    return count


def _clean_ids(loss, clean, y_pred):
    if not loss.outputs_are_positions(y_pred):
        return class_ids(clean, y_pred)
    clean = ops.convert_to_tensor(clean)
    return ops.cast(clean > 0.5 if "float" in keras.backend.standardize_dtype(clean.dtype) else clean, "int32")


def _of_samples(columns, counted, classes):
    """Columns (batch, positions...) brought to (batch,); `classes` is their number, or predictions of as many."""
    classes = classes if isinstance(classes, int) else max(2, classes.shape[-1])
    columns = Columns(*(ops.reshape(column, (ops.shape(column)[0], -1)) for column in columns))
    counted = ops.reshape(counted, (ops.shape(counted)[0], -1))
    number = ops.sum(ops.cast(counted, "float32"), axis=-1)

    def mean(values):
        total = ops.sum(select(counted, ops.cast(values, "float32"), 0.0), axis=-1)
        return total / select(number == 0, 1.0, number)

    def most(ids):
        known = ops.logical_and(counted, ops.logical_and(ids >= 0, ids < classes))
        batch = ops.shape(ids)[0]
        places = ops.arange(batch)[:, None] * classes + select(known, ids, 0)
        votes = ops.segment_sum(
            ops.reshape(ops.cast(known, "int32"), (-1,)), ops.reshape(places, (-1,)), batch * classes
        )
        best = ops.cast(ops.argmax(ops.reshape(votes, (batch, classes)), axis=-1), "int32")
        return select(ops.any(known, axis=-1), best, -1)

    margin = select(number == 0, float("nan"), mean(columns.margin))
    return Columns(margin, mean(columns.weight), mean(columns.loss), *(most(ids) for ids in columns[3:]))
