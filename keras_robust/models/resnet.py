"""Residual networks: ResNet-18, 34, 50 and Wide ResNet-101 with either stem, and the ResNet-32 of CIFAR.

The stem stands before the residual stages. "cifar" is a 3 x 3 convolution with stride 1, so that the stages see the
image at full size. "imagenet" is torchvision's: a 7 x 7 convolution with stride 2 and 3 x 3 max pooling with stride 2.
`stem=None` takes "imagenet" for images of 64 x 64 or larger.

First weights go with the stem, as in released code. With "imagenet" they are torchvision's: convolutions Kaiming normal
(fan out), the dense layer and its bias uniform within 1 / sqrt(fan in). With "cifar" they are those of a paper that
trains the network on CIFAR.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import keras
from keras import layers, ops

from keras_robust.checks import OneOf
from keras_robust.models.blocks import APL, HE, PYTORCH, TORCHVISION, FirstWeights, classifier, convolution, images

STEMS = OneOf(("cifar", "imagenet"))


def basic(x, filters, strides, name, weights):
    """Two 3 x 3 convolutions, the first with the stride."""
    x = convolution(x, filters, 3, f"{name}_1", weights, strides)
    return convolution(x, filters, 3, f"{name}_2", weights, activate=False)


def bottleneck(x, filters, strides, name, weights, width=1):
    """1 x 1, 3 x 3 with the stride, and 1 x 1 to four times the filters."""
    x = convolution(x, filters * width, 1, f"{name}_1", weights)
    x = convolution(x, filters * width, 3, f"{name}_2", weights, strides)
    return convolution(x, filters * 4, 1, f"{name}_3", weights, activate=False)


def projected(x, channels, strides, name, weights):
    """Option B of He et al.: a 1 x 1 convolution and batch norm."""
    return convolution(x, channels, 1, f"{name}_shortcut", weights, strides, activate=False)


def padded(x, channels, strides, name, weights):
    """Option A of He et al.: every second row and column, channels of zeros on both sides, no weights."""
    missing = (channels - x.shape[-1]) // 2
    return ops.pad(x[:, ::strides, ::strides, :], ((0, 0), (0, 0), (0, 0), (missing, missing)))


@dataclass(frozen=True)
class Architecture:
    """What a residual network does not share with the others."""

    blocks: tuple
    weights: FirstWeights
    branch: Callable = basic
    filters: tuple = (64, 128, 256, 512)
    shortcut: Callable = projected


ARCHITECTURES = {
    "resnet18": Architecture((2, 2, 2, 2), PYTORCH),
    "resnet32": Architecture((5, 5, 5), HE, filters=(16, 32, 64), shortcut=padded),
    "resnet34": Architecture((3, 4, 6, 3), APL),
    "resnet50": Architecture((3, 4, 6, 3), APL, bottleneck),
    "wide_resnet101": Architecture((3, 4, 23, 3), APL, partial(bottleneck, width=2)),
}


def resnet18(
    input_shape, num_classes: int, classifier_activation: str | None = "softmax", *, stem: str | None = None
) -> keras.Model:
    """ResNet-18: four stages of 64, 128, 256 and 512 filters, with two basic blocks each.

    First weights with the CIFAR stem: PyTorch's own, all uniform within 1 / sqrt(fan in).

    Reference: He et al. 2016; the released code of Li et al. 2023, for CIFAR-10 and CIFAR-100.

    Args:
        input_shape: (height, width, channels), all known.
        num_classes: K, at least 2.
        classifier_activation: activation of the last layer, which computes in float32; None gives logits.
        stem: "cifar" or "imagenet"; None takes "imagenet" for images of 64 x 64 or larger.

    Raises:
        ValueError: for an argument that does not fit.

    Example:

    >>> model = keras_robust.models.resnet18((32, 32, 3), 10)
    >>> int(sum(np.prod(weight.shape) for weight in model.trainable_weights))
    11173962
    """
    return _network("resnet18", input_shape, num_classes, classifier_activation, stem)


def resnet32(input_shape, num_classes: int, classifier_activation: str | None = "softmax") -> keras.Model:
    """ResNet-32: three stages of 16, 32 and 64 filters, with five basic blocks each, for images of CIFAR's size.

    Shortcuts have no weights: where the shape changes they take every second row and column and add channels of zeros
    (option A). First weights: Kaiming normal (fan in), the bias uniform within 1 / sqrt(fan in).

    Reference: He et al. 2016, section 4.2; Staats et al. 2023 for CIFAR-10.

    Args, Raises: as `resnet18`, without a choice of the stem.

    Example:

    >>> model = keras_robust.models.resnet32((32, 32, 3), 10)
    >>> int(sum(np.prod(weight.shape) for weight in model.trainable_weights))
    464154
    """
    return _network("resnet32", input_shape, num_classes, classifier_activation, stem="cifar")


def resnet34(
    input_shape, num_classes: int, classifier_activation: str | None = "softmax", *, stem: str | None = None
) -> keras.Model:
    """ResNet-34: four stages of 64, 128, 256 and 512 filters, with 3, 4, 6 and 3 basic blocks.

    First weights with the CIFAR stem: convolutions Kaiming uniform (fan in), the dense layer Xavier uniform, its bias
    uniform within 1 / sqrt(fan in).

    Reference: He et al. 2016; the released code of Ma et al. 2020 and Ye et al. 2023, for CIFAR-100.

    Args, Raises: as `resnet18`.

    Example:

    >>> keras_robust.models.resnet34((32, 32, 3), 100, stem="resnet")
    Traceback (most recent call last):
    ValueError: `stem` of resnet34 must be one of 'cifar', 'imagenet'. Received: stem='resnet'.
    """
    return _network("resnet34", input_shape, num_classes, classifier_activation, stem)


def resnet50(
    input_shape, num_classes: int, classifier_activation: str | None = "softmax", *, stem: str | None = None
) -> keras.Model:
    """ResNet-50: four stages of 256, 512, 1024 and 2048 channels, with 3, 4, 6 and 3 bottleneck blocks.

    The stride of a block is in its 3 x 3 convolution, as torchvision and the released code of Ma et al. have it (He et
    al. put it in the first 1 x 1). First weights with the CIFAR stem: as `resnet34`.

    Reference: He et al. 2016; Ma et al. 2020, Ye et al. 2023 and Li et al. 2023 for WebVision.

    Args, Raises: as `resnet18`.

    Example:

    >>> keras_robust.models.resnet50((224, 224, 3), num_classes=1)
    Traceback (most recent call last):
    ValueError: `num_classes` of resnet50 must be a whole number, at least 2. Received: num_classes=1.
    """
    return _network("resnet50", input_shape, num_classes, classifier_activation, stem)


def wide_resnet101(
    input_shape, num_classes: int, classifier_activation: str | None = "softmax", *, stem: str | None = None
) -> keras.Model:
    """Wide ResNet-101: as `resnet50` with 3, 4, 23 and 3 blocks, whose 3 x 3 convolutions have twice the filters.

    It has 127 million weights. torchvision's name for it is wide_resnet101_2.

    Reference: Zagoruyko & Komodakis 2016; Staats et al. 2023 for WebVision.

    Args, Raises: as `resnet18`.

    Example:

    >>> keras_robust.models.wide_resnet101((None, None, 3), 1000)
    Traceback (most recent call last):
    ValueError: `input_shape` of wide_resnet101 must be a tuple of known sizes. Received: input_shape=(None, None, 3).
    """
    return _network("wide_resnet101", input_shape, num_classes, classifier_activation, stem)


def _network(name, input_shape, num_classes, classifier_activation, stem, architecture=None):
    """The one builder; `architecture` takes the place of the named one."""
    architecture = architecture or ARCHITECTURES[name]
    if stem is not None:
        stem = STEMS.check(name, "stem", stem)
    inputs = images(name, input_shape)
    large = stem == "imagenet" or (stem is None and min(inputs.shape[1:3]) >= 64)
    weights = TORCHVISION if large else architecture.weights
    predictions = classifier(name, num_classes, classifier_activation, weights)
    x = convolution(inputs, architecture.filters[0], 7 if large else 3, "stem", weights, strides=2 if large else 1)
    if large:
        # PyTorch pads with minus infinity; after ReLU zeros give the same.
        x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)
        x = layers.MaxPooling2D(3, 2, name="stem_pool")(x)
    for i, (filters, blocks) in enumerate(zip(architecture.filters, architecture.blocks, strict=True), start=1):
        for j in range(1, blocks + 1):
            strides, block = 2 if i > 1 and j == 1 else 1, f"stage{i}_block{j}"
            y = architecture.branch(x, filters, strides, block, weights)
            if x.shape != y.shape:
                x = architecture.shortcut(x, y.shape[-1], strides, block, weights)
            x = layers.Add(name=f"{block}_add")([y, x])
            x = layers.ReLU(name=f"{block}_relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, predictions(x), name=name)
