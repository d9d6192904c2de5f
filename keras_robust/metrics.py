"""Metrics of what a model makes of wrong labels, for targets that tell the given label from the clean one.

They go into `compile(metrics=...)` of a `ProvenanceModel` and read its targets, {"label", "clean", ...}.
"""

import keras
from keras import ops

from keras_robust.backend import select
from keras_robust.checks import OneOf, refuse
from keras_robust.labels import class_ids
from keras_robust.losses import CE, RobustLoss
from keras_robust.registration import registered


class ProvenanceMetric(keras.metrics.Metric):
    """Mean of `values` over the samples of a batch that `selected` picks; NaN while there were none.

    Args:
        name: name in logs.
        dtype: dtype of the sums.

    Shapes:
        y_true: {"label": ..., "clean": ...}, class ids (batch,) or (batch, 1), or one-hot labels (batch, K); a
            sample whose clean id is negative does not count.
        y_pred: (batch, K).

    Raises:
        ValueError: if the targets do not tell clean labels.
    """

    def __init__(self, name=None, dtype=None):
        super().__init__(name=name or self.default_name, dtype=dtype)
        self.total = self.add_variable((), "zeros", name="total")
        self.count = self.add_variable((), "zeros", name="count")

    def values(self, label, clean, y_pred):
        """A number for each sample, (batch,), from class ids and predictions."""
        raise NotImplementedError

    def selected(self, label, clean):
        """Boolean (batch,): the samples that count; the wrongly labeled ones."""
        return ops.not_equal(label, clean)

    def update_state(self, y_true, y_pred, sample_weight=None):
        if not isinstance(y_true, dict) or "label" not in y_true or y_true.get("clean") is None:
            raise ValueError(
                f"{type(self).__name__} needs targets that tell clean labels, {{'label': ..., 'clean': ...}}, and "
                "such targets need a model that reads them: keras_robust.ProvenanceModel(model). "
                f"Received: y_true={y_true!r}."
            )
        label, clean = (class_ids(y_true[key], y_pred) for key in ("label", "clean"))
        counted = ops.logical_and(self.selected(label, clean), clean >= 0)
        weight = ops.cast(counted, self.dtype)
        if sample_weight is not None:
            weight = weight * ops.reshape(ops.cast(sample_weight, self.dtype), ops.shape(weight))
        values = ops.cast(self.values(label, clean, y_pred), self.dtype)
        self.total.assign_add(ops.sum(select(weight > 0, weight * values, 0.0)))
        self.count.assign_add(ops.sum(weight))

    def result(self):
        return self.total / self.count


@registered
class MemorizedShare(ProvenanceMetric):
    """Share of the wrongly labeled samples for which the model predicts the wrong label it was given.

    Example:

    >>> metric = keras_robust.metrics.MemorizedShare()
    >>> targets = {"label": np.array([0, 1, 1]), "clean": np.array([0, 0, 0])}
    >>> metric.update_state(targets, np.array([[0.9, 0.1], [0.3, 0.7], [0.8, 0.2]]))
    >>> float(metric.result())
    0.5
    """

    default_name = "memorized_share"

    def values(self, label, clean, y_pred):
        return ops.equal(_predicted(y_pred), label)


@registered
class CorrectedShare(ProvenanceMetric):
    """Share of the wrongly labeled samples for which the model predicts the clean label.

    Example:

    >>> metric = keras_robust.metrics.CorrectedShare()
    >>> targets = {"label": np.array([0, 1, 1]), "clean": np.array([0, 0, 0])}
    >>> metric.update_state(targets, np.array([[0.9, 0.1], [0.3, 0.7], [0.8, 0.2]]))
    >>> float(metric.result())
    0.5
    """

    default_name = "corrected_share"

    def values(self, label, clean, y_pred):
        return ops.equal(_predicted(y_pred), clean)


class _MeanStatistic(ProvenanceMetric):
    """Mean of one of a loss's `sample_statistics` over samples with clean or with wrong labels."""

    statistic: str

    def __init__(self, loss, of, name, dtype):
        self.of = OneOf(("clean", "wrong")).check(type(self).__name__, "of", of)
        self.default_name = f"{self.statistic}_{of}"
        super().__init__(name=name, dtype=dtype)
        self.loss = loss

    def selected(self, label, clean):
        wrong = super().selected(label, clean)
        return wrong if self.of == "wrong" else ops.logical_not(wrong)

    def values(self, label, clean, y_pred):
        return getattr(self.loss.sample_statistics(label, y_pred), self.statistic)

    def get_config(self):
        return super().get_config() | {"of": self.of}


@registered
class MeanMargin(_MeanStatistic):
    """Mean logit margin of the given label, over samples whose label is clean or over those whose label is wrong.

    Args:
        of: "clean" or "wrong".
        from_logits: whether `y_pred` holds logits.
        name: name in logs; by default "margin_clean" or "margin_wrong".
        dtype: dtype of the sums.

    Example:

    >>> metric = keras_robust.metrics.MeanMargin("wrong", from_logits=True)
    >>> metric.update_state({"label": np.array([0, 1]), "clean": np.array([0, 0])}, np.array([[2.0, 0.0], [3.0, 0.0]]))
    >>> float(metric.result())
    -3.0
    """

    statistic = "margin"

    def __init__(self, of="wrong", from_logits=False, name=None, dtype=None):
        super().__init__(CE(from_logits=from_logits), of, name, dtype)

    def get_config(self):
        return super().get_config() | {"from_logits": self.loss.from_logits}


@registered
class MeanImplicitWeight(_MeanStatistic):
    """Mean implicit weight of a loss, over samples whose label is clean or over those whose label is wrong.

    Args:
        loss: the loss; give the one the model is compiled with, and the metric follows its moving hyper-parameters.
        of: "clean" or "wrong".
        name: name in logs; by default "weight_clean" or "weight_wrong".
        dtype: dtype of the sums.

    Example:

    >>> metric = keras_robust.metrics.MeanImplicitWeight(keras_robust.CE(from_logits=True), "wrong")
    >>> metric.update_state({"label": np.array([0, 1]), "clean": np.array([0, 0])}, np.zeros((2, 2)))
    >>> float(metric.result())
    0.5
    """

    statistic = "weight"

    def __init__(self, loss, of="wrong", name=None, dtype=None):
        if isinstance(loss, dict):
            loss = keras.saving.deserialize_keras_object(loss)
        if not isinstance(loss, RobustLoss) or loss.batch_coupled:
            refuse("MeanImplicitWeight", "loss", "a loss of keras_robust that has an implicit weight", loss)
        super().__init__(loss, of, name, dtype)

    def get_config(self):
        return super().get_config() | {"loss": keras.saving.serialize_keras_object(self.loss)}


def _predicted(y_pred):
    return ops.cast(ops.argmax(y_pred, axis=-1), "int32")
