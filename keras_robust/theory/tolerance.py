"""How much label noise a loss bears: its sum over all labels, the risk that noise costs, and the rate it tolerates.

Everything here follows from one rewriting. Let S(p) = sum_k L(p, k), and for a sample of class y let h be the largest
of the T[y, k], k != y. Then its expected loss under the noise T is

    sum_k T[y, k] L(p, k) = h S(p) + (T[y, y] - h) L(p, y) - sum_{k != y} (h - T[y, k]) L(p, k)

so noise scales the clean loss by T[y, y] - h, which must be above 0, and adds two terms. The first is constant for a
symmetric loss. The last is 0 where wrong labels are spread evenly, and else least where every wrong label costs most.
"""

from typing import NamedTuple

import numpy as np

from keras_robust.checks import refuse
from keras_robust.losses.base import RobustLoss, Term
from keras_robust.losses.initialization import CLASSES
from keras_robust.noise.corruption import stochastic
from keras_robust.theory.asymmetry import weighted_ratio
from keras_robust.theory.evaluation import checked_loss, losses_of

# Logits of a prediction that is as good as certain, in float64, and one ten times as deep.
_DEEP, _DEEPER = 1e8, 1e9

_STEPS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 60.0, 1e3, _DEEP)

# What differs by less than this part of its size counts as equal.
_TOLERANCE = 1e-6

# Rows of one call, always as many: a backend that compiles does so once for each loss and K.
_ROWS = 1024


class LabelSums(NamedTuple):
    """The range of sum_k L(p, k) over all predictions p; equal for a symmetric loss, infinite for an unbounded one."""

    low: float
    high: float


def label_sums(loss: RobustLoss, K: int) -> LabelSums:
    """The least and the greatest sum of a loss over all labels that a sample could have.

    Known sums: 1 for a normalized loss (Ma et al. 2020), K - 1 for `MAE` and for a normalized negative loss (Ye et al.
    2023); for `GCE` from (K - K^(1 - q)) / q to (K - 1) / q where q <= 1 (Zhang and Sabuncu 2018), the other way round
    where q > 1. Others are searched for among predictions of three levels: one class, some of the others, the rest.
    That holds the extremes of every loss here to 4 digits and more; it is a search, not a proof.

    Args:
        loss: any loss whose samples do not meet.
        K: number of classes, at least 2.

    Raises:
        ValueError: for an argument out of range; for a batch-coupled loss.

    Example:

    >>> [round(x, 4) for x in keras_robust.theory.label_sums(keras_robust.GCE(q=0.7), 10)]
    [11.4353, 12.8571]
    >>> [round(x, 4) for x in keras_robust.theory.label_sums(keras_robust.NNCE(), 10)]
    [9.0, 9.0]
    """
    loss = _of_one_sample("label_sums", loss)
    return _Seen(loss, CLASSES.check("label_sums", "K", K)).sums


def risk_gap(loss: RobustLoss, transition) -> float:
    """How much clean risk can be lost, at most, by minimizing the noisy risk instead: R(f_noisy) - R(f_clean).

        max_y h_y (S_high - S_low) / min_y (T[y, y] - h_y),   h_y = max_{k != y} T[y, k]

    0 for a symmetric loss: it is noise tolerant. For symmetric noise of rate r this is
    r (S_high - S_low) / (K - 1 - r K), for any data and any set of models: Theorem 1 of Zhang and Sabuncu 2018 where
    the loss is `GCE`, and sharp there, as some data and two models attain it. For other noise it supposes data that a
    model can fit, and a loss that costs least at the label and most at every wrong label once a prediction is certain.
    Infinite where nothing is known: for an unbounded loss such as `CE`, for noise under which the clean label is not
    the likeliest, and for uneven noise and a loss such as `NCE`, whose cost of one wrong label can grow at the expense
    of the others.

    With `mean_error` this shows the trade between robustness and fitting that `DAL` moves along: as q of `GCE` goes to
    1 the gap falls to 0, and so falls the push that a network gets at initialization. The formula is derived here, not
    taken from Li et al. 2023, whose section 4 treats the same trade.

    Args:
        loss: any loss whose samples do not meet.
        transition: T (K, K), rows sum to 1.

    Raises:
        ValueError: for a matrix that is none; for a batch-coupled loss.

    Example:

    >>> T = keras_robust.noise.symmetric(10, 0.4)
    >>> [round(keras_robust.theory.risk_gap(keras_robust.GCE(q=q), T), 3) for q in (0.1, 0.4, 0.7, 1.0)]
    [5.555, 0.596, 0.114, 0.0]
    """
    loss, T = _of_one_sample("risk_gap", loss), stochastic("risk_gap", transition)
    others, worst = _others(T)
    ahead = T.diagonal() - worst
    if not worst.any():
        return 0.0
    if ahead.min() <= 0.0:
        return np.inf
    seen = _Seen(loss, len(T))
    if np.ptp(others) > _TOLERANCE and not seen.passive:
        return np.inf
    low, high = seen.sums
    return 0.0 if seen.symmetric else float(worst.max() * (high - low) / ahead.min())


