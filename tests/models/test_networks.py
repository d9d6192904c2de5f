"""Every network equals a PyTorch network written from its description, once the weights are copied across."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import keras
import numpy as np
import pytest
import torch
from harness import as_numpy
from torch import nn

from keras_robust import models
from keras_robust.models import resnet, vgg
from keras_robust.recipes import rules

pytestmark = pytest.mark.usefixtures("zeros_at_first")


def named(**modules):
    return nn.Sequential(OrderedDict(modules))


def numbered(prefix, modules):
    return nn.Sequential(OrderedDict((f"{prefix}{i}", module) for i, module in enumerate(modules, start=1)))


def convolution(channels, filters, size, stride=1, bias=False, relu=True):
    conv = nn.Conv2d(channels, filters, size, stride, padding=(size - 1) // 2, bias=bias)
    return named(conv=conv, norm=nn.BatchNorm2d(filters), relu=nn.ReLU() if relu else nn.Identity())


def plain_stages(channels, stages):
    """Convolutions with bias; max pooling ends a stage."""
    for stage in stages:
        sizes = [channels, *stage]
        steps = [convolution(a, b, 3, bias=True) for a, b in pairwise(sizes)]
        yield numbered("", [*steps, nn.MaxPool2d(2)])
        channels = stage[-1]


def plain(channels, stages, features, units):
    """Stages of convolutions, a hidden layer with batch norm, the classifier."""
    blocks = {f"stage{i}": stage for i, stage in enumerate(plain_stages(channels, stages), start=1)}
    hidden = named(dense=nn.Linear(features, units), norm=nn.BatchNorm1d(units), relu=nn.ReLU())
    return named(**blocks, flatten=nn.Flatten(), hidden=hidden, predictions=nn.Linear(units, 10))


def mlp():
    sizes, parts = (784, 1024, 512, 512), OrderedDict(flatten=nn.Flatten())
    for i in (1, 2, 3):
        parts |= {f"hidden{i}": nn.Linear(sizes[i - 1], sizes[i]), f"relu{i}": nn.ReLU()}
    return named(**parts, predictions=nn.Linear(512, 10))


def vgg19(hidden, classes):
    stages = [[64] * 2, [128] * 2, [256] * 4, [512] * 4, [512] * 4]
    blocks = {f"stage{i}": stage for i, stage in enumerate(plain_stages(3, stages), start=1)}
    return named(
        **blocks,
        pool=nn.AdaptiveAvgPool2d(7),
        flatten=nn.Flatten(),
        hidden1=nn.Linear(512 * 49, hidden),
        relu1=nn.ReLU(),
        hidden2=nn.Linear(hidden, hidden),
        relu2=nn.ReLU(),
        predictions=nn.Linear(hidden, classes),
    )


class EveryOtherWithZeroChannels(nn.Module):
    def forward(self, x):
        return nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, x.shape[1] // 2, x.shape[1] // 2))


class Residual(nn.Module):
    def __init__(self, steps, shortcut):
        super().__init__()
        for i, step in enumerate(steps, start=1):
            self.add_module(str(i), step)
        self.length, self.shortcut = len(steps), shortcut

    def branch(self):
        return [getattr(self, str(i)) for i in range(1, self.length + 1)]

    def forward(self, x):
        y = x
        for step in self.branch():
            y = step(y)
        return torch.relu(y + self.shortcut(x))


def residual(blocks, filters, classes, stem, bottleneck=False, width=1, option_a=False):
    first = filters[0]
    parts = OrderedDict(stem=convolution(3, first, 7, 2) if stem == "imagenet" else convolution(3, first, 3))
    if stem == "imagenet":
        parts["pool"] = nn.MaxPool2d(3, stride=2, padding=1)
    channels = first
    for i, (depth, size) in enumerate(zip(blocks, filters, strict=True), start=1):
        stage, out = [], 4 * size if bottleneck else size
        for j in range(depth):
            stride = 2 if i > 1 and j == 0 else 1
            if bottleneck:
                inner = size * width
                steps = [
                    convolution(channels, inner, 1),
                    convolution(inner, inner, 3, stride),
                    convolution(inner, out, 1, relu=False),
                ]
            else:
                steps = [convolution(channels, size, 3, stride), convolution(size, size, 3, relu=False)]
            if channels == out:
                shortcut = nn.Identity()
            else:
                shortcut = (
                    EveryOtherWithZeroChannels() if option_a else convolution(channels, out, 1, stride, relu=False)
                )
            stage.append(Residual(steps, shortcut))
            channels = out
        parts[f"stage{i}"] = numbered("block", stage)
    parts |= {"mean": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "predictions": nn.Linear(channels, classes)}
    return named(**parts)


@dataclass(frozen=True)
class Case:
    """A network as users call it, its trainable weights, and the same in PyTorch.

    Where it is too large to run in a test, `small` is a smaller one of the same builder.
    """

    input_shape: tuple
    num_classes: int
    weights: int
    reference: Callable
    small: Callable | None = None
    small_reference: Callable | None = None


FILTERS = (64, 128, 256, 512)


def small_wide_resnet101(input_shape, num_classes, classifier_activation):
    architecture = replace(resnet.ARCHITECTURES["wide_resnet101"], blocks=(2, 2), filters=(8, 16))
    return resnet._network("wide_resnet101", input_shape, num_classes, classifier_activation, None, architecture)


def wide(blocks, filters, classes):
    return residual(blocks, filters, classes, "imagenet", bottleneck=True, width=2)


CASES = {
    "cnn4": Case((28, 28, 1), 10, 422_090, lambda: plain(1, ((32,), (64,)), 64 * 49, 128)),
    "cnn8": Case((32, 32, 3), 10, 1_639_794, lambda: plain(3, ((64, 64), (128, 128), (196, 196)), 196 * 16, 256)),
    "mlp1024": Case((28, 28, 1), 10, 1_596_426, mlp),
    "resnet18": Case((32, 32, 3), 10, 11_173_962, lambda: residual((2, 2, 2, 2), FILTERS, 10, "cifar")),
    "resnet32": Case((32, 32, 3), 10, 464_154, lambda: residual((5, 5, 5), (16, 32, 64), 10, "cifar", option_a=True)),
    "resnet34": Case((32, 32, 3), 100, 21_328_292, lambda: residual((3, 4, 6, 3), FILTERS, 100, "cifar")),
    "resnet50": Case(
        (64, 64, 3), 1000, 25_557_032, lambda: residual((3, 4, 6, 3), FILTERS, 1000, "imagenet", bottleneck=True)
    ),
    "wide_resnet101": Case(
        (64, 64, 3),
        1000,
        126_886_696,
        lambda: wide((3, 4, 23, 3), FILTERS, 1000),
        small_wide_resnet101,
        lambda: wide((2, 2), (8, 16), 10),
    ),
    "vgg19_bn": Case(
        (64, 64, 3),
        1000,
        143_678_248,
        lambda: vgg19(4096, 1000),
        partial(vgg._vgg, "vgg19_bn", stages=vgg.VGG19, hidden=64),
        lambda: vgg19(64, 10),
    ),
}


def trained(network, images):
    """Batch norm as training leaves it: scales, offsets and statistics of its own, and branches that add a little.

    With scales of 1 throughout, hundred layers of it amplify the rounding of float32 a hundred times, in PyTorch too.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.uniform_(-0.5, 0.5)
            norm.momentum = 1.0
        for module in network.modules():
            if isinstance(module, Residual):
                module.branch()[-1].norm.weight.mul_(0.2)
        network.train()(images)
    for norm in norms:
        norm.momentum = 0.1
    return network


