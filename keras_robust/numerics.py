"""Arithmetic that formulas share: exact where the textbook's form cancels, overflows or has no derivative."""

import math

import keras
from keras import ops

from keras_robust.backend import select

SMALLEST = 2.0**-126  # the smallest normal float32
TINY = 2.0**-60  # beside 1, float64 cannot tell it from 0


def floor(x, low):
    """max(x, low) in the dtype of x: Keras' PyTorch backend rounds a number to float32 in `maximum` and in `where`."""
    return select(x > low, x, low)


def smallest(x):
    """The smallest normal number of the dtype of x, float32 or float64."""
    return 2.0**-1022 if keras.backend.standardize_dtype(x.dtype) == "float64" else SMALLEST


def ceiling(x, high):
    """min(x, high) in the dtype of x."""
    return select(x < high, x, high)


def one_minus_exp(x):
    """1 - exp(x) for x <= 0, exact near 0, with the derivative -exp(x) everywhere.

    `-expm1(x)` alone will not do: JAX and PyTorch compute its derivative as expm1(x) + 1, which is 0 below -17.
    """
    return select(x > -0.5, -ops.expm1(x), 1.0 - ops.exp(x))


def where(condition, then, otherwise):
    """`then()` or `otherwise()`: chosen now for a plain bool, by `ops.where` for a tensor."""
    if isinstance(condition, bool):
        return then() if condition else otherwise()
    return select(condition, then(), otherwise())


def expm1_over(a, x):
    """(exp(a x) - 1) / a for a x <= 0, and its limit x at a x = 0, before the product underflows."""
    return where(a <= SMALLEST, lambda: x, lambda: select(a * x < -TINY, -one_minus_exp(a * x) / away_from_zero(a), x))


def log1p_over(a, x):
    """log(1 + a x) / a, and its limit x at a x = 0, before the product underflows."""
    return where(
        a <= SMALLEST, lambda: x, lambda: select(ops.abs(a * x) > TINY, ops.log1p(a * x) / away_from_zero(a), x)
    )


def away_from_zero(x):
    """x, or 1 where x is so small that dividing by it fails: for use inside `where` only."""
    return where(x <= SMALLEST, lambda: 1.0, lambda: x)


def log(x):
    return math.log(x) if isinstance(x, float) else ops.log(x)


def log1p(x):
    return math.log1p(x) if isinstance(x, float) else ops.log1p(x)
