"""Schedules of hyper-parameters, as callbacks."""

import warnings

import keras

from keras_robust.backend import variable_scope
from keras_robust.carrier import carry, compiled_losses, has_compiled_steps
from keras_robust.checks import at_least, refuse
from keras_robust.last_layer import check_last_layer
from keras_robust.losses import DAL, GCEStar, LogitBias, MAEStar, NFLandMAEStar, RobustLoss
from keras_robust.provenance import ProvenanceModel
from keras_robust.schedules import Cycle, DALBootstrapping, DALExponent


class HyperparameterSchedule(keras.callbacks.Callback):
    """Moves hyper-parameters of a loss from epoch to epoch.

    At the start of epoch e (from 0) of E each named hyper-parameter is set to `schedule(e, E)`; validation in that
    epoch uses the same values. They are written into the epoch's logs, so they stand in History, and in the files of
    CSVLogger and TensorBoard where those come later in the list of callbacks. Values depend on the epoch alone: a run
    that resumes (`initial_epoch`, BackupAndRestore) goes on exactly where it was.

    While a hyper-parameter moves, losses of different epochs are not comparable: let EarlyStopping, ModelCheckpoint and
    ReduceLROnPlateau watch an accuracy. A `ProvenanceModel` warns of those that watch a loss; a plain `fit` cannot.

    Args:
        schedules: name of a hyper-parameter, as in `loss.hyperparameters`, -> `schedule(epoch, epochs)`.
        loss: the loss to move, which must be (part of) a loss that the model is compiled with; None: the one loss of
            this package that the model is compiled with.

    Raises:
        ValueError: when training starts, if the loss is not part of the compiled model, has no such hyper-parameter,
            contradicts the model's last layer, or a schedule leaves its range.

    Example:

    >>> schedule = keras_robust.callbacks.HyperparameterSchedule({"q": keras_robust.schedules.Linear(0.3, 0.9)})
    >>> schedule.schedules["q"](epoch=4, epochs=5)
    0.9
    """

    #: The kinds of losses that may be moved; a subclass narrows them.
    kinds: tuple = (RobustLoss,)

    def __init__(self, schedules: dict, loss: RobustLoss | None = None):
        super().__init__()
        if not isinstance(schedules, dict) or not schedules or not all(callable(s) for s in schedules.values()):
            refuse(
                type(self).__name__, "schedules", "a dict of names and schedules (epoch, epochs) -> value", schedules
            )
        if loss is not None and not isinstance(loss, RobustLoss):
            refuse(type(self).__name__, "loss", "a loss of keras_robust or None", loss)
        self.schedules = dict(schedules)
        self.loss = loss

    def set_model(self, model):
        super().set_model(model)
        if not isinstance(model, ProvenanceModel):  # which has looked itself
            check_last_layer(model)
        compiled = compiled_losses(model)
        self._loss = self._find_loss(compiled)
        start = self._loss.hyperparameters
        for name, schedule in self.schedules.items():
            if start.get(name) is None:
                start[name] = self._loss.check_hyperparameter(name, schedule(0, 1))
        self._warn_of_other_models(model, compiled)
        with variable_scope(model):
            self._variables = {name: self._loss.move(name, start[name]) for name in self.schedules}
        for whole in compiled:
            whole.refresh()
        carry(model, self._variables.values())

    def on_epoch_begin(self, epoch, logs=None):
        for name, schedule in self.schedules.items():
            value = self._loss.check_hyperparameter(name, float(schedule(epoch, self._epochs())))
            self._variables[name].assign(value)
            self._variables[name].mover = self

    def on_train_batch_begin(self, batch, logs=None):
        for name, variable in self._variables.items():
            if variable.mover is not self:
                raise ValueError(
                    f"Two callbacks move {name!r} of the same loss, and only the later one could take effect: "
                    f"{type(self).__name__} and {type(variable.mover).__name__}."
                )

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs.update({name: float(schedule(epoch, self._epochs())) for name, schedule in self.schedules.items()})

    def _epochs(self):
        return self.params["epochs"]

    def _warn_of_other_models(self, model, compiled):
        """Says so where a step that another model compiled before holds the numbers as they were."""
        moving = {id(variable) for variable in self._loss.moving()}
        new = any(id(self._loss.slot(name).value) not in moving for name in self.schedules)
        if new and not has_compiled_steps(model) and any(loss.is_compiled for loss in compiled):
            warnings.warn(
                f"Another compiled model holds this loss, and keeps the {', '.join(self.schedules)} that it had when "
                "it was compiled, whatever this schedule sets. Give each model a loss of its own, such as "
                "type(loss).from_config(loss.get_config()).",
                stacklevel=2,
            )

    def _find_loss(self, compiled):
        inside = [part for loss in compiled for part in loss.with_parts()]
        if self.loss is not None:
            if not any(self.loss is part for part in inside):
                raise ValueError(
                    f"`loss` of {type(self).__name__} is not part of a loss that the model is compiled with, so moving "
                    f"it would change nothing (load_model, clone_model and compile make or take other losses). "
                    f"Received: {self.loss!r}; the model has {compiled!r}."
                )
            return self.loss
        wanted = self.kinds if self.kinds != (RobustLoss,) else None
        found = [part for part in inside if isinstance(part, wanted)] if wanted else compiled
        if len(found) != 1:
            names = " or ".join(kind.__name__ for kind in self.kinds)
            raise ValueError(
                f"{type(self).__name__} moves one {names} of the compiled model, and found {len(found)}: {found!r}. "
                "Pass the one to move as `loss`."
            )
        return found[0]


