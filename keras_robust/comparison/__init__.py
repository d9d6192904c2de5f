"""Several losses on one data set with wrong labels: the job behind `keras-robust compare` and `make demo`."""

from keras_robust.comparison.contenders import Contender, contender
from keras_robust.comparison.job import Comparison, compare
from keras_robust.comparison.tasks import task
from keras_robust.comparison.training import Run, Training, train
from keras_robust.trainer import Task

__all__ = ["Comparison", "Contender", "Run", "Task", "Training", "compare", "contender", "task", "train"]
