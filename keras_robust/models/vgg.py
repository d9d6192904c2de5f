"""VGG-19 with batch norm."""

import keras
import numpy as np
from keras import layers, ops

from keras_robust.models.blocks import TORCHVISION_VGG, classifier, dense, images, pooled_stages

VGG19 = ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4)


def vgg19_bn(input_shape, num_classes: int, classifier_activation: str | None = "softmax") -> keras.Model:
    """torchvision's VGG-19 with batch norm, the network of Animal-10N.

    Sixteen 3 x 3 convolutions with bias, batch norm and ReLU in five stages of 64, 128, 256, 512 and 512 filters, each
    followed by 2 x 2 max pooling; adaptive average pooling to 7 x 7; dense layers of 4096, 4096 and K units with ReLU
    and dropout of 0.5 between them. The 64 x 64 images of Animal-10N come out of the stages as 2 x 2, so that the
    pooling repeats them: the dense layers keep their 119 million weights. First weights: convolutions Kaiming normal
    (fan out), dense layers normal with standard deviation 0.01, biases 0.

    Reference: Simonyan & Zisserman 2015. Released code for Animal-10N takes torchvision's network (PLC, Nested
    Co-teaching); that of the dataset's authors (Song et al. 2019) has batch norm on the dense layers too, leaky ReLU
    and no adaptive pooling.

    Args:
        input_shape: (height, width, channels), 32 x 32 or larger.
        num_classes: K, at least 2.
        classifier_activation: activation of the last layer, which computes in float32; None gives logits.

    Raises:
        ValueError: for an argument that does not fit.

    Example:

    >>> keras_robust.models.vgg19_bn((28, 28, 1), 10)
    Traceback (most recent call last):
    ValueError: `input_shape` of vgg19_bn must be (height, width, channels), 32 x 32 or larger. Received: ...
    """
    return _vgg("vgg19_bn", input_shape, num_classes, classifier_activation, VGG19, hidden=4096)


def _vgg(name, input_shape, num_classes, classifier_activation, stages, hidden):
    predictions = classifier(name, num_classes, classifier_activation, TORCHVISION_VGG)
    inputs = images(name, input_shape, smallest=2 ** len(stages))
    x = _seven_by_seven(pooled_stages(inputs, stages, TORCHVISION_VGG))
    x = layers.Flatten(name="flatten")(x)
    for i in (1, 2):
        x = dense(x, hidden, f"hidden{i}", TORCHVISION_VGG, activation="relu")
        x = layers.Dropout(0.5, name=f"hidden{i}_dropout")(x)
    return keras.Model(inputs, predictions(x), name=name)


def _seven_by_seven(x):
    """PyTorch's adaptive average pooling to 7 x 7, larger or smaller; Keras has a layer for it from 3.13 on."""
    rows, columns = (_bins(size, 7) for size in x.shape[1:3])
    return x if x.shape[1:3] == (7, 7) else ops.einsum("bhwc,ih,jw->bijc", x, rows, columns)


def _bins(size, count):
    """A matrix (count, size) that averages over floor(i size / count) <= position < ceil((i + 1) size / count)."""
    i, position = np.arange(count)[:, None], np.arange(size)
    inside = (position >= i * size // count) & (position < -(-(i + 1) * size // count))
    return (inside / inside.sum(axis=1, keepdims=True)).astype("float32")
