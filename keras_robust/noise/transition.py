"""Transition matrices: (K, K), float64, rows sum to 1."""

import numpy as np

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


# (from, to), in the order in which published code flips them.
SIMILAR = {
    "mnist": ((7, 1), (2, 7), (5, 6), (6, 5), (3, 8)),
    "fashion_mnist": ((9, 7), (7, 5), (2, 6), (4, 3), (3, 4)),
    "cifar10": ((9, 1), (2, 0), (3, 5), (5, 3), (4, 7)),
}
VARIANTS = {
    "mnist": ("clean",),
    "fashion_mnist": ("clean",),
    "cifar10": ("clean", "sequential"),
    "cifar100": ("superclass", "blocks"),
}
SAME_CLASSES = {"digits": "mnist", "cifar10n": "cifar10", "cifar100n": "cifar100"}
# The super-class of each of the 100 classes, both numbered alphabetically (Krizhevsky 2009).
CIFAR100_SUPERCLASSES = (
    *(4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11, 6, 11, 5, 10, 7),
    *(6, 13, 15, 3, 15, 0, 11, 1, 10, 12, 14, 16, 9, 11, 5, 5, 19, 8, 8, 15, 13, 14, 17, 18, 10),
    *(16, 4, 17, 4, 2, 0, 17, 4, 18, 17, 10, 3, 2, 12, 12, 16, 12, 1, 9, 19, 2, 10, 0, 1, 16),
    *(12, 9, 13, 15, 13, 16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14, 13),
)


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
    default = default_variant(dataset)
    classes = SAME_CLASSES.get(dataset, dataset)
    variant = default if variant is None else variant
    if variant not in VARIANTS[classes]:
        rule = " or ".join(repr(name) for name in VARIANTS[classes])
        refuse("asymmetric", "variant", f"{rule} for {dataset!r}", variant)
    if variant == "sequential":
        steps = [_flips(10, [pair], rate) for pair in SIMILAR[classes]]
        return np.linalg.multi_dot(steps)
    if classes == "cifar100":
        groups = np.array(CIFAR100_SUPERCLASSES) if variant == "superclass" else np.arange(100) // 5
        return _flips(100, _next_in_group(groups), rate)
    return _flips(10, SIMILAR[classes], rate)


def default_variant(dataset: str) -> str:
    """The variant of asymmetric noise that papers describe for this data set."""
    known = OneOf((*VARIANTS, *SAME_CLASSES)).check("asymmetric", "dataset", dataset)
    return VARIANTS[SAME_CLASSES.get(known, known)][0]


def _flips(K, pairs, rate):
    matrix = np.eye(K)
    for source, target in pairs:
        matrix[source, source], matrix[source, target] = 1.0 - rate, rate
    return matrix


def _next_in_group(groups):
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        yield from zip(members, np.roll(members, -1), strict=True)
