"""What networks promise beside their outputs: arguments, stems, first weights, float32 at the end, plain files."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import torch
from harness import as_numpy, printed_by

import keras_robust as kr
from keras_robust import models
from keras_robust.models import resnet, vgg
from keras_robust.recipes import rules

NETWORKS = sorted(set(models.__all__) & set(rules.NETWORKS))
WITH_STEM = ["resnet18", "resnet34", "resnet50", "wide_resnet101"]


def shallow(name, input_shape, num_classes=10, classifier_activation=None, stem=None):
    """The named residual network with one block in each of two stages."""
    architecture = replace(resnet.ARCHITECTURES[name], blocks=(1, 1), filters=(64, 128))
    return resnet._network(name, input_shape, num_classes, classifier_activation, stem, architecture)


def short_vgg(input_shape=(8, 8, 3), num_classes=10, classifier_activation=None):
    """Two stages, after which the maps are 2 x 2, as those of Animal-10N are after all five."""
    return vgg._vgg("vgg19_bn", input_shape, num_classes, classifier_activation, ((64,), (128,)), hidden=64)


@pytest.mark.parametrize("name", NETWORKS)
def test_wrong_arguments(name):
    network = getattr(models, name)
    with pytest.raises(ValueError, match=f"`input_shape` of {name} must be a tuple of known sizes. Received: .*None"):
        network((None, 32, 3), 10)
    with pytest.raises(ValueError, match=f"`input_shape` of {name} must be"):
        network(32, 10)
    with pytest.raises(ValueError, match=f"`input_shape` of {name} must be"):
        network((0, 0, 3), 10)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "mlp1024"])
def test_shapes_that_are_no_images(name):
    with pytest.raises(ValueError, match=rf"`input_shape` of {name} must be \(height, width, channels\)"):
        getattr(models, name)((1024,), 10)


@pytest.mark.usefixtures("zeros_at_first")
def test_images_too_small_to_pool():
    for name, smallest in {"cnn4": 4, "cnn8": 8, "vgg19_bn": 32}.items():
        with pytest.raises(ValueError, match=f"{smallest} x {smallest} or larger"):
            getattr(models, name)((smallest - 1, 64, 3), 10)


@pytest.mark.parametrize("name", NETWORKS)
def test_wrong_classifiers(name):
    with pytest.raises(ValueError, match=f"`num_classes` of {name} must be a whole number, at least 2"):
        getattr(models, name)((32, 32, 3), 1)
    with pytest.raises(ValueError, match=f"`classifier_activation` of {name} must be the name of a Keras activation"):
        getattr(models, name)((32, 32, 3), 10, classifier_activation="sotfmax")


def test_channels_first_is_refused(monkeypatch):
    monkeypatch.setattr(keras.config, "image_data_format", lambda: "channels_first")
    with pytest.raises(ValueError, match="`image_data_format` of cnn4 must be 'channels_last'"):
        models.cnn4((8, 8, 3), 10)


def test_softmax_or_logits():
    images = np.random.default_rng(0).normal(size=(3, 8, 8, 1)).astype("float32")
    softmax, logits = models.cnn4((8, 8, 1), 5), models.cnn4((8, 8, 1), 5, classifier_activation=None)
    logits.set_weights(softmax.get_weights())
    p, z = softmax.predict(images, verbose=0), logits.predict(images, verbose=0)
    np.testing.assert_allclose(p.sum(axis=-1), 1.0, rtol=1e-5)
    assert np.ptp(z) > 0.1
    np.testing.assert_allclose(np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True), p, rtol=1e-4)


@pytest.mark.usefixtures("zeros_at_first")
@pytest.mark.parametrize("name", WITH_STEM)
@pytest.mark.parametrize(
    ("size", "stem", "expected"),
    [(63, None, "cifar"), (64, None, "imagenet"), (64, "cifar", "cifar"), (32, "imagenet", "imagenet")],
)
def test_stem(name, size, stem, expected):
    model = shallow(name, (size, 64, 3), stem=stem)
    first = model.get_layer("stem_conv")
    assert first.kernel_size == ((7, 7) if expected == "imagenet" else (3, 3))
    assert first.strides == ((2, 2) if expected == "imagenet" else (1, 1))
    assert ("stem_pool" in [layer.name for layer in model.layers]) == (expected == "imagenet")


def test_unknown_stem():
    with pytest.raises(ValueError, match="`stem` of resnet50 must be one of 'cifar', 'imagenet'"):
        models.resnet50((32, 32, 3), 10, stem="mnist")
    with pytest.raises(TypeError, match="stem"):
        models.resnet32((32, 32, 3), 10, stem="cifar")


def init(function, **keywords):
    return lambda weight: getattr(torch.nn.init, function)(weight, **keywords)


KAIMING_UNIFORM = init("kaiming_uniform_", mode="fan_in", nonlinearity="relu")
KAIMING_NORMAL = init("kaiming_normal_", mode="fan_in", nonlinearity="relu")
KAIMING_NORMAL_OUT = init("kaiming_normal_", mode="fan_out", nonlinearity="relu")
XAVIER_UNIFORM = init("xavier_uniform_")
PYTORCHS_OWN = init("kaiming_uniform_", a=5**0.5)
NORMAL = init("normal_", std=0.01)

SHALLOW = ("stage2_block1_1_conv", "predictions")
# The network, a convolution and a dense layer of it, and how PyTorch's code draws their kernels.
FIRST_WEIGHTS = [
    (lambda: models.cnn4((12, 12, 1), 50), "stage2_1_conv", KAIMING_UNIFORM, "hidden_dense", XAVIER_UNIFORM),
    (lambda: models.cnn8((8, 8, 3), 50), "stage2_1_conv", KAIMING_UNIFORM, "hidden_dense", XAVIER_UNIFORM),
    (lambda: models.mlp1024((28, 28, 1), 50), None, None, "hidden3", XAVIER_UNIFORM),
    (lambda: shallow("resnet18", (8, 8, 3), 50), SHALLOW[0], PYTORCHS_OWN, SHALLOW[1], PYTORCHS_OWN),
    (lambda: shallow("resnet32", (8, 8, 3), 50), SHALLOW[0], KAIMING_NORMAL, SHALLOW[1], KAIMING_NORMAL),
    (lambda: shallow("resnet34", (8, 8, 3), 50), SHALLOW[0], KAIMING_UNIFORM, SHALLOW[1], XAVIER_UNIFORM),
    (lambda: shallow("resnet50", (8, 8, 3), 50), SHALLOW[0], KAIMING_UNIFORM, SHALLOW[1], XAVIER_UNIFORM),
    (lambda: shallow("resnet18", (64, 64, 3), 50), SHALLOW[0], KAIMING_NORMAL_OUT, SHALLOW[1], PYTORCHS_OWN),
    (lambda: shallow("resnet50", (64, 64, 3), 50), SHALLOW[0], KAIMING_NORMAL_OUT, SHALLOW[1], PYTORCHS_OWN),
    (short_vgg, "stage2_1_conv", KAIMING_NORMAL_OUT, "hidden1", NORMAL),
]
WITHOUT_FIRST_BIAS = ("mlp1024", "vgg19_bn")


@pytest.mark.usefixtures("zeros_at_first")
@pytest.mark.parametrize("row", FIRST_WEIGHTS, ids=lambda row: row[1])
def test_first_weights(row, monkeypatch):
    """Standard deviation and kurtosis (uniform 1.8, normal 3, truncated normal 2.4) are those of PyTorch's code."""
    torch.manual_seed(0)
    build, convolution, draw_convolution, dense, draw_dense = row
    model = build()
    monkeypatch.undo()  # only what is looked at is drawn
    for name, draw in ((convolution, draw_convolution), (dense, draw_dense)):
        if name is None:
            continue
        layer = model.get_layer(name)
        kernel = as_numpy(layer.kernel_initializer(layer.kernel.shape, "float32"))
        expected = draw(torch.empty(*kernel.shape[::-1][:2], *kernel.shape[:-2])).numpy()
        assert kernel.std() == pytest.approx(expected.std(), rel=0.04)
        assert kurtosis(kernel) == pytest.approx(kurtosis(expected), abs=0.2)
    bias, bound = as_numpy(layer.bias_initializer(layer.bias.shape, "float32")), layer.kernel.shape[0] ** -0.5
    if model.name in WITHOUT_FIRST_BIAS:
        assert not bias.any()
    else:
        assert 0.8 * bound < np.abs(bias).max() <= bound
        assert bias.min() < 0 < bias.max()


