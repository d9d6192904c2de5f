"""Instance-dependent noise: a label's chance to be wrong, and its wrong class, depend on what the sample looks like."""

import numpy as np

from keras_robust.checks import Interval, refuse
from keras_robust.noise.corruption import SEED, NoisyLabels, checked_ids
from keras_robust.noise.transition import CLASSES, RATE

STD = Interval(0.0, 1.0)
_ROWS_AT_ONCE = 1024


def instance_dependent(features, labels, rate: float, K: int, seed: int, std: float = 0.1) -> NoisyLabels:
    """Part-dependent noise: each sample has its own flip rate, and its features choose the wrong class.

    q_i ~ N(rate, std^2) truncated to [0, 1]; with probability q_i the label y becomes class j with probability
    softmax(x_i W_y)_j, the class y itself excluded, where W_y (d, K) has standard normal entries, one matrix a class.

    The size of the features decides how sharp the choice is: give them as the network sees them. Raw pixels of an
    image make it almost certain. The mean of the truncated normal is a little off `rate`: 0.2055 for 0.2.

    Reference: Xia et al. 2020, Algorithm 2; std = 0.1 as there.

    Args:
        features: what the labels depend on, (n, ...), flattened to (n, d); finite numbers. A memory-mapped array is
            read in pieces.
        labels: clean class ids (n,), integers.
        rate: center of the flip rates, in [0, 1].
        K: number of classes, at least 2.
        seed: a whole number; the same seed gives the same labels.
        std: spread of the flip rates before truncation, in [0, 1]; 0 gives every sample the same.

    Returns:
        `NoisyLabels`.

    Raises:
        ValueError: for an argument out of range, or features that are not finite or not one row a label.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> features, labels = rng.normal(size=(5000, 8)), rng.integers(0, 10, 5000)
    >>> round(keras_robust.noise.instance_dependent(features, labels, 0.2, K=10, seed=0).rate, 2)
    0.21
    """
    K = CLASSES.check("instance_dependent", "K", K)
    rate = RATE.check("instance_dependent", "rate", rate)
    std = STD.check("instance_dependent", "std", std)
    seed = SEED.check("instance_dependent", "seed", seed)
    labels = checked_ids("instance_dependent", labels, K)
    if not hasattr(features, "shape"):
        features = np.asarray(features)
    if len(np.shape(features)) < 2 or len(features) != len(labels):
        rule = f"an array (n, ...) with one row for each of the {len(labels)} labels"
        refuse("instance_dependent", "features", rule, f"an array of shape {np.shape(features)}")
    draws, *classes = np.random.SeedSequence(seed).spawn(K + 1)
    rng = np.random.default_rng(draws)
    flipped = rng.random(len(labels)) < _flip_rates(len(labels), rate, std, rng)
    choice, noisy = rng.random(len(labels)), labels.copy()
    for label, class_seed in enumerate(classes):
        members = np.flatnonzero(flipped & (labels == label))
        if members.size:
            width = int(np.prod(np.shape(features)[1:]))
            projection = np.random.default_rng(class_seed).standard_normal((width, K))
            for start in range(0, len(members), _ROWS_AT_ONCE):
                rows = members[start : start + _ROWS_AT_ONCE]
                noisy[rows] = _other_class(_flat(features[rows]) @ projection, label, choice[rows])
    return NoisyLabels(noisy, labels.copy(), K, seed, f"instance:{rate:g}")


def _flip_rates(n, rate, std, rng):
    """Draws from N(rate, std^2) truncated to [0, 1], by drawing again what falls outside."""
    rates = rate + std * rng.standard_normal(n)
    outside = np.flatnonzero((rates < 0) | (rates > 1))
    while outside.size:
        rates[outside] = rate + std * rng.standard_normal(outside.size)
        outside = outside[(rates[outside] < 0) | (rates[outside] > 1)]
    return rates


def _flat(rows):
    rows = np.asarray(rows, dtype="float64").reshape(len(rows), -1)
    if not np.all(np.isfinite(rows)):
        refuse("instance_dependent", "features", "finite", rows[~np.isfinite(rows)][0])
    return rows


def _other_class(scores, label, uniform):
    """Draws a class with probability softmax(scores), `label` excluded."""
    scores[:, label] = -np.inf
    shares = np.cumsum(np.exp(scores - scores.max(axis=1, keepdims=True)), axis=1)
    return np.sum(shares <= (uniform * shares[:, -1])[:, None], axis=1)
