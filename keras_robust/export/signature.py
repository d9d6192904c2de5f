"""What a served model takes and gives, read off a Keras model on any backend."""

import keyword
import pathlib
import re
import warnings
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np

from keras_robust.checks import refuse
from keras_robust.export.heads import Head, output_names, read_heads
from keras_robust.noise import storage

NAME = "serving_default"

# Names that Keras counts up by itself, which differ from one process to the next.
AUTOMATIC = re.compile(r"(keras_tensor|input_layer)(_\d+)?")
# Names that a SavedModel has for parts of its own.
TAKEN = {NAME, "signatures", "variables", "trainable_variables", "non_trainable_variables"}


@dataclass(frozen=True)
class Input:
    """One input of a served model.

    Attributes:
        name: as it is served.
        given: as the model has it; `name` where Keras counted it up.
        shape: of the model's tensor, with None for what is free.
        dtype: of the model's tensor.
        unit: what a white pixel is to the model, where the input is served as encoded images; else None.
    """

    name: str
    given: str
    shape: tuple
    dtype: str
    unit: float | None = None

    @property
    def served(self) -> tuple:
        """Shape and dtype of what a request holds."""
        return (self.shape, self.dtype) if self.unit is None else ((None,), "string")


@dataclass(frozen=True)
class Signature:
    """The question that a served model answers.

    Attributes:
        inputs: in the order of `model.inputs`.
        heads: in the order of `model.outputs`.
    """

    inputs: list[Input]
    heads: list[Head]

    @property
    def names(self) -> list[str]:
        """Names of the inputs."""
        return [one.name for one in self.inputs]

    @property
    def mapped(self) -> dict[str, str]:
        """Names of the model that TensorFlow does not take, and those that are served in their place."""
        pairs = [(one.given, one.name) for one in (*self.inputs, *self.heads)]
        return {given: name for given, name in pairs if name not in ("", given)}

    @classmethod
    def of(cls, facts: dict) -> "Signature":
        """The signature that `dataclasses.asdict` took apart, perhaps by way of JSON."""
        inputs = [Input(**one | {"shape": tuple(one["shape"])}) for one in facts["inputs"]]
        return cls(inputs, [Head(**one) for one in facts["heads"]])

    def save(self, path: pathlib.Path, warmup: list | None) -> None:
        """Writes it, and the inputs of a request to warm up with, for another process."""
        arrays = {str(i): array for i, array in enumerate(warmup or [])}
        storage.write(path, arrays, asdict(self))

    @classmethod
    def load(cls, path: pathlib.Path) -> tuple["Signature", list | None]:
        arrays, facts = storage.read(path)
        warmup = [arrays[str(i)] for i in range(len(arrays))]
        return cls.of(facts), warmup or None


def read_signature(
    model: keras.Model,
    class_names=None,
    top_k=None,
    from_logits=None,
    answers=None,
    images=None,
    unit=None,
    loss=None,
) -> Signature:
    """The signature of a model; `loss` is what it was compiled with, where it does not say so itself.

    Raises:
        ValueError: for a model without known inputs; for arguments that do not fit its inputs or outputs; if nothing
            tells what an output holds.

    Warns:
        UserWarning: for inputs and outputs that are served under other names than theirs.

    Example:

    >>> model = keras.Sequential([keras.Input((3,), name="pixels"), keras.layers.Dense(2)])
    >>> signature = read_signature(model, class_names=["cat", "dog"])
    >>> signature.names, signature.heads[0].answers
    (['pixels'], ['probabilities', 'classes', 'scores'])
    """
    _check(model)
    loss = getattr(model, "loss", None) if loss is None else loss
    inputs = [Input(*named, *of) for named, of in zip(_input_names(model), _encoded(model, images, unit), strict=True)]
    names = [_served(name, "output") for name in output_names(model)] if len(model.outputs) > 1 else [""]
    if len(set(names)) < len(names):
        refuse("serving", "model", "a model whose outputs have different names, letters, digits and _", names)
    signature = Signature(inputs, read_heads(model, names, loss, class_names, top_k, from_logits, answers))
    if signature.mapped:
        changed = ", ".join(f"{given!r} as {name!r}" for given, name in signature.mapped.items())
        warnings.warn(
            f"TensorFlow names inputs and outputs by letters, digits and _, and not by a word of Python's: served are "
            f"{changed}.",
            stacklevel=3,
        )
    return signature


