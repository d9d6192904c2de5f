"""What a served model takes and gives, read off a Keras model on any backend."""

import keyword
import pathlib
import re
import warnings
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np

from keras_robust.checks import at_least, refuse
from keras_robust.class_names import names_by_id
from keras_robust.last_layer import contradictions, ends_in
from keras_robust.noise import storage

NAME = "serving_default"

# Names that Keras counts up by itself, which differ from one process to the next.
AUTOMATIC = re.compile(r"(keras_tensor|input_layer)(_\d+)?")


@dataclass(frozen=True)
class Signature:
    """The question that a served model answers.

    Attributes:
        names: names of the inputs, in the order of `model.inputs`.
        from_logits: whether the model ends in logits.
        class_names: a name for each class, or None.
        top_k: how many classes an answer names; 0: none.
    """

    names: list[str]
    from_logits: bool
    class_names: list[str] | None
    top_k: int

    def save(self, path: pathlib.Path, warmup: list | None) -> None:
        """Writes it, and the inputs of a request to warm up with, for another process."""
        arrays = {str(i): array for i, array in enumerate(warmup or [])}
        storage.write(path, arrays, asdict(self))

    @classmethod
    def load(cls, path: pathlib.Path) -> tuple["Signature", list | None]:
        arrays, facts = storage.read(path)
        warmup = [arrays[str(i)] for i in range(len(arrays))]
        return cls(**facts), warmup or None


def read_signature(model: keras.Model, class_names=None, top_k=None, from_logits=None) -> Signature:
    """The signature of a model with one output of class scores.

    Raises:
        ValueError: for a model without known inputs, or with more than one output; for class names or a top k that do
            not fit its classes; if nothing tells logits from probabilities.

    Warns:
        UserWarning: for inputs that are served under other names than theirs.

    Example:

    >>> model = keras.Sequential([keras.Input((3,), name="pixels"), keras.layers.Dense(2)])
    >>> read_signature(model, class_names=["cat", "dog"])
    Signature(names=['pixels'], from_logits=True, class_names=['cat', 'dog'], top_k=1)
    """
    classes = _number_of_classes(model)
    if class_names is not None:
        class_names = names_by_id("serving", class_names, classes)
    top_k = at_least(1, integer=True, optional=True, high=classes).check("serving", "top_k", top_k)
    if from_logits not in (None, True, False):
        refuse("serving", "from_logits", "True, False or None", from_logits)
    if from_logits is None:
        from_logits = ends_in_logits(model)
    return Signature(_names(model), bool(from_logits), class_names, top_k or int(class_names is not None))


def read_warmup(model: keras.Model, signature: Signature, warmup) -> list[np.ndarray] | None:
    """The inputs of one request, in the order of the model's, in its dtypes.

    Raises:
        ValueError: if they do not fit the model.
    """
    if warmup is None:
        return None
    names = signature.names
    given = warmup
    if isinstance(given, dict):
        served = dict(zip((tensor.name for tensor in model.inputs), names, strict=True))
        given = {served.get(name, name): value for name, value in given.items()}
        if given.keys() != set(names):
            refuse("serving", "warmup", f"a dict of the inputs {', '.join(names)}", sorted(given))
        given = [given[name] for name in names]
    elif len(names) == 1:
        given = [given]
    if not isinstance(given, list | tuple) or len(given) != len(names):
        refuse("serving", "warmup", f"a dict or a list of the inputs {', '.join(names)}", type(warmup).__name__)
    arrays = []
    for name, tensor, value in zip(names, model.inputs, given, strict=True):
        array, dtype = np.asarray(value), tensor.dtype
        fits = array.ndim == len(tensor.shape) and len(array) > 0
        fits = fits and all(want in (None, size) for want, size in zip(tensor.shape[1:], array.shape[1:], strict=True))
        if not fits or (dtype != "string" and not np.can_cast(array.dtype, dtype, "same_kind")):
            rule = f"a batch for the input {name!r}, of shape {(None, *tensor.shape[1:])} and dtype {dtype}"
            refuse("serving", "warmup", rule, f"shape {array.shape} and dtype {array.dtype}")
        arrays.append(array if dtype == "string" else array.astype(dtype))
    return arrays


def structure_of(model: keras.Model) -> Any:
    """The inputs as the model wants them: a tensor, or lists and dicts of them."""
    return model.inputs[0] if isinstance(model, keras.Sequential) else model.input


def _number_of_classes(model):
    rule = "a built Keras model with known inputs and one output (batch, ..., classes)"
    if not isinstance(model, keras.Model):
        refuse("serving", "model", rule, model)
    try:
        inputs, outputs = model.inputs, model.outputs
    except AttributeError:
        inputs = outputs = None
    if not inputs:
        rule += "; one that is a class of its own: keras.Model(inputs, model(inputs)) with inputs = keras.Input(...)"
        refuse("serving", "model", rule, model)
    if len(outputs) != 1 or len(outputs[0].shape) < 2 or (outputs[0].shape[-1] or 0) < 2:
        refuse("serving", "model", rule, f"{model.name} with outputs {[output.shape for output in outputs]}")
    return outputs[0].shape[-1]


def _names(model):
    given = [tensor.name for tensor in model.inputs]
    numbers = [""] if len(given) == 1 else [f"_{i}" for i in range(1, len(given) + 1)]
    names = []
    for name, number in zip(given, numbers, strict=True):
        names.append(f"inputs{number}" if AUTOMATIC.fullmatch(name) else _served(name))
    if len(set(names)) < len(names):
        refuse("serving", "model", "a model whose inputs have different names, letters, digits and _", given)
    pairs = zip(given, names, strict=True)
    if changed := [f"{old!r} as {new!r}" for old, new in pairs if old != new and not AUTOMATIC.fullmatch(old)]:
        warnings.warn(
            f"TensorFlow names inputs by letters, digits and _, and not by a word of Python's: served are the inputs "
            f"{', '.join(changed)}.",
            stacklevel=4,
        )
    return names


def _served(name):
    """The name, or the nearest that TensorFlow takes for an argument: Python's rule, in ASCII, without "self"."""
    plain = re.sub("[^A-Za-z0-9_]", "_", name)
    if plain[0] in "_0123456789" or keyword.iskeyword(plain) or plain == "self":
        plain = f"input_{plain.strip('_')}".strip("_")
    return plain


def ends_in_logits(model: keras.Model) -> bool:
    """Whether a model ends in logits. What its loss says and what its last layer is, where both know, must agree.

    Raises:
        ValueError: if they do not, or if neither knows.

    Example:

    >>> ends_in_logits(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "softmax")]))
    False
    """
    loss = keras.tree.flatten(getattr(model, "loss", None))
    by_loss = getattr(loss[0], "from_logits", None) if len(loss) == 1 else None
    by_layer = {"logits": True, "probabilities": False}.get(ends_in(model))
    if by_layer is not None and (found := contradictions(model)):
        contradicting, end = found[0]
        reads = "logits" if contradicting.from_logits else "probabilities"
        raise ValueError(
            f"The model ends in {end}, and its loss, "
            f"{type(contradicting).__name__}(from_logits={contradicting.from_logits}), reads {reads}: one of them is "
            f"wrong. Train it anew, or say what the model ends in by from_logits={by_layer}."
        )
    known = by_layer if by_loss is None else by_loss
    if known is None:
        raise ValueError(
            "Neither the loss of the model nor its last layer tells whether it ends in logits or in probabilities. "
            "Say so: from_logits=True or from_logits=False."
        )
    return known
