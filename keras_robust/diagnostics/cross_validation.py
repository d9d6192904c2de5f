"""Predictions of models that have not seen the labels they are held against."""

import warnings
import weakref

import keras
import numpy as np
from keras import ops

from keras_robust.checks import at_least, missing, refuse
from keras_robust.data.own_labels import of_one_hot
from keras_robust.last_layer import ends_in

_OWN = "out_of_sample"


def out_of_sample(make_model, x, y, folds: int = 5, groups=None, seed: int = 0, batch_size: int = 32, **fit):
    """Predicted probabilities of every sample, each by a model that was not trained on it: cross-validation.

    The samples are dealt into folds that hold the classes in equal shares. For each fold a new model is trained on all
    others, and predicts this one. What other tools call `pred_probs` of a data set with wrong labels: `noise.estimate`,
    `cleanlab_agreement` and cleanlab itself take it.

    Keras' global seed is set to seed + fold before a model is made, as `keras.utils.set_random_seed` does, so that the
    same call gives the same probabilities.

    Args:
        make_model: a function without arguments that returns a new, compiled model of one output: (batch, K), or
            (batch, 1) and (batch,) for yes/no. Logits are brought to probabilities where the last layer shows them, or
            else the loss says `from_logits`.
        x: all inputs, an array (N, ...), or a dict, list or tuple of such.
        y: class ids (N,) or (N, 1), or one-hot rows (N, K); for yes/no 0 and 1. The model is trained on them as they
            are.
        folds: number of folds, from 2 to the number of samples of the rarest class.
        groups: a value for each sample (N,): samples of one group (one patient, one video, duplicates) are in one fold.
            None: every sample is its own.
        seed: of the folds, and of the models.
        batch_size, fit: as `keras.Model.fit` takes them: epochs, verbose, callbacks, class_weight, ... Here
            `sample_weight` has one weight for each sample. Callbacks are used fold after fold.

    Returns:
        Probabilities (N, K), float32, rows summing to 1; of yes/no (N, 2), of no and of yes.

    Raises:
        ValueError: for a `tf.data.Dataset` or another feed, inputs and labels of different lengths, more folds than a
            class has samples or than there are groups, a model that is not compiled, not new, or predicts something
            else, and probabilities that are none.
        ImportError: without scikit-learn.

    Example:

    >>> x = np.repeat(np.eye(2, dtype="float32"), 10, axis=0)
    >>> def make_model():
    ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    ...     model.compile(keras.optimizers.SGD(1.0), keras_robust.GCE(from_logits=True))
    ...     return model
    >>> probabilities = keras_robust.diagnostics.out_of_sample(make_model, x, np.arange(20) // 10, epochs=20, verbose=0)
    >>> probabilities.shape, probabilities.argmax(axis=1).tolist() == [0] * 10 + [1] * 10
    ((20, 2), True)
    """
    folds = at_least(2, integer=True).check(_OWN, "folds", folds)
    seed = at_least(0, integer=True).check(_OWN, "seed", seed)
    if not callable(make_model) or isinstance(make_model, keras.Model):
        refuse(_OWN, "make_model", "a function that returns a new, compiled model", make_model)
    x, y = _arrays(x), np.asarray(y)
    ids = _class_ids(y)
    for name, given in (("x", keras.tree.flatten(x)), ("sample_weight", [fit.get("sample_weight")])):
        for one in given:
            if one is not None and np.shape(one)[:1] != (len(ids),):
                refuse(_OWN, name, f"of the {len(ids):,} samples that y has labels for", f"shape {np.shape(one)}")
    weights, filled, made = fit.pop("sample_weight", None), None, []
    for fold, (train, test) in enumerate(_dealt(ids, folds, groups, seed)):
        keras.utils.set_random_seed(seed + fold)
        model = _checked_model(make_model(), made)
        made.append(weakref.ref(model))
        if weights is not None:
            fit["sample_weight"] = np.asarray(weights)[train]
        model.fit(_rows(x, train), y[train], batch_size=batch_size, **fit)
        predicted = _probabilities(model, model.predict(_rows(x, test), batch_size=batch_size, verbose=0), test)
        filled = np.full((len(ids), predicted.shape[1]), np.nan, "float32") if filled is None else filled
        if predicted.shape[1] != filled.shape[1] or predicted.shape[1] <= ids.max():
            rule = f"a model of the same classes each time, at least {ids.max() + 1}"
            refuse(_OWN, "make_model", rule, f"one of {predicted.shape[1]}")
        filled[test] = predicted
    return filled


def _arrays(x):
    """Inputs as arrays: a DataFrame is one, a dict or list holds several."""
    if isinstance(x, dict):
        return {name: _array(one) for name, one in x.items()}
    if isinstance(x, tuple) or (isinstance(x, list) and x and all(hasattr(one, "shape") for one in x)):
        return type(x)(_array(one) for one in x)
    return _array(x)


def _array(x):
    if hasattr(x, "element_spec") or isinstance(x, keras.utils.PyDataset) or not hasattr(x, "__len__"):
        rule = "arrays of all samples, which folds are taken from; not a data set of batches"
        refuse(_OWN, "x", rule, type(x).__name__)
    return ops.convert_to_numpy(x) if ops.is_tensor(x) else np.asarray(x)


