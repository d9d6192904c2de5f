"""A network small enough for a demonstration on a laptop."""

import keras
from keras import layers

from keras_robust.checks import Interval


def cnn2(input_shape, num_classes: int, classifier_activation: str | None = "softmax") -> keras.Model:
    """Two convolutions of 32 and 64 filters, each with batch norm and max pooling; dense layers of 128 and K units.

    Args:
        input_shape: (height, width, channels), for example (8, 8, 1).
        num_classes: K, at least 2.
        classifier_activation: activation of the last layer, which computes in float32; None gives logits.

    Raises:
        ValueError: for fewer than two classes.

    Example:

    >>> keras_robust.models.cnn2((8, 8, 1), 10).count_params()
    53290
    """
    num_classes = Interval(2, integer=True).check("cnn2", "num_classes", num_classes)
    x = images = keras.Input(input_shape)
    for filters in (32, 64):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    x = layers.Dense(128, activation="relu")(x)
    outputs = layers.Dense(num_classes, activation=classifier_activation, dtype="float32", name="predictions")(x)
    return keras.Model(images, outputs, name="cnn2")
