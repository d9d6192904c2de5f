"""Transition matrices: (K, K), float64, rows sum to 1."""

import numpy as np

from keras_robust.catalog import CATALOG
from keras_robust.checks import Interval, OneOf, refuse

CLASSES = Interval(2, integer=True)
RATE = Interval(0.0, 1.0)


def symmetric(K: int, rate: float, include_true: bool = False) -> np.ndarray:
    """Uniform noise: a label is replaced with probability `rate`.

    Papers differ in what it is replaced by, and rarely say so.

    Args:
        K: number of classes, at least 2.
        rate: noise rate, in [0, 1].
        include_true: False: by one of the K - 1 other classes, so that `rate` of all labels are wrong (Ma et al. 2020,
            Ye et al. 2023, Ou & Zhang 2023).
            True: by any of the K classes, so that rate * (K - 1) / K are wrong (Li et al. 2023, Staats et al. 2023).

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


def asymmetric(dataset: str, rate: float, variant: str | None = None) -> np.ndarray:
    """Noise between similar classes of a known data set: a label of some classes moves on with probability `rate`.

    - "mnist" (and "digits"): 7 -> 1, 2 -> 7, 5 <-> 6, 3 -> 8.
    - "fashion_mnist": ankle boot -> sneaker, sneaker -> sandal, pullover -> shirt, coat <-> dress.
    - "cifar10": truck -> automobile, bird -> airplane, deer -> horse, cat <-> dog. `rate` is the rate inside these
      five classes, half of it overall.
    - "cifar100": each class becomes the next one of the same super-class, cyclically.

    Reference: Patrini et al. 2017 (MNIST, CIFAR-10), Zhang & Sabuncu 2018 (Fashion-MNIST, CIFAR-100). Released code
    differs in two places. That of Ma et al. changes CIFAR-10 labels one pair after the other and reads labels already
    changed, cat -> dog before dog -> cat, so that a share `rate` of the new dogs turn back: cats are wrong at
    rate (1 - rate), which is 24% for 40%, and 18.4% overall. That of Ma et al. and Ye et al. moves CIFAR-100 labels
    inside blocks of five consecutive ids, where 6 of the 100 flips stay in the true super-class.

    Args:
        dataset: one of the names above; "cifar10n" and "cifar100n" have the classes of their namesakes.
        rate: noise rate inside the classes that change, in [0, 1].
        variant: "clean" (default) for "mnist", "fashion_mnist" and "cifar10", also "sequential" for "cifar10";
            "superclass" (default) or "blocks" for "cifar100".

    Returns:
        T of shape (K, K), T[i, j] = P(noisy = j | clean = i).

    Raises:
        ValueError: for an unknown data set or variant, or a rate out of range. For other data sets, write T down:
            `corrupt` takes any row-stochastic matrix.

    Example:

    >>> T = keras_robust.noise.asymmetric("cifar10", 0.4, variant="sequential")
    >>> [round(float(p), 4) for p in T[3, [3, 5]]]
    [0.76, 0.24]
    """
    rate = RATE.check("asymmetric", "rate", rate)
    variant = default_variant(dataset) if variant is None else variant
    row = CATALOG[_known(dataset)]
    if variant not in row.similar:
        rule = " or ".join(repr(name) for name in row.similar)
        refuse("asymmetric", "variant", f"{rule} for {dataset!r}", variant)
    pairs = row.similar[variant]
    if variant == "sequential":
        return np.linalg.multi_dot([_flips(row.num_classes, [pair], rate) for pair in pairs])
    return _flips(row.num_classes, pairs, rate)


def realized(clean, noisy, K: int) -> np.ndarray:
    """The transition matrix (K, K) of labels (n,) that are there; the row of a class without samples is no noise's."""
    pairs = clean.astype("int64") * K + noisy.astype("int64")
    counts = np.bincount(pairs, minlength=K * K).reshape(K, K).astype("float64")
    totals = counts.sum(axis=1, keepdims=True)
    return np.where(totals > 0, counts / np.maximum(totals, 1.0), np.eye(K))


def default_variant(dataset: str) -> str:
    """The variant of asymmetric noise that papers describe for this data set."""
    return next(iter(CATALOG[_known(dataset)].similar))


def _known(dataset):
    return OneOf(tuple(row.name for row in CATALOG.values() if row.similar)).check("asymmetric", "dataset", dataset)


def _flips(K, pairs, rate):
    matrix = np.eye(K)
    for source, target in pairs:
        matrix[source, source], matrix[source, target] = 1.0 - rate, rate
    return matrix