def copy_across(network, model):
    """By name: the PyTorch module stage1.block1.1.conv is the Keras layer stage1_block1_1_conv."""
    filled = set()
    for name, module in network.named_modules():
        own = [*module.parameters(recurse=False), *(b for b in module.buffers(recurse=False) if b.ndim)]
        if not own:
            continue
        layer = model.get_layer(name.replace(".", "_"))
        # Copied: JAX may keep the very memory that PyTorch goes on writing to.
        values = [value.detach().numpy().copy() for value in own]
        if isinstance(module, nn.Conv2d):
            values[0] = values[0].transpose(2, 3, 1, 0)
        if isinstance(module, nn.Linear):
            values[0] = rows_in_the_order_of_keras(values[0].T, model)
        layer.set_weights(values)
        filled.add(layer)
    assert filled == {layer for layer in model.layers if layer.weights}


def rows_in_the_order_of_keras(kernel, model):
    """PyTorch flattens (channels, height, width), Keras (height, width, channels)."""
    maps = [layer.input.shape[1:] for layer in model.layers if isinstance(layer, keras.layers.Flatten)]
    if not maps or np.prod(maps[0]) != len(kernel):
        return kernel
    height, width, channels = maps[0]
    return kernel.reshape(channels, height, width, -1).transpose(1, 2, 0, 3).reshape(kernel.shape)


