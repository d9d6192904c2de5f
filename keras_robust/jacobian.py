"""The penalty on the Jacobian of a network's outputs in its images."""

from dataclasses import asdict, dataclass

import keras
import numpy as np
from keras import ops

from keras_robust.backend import pullback
from keras_robust.checks import at_least, refuse
from keras_robust.data.preprocessing import parted

_PROJECTIONS = at_least(1, integer=True, optional=True)
_SEED = at_least(0, integer=True)


@dataclass(frozen=True)
class JacobianPenalty:
    """factor / 2 times the squared Frobenius norm of the Jacobian d outputs / d images, mean over a batch.

    It asks the outputs to change little where an image changes little. `ProvenanceModel(model, penalty=...)` adds it to
    the loss of every training step. With B images x_b of a batch, K outputs and n directions v_j a step, drawn for
    each image from the unit sphere,

        factor / 2 * 1 / B sum_b  K / n sum_j || d (v_j . outputs) / d x_b ||^2,

    whose mean over the directions is the norm itself. The derivative is that of the training step: where batch norm
    takes the statistics of the batch, an image moves the outputs of others too, and that is penalized with the rest.
    Images are as the network sees them, behind `data.Preprocessing` where a model begins with it.

    Directions are a function of the seed and of the number of steps that the optimizer has taken, so that a resumed run
    draws what an uninterrupted one would, on the same backend.

    Reference: Hoffman et al. 2019, Robust Learning with Jacobian Regularization, Eq. 9 to 11 and their released code,
    for the estimate, one direction and the factor 1/2. Ye et al. 2023 (Figures 3 and 6) compare it with L1 and L2, at
    factors from 1e-7 to 1e-4; their released code has no Jacobian, so how they took it is not known.

    Args:
        factor: at least 0.
        projections: n, at least 1; None takes the K unit vectors, which is exact and K times the work.
        seed: a whole number.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> inside = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> model = keras_robust.ProvenanceModel(inside, penalty=keras_robust.JacobianPenalty(factor=0.01))
    >>> model.compile("sgd", keras_robust.ANLCE(from_logits=True))
    >>> history = model.fit(np.ones((4, 3)), np.array([0, 1, 1, 0]), verbose=0)
    """

    factor: float
    projections: int | None = 1
    seed: int = 0

    def __post_init__(self):
        for name, rule in (("factor", at_least(0.0)), ("projections", _PROJECTIONS), ("seed", _SEED)):
            object.__setattr__(self, name, rule.check("JacobianPenalty", name, getattr(self, name)))

    def get_config(self) -> dict:
        return asdict(self)

    def generator(self) -> keras.random.SeedGenerator:
        """A new source of directions; a model that holds it carries its state into the compiled step."""
        generator = keras.random.SeedGenerator(self.seed)
        self.begin(generator, 0)
        return generator

    def begin(self, generator, step: int) -> None:
        """Has the next directions be those of a step, counted from 0."""
        # PyTorch's generator gets the sum of key and counter: seeds that are neighbours must not be.
        key = np.random.SeedSequence(self.seed).generate_state(1)[0]
        draws = (self.projections or 0) * step
        generator.state.assign(np.array([key, draws], "uint32"))

    def outputs(self, model, x, generator, training: bool = True):
        """Outputs of a model on a batch of images, and the penalty on images as the network sees them."""
        front, model = parted(model)
        x = x if front is None else front(x, training=training)
        if not ops.is_tensor(x) or not keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype)):
            refuse("JacobianPenalty", "x", "one tensor of floating-point images", _described(x))
        outputs, pull = pullback(model, x, training)
        if not ops.is_tensor(outputs) or len(outputs.shape) != 2:
            refuse("JacobianPenalty", "model", "one with outputs (batch, classes)", _described(outputs))
        K, squares = outputs.shape[-1], 0.0
        for v in self._directions(outputs, generator):
            squares += ops.sum(ops.square(ops.cast(pull(ops.cast(v, outputs.dtype)), "float32")))
        share = 1.0 if self.projections is None else K / self.projections
        batch = ops.cast(ops.shape(x)[0], "float32")
        return outputs, 0.5 * self.factor * share * squares / batch

    def _directions(self, outputs, generator):
        K = outputs.shape[-1]
        if self.projections is None:
            for row in np.eye(K, dtype="float32"):
                yield ops.broadcast_to(ops.convert_to_tensor(row), ops.shape(outputs))
            return
        for _ in range(self.projections):
            drawn = keras.random.normal(ops.shape(outputs), dtype="float32", seed=generator)
            yield drawn / ops.sqrt(ops.sum(ops.square(drawn), axis=-1, keepdims=True))


def jacobian_penalty(model: keras.Model, x, projections: int | None = None, seed: int = 0, training: bool = False):
    """Half the squared Frobenius norm of the Jacobian of a model's outputs in its images, mean over the images.

    What `JacobianPenalty` with a factor of 1 adds to a loss; here to be looked at, or for a training loop of your own:
    the value can be differentiated in the weights.

    Args:
        model: a model with outputs (batch, classes); of logits, the Jacobian is that of the logits.
        x: images, floating point.
        projections: random directions, for an estimate; None: exact.
        seed: of the directions.
        training: whether the model computes as in training.

    Returns:
        A scalar tensor, float32.

    Raises:
        ValueError: for images that are whole numbers, or a model with other outputs.

    Example: of a linear model it is half the sum of the squared weights.

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, kernel_initializer="ones")])
    >>> float(keras.ops.convert_to_numpy(keras_robust.jacobian_penalty(model, np.zeros((5, 2), "float32"))))
    3.0
    """
    penalty = JacobianPenalty(1.0, projections, seed)
    return penalty.outputs(model, ops.convert_to_tensor(x), penalty.generator(), training)[1]


def _described(value):
    shape = getattr(value, "shape", None)
    return type(value).__name__ if shape is None else f"{keras.backend.standardize_dtype(value.dtype)} {tuple(shape)}"