class DALSchedule(HyperparameterSchedule):
    """The schedule of dynamics-aware loss: q rises; once it has passed 1, lam rises from 0.

    With t = epoch + 1 and T = `epochs`: q = q_start + (q_end - q_start) t / T;
    t0 = (1 - q_start) / (q_end - q_start) T; lam = 0 while t < t0, or throughout where t0 >= T or q_end = q_start;
    then lam = lambda_end (t - t0) / (T - t0).

    Reference: Li et al. 2023, Algorithm 1. Its code counts epochs from 0, so that q never reaches q_end.

    Args:
        q_start: q at t = 0, at least 0.
        q_end: q in the last epoch, at least 0.
        lambda_end: lam in the last epoch, at least 0.
        epochs: T; None: the epochs of `fit`. Say it where `fit` is called in a loop, one epoch each.
        loss: the `DAL` to move; None: the one in the compiled model.

    Warns:
        UserWarning: when training starts, if `epochs` is not given and `fit` trains one epoch: q is at its end at once.

    Example:

    >>> schedule = keras_robust.callbacks.DALSchedule(q_start=0.6, q_end=1.5)
    >>> round(schedule.schedules["q"](epoch=149, epochs=150), 4), schedule.schedules["lam"](epoch=149, epochs=150)
    (1.5, 1.0)
    """

    kinds = (DAL,)

    def __init__(self, q_start=0.6, q_end=1.5, lambda_end=1.0, epochs=None, loss=None):
        schedules = {"q": DALExponent(q_start, q_end), "lam": DALBootstrapping(q_start, q_end, lambda_end)}
        super().__init__(schedules, loss)
        self.epochs = None if epochs is None else at_least(1, integer=True).check("DALSchedule", "epochs", epochs)

    def on_train_begin(self, logs=None):
        if self.epochs is None and self.params["epochs"] == 1:
            warnings.warn(
                f"DALSchedule takes its length from fit, and fit(epochs=1) puts q at {self.schedules['q'].q_end:g}, "
                "its end, from the first step on. For a loop of fits say how long all of it is, DALSchedule(epochs=...)"
                ", and give fit the place in it: fit(initial_epoch=e, epochs=e + 1).",
                stacklevel=2,
            )

    def _epochs(self):
        return self.epochs or super()._epochs()


class LogitBiasCycle(HyperparameterSchedule):
    """Moves the logit bias through `values`, `hold` epochs each, and starts again after the last.

    Reference: Staats et al. 2023.

    Args:
        values: the biases.
        hold: epochs of each, at least 1.
        loss: the loss with the bias; None: the one in the compiled model.

    Example:

    >>> cycle = keras_robust.callbacks.LogitBiasCycle()
    >>> [cycle.schedules["epsilon"](epoch, 100) for epoch in (0, 10, 11, 65, 66)]
    [5.2, 5.2, 4.8, 2.3, 5.2]
    """

    kinds = (LogitBias, MAEStar, GCEStar, NFLandMAEStar)

    def __init__(self, values=(5.2, 4.8, 4.3, 3.7, 3.0, 2.3), hold=11, loss=None):
        super().__init__({"epsilon": Cycle(values, hold)}, loss)