def tolerated_rate(loss: RobustLoss, transition) -> float:
    """The rate up to which a loss bears noise of the shape of T: below it, the noisy risk is least at the clean label.

    T is scaled, I + s (T - I), until the minimizer leaves the clean label of one class; given is the mean rate over
    the classes then. The condition for each class y is r T[y, y] > max_{k != y} T[y, k] with the loss's
    `asymmetry_ratio` r, which is 1 for a symmetric loss: 1 - rate_y > rate_yk. Symmetric noise is borne below
    (K - 1) / K, pair noise below 1/2. It is a statement about what a model could reach at best, for data that it can
    fit; it says nothing of how far training gets.

    For symmetric noise every symmetric loss will do. For uneven noise one of these must hold:

    - The loss costs most at every wrong label once a prediction is certain: `MAE`, `RCE`, `NNCE`, `NNFL`.
    - It adds to such a loss a normalized one that can lay its whole sum on one label, `NCE` or `NFL`: the active
      passive and active negative losses. Then inf sum_k T[y, k] L(p, k) is reached where p goes to the clean label
      while the probability of the rarest label vanishes fastest. This is a limit: if no probability falls below 1e-7,
      say, the minimizer of a sum with a heavy normalized part leaves the clean label earlier, and `NCE` alone has
      other minimizers, which favor no label.

    Reference: Ghosh et al. 2017, whose condition for uneven noise, no label costs more than its even part of the sum,
    does not hold of `NCE`; Ma et al. 2020 for normalized losses, Ye et al. 2023 for negative ones, Zhou et al. 2021
    for asymmetric ones. That the limit suffices for sums with `NCE` is derived here.

    Args:
        loss: a function of one probability, a symmetric loss, or a sum of such with positive weights.
        transition: T (K, K), rows sum to 1, with some wrong labels: `noise.symmetric`, `pair_flip`, `asymmetric`.

    Raises:
        ValueError: for a matrix that is none, or without wrong labels; for a loss of another kind.

    Example:

    >>> T = keras_robust.noise.symmetric(10, 0.4)
    >>> round(keras_robust.theory.tolerated_rate(keras_robust.NCEandRCE(), T), 4)
    0.9
    >>> T = keras_robust.noise.asymmetric("cifar10", 0.4)
    >>> round(keras_robust.theory.tolerated_rate(keras_robust.ANLCE(), T), 4)
    0.25
    """
    loss, T = _of_one_sample("tolerated_rate", loss), stochastic("tolerated_rate", transition)
    others, worst = _others(T)
    wrong = 1.0 - T.diagonal()
    if not wrong.any():
        refuse("tolerated_rate", "transition", "a matrix with some wrong labels", "the identity")
    ratio, symmetric = weighted_ratio(loss, len(T))
    if np.any(np.ptp(others, axis=1) > _TOLERANCE):
        _check_uneven(symmetric, len(T), alone=ratio is None)
    ratio = 1.0 if ratio is None else ratio
    spoiled = worst > 0.0
    scale = np.min(ratio / (ratio * wrong + worst)[spoiled]) if ratio else 0.0
    return float(scale * wrong.mean())


