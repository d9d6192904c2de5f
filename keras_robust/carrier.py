"""How a compiled training step sees variables that are not the model's, on every backend.

On JAX a variable that only a loss holds is a constant of the compiled step. The variables of the model's metrics are
not: so the model gets one metric that reports nothing and whose variables are the moving hyper-parameters and the
records of samples. It adds nothing to `model.weights`, to saved files or to an exported graph.
"""

import keras

from keras_robust.losses import RobustLoss


class Carrier(keras.metrics.Metric):
    """A metric without a result that carries variables into the compiled step."""

    def __init__(self):
        super().__init__(name="robust_hyperparameters")
        self.carried = []
        #: Whether the model had compiled a step before a carrier had it compiled again.
        self.was_compiled = False

    @property
    def variables(self):
        return self.carried

    def update_state(self, *args, **kwargs):
        pass

    def reset_state(self):
        pass

    def result(self):
        return {}


def carry(model: keras.Model, variables) -> None:
    """Adds variables to the model's one carrier, and has the step compiled again if it grew."""
    carrier = getattr(model, "_robust_hyperparameters", None)
    if carrier is None:
        carrier = Carrier()
        model._tracker.unlock()
        model._robust_hyperparameters = carrier
        model._tracker.lock()
    new = [v for v in variables if not any(v is known for known in carrier.carried)]
    if new:
        carrier.carried = [*carrier.carried, *new]
        carrier.was_compiled |= model.train_function is not None or model.test_function is not None
        model.train_function = model.test_function = None


def has_compiled_steps(model: keras.Model) -> bool:
    """Whether the model has compiled a step for training or validation."""
    carrier = getattr(model, "_robust_hyperparameters", None)
    before = carrier is not None and carrier.was_compiled
    return before or model.train_function is not None or model.test_function is not None


def compiled_losses(model: keras.Model) -> list[RobustLoss]:
    """The losses of this package that a model is compiled with."""
    return [loss for loss in keras.tree.flatten(getattr(model, "loss", None)) if isinstance(loss, RobustLoss)]
