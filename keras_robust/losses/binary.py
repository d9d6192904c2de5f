"""Yes/no outputs: several labels at once, or one logit."""

from dataclasses import dataclass

import keras
import numpy as np

from keras_robust.backend import Constant
from keras_robust.checks import refuse
from keras_robust.losses.base import RobustLoss
from keras_robust.losses.declaration import Part, parameter
from keras_robust.registration import registered


@dataclass(frozen=True)
class OutputWeights:
    """A number of at least 0 for each output, or `None`; kept as a tuple of floats. One number for all as it is."""

    one_for_all: bool = False

    def check(self, owner, name, value):
        if value is None:
            return None
        rule = (
            f"a list of finite numbers of at least 0, one for each output{', one number' * self.one_for_all}, or None"
        )
        try:
            weights = np.asarray(value, dtype="float64")
        except (TypeError, ValueError):
            refuse(owner, name, rule, value)
        shaped = (weights.ndim == 1 and weights.size > 0) or (self.one_for_all and weights.ndim == 0)
        if not shaped or isinstance(value, bool) or not np.all(np.isfinite(weights)) or np.any(weights < 0):
            refuse(owner, name, rule, value)
        return float(weights) if weights.ndim == 0 else tuple(weights.tolist())


@registered
class Binary(RobustLoss):
    """A loss for yes/no outputs: each is the two-class problem with logits (0, z), and `loss` is taken there.

    For multi-label problems (many tags, each present or not), and for models that end in one logit. A sample's loss is
    the mean over its outputs c that count, 1 / n sum_c w_c v_c L(y_c; (0, z_c)), with w from `weights`, and v from
    `positive_weight` where the answer is yes, else 1. Any other loss, given `y_pred` (..., 1), is `Binary` of itself.

    Args:
        loss: any loss; numbers that move, move here too. `SparseRegularized` has no gradient at one logit and is
            refused; losses that couple the samples of a batch take one output.
        weights: a number of at least 0 for each output, C of them; they multiply the losses, and the mean still divides
            by the number of outputs. None: 1.
        positive_weight: what the loss of an answer yes is multiplied by, for rare ones: at least 0, one number or C.
            None: 1.

    Shapes:
        y_pred: (..., C): logits z, or with `from_logits=False` probabilities of yes, as a sigmoid gives them.
        y_true: (..., C), or (...) where C = 1: 0 and 1 of any integer or bool dtype, or floats in [0, 1] (soft
            answers t, for which the loss is t L(1) + (1 - t) L(0)). An output whose answer is `ignore_class`, for
            example -1, or NaN among floats, counts for nothing; a sample without one that counts leaves the batch mean.

    `implicit_weight` is |dL_c / dz_c|, averaged over the outputs that count.

    Raises:
        ValueError: for `SparseRegularized` inside, another `Binary` inside; for shapes that do not fit, `weights` that
            are not C, a batch-coupled loss at C > 1 (at the first call); for answers or probabilities outside [0, 1]
            (where values are in the memory of the host; else the loss of such a sample is NaN).

    Example:

    >>> loss = keras_robust.Binary(keras_robust.GCE(), from_logits=True)
    >>> round(float(loss([[1, 0, 1]], [[2.0, -1.0, 0.0]])), 4)
    0.3173
    """

    loss: RobustLoss = parameter(within=Part())
    weights: tuple | None = parameter(default=None, within=OutputWeights())
    positive_weight: float | tuple | None = parameter(default=None, within=OutputWeights(one_for_all=True))

    asks_questions = True

    def _check(self):
        given = {"weights": self.weights, "positive_weight": self.positive_weight}
        self._constants = {name: Constant(value) for name, value in given.items() if value is not None}
        for part in self.loss.with_parts():
            if not part.takes_one_logit:
                refuse("Binary", "loss", "a loss that learns from one logit, where this one has gradient 0", self.loss)
        self.batch_coupled = self.loss.batch_coupled

    def of_questions(self, questions):
        shape, dtype = tuple(questions.logits.shape[:-1]), keras.backend.standardize_dtype(questions.logits.dtype)
        if self.batch_coupled and shape[-1] > 1:
            raise ValueError(
                "Inside Binary a loss that couples the samples of a batch takes one yes/no output. "
                f"Received: {self.loss!r} and y_pred of shape {shape}."
            )
        losses = questions.expected(self.loss, self._tensor("positive_weight", shape, dtype))
        weights = self._tensor("weights", shape, dtype)
        return losses if weights is None else losses * weights

    def per_sample(self, evidence):
        return self.loss.per_sample(evidence)

    def _tensor(self, name, shape, dtype):
        value = getattr(self, name)
        if isinstance(value, tuple) and len(value) != shape[-1]:
            refuse("Binary", name, f"{shape[-1]} numbers, one for each output of y_pred of shape {shape}", value)
        return None if value is None else self._constants[name].tensor(dtype)
