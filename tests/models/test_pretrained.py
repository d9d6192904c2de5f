"""Weights from a file: from our own networks and from PyTorch's, and what is refused."""

from collections import OrderedDict
from functools import partial

import keras
import numpy as np
import pytest
import torch
from harness import as_numpy, once
from torch import nn

from keras_robust import models
from keras_robust.models import resnet
from keras_robust.models.pretrained import read_weights

X = np.random.default_rng(0).normal(size=(2, 64, 64, 3)).astype("float32")
TINY = resnet.Architecture((1, 2, 1, 1), resnet.APL, partial(resnet.bottleneck, width=1), filters=(4, 4, 8, 8))


def tiny(num_classes, architecture=TINY):
    return resnet._network("resnet50", (64, 64, 3), num_classes, None, "imagenet", architecture)


def features(model):
    """What goes into the classifier."""
    inside = keras.Model(model.input, model.get_layer("pool").output)
    return as_numpy(inside(X, training=False))


def moved(model):
    """The same network with averages that are not those that all begin with."""
    rng = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(rng.uniform(0.5, 1.0, weight.shape) * (0.1 if "kernel" in weight.path else 1.0))
    return model


@pytest.mark.parametrize("name", ["mine.weights.h5", "mine.keras", "mine.h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")
def test_all_but_the_classifier_comes_from_the_file(name, tmp_path):
    source, model = moved(tiny(7)), tiny(3)
    source.compile("adam", "mse")  # whose state is in the file too
    (source.save_weights if "weights" in name else source.save)(tmp_path / name)
    head = [as_numpy(weight.value) for weight in model.get_layer("predictions").weights]
    found = models.load_pretrained(model, tmp_path / name)
    np.testing.assert_allclose(features(model), features(source), rtol=1e-6)
    for weight, before in zip(model.get_layer("predictions").weights, head, strict=True):
        np.testing.assert_array_equal(as_numpy(weight.value), before)
    assert found.left_out == ("predictions",)
    assert len(found.loaded) == sum(bool(layer.weights) for layer in model.layers) - 1
    assert str(found) == f"{len(found.loaded)} layers loaded, left as drawn: predictions"


class Block(nn.Module):
    """A bottleneck with torchvision's names."""

    def __init__(self, channels, filters, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, filters, 1, bias=False), nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, stride, padding=1, bias=False)
        self.bn2, self.bn3 = nn.BatchNorm2d(filters), nn.BatchNorm2d(4 * filters)
        self.conv3, self.downsample = nn.Conv2d(filters, 4 * filters, 1, bias=False), None
        if stride > 1 or channels != 4 * filters:
            shortcut = nn.Conv2d(channels, 4 * filters, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(4 * filters))

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(torch.relu(self.bn2(self.conv2(y)))))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


