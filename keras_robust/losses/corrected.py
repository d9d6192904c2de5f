"""Losses corrected by a transition matrix of the noise (Patrini et al. 2017)."""

import keras
import numpy as np
from keras import ops

from keras_robust.backend import Constant, largest, select
from keras_robust.checks import refuse
from keras_robust.labels import Ids
from keras_robust.losses.base import RobustLoss
from keras_robust.losses.declaration import Part, parameter
from keras_robust.losses.evidence import evidence as evidence_of
from keras_robust.numerics import SMALLEST
from keras_robust.registration import registered

#: Largest condition number of a matrix that is inverted: float32 keeps three digits of the corrected loss then.
WELL_CONDITIONED = 1e4


class Transition:
    """A transition matrix of noise, or an object with one as `.transition`; kept as nested tuples of floats."""

    def check(self, owner, name, value):
        rule = "a matrix (K, K), T[i, j] = P(noisy j | clean i), of numbers of at least 0, rows with sum 1"
        try:
            matrix = np.asarray(getattr(value, "transition", value), dtype="float64")
        except (TypeError, ValueError):
            refuse(owner, name, rule, value)
        square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1] >= 2
        if not square or not np.all(matrix >= 0) or np.any(np.abs(matrix.sum(axis=1) - 1) > 1e-5):
            refuse(owner, name, rule, value)
        return tuple(map(tuple, matrix.tolist()))


class CorrectedLoss(RobustLoss):
    """What both corrections share: a loss and a transition matrix."""

    loss: RobustLoss = parameter(within=Part())
    transition: tuple = parameter(within=Transition())

    def _check(self):
        self.batch_coupled = self.loss.batch_coupled
        self._matrix = np.asarray(self.transition)
        flips = self._matrix > 0
        # As lists: torch.compile takes them for constants.
        self._log_t = Constant(np.log(np.where(flips, self._matrix, 1.0)).tolist())
        self._flips, self._reached = Constant(flips.tolist()), Constant(flips.any(axis=0).tolist())

    reads = frozenset({"shares"})

    def check_fit(self, evidence):
        """Refuses a matrix that does not fit the number of classes."""
        classes = evidence.num_classes
        if len(self.transition) != classes:
            raise ValueError(
                f"`transition` of {type(self).__name__} must be a matrix ({classes}, {classes}) for y_pred with "
                f"{classes} classes. Received: transition of shape {(len(self.transition),) * 2}."
            )

    def get_config(self):
        return super().get_config() | {"transition": [list(row) for row in self.transition]}


@registered
class ForwardCorrected(CorrectedLoss):
    """Forward correction: the loss at the probabilities of the noisy labels, L(T^T p, y).

    For noise whose transition matrix is known or can be estimated. The model learns the clean classes, because what is
    compared with the noisy labels is q_j = sum_i p_i T_ij. Computed as log q_j = logsumexp_i(log p_i + log T_ij), so
    nothing underflows; it takes (batch, K, K) numbers. A class that no clean class is flipped to has probability 0,
    floored at 2^-126 and without a gradient, as probabilities are.

    Reference: Patrini et al. 2017, Theorem 2.

    Args:
        loss: any loss; `CE()` is the paper's.
        transition: T (K, K), T[i, j] = P(noisy j | clean i), rows with sum 1; or an object with one as `.transition`,
            such as what `noise.estimate` returns. It is saved with the loss.

    Raises:
        ValueError: for a matrix that is none; if it does not fit K (at the first call).

    Example:

    >>> T = [[0.8, 0.2], [0.4, 0.6]]
    >>> loss = keras_robust.ForwardCorrected(keras_robust.CE(), T)
    >>> round(float(loss([0], [[0.5, 0.5]])), 4)
    0.5108
    """

    def per_sample(self, evidence):
        self.check_fit(evidence)
        log_t = self._log_t.tensor(_dtype(evidence))
        # Where nothing flips a finite number stands in for minus infinity, whose derivative is NaN.
        flips, reached = self._flips.tensor("bool"), self._reached.tensor("bool")
        terms = evidence.log_probs[..., :, None] + log_t
        top = ops.stop_gradient(largest(select(flips, terms, -np.inf), axis=-2))
        top = select(reached, top, 0.0)
        parts = select(flips, ops.exp(select(flips, terms - top[..., None, :], 0.0)), 0.0)
        whole = ops.sum(parts, axis=-2)
        log_q = top + ops.log(select(reached, whole, SMALLEST))
        return self.loss.per_sample(evidence.of_logits(log_q))


@registered
class BackwardCorrected(CorrectedLoss):
    """Backward correction: the combination of losses that is unbiased under the noise, sum_k (T^-1)_{yk} L(k).

    Its expectation over the noisy labels of a clean class is the loss of that class. Where entries of T^-1 are below 0
    the loss of a sample is not bounded from below if L is not bounded from above: `ForwardCorrected` trains more
    steadily.

    Reference: Patrini et al. 2017, Theorem 1.

    Args:
        loss: a loss that does not couple the samples of a batch; `CE()` is the paper's. One that is not a function of
            the label's probability alone is computed K times.
        transition: as of `ForwardCorrected`; its condition number must be at most 10,000.

    Raises:
        ValueError: for a matrix that is none, or is not well conditioned; for a batch-coupled loss; if the matrix does
            not fit K (at the first call).

    Example:

    >>> T = [[0.8, 0.2], [0.4, 0.6]]
    >>> loss = keras_robust.BackwardCorrected(keras_robust.CE(), T)
    >>> round(float(loss([0], [[0.5, 0.5]])), 4)
    0.6931
    """

    def _check(self):
        super()._check()
        if self.batch_coupled:
            refuse("BackwardCorrected", "loss", "a loss that does not couple the samples of a batch", self.loss)
        condition = np.linalg.cond(self._matrix)
        if not condition <= WELL_CONDITIONED:
            raise ValueError(
                "`transition` of BackwardCorrected must be well conditioned, because it is inverted: its condition "
                f"number may be at most {WELL_CONDITIONED:g}. Received: a matrix of condition number {condition:.3g}. "
                "ForwardCorrected needs no inverse."
            )
        self._inverse = Constant(np.linalg.inv(self._matrix).tolist())

    def per_sample(self, evidence):
        self.check_fit(evidence)
        inverse = self._inverse.tensor(_dtype(evidence))
        if evidence.has_ids:
            factors = ops.take(inverse, evidence.labels.ids, axis=0)
        else:
            factors = ops.matmul(evidence.labels.targets, inverse)
        return ops.sum(factors * self._of_classes(evidence), axis=-1)

    def _of_classes(self, evidence):
        """Loss (..., K) of each label that a sample could have."""
        if self.loss.of_probability:
            return evidence.of_classes(self.loss)
        ids = ops.zeros_like(evidence.logits[..., 0], dtype="int32")
        wrong = ops.zeros_like(ids, dtype="bool")
        logits, valid, reads = evidence.log_probs, evidence.valid, self.loss.reads
        labels = [Ids(ids + k, None, wrong) for k in range(evidence.num_classes)]
        return ops.stack([self.loss.per_sample(evidence_of(logits, y, valid, reads)) for y in labels], axis=-1)


def _dtype(evidence):
    return keras.backend.standardize_dtype(evidence.logits.dtype)
