"""Training on targets that say which sample each one is: {"label", "index", "clean"}."""

import sys
import types
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_robust.backend import Constant, is_rehearsal, select
from keras_robust.carrier import carry, compiled_losses
from keras_robust.checks import at_least, refuse
from keras_robust.data.feed import Epochs, Feed
from keras_robust.data.preprocessing import for_serving
from keras_robust.jacobian import JacobianPenalty
from keras_robust.labels import class_ids
from keras_robust.last_layer import check_last_layer, ends_in
from keras_robust.metrics import ProvenanceMetric
from keras_robust.registration import registered
from keras_robust.watchers import listed, warn_of_watchers

# What a class may override so that it trains in its own way; the wrapper would go past it.
_TRAINING = (
    *("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics", "fit", "evaluate", "predict"),
    *("train_on_batch", "test_on_batch", "predict_on_batch", "make_train_function", "make_test_function"),
)
# KerasHub's tasks put their preprocessor around these, which does nothing where there is none.
_PREPROCESSING = ("fit", "evaluate", "predict", "train_on_batch", "test_on_batch", "predict_on_batch")
LARGEST_INDEX = 2**31 - 1  # numbers of samples are int32


class Provenance(NamedTuple):
    """Targets taken apart: the given labels, the numbers of the samples, the clean labels; the last two may be None."""

    label: Any
    index: Any = None
    clean: Any = None


def read_provenance(y, owner: str = "ProvenanceModel") -> Provenance:
    """Takes targets apart; anything but a dict is a plain label.

    Raises:
        ValueError: for a dict without "label", or with other keys than those of `Provenance`; for numbers of samples
            that are not whole.
    """
    if not isinstance(y, dict):
        return Provenance(y)
    if "label" not in y or not y.keys() <= set(Provenance._fields):
        rule = 'labels, or a dict of "label" with "index" and "clean" where they are known; it takes one output'
        refuse(owner, "y", rule, sorted(map(str, y)))
    # Where only shapes are asked for, numbers of samples may come as their mean.
    if y.get("index") is not None and "int" not in (dtype := _dtype(y["index"])) and not is_rehearsal():
        refuse(owner, "index", "whole numbers, one for each sample", f"{dtype} of shape {tuple(y['index'].shape)}")
    return Provenance(**y)


