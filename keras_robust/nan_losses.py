"""Why a loss was NaN: a compiled step cannot say it, the data can be asked afterwards."""

import itertools
import warnings

import keras
import numpy as np
from keras import ops

from keras_robust.last_layer import ends_in
from keras_robust.losses import RobustLoss
from keras_robust.losses.samples import samples_of
from keras_robust.targets import by_output, names_of_outputs, of_label, read_provenance

# Samples of arrays that are looked at together, and numbers that are named.
_TOGETHER, _NAMED = 1024, 10


class ExplainNaN(keras.callbacks.Callback):
    """Says at the end of an epoch whose loss was NaN what the cause is.

    A loss of this package that is called outside of a compiled step refuses labels that make no sense. In a compiled
    step it cannot, and its value is NaN there, as are all weights after it. So this callback looks at the data once
    more, when that has happened: at labels that the loss does not take, then at inputs and sample weights that are NaN
    or infinite, and names the samples: by their "index", or else by their place in the data.

    `ProvenanceModel.fit`, and with it every algorithm, adds it by itself. A plain `fit` needs it in its callbacks.
    Validation data are not looked at.

    Args:
        x, y, sample_weight: what `fit` trains on, as it takes them. Of a generator, which is gone after an epoch, only
            what a recorder of the model saw is known.

    Raises:
        ValueError: at the end of an epoch with a loss of NaN, for data that are its cause.

    Warns:
        UserWarning: once a training, if the data are in order, or cannot be looked at.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    >>> model.compile("sgd", keras_robust.GCE(from_logits=True))
    >>> x, y = np.ones((5, 2)), np.array([0, 1, 2, 3, 1])
    >>> try:
    ...     model.fit(x, y, verbose=0, callbacks=[keras_robust.callbacks.ExplainNaN(x, y)])
    ... except ValueError as error:
    ...     print(str(error)[str(error).index("Received") :])
    Received ids outside: [3]...to GCE.
    """

    def __init__(self, x, y=None, sample_weight=None):
        super().__init__()
        self.data = (x, y, sample_weight)

    def on_train_begin(self, logs=None):
        self._told = False

    def on_epoch_end(self, epoch, logs=None):
        loss = (logs or {}).get("loss")
        if self._told or loss is None or not np.isnan(loss):
            return
        self._told = True
        head = f"The loss of epoch {epoch + 1} was NaN"
        for what, samples, told in self._causes():
            told = f"{head}: {len(samples):,} samples have {what}, numbers {_few(samples)}. {told}"
            raise ValueError(told.rstrip())
        warnings.warn(f"{head}. {self._told_without_cause()}", stacklevel=2)

    def _causes(self):
        """The first cause in the data: what it is, the numbers of the samples, and what the loss says of it."""
        found = {}
        for first, (x, y, weight) in self._batches():
            for what, rows, numbers, told in _of_batch(self.model, x, y, weight, first):
                if rows.any():
                    found.setdefault(what, ([], told))[0].extend(numbers[rows].tolist())
        for what in (_LABELS, _INPUTS, _WEIGHTS):
            if what in found:
                yield what, *found[what]

    def _batches(self):
        """Place of the first sample, and (x, y, sample weight), of the batches of an epoch; none of a generator."""
        x, y, weight = self.data
        if y is not None:
            size = len(keras.tree.flatten(x)[0])
            for start in range(0, size, _TOGETHER):
                yield start, keras.tree.map_structure(lambda one, at=start: _part(one, at), (x, y, weight))
            return
        if self._is_gone():
            return
        batches = (x[place] for place in range(len(x))) if isinstance(x, keras.utils.PyDataset) else x
        first = 0
        for batch in itertools.islice(batches, self.params.get("steps")):
            yield first, (*batch, None, None)[:3]
            first += len(keras.tree.flatten(batch[0])[0])

    def _is_gone(self):
        """Whether the data are a generator, which cannot be gone through again."""
        x, y, _ = self.data
        return y is None and not isinstance(x, keras.utils.PyDataset) and iter(x) is x

    def _told_without_cause(self):
        told = self._first_of_recorder()
        loss, inside = getattr(self.model, "loss", None), getattr(self.model, "model", self.model)
        reads = [one for one in keras.tree.flatten(loss) if getattr(one, "from_logits", True) is False]
        if reads and ends_in(inside) is None:
            told += (
                f"{type(reads[0]).__name__}(from_logits=False) reads probabilities: if the model ends in logits, "
                "pass from_logits=True. "
            )
        if self._is_gone():
            return (
                f"{told}The data cannot be gone through again; call the loss on a batch, loss(y, model(x)), which says "
                "whether its labels make sense."
            )
        return (
            f"{told}Labels, inputs and sample weights are in order, so training diverged: lower the learning rate, or "
            "clip the gradient (clipnorm=1.0 of the optimizer)."
        )

    def _first_of_recorder(self):
        """The samples at which the first NaN came, where a recorder of the model saw them."""
        for recorder in getattr(self.model, "recorders", ()):
            records = recorder.records()
            lost = np.isnan(records["loss"]) & (records["step"] >= 0)
            if lost.any():
                step = records["step"][lost].min()
                samples = np.unique(np.argwhere(lost & (records["step"] == step))[:, 0])
                return f"It came first at step {step}, of samples {_few(samples)}. "
        return ""