def _rows(x, rows):
    return keras.tree.map_structure(lambda array: array[rows], x)


def _class_ids(y):
    """Ids of the classes that folds are dealt by."""
    rule = "class ids (n,) or (n, 1), whole numbers from 0, or one-hot rows (n, classes)"
    if y.ndim == 2 and y.shape[1] > 1:
        ids = of_one_hot(y)
    else:
        ids = y[:, 0] if y.ndim == 2 else y
        ids = None if ids.dtype.kind not in "iufb" or np.any(ids % 1 if ids.dtype.kind == "f" else 0) else ids
    if ids is None or ids.ndim != 1 or not ids.size or ids.min() < 0:
        refuse(_OWN, "y", rule, f"an array of dtype {y.dtype} and shape {y.shape}")
    return ids.astype("int64")


def _dealt(ids, folds, groups, seed):
    """The folds: rows to train on and rows to predict; every row is predicted once."""
    try:
        from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
    except ImportError as error:
        raise missing("Folds are dealt with scikit-learn", "data") from error
    _, counts = np.unique(ids, return_counts=True)
    if groups is None:
        if counts.min() < folds:
            rarest = int(np.unique(ids)[counts.argmin()])
            rule = f"at most {counts.min()}, the samples of class {rarest}, and at least 2"
            refuse(_OWN, "folds", rule, folds)
        return StratifiedKFold(folds, shuffle=True, random_state=seed).split(np.zeros(len(ids)), ids)
    groups = np.asarray(groups)
    if groups.shape != ids.shape:
        refuse(_OWN, "groups", f"one value for each of {len(ids):,} samples", f"shape {groups.shape}")
    if groups.dtype.kind == "O" and not all(isinstance(one, str) for one in groups):
        refuse(_OWN, "groups", "texts or numbers, none of them missing", groups)
    numbers = np.unique(groups, return_inverse=True)[1]
    if numbers.max() + 1 < folds:
        refuse(_OWN, "folds", f"at most the number of groups, {numbers.max() + 1}", folds)
    if counts.max() < folds:
        refuse(_OWN, "folds", f"at most {counts.max()}, the samples of the most frequent class", folds)
    dealing = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes with fewer samples than folds, which groups may well have
        dealt = list(dealing.split(np.zeros(len(ids)), ids, numbers))
    for train, test in dealt:
        if (lost := np.setdiff1d(ids, ids[train])).size:
            rule = f"such that every class is in groups of several folds; class {lost[0]} is in one"
            refuse(_OWN, "groups", rule, f"{numbers.max() + 1} groups")
        if not test.size:
            refuse(_OWN, "folds", "fewer: the groups are too large, and one fold is empty", folds)
    return dealt


def _checked_model(model, made):
    if not isinstance(model, keras.Model):
        refuse(_OWN, "make_model", "a function that returns a new, compiled model", type(model).__name__)
    if not model.compiled:
        refuse(_OWN, "make_model", "a function that returns a compiled model", f"{model.name}, which is not")
    if any(model is one() for one in made):
        rule = "a function that makes a new model each time: one that saw other folds knows their labels"
        refuse(_OWN, "make_model", rule, f"{model.name} again")
    return model


def _probabilities(model, predicted, rows):
    """Probabilities (n, K) of what a model predicted for rows."""
    predicted = predicted[..., None] if getattr(predicted, "ndim", 0) == 1 else predicted
    if getattr(predicted, "ndim", 0) != 2 or len(predicted) != len(rows):
        told = getattr(predicted, "shape", type(predicted).__name__)
        refuse(_OWN, "make_model", "a model of one output, (batch, classes) or (batch, 1)", told)
    values = predicted.astype("float64")
    if not np.isfinite(values).all():
        raise ValueError(f"{model.name} predicts NaN or infinity: training diverged. Look at its loss, or its data.")
    if _gives_logits(model):
        values = np.concatenate([np.zeros_like(values), values], axis=1) if values.shape[1] == 1 else values
        values = np.exp(values - values.max(axis=1, keepdims=True))
        return values / values.sum(axis=1, keepdims=True)
    values = np.concatenate([1.0 - values, values], axis=1) if values.shape[1] == 1 else values
    total = values.sum(axis=1, keepdims=True)
    if np.any(values < 0) or np.any(abs(total - 1.0) > 1e-2):
        rule = "a model that gives probabilities, rows that sum to 1, or logits, with a loss of from_logits=True"
        refuse(_OWN, "make_model", rule, f"rows with sums from {total.min():g} to {total.max():g}")
    return values / total


def _gives_logits(model):
    """Whether a model ends in logits: what its last layer shows, or else its loss says."""
    inside = getattr(model, "model", model)
    end = ends_in(inside) if isinstance(inside, keras.Model) else None
    if end is not None:
        return end == "logits"
    return any(getattr(loss, "from_logits", False) for loss in keras.tree.flatten(getattr(model, "loss", None)))
