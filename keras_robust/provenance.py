"""Training on targets that say which sample each one is: {"label", "index", "clean"}."""

from typing import Any, NamedTuple

import keras

from keras_robust.carrier import carry, compiled_losses
from keras_robust.checks import refuse
from keras_robust.metrics import ProvenanceMetric
from keras_robust.registration import registered


class Provenance(NamedTuple):
    """Targets taken apart: the given labels, the numbers of the samples, the clean labels; the last two may be None."""

    label: Any
    index: Any = None
    clean: Any = None


def read_provenance(y) -> Provenance:
    """Takes targets apart; anything but a dict of "label" with "index" or "clean" is a plain label."""
    if isinstance(y, dict) and "label" in y and y.keys() <= set(Provenance._fields):
        return Provenance(**y)
    return Provenance(y)


class MetricGroup(keras.metrics.Metric):
    """The provenance metrics of a model, as one metric whose result is theirs by name."""

    def __init__(self):
        super().__init__(name="provenance")
        self.members = []
        self.weighted = []

    @property
    def variables(self):
        return [variable for metric in self.members + self.weighted for variable in metric.variables]

    def reset_state(self):
        for metric in self.members + self.weighted:
            metric.reset_state()

    def update_state(self, y_true, y_pred, sample_weight=None):
        for metric in self.members:
            metric.update_state(y_true, y_pred)
        for metric in self.weighted:
            metric.update_state(y_true, y_pred, sample_weight)

    def result(self):
        return {metric.name: metric.result() for metric in self.members + self.weighted}


@registered
class ProvenanceModel(keras.Model):
    """Puts a model into training on targets {"label", "index", "clean"}; in all else it is the model it was given.

    Loss and ordinary metrics see the label alone. The metrics of `keras_robust.metrics` see all three, and
    `callbacks.SampleWeightLogger` records every sample by its index in the training step itself. "index" and "clean"
    may be left out where nothing asks for them; plain labels, of validation data for example, are taken as they are.

    `save`, `save_weights`, `load_weights` and `export` are those of the model inside: its files hold no trace of this
    wrapper, and its optimizer's state is in them.

    Args:
        model: any `keras.Model` with one output.

    Example:

    >>> inside = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> model = keras_robust.ProvenanceModel(inside)
    >>> model.compile("sgd", keras_robust.ANLCE(from_logits=True), metrics=[keras_robust.metrics.MemorizedShare()])
    >>> targets = {"label": np.array([0, 1]), "index": np.array([0, 1]), "clean": np.array([0, 0])}
    >>> history = model.fit(np.ones((2, 3)), targets, verbose=0)
    >>> sorted(history.history)
    ['loss', 'memorized_share']
    """

    def __init__(self, model: keras.Model, name: str | None = None):
        super().__init__(name=name)
        if not isinstance(model, keras.Model) or isinstance(model, ProvenanceModel):
            refuse("ProvenanceModel", "model", "a keras.Model that is not wrapped already", model)
        self.model = model
        self._group = MetricGroup()
        self._recorders = ()
        self.built = model.built

    @property
    def recorders(self) -> tuple:
        """What records samples during training; `compile` forgets them."""
        return self._recorders

    def add_recorder(self, recorder) -> None:
        """Has `recorder.write(provenance, y_pred)` called in the training step; its `variables` are carried into it."""
        self._recorders = (*self._recorders, recorder)
        carry(self, recorder.variables)

    def call(self, inputs, training=None):
        return self.model(inputs, training=training)

    def compile(
        self, optimizer="rmsprop", loss=None, loss_weights=None, metrics=None, weighted_metrics=None, **keywords
    ):
        """As `keras.Model.compile`; `metrics` and `weighted_metrics` may hold metrics of `keras_robust.metrics`."""
        self._group.members, metrics = _split(metrics)
        self._group.weighted, weighted_metrics = _split(weighted_metrics)
        keywords |= {"loss_weights": loss_weights, "metrics": metrics, "weighted_metrics": weighted_metrics}
        self._recorders = ()
        # The model inside is compiled too, so that its files hold the optimizer and its state.
        self.model.compile(optimizer, loss, **keywords)
        super().compile(self.model.optimizer, loss, **keywords)
        carry(self, [variable for loss in compiled_losses(self) for variable in loss.moving()])

    def get_compile_config(self):
        config = super().get_compile_config()
        for key, ours in (("metrics", self._group.members), ("weighted_metrics", self._group.weighted)):
            if ours:
                config[key] = [*map(keras.saving.serialize_keras_object, ours), *(config[key] or ())]
        return config

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        provenance = read_provenance(y)
        if training:
            for recorder in self._recorders:
                recorder.write(provenance, y_pred)
        return super().compute_loss(x, provenance.label, y_pred, _of_label(sample_weight), training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        provenance, sample_weight = read_provenance(y), _of_label(sample_weight)
        if provenance.label is not y:
            self._group.update_state(provenance._asdict(), y_pred, sample_weight)
        return super().compute_metrics(x, provenance.label, y_pred, sample_weight)

    def save(self, filepath, overwrite=True, **keywords):
        self.model.save(filepath, overwrite=overwrite, **keywords)

    def save_weights(self, filepath, overwrite=True, **keywords):
        self.model.save_weights(filepath, overwrite=overwrite, **keywords)

    def load_weights(self, filepath, **keywords):
        self.model.load_weights(filepath, **keywords)

    def export(self, filepath, *args, **keywords):
        self.model.export(filepath, *args, **keywords)

    def get_config(self):
        return {"model": keras.saving.serialize_keras_object(self.model), "name": self.name}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["model"]), name=config["name"])


def _of_label(sample_weight):
    """Keras hands the same weights out to every entry of the targets."""
    return sample_weight["label"] if isinstance(sample_weight, dict) and "label" in sample_weight else sample_weight


def _split(metrics):
    """The provenance metrics of a list, and the others."""
    given = metrics if isinstance(metrics, list | tuple) else [metrics] if metrics is not None else []
    ours = [metric for metric in given if isinstance(metric, ProvenanceMetric)]
    return ours, [m for m in given if m not in ours] if ours else metrics