def _dtype(values):
    return keras.backend.standardize_dtype(getattr(values, "dtype", None) or np.asarray(values).dtype)


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
    `class_weight` of `fit` multiplies the loss of each sample by the weight of its given label.

    When `fit` starts, what would be silent is said: a loss that contradicts the model's last layer, a callback that
    watches a loss while a number of it moves, numbers of samples that are no int32.

    `save`, `save_weights`, `load_weights` and `export` are those of the model inside: its files hold no trace of this
    wrapper, and its optimizer's state is in them. A model that begins with `data.Preprocessing` is saved as
    `data.for_serving` has it, not compiled: it loads without this package.

    Args:
        model: any `keras.Model` with one output that trains as Keras' own do.
        penalty: a `jacobian.JacobianPenalty` that every training step adds to the loss, or None.

    Raises:
        ValueError: for a model of several outputs, or one whose class overrides `train_step`, `compute_loss`, `fit`,
            `predict` or the like, which this wrapper would go past.

    Example:

    >>> inside = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> model = keras_robust.ProvenanceModel(inside)
    >>> model.compile("sgd", keras_robust.ANLCE(from_logits=True), metrics=[keras_robust.metrics.MemorizedShare()])
    >>> targets = {"label": np.array([0, 1]), "index": np.array([0, 1]), "clean": np.array([0, 0])}
    >>> history = model.fit(np.ones((2, 3)), targets, verbose=0)
    >>> sorted(history.history)
    ['loss', 'memorized_share']
    """

    def __init__(self, model: keras.Model, name: str | None = None, penalty: JacobianPenalty | None = None):
        super().__init__(name=name)
        if penalty is not None and not isinstance(penalty, JacobianPenalty):
            refuse("ProvenanceModel", "penalty", "a JacobianPenalty or None", penalty)
        self._penalty, self._directions = penalty, penalty and penalty.generator()
        if not isinstance(model, keras.Model) or isinstance(model, ProvenanceModel):
            refuse("ProvenanceModel", "model", "a keras.Model that is not wrapped already", model)
        _refuse_training_of_its_own(model)
        if len(getattr(model, "outputs", None) or [None]) > 1:
            shapes = [output.shape for output in model.outputs]
            refuse("ProvenanceModel", "model", "a model with one output", f"{model.name} with outputs {shapes}")
        self.model = model
        self._class_weight, self._training_now = None, False
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
        if self._penalty is None or not training or is_rehearsal():
            return self.model(inputs, training=training)
        y_pred, penalty = self._penalty.outputs(self.model, inputs, self._directions)
        self.add_loss(penalty)
        return y_pred

    def compile(
        self, optimizer="rmsprop", loss=None, loss_weights=None, metrics=None, weighted_metrics=None, **keywords
    ):
        """As `keras.Model.compile`; `metrics` and `weighted_metrics` may hold metrics of `keras_robust.metrics`."""
        for given in (metrics, weighted_metrics):
            _refuse_accuracy_of_a_logit(self.model, given)
        self._group.members, metrics = _split(metrics)
        self._group.weighted, weighted_metrics = _split(weighted_metrics)
        keywords |= {"loss_weights": loss_weights, "metrics": metrics, "weighted_metrics": weighted_metrics}
        self._recorders = ()
        super().compile(self._compiled_inside(optimizer, loss, keywords), loss, **keywords)
        carry(self, [variable for loss in compiled_losses(self) for variable in loss.moving()])

    def _compiled_inside(self, optimizer, loss, keywords):
        """Compiles the model inside too, so that its files hold the optimizer and its state."""
        self.model.compile(optimizer, loss, **keywords)
        return self.model.optimizer

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

    def fit(
        self, x=None, y=None, batch_size=None, epochs=1, verbose="auto", callbacks=None, class_weight=None, **keywords
    ):
        """As `keras.Model.fit`; `class_weight` and `sample_weight` may be given together.

        A `data.Feed` is told its epochs, and has an order of its own.
        """
        check_last_layer(self.model)
        warn_of_watchers(callbacks)
        x = _with_checked_numbers(x, y)
        if isinstance(x, Feed):
            callbacks, keywords = _following(x, callbacks), {**keywords, "shuffle": False}
        elif _is_tf_dataset(x):
            keywords.setdefault("shuffle", False)  # Keras warns of its own default
        self._weigh_classes(class_weight)
        if self._penalty is not None and self.optimizer is not None:
            self._penalty.begin(self._directions, int(ops.convert_to_numpy(self.optimizer.iterations)))
        return super().fit(x, y, batch_size, epochs, verbose, callbacks, **keywords)

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, **keywords):
        """As `keras.Model.train_on_batch`; `class_weight` and `sample_weight` may be given together."""
        check_last_layer(self.model)
        _with_checked_numbers(x, y)
        self._weigh_classes(class_weight)
        return super().train_on_batch(x, y, sample_weight=sample_weight, **keywords)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        provenance = read_provenance(y)
        # The step computes the loss, then the metrics: whether it trains, only the loss is told.
        self._training_now = training
        seen = self.prediction(y_pred)
        if isinstance(seen, dict | list | tuple):
            refuse("ProvenanceModel", "model", "a model with one output", f"{self.model.name} with {len(seen)}")
        if training:
            for recorder in self._recorders:
                recorder.write(provenance, seen)
        weight = self._weighed(_of_label(sample_weight), provenance.label, seen)
        if training:
            return self.compute_training_loss(x, provenance, y_pred, weight)
        return super().compute_loss(x, provenance.label, seen, weight, training)

    def compute_training_loss(self, x, provenance, outputs, sample_weight):
        """What a step of training makes smaller, penalties of the weights included."""
        return super().compute_loss(x, provenance.label, outputs, sample_weight, True)

    def prediction(self, outputs):
        """What metrics and recorders see of the outputs of a step."""
        return outputs

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        provenance, y_pred = read_provenance(y), self.prediction(y_pred)
        sample_weight = self._weighed(_of_label(sample_weight), provenance.label, y_pred)
        if provenance.label is not y:
            self._group.update_state(provenance._asdict(), y_pred, sample_weight)
        return super().compute_metrics(x, provenance.label, y_pred, sample_weight)

    def _weigh_classes(self, class_weight):
        """Sets the weights of the classes, which are constants of the compiled step."""
        if class_weight is not None:
            number = at_least(0.0)
            rule = "a dict {class id: weight}, or None"
            if not isinstance(class_weight, dict) or not all(isinstance(k, int | np.integer) for k in class_weight):
                refuse("fit", "class_weight", rule, class_weight)
            weights = {int(k): number.check("fit", "class_weight", w) for k, w in class_weight.items()}
            class_weight = types.MappingProxyType(weights)  # Keras would track a dict
            self._class_table = None
        if class_weight != self._class_weight:
            self._class_weight, self.train_function = class_weight, None

    def _weighed(self, sample_weight, label, y_pred):
        """The weights of samples, times those of their classes while training."""
        if self._class_weight is None or not self._training_now:
            return sample_weight
        classes = max(y_pred.shape[-1], 2)
        if self._class_table is None:
            self._class_table = Constant(tuple(self._class_weight.get(id, 1.0) for id in range(classes)))
        ids = class_ids(label, y_pred)
        known = ops.logical_and(ids >= 0, ids < classes)
        weight = select(known, ops.take(self._class_table.tensor("float32"), select(known, ids, 0)), 1.0)
        if sample_weight is None:
            return weight
        given = ops.cast(sample_weight, weight.dtype)
        while len(given.shape) > len(weight.shape):
            given = ops.squeeze(given, axis=-1)
        while len(given.shape) < len(weight.shape):
            given = ops.expand_dims(given, axis=-1)
        return given * weight

    def save(self, filepath, overwrite=True, **keywords):
        for_serving(self.model).save(filepath, overwrite=overwrite, **keywords)

    def save_weights(self, filepath, overwrite=True, **keywords):
        self.model.save_weights(filepath, overwrite=overwrite, **keywords)

    def load_weights(self, filepath, **keywords):
        self.model.load_weights(filepath, **keywords)

    def export(self, filepath, *args, **keywords):
        for_serving(self.model).export(filepath, *args, **keywords)

    def get_config(self):
        penalty = {} if self._penalty is None else {"penalty": self._penalty.get_config()}
        return {"model": keras.saving.serialize_keras_object(self.model), "name": self.name, **penalty}

    @classmethod
    def from_config(cls, config):
        penalty = JacobianPenalty(**config["penalty"]) if "penalty" in config else None
        return cls(keras.saving.deserialize_keras_object(config["model"]), config["name"], penalty)


def _following(feed, callbacks):
    """Callbacks of `fit`, with the one that tells the feed its epochs."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        if not any(isinstance(one, Epochs) for one in callbacks.callbacks):
            callbacks.append(feed.epochs)
        return callbacks
    given = listed(callbacks)
    return given if any(isinstance(one, Epochs) for one in given) else [feed.epochs, *given]


