"""A loss that no paper has tried, written two ways: as a line of the algebra, and as a formula with its slope.

Takes about 2 seconds.
"""

import keras
import numpy as np
from keras import ops

import keras_robust
from keras_robust.losses.algebra import ElementaryLoss

# A line of the algebra: the normalized JS divergence beside a little MAE, with a logit bias.
line = keras_robust.LogitBias(
    keras_robust.Normalized(keras_robust.JS(pi=0.5)) + 0.1 * keras_robust.MAE(), epsilon=1.0, from_logits=True
)


# A formula of one log-probability, and its slope -d value / d log p. Register a loss that is to be saved with a model.
@keras.saving.register_keras_serializable("my_project")
class SquaredGap(ElementaryLoss):
    """(1 - p)^2."""

    def value(self, log_p):
        return ops.expm1(log_p) ** 2

    def slope(self, log_p):
        return -2.0 * ops.expm1(log_p) * ops.exp(log_p)


logits = np.array([[4.0, 0.0, 0.0], [1.0, 0.0, 0.0], [-4.0, 0.0, 0.0]], "float32")
ids = np.array([0, 0, 0])
for loss in (line, SquaredGap(from_logits=True), keras_robust.Normalized(SquaredGap(), from_logits=True)):
    values = ops.convert_to_numpy(loss.call(ids, logits)).round(3)
    weights = ops.convert_to_numpy(loss.implicit_weight(ids, logits)).round(3)
    print(f"{loss.name}: values {values}, weights {weights}")
