"""Logging the margin, weight and loss of every training sample."""

import os

import keras
import numpy as np
from keras import ops

from keras_robust.backend import variable_scope
from keras_robust.callbacks.histograms import Histograms, folder_beside
from keras_robust.callbacks.looking import Look, check_batches
from keras_robust.callbacks.positions import check_positions, checked_positions, positions_of
from keras_robust.callbacks.recorder import Recorder
from keras_robust.carrier import compiled_losses
from keras_robust.checks import at_least, refuse
from keras_robust.last_layer import check_last_layer
from keras_robust.log_writers import check_claim, claim_log
from keras_robust.losses import RobustLoss
from keras_robust.provenance import ProvenanceModel
from keras_robust.sample_numbers import LARGEST_INDEX
from keras_robust.targets import by_output, check_output, names_of_outputs
from keras_robust.weight_log import WeightLog, drop_epochs, logged_epochs, write_epoch

_COUNT = at_least(1, integer=True, optional=True, high=LARGEST_INDEX)


class SampleWeightLogger(keras.callbacks.Callback):
    """Logs the margin, implicit weight, loss and prediction of every training sample, epoch by epoch, by its number.

    In one of two ways:

    - in the training step itself, without a second forward pass: the model is a `ProvenanceModel` and its targets are
      {"label", "index"}, with "clean" where it is known. Logged is what the step saw: each sample before its update,
      with dropout and augmentation as they were.
    - by a look at `probe` after the epoch, for any model: one forward pass over it, as in inference.

    The files, one an epoch, are written whole or not at all. A run that goes on (`initial_epoch`, BackupAndRestore)
    goes on with its log; later epochs that the log holds already are dropped. Read it with `diagnostics.WeightLog`, or
    by `logger.log()`.

    Where a sample has many labels (pixels, time steps, the yes/no outputs of `Binary`), y_pred (batch, positions...,
    classes), it has one record: margin, weight and loss are means over the positions that count, label, clean and
    predicted class the most frequent ones among them. Positions that are ignored (`ignore_class`) or masked do not
    count. With `positions` each has a record of its own, of number sample times positions plus position.

    TensorBoard shows margins and weights as histograms, those of clean and of wrong labels apart where clean ones are
    known, as the run "samples": in the folder of the `keras.callbacks.TensorBoard` that a `ProvenanceModel` or an
    algorithm is fitted with, or in the one that is given. It needs the package tensorboard, on any backend.

    A learning rate that a callback changes within an epoch is logged by its value at the epoch's first step. A
    batch-coupled loss gives no sample a weight of its own: NaN is logged.

    Args:
        path: folder of the log.
        num_samples: number of training samples N, below 2^31, which are numbered from 0. Needed in the training step.
        probe: what to look at after each epoch: (x, y), or a dataset of batches (x, y); y holds labels, or targets
            {"label", "index", "clean"}. Without "index" samples are numbered as they come. None: the training step.
        every: epochs between two logged ones; the first is logged, and the last.
        loss: the loss whose weights are logged; None: the loss of this package that the model is compiled with.
        batch_size: batch size of the look at (x, y).
        overwrite: whether training from epoch 0 may replace a log that is there.
        output: name of the output that is logged, where the model has several; each needs a logger and a folder.
        tensorboard: folder for histograms, what is `log_dir` of `keras.callbacks.TensorBoard`; None: that of such a
            callback beside this one, if there is one.
        held_out: samples that are not trained on and are logged all the same, by a look after the epoch; as `probe`,
            with "index" in their targets.
        positions: whether each position has a record, 32 bytes an epoch. True where the model tells how many there are;
            else their shape, (height, width) for example.

    Raises:
        ImportError: when training starts, for histograms without tensorboard.
        ValueError: for an argument out of range; when training starts, for a model or a probe that cannot be logged so,
            for a log that is there already, or of another number of samples where training goes on; when an epoch
            starts, if another logger writes into the folder; at its end, for sample numbers outside [0, N).

    Example:

    >>> inside = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> model = keras_robust.ProvenanceModel(inside)
    >>> model.compile("sgd", keras_robust.GCE(from_logits=True))
    >>> targets = {"label": np.array([0, 1, 1]), "index": np.arange(3), "clean": np.array([0, 0, 1])}
    >>> logger = keras_robust.callbacks.SampleWeightLogger(tmp_path / "weights", num_samples=3)
    >>> history = model.fit(np.ones((3, 3)), targets, epochs=2, callbacks=[logger], verbose=0)
    >>> logger.log().array("margin").shape
    (2, 3)
    """

    def __init__(
        self,
        path,
        num_samples=None,
        probe=None,
        every=1,
        loss=None,
        batch_size=256,
        overwrite=False,
        output=None,
        tensorboard=None,
        held_out=None,
        positions=False,
    ):
        super().__init__()
        own = type(self).__name__
        self.path = path
        self.num_samples = _COUNT.check(own, "num_samples", num_samples)
        self.every = at_least(1, integer=True).check(own, "every", every)
        self.batch_size = at_least(1, integer=True).check(own, "batch_size", batch_size)
        if loss is not None and not isinstance(loss, RobustLoss):
            refuse(own, "loss", "a loss of keras_robust or None", loss)
        if probe is None and num_samples is None:
            refuse(own, "num_samples", "the number of training samples where no `probe` is given", num_samples)
        if held_out is not None and num_samples is None:
            refuse(
                own,
                "num_samples",
                "the number of samples where some are not trained on and logged as `held_out`",
                num_samples,
            )
        check_batches(own, "probe", probe)
        check_batches(own, "held_out", held_out)
        self.probe, self.loss, self.overwrite, self.output = probe, loss, overwrite, output
        if tensorboard is not None and (not isinstance(tensorboard, str | os.PathLike) or "://" in str(tensorboard)):
            refuse(own, "tensorboard", "a folder of this machine, or None", tensorboard)
        self.tensorboard, self._beside, self._histograms = tensorboard, None, None
        self.held_out, self.positions = held_out, checked_positions(own, positions)

    def stand_beside(self, callbacks) -> None:
        """Is told the callbacks of a `fit`, for a TensorBoard among them; `ProvenanceModel` does so."""
        self._beside = folder_beside(callbacks)

    def log(self, clean=None) -> WeightLog:
        """What was logged so far."""
        return WeightLog(self.path, clean)

    def set_model(self, model):
        super().set_model(model)
        own = type(self).__name__
        if not isinstance(model, ProvenanceModel):  # which has looked itself
            check_last_layer(model)
        check_output(own, self.output, names_of_outputs(getattr(model, "model", model)))
        self._loss = self.loss or self._compiled_loss(model)
        self._first_epoch = True
        self._recorder = None
        self._look = Look(model, self._loss, self.num_samples, self.output, self.positions, self.batch_size)
        if self.probe is None:
            if not isinstance(model, ProvenanceModel):
                raise ValueError(
                    "SampleWeightLogger records samples in the training step of a keras_robust.ProvenanceModel. "
                    f"Received: a model of type {type(model).__name__}. Wrap it, ProvenanceModel(model), and give fit "
                    'targets {"label", "index"}; or give the logger a `probe` to look at after each epoch.'
                )
            self._recorder = self._recorder_of(model)

    def on_train_begin(self, logs=None):
        # One batch now: what cannot be logged is said before an epoch is trained for nothing.
        if self._recorder is None:
            self._look.try_on("probe", self.probe)
        if self.held_out is not None:
            self._look.try_on("held_out", self.held_out)

    def on_epoch_begin(self, epoch, logs=None):
        if self._first_epoch:
            self._first_epoch = False
            self._take_folder(epoch)
        check_claim(self.path, self._claim)
        self._rate = None
        self._updates = int(ops.convert_to_numpy(_plain(self.model.optimizer)._iterations))
        if self._recorder is not None:
            self._recorder.reset()

    def _take_folder(self, epoch):
        """Makes the log of the epochs before this one, which go on, this logger's own."""
        there = logged_epochs(self.path)
        if there and epoch == 0 and not self.overwrite:
            raise ValueError(
                f"{self.path} holds the log of another run. Give SampleWeightLogger a new folder, or "
                "overwrite=True; a run that goes on starts from its initial_epoch."
            )
        if any(before < epoch for before in there):
            log = WeightLog(self.path)
            if self.num_samples and log.num_samples != self.num_samples:
                raise ValueError(
                    f"{self.path} holds {log.num_samples:,} samples an epoch, and training goes on with "
                    f"num_samples={self.num_samples:,} of SampleWeightLogger. Go on with as many, or take a new folder."
                )
            known = self._look.positions if self._recorder is None else self._recorder.positions
            if log.positions != known:
                rule = f"{log.positions or False}, as {self.path} was begun; or take a new folder"
                refuse(type(self).__name__, "positions", rule, known or self.positions)
        folder = self.tensorboard or self._beside
        self._histograms = Histograms(folder, epoch, self.output) if folder else None
        drop_epochs(self.path, epoch)
        self._claim = claim_log(self.path)

    def on_train_batch_begin(self, batch, logs=None):
        if self._rate is None:
            check_claim(self.path, self._claim)
            # Now, because callbacks may set the rate at the beginning of an epoch or at its end.
            self._rate = float(ops.convert_to_numpy(_plain(self.model.optimizer).learning_rate))

    def on_epoch_end(self, epoch, logs=None):
        if epoch % self.every and epoch + 1 < self.params["epochs"] and not self.model.stop_training:
            return
        looking = self._recorder is None
        records = self._look.records("probe", self.probe) if looking else self._recorder.records()
        if self.held_out is not None:
            looked = self._look.records("held_out", self.held_out)
            there = looked["label"] >= 0
            records[there] = looked[there]
        records["learning_rate"] = np.where(records["label"] >= 0, self._rates(records["step"]), np.nan)
        write_epoch(self.path, epoch, records)
        if self._histograms is not None:
            self._histograms.write(epoch, records)

    def _rates(self, step):
        """The learning rate at each step of the epoch."""
        schedule = _plain(self.model.optimizer)._learning_rate
        if not isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
            return self._rate
        steps = range(max(step.max(initial=0), 0) + 1)
        rates = np.array([float(ops.convert_to_numpy(schedule(self._updates + i))) for i in steps])
        return rates[np.maximum(step, 0)]

    def _compiled_loss(self, model):
        losses = getattr(model, "loss", None)
        if isinstance(losses, dict) and isinstance(losses.get(self.output), RobustLoss):
            return losses[self.output]
        found = compiled_losses(model)
        if len(found) != 1:
            raise ValueError(
                "SampleWeightLogger logs the weights of the one loss of keras_robust that the model is compiled with, "
                f"and found {len(found)}: {found!r}. Pass the one to log as `loss`."
            )
        return found[0]

    def _positions_in(self, model):
        """The positions' shape: what the model tells of it, or else what was given."""
        inner = getattr(model, "model", model)
        outputs, made = names_of_outputs(inner), getattr(inner, "_outputs_struct", None)
        try:
            made = list(inner.outputs or ()) if made is None else made
        except (AttributeError, ValueError):  # not built yet
            made = None
        if outputs:
            made = by_output(made, outputs, "model").get(self.output)
        elif isinstance(made, list | tuple):
            made = made[0] if made else None
        shape = None if made is None else positions_of(self._loss, made.shape)
        if shape is not None and None not in shape:
            check_positions(type(self).__name__, self.positions, shape)
            return shape
        if self.positions is True:
            rule = "the shape of the positions, (height, width) for example, where the model does not tell it"
            refuse(type(self).__name__, "positions", rule, self.positions)
        return self.positions

    def _recorder_of(self, model):
        """The recorder of this loss and size that the model has, or a new one."""
        positions = self._positions_in(model) if self.positions else ()
        for recorder in model.recorders:
            asked = (self.num_samples, self.output, positions)
            if (recorder.num_samples, recorder.output, recorder.positions) == asked and recorder.loss is self._loss:
                return recorder
        with variable_scope(model):
            recorder = Recorder(self._loss, self.num_samples, self.output, positions)
        model.add_recorder(recorder)
        return recorder


def _plain(optimizer):
    """The optimizer inside one that scales the loss."""
    return getattr(optimizer, "inner_optimizer", optimizer)
