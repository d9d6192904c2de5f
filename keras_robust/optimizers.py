"""Stochastic gradient descent as the papers had it, which is PyTorch's, and learning rates that move by epoch."""

import math
import numbers
from collections.abc import Callable

import keras
from keras import ops

from keras_robust.checks import Interval, at_least, greater_than, refuse
from keras_robust.registration import registered


@registered
class CoupledSGD(keras.optimizers.SGD):
    """SGD with PyTorch's weight decay, momentum and clipping of the gradient's norm.

    With g the gradient of the loss over all weights w, and v the velocity, 0 at first:

        g <- g min(1, global_clipnorm / (||g|| + 1e-6))
        d  = g + weight_decay w
        v <- momentum v + d
        w <- w - learning_rate v                    (nesterov: w - learning_rate (d + momentum v))

    Three things differ from `keras.optimizers.SGD`. The decay is coupled: it goes through the momentum, after the
    clipping (`weight_decay` of Keras shrinks the weights apart from it). The velocity holds gradients, not steps: when
    the learning rate falls, all of the next step falls with it (Keras' velocity keeps what the old rate put in). And
    all weights decay, biases and batch norm included, unless `exclude_from_weight_decay` says otherwise.

    A penalty of `keras_robust.regularize` is part of the loss, so it is clipped with it, as the L1 norm of the active
    negative losses is in their released code; a decay given here is not. A model compiled with this optimizer loads
    where this package is not installed with `load_model(path, compile=False)`.

    Reference: `torch.optim.SGD` and `torch.nn.utils.clip_grad_norm_`, as the released code of Ma et al.,
    Ye et al. and Li et al. calls them. Ma et al. and Ye et al. clip at 5, Li et al. on WebVision alone.

    Args:
        learning_rate: a number, at least 0, or a schedule of Keras.
        momentum: between 0 and 1.
        nesterov: whether to look one step ahead; needs momentum.
        weight_decay: factor of the weights in the gradient, at least 0.
        global_clipnorm: largest norm of the gradient over all weights, or None. It is the norm of the whole batch's
            gradient under a TensorFlow strategy too (Keras clips what each replica has).
        loss_scale_factor, gradient_accumulation_steps, name: as in Keras.

    Raises:
        ValueError: for an argument out of its range.

    Example: two steps with a gradient of 0.

    >>> weight = keras.Variable([1.0])
    >>> optimizer = keras_robust.optimizers.CoupledSGD(0.5, momentum=0.5, weight_decay=0.5)
    >>> for _ in range(2):
    ...     optimizer.apply([keras.ops.zeros(1)], [weight])
    >>> float(weight.numpy()[0])
    0.4375
    """

    def __init__(
        self,
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        global_clipnorm: float | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str = "coupled_sgd",
    ):
        owner = type(self).__name__
        if isinstance(learning_rate, numbers.Real):
            learning_rate = at_least(0.0).check(owner, "learning_rate", learning_rate)
        momentum = Interval(0.0, 1.0).check(owner, "momentum", momentum)
        if nesterov and not momentum:
            refuse(owner, "momentum", "greater than 0 for nesterov", momentum)
        super().__init__(
            learning_rate,
            momentum,
            nesterov,
            weight_decay=at_least(0.0).check(owner, "weight_decay", weight_decay),
            global_clipnorm=greater_than(0.0, optional=True).check(owner, "global_clipnorm", global_clipnorm),
            loss_scale_factor=loss_scale_factor,
            gradient_accumulation_steps=gradient_accumulation_steps,
            name=name,
        )

    def _clip_gradients(self, grads):
        grads = _dense(grads)
        if self.global_clipnorm is None:
            return grads
        factor = self.global_clipnorm / (_norm(_summed_over_replicas(grads)) + 1e-6)
        if keras.backend.backend() == "torch":  # a number that is made a tensor has the step wait for the device
            factor = factor.clamp(max=1.0)
            return [g * factor.to(g.dtype) for g in grads]
        factor = ops.minimum(1.0, factor)
        return [ops.multiply(g, ops.cast(factor, g.dtype)) for g in grads]

    def _apply_weight_decay(self, variables):
        """Nothing: the decay is part of the step."""

    def update_step(self, gradient, variable, learning_rate):
        step = ops.cast(gradient, variable.dtype)
        if self.weight_decay and self._use_weight_decay(variable):
            step = ops.add(step, ops.multiply(variable, self.weight_decay))
        if self.momentum:
            velocity = self.momentums[self._get_variable_index(variable)]
            moved = ops.add(ops.multiply(velocity, self.momentum), step)
            self.assign(velocity, moved)
            step = ops.add(step, ops.multiply(moved, self.momentum)) if self.nesterov else moved
        self.assign_sub(variable, ops.multiply(step, ops.cast(learning_rate, variable.dtype)))

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        if keras.backend.backend() == "torch":
            self._update_together(grads, trainable_variables, learning_rate)
        else:
            super()._backend_update_step(grads, trainable_variables, learning_rate)

    def _update_together(self, grads, variables, learning_rate):
        """`update_step` of all variables in a few calls: one by one it takes PyTorch ten times as long."""
        import torch

        with torch.no_grad():
            weights = [variable.value for variable in variables]
            steps = [g.to(w.dtype) for g, w in zip(grads, weights, strict=True)]
            decaying = [i for i, v in enumerate(variables) if self.weight_decay and self._use_weight_decay(v)]
            if decaying:
                grown = torch._foreach_add(
                    [steps[i] for i in decaying], [weights[i] for i in decaying], alpha=self.weight_decay
                )
                for i, step in zip(decaying, grown, strict=True):
                    steps[i] = step
            if self.momentum:
                velocity = [self.momentums[self._get_variable_index(v)].value for v in variables]
                torch._foreach_mul_(velocity, self.momentum)
                torch._foreach_add_(velocity, steps)
                steps = torch._foreach_add(steps, velocity, alpha=self.momentum) if self.nesterov else velocity
            # A rate that stays a tensor does not make the step wait for the device.
            torch._foreach_sub_(weights, torch._foreach_mul(steps, ops.convert_to_tensor(learning_rate)))

    def get_config(self):
        config = super().get_config()
        # What Keras' SGD has besides and this one does not take.
        for option in ("clipnorm", "clipvalue", "use_ema", "ema_momentum", "ema_overwrite_frequency"):
            del config[option]
        return config


