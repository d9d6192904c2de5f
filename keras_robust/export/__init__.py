"""Models as servers take them: the plain network, with nothing of the training around it."""

from keras_robust.export.tensorflow_serving import serving

__all__ = ["serving"]
