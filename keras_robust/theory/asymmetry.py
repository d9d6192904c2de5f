"""Which losses are asymmetric: under noise that leaves the true label the likeliest, they still aim at it alone."""

import numpy as np

from keras_robust.losses.base import RobustLoss, Term, WeightedSum
from keras_robust.losses.initialization import CLASSES
from keras_robust.theory.evaluation import checked_loss, for_any_classes, probability_values
from keras_robust.theory.symmetry import is_symmetric

# log p that stands for p = 0, and two deep points from which the slope in 0 is told.
_NOTHING = -1e9
_DEEP, _DEEPER = -200.0, -300.0

# Digits that the differences bear: a ratio that vanishes in them is 0, as for a loss that has no bound at p = 0.
_DIGITS = 8


def asymmetry_ratio(loss: RobustLoss, K: int | None = None) -> float:
    """The asymmetry ratio r of a loss l(p) of one probability, in [0, 1].

        r = inf over u1 >= 0, u2 > 0, u1 + u2 <= 1 of [l(u1) - l(u1 + u2)] / [l(0) - l(u2)]

    Where the label is class k with probability w_k, the likeliest being w_m and the next w_n, the expected loss
    sum_k w_k l(p_k) is least at p = e_m if w_m / w_n >= 1 / r: moving the probability u2 of another class to class m
    then never costs more than it gains. For r = 1 this holds for all noise that leaves the true label the likeliest,
    for r = 0 (`CE`, `GCE` with q < 1) for none.

    In closed form: `MAE` 1; `AGCE` 1 for q >= 1, else (a / (a + 1))^(1 - q); `AUL` 1 for q <= 1, else
    ((a - 1) / a)^(q - 1); `AEL` exp(-1 / a); `TCE` 1 / t; `PHuberCE` 1 / tau. In these the condition is necessary too.
    The infimum is searched for on a grid with its limits: exact where the loss is convex or concave in p, else to 3
    digits.

    Reference: Zhou et al. 2021 (asymmetric loss functions).

    Args:
        loss: a function of one probability that falls as it rises, such as `AGCE` or a sum of such.
        K: number of classes, where the loss depends on it (`MarginScale`).

    Raises:
        ValueError: for a loss of another kind; if K is needed and not given.

    Example:

    >>> round(keras_robust.theory.asymmetry_ratio(keras_robust.AGCE(a=0.6, q=0.6)), 4)
    0.6755
    """
    loss = checked_loss("asymmetry_ratio", loss)
    if not loss.of_probability:
        raise ValueError(
            "The asymmetry ratio is defined for a function of the label's probability alone, such as AGCE or a sum of "
            f"such. Received: {loss!r}. For sums with a symmetric loss see asymmetric_up_to(loss, K)."
        )
    return for_any_classes("asymmetry_ratio", lambda classes: _ratio(loss, classes), K)


def asymmetric_up_to(loss: RobustLoss, K: int) -> float:
    """The rate of symmetric noise up to which a loss is asymmetric: its minimizer is that of clean labels.

    r (K - 1) / (1 + r (K - 1)) with the asymmetry ratio r, the rate at which (1 - rate) / (rate / (K - 1)) = 1 / r;
    the rate counts labels that became another class. At most (K - 1) / K, where the true label is no longer the
    likeliest: that is the rate of a symmetric loss. A sum of symmetric and asymmetric losses bears at least what its
    asymmetric part does; this is the rate given for it. For pair noise take K = 2.

    Reference: Zhou et al. 2021 (asymmetric loss functions).

    Args:
        loss: a function of one probability, a symmetric loss, or a sum of such with positive weights.
        K: number of classes, at least 2.

    Raises:
        ValueError: for a loss of another kind.

    Example:

    >>> round(keras_robust.theory.asymmetric_up_to(keras_robust.AGCE(a=0.6, q=0.6), 10), 3)
    0.859
    >>> keras_robust.theory.asymmetric_up_to(keras_robust.CE(), 10)
    0.0
    """
    loss = checked_loss("asymmetric_up_to", loss)
    K = CLASSES.check("asymmetric_up_to", "K", K)
    ratio, _ = weighted_ratio(loss, K)
    odds = (1.0 if ratio is None else ratio) * (K - 1)
    return odds / (1.0 + odds)


def weighted_ratio(loss: RobustLoss, K: int):
    """The asymmetry ratio of the parts of a sum that are functions of one probability, and its symmetric terms.

    The ratio is None where there is no part of that kind.
    """
    weights, parts, symmetric = [], [], []
    for term in [Term(1.0, loss)] if loss.of_probability else loss.terms(K):
        weight, part = term.weight, term.loss
        if weight < 0:
            raise ValueError(f"A sum must have weights of at least 0 to be asymmetric. Received: {loss!r}.")
        if part.of_probability:
            weights, parts = [*weights, weight], [*parts, part]
        elif is_symmetric(part, K):
            symmetric += [term] if weight else []
        else:
            raise ValueError(
                "It is known how much noise is borne by functions of the label's probability alone, by symmetric "
                f"losses, and by sums of such. Received: {part!r}."
            )
    return asymmetry_ratio(WeightedSum(parts, weights), K) if any(weights) else None, symmetric


def _ratio(loss, K):
    moved = np.geomspace(1e-6, 1.0, 241)[:, None]
    start = (1.0 - moved) * np.sin(np.linspace(0.0, np.pi / 2, 241)) ** 2
    (lost,) = _losses(loss, np.zeros(1), K)
    before, after = _losses(loss, start, K), _losses(loss, start + moved, K)
    gain, cost = before - after, lost - _losses(loss, moved, K)
    if np.any(gain < -1e-9 * np.abs(before)) or np.any(cost <= 0.0):
        raise ValueError(
            "The asymmetry ratio is defined for a loss that falls as the label's probability rises. "
            f"Received: {loss!r}."
        )
    ratio = min(1.0, float(np.min(gain / cost)), _ratio_of_slopes(loss, K))
    return round(ratio, _DIGITS)


def _ratio_of_slopes(loss, K):
    """The limit of the ratio as u2 goes to 0, l'(u1) / l'(0), least over u1."""
    margins = np.linspace(-30.0, 30.0, 1201)
    p, rest = 1.0 / (1.0 + np.exp(-margins)), 1.0 / (1.0 + np.exp(margins))
    slopes = probability_values(loss, -np.logaddexp(0.0, -margins), margins, K)[1] / (p * rest)
    deep = np.array([_DEEP, _DEEPER])
    weights = probability_values(loss, deep, deep, K)[1]
    if not np.all(weights > 0.0):
        return 1.0  # the slope in 0 is 0
    growth = np.diff(np.log(weights) - deep)[0] / (_DEEP - _DEEPER)
    if abs(growth) > 1e-6:
        return 0.0 if growth > 0.0 else 1.0
    at_zero = np.exp(np.log(weights[1]) - _DEEPER)
    return float(np.min(slopes) / at_zero)


def _losses(loss, p, K):
    shape, p = np.shape(p), np.minimum(np.ravel(p), 1.0)
    with np.errstate(divide="ignore"):
        log_p = np.maximum(np.log(p), _NOTHING)
        margins = np.clip(log_p - np.log1p(-p), _NOTHING, 700.0)
    return probability_values(loss, log_p, margins, K)[0].reshape(shape)


__all__ = ["asymmetric_up_to", "asymmetry_ratio"]
