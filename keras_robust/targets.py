"""Targets that say which sample each one is, {"label", "index", "clean"}, of one output or of several."""

import sys
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_robust.backend import is_rehearsal
from keras_robust.checks import refuse
from keras_robust.sample_numbers import LARGEST_INDEX


class Provenance(NamedTuple):
    """Targets taken apart: the given labels, the numbers of the samples, the clean labels; the last two may be None."""

    label: Any
    index: Any = None
    clean: Any = None


def read_provenance(y, owner: str = "ProvenanceModel", outputs: tuple = ()) -> Provenance:
    """Takes targets apart; anything but a dict is a plain label, and so is a dict of labels by output.

    Args:
        outputs: names of the outputs, where the model has several.

    Raises:
        ValueError: for a dict without "label", or with other keys than those of `Provenance`; for numbers of samples
            that are not whole.
    """
    if not isinstance(y, dict) or (outputs and y.keys() <= set(outputs)):
        return Provenance(y)
    if "label" not in y or not y.keys() <= set(Provenance._fields):
        rule = 'labels, or a dict of "label" with "index" and "clean" where they are known'
        rule += f"; labels of several outputs are a dict of {', '.join(outputs)}" if outputs else ""
        refuse(owner, "y", rule, sorted(map(str, y)))
    index = y.get("index")
    # Where only shapes are asked for, numbers of samples may come as their mean.
    if isinstance(index, dict) or (index is not None and "int" not in (dtype := _dtype(index)) and not is_rehearsal()):
        told = sorted(map(str, index)) if isinstance(index, dict) else f"{dtype} of shape {tuple(index.shape)}"
        refuse(owner, "index", "whole numbers, one for each sample", told)
    return Provenance(**y)


def names_of_outputs(model: keras.Model, predicted=None) -> tuple:
    """Names of the outputs of a model with several; () for one output, or where nobody knows yet.

    Args:
        predicted: what the model made of a batch, where that is known.

    Raises:
        ValueError: for outputs within outputs, a list of outputs that have no names, or an output that is called as an
            entry of the targets is.
    """
    named = getattr(model, "output_names", None) or ()
    if predicted is None:
        try:
            predicted = getattr(model, "_outputs_struct", None)
            predicted = list(model.outputs or ()) if predicted is None else predicted
        except (AttributeError, ValueError):
            return ()
        if isinstance(predicted, list | tuple) and len(predicted) == 1:
            return ()
    if not isinstance(predicted, dict | list | tuple):
        return ()
    names = tuple(predicted) if isinstance(predicted, dict) else tuple(named)
    parts = predicted.values() if isinstance(predicted, dict) else predicted
    if len(names) != len(predicted) or any(isinstance(part, dict | list | tuple) for part in parts):
        rule = "a model with one output, or a dict of outputs by name"
        refuse("ProvenanceModel", "model", rule, f"{model.name} with {len(predicted)} outputs without names")
    if taken := set(names) & set(Provenance._fields):
        rule = "a model whose outputs have other names than the entries of its targets, label, index and clean"
        refuse("ProvenanceModel", "model", rule, f"{model.name} with an output {sorted(taken)[0]!r}")
    return names


def by_output(values, outputs: tuple, name: str, lacking: bool = True, owner: str = "ProvenanceModel") -> dict:
    """Values of each output by its name, from a dict or a list in the order of the outputs.

    Args:
        name, owner: what they are and who reads them, for the error.
        lacking: whether some may be left out.

    Raises:
        ValueError: for other outputs than the model has, or values that are missing.
    """
    if isinstance(values, list | tuple) and len(values) == len(outputs):
        values = dict(zip(outputs, values, strict=True))
    known = isinstance(values, dict) and values.keys() <= set(outputs) and (lacking or len(values) == len(outputs))
    if not known:
        told = sorted(map(str, values)) if isinstance(values, dict) else type(values).__name__
        refuse(owner, name, f"a dict by output: {', '.join(map(str, outputs))}", told)
    return dict(values)


