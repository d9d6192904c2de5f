"""Networks that a laptop trains: those of the papers' MNIST, Fashion-MNIST and CIFAR-10, and the demonstration's.

Every network of this package takes the arguments that `keras.applications` has:

- `input_shape`: (height, width, channels), all known.
- `num_classes`: K, at least 2.
- `classifier_activation`: activation of the last layer, which computes in float32 under any policy; None gives logits,
  which every loss of this package prefers (`from_logits=True`).

A value that does not fit is a ValueError that names the argument.
"""

import keras
from keras import layers

from keras_robust.models.blocks import APL, GLOROT, batch_norm, classifier, dense, images, known_shape, pooled_stages


def cnn2(input_shape, num_classes: int, classifier_activation: str | None = "softmax") -> keras.Model:
    """Two convolutions of 32 and 64 filters, each with batch norm and max pooling; dense layers of 128 and K units.

    The network of `keras-robust compare`; no paper has it.

    Args:
        input_shape: (height, width, channels), 4 x 4 or larger; for example (8, 8, 1).
        num_classes: K, at least 2.
        classifier_activation: activation of the last layer, which computes in float32; None gives logits.

    Raises:
        ValueError: for an argument that does not fit, such as one class.

    Example:

    >>> keras_robust.models.cnn2((8, 8, 1), 10).count_params()
    53290
    """
    predictions = classifier("cnn2", num_classes, classifier_activation)
    x = inputs = images("cnn2", input_shape, smallest=4)
    for filters in (32, 64):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    x = layers.Dense(128, activation="relu")(x)
    return keras.Model(inputs, predictions(x), name="cnn2")


def cnn4(input_shape, num_classes: int, classifier_activation: str | None = "softmax") -> keras.Model:
    """The network of MNIST: 3 x 3 convolutions of 32 and 64 filters, dense layers of 128 and K units.

    Every convolution has a bias, batch norm, ReLU and 2 x 2 max pooling; the hidden dense layer batch norm and ReLU.
    First weights: convolutions Kaiming uniform (fan in), dense layers Xavier uniform, biases uniform within
    1 / sqrt(fan in).

    Reference: the released code of Ma et al. 2020 and Ye et al. 2023.

    Args:
        input_shape: (height, width, channels), 4 x 4 or larger; (28, 28, 1) for MNIST.
        num_classes: K, at least 2.
        classifier_activation: activation of the last layer, which computes in float32; None gives logits.

    Example:

    >>> keras_robust.models.cnn4((28, 28, 1), 10, classifier_activation=None).output_shape
    (None, 10)
    """
    return _with_hidden_layer("cnn4", input_shape, num_classes, classifier_activation, ((32,), (64,)), 128)


def cnn8(input_shape, num_classes: int, classifier_activation: str | None = "softmax") -> keras.Model:
    """The network of CIFAR-10: 3 x 3 convolutions of 64, 64, 128, 128, 196 and 196 filters, dense 256 and K units.

    Every convolution has a bias, batch norm and ReLU, every second one 2 x 2 max pooling; the hidden dense layer has
    batch norm and ReLU. First weights as in `cnn4`.

    Reference: the released code of Ma et al. 2020 and Ye et al. 2023.

    Args:
        input_shape: (height, width, channels), 8 x 8 or larger; (32, 32, 3) for CIFAR-10.
        num_classes: K, at least 2.
        classifier_activation: activation of the last layer, which computes in float32; None gives logits.

    Example:

    >>> keras_robust.models.cnn8((32, 32, 3), 10, classifier_activation=None).output_shape
    (None, 10)
    """
    stages = ((64, 64), (128, 128), (196, 196))
    return _with_hidden_layer("cnn8", input_shape, num_classes, classifier_activation, stages, 256)


def mlp1024(input_shape, num_classes: int, classifier_activation: str | None = "softmax") -> keras.Model:
    """The network of Fashion-MNIST in Staats et al.: dense layers of 1024, 512, 512 and K units with ReLU between them.

    Kernels are drawn Xavier uniform, biases are 0 at first.

    Reference: Staats et al. 2023.

    Args:
        input_shape: shape of one sample, of any rank; it is flattened. (28, 28, 1) for Fashion-MNIST.
        num_classes: K, at least 2.
        classifier_activation: activation of the last layer, which computes in float32; None gives logits.

    Example:

    >>> keras_robust.models.mlp1024((28, 28, 1), 10).count_params()
    1596426
    """
    predictions = classifier("mlp1024", num_classes, classifier_activation)
    inputs = keras.Input(known_shape("mlp1024", input_shape), name="samples")
    x = layers.Flatten(name="flatten")(inputs)
    for i, units in enumerate((1024, 512, 512), start=1):
        x = dense(x, units, f"hidden{i}", GLOROT, activation="relu")
    return keras.Model(inputs, predictions(x), name="mlp1024")


def _with_hidden_layer(name, input_shape, num_classes, classifier_activation, stages, units):
    predictions = classifier(name, num_classes, classifier_activation, APL)
    inputs = images(name, input_shape, smallest=2 ** len(stages))
    x = layers.Flatten(name="flatten")(pooled_stages(inputs, stages, APL))
    x = batch_norm(dense(x, units, "hidden_dense", APL), "hidden")
    x = layers.ReLU(name="hidden_relu")(x)
    return keras.Model(inputs, predictions(x), name=name)
