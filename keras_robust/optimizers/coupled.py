"""Stochastic gradient descent and Adam with the coupled weight decay of PyTorch."""

import math
import numbers

import keras
from keras import ops

from keras_robust.checks import Interval, at_least, greater_than, refuse
from keras_robust.optimizers.steps import PyTorchSteps
from keras_robust.registration import registered


@registered
class CoupledSGD(PyTorchSteps, keras.optimizers.SGD):
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
        learning_rate = _checked_rate(owner, learning_rate)
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

    def update_step(self, gradient, variable, learning_rate):
        step = self._decayed(gradient, variable)
        if self.momentum:
            velocity = self.momentums[self._get_variable_index(variable)]
            moved = ops.add(ops.multiply(velocity, self.momentum), step)
            self.assign(velocity, moved)
            step = ops.add(step, ops.multiply(moved, self.momentum)) if self.nesterov else moved
        self.assign_sub(variable, ops.multiply(step, ops.cast(learning_rate, variable.dtype)))

    def _update_together(self, grads, variables, learning_rate):
        """`update_step` of all variables in a few calls: one by one it takes PyTorch ten times as long."""
        import torch

        with torch.no_grad():
            weights, steps = self._decayed_together(grads, variables)
            if self.momentum:
                velocity = [self.momentums[self._get_variable_index(v)].value for v in variables]
                torch._foreach_mul_(velocity, self.momentum)
                torch._foreach_add_(velocity, steps)
                steps = torch._foreach_add(steps, velocity, alpha=self.momentum) if self.nesterov else velocity
            # A rate that stays a tensor does not make the step wait for the device.
            torch._foreach_sub_(weights, torch._foreach_mul(steps, ops.convert_to_tensor(learning_rate)))


@registered
class CoupledAdam(PyTorchSteps, keras.optimizers.Adam):
    """Adam with PyTorch's weight decay, epsilon and clipping of the gradient's norm.

    With g the gradient of the loss over all weights w, m and v the moments, 0 at first, and t the number of the step,
    from 1 on:

        g <- g min(1, global_clipnorm / (||g|| + 1e-6))
        d  = g + weight_decay w
        m <- beta_1 m + (1 - beta_1) d
        v <- beta_2 v + (1 - beta_2) d^2
        w <- w - learning_rate m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) + epsilon)

    The decay goes through both moments (`weight_decay` of `keras.optimizers.Adam` is AdamW's: it shrinks the weights
    apart from them), and `epsilon` is added to the corrected moment (Keras adds it to the one that is not). All weights
    decay, biases and batch norm included, unless `exclude_from_weight_decay` says otherwise.

    Reference: `torch.optim.Adam` and `torch.nn.utils.clip_grad_norm_`; Kingma & Ba 2015, Algorithm 1, without decay.

    Args:
        learning_rate: a number, at least 0, or a schedule of Keras.
        beta_1, beta_2: of the moments, at least 0 and less than 1.
        epsilon: greater than 0.
        weight_decay: factor of the weights in the gradient, at least 0.
        global_clipnorm, loss_scale_factor, gradient_accumulation_steps, name: as in `CoupledSGD`.

    Raises:
        ValueError: for an argument out of its range.

    Example: a first step goes as far as the rate says, whatever the gradient, here that of the decay alone.

    >>> weight = keras.Variable([1.0])
    >>> keras_robust.optimizers.CoupledAdam(0.25, weight_decay=0.5).apply([keras.ops.zeros(1)], [weight])
    >>> round(float(weight.numpy()[0]), 6)
    0.75
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        global_clipnorm: float | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str = "coupled_adam",
    ):
        owner, share = type(self).__name__, Interval(0.0, 1.0, open_high=True)
        super().__init__(
            _checked_rate(owner, learning_rate),
            share.check(owner, "beta_1", beta_1),
            share.check(owner, "beta_2", beta_2),
            greater_than(0.0).check(owner, "epsilon", epsilon),
            weight_decay=at_least(0.0).check(owner, "weight_decay", weight_decay),
            global_clipnorm=greater_than(0.0, optional=True).check(owner, "global_clipnorm", global_clipnorm),
            loss_scale_factor=loss_scale_factor,
            gradient_accumulation_steps=gradient_accumulation_steps,
            name=name,
        )

    def _corrections(self, dtype):
        """1 - beta^t of both moments, with all digits: 1 - 0.999 has lost four of them in float32."""
        t = ops.cast(self.iterations + 1, dtype)
        exponents = (t * math.log(beta) if beta else ops.full_like(t, -math.inf) for beta in (self.beta_1, self.beta_2))
        return tuple(-ops.expm1(exponent) for exponent in exponents)

    def update_step(self, gradient, variable, learning_rate):
        step = self._decayed(gradient, variable)
        place = self._get_variable_index(variable)
        m, v = self._momentums[place], self._velocities[place]
        self.assign(m, m * self.beta_1 + step * (1.0 - self.beta_1))
        self.assign(v, v * self.beta_2 + ops.square(step) * (1.0 - self.beta_2))
        first, second = self._corrections(variable.dtype)
        rate = ops.cast(learning_rate, variable.dtype) / first
        self.assign_sub(variable, rate * m / (ops.sqrt(v / second) + self.epsilon))

    def _update_together(self, grads, variables, learning_rate):
        """`update_step` of all variables in a few calls."""
        import torch

        with torch.no_grad():
            weights, steps = self._decayed_together(grads, variables)
            places = [self._get_variable_index(variable) for variable in variables]
            m, v = ([kept[place].value for place in places] for kept in (self._momentums, self._velocities))
            first, second = self._corrections("float32")
            torch._foreach_mul_(m, self.beta_1)
            torch._foreach_add_(m, steps, alpha=1.0 - self.beta_1)
            torch._foreach_mul_(v, self.beta_2)
            torch._foreach_addcmul_(v, steps, steps, 1.0 - self.beta_2)
            below = torch._foreach_sqrt(torch._foreach_mul(v, 1.0 / second))
            torch._foreach_add_(below, self.epsilon)
            moved = torch._foreach_div(m, below)
            torch._foreach_sub_(weights, torch._foreach_mul(moved, ops.convert_to_tensor(learning_rate) / first))

    def get_config(self):
        config = super().get_config()
        del config["amsgrad"]
        return config


def _checked_rate(owner, learning_rate):
    """The rate, if it is a schedule or a number that fits."""
    if isinstance(learning_rate, numbers.Real):
        return at_least(0.0).check(owner, "learning_rate", learning_rate)
    return learning_rate
