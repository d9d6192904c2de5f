"""One training run of a comparison, and what is measured on it."""

import math
import pathlib
import time
from dataclasses import dataclass

import keras
import numpy as np

from keras_robust.comparison.contenders import Contender
from keras_robust.diagnostics import Detection
from keras_robust.trainer import Method, Task
from keras_robust.trainer import train as train_one


@dataclass(frozen=True)
class Training:
    """How all losses are trained: SGD with momentum, cosine annealing by epoch, a clip of the global gradient norm."""

    epochs: int = 60
    batch_size: int = 128
    learning_rate: float = 0.01
    momentum: float = 0.9
    clip_norm: float = 5.0

    def rate_at(self, epoch: int) -> float:
        """Learning rate of an epoch, counted from 0."""
        return 0.5 * self.learning_rate * (1.0 + math.cos(math.pi * epoch / self.epochs))

    def optimizer(self) -> keras.optimizers.Optimizer:
        """A new optimizer."""
        return keras.optimizers.SGD(self.rate_at(0), momentum=self.momentum, global_clipnorm=self.clip_norm)


@dataclass(frozen=True)
class Run:
    """What one run left behind.

    Attributes:
        test_accuracy: accuracy on clean test labels after each epoch, (epochs,).
        memorized: share of the wrong training labels that the model predicts in the last epoch; NaN without any.
        detection: how well the samples of lowest mean margin find the wrong labels.
        seconds: time of training and evaluation.
    """

    seed: int
    test_accuracy: np.ndarray
    memorized: float
    detection: Detection
    seconds: float

    @property
    def last(self) -> float:
        return float(self.test_accuracy[-1])

    @property
    def best(self) -> float:
        return float(self.test_accuracy.max())


def train(contender: Contender, task: Task, training: Training, seed: int, log: pathlib.Path, callbacks=()) -> Run:
    """Trains the task's network, logs every sample in the folder `log`, and measures it on clean test labels."""
    start = time.perf_counter()
    method = Method(
        loss=contender.loss,
        optimizer=training.optimizer,
        rate=training.rate_at,
        epochs=training.epochs,
        l1=contender.l1,
        callbacks=contender.callbacks,
    )
    _, history, logger = train_one(task, method, seed, log, callbacks)
    weights = logger.log()
    return Run(
        seed=seed,
        test_accuracy=np.asarray(history.history["val_accuracy"]),
        memorized=float(weights.memorized()[-1]),
        detection=weights.detection(),
        seconds=time.perf_counter() - start,
    )