def read_batch(inputs: list[Input], given, owner: str, argument: str) -> list[np.ndarray]:
    """Arrays in the order of the inputs, in the dtypes of the requests that hold them.

    Args:
        inputs: what is asked for.
        given: an array, or for several inputs a dict by name or a list.
        owner, argument: who asks, for the error.

    Raises:
        ValueError: if they do not fit the inputs.
    """
    names = [one.name for one in inputs]
    rule = f"a dict or a list of the inputs {', '.join(names)}"
    if isinstance(given, dict):
        served = {one.given: one.name for one in inputs}
        by_name = {served.get(name, name): value for name, value in given.items()}
        if by_name.keys() != set(names):
            refuse(owner, argument, f"a dict of the inputs {', '.join(names)}", sorted(map(str, given)))
        given = [by_name[name] for name in names]
    elif len(names) == 1:
        given = [given]
    if not isinstance(given, list | tuple) or len(given) != len(names):
        refuse(owner, argument, rule, type(given).__name__)
    arrays = [_fitting(one, value, owner, argument) for one, value in zip(inputs, given, strict=True)]
    if len(lengths := {len(array) for array in arrays}) > 1:
        refuse(owner, argument, "as many rows for each input", sorted(lengths))
    return arrays


def _fitting(one, value, owner, argument):
    array, (shape, dtype) = np.asarray(value), one.served
    if array.dtype.kind == "O":
        # A column of texts, or of encoded images; anything else is refused below.
        texts = all(isinstance(text, str | bytes) for text in array.flat)
        array = np.array(array.tolist()) if texts else array
    fits = array.ndim == len(shape) and len(array) > 0
    fits = fits and all(want in (None, size) for want, size in zip(shape[1:], array.shape[1:], strict=True))
    typed = array.dtype.kind in "US" if dtype == "string" else array.dtype.kind in "biuf"
    if not fits or not typed or (dtype != "string" and not np.can_cast(array.dtype, dtype, "same_kind")):
        rule = f"a batch for the input {one.name!r}, of shape {(None, *shape[1:])} and dtype {dtype}"
        refuse(owner, argument, rule, f"shape {array.shape} and dtype {array.dtype}")
    return array if dtype == "string" else array.astype(dtype)


def structure_of(model: keras.Model) -> Any:
    """The inputs as the model wants them: a tensor, or lists and dicts of them."""
    return model.inputs[0] if isinstance(model, keras.Sequential) else model.input


def _check(model):
    rule = "a built Keras model with known inputs and outputs"
    if not isinstance(model, keras.Model):
        refuse("serving", "model", rule, model)
    try:
        inputs, outputs = model.inputs, model.outputs
    except AttributeError:
        inputs = outputs = None
    if not inputs or not outputs:
        rule += "; one that is a class of its own: keras.Model(inputs, model(inputs)) with inputs = keras.Input(...)"
        refuse("serving", "model", rule, model)


def _encoded(model, images, unit):
    """Shape, dtype and unit of each input; the unit is that of encoded images, where they are asked for."""
    if images not in (None, "bytes"):
        refuse("serving", "images", '"bytes" or None', images)
    if unit is not None and (images is None or isinstance(unit, bool) or unit not in (1, 255)):
        refuse("serving", "unit", '1 or 255, what a white pixel is to the model, and only with images="bytes"', unit)
    facts = [(tuple(tensor.shape), str(tensor.dtype)) for tensor in model.inputs]
    if images is None:
        return facts
    found = [len(shape) == 4 and shape[-1] in (1, 3, 4) and dtype != "string" for shape, dtype in facts]
    if not any(found):
        rule = "None for a model without an input (batch, height, width, channels) of 1, 3 or 4 channels"
        refuse("serving", "images", rule, images)
    for is_image, (_, dtype) in zip(found, facts, strict=True):
        if is_image and unit is None and dtype != "uint8":
            refuse("serving", "unit", f"1 or 255, what a white pixel is to an input of dtype {dtype}", unit)
        if is_image and dtype == "uint8" and unit == 1:
            refuse("serving", "unit", "255 or None for an input of dtype uint8", unit)
    return [(*of, float(unit or 255)) if is_image else of for is_image, of in zip(found, facts, strict=True)]


def _input_names(model):
    """(name as served, name in the model) of each input."""
    structure = structure_of(model)
    by_key = isinstance(structure, dict) and len(structure) == len(model.inputs)
    given = [str(key) for key in sorted(structure)] if by_key else [tensor.name for tensor in model.inputs]
    numbers = [""] if len(given) == 1 else [f"_{i}" for i in range(1, len(given) + 1)]
    named = [
        (f"inputs{number}",) * 2 if AUTOMATIC.fullmatch(name) else (_served(name, "input"), name)
        for name, number in zip(given, numbers, strict=True)
    ]
    if len({name for name, _ in named}) < len(named):
        refuse("serving", "model", "a model whose inputs have different names, letters, digits and _", given)
    return named


def _served(name, kind):
    """The name, or the nearest that TensorFlow takes for an argument: Python's rule, in ASCII, without "self"."""
    plain = re.sub("[^A-Za-z0-9_]", "_", name)
    taken = plain == "self" if kind == "input" else plain in TAKEN
    if plain[0] in "_0123456789" or keyword.iskeyword(plain) or taken:
        plain = f"{kind}_{plain.strip('_')}".strip("_")
    return plain
