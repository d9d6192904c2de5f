"""Several losses on one data set with wrong labels: the job behind `keras-robust compare` and `make demo`."""

from keras_robust.comparison.contenders import Contender, contender
from keras_robust.comparison.job import Comparison, compare
from keras_robust.comparison.tasks import Task, task
from keras_robust.comparison.training import Run, Training, train

__all__ = ["Comparison", "Contender", "Run", "Task", "Training", "compare", "contender", "task", "train"]
