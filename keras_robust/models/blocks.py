"""What the networks share: checked inputs, first weights, convolution with batch norm, and the classifier.

All networks are channels last and consist of layers and operations of Keras alone, so a saved one loads where this
package is not installed. They are PyTorch's networks layer for layer, with two differences that Keras' layers bring:

- The moving variance of batch norm collects the variance of a batch, where PyTorch's collects n / (n - 1) times it, n
  the numbers per channel in the batch. At batch 128 that is 0.8% after the dense layers of `cnn4` and `cnn8`, and less
  than 0.05% in what the CIFAR networks convolve. Training does not read it; inference does.
- First weights follow the same distributions, but a seed gives other numbers.
"""

import numbers
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import keras
from keras import initializers, layers

from keras_robust.checks import at_least, refuse

# `he_uniform` and `he_normal` of Keras would do for the first only: its normal distributions are truncated.
KAIMING_UNIFORM = partial(initializers.VarianceScaling, 2.0, "fan_in", "uniform")
KAIMING_NORMAL = partial(initializers.VarianceScaling, 2.0, "fan_in", "untruncated_normal")
KAIMING_NORMAL_OUT = partial(initializers.VarianceScaling, 2.0, "fan_out", "untruncated_normal")
XAVIER_UNIFORM = partial(initializers.VarianceScaling, 1.0, "fan_avg", "uniform")
PYTORCH_UNIFORM = partial(initializers.VarianceScaling, 1 / 3, "fan_in", "uniform")


def within_fan_in(fan_in: int):
    """PyTorch's biases: uniform between -1 / sqrt(fan in) and 1 / sqrt(fan in)."""
    return initializers.RandomUniform(-(fan_in**-0.5), fan_in**-0.5)


def zero(fan_in: int):
    return initializers.Zeros()


@dataclass(frozen=True)
class FirstWeights:
    """The distributions from which a code base draws the weights that training starts with."""

    convolution: Callable
    dense: Callable
    bias: Callable = within_fan_in

    def for_kernel(self, kernel: Callable, fan_in: int) -> dict:
        # A new initializer for every layer: one object draws the same numbers again.
        return {"kernel_initializer": kernel(), "bias_initializer": self.bias(fan_in)}


APL = FirstWeights(KAIMING_UNIFORM, XAVIER_UNIFORM)
PYTORCH = FirstWeights(PYTORCH_UNIFORM, PYTORCH_UNIFORM)
HE = FirstWeights(KAIMING_NORMAL, KAIMING_NORMAL)
TORCHVISION = FirstWeights(KAIMING_NORMAL_OUT, PYTORCH_UNIFORM)
TORCHVISION_VGG = FirstWeights(KAIMING_NORMAL_OUT, partial(initializers.RandomNormal, 0.0, 0.01), zero)
GLOROT = FirstWeights(XAVIER_UNIFORM, XAVIER_UNIFORM, zero)


def known_shape(owner: str, input_shape) -> tuple:
    sizes = tuple(input_shape) if isinstance(input_shape, tuple | list) else ()
    if not sizes or not all(isinstance(size, numbers.Integral) and size > 0 for size in sizes):
        refuse(owner, "input_shape", "a tuple of known sizes", input_shape)
    return sizes


def images(owner: str, input_shape, smallest: int = 1) -> keras.KerasTensor:
    """The input of a network for images of (height, width, channels), `smallest` or more high and wide."""
    shape = known_shape(owner, input_shape)
    if len(shape) != 3 or min(shape[:2]) < smallest:
        refuse(owner, "input_shape", f"(height, width, channels), {smallest} x {smallest} or larger", input_shape)
    if keras.config.image_data_format() != "channels_last":
        refuse(owner, "image_data_format", "'channels_last' in keras.config", keras.config.image_data_format())
    return keras.Input(shape, name="images")


def convolution(x, filters, size, name, weights, strides=1, bias=False, activate=True):
    """Convolution, batch norm and, unless it ends a residual branch, ReLU.

    Padding is PyTorch's: (size - 1) / 2 zeros on every side. With strides of 2 "same" of Keras pads one side only.
    """
    if strides > 1 and size > 1:
        x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
    first = weights.for_kernel(weights.convolution, size * size * x.shape[-1])
    padding = "same" if strides == 1 else "valid"
    x = layers.Conv2D(filters, size, strides, padding, use_bias=bias, name=f"{name}_conv", **first)(x)
    x = batch_norm(x, name)
    return layers.ReLU(name=f"{name}_relu")(x) if activate else x


def batch_norm(x, name):
    """PyTorch's defaults; its momentum of 0.1 is what the newest batch weighs, Keras' 0.9 what the past does."""
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)


def pooled_stages(x, stages, weights):
    """Stages of 3 x 3 convolutions with bias, each followed by 2 x 2 max pooling."""
    for i, stage in enumerate(stages, start=1):
        for j, filters in enumerate(stage, start=1):
            x = convolution(x, filters, 3, f"stage{i}_{j}", weights, bias=True)
        x = layers.MaxPooling2D(name=f"stage{i}_pool")(x)
    return x


def dense(x, units, name, weights, **keywords):
    return layers.Dense(units, name=name, **weights.for_kernel(weights.dense, x.shape[-1]), **keywords)(x)


def classifier(owner: str, num_classes, classifier_activation, weights: FirstWeights = GLOROT) -> Callable:
    """Checks the arguments before anything is built, and returns what adds the last layer, float32 by any policy."""
    num_classes = at_least(2, integer=True).check(owner, "num_classes", num_classes)
    try:
        activation = keras.activations.get(classifier_activation)
    except ValueError:
        rule = "the name of a Keras activation, a function or None"
        refuse(owner, "classifier_activation", rule, classifier_activation)
    return lambda x: dense(x, num_classes, "predictions", weights, activation=activation, dtype="float32")
