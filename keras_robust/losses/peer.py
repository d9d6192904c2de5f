"""Peer loss: a loss minus the same loss on shuffled pairs of the batch."""

from keras import ops

from keras_robust import backend
from keras_robust.labels import Ids, Targets
from keras_robust.losses.base import RobustLoss, Term, scaled_terms
from keras_robust.losses.declaration import Part, current, parameter
from keras_robust.losses.elementary import WEIGHT
from keras_robust.losses.evidence import evidence as evidence_of
from keras_robust.numerics import floor
from keras_robust.registration import registered


@registered
class PeerLoss(RobustLoss):
    """L(s_i, y_i) - alpha L(s_j, y_k), where j and k are other samples of the batch.

    Agreeing blindly with the labels is punished: the second term pairs a prediction with a label that is not its own.
    j and k are the next and the next but one sample that counts (the batch is shuffled already, and a loss draws no
    random numbers); ignored samples and those of weight 0 are nobody's peers. The loss couples the samples of a batch:
    it has no implicit weight, and under data parallelism peers come from the same replica.

    Reference: Liu & Guo 2020.

    Args:
        loss: any loss.
        alpha: weight of the peer term, at least 0; 1, the paper's plain form, fits balanced classes.

    Raises:
        ValueError: for a batch of fewer than three samples that count (NaN where that shows in a compiled step only).

    Example:

    >>> loss = keras_robust.PeerLoss(keras_robust.CE(), alpha=0.5)
    >>> round(float(loss([0, 1, 1], [[0.5, 0.5], [0.5, 0.5], [0.25, 0.75]])), 4)
    0.0959
    """

    loss: RobustLoss = parameter(within=Part())
    alpha: float = parameter(within=WEIGHT)

    def _check(self):
        self.batch_coupled = True

    def per_sample(self, evidence):
        logits = ops.reshape(evidence.logits, (-1, evidence.num_classes))
        own = ops.reshape(self.loss.per_sample(evidence), (-1,))
        first, second, count = self._peers(evidence, own)
        if evidence.has_ids:
            ids = ops.take(ops.reshape(evidence.labels.ids, (-1,)), second)
            labels = Ids(ids, None, ops.zeros_like(ids, dtype="bool"))
        else:
            targets = ops.reshape(evidence.labels.targets, (-1, evidence.num_classes))
            labels = Targets(ops.take(targets, second, axis=0), None)
        valid = None if evidence.valid is None else ops.reshape(evidence.valid, (-1,))
        peer = self.loss.per_sample(evidence_of(ops.take(logits, first, axis=0), labels, valid))
        losses = own - current(self.alpha) * peer
        if count is not None:
            losses = backend.select(count < 3, float("nan"), losses)
        return ops.reshape(losses, ops.shape(evidence.logits)[:-1])

    def terms(self, num_classes):
        """A peer's label is this sample's own with probability 1/K, and any other class equally often."""
        alpha = current(self.alpha)
        own = scaled_terms(num_classes, [(1.0 - alpha / num_classes, self.loss)])
        return [*own, Term(-alpha * (num_classes - 1) / num_classes, self.loss, of_label=False)]

    @staticmethod
    def _peers(evidence, own):
        """Rows j and k of each row, and how many rows count (None where that is known to be enough)."""
        rows = own.shape[0]
        if rows is not None and rows < 3:
            _refuse_batch(rows)
        if evidence.valid is None:
            count = ops.shape(own)[0]
            row = ops.arange(count, dtype="int32")
            return (row + 1) % count, (row + 2) % count, count if rows is None else None
        valid = ops.reshape(evidence.valid, (-1,))
        # Rows that count come first, in their order; `rank` is the place of each among them.
        rows = ops.shape(valid)[0]
        order = ops.argsort(ops.cast(ops.logical_not(valid), "int32") * rows + ops.arange(rows, dtype="int32"))
        rank = ops.cumsum(ops.cast(valid, "int32")) - 1
        count = ops.sum(ops.cast(valid, "int32"))
        if backend.is_concrete(count) and int(count) < 3:
            _refuse_batch(int(count))
        circle = floor(count, 1)
        return ops.take(order, (rank + 1) % circle), ops.take(order, (rank + 2) % circle), count


def _refuse_batch(rows):
    raise ValueError(
        f"PeerLoss needs at least three samples that count in a batch. Received: {rows}. Choose a larger batch, or "
        "drop the last one if it is too small."
    )
