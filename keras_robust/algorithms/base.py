"""What all training algorithms share: networks, numbers that move, selection, and what is saved."""

import inspect

import keras
import numpy as np
from keras import ops
from keras.src.backend.common.masking import get_keras_mask

from keras_robust.algorithms.requirements import check_end, check_loss, check_replicas, check_second
from keras_robust.backend import equals, select, variable_scope
from keras_robust.checks import OneOf, refuse
from keras_robust.data.preprocessing import for_serving, parted
from keras_robust.labels import class_ids
from keras_robust.losses.inputs import align_weights, reduce_losses
from keras_robust.provenance import ProvenanceModel
from keras_robust.sample_numbers import refuse_strays, rows_of
from keras_robust.watchers import listed


class Algorithm(ProvenanceModel):
    """A way of training a network on wrong labels, as a Keras model: `compile`, `fit`, `evaluate`, `predict`, `save`.

    A subclass says `objective`, and where it needs them `outputs`, `prediction`, `stage` and `begin_epoch`. Its loss is
    the one that it is compiled with: any loss of this package, with any schedule of its numbers.

    What `predict` returns is what `save` and `export` write: the plain network, which loads without this package.
    `save_weights` and `load_weights` hold everything: all networks, what is remembered of samples, the optimizer.

    Args:
        model: a built network that ends in logits. It may begin with `data.Preprocessing`.
        second: another network of the same shapes, for algorithms that train two; None: a copy with new weights.
        serve: what `predict` returns, and what is saved: "first", the first network, or "ensemble", the mean of the
            logits of both.

    Raises:
        ValueError: from `compile`, for a loss that does not read logits or whose reduction is not the mean over the
            batch, for one that couples samples where samples are ranked, for a network that ends in probabilities or
            has one output, for an optimizer that clips by the norm over two networks; from `fit`, for several replicas
            where rows or ranks would be those of a replica.
    """

    #: Whether the objective ranks samples by their loss.
    ranks = False
    #: Whether something is remembered of every sample.
    remembers = False
    #: How many networks are trained.
    networks = 1
    #: Whether recorders see its samples in the step; otherwise a log needs a `probe`.
    records = True
    #: Names of the numbers that `stage` gives.
    moving = ()

    def __init__(self, model, second=None, serve="first", name=None):
        super().__init__(model, name=name)
        owner = type(self).__name__
        self.serve = OneOf(("first", "ensemble")).check(owner, "serve", serve)
        if not model.built or not getattr(model, "outputs", None):
            refuse(owner, "model", "a built network with known outputs", model)
        if len(model.outputs) > 1:
            refuse(owner, "model", "a network with one output", f"{model.name} with {len(model.outputs)}")
        self._front, self._network = parted(model)
        self.second = check_second(owner, self._network, second) if self.networks == 2 else None
        if self.networks == 1 and second is not None:
            refuse(owner, "second", "None: one network is trained", second)
        if self.networks == 1 and serve == "ensemble":
            refuse(owner, "serve", '"first": one network is trained', serve)
        self._numbers = {name: self._state(f"stage_{name}", ()) for name in self.moving}

    # What an algorithm says

    def objective(self, x, provenance, outputs, sample_weight):
        """What a step of training makes smaller: a number, made of `loss` and terms reduced by `mean`.

        Args:
            x: the inputs of the batch.
            provenance: `label`, `index` and `clean` of the samples; the last two may be None.
            outputs: what `outputs` made of the inputs.
            sample_weight: of the samples, (batch,), or None.
        """
        raise TypeError(f"{type(self).__name__} does not define objective(x, provenance, outputs, sample_weight).")

    def outputs(self, x):
        """Logits for a training step: of the network, or a dict of those of both, {"first", "second"}."""
        images = self.prepared(x)
        first = self._network(images, training=True)
        return first if self.second is None else {"first": first, "second": self.second(images, training=True)}

    def prediction(self, outputs):
        return outputs["first"] if isinstance(outputs, dict) else outputs

    def stage(self, epoch: int, epochs: int) -> dict:
        """The numbers that move, by the names in `moving`: a pure function of the epoch, counted from 0."""
        return {}

    def begin_epoch(self, epoch: int) -> None:
        """Called before each epoch of `fit`, after the numbers are set."""

    def end_epoch(self, epoch: int, logs: dict) -> None:
        """Called after each epoch of `fit`; may add to its logs."""

    # What it says it with

    def prepared(self, x):
        """The inputs as the networks take them; where the model begins with preprocessing, augmented at each call."""
        return x if self._front is None else self._front(x, training=True)

    def number(self, name: str):
        """The present value of a number that moves."""
        return ops.convert_to_tensor(self._numbers[name])

    def counts(self, label, logits, sample_weight):
        """Which samples count, (batch,): not masked, not of the class to ignore, and not of weight 0."""
        kept = self._entering(label, logits)
        kept = ops.ones_like(logits[..., 0], dtype="bool") if kept is None else kept
        return kept if sample_weight is None else ops.logical_and(kept, ops.logical_not(equals(sample_weight, 0)))

    def mean(self, values, label, logits, sample_weight=None):
        """The mean of a value of each sample, as the loss takes its mean: weighted, without masked and ignored ones.

        Under a TensorFlow strategy it is the share of a replica.
        """
        if sample_weight is not None:
            values = select(equals(sample_weight, 0), ops.zeros_like(values), values)
        return reduce_losses(values, sample_weight, self._entering(label, logits), "sum_over_batch_size")

    def mean_of(self, chosen, label, logits, sample_weight=None):
        """Weights with which `loss` is its mean over the chosen samples alone."""
        weight = ops.cast(chosen, "float32")
        total = ops.sum(weight)
        averaged = ops.sum(ops.cast(self.counts(label, logits, None), "float32"))
        weight = weight * (averaged / select(equals(total, 0), ops.ones_like(total), total))
        return weight if sample_weight is None else weight * ops.cast(sample_weight, "float32")

    def remember(self, name, num_samples, num_classes, initializer="zeros"):
        """A variable with a row for each sample, and one more for numbers out of range."""
        return self._state(name, (num_samples + 1, num_classes), initializer)

    def refuse_noted_strays(self, memory) -> None:
        """Refuses numbers that were out of range, which a compiled step could not: they wrote into the spare row.

        Args:
            memory: what `remember` made.

        Raises:
            ValueError: naming `index`.
        """
        if np.any(ops.convert_to_numpy(memory[-1])):
            refuse_strays(type(self).__name__, memory.shape[0] - 1)

    def rows(self, provenance, num_samples: int):
        """Rows of the samples of a batch, (batch,); the spare one for numbers out of range.

        Raises:
            ValueError: for targets without "index".
        """
        if provenance.index is None:
            refuse(type(self).__name__, "index", 'given: targets {"label": ..., "index": ...}', "none")
        return rows_of(provenance.index, num_samples)

    # What Keras calls

    def call(self, inputs, training=None):
        if training:
            return self.outputs(inputs)
        first = self.model(inputs, training=False)
        if self.serve == "first":
            return first
        images = inputs if self._front is None else self._front(inputs, training=False)
        return (first + self.second(images, training=False)) / 2

    def add_recorder(self, recorder):
        """As `ProvenanceModel.add_recorder`, where a training step sees samples alone."""
        if not self.records:
            raise ValueError(
                f"A step of {type(self).__name__} trains on mixed samples, so there is no record of one. Give "
                "SampleWeightLogger a `probe`, the training data as they are, to look at after each epoch."
            )
        super().add_recorder(recorder)

    def compile(self, optimizer="rmsprop", loss=None, loss_weights=None, *arguments, **keywords):
        """As `keras.Model.compile`, with one loss of logits."""
        owner = type(self).__name__
        check_loss(owner, loss, loss_weights, self.ranks)
        check_end(owner, self.model)
        optimizer = keras.optimizers.get(optimizer)
        if self.networks == 2 and getattr(optimizer, "global_clipnorm", None) is not None:
            rule = "None: a norm over two networks would couple them; `clipnorm` clips each variable"
            refuse(owner, "global_clipnorm", rule, optimizer.global_clipnorm)
        super().compile(optimizer, loss, None, *arguments, **keywords)
        self._set_numbers(0, 1)

    def _compiled_inside(self, optimizer, loss, keywords):
        return optimizer

    def compute_training_loss(self, x, provenance, outputs, sample_weight):
        total = self.objective(x, provenance, outputs, sample_weight)
        for penalty in self.losses:
            total = total + self._aggregate_additional_loss(penalty)
        return total

    def fit(self, x=None, y=None, batch_size=None, epochs=1, verbose="auto", callbacks=None, *arguments, **keywords):
        """As `keras.Model.fit`."""
        self._check_replicas()
        callbacks = [Stages(self), *listed(callbacks)]
        return super().fit(x, y, batch_size, epochs, verbose, callbacks, *arguments, **keywords)

    def train_on_batch(self, *arguments, **keywords):
        """As `keras.Model.train_on_batch`."""
        self._check_replicas()
        return super().train_on_batch(*arguments, **keywords)

    def save(self, filepath, overwrite=True, **keywords):
        """Saves what `predict` returns, a plain network of Keras, not compiled."""
        self.served().save(filepath, overwrite=overwrite, **keywords)

    def export(self, filepath, *arguments, **keywords):
        """Exports what `predict` returns."""
        self.served().export(filepath, *arguments, **keywords)

    def save_weights(self, filepath, overwrite=True, **keywords):
        """Saves everything: the networks, what is remembered of samples, and the optimizer."""
        self._build_optimizer()
        keras.Model.save_weights(self, filepath, overwrite=overwrite, **keywords)

    def load_weights(self, filepath, **keywords):
        """Loads what `save_weights` saved; where it is compiled, the optimizer too."""
        self._build_optimizer()
        keras.Model.load_weights(self, filepath, **keywords)

    def served(self) -> keras.Model:
        """The plain network that `predict` asks, which shares the weights."""
        first = for_serving(self.model)
        if self.serve == "first":
            return first
        inputs = keras.Input(first.inputs[0].shape[1:], dtype=first.inputs[0].dtype)
        images = inputs if self._front is None else self._front.for_serving()(inputs)
        named = (  # both may bear one name
            keras.Sequential([keras.Input(images.shape[1:]), network], name=name)
            for name, network in (("first", self._network), ("second", self.second))
        )
        return keras.Model(inputs, keras.layers.Average()([network(images) for network in named]))

    def get_config(self):
        names = [name for name in inspect.signature(type(self).__init__).parameters if name not in ("self", "model")]
        config = {name: getattr(self, name) for name in names}
        for name, value in config.items():
            if isinstance(value, keras.Model | keras.layers.Layer):
                config[name] = keras.saving.serialize_keras_object(value)
        return {"model": keras.saving.serialize_keras_object(self.model), **config}

    @classmethod
    def from_config(cls, config):
        return cls(**{name: _restored(value) for name, value in config.items()})

    # How it does so

    def _entering(self, label, logits):
        """Samples that are neither of the class to ignore nor masked, (batch,); None: all."""
        ignored, mask = getattr(self.loss, "ignore_class", None), get_keras_mask(logits)
        kept = None if ignored is None else ops.logical_not(equals(class_ids(label, logits), ignored))
        if mask is None:
            return kept
        mask = align_weights(ops.cast(mask, "bool"), tuple(logits.shape[:-1]), "The mask of the logits")
        return mask if kept is None else ops.logical_and(kept, mask)

    def _check_replicas(self):
        if self.ranks or self.remembers:
            check_replicas(type(self).__name__, self)

    def _build_optimizer(self):
        """Makes the variables of the optimizer, which training would make: a file has a place for each."""
        if self.optimizer is not None and not self.optimizer.built:
            with variable_scope(self):
                self.optimizer.build(self.trainable_variables)

    def begin(self, epoch: int, epochs: int) -> None:
        """Begins an epoch, counted from 0, of a training of so many epochs; `fit` calls it."""
        self._set_numbers(epoch, epochs)
        self.begin_epoch(epoch)

    def _set_numbers(self, epoch, epochs):
        numbers = self.stage(epoch, epochs)
        if numbers.keys() != self._numbers.keys():
            raise ValueError(
                f"`stage` of {type(self).__name__} must give the numbers in `moving`, {sorted(self._numbers)}. It "
                f"gives {sorted(numbers)}."
            )
        for name, value in numbers.items():
            self._numbers[name].assign(float(value))

    def _state(self, name, shape, initializer="zeros"):
        with variable_scope(self):
            return self.add_weight(
                name=name, shape=shape, initializer=initializer, dtype="float32", trainable=False, autocast=False
            )


class Stages(keras.callbacks.Callback):
    """Tells an algorithm its epochs, and writes the numbers that move into the logs."""

    def __init__(self, algorithm: Algorithm):
        super().__init__()
        self.algorithm = algorithm

    def on_epoch_begin(self, epoch, logs=None):
        self.algorithm.begin(epoch, self.params["epochs"])

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs.update(self.algorithm.stage(epoch, self.params["epochs"]))
        self.algorithm.end_epoch(epoch, logs if logs is not None else {})


def _restored(value):
    return keras.saving.deserialize_keras_object(value) if isinstance(value, dict) and "class_name" in value else value
