"""Learning rates that move by epoch."""

import math
from collections.abc import Callable

import keras

from keras_robust.checks import at_least, refuse


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