def kurtosis(x):
    x = np.asarray(x, "float64").ravel()
    return np.mean((x - x.mean()) ** 4) / x.var() ** 2


def test_layers_start_from_different_numbers_and_seeds_repeat_them():
    def kernels():
        keras.utils.set_random_seed(3)
        model = shallow("resnet34", (8, 8, 3))
        return [as_numpy(model.get_layer(f"stage1_block1_{i}_conv").kernel) for i in (1, 2)]

    one, two = kernels()
    assert one.shape == two.shape
    assert np.abs(one - two).max() > 0.01
    np.testing.assert_array_equal(kernels()[0], one)


@pytest.mark.usefixtures("zeros_at_first")
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_outputs_are_float32_under_any_policy(policy):
    backbone = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, dtype=policy)])
    keras.config.set_dtype_policy(policy)
    try:
        networks = [getattr(models, name)((32, 32, 3), 4) for name in NETWORKS if name not in WITH_STEM]
        networks += [shallow(name, (32, 32, 3)) for name in WITH_STEM]
        networks += [models.from_backbone(backbone, 4)]
    finally:
        keras.config.set_dtype_policy("float32")
    for network in networks:
        inner = next(layer for layer in network.layers if layer.weights)
        assert inner.compute_dtype == policy.removeprefix("mixed_")
        assert network.output.dtype == network.layers[-1].compute_dtype == "float32"
    p = networks[1].predict(np.ones((2, 32, 32, 3), "float32"), verbose=0)
    assert p.dtype == "float32"
    np.testing.assert_allclose(p, 0.25)


