"""Weights of classes, as weights of the samples whose given label is of them."""

import numpy as np
from keras import ops

from keras_robust.backend import Constant, select
from keras_robust.checks import at_least, refuse
from keras_robust.labels import class_ids
from keras_robust.losses.inputs import align_weights

_WEIGHT = at_least(0.0)


class ClassWeights:
    """A weight for each class that is named, 1 for the others; constants of the compiled step.

    Args:
        weights: a dict {class id: weight of at least 0}.

    Raises:
        ValueError: for anything else.
    """

    def __init__(self, weights):
        if not isinstance(weights, dict) or not all(isinstance(id, int | np.integer) for id in weights):
            refuse("fit", "class_weight", "a dict {class id: weight}, or None", weights)
        self.weights = {int(id): _WEIGHT.check("fit", "class_weight", weight) for id, weight in weights.items()}
        self._table = None

    def __eq__(self, other):
        return isinstance(other, ClassWeights) and self.weights == other.weights

    __hash__ = None

    def times(self, sample_weight, label, y_pred):
        """The weights of samples, None for 1, times those of their classes."""
        classes = max(y_pred.shape[-1], 2)
        if self._table is None:
            self._table = Constant(tuple(self.weights.get(id, 1.0) for id in range(classes)))
        ids = class_ids(label, y_pred)
        known = ops.logical_and(ids >= 0, ids < classes)
        weight = select(known, ops.take(self._table.tensor("float32"), select(known, ids, 0)), 1.0)
        if sample_weight is None:
            return weight
        return ops.cast(align_weights(sample_weight, tuple(weight.shape)), weight.dtype) * weight
