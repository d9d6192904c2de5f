"""Transition matrices: (K, K), float64, rows sum to 1."""

import numpy as np

from keras_robust.checks import Interval

CLASSES = Interval(2, integer=True)
RATE = Interval(0.0, 1.0)


def symmetric(K: int, rate: float, include_true: bool = False) -> np.ndarray:
    """Uniform noise: a label is replaced with probability `rate`.

    Papers differ in what it is replaced by, and rarely say so.

    Args:
        K: number of classes, at least 2.
        rate: noise rate, in [0, 1].
        include_true: False: by one of the K - 1 other classes, so that `rate` of all labels are wrong (N, A, C).
            True: by any of the K classes, so that rate * (K - 1) / K are wrong (D, B).

    Returns:
        T of shape (K, K), T[i, j] = P(noisy = j | clean = i).

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> keras_robust.noise.symmetric(3, 0.5).tolist()
    [[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.25, 0.25, 0.5]]
    """
    K, rate = CLASSES.check("symmetric", "K", K), RATE.check("symmetric", "rate", rate)
    if include_true:
        return np.full((K, K), rate / K) + (1.0 - rate) * np.eye(K)
    return np.full((K, K), rate / (K - 1)) * (1.0 - np.eye(K)) + (1.0 - rate) * np.eye(K)


def pair_flip(K: int, rate: float) -> np.ndarray:
    """Pair noise: class i becomes i + 1 (the last one 0) with probability `rate`.

    Args:
        K: number of classes, at least 2.
        rate: noise rate, in [0, 1].

    Returns:
        T of shape (K, K), T[i, j] = P(noisy = j | clean = i).

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> keras_robust.noise.pair_flip(3, 0.25).tolist()
    [[0.75, 0.25, 0.0], [0.0, 0.75, 0.25], [0.25, 0.0, 0.75]]
    """
    K, rate = CLASSES.check("pair_flip", "K", K), RATE.check("pair_flip", "rate", rate)
    return (1.0 - rate) * np.eye(K) + rate * np.roll(np.eye(K), 1, axis=1)
