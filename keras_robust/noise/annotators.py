"""Labels of several people for the same samples."""

from typing import NamedTuple

import numpy as np

from keras_robust.checks import Interval, refuse

_CLASSES = Interval(2, 2**31 - 1, integer=True, optional=True)
_ID = Interval(integer=True)


class Votes(NamedTuple):
    """What several annotators say of each sample.

    Attributes:
        soft: share of the votes that each class has, (N, K), rows sum to 1: soft labels, which every loss takes.
        agreement: share of the votes that the most frequent class has, (N,), in (0, 1].
    """

    soft: np.ndarray
    agreement: np.ndarray


def votes(labels, missing: int = -1, num_classes: int | None = None) -> Votes:
    """Soft labels from the class ids that several annotators gave, and how far they agree.

    For data that more than one person labeled: what they disagree about is kept, instead of a majority that hides it.
    With n_ik the number of annotators who gave sample i the class k, and n_i those who labeled it,

        soft_ik = n_ik / n_i,    agreement_i = max_k soft_ik.

    Args:
        labels: class ids (N, A), integers, one column an annotator.
        missing: stands where an annotator did not label a sample.
        num_classes: K; None: one more than the largest id.

    Returns:
        `Votes(soft, agreement)`, float64 of shapes (N, K) and (N,).

    Raises:
        ValueError: for labels of another shape or of floats, ids outside [0, K), or a sample that nobody labeled.

    Example: three annotators, of whom the last left one sample out.

    >>> soft, agreement = keras_robust.noise.votes([[0, 0, 1], [2, 2, -1]])
    >>> soft.round(2).tolist(), agreement.round(2).tolist()
    ([[0.67, 0.33, 0.0], [0.0, 0.0, 1.0]], [0.67, 1.0])
    """
    K, missing = _CLASSES.check("votes", "num_classes", num_classes), _ID.check("votes", "missing", missing)
    labels = np.asarray(labels)
    if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer):
        refuse("votes", "labels", "integer class ids of shape (N, A)", f"{labels.dtype} of shape {labels.shape}")
    given = labels != missing
    alone = np.flatnonzero(~given.any(axis=1))
    if len(alone):
        rule = f"ids with at least one vote a sample; nobody labeled {len(alone)} of them, leave those out"
        refuse("votes", "labels", rule, f"samples {alone[:5].tolist()}")
    samples, ids = np.nonzero(given)[0], labels[given]
    if K is None:
        if not ids.size:
            refuse("votes", "num_classes", "the number of classes where there are no labels to read it off", None)
        K = max(int(ids.max()) + 1, 2)
    if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) < min(K, _CLASSES.high):
        rule = f"class ids in [0, {min(K, _CLASSES.high)}), or {missing} for a missing one"
        refuse("votes", "labels", rule, f"ids from {ids.min()} to {ids.max()}")
    counts = np.bincount(samples * K + ids.astype("int64"), minlength=len(labels) * K).reshape(len(labels), K)
    soft = counts / counts.sum(axis=1, keepdims=True)
    return Votes(soft, soft.max(axis=1, initial=0.0))
