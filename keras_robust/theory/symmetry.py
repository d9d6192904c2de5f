"""Which losses are symmetric: summed over all labels that a sample could have, they are constant."""

import numpy as np

from keras_robust.losses.base import RobustLoss
from keras_robust.losses.initialization import CLASSES
from keras_robust.theory.evaluation import checked_loss, losses_of

# A sum that varies by less than this part of its size counts as constant.
_TOLERANCE = 1e-6

_LEVELS = 6
_SCALES = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)


def is_symmetric(loss: RobustLoss, K: int) -> bool:
    """Whether sum_k L(p, k) is the same for every prediction p: then uniform label noise does not move the minimizer.

    Found by looking: the sum at 16 fixed predictions, from nearly even to nearly one-hot (p down to e^-60), in float64,
    must agree to 1e-6 of its size. A prediction has at most 6 different logits, so the sum takes 6 losses for any K;
    this supposes that classes of the same logit have the same loss, as they do in every loss of this package. A loss
    that is symmetric to a part in a million is not told from one that is.

    Reference: Ghosh et al. 2017; Ma et al. 2020 for normalized losses, Ye et al. 2023 for negative ones.

    Args:
        loss: any loss whose samples do not meet.
        K: number of classes, at least 2.

    Raises:
        ValueError: for a batch-coupled loss.

    Example:

    >>> [keras_robust.theory.is_symmetric(loss, 10) for loss in (keras_robust.MAE(), keras_robust.NCE())]
    [True, True]
    >>> keras_robust.theory.is_symmetric(keras_robust.GCE(q=0.7), 10)
    False
    """
    loss = checked_loss("is_symmetric", loss)
    K = CLASSES.check("is_symmetric", "K", K)
    if loss.batch_coupled:
        raise ValueError(
            f"{type(loss).__name__} has no sum over the labels of one sample, because its samples depend on each other."
        )
    sums, sizes = zip(*(_sum_over_labels(loss, logits, levels) for logits, levels in _predictions(K)), strict=True)
    return bool(np.ptp(sums) <= _TOLERANCE * np.mean(sizes))


def _predictions(K):
    """Logits (K,) and the level of each, where logits of one level are equal."""
    count = min(K, _LEVELS)
    # Evenly spread but irregular numbers: multiples of the golden ratio without their whole part.
    golden = np.arange(1, 2 * len(_SCALES) * count + 1) * 0.6180339887498949 % 1.0
    for i, heights in enumerate(golden.reshape(-1, count)):
        levels = np.arange(K) % count
        if i % 2 and count < K:
            # Every other prediction has few classes above one large level, as trained models do.
            levels = np.minimum(np.arange(K), count - 1)
        yield _SCALES[i // 2] * (2.0 * heights - 1.0)[levels], levels


def _sum_over_labels(loss, logits, levels):
    """The sum over all labels, and the sum of its absolute terms."""
    kinds, first, counts = np.unique(levels, return_index=True, return_counts=True)
    losses = losses_of(loss, np.tile(logits, (len(kinds), 1)), first)
    return counts @ losses, counts @ np.abs(losses)


__all__ = ["is_symmetric"]