def count(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def test_every_network_has_a_row():
    assert set(CASES) | {"cnn2"} == set(rules.NETWORKS)


@pytest.mark.parametrize("name", CASES)
def test_number_of_trainable_weights(name):
    case = CASES[name]
    with torch.device("meta"):
        assert sum(weight.numel() for weight in case.reference().parameters()) == case.weights
    model = getattr(models, name)(case.input_shape, case.num_classes)
    assert count(model) == case.weights
    assert model.name == name
    assert model.output.shape == (None, case.num_classes)
    assert all(type(part).__module__.startswith("keras.") for part in model.operations)


@pytest.mark.parametrize("name", CASES)
def test_outputs_equal_pytorchs(name):
    torch.manual_seed(0)
    case = CASES[name]
    classes = 10 if case.small else case.num_classes
    model = (case.small or getattr(models, name))(case.input_shape, classes, classifier_activation=None)
    images = torch.randn(4, case.input_shape[-1], *case.input_shape[:2])
    network = trained((case.small_reference or case.reference)(), images)
    copy_across(network, model)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    for training in (False, True):
        with torch.no_grad():
            expected = network.train(training)(images).numpy()
        got = as_numpy(model(channels_last(images), training=training))
        np.testing.assert_allclose(got, expected, atol=3e-5, err_msg=f"training={training}")


def channels_last(images):
    return images.permute(0, 2, 3, 1).contiguous().numpy()


def test_moving_statistics_are_pytorchs_but_for_the_variance_of_the_batch():
    torch.manual_seed(0)
    images, model = torch.randn(4, 1, 8, 8), models.cnn4((8, 8, 1), 10)
    network = trained(plain(1, ((32,), (64,)), 64 * 4, 128), images)
    copy_across(network, model)
    numbers_per_channel = {"stage1.1.norm": 4 * 64, "stage2.1.norm": 4 * 16, "hidden.norm": 4}
    before = {name: network.get_submodule(name).running_var.numpy().copy() for name in numbers_per_channel}
    images = 2 * images + 1
    network.train()(images)
    model(channels_last(images), training=True)
    for name, n in numbers_per_channel.items():
        layer, norm = model.get_layer(name.replace(".", "_")), network.get_submodule(name)
        np.testing.assert_allclose(as_numpy(layer.moving_mean.value), norm.running_mean.numpy(), atol=1e-5)
        kept = 0.9 * before[name]
        expected = kept + (norm.running_var.numpy() - kept) * (n - 1) / n
        np.testing.assert_allclose(as_numpy(layer.moving_variance.value), expected, rtol=1e-4, err_msg=name)
        assert layer.epsilon == norm.eps
