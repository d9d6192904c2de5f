"""What normalized cross entropy is made of: cross entropy, a rate of its own, and a push away from even predictions."""

from typing import NamedTuple

import numpy as np
from keras import ops

from keras_robust.checks import refuse
from keras_robust.labels import class_ids


class NCEDecomposition(NamedTuple):
    """The parts of NCE's gradient, gamma [grad CE - epsilon grad R]; arrays (...), one entry for each sample.

    Attributes:
        gamma: 1 / sum_k -log p_k, a learning rate of the sample's own.
        epsilon: K log p_y / sum_k log p_k, how strongly it is pushed away from the even prediction.
        bound: 2 gamma [(1 - p_y) + epsilon (K - 1) / K], which the L1 norm of the gradient in the logits never exceeds.
    """

    gamma: np.ndarray
    epsilon: np.ndarray
    bound: np.ndarray


def nce_decomposition(y_true, y_pred, from_logits: bool = False) -> NCEDecomposition:
    """Takes NCE = log p_y / sum_k log p_k apart: grad NCE = gamma [grad CE - epsilon grad R], R = -1/K sum_k log p_k.

    R is the cross entropy to an even label. So NCE is cross entropy with a learning rate of the sample's own, which
    falls as the model grows sure, and with a push away from the even prediction.

    Reference: Ou & Zhang 2023, whose bound on the gradient, its Eq. 3, is false by a factor of up to 1.26; the one
    here holds.

    Args:
        y_true: class ids (...) or (..., 1), or one-hot labels (..., K).
        y_pred: predictions (..., K).
        from_logits: whether they are logits; probabilities are renormalized.

    Raises:
        ValueError: for fewer than two classes, or negative probabilities.

    Example:

    >>> parts = keras_robust.theory.nce_decomposition(np.array([0]), np.array([[0.5, 0.25, 0.25]]))
    >>> [round(float(part[0]), 4) for part in parts]
    [0.2885, 0.6, 0.5194]
    """
    values = np.asarray(ops.convert_to_numpy(y_pred), "float64")
    if values.ndim < 2 or values.shape[-1] < 2:
        refuse("nce_decomposition", "y_pred", "of shape (..., K) with K at least 2", np.shape(y_pred))
    if not from_logits:
        if np.any(values < 0):
            refuse("nce_decomposition", "y_pred", "probabilities, or logits with from_logits=True", y_pred)
        values = np.log(np.maximum(values, np.finfo("float32").tiny))
    shifted = values - values.max(axis=-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    ids = np.asarray(ops.convert_to_numpy(class_ids(y_true, values)))
    label = np.take_along_axis(log_p, ids[..., None], axis=-1)[..., 0]
    K, total = values.shape[-1], log_p.sum(axis=-1)
    gamma, epsilon = -1.0 / total, K * label / total
    return NCEDecomposition(gamma, epsilon, 2.0 * gamma * (-np.expm1(label) + epsilon * (K - 1) / K))


__all__ = ["NCEDecomposition", "nce_decomposition"]