PLAIN = """
import sys
sys.modules["keras_robust"] = None
import keras, numpy as np
folder, *names = sys.argv[1:]
for name in names:
    model = keras.models.load_model(f"{folder}/{name}.keras", compile=False)
    saved = np.load(f"{folder}/{name}.npz")
    np.testing.assert_allclose(model.predict(saved["images"], verbose=0), saved["outputs"], rtol=1e-4)
print("loaded", len(names))
"""


@pytest.mark.usefixtures("zeros_at_first")
def test_saved_networks_load_where_this_package_is_not_installed(tmp_path):
    """`test_number_of_trainable_weights` sees that all consist of Keras' parts; these have the unusual ones."""
    networks = {"resnet32": shallow("resnet32", (8, 8, 3)), "vgg": short_vgg()}
    rng = np.random.default_rng(0)
    for network in networks.values():
        network.set_weights([rng.uniform(0.01, 0.1, weight.shape) for weight in network.weights])
    networks["vgg"].compile(kr.optimizers.CoupledSGD(0.1, momentum=0.9), kr.ANLCE())
    networks["vgg"].optimizer.build(networks["vgg"].trainable_variables)
    for name, network in networks.items():
        images = rng.normal(size=(2, *network.input_shape[1:])).astype("float32")
        outputs = network.predict(images, verbose=0)
        assert np.ptp(outputs) > 0.01
        network.save(tmp_path / f"{name}.keras")
        np.savez(tmp_path / f"{name}.npz", images=images, outputs=outputs)
    assert printed_by(PLAIN, tmp_path, *networks) == "loaded 2\n"
