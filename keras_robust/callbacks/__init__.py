"""Callbacks: hyper-parameters that move during training, and the log of every sample's weight."""

from keras_robust.callbacks.moving import DALSchedule, HyperparameterSchedule, LogitBiasCycle
from keras_robust.callbacks.sample_weights import SampleWeightLogger

__all__ = ["DALSchedule", "HyperparameterSchedule", "LogitBiasCycle", "SampleWeightLogger"]
