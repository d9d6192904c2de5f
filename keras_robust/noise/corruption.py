"""Drawing wrong labels from a transition matrix."""

from dataclasses import dataclass

import numpy as np

from keras_robust.checks import Interval, refuse


@dataclass(frozen=True)
class NoisyLabels:
    """Labels before and after corruption, and how they were made.

    Attributes:
        noisy: ids (n,) after corruption.
        clean: ids (n,) before.
        num_classes: K.
        seed: seed of the draw.
        spec: what was asked for, in words; None for a matrix of the user's own.
    """

    noisy: np.ndarray
    clean: np.ndarray
    num_classes: int
    seed: int
    spec: str | None = None

    @property
    def mask(self) -> np.ndarray:
        """Boolean (n,), true where the label is wrong."""
        return self.noisy != self.clean

    @property
    def rate(self) -> float:
        """The realised share of wrong labels."""
        return float(self.mask.mean())

    @property
    def transition(self) -> np.ndarray:
        """The realised transition matrix (K, K); the row of a class without samples is that of no noise."""
        counts = np.zeros((self.num_classes, self.num_classes))
        np.add.at(counts, (self.clean, self.noisy), 1.0)
        totals = counts.sum(axis=1, keepdims=True)
        return np.where(totals > 0, counts / np.maximum(totals, 1.0), np.eye(self.num_classes))


def corrupt(labels, transition, seed: int, exact: bool = False, spec: str | None = None) -> NoisyLabels:
    """Draws a noisy label for each clean one; the input is left alone.

    Args:
        labels: clean class ids (n,), integers.
        transition: T (K, K), rows summing to 1, T[i, j] = P(noisy = j | clean = i).
        seed: a whole number; the same seed gives the same labels.
        exact: False: each label is drawn by itself. True: exactly floor(n_i T_ij) labels of class i become j, as
            published code does.
        spec: a description to keep with the result.

    Raises:
        ValueError: for labels that are not ids of the matrix, or a matrix that is not row-stochastic.

    Example:

    >>> labels = np.zeros(1000, "int64")
    >>> keras_robust.noise.corrupt(labels, keras_robust.noise.symmetric(10, 0.4), seed=0, exact=True).rate
    0.396
    """
    transition = np.asarray(transition, dtype="float64")
    square = transition.ndim == 2 and transition.shape[0] == transition.shape[1] >= 2
    if not square or np.any(transition < 0) or not np.allclose(transition.sum(axis=1), 1.0, atol=1e-8):
        refuse("corrupt", "transition", "a (K, K) matrix of non-negative rows that sum to 1", transition)
    labels, K = np.asarray(labels), len(transition)
    is_ids = labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer)
    if not is_ids or (labels.size and not 0 <= labels.min() <= labels.max() < K):
        refuse("corrupt", "labels", f"integer ids of shape (n,) in [0, {K})", labels)
    rng = np.random.default_rng(Interval(0, integer=True).check("corrupt", "seed", seed))
    noisy, uniform = labels.copy(), rng.random(len(labels))
    order = np.argsort(labels, kind="stable")
    for clean, members in enumerate(np.split(order, np.searchsorted(labels[order], np.arange(1, K)))):
        if exact:
            # + 1e-9: 1000 * 0.3 is just below 300 in floating point.
            counts = np.floor(len(members) * transition[clean] + 1e-9).astype(int)
            counts[clean] = 0
            flips = np.repeat(np.arange(K), counts)
            noisy[members[np.argsort(uniform[members])[: len(flips)]]] = flips
        else:
            reached = np.searchsorted(np.cumsum(transition[clean]), uniform[members], side="right")
            noisy[members] = np.minimum(reached, np.flatnonzero(transition[clean])[-1])
    return NoisyLabels(noisy, labels.copy(), K, int(seed), spec)