class _Seen:
    """What a loss of K classes was seen to do over many predictions."""

    def __init__(self, loss, K):
        self.loss, self.K = loss, K
        self.points, self.totals, self.least, self.most = np.empty((0, 3)), np.empty(0), np.inf, -np.inf
        steps, counts = np.array(_STEPS), np.unique(np.geomspace(1, K - 1, 7).round().astype(int))
        self._look(_grid(np.concatenate([-steps[:0:-1], steps]), steps, counts))
        near = _grid(np.linspace(-1.0, 1.0, 13), np.linspace(-1.0, 1.0, 13), [0.0])
        for best in (np.argmin, np.argmax):
            for zoom in range(4):
                point = self.points[best(self.totals)]
                self._look(point + near * (1.0 + np.abs(point)) / 5.0**zoom)
        self.low, self.high = float(self.totals.min()), float(self.totals.max())
        deep = _grid((-1.0, 0.0, 1.0), (0.0, 1.0), counts)
        before, after = (self._totals(deep * [scale, scale, 1.0])[0] for scale in (_DEEP, _DEEPER))
        grows = (np.abs(after) > 2.0 * np.abs(before)) & (np.abs(after) > 1e3)
        if np.any(grows & (after > 0)):
            self.high = np.inf
        if np.any(grows & (after < 0)):
            self.low = -np.inf

    @property
    def sums(self):
        return LabelSums(self.low, self.high)

    @property
    def symmetric(self):
        spread = self.high - self.low
        return bool(np.isfinite(spread) and spread <= _TOLERANCE * max(abs(self.high), abs(self.low)))

    @property
    def passive(self):
        """Whether a certain prediction costs least at its class, and most at every other label."""
        certain = self._totals(np.array([[_DEEP, 0.0, self.K - 1]]))[1][0]
        bound = _TOLERANCE * (1.0 + abs(self.most))
        return bool(np.isfinite(self.high) and certain[0] <= self.least + bound and certain[1] >= self.most - bound)

    @property
    def concentrated(self):
        """Whether one label can cost the whole sum, and any label nothing."""
        bound = _TOLERANCE * abs(self.high)
        # The rest costs 1 / log p of the least likely label, which vanishes slowly.
        return bool(self.symmetric and self.most >= 0.999 * self.high and self.least <= bound)

    def _look(self, points):
        totals, losses = self._totals(points)
        self.points, self.totals = np.concatenate([self.points, points]), np.concatenate([self.totals, totals])
        self.least, self.most = min(self.least, losses.min()), max(self.most, losses.max())

    def _totals(self, points):
        """Sums over labels (points,), and the losses (points, 3) at a label of each level.

        A point is (u, s, n): one class with the logit u, n with 0 and the others with -s.
        """
        K, count = self.K, len(points)
        u, s, n = points.T
        logits = np.where(np.arange(K - 1) < n[:, None], 0.0, -s[:, None])
        logits = np.tile(np.concatenate([u[:, None], logits], axis=1), (3, 1))
        labels = np.repeat([0, 1, K - 1], count)
        losses = np.empty(3 * count)
        for start in range(0, 3 * count, _ROWS):
            rows = np.arange(start, start + _ROWS) % (3 * count)
            losses[start : start + _ROWS] = losses_of(self.loss, logits[rows], labels[rows])[: 3 * count - start]
        losses = losses.reshape(3, count).T
        return losses[:, 0] + n * losses[:, 1] + (K - 1 - n) * losses[:, 2], losses


def _grid(*axes):
    return np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, len(axes)).astype("float64")


def _of_one_sample(owner, loss):
    loss = checked_loss(owner, loss)
    if loss.batch_coupled:
        raise ValueError(
            f"{type(loss).__name__} has no sum over the labels of one sample, because its samples depend on each other."
        )
    return loss


def _others(T):
    """T without its diagonal (K, K - 1), and the largest entry of each row of it."""
    K = len(T)
    others = T[~np.eye(K, dtype=bool)].reshape(K, K - 1)
    return others, others.max(axis=1)


def _check_uneven(parts: list[Term], K, alone):
    """Refuses symmetric parts of which nothing is known where wrong labels are spread unevenly."""
    seen = [(part, _Seen(part, K)) for _, part, *_ in parts]
    settled = not alone or any(each.passive for _, each in seen)
    for part, each in seen:
        if not each.passive and not (each.concentrated and settled):
            raise ValueError(
                "Of noise that spreads wrong labels unevenly it is known how much is borne by losses that cost most at "
                "every wrong label once a prediction is certain, such as MAE and NNCE, and by NCE or NFL added to one "
                f"of them. Received: {part!r}."
            )


__all__ = ["LabelSums", "label_sums", "risk_gap", "tolerated_rate"]