def check_output(owner: str, output, outputs: tuple) -> None:
    """Refuses a name that is no output's, where the outputs are known."""
    if outputs and output not in outputs:
        refuse(owner, "output", f"the one that is logged of the outputs, {', '.join(outputs)}", output)


def as_outputs(values: dict, predicted):
    """Values by output, None where there are none, in the structure of what a model of several outputs predicted."""
    if isinstance(predicted, dict):
        return {name: values.get(name) for name in predicted}
    return type(predicted)(values.values())


def of_label(sample_weight):
    """Weights of the labels: Keras hands the same weights out to every entry of the targets."""
    return sample_weight["label"] if isinstance(sample_weight, dict) and "label" in sample_weight else sample_weight


def weights_of_targets(sample_weight, y):
    """Weights by output in the structure of the targets, as Keras wants those of arrays; 1 where an output has none."""
    if not isinstance(sample_weight, dict | list | tuple) or not isinstance(y, dict | list | tuple):
        return sample_weight
    if isinstance(sample_weight, dict) and isinstance(y, dict) and sample_weight.keys() == y.keys():
        return sample_weight
    targets = y if isinstance(y, dict) and "label" in y else {"label": y}
    labels = targets["label"]
    if not isinstance(labels, dict | list | tuple):
        refuse("ProvenanceModel", "sample_weight", "one array: the labels are of one output", type(sample_weight))
    names = tuple(labels) if isinstance(labels, dict) else tuple(range(len(labels)))
    given = by_output(sample_weight, names, "sample_weight")
    ones = np.ones(len(keras.tree.flatten(labels)[0]), "float32")
    weights = [given.get(name, ones) for name in names]
    weights = dict(zip(names, weights, strict=True)) if isinstance(labels, dict) else type(labels)(weights)
    if targets is not y:
        return weights
    return {name: weights if name == "label" else keras.tree.map_structure(lambda _: ones, y[name]) for name in y}


def with_checked_numbers(x, y, outputs: tuple = ()):
    """The data, whose numbers of samples are looked at before a step makes int32 of them, as JAX does."""
    if isinstance(y, dict):
        if outputs or y.keys() & set(Provenance._fields):  # else the step knows the outputs
            read_provenance(y, outputs=outputs)
        index = y.get("index")
        index = None if index is None else np.asarray(ops.convert_to_numpy(index) if ops.is_tensor(index) else index)
        if index is not None and index.size and not 0 <= int(index.min()) <= int(index.max()) <= LARGEST_INDEX:
            refuse("ProvenanceModel", "index", "numbers of samples from 0 and below 2^31", index)
    if not is_tf_dataset(x) or not isinstance(x.element_spec, tuple):
        return x
    tf = sys.modules["tensorflow"]
    targets = x.element_spec[1] if len(x.element_spec) > 1 else None
    index = targets.get("index") if isinstance(targets, dict) else None
    wide = isinstance(index, tf.TensorSpec) and index.dtype.is_integer
    if not wide or index.dtype.max <= LARGEST_INDEX:
        return x

    def checked(x, y, *weight):
        index = y["index"]
        fits = tf.reduce_all((index >= 0) & (index <= LARGEST_INDEX))
        words = "`index` of ProvenanceModel must be numbers of samples from 0 and below 2^31. Received:"
        with tf.control_dependencies([tf.debugging.Assert(fits, [words, index])]):
            return (x, {**y, "index": tf.cast(index, tf.int32)}, *weight)

    return x.map(checked)


def is_tf_dataset(x) -> bool:
    """Whether `x` is a `tf.data.Dataset`."""
    tf = sys.modules.get("tensorflow")
    return tf is not None and isinstance(x, tf.data.Dataset)


def _dtype(values):
    return keras.backend.standardize_dtype(getattr(values, "dtype", None) or np.asarray(values).dtype)
