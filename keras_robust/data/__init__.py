"""Data sets, ready for training."""

from keras_robust.data.sources import SOURCES, Arrays, load_arrays

__all__ = ["SOURCES", "Arrays", "load_arrays"]
