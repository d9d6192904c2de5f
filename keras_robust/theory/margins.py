"""The distribution of the label's margin at initialization: from a normal model, and of a real one."""

import math
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_robust.checks import at_least, greater_than, refuse
from keras_robust.losses.elementary import CE
from keras_robust.losses.initialization import CLASSES
from keras_robust.theory.log_sum import log_sum


class MarginDensity(NamedTuple):
    """Density of the label's margin.

    Attributes:
        margins: evenly spaced margins, (points,).
        density: the density there, (points,); it integrates to 1.
    """

    margins: np.ndarray
    density: np.ndarray


def initial_margins(K: int, sigma: float = 1.0, points: int = 401) -> MarginDensity:
    """Density of the margin z_y - log sum_{i != y} exp(z_i) of independent logits N(0, sigma^2).

    The curve over which the implicit weight of a loss is to be read: where the weight is small here, the loss does not
    start to learn.

    Reference: Ou & Zhang 2023, whose figures show the histogram of a real network; its mean is
    `expected_margin(K, sigma, exact=True)`.

    Args:
        K: number of classes, at least 2.
        sigma: standard deviation of the logits, above 0.
        points: number of margins, at least 2; they span 7 standard deviations to either side of the mean.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> margins, density = keras_robust.theory.initial_margins(10)
    >>> round(float(margins[density.argmax()]), 1)
    -2.6
    """
    K = CLASSES.check("initial_margins", "K", K)
    sigma = greater_than(0.0).check("initial_margins", "sigma", sigma)
    points = at_least(2, integer=True).check("initial_margins", "points", points)
    rule = log_sum(K - 1, sigma)
    mean = -float(rule.weights @ rule.points)
    reach = 7.0 * math.sqrt(sigma**2 + rule.weights @ (rule.points + mean) ** 2)
    margins = np.linspace(mean - reach, mean + reach, points)
    label_logits = (margins[:, None] + rule.points) / sigma
    density = np.exp(-0.5 * label_logits**2) @ rule.weights / (sigma * math.sqrt(2.0 * math.pi))
    return MarginDensity(margins, density)


def measured_margins(
    model: keras.Model, x: Any, y=None, from_logits: bool = False, batch_size: int = 256
) -> np.ndarray:
    """The label's margin of every sample, as a model predicts it now: before training, at initialization.

    One forward pass, as in inference; nothing is changed.

    Args:
        model: any model with one output (..., K).
        x: inputs, or a dataset of batches (x, y).
        y: class ids or one-hot labels, where x holds inputs. Targets {"label", "index", "clean"} are read too.
        from_logits: whether the model ends in logits. From probabilities the margin is known to about 6 digits of p.
        batch_size: size of the batches that inputs are cut into.

    Returns:
        Margins of the samples, float32 or float64 as the model computes them.

    Raises:
        ValueError: for labels that do not fit the predictions; for a dataset with `y`, and inputs without.

    Example:

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(10)])
    >>> keras_robust.theory.measured_margins(model, np.ones((5, 3)), np.arange(5), from_logits=True).shape
    (5,)
    """
    loss = CE(from_logits=from_logits)
    batch_size = at_least(1, integer=True).check("measured_margins", "batch_size", batch_size)
    found = []
    for inputs, labels in _batches(x, y, batch_size):
        if isinstance(labels, dict) and "label" in labels:
            labels = labels["label"]
        predictions = ops.convert_to_tensor(model.predict_on_batch(inputs))
        margins = loss.sample_statistics(ops.convert_to_tensor(np.asarray(labels)), predictions).margin
        found.append(ops.convert_to_numpy(margins))
    if not found:
        refuse("measured_margins", "x", "at least one batch of samples", x)
    return np.concatenate(found)


def _batches(x, y, size):
    arrays = hasattr(x, "shape") or isinstance(x, (list, tuple, dict))
    if arrays == (y is None):
        refuse("measured_margins", "y", "given with arrays, and left out with a dataset of batches (x, y)", type(y))
    if not arrays:
        yield from (batch[:2] for batch in x)
        return
    count = len(keras.tree.flatten(x)[0])
    for start in range(0, count, size):
        yield keras.tree.map_structure(lambda a, start=start: np.asarray(a)[start : start + size], (x, y))


__all__ = ["MarginDensity", "initial_margins", "measured_margins"]
