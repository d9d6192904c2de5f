"""Networks, built as `keras.applications` builds them: (input_shape, num_classes, classifier_activation)."""

from keras_robust.models.small import cnn2

__all__ = ["cnn2"]