def _of_label(sample_weight):
    """Keras hands the same weights out to every entry of the targets."""
    return sample_weight["label"] if isinstance(sample_weight, dict) and "label" in sample_weight else sample_weight


def _refuse_training_of_its_own(model):
    """Refuses a model with a step of its own: the wrapper has one too, and only one can be taken."""
    for name in _TRAINING:
        owner = next((kind for kind in type(model).__mro__ if name in vars(kind)), None)
        own = name in vars(model) or (owner is not None and owner.__module__.split(".")[0] != "keras")
        idle = getattr(model, "preprocessor", model) is None and name in _PREPROCESSING
        if own and not (idle and owner is not None and owner.__module__.split(".")[0] == "keras_hub"):
            raise ValueError(
                f"`model` of ProvenanceModel must train as Keras' own models do, and {type(model).__name__} overrides "
                f"`{name}`, which the wrapper would go past. Wrap the network inside it, keras.Model(model.inputs, "
                "model.outputs) where it has them, or give SampleWeightLogger a `probe` and train the model itself."
            )


def _refuse_accuracy_of_a_logit(model, metrics):
    """Keras counts a single output as yes from 0.5 on, and a logit means it from 0 on."""
    named = {"accuracy", "acc", "binary_accuracy"} & {
        one for one in keras.tree.flatten(metrics) if isinstance(one, str)
    }
    outputs = getattr(model, "outputs", None)
    if named and outputs and outputs[0].shape[-1] == 1 and ends_in(model) == "logits":
        rule = "keras.metrics.BinaryAccuracy(threshold=0.0) for one output of logits, for Keras' own counts from 0.5 on"
        refuse("ProvenanceModel", "metrics", rule, sorted(named))


def _with_checked_numbers(x, y):
    """The data, whose numbers of samples are looked at before a step makes int32 of them, as JAX does."""
    if isinstance(y, dict):
        read_provenance(y)
        index = y.get("index")
        index = None if index is None else np.asarray(ops.convert_to_numpy(index) if ops.is_tensor(index) else index)
        if index is not None and index.size and not 0 <= int(index.min()) <= int(index.max()) <= LARGEST_INDEX:
            refuse("ProvenanceModel", "index", "numbers of samples from 0 and below 2^31", index)
    if not _is_tf_dataset(x) or not isinstance(x.element_spec, tuple):
        return x
    tf = sys.modules["tensorflow"]
    targets = x.element_spec[1] if len(x.element_spec) > 1 else None
    wide = isinstance(targets, dict) and targets.get("index") is not None and targets["index"].dtype.is_integer
    if not wide or targets["index"].dtype.max <= LARGEST_INDEX:
        return x

    def checked(x, y, *weight):
        index = y["index"]
        fits = tf.reduce_all((index >= 0) & (index <= LARGEST_INDEX))
        words = "`index` of ProvenanceModel must be numbers of samples from 0 and below 2^31. Received:"
        with tf.control_dependencies([tf.debugging.Assert(fits, [words, index])]):
            return (x, {**y, "index": tf.cast(index, tf.int32)}, *weight)

    return x.map(checked)


def _is_tf_dataset(x):
    tf = sys.modules.get("tensorflow")
    return tf is not None and isinstance(x, tf.data.Dataset)


def _split(metrics):
    """The provenance metrics of a list, and the others."""
    given = metrics if isinstance(metrics, list | tuple) else [metrics] if metrics is not None else []
    ours = [metric for metric in given if isinstance(metric, ProvenanceMetric)]
    return ours, [m for m in given if m not in ours] if ours else metrics
