"""Callbacks: hyper-parameters that move during training, the log of every sample's weight, what went wrong in steps."""

from keras_robust.callbacks.moving import DALSchedule, HyperparameterSchedule, LogitBiasCycle
from keras_robust.callbacks.sample_weights import SampleWeightLogger
from keras_robust.callbacks.skipped_steps import SkippedSteps
from keras_robust.nan_losses import ExplainNaN

__all__ = [
    "DALSchedule",
    "ExplainNaN",
    "HyperparameterSchedule",
    "LogitBiasCycle",
    "SampleWeightLogger",
    "SkippedSteps",
]
