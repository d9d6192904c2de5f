"""The provenance metrics that a model is compiled with, apart from Keras' own."""

import keras

from keras_robust.checks import refuse
from keras_robust.metrics import ProvenanceMetric


class MetricGroup(keras.metrics.Metric):
    """The provenance metrics of a model, as one metric whose result is theirs by name.

    Attributes:
        members, weighted: (output, metric); the output is None where the model has one.
    """

    def __init__(self):
        super().__init__(name="provenance")
        self.members = []
        self.weighted = []

    @property
    def variables(self):
        return [variable for _, metric in self.members + self.weighted for variable in metric.variables]

    def reset_state(self):
        for _, metric in self.members + self.weighted:
            metric.reset_state()

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Updates all.

        Args:
            y_true, y_pred, sample_weight: functions of the name of an output.
        """
        for output, metric in self.members:
            metric.update_state(y_true(output), y_pred(output))
        for output, metric in self.weighted:
            metric.update_state(y_true(output), y_pred(output), sample_weight(output))

    def result(self):
        return {
            metric.name if output is None else f"{output}_{metric.name}": metric.result()
            for output, metric in self.members + self.weighted
        }


def parted_metrics(metrics) -> tuple:
    """The provenance metrics of what `compile` takes, as (output, metric), and the others.

    Raises:
        ValueError: for provenance metrics in lists within a list, which do not say their output.
    """
    if isinstance(metrics, dict):
        parts = {output: parted_metrics(given) for output, given in metrics.items()}
        ours = [(output, metric) for output, (found, _) in parts.items() for _, metric in found]
        return ours, {output: others for output, (_, others) in parts.items()} if ours else metrics
    given = metrics if isinstance(metrics, list | tuple) else [metrics] if metrics is not None else []
    ours = [(None, metric) for metric in given if isinstance(metric, ProvenanceMetric)]
    if any(isinstance(one, ProvenanceMetric) for one in keras.tree.flatten(given)) and not ours:
        refuse("ProvenanceModel", "metrics", "a dict by output for several outputs, {output: [metrics]}", metrics)
    return ours, [metric for metric in given if not isinstance(metric, ProvenanceMetric)] if ours else metrics


def joined_metrics(ours, others):
    """What `parted_metrics` took apart, in configurations."""
    if isinstance(others, dict) or any(output is not None for output, _ in ours):
        joined = {output: _as_list(given) for output, given in (others or {}).items()}
        for output, metric in reversed(ours):
            joined[output] = [keras.saving.serialize_keras_object(metric), *joined.get(output, ())]
        return joined
    return [*(keras.saving.serialize_keras_object(metric) for _, metric in ours), *_as_list(others)]


def _as_list(given):
    return list(given) if isinstance(given, list | tuple) else [] if given is None else [given]