def torchvisions():
    """A small ResNet with its names."""
    torch.manual_seed(0)
    parts = OrderedDict(conv1=nn.Conv2d(3, 4, 7, 2, padding=3, bias=False), bn1=nn.BatchNorm2d(4), relu=nn.ReLU())
    parts["maxpool"], channels = nn.MaxPool2d(3, 2, padding=1), 4
    for i, (filters, blocks) in enumerate(zip(TINY.filters, TINY.blocks, strict=True), start=1):
        inside = []
        for j in range(blocks):
            inside.append(Block(channels, filters, 2 if i > 1 and j == 0 else 1))
            channels = 4 * filters
        parts[f"layer{i}"] = nn.Sequential(*inside)
    network = nn.Sequential(parts | {"avgpool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten(), "fc": nn.Linear(32, 9)})
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.ndim == 1:
                value.uniform_(0.5, 1.0)
    return network.eval()


def test_a_residual_network_of_torchvision(tmp_path):
    network = torchvisions()
    torch.save(network.state_dict(), tmp_path / "resnet.pth")
    model = tiny(3)
    assert models.load_pretrained(model, tmp_path / "resnet.pth").left_out == ("predictions",)
    with torch.no_grad():
        expected = network[:-1](torch.from_numpy(X.transpose(0, 3, 1, 2))).numpy()
    np.testing.assert_allclose(features(model), expected, rtol=1e-4, atol=1e-5)


@once
def test_what_does_not_fit_is_named(tmp_path):
    narrow, wide = tiny(7), tiny(7, resnet.Architecture((1, 2, 1, 1), resnet.APL, TINY.branch, filters=(4, 4, 8, 16)))
    deep = tiny(7, resnet.Architecture((1, 3, 1, 1), resnet.APL, TINY.branch, filters=TINY.filters))
    before = [as_numpy(weight.value) for weight in narrow.weights]
    for source, words in (
        (wide, "of 40 layers, 8 of another shape (stage4_block1_1_conv, stage4_block1_1_norm"),
        (deep, "6 in the file alone (stage2_block3_1_conv, stage2_block3_1_norm, stage2_block3_2_conv, ...)"),
        (models.cnn2((28, 28, 1), 10), "40 not in the file (stem_conv, stem_norm, stage1_block1_1_conv, ...)"),
    ):
        source.save_weights(tmp_path / "other.weights.h5")
        with pytest.raises(ValueError, match="do not fit resnet50") as error:
            models.load_pretrained(narrow, tmp_path / "other.weights.h5")
        assert words in str(error.value)
    for weight, value in zip(narrow.weights, before, strict=True):
        np.testing.assert_array_equal(as_numpy(weight.value), value)


@once
def test_a_classifier_of_another_name_is_one_layer(tmp_path):
    source = tiny(7)
    renamed = keras.Model(source.input, keras.layers.Dense(9, name="top")(source.get_layer("pool").output))
    renamed.save(tmp_path / "renamed.keras")
    assert models.load_pretrained(tiny(3), tmp_path / "renamed.keras").left_out == ("predictions",)
    deeper = keras.layers.Dense(9, name="top")(keras.layers.Dense(8, name="hidden")(source.get_layer("pool").output))
    keras.Model(source.input, deeper).save(tmp_path / "deeper.keras")
    with pytest.raises(ValueError, match=r"of 40 layers, 2 in the file alone \(hidden, top\)"):
        models.load_pretrained(tiny(3), tmp_path / "deeper.keras")


@once
def test_the_resnet_of_applications_is_another_network(tmp_path):
    # Its first layers, by their names, are enough to know it by.
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(64, 7, name="conv1_conv")(inputs)
    keras.Model(inputs, keras.layers.Conv2D(64, 1, name="conv2_block1_1_conv")(x)).save_weights(
        tmp_path / "theirs.weights.h5"
    )
    with pytest.raises(ValueError, match="a ResNet of keras.applications, another network, with the stride of a block"):
        models.load_pretrained(tiny(3), tmp_path / "theirs.weights.h5")


@once
def test_files_that_are_none(tmp_path):
    model = tiny(3)
    with pytest.raises(FileNotFoundError, match="There is no file .*nowhere.keras with weights to start from"):
        models.load_pretrained(model, tmp_path / "nowhere.keras")
    for name in ("damaged.keras", "damaged.weights.h5", "damaged.pth", "damaged.pt"):
        (tmp_path / name).write_bytes(b"no weights")
        with pytest.raises(ValueError, match=name):
            models.load_pretrained(model, tmp_path / name)
    torch.save({"epoch": 3}, tmp_path / "state.pth")
    with pytest.raises(ValueError, match="state.pth is no state dict of PyTorch: it must hold tensors by name"):
        models.load_pretrained(model, tmp_path / "state.pth")
    (tmp_path / "weights.txt").touch()
    with pytest.raises(ValueError, match="`file` of load_pretrained must be a .weights.h5, .keras, .h5, .pth or .pt"):
        read_weights(tmp_path / "weights.txt")
    with pytest.raises(ValueError, match="`model` of load_pretrained must be a built network with weights"):
        models.load_pretrained(keras.Sequential([keras.layers.Dense(2)]), tmp_path / "weights.txt")
