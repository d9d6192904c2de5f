"""Training runs: what is learned and how, the folder of each, and going on after a kill."""

from keras_robust.training.checkpoint import Checkpoint
from keras_robust.training.jobs import Job, train_all
from keras_robust.training.trainer import Method, Task, train

__all__ = ["Checkpoint", "Job", "Method", "Task", "train", "train_all"]
