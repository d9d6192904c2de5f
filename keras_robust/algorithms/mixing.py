"""Mixed samples: how much of which other sample comes into each one, the same on every backend."""

import functools
import math
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_robust.backend import constant, is_rehearsal, select
from keras_robust.checks import at_least, greater_than, refuse
from keras_robust.data.draws import begin_draws, drawn, epoch_key, uniform

# Cells of [0, 1] within which a quantile is interpolated.
_CELLS = 4096


class Mix(NamedTuple):
    """Each sample and its partner, mixed.

    Attributes:
        lam: share of the sample itself, one number for the batch.
        partner: positions of the partners (batch,), a permutation.
    """

    lam: Any
    partner: Any

    def of(self, values):
        """lam v + (1 - lam) v[partner], for values (batch, ...)."""
        lam = ops.cast(self.lam, values.dtype)
        return lam * values + (1.0 - lam) * self.other(values)

    def other(self, values):
        """Values of the partners."""
        return ops.take(values, self.partner, axis=0)


class Mixer(keras.layers.Layer):
    """Draws lam from Beta(alpha, alpha), one for each batch, and a random permutation of the batch.

    The draws follow from seed, epoch and step alone, on every backend: see `data.draws.uniform`.

    Args:
        owner: the class that the errors name.
        alpha: greater than 0.
        seed: a whole number of at least 0.
    """

    def __init__(self, owner, alpha, seed):
        super().__init__(name="mixer")
        self.alpha = greater_than(0.0).check(owner, "alpha", alpha)
        self.seed = at_least(0, integer=True).check(owner, "seed", seed)
        #: Key and count of this epoch's draws.
        self.generator = keras.random.SeedGenerator(epoch_key(self.seed, 0))

    def begin(self, epoch: int) -> None:
        """Begins the draws of an epoch, counted from 0."""
        begin_draws(self.generator, self.seed, epoch)

    def draw(self, count) -> Mix:
        """The mix of a batch of so many samples."""
        draws = uniform(drawn(self.generator), (1 + count,))
        return Mix(beta_quantile(draws[0], self.alpha), ops.argsort(draws[1:]))


def beta_quantile(u, alpha: float):
    """The number below which Beta(alpha, alpha) lies with probability u, a tensor in (0, 1), within 1/4096.

    The distribution function is tabulated every 1/4096 and inverted by a line between two places; of u = 0, which
    stands for all numbers below 2^-24, it makes one of theirs. For alpha = 1 it is u itself.

    Example:

    >>> [round(float(beta_quantile(keras.ops.convert_to_tensor(u), 4.0)), 3) for u in (0.1, 0.5, 0.9)]
    [0.279, 0.5, 0.721]
    """
    if alpha == 1.0:
        return u
    table, upper = constant(_beta_table(alpha)), u > 0.5
    v = select(upper, 1.0 - u, u)  # float32 has few numbers near 1
    cell = ops.sum(ops.cast(table[1:-1] <= v, "int32"))
    low, high = ops.take(table, cell), ops.take(table, cell + 1)
    x = (ops.cast(cell, "float32") + (v - low) / (high - low)) / _CELLS
    return select(upper, 1.0 - x, x)


@functools.lru_cache(maxsize=10)
def _beta_table(alpha):
    """The distribution function of Beta(alpha, alpha) at k / 4096, k = 0 ... 2048, rounded to float32.

    x^a (1 - x)^a / (a B(a, a)) (1 + sum_n prod_{i <= n} (2a + i) / (a + 1 + i) x^(n + 1)), whose terms are positive.
    """
    a, x = alpha, np.arange(1, _CELLS // 2 + 1) / _CELLS
    log_scale = math.lgamma(2 * a) - 2 * math.lgamma(a) - math.log(a)
    term = np.exp(a * (np.log(x) + np.log1p(-x)) + log_scale)
    total, n = term.copy(), 0
    while np.any(term > 1e-17):
        term = term * x * (2 * a + n) / (a + 1 + n)
        total, n = total + term, n + 1
    return tuple(np.float32(np.append(0.0, total)).tolist())


def floats(owner, x):
    """The inputs, once it is certain that they can be mixed.

    Raises:
        ValueError: for whole numbers, such as raw images or ids of words.
    """
    for one in keras.tree.flatten(x):
        dtype = keras.backend.standardize_dtype(one.dtype)
        if "float" not in dtype and not is_rehearsal():
            rule = "floats, for samples are mixed: cast them, or let the model begin with data.Preprocessing"
            refuse(owner, "x", rule, f"{dtype} of shape {tuple(one.shape)}")
    return x
