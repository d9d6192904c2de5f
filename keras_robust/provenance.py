"""Training on targets that say which sample each one is: {"label", "index", "clean"}."""

import keras
from keras import ops

from keras_robust.backend import is_rehearsal
from keras_robust.carrier import carry, compiled_losses
from keras_robust.checks import refuse
from keras_robust.class_weights import ClassWeights
from keras_robust.data.feed import Feed
from keras_robust.data.preprocessing import for_serving
from keras_robust.jacobian import JacobianPenalty
from keras_robust.last_layer import check_last_layer, ends_in
from keras_robust.metric_group import MetricGroup, joined_metrics, parted_metrics
from keras_robust.nan_losses import ExplainNaN
from keras_robust.overrides import refuse_training_of_its_own
from keras_robust.registration import registered
from keras_robust.targets import (
    Provenance,
    as_outputs,
    by_output,
    is_tf_dataset,
    names_of_outputs,
    of_label,
    read_provenance,
    weights_of_targets,
    with_checked_numbers,
)
from keras_robust.watchers import introduce, listed, warn_of_watchers


@registered
class ProvenanceModel(keras.Model):
    """Puts a model into training on targets {"label", "index", "clean"}; in all else it is the model it was given.

    Loss and ordinary metrics see the label alone. The metrics of `keras_robust.metrics` see all three, and
    `callbacks.SampleWeightLogger` records every sample by its index in the training step itself. "index" and "clean"
    may be left out where nothing asks for them; plain labels, of validation data for example, are taken as they are.
    `class_weight` of `fit` multiplies the loss of each sample by the weight of its given label.

    A model of several outputs, a dict of them or a functional one, takes targets {"label": {output: labels}, "index",
    "clean": {output: labels}}; "clean" may hold some outputs only. Losses, loss weights and metrics are given by
    output, as Keras has them, and so are `class_weight`, {output: {class id: weight}}, and sample weights, where an
    output that is left out has weights 1. A recorder says which `output` it records.

    An epoch whose loss was NaN ends with the cause, for example labels out of range: `callbacks.ExplainNaN`.

    When `fit` starts, what would be silent is said: a loss that contradicts the model's last layer, a callback that
    watches a loss while a number of it moves, numbers of samples that are no int32.

    `save`, `save_weights`, `load_weights` and `export` are those of the model inside: its files hold no trace of this
    wrapper, and its optimizer's state is in them. A model that begins with `data.Preprocessing` is saved as
    `data.for_serving` has it, not compiled: it loads without this package.

    Args:
        model: any `keras.Model` that trains as Keras' own do, with one output or with several that have names.
        penalty: a `jacobian.JacobianPenalty` that every training step adds to the loss, or None; for one output.

    Raises:
        ValueError: for a model whose class overrides `train_step`, `compute_loss`, `fit`, `predict` or the like, which
            this wrapper would go past; for several outputs without names.

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
        refuse_training_of_its_own(model)
        outputs = names_of_outputs(model)
        if penalty is not None and outputs:
            refuse("ProvenanceModel", "penalty", f"None for several outputs, {', '.join(outputs)}", penalty)
        if outputs:
            self.output_names = list(model.output_names)
        self.model = model
        self._class_weights, self._training_now = (), False
        self._group = MetricGroup()
        self._recorders = ()
        self.built = model.built

    @property
    def recorders(self) -> tuple:
        """What records samples during training; `compile` forgets them."""
        return self._recorders

    def add_recorder(self, recorder) -> None:
        """Has `recorder.write(provenance, y_pred)` called in the training step; its `variables` are carried into it.

        `recorder.output` names the output that it sees, where the model has several.
        """
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
            _refuse_accuracy_of_a_logit(self.model, given, names_of_outputs(self.model))
        self._group.members, metrics = parted_metrics(metrics)
        self._group.weighted, weighted_metrics = parted_metrics(weighted_metrics)
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
                config[key] = joined_metrics(ours, config[key])
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
        introduce(callbacks)
        x = with_checked_numbers(x, y, names_of_outputs(self.model))
        if keywords.get("sample_weight") is not None:
            keywords["sample_weight"] = weights_of_targets(keywords["sample_weight"], y)
        if isinstance(validation := keywords.get("validation_data"), tuple) and len(validation) == 3:
            keywords["validation_data"] = (*validation[:2], weights_of_targets(validation[2], validation[1]))
        callbacks = self._with(ExplainNaN(x, y, keywords.get("sample_weight")), callbacks)
        if isinstance(x, Feed):
            callbacks, keywords = self._with(x.epochs, callbacks), {**keywords, "shuffle": False}
        elif is_tf_dataset(x):
            keywords.setdefault("shuffle", False)  # Keras warns of its own default
        self._weigh_classes(class_weight)
        if self._penalty is not None and self.optimizer is not None:
            self._penalty.begin(self._directions, int(ops.convert_to_numpy(self.optimizer.iterations)))
        return super().fit(x, y, batch_size, epochs, verbose, callbacks, **keywords)

    def _with(self, callback, callbacks):
        """Callbacks of `fit`, with one that comes first where there is none of its kind."""
        given = listed(callbacks)
        if any(isinstance(one, type(callback)) for one in given):
            return callbacks
        if not isinstance(callbacks, keras.callbacks.CallbackList):
            return [callback, *given]
        # A list that is made is not told of its model and parameters again.
        callback.set_model(self)
        callback.set_params(callbacks.params)
        callbacks.callbacks.insert(0, callback)
        return callbacks

    def evaluate(self, x=None, y=None, batch_size=None, verbose="auto", sample_weight=None, **keywords):
        """As `keras.Model.evaluate`."""
        return super().evaluate(x, y, batch_size, verbose, weights_of_targets(sample_weight, y), **keywords)

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, **keywords):
        """As `keras.Model.train_on_batch`; `class_weight` and `sample_weight` may be given together."""
        check_last_layer(self.model)
        with_checked_numbers(x, y, names_of_outputs(self.model))
        self._weigh_classes(class_weight)
        return super().train_on_batch(x, y, sample_weight=sample_weight, **keywords)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        # The step computes the loss, then the metrics: whether it trains, only the loss is told.
        self._training_now = training
        seen = self.prediction(y_pred)
        provenance, weight = self._read(y, seen, sample_weight)
        if training:
            for recorder in self._recorders:
                output = getattr(recorder, "output", None)
                recorder.write(
                    Provenance(*(self._of(output, one, seen) for one in provenance)), self._of(output, seen, seen)
                )
            return self.compute_training_loss(x, provenance, y_pred, weight)
        return super().compute_loss(x, provenance.label, seen, weight, training)

    def compute_training_loss(self, x, provenance, outputs, sample_weight):
        """What a step of training makes smaller, penalties of the weights included."""
        return super().compute_loss(x, provenance.label, self.prediction(outputs), sample_weight, True)

    def prediction(self, outputs):
        """What metrics and recorders see of the outputs of a step."""
        return outputs[0] if isinstance(outputs, list | tuple) and len(outputs) == 1 else outputs

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        y_pred = self.prediction(y_pred)
        provenance, weight = self._read(y, y_pred, sample_weight)
        if isinstance(y, dict) and "label" in y:
            self._group.update_state(
                lambda output: {name: self._of(output, one, y_pred) for name, one in provenance._asdict().items()},
                lambda output: self._of(output, y_pred, y_pred),
                lambda output: self._of(output, weight, y_pred),
            )
        return super().compute_metrics(x, provenance.label, y_pred, weight)

    def _read(self, y, y_pred, sample_weight):
        """The targets taken apart, and the weights of the samples; both, where outputs are several, as these are."""
        outputs = names_of_outputs(self.model, y_pred)
        provenance, weight = read_provenance(y, outputs=outputs), of_label(sample_weight)
        classes = dict(self._class_weights) if self._training_now else {}
        if not outputs:
            if classes.keys() - {None}:
                refuse("fit", "class_weight", "a dict {class id: weight} for one output", sorted(classes))
            return provenance, classes[None].times(weight, provenance.label, y_pred) if classes else weight
        if None in classes:
            refuse("fit", "class_weight", f"a dict by output, {', '.join(outputs)}", classes[None].weights)
        predicted = by_output(y_pred, outputs, "model")
        loss = self.loss if isinstance(self.loss, dict) else {}
        labels = by_output(
            provenance.label, outputs, "label", lacking=any(loss.get(o) is None for o in outputs if loss)
        )
        clean = None if provenance.clean is None else by_output(provenance.clean, outputs, "clean")
        if isinstance(weight, dict | list | tuple):
            weights = by_output(weight, outputs, "sample_weight")
        else:
            weights = dict.fromkeys(outputs, weight)
        for output, of_output in classes.items():
            if output not in labels:
                refuse("fit", "class_weight", f"a dict by output, {', '.join(outputs)}", output)
            weights[output] = of_output.times(weights.get(output), labels[output], predicted[output])
        provenance = provenance._replace(label=as_outputs({o: labels.get(o) for o in outputs}, y_pred), clean=clean)
        weighted = any(one is not None for one in weights.values())
        return provenance, as_outputs({o: weights.get(o) for o in outputs}, y_pred) if weighted else None

    def _of(self, output, values, y_pred):
        """Values of one output, where the model has several; numbers of samples are of all."""
        outputs = names_of_outputs(self.model, y_pred)
        if output is None and outputs:
            rule = f"the output that is recorded or measured, one of {', '.join(outputs)}"
            refuse("ProvenanceModel", "output", rule, output)
        if output is not None and output not in outputs:
            rule = f"one of {', '.join(outputs)}" if outputs else "None: the model has one"
            refuse("ProvenanceModel", "output", rule, output)
        return by_output(values, outputs, "output").get(output) if isinstance(values, dict | list | tuple) else values

    def _weigh_classes(self, class_weight):
        """Sets the weights of the classes, (output, weights), which are constants of the compiled step."""
        if class_weight is None:
            weights = ()
        elif isinstance(class_weight, dict) and any(isinstance(one, dict) for one in class_weight.values()):
            weights = tuple((output, ClassWeights(one)) for output, one in class_weight.items())
        else:
            weights = ((None, ClassWeights(class_weight)),)
        if weights != self._class_weights:
            self._class_weights, self.train_function = weights, None

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


def _refuse_accuracy_of_a_logit(model, metrics, outputs):
    """Keras counts a single output as yes from 0.5 on, and a logit means it from 0 on."""
    for place, output in enumerate(getattr(model, "outputs", None) or ()):
        of_output = metrics
        if outputs and isinstance(metrics, dict):
            of_output = metrics.get(outputs[place])
        elif outputs and isinstance(metrics, list | tuple) and len(metrics) == len(outputs):
            of_output = metrics[place]
        named = {"accuracy", "acc", "binary_accuracy"} & {
            one for one in keras.tree.flatten(of_output) if isinstance(one, str)
        }
        if named and output.shape[-1] == 1 and ends_in(model, place) == "logits":
            rule = "keras.metrics.BinaryAccuracy(threshold=0.0) for one output of logits"
            refuse("ProvenanceModel", "metrics", f"{rule}, for Keras' own counts from 0.5 on", sorted(named))
