"""Callbacks: hyper-parameters that move during training."""

from keras_robust.callbacks.moving import DALSchedule, HyperparameterSchedule, LogitBiasCycle

__all__ = ["DALSchedule", "HyperparameterSchedule", "LogitBiasCycle"]
