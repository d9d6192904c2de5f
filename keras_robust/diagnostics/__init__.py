"""Seeing what a loss did: pictures of training under label noise."""

from keras_robust.diagnostics import plots

__all__ = ["plots"]
