"""A look at samples outside of the training step: one forward pass, as in inference."""

import keras
import numpy as np
from keras import ops

from keras_robust.callbacks.positions import (
    Columns,
    check_positions,
    columns_of,
    count_of,
    has_masks,
    mask_of,
    positions_of,
)
from keras_robust.callbacks.recorder import empty_records
from keras_robust.checks import refuse
from keras_robust.targets import by_output, check_output, names_of_outputs, read_provenance

_OWN = "SampleWeightLogger"


class Look:
    """What a model, as it is now, makes of samples: their records.

    Data are (x, y), or batches (x, y) that can be gone through every epoch; y holds labels, or targets {"label",
    "index", "clean"}. Without "index" the samples of a probe are numbered as they come.

    Args:
        model: the model.
        loss: the loss that is asked.
        num_samples: number of all samples, or None: as many as come.
        output: name of the output, where the model has several.
        positions: as `SampleWeightLogger` has them.
        batch_size: of the look at (x, y).
    """

    def __init__(self, model, loss, num_samples, output, positions, batch_size):
        self._model, self._loss, self._output, self._batch_size = model, loss, output, batch_size
        self._num_samples, self._apart = num_samples, positions
        self.positions = ()

    def try_on(self, name: str, data) -> None:
        """Looks at the first batch of `name`, after which `positions` are known.

        Raises:
            ValueError: for what cannot be logged.
        """
        for x, y in self._batches(name, data):
            self.positions = tuple(self._look_at(name, x, y)[0].label.shape[1:])
            return
        refuse(_OWN, name, "at least one sample", "none")

    def records(self, name: str, data) -> np.ndarray:
        """Records of the samples, (samples, positions...), empty ones of those that do not come.

        Raises:
            ValueError: for numbers out of range, and samples of other shapes.
        """
        columns, numbers, next_index = [], [], 0
        for x, y in self._batches(name, data):
            column, index = self._look_at(name, x, y)
            size = len(column.label)
            columns.append(column)
            numbers.append(np.arange(next_index, next_index + size) if index is None else index)
            next_index += size
        index = np.concatenate(numbers).astype("int64")
        shapes = {column.label.shape[1:] for column in columns}
        if len(shapes) > 1:
            refuse(_OWN, "positions", "False where samples have other shapes", sorted(shapes))
        num_samples, positions = self._num_samples or int(index.max()) + 1, shapes.pop()
        count_of(_OWN, num_samples, positions)
        if index.min() < 0 or index.max() >= num_samples:
            raise ValueError(
                f"`{name}` of {_OWN} must number its samples within [0, {num_samples}). "
                f"Received: numbers from {index.min()} to {index.max()}."
            )
        records = empty_records((num_samples, *positions))
        for field in Columns._fields:
            records[field][index] = np.concatenate([getattr(column, field) for column in columns])
        return records

    def _batches(self, name, data):
        if not isinstance(data, tuple):
            for batch in (data[at] for at in range(len(data))) if _is_pydataset(data) else data:
                if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
                    refuse(_OWN, name, "(x, y), or batches of (x, y)", f"a batch of type {type(batch).__name__}")
                yield batch[:2]
            return
        x, y = _arrays(data)
        size = len(keras.tree.flatten(x)[0])
        for start in range(0, size, self._batch_size):
            yield keras.tree.map_structure(lambda a, start=start: a[start : start + self._batch_size], (x, y))

    def _look_at(self, name, x, y):
        """The columns of a batch, and its numbers; None where it has none."""
        x = keras.tree.map_structure(np.asarray, x)
        predicted = self._model.predict_on_batch(x)
        outputs = names_of_outputs(getattr(self._model, "model", self._model), predicted)
        check_output(_OWN, self._output, outputs)
        provenance = read_provenance(y, f"the {name} of {_OWN}", outputs)
        if outputs:
            parts = (predicted, provenance.label, provenance.clean)
            predicted, label, clean = (self._part(name, one, outputs) for one in parts)
            provenance = provenance._replace(label=label, clean=clean)
        y_pred, label = ops.convert_to_tensor(predicted), _as_tensor(provenance.label)
        ranks = (1, 2) if len(y_pred.shape) == 2 else (len(y_pred.shape) - 1, len(y_pred.shape))
        if len(label.shape) not in ranks or len(label) != len(y_pred):
            rule = f"labels, one for each of {len(y_pred)} predictions {tuple(y_pred.shape[1:])}"
            refuse(_OWN, name, rule, f"labels of shape {tuple(label.shape)}")
        if self._apart:
            check_positions(_OWN, self._apart, positions_of(self._loss, y_pred.shape))
        clean = None if provenance.clean is None else _as_tensor(provenance.clean)
        mask = self._mask(name, x, outputs) if len(y_pred.shape) > 2 else None
        columns = columns_of(self._loss, label, clean, y_pred, mask, bool(self._apart))
        return Columns(*(ops.convert_to_numpy(column) for column in columns)), self._numbers(name, provenance, label)

    def _numbers(self, name, provenance, label):
        if provenance.index is None:
            if name == "held_out":
                rule = 'targets with "index": without it they would take the numbers of other samples'
                refuse(_OWN, name, rule, "labels alone")
            return None
        index = np.reshape(ops.convert_to_numpy(provenance.index), -1)
        if len(index) != len(label):
            refuse(_OWN, name, f'an "index" of each of {len(label)} samples', f"{len(index)} of them")
        return index

    def _mask(self, name, x, outputs):
        """The mask of the predictions, which `predict` does not give; None without one."""
        if not has_masks(self._model):
            return None
        predicted = self._model(keras.tree.map_structure(ops.convert_to_tensor, x), training=False)
        return mask_of(self._part(name, predicted, outputs) if outputs else predicted)

    def _part(self, name, values, outputs):
        return None if values is None else by_output(values, outputs, name, owner=_OWN).get(self._output)


def check_batches(owner: str, name: str, data) -> None:
    """Refuses what is neither (x, y) nor batches, and what is gone after it was gone through once."""
    rule = "(x, y) or a data set that can be gone through every epoch"
    if data is None or (isinstance(data, tuple) and len(data) == 2):
        return
    if isinstance(data, tuple | str | dict):
        refuse(owner, name, rule, f"a {type(data).__name__} of {len(data)}")
    if not _is_pydataset(data) and (not hasattr(data, "__iter__") or iter(data) is data):
        refuse(owner, name, rule, data)


def _is_pydataset(data):
    return isinstance(data, keras.utils.PyDataset)


def _arrays(data):
    """Lists of numbers or texts as arrays; a list of arrays is one of several inputs or outputs."""
    if isinstance(data, dict):
        return {name: _arrays(one) for name, one in data.items()}
    if isinstance(data, tuple) or (isinstance(data, list) and any(hasattr(one, "shape") for one in data)):
        return type(data)(map(_arrays, data))
    return ops.convert_to_numpy(data) if ops.is_tensor(data) else np.asarray(data)


def _as_tensor(y):
    return ops.convert_to_tensor(np.asarray(y))