def _dense(grads):
    """TensorFlow's gradient of an embedding is a list of rows, some of them more than once: added up here."""
    if keras.backend.backend() != "tensorflow":
        return grads
    import tensorflow as tf

    return [tf.convert_to_tensor(g) for g in grads]


def _norm(grads):
    """Root of the sum of all squares, in float32."""
    if keras.backend.backend() == "torch":
        import torch

        return torch.linalg.vector_norm(torch.stack(torch._foreach_norm([g.float() for g in grads])))
    return ops.sqrt(sum(ops.sum(ops.square(ops.cast(g, "float32"))) for g in grads))


def _summed_over_replicas(grads):
    """Under a TensorFlow strategy every replica clips its share of the gradient, before Keras adds the shares."""
    if keras.backend.backend() != "tensorflow":
        return grads
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return grads
    return context.all_reduce(tf.distribute.ReduceOp.SUM, list(grads))


def by_epoch(schedule: Callable, epochs: int) -> keras.callbacks.LearningRateScheduler:
    """A callback that sets the learning rate at the start of every epoch to `schedule(epoch, epochs)`.

    It is a function of the epoch alone, so a resumed run continues as it was. The rate stands in History as
    "learning_rate".

    Args:
        schedule: (epoch, epochs) -> learning rate, epochs counted from 0, such as those of `keras_robust.schedules`.
        epochs: E, the number of epochs of the whole training, at least 1.

    Raises:
        ValueError: if `schedule` cannot be called or `epochs` is no whole number from 1 on.

    Example: a tenth from epochs 80 and 120 on; 3% less every epoch, as Ye et al. and Li et al. have it on WebVision.

    >>> steps = keras_robust.schedules.Piecewise((80, 120), (0.1, 0.01, 0.001))
    >>> keras_robust.optimizers.by_epoch(steps, epochs=160).schedule(80, None)
    0.01
    >>> decay = keras_robust.schedules.Exponential(0.4, 0.97)
    >>> round(keras_robust.optimizers.by_epoch(decay, epochs=250).schedule(249, None), 6)
    0.000203
    """
    if not callable(schedule):
        refuse("by_epoch", "schedule", "a function (epoch, epochs) -> learning rate", schedule)
    epochs = at_least(1, integer=True).check("by_epoch", "epochs", epochs)
    return keras.callbacks.LearningRateScheduler(lambda epoch, _: float(schedule(epoch, epochs)))


def cosine(learning_rate: float, epochs: int) -> keras.callbacks.LearningRateScheduler:
    """Cosine annealing by epoch: learning_rate (1 + cos(pi epoch / epochs)) / 2, epochs counted from 0.

    Reference: `torch.optim.lr_scheduler.CosineAnnealingLR` with T_max = epochs and eta_min = 0, stepped once an epoch,
    as Ma et al., Ye et al., Ou & Zhang and Li et al. have it.

    Args:
        learning_rate: in the first epoch, at least 0.
        epochs: number of epochs of the whole training, at least 1.

    Returns:
        A callback for `fit`.

    Example:

    >>> callback = keras_robust.optimizers.cosine(0.01, epochs=120)
    >>> [round(callback.schedule(epoch, None), 6) for epoch in (0, 60, 119)]
    [0.01, 0.005, 2e-06]
    """
    learning_rate = at_least(0.0).check("cosine", "learning_rate", learning_rate)
    return by_epoch(lambda epoch, epochs: learning_rate * (1 + math.cos(math.pi * epoch / epochs)) / 2, epochs)
