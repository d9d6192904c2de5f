"""Every recipe builds and trains; scales shorten what they should."""

import dataclasses
import functools
import re

import keras
import numpy as np
import pytest
from harness import BACKEND, in_turn, once
from rich.console import Console

from keras_robust import data, recipes
from keras_robust.catalog import CATALOG
from keras_robust.noise import draw
from keras_robust.recipes.scales import SCALES, method, task
from keras_robust.training import Task, train
from keras_robust.weight_log import WeightLog

REHEARSAL = SCALES["smoke"]


def stand_in(input_shape, num_classes, classifier_activation):
    """A network that every backend compiles in no time."""
    inputs = keras.Input(input_shape)
    x = keras.layers.AveragePooling2D(input_shape[0] // 4)(inputs)
    x = keras.layers.Dense(num_classes, activation=classifier_activation)(keras.layers.Flatten()(x))
    return keras.Model(inputs, x)


@pytest.fixture
def eager_tensorflow():
    """Two steps are done sooner than TensorFlow has traced one."""
    if BACKEND != "tensorflow":
        yield
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


REHEARSED = [recipe for recipe in recipes.RECIPES if REHEARSAL.shortened(recipe).runnable]


def first_of(key):
    """The first of the recipes that can be rehearsed of each kind, a kind being what `key` says of a recipe."""
    found = {}
    for recipe in REHEARSED:
        found.setdefault(key(recipe), recipe)
    return list(found.values())


def way(recipe):
    """What the compiled step depends on; rates and sizes are only numbers in it."""
    K = CATALOG[recipe.dataset].num_classes
    loss = re.sub(r"[1-9]\d*(\.\d+)?|0\.\d+", "", recipe.loss)
    steps = (recipe.optimizer, recipe.nesterov, recipe.clip_norm, recipe.weight_decay == 0, recipe.l1 == 0)
    return K, loss, recipe.moving, steps


@functools.cache
def images(dataset):
    arrays = data.generated(dataset, 16, 1)
    index = np.arange(16)
    targets = {"label": arrays.y_train, "index": index, "clean": arrays.y_train}
    return {"x": arrays.x_train / np.float32(255), "y": targets, "batch_size": 8}, arrays.num_classes


#: PyTorch compiles nothing, and takes them all; the deep networks, whose step compiles for long, it takes alone. They
#: are built and compared with PyTorch's on every backend (tests/models).
WAYS, NETWORKS = first_of(way), first_of(lambda recipe: recipe.network)
NETWORKS = [recipe for recipe in NETWORKS if recipe.network != "wide_resnet101"]  # a resnet50 of five times its weights
if BACKEND != "torch":
    WAYS = in_turn(WAYS)[::2]
    NETWORKS = in_turn(recipe for recipe in NETWORKS if recipe.network in ("cnn4", "cnn8", "mlp1024", "resnet18"))


@pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run_functions_eagerly`")
@pytest.mark.parametrize("recipe", WAYS, ids=lambda recipe: recipe.name)
def test_every_way_of_training_takes_two_steps(recipe, tmp_path, eager_tensorflow):
    small = REHEARSAL.shortened(recipe)
    if recipe.algorithm and recipe.build_algorithm().needs_views:  # these arrays are augmented by nobody
        small = small.changed(algorithm=f"{small.algorithm[:-1]}, augment=GaussianNoise(0.1))")
    arrays, K = images(small.dataset)
    learned = Task(arrays, {}, None, 16, arrays["x"].shape[1:], K, stand_in)
    keras.utils.set_random_seed(1)
    before = [weight.numpy() for weight in learned.model().weights]
    model, history, logger = train(learned, method(small), 1, tmp_path)
    assert np.isfinite(history.history["loss"]).all()
    assert any(not np.array_equal(old, new.numpy()) for old, new in zip(before, model.model.weights, strict=True))
    records = logger.log().epoch(0)
    assert np.array_equal(np.unique(records["step"]), [0, 1])
    assert np.isfinite(records["loss"]).all()


@pytest.mark.parametrize("recipe", NETWORKS, ids=lambda recipe: recipe.network)
def test_every_network_takes_two_steps(recipe, tmp_path):
    report = recipes.run(recipe, scale="smoke", folder=tmp_path / "run", console=Console(quiet=True))
    (result,) = report.results.values()
    assert 0 <= result["last"] <= 1
    records = WeightLog(tmp_path / "run" / f"seed-{recipe.seed}" / "weights").epoch(0)
    assert np.isfinite(records["loss"]).all()


@pytest.mark.parametrize(
    "recipe",
    in_turn(first_of(lambda recipe: (recipe.dataset, recipe.augmentation))),
    ids=lambda recipe: f"{recipe.dataset}, {recipe.augmentation}",
)
def test_every_preparation_of_images_is_learned_from(recipe, tmp_path):
    small = REHEARSAL.shortened(recipe)
    learned = dataclasses.replace(task(small, REHEARSAL, seed=1), network=stand_in)
    _, history, logger = train(learned, method(small), 1, tmp_path)
    assert np.isfinite(history.history["val_accuracy"]).all()
    log = logger.log()
    assert np.isfinite(log.epoch(0)["loss"]).all()
    if learned.labels is not None:
        assert np.array_equal(log.labels, learned.labels.noisy)
        assert np.array_equal(log.clean, learned.labels.clean)


@once
def test_every_recipe_has_its_optimizer():
    for recipe in map(REHEARSAL.shortened, REHEARSED):
        config = method(recipe).optimizer().get_config()
        assert config["learning_rate"] == pytest.approx(recipe.learning_rate)
        assert config["weight_decay"] == recipe.weight_decay
        assert config["global_clipnorm"] == recipe.clip_norm
        if recipe.optimizer == "adam":
            assert (config["beta_1"], config["beta_2"], config["epsilon"]) == (0.9, 0.999, 1e-8)
            continue
        assert config["momentum"] == recipe.momentum
        assert config["nesterov"] == recipe.nesterov


@once
@pytest.mark.parametrize("dataset", ["mnist", "cifar10", "cifar100"])
def test_every_noise_of_the_table_is_drawn(dataset):
    K = {"cifar100": 100}.get(dataset, 10)
    # Enough of each class for an exact count of one of 99 others.
    labels = np.arange(500 * K) % K
    features = np.random.default_rng(0).normal(size=(len(labels), 8))
    drawn = [r for r in recipes.find(dataset=dataset) if r.noise and not r.noise.startswith("human")]
    for recipe in {(r.noise, r.exact_noise): r for r in drawn}.values():
        options = {"exact": recipe.exact_noise, "dataset": dataset, "features": features}
        noise = draw(recipe.noise, labels, K, recipe.seed, **options)
        assert noise.spec == recipe.noise
        assert noise.exact == recipe.exact_noise
        nominal = float(recipe.noise.rpartition(":")[2])
        assert 0.2 * nominal < noise.rate < 1.2 * nominal


def test_an_initializer_draws_all_kernels_and_biases_begin_at_zero():
    row = recipes.get("logit-bias/fashion_mnist/clean/ce").changed(network="cnn4", augmentation=None)
    build = task(REHEARSAL.shortened(row), REHEARSAL, seed=1).network
    keras.utils.set_random_seed(1)
    model = build((28, 28, 1), 10, classifier_activation=None)
    layers = [layer for layer in model.layers if hasattr(layer, "kernel")]
    largest = max(layers, key=lambda layer: np.size(layer.kernel))
    fan_in = np.prod(largest.kernel.shape[:-1])
    assert np.std(largest.kernel.numpy()) == pytest.approx((2 / fan_in) ** 0.5, rel=0.02)
    # Not cut off at two standard deviations, as Keras' HeNormal is.
    assert np.abs(largest.kernel.numpy()).max() > 3 * (2 / fan_in) ** 0.5
    assert all(layer.bias is None or not np.any(layer.bias.numpy()) for layer in layers)


@once
def test_a_quarter_of_the_epochs_with_the_same_course_of_the_rate():
    quick = SCALES["quick"].shortened
    whole = recipes.get("anl/cifar10/symmetric:0.4/anl-ce")
    assert quick(whole).epochs == 30
    assert quick(whole).rate(15) == pytest.approx(whole.rate(60))
    whole = recipes.get("anl/mini_webvision/real/ce")
    assert quick(whole).epochs == 63
    assert quick(whole).rate(63) == pytest.approx(whole.rate(250))
    whole = recipes.get("apl/clothing1m/real/ce").changed(epochs=20, boundaries=(8, 12))
    assert quick(whole).boundaries == (2, 3)
    assert SCALES["full"].shortened(whole) == whole


@once
def test_what_a_rehearsal_fills_in():
    filled = REHEARSAL.shortened(recipes.get("logit-bias/webvision/real/mae-star"))
    assert filled.runnable
    assert (filled.epochs, filled.batch_size, filled.schedule) == (1, 8, "steps")
    filled = REHEARSAL.shortened(recipes.get("dal/cifar100/instance:0.4/gjs"))
    assert (filled.network, filled.schedule, filled.missing) == ("cnn4", "cosine", ())
    assert REHEARSAL.shortened(recipes.get("logit-bias/cifar10/clean/symce/mlp1024")).missing == ("loss",)
    human = REHEARSAL.shortened(recipes.find(noise="human:cifar100n")[0])
    assert (human.dataset, human.noise) == ("cifar100", "symmetric:0.4")