_LABELS, _INPUTS, _WEIGHTS = (
    "labels that make no sense",
    "inputs with NaN or infinity",
    "sample weights of NaN or infinity",
)


def _of_batch(model, x, y, weight, first):
    """(what, which rows, the numbers of all rows, what the loss says) of possible causes in a batch."""
    inside = getattr(model, "model", model)
    size = len(keras.tree.flatten(x)[0])
    predicted = model.predict_on_batch(keras.tree.map_structure(_numpy, x))
    outputs = names_of_outputs(inside, predicted)
    provenance = read_provenance(y, outputs=outputs)
    numbers = np.arange(first, first + size) if provenance.index is None else _numpy(provenance.index).reshape(-1)
    weight = of_label(weight)
    for label, one, loss in _by_output(model, provenance.label, predicted, outputs):
        counts = weight if not isinstance(weight, dict | list | tuple) else None
        yield _LABELS, *_wrong(loss, label, one.shape, counts, numbers)
    for inputs in keras.tree.flatten(x):
        yield _INPUTS, _not_finite(inputs, size), numbers, ""
    for weights in keras.tree.flatten(weight):
        if weights is not None:
            yield _WEIGHTS, _not_finite(weights, size), numbers, ""


def _by_output(model, label, predicted, outputs):
    """Labels, predictions and loss of each output that has a loss of this package."""
    loss = getattr(model, "loss", None)
    if not outputs:
        triples = [(label, predicted, keras.tree.flatten(loss)[0] if loss is not None else None)]
    else:
        labels, made = (by_output(one, outputs, name) for one, name in ((label, "label"), (predicted, "model")))
        losses = by_output(loss, outputs, "loss") if isinstance(loss, dict | list) else dict.fromkeys(outputs, loss)
        triples = [(labels[one], made[one], losses.get(one)) for one in outputs if one in labels]
    return [triple for triple in triples if isinstance(triple[2], RobustLoss)]


def _wrong(loss, label, shape, weight, numbers):
    """Which rows of labels a loss does not take, whatever is predicted, and what it says of them."""
    even = 0.5 if loss.asks_questions or shape[-1] == 1 else 1.0 / shape[-1]
    predicted = ops.full(shape, 0.0 if loss.from_logits else even, dtype="float32")
    label = ops.convert_to_tensor(_numpy(label))
    wrong = ops.convert_to_numpy(samples_of(loss, label, predicted).labels.wrong).reshape(len(numbers), -1).any(axis=1)
    if weight is not None:
        wrong &= (_numpy(weight).reshape(len(numbers), -1) != 0).any(axis=1)
    told = ""
    if wrong.any():
        try:
            loss.call(label, predicted)
        except ValueError as error:
            told = str(error)
    return wrong, numbers, told


def _not_finite(values, size):
    values = _numpy(values)
    if values.dtype.kind != "f":
        return np.zeros(size, bool)
    return ~np.isfinite(values.reshape(size, -1)).all(axis=1)


def _few(numbers):
    return ", ".join(map(str, numbers[:_NAMED])) + (", ..." if len(numbers) > _NAMED else "")


def _part(values, start):
    return None if values is None else _numpy(values)[start : start + _TOGETHER]


def _numpy(values):
    return ops.convert_to_numpy(values) if ops.is_tensor(values) else np.asarray(values)
