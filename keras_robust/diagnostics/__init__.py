"""Seeing what a loss did: the log of every sample, and pictures of training under label noise."""

from keras_robust.diagnostics import plots
from keras_robust.diagnostics.noise_report import report_noise
from keras_robust.weight_log import Detection, WeightLog

__all__ = ["Detection", "WeightLog", "plots", "report_noise"]
