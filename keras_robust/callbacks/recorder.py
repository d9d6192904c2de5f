"""Recording samples inside the compiled training step."""

import keras
import numpy as np
from keras import ops

from keras_robust.backend import increase
from keras_robust.labels import class_ids
from keras_robust.sample_numbers import refuse_strays, rows_of
from keras_robust.weight_log import RECORD

# Columns of the two variables that a step writes.
FLOATS = ("margin", "weight", "loss")
INTEGERS = ("seen", "label", "clean", "predicted", "step")


class Recorder:
    """Variables with a row for each sample, which a `ProvenanceModel` fills as training goes.

    A sample that comes twice in an epoch keeps its last visit. One row more takes samples whose number is out of range,
    which a compiled step could not refuse. Replicas of a TensorFlow strategy write rows of their own, which are summed
    when they are read: so rows start at 0.
    """

    def __init__(self, loss, num_samples: int):
        self.loss, self.num_samples = loss, num_samples
        make = {"trainable": False, "synchronization": "on_read", "aggregation": "sum", "initializer": "zeros"}
        self.floats = keras.Variable(shape=(num_samples + 1, len(FLOATS)), dtype="float32", **make)
        self.integers = keras.Variable(shape=(num_samples + 1, len(INTEGERS)), dtype="int32", **make)
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
        statistics = self.loss.sample_statistics(provenance.label, y_pred)
        if len(statistics.margin.shape) != 1:
            raise ValueError(
                "SampleWeightLogger records one prediction a sample, y_pred of shape (batch, classes). "
                f"Received: y_pred of shape {tuple(y_pred.shape)}."
            )
        rows = rows_of(provenance.index, self.num_samples)[:, None]
        clean = ops.zeros_like(statistics.label) - 1
        if provenance.clean is not None:
            clean = class_ids(provenance.clean, y_pred)
        step = ops.ones_like(statistics.label) * self.step
        integers = (ops.ones_like(statistics.label), statistics.label, clean, statistics.predicted, step)
        floats = ops.stack([ops.cast(getattr(statistics, name), "float32") for name in FLOATS], axis=-1)
        self.floats.assign(ops.scatter_update(self.floats, rows, floats))
        self.integers.assign(ops.scatter_update(self.integers, rows, ops.stack(integers, axis=-1)))
        increase(self.step)

    def records(self) -> np.ndarray:
        """What was recorded since `reset`, (samples,), of dtype `RECORD` and without learning rates.

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
        records = empty_records(self.num_samples)
        floats = np.asarray(ops.convert_to_numpy(self.floats))[:-1]
        for name, values in (columns | dict(zip(FLOATS, floats.T, strict=True))).items():
            records[name][seen] = values[seen]
        return records


def empty_records(num_samples: int) -> np.ndarray:
    """Records of samples that nobody saw."""
    records = np.full(num_samples, -1, RECORD)
    for name in (*FLOATS, "learning_rate"):
        records[name] = np.nan
    return records
