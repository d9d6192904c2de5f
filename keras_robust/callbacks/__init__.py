"""Callbacks: hyper-parameters that move during training, the log of every sample's weight, steps that were skipped."""

from keras_robust.callbacks.moving import DALSchedule, HyperparameterSchedule, LogitBiasCycle
from keras_robust.callbacks.sample_weights import SampleWeightLogger
from keras_robust.callbacks.skipped_steps import SkippedSteps

__all__ = ["DALSchedule", "HyperparameterSchedule", "LogitBiasCycle", "SampleWeightLogger", "SkippedSteps"]
