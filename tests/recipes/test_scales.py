"""Every recipe builds and trains; scales shorten what they should."""

import dataclasses
import functools

import keras
import numpy as np
import pytest
from rich.console import Console

from keras_robust import data, recipes
from keras_robust.recipes.scales import SCALES, method
from keras_robust.trainer import Task, train
from keras_robust.weight_log import WeightLog

REHEARSAL = SCALES["smoke"]


def stand_in(input_shape, num_classes, classifier_activation):
    """A network that every backend compiles in no time."""
    inputs = keras.Input(input_shape)
    x = keras.layers.AveragePooling2D(input_shape[0] // 4)(inputs)
    x = keras.layers.Dense(num_classes, activation=classifier_activation)(keras.layers.Flatten()(x))
    return keras.Model(inputs, x)


def trainings():
    """A recipe for every way of training in the table: those that differ in more than noise and name."""
    untrained = ("paper", "label", "noise", "exact_noise", "seed", "source", "table", "expected", "contested")
    found = {}
    for recipe in recipes.RECIPES:
        found.setdefault(tuple(v for k, v in dataclasses.asdict(recipe).items() if k not in untrained), recipe)
    return found.values()


def networks():
    found = {}
    for recipe in recipes.RECIPES:
        found.setdefault((recipe.network, recipe.dataset, recipe.augmentation), recipe)
    return found.values()


@functools.cache
def images(dataset):
    arrays = data.generated(dataset, 16, 1)
    index = np.arange(16)
    targets = {"label": arrays.y_train, "index": index, "clean": arrays.y_train}
    return {"x": arrays.x_train / np.float32(255), "y": targets, "batch_size": 8}, arrays.num_classes


def test_the_table_has_as_many_ways_as_it_should():
    assert len(trainings()) > 150
    assert len(networks()) >= 13


@pytest.mark.parametrize("recipe", trainings(), ids=lambda recipe: recipe.name)
def test_every_way_of_training_takes_two_steps(recipe, tmp_path):
    small = REHEARSAL.shortened(recipe)
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


@pytest.mark.parametrize("recipe", networks(), ids=lambda recipe: f"{recipe.network}, {recipe.dataset}")
def test_every_network_takes_two_steps(recipe, tmp_path):
    report = recipes.run(recipe, scale="smoke", folder=tmp_path / "run", console=Console(quiet=True))
    (result,) = report.results.values()
    assert 0 <= result["last"] <= 1
    records = WeightLog(tmp_path / "run" / f"seed-{recipe.seed}" / "weights").epoch(0)
    assert np.isfinite(records["loss"]).all()


@pytest.mark.parametrize("dataset", sorted({recipe.dataset for recipe in recipes.RECIPES}))
def test_every_noise_of_the_table_is_drawn(dataset):
    found = {
        (r.noise, r.exact_noise): r for r in recipes.find(dataset=dataset) if not (r.noise or "").startswith("hum")
    }
    for recipe in found.values():
        if recipe.noise is None:
            continue
        arrays = data.generated(dataset, 2000, 10)
        noise = data.load(dataset, recipe.noise, arrays=arrays, exact=recipe.exact_noise, seed=recipe.seed).noise
        assert noise.spec == recipe.noise
        assert noise.exact == recipe.exact_noise
        nominal = float(recipe.noise.rpartition(":")[2])
        assert 0.2 * nominal < noise.rate < 1.2 * nominal


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


def test_what_a_rehearsal_fills_in():
    lacking = recipes.get("logit-bias/webvision/real/mae-star")
    filled = REHEARSAL.shortened(lacking)
    assert filled.runnable
    assert (filled.epochs, filled.batch_size, filled.schedule) == (1, 8, "cosine")
    human = REHEARSAL.shortened(recipes.find(noise="human:cifar100n")[0])
    assert (human.dataset, human.noise) == ("cifar100", "symmetric:0.4")


def test_the_optimizer_is_the_recipe_s():
    recipe = recipes.get("anl/mini_webvision/real/ce")
    config = method(recipe).optimizer().get_config()
    expected = {"learning_rate": 0.4, "momentum": 0.9, "nesterov": True, "weight_decay": 3e-5, "global_clipnorm": 5.0}
    assert {name: pytest.approx(config[name]) for name in expected} == expected
