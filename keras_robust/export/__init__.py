"""Models as servers take them: the plain network, with nothing of the training around it."""

from keras_robust.export.checking import Checked, check
from keras_robust.export.lineage import origin
from keras_robust.export.tensorflow_serving import serving

__all__ = ["Checked", "check", "origin", "serving"]
