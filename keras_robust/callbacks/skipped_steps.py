"""Steps that mixed precision left out, counted and reported."""

import warnings

import keras
from keras import ops


class SkippedSteps(keras.callbacks.Callback):
    """Says so when training in float16 has come to a standstill.

    Under `mixed_float16` Keras wraps the optimizer in a `LossScaleOptimizer`. A step whose gradients are not finite is
    skipped, and the loss scale is halved; after 2,000 good steps in a row it is doubled. A few skipped steps at the
    start, and one now and then, are how the scale is found:

        scale = initial scale * 2^(doublings - skipped steps)

    Where gradients stay infinite or NaN for another reason, steps are skipped for ever, and Keras says nothing: the
    loss does not fall, and the weights stand still. So an epoch that skipped steps and ends with a scale below 1 is
    reported: down there the loss is made smaller, not larger, and there was nothing left to find.

    Each epoch's logs get "skipped_steps" and "loss_scale": they stand in History, and in the files of CSVLogger and
    TensorBoard where those come later in the list of callbacks. Under any other policy no step is skipped: 0 and 1.

    In a dataset of unknown length under `steps_per_execution` above 1, skipped steps of an epoch's last execution may
    be missing from the count.

    Args:
        stop: whether training stops after the epoch that is reported.

    Warns:
        UserWarning: once a training, at the end of an epoch that skipped steps at a scale below 1.

    Example: three samples, of which one is not a number.

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, dtype="mixed_float16")])
    >>> optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(), initial_scale=2.0)
    >>> model.compile(optimizer, keras_robust.CE(from_logits=True))
    >>> x = np.array([[0.0, 1.0], [1.0, np.nan], [1.0, 0.0]])
    >>> skipped = keras_robust.callbacks.SkippedSteps()
    >>> history = model.fit(x, np.array([0, 1, 1]), batch_size=1, epochs=1, verbose=0, callbacks=[skipped]).history
    >>> history["skipped_steps"], history["loss_scale"]
    ([1], [1.0])
    """

    def __init__(self, stop: bool = False):
        super().__init__()
        self.stop = stop

    def on_train_begin(self, logs=None):
        self._reported = False

    def on_epoch_begin(self, epoch, logs=None):
        self._begin, self._seen = 0, 0
        self._done_before = self._done()

    def on_train_batch_begin(self, batch, logs=None):
        self._begin = batch

    def on_train_batch_end(self, batch, logs=None):
        # `batch` is the last step of this execution, or would be were the data not at its end.
        steps = self.params.get("steps")
        self._seen = min(batch + 1, steps) if steps else self._begin + 1

    def on_epoch_end(self, epoch, logs=None):
        scaled = isinstance(self.model.optimizer, keras.optimizers.LossScaleOptimizer)
        skipped = max(self._seen - (self._done() - self._done_before), 0) if scaled else 0
        scale = self._scale() if scaled else 1.0
        if logs is not None:
            logs.update({"skipped_steps": skipped, "loss_scale": scale})
        if skipped and scale < min(1.0, self.model.optimizer.initial_scale):
            self._report(epoch, skipped, scale)

    def _report(self, epoch, skipped, scale):
        if not self._reported:
            self._reported = True
            warnings.warn(
                f"{skipped} of the {self._seen} steps of epoch {epoch + 1} were skipped, because their gradients were "
                f"not finite, and the loss scale has fallen to {scale:g}. A scale that is only being found stays at 1 "
                "or above; this one will go on falling, and skipped steps change no weight. The cause is a NaN or an "
                "infinity in the data, or a layer that leaves the range of float16, 65,504. Look for the first in the "
                "inputs; for the second train under 'mixed_bfloat16', or give the layer dtype='float32'.",
                stacklevel=2,
            )
        if self.stop:
            self.model.stop_training = True

    def _done(self):
        # Keras makes the counter with the optimizer, and its scale at the first step.
        optimizer = self.model.optimizer
        return int(ops.convert_to_numpy(getattr(optimizer, "inner_optimizer", optimizer)._iterations))

    def _scale(self):
        optimizer = self.model.optimizer
        return float(ops.convert_to_numpy(optimizer.dynamic_scale)) if optimizer.built else optimizer.initial_scale
