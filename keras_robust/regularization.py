"""Penalties on the weights of a model, as the papers use them beside their losses."""

import keras
from keras import ops

from keras_robust.checks import at_least, refuse
from keras_robust.registration import registered


@registered
class WeightPenalty(keras.regularizers.Regularizer):
    """l1 sum |theta| + l2 / 2 sum theta^2.

    `keras.regularizers.L1L2` has no factor 1/2: its gradient is 2 l2 theta.
    """

    def __init__(self, l1=0.0, l2=0.0):
        self.l1 = at_least(0.0).check("WeightPenalty", "l1", l1)
        self.l2 = at_least(0.0).check("WeightPenalty", "l2", l2)

    def __call__(self, x):
        penalty = 0.0
        if self.l1:
            penalty += self.l1 * ops.sum(ops.abs(x))
        if self.l2:
            penalty += 0.5 * self.l2 * ops.sum(ops.square(x))
        return penalty

    def get_config(self):
        return {"l1": self.l1, "l2": self.l2}


def regularize(model: keras.Model, l1: float = 0.0, l2: float = 0.0) -> keras.Model:
    """Penalizes all trainable variables of a model: l1 sum |theta| + l2 / 2 sum theta^2 is added to its loss.

    `l1` is the factor delta of the active negative losses (Ye et al. 2023), which takes the place of weight decay
    there and runs over all parameters, biases and batch norm included. `l2` is the weight decay of PyTorch's SGD: its
    gradient, l2 theta, is added to that of the loss, so that it goes through momentum and clipping. (`weight_decay` of
    Keras' optimizers is decoupled: it does not.)

    The penalty replaces any regularizer that a variable had. It lives on the model in memory, not in its saved file:
    call this again after `load_model`. It acts from the next `compile` on.

    Args:
        model: a built model.
        l1: factor of the absolute values, at least 0.
        l2: factor of the squares, at least 0. Both 0 removes the penalty.

    Returns:
        The same model.

    Raises:
        ValueError: for a negative factor, or a model without trainable variables.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, kernel_initializer="ones")])
    >>> model = keras_robust.regularize(model, l1=0.5)
    >>> float(keras.ops.convert_to_numpy(sum(model.losses)))
    3.0
    """
    penalty = WeightPenalty(l1, l2)
    if not model.built or not model.trainable_variables:
        refuse("regularize", "model", "a built model with trainable variables", model)
    for variable in model.trainable_variables:
        variable.regularizer = penalty if penalty.l1 or penalty.l2 else None
    return model
