"""Recording samples inside the compiled training step."""

import math

import keras
import numpy as np
from keras import ops

from keras_robust.backend import increase
from keras_robust.callbacks.positions import columns_of, count_of, mask_of
from keras_robust.checks import refuse
from keras_robust.sample_numbers import refuse_strays, rows_of
from keras_robust.weight_log import RECORD

# Columns of the two variables that a step writes.
FLOATS = ("margin", "weight", "loss")
INTEGERS = ("seen", "label", "clean", "predicted", "step")


class Recorder:
    """Variables with a row for each sample, which a `ProvenanceModel` fills as training goes.

    With `positions`, their shape, there is a row for each position of each: sample times positions, plus position.
    A sample that comes twice in an epoch keeps its last visit. One row more takes samples whose number is out of range,
    which a compiled step could not refuse. Replicas of a TensorFlow strategy write rows of their own, which are summed
    when they are read: so rows start at 0. `output` names the output that it sees, where the model has several.
    """

    def __init__(self, loss, num_samples: int, output: str | None = None, positions: tuple = ()):
        self.loss, self.num_samples, self.output, self.positions = loss, num_samples, output, positions
        rows = count_of("SampleWeightLogger", num_samples, positions)
        make = {"trainable": False, "synchronization": "on_read", "aggregation": "sum", "initializer": "zeros"}
        self.floats = keras.Variable(shape=(rows + 1, len(FLOATS)), dtype="float32", **make)
        self.integers = keras.Variable(shape=(rows + 1, len(INTEGERS)), dtype="int32", **make)
        self.step = keras.Variable(shape=(), dtype="int32", **make)

    @property
    def variables(self) -> list:
        return [self.floats, self.integers, self.step]

    def reset(self) -> None:
        for variable in self.variables:
            variable.assign(ops.zeros(variable.shape, variable.dtype))

    def write(self, provenance, y_pred) -> None:
        """Records a batch; called while the training step is traced."""
        if provenance.index is None:
            raise ValueError(
                "SampleWeightLogger records samples by number, so the targets must be "
                '{"label": ..., "index": ...}. Received: targets without "index".'
            )
        apart = bool(self.positions)
        columns = columns_of(self.loss, provenance.label, provenance.clean, y_pred, mask_of(y_pred), apart)
        rows = rows_of(provenance.index, self.num_samples)
        if apart:
            shape = tuple(columns.label.shape[1:])
            if shape != self.positions:
                rule = f"True, or the shape of the positions, {shape} for y_pred of shape {tuple(y_pred.shape)}"
                refuse("SampleWeightLogger", "positions", rule, self.positions)
            rows = self._rows_of_positions(rows)
            columns = type(columns)(*(ops.reshape(column, (-1,)) for column in columns))
        rows, step = rows[:, None], ops.ones_like(columns.label) * self.step
        integers = (ops.ones_like(columns.label), columns.label, columns.clean, columns.predicted, step)
        floats = ops.stack([ops.cast(getattr(columns, name), "float32") for name in FLOATS], axis=-1)
        self.floats.assign(ops.scatter_update(self.floats, rows, floats))
        self.integers.assign(ops.scatter_update(self.integers, rows, ops.stack(integers, axis=-1)))
        increase(self.step)

    def _rows_of_positions(self, rows):
        """Rows of all positions of samples, (batch x positions,); the last row for those of the spare one."""
        each = math.prod(self.positions)
        places = rows[:, None] * each + ops.arange(each, dtype="int32")
        return ops.reshape(ops.minimum(places, self.num_samples * each), (-1,))

    def records(self) -> np.ndarray:
        """What was recorded since `reset`, (samples, positions...), of dtype `RECORD` and without learning rates.

        Raises:
            ValueError: if a sample number was out of range, or replicas saw the same sample.
        """
        integers = np.asarray(ops.convert_to_numpy(self.integers))
        if integers[-1].any():
            refuse_strays("SampleWeightLogger", self.num_samples)
        columns = dict(zip(INTEGERS, integers[:-1].T, strict=True))
        if columns["seen"].max(initial=0) > 1:
            raise ValueError(
                "Several replicas saw the same sample within one epoch, and only one of them can be recorded. Let an "
                "epoch hold each sample once."
            )
        seen = columns.pop("seen") == 1
        records = empty_records(len(seen))
        floats = np.asarray(ops.convert_to_numpy(self.floats))[:-1]
        for name, values in (columns | dict(zip(FLOATS, floats.T, strict=True))).items():
            records[name][seen] = values[seen]
        return records.reshape(self.num_samples, *self.positions)


def empty_records(shape) -> np.ndarray:
    """Records of samples that nobody saw."""
    records = np.full(shape, -1, RECORD)
    for name in (*FLOATS, "learning_rate"):
        records[name] = np.nan
    return records
