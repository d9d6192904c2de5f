"""Two views and the generalized Jensen-Shannon loss against its formula in numpy."""

import keras
import numpy as np
import pytest
from harness import once
from steps import (
    LOSSES,
    RATE,
    WEIGHTS,
    K,
    N,
    X,
    Y,
    assert_resumed_is_whole,
    assert_step,
    log_softmax,
    logits,
    networks,
    numpy,
)

import keras_robust as kr
from keras_robust.algorithms import GJS
from keras_robust.catalog import ImageRecipe
from keras_robust.data.preprocessing import Preprocessing

RNG = np.random.default_rng(2)
OTHER = X[::-1] + RNG.normal(size=X.shape).astype("float32")
RECIPE = ImageRecipe("of tests", (0.5,), (0.25,), "none", shift=2, flip=True)
BOTH = {"view_0": X, "view_1": OTHER}


def probabilities(z):
    return np.exp(log_softmax(z))


def divergence(p, q):
    """KL(p || q), 0 log 0 = 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p > 0, p * np.log(p / q), 0.0).sum(axis=-1)


def gjs(p2, p3, pi):
    """Englesson & Azizpour 2021, Eq. 4: of the label and two predictions, scaled."""
    parts = (np.eye(K)[Y], p2, p3)
    m = sum(w * p for w, p in zip(pi, parts, strict=True))
    return sum(w * divergence(p, m) for w, p in zip(pi, parts, strict=True)) / (-(1 - pi[0]) * np.log(1 - pi[0]))


@pytest.mark.parametrize("pi", [(0.3, 0.35, 0.35), (0.7, 0.2, 0.1)])
def test_with_js_it_is_the_divergence_of_three_distributions(pi):
    def objective(weights):
        return gjs(probabilities(logits(weights[0])), probabilities(logits(weights[0], OTHER)), pi).mean()

    assert_step(GJS(*networks(), pi=pi), objective, kr.JS(pi=pi[0], from_logits=True), x=BOTH)


@pytest.mark.parametrize("name", LOSSES)
def test_a_step_is_that_of_the_formula(name):
    make, loss = LOSSES[name]
    weight = np.linspace(0.0, 2.0, N).astype("float32")

    def objective(weights):
        p2, p3 = probabilities(logits(weights[0])), probabilities(logits(weights[0], OTHER))
        mean = (p2 + p3) / 2
        consistency = (divergence(p2, mean) + divergence(p3, mean)) / 2 / -np.log(0.7)
        return (weight * (loss(np.log(mean), Y) + consistency)).mean()

    assert_step(GJS(*networks()), objective, make(), x=BOTH, sample_weight=weight)


def test_equal_views_give_the_loss_alone():
    def objective(weights):
        z = logits(weights[0])
        return LOSSES["CE"][1](z, Y).mean()

    same = keras.layers.Identity()
    assert_step(GJS(*networks(), augment=same), objective, kr.CE(from_logits=True))


def test_saturated_views_have_finite_gradients():
    [network] = networks()
    network.set_weights([300 * one for one in WEIGHTS[0]])
    model = GJS(network)
    model.compile(keras.optimizers.SGD(RATE), kr.JS(pi=0.3, from_logits=True))
    history = model.fit(BOTH, Y, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert all(np.isfinite(one).all() for one in network.get_weights())


def test_metrics_see_the_first_view_and_prediction_takes_both():
    [network] = networks()
    model = GJS(network)
    model.compile(keras.optimizers.SGD(0.0), kr.CE(from_logits=True), metrics=["accuracy"])
    history = model.fit(BOTH, Y, verbose=0)
    right = [(logits(WEIGHTS[0], x).argmax(axis=-1) == Y).mean() for x in (X, OTHER)]
    assert right[0] != right[1]
    assert np.isclose(history.history["accuracy"][0], right[0])
    assert np.allclose(model.predict(BOTH, verbose=0), logits(WEIGHTS[0]), atol=1e-5)
    assert np.array_equal(model.predict(BOTH, verbose=0), model.predict(X, verbose=0))
    assert np.isclose(model.evaluate(X, Y, verbose=0, return_dict=True)["accuracy"], right[0])


def images_and_model():
    images = (np.arange(N * 36) % 256).reshape(N, 6, 6, 1).astype("uint8")
    front = Preprocessing(RECIPE, seed=3)
    model = keras.Sequential(
        [keras.Input((6, 6, 1), dtype="uint8"), front, keras.layers.Flatten(), keras.layers.Dense(K)]
    )
    model.layers[-1].set_weights([0.1 * RNG.normal(size=(36, K)), np.zeros(K)])
    return images, front, model


def test_preprocessing_gives_two_views():
    images, front, network = images_and_model()
    kernel = numpy(network.layers[-1].kernel)
    front.begin(0)
    p = [probabilities(numpy(front(images, training=True)).reshape(N, -1) @ kernel) for _ in range(2)]
    model = GJS(network)
    model.compile(keras.optimizers.SGD(0.0), kr.JS(pi=0.3, from_logits=True))
    front.begin(0)
    assert np.isclose(model.train_on_batch(images, Y), gjs(*p, model.pi).mean(), rtol=1e-5)


@once
def test_the_saved_network_takes_images(tmp_path):
    images, _, network = images_and_model()
    model = GJS(network)
    model.compile(keras.optimizers.SGD(0.01), kr.CE(from_logits=True))
    model.fit(images, Y, verbose=0)
    model.save(tmp_path / "network.keras")
    found = keras.models.load_model(tmp_path / "network.keras").predict(images, verbose=0)
    assert np.allclose(found, model.predict({"view_0": images, "view_1": images}, verbose=0), atol=1e-5)


def test_a_resumed_run_is_that_of_one_piece(tmp_path):
    def started():
        model = GJS(*networks(), augment=keras.layers.GaussianNoise(1.0, seed=5))
        model.compile(keras.optimizers.SGD(RATE, momentum=0.9), kr.JS(pi=0.3, from_logits=True))
        return model

    assert_resumed_is_whole(started, tmp_path / "all.weights.h5")


@once
def test_refusals():
    [network] = networks()
    with pytest.raises(ValueError, match="`pi` of GJS must be three numbers greater than 0 with the sum 1"):
        GJS(network, pi=(0.5, 0.5))
    with pytest.raises(ValueError, match="`pi` of GJS"):
        GJS(network, pi=(1.0, 0.0, 0.0))
    with pytest.raises(ValueError, match="`augment` of GJS must be a Keras layer"):
        GJS(network, augment=np.flip)
    model = GJS(network)
    model.compile("sgd", kr.CE(from_logits=True))
    with pytest.raises(ValueError, match="GJS needs two views of each sample, and these inputs have one"):
        model.fit(X, Y, verbose=0)
    model = GJS(network, augment=keras.layers.Identity())
    model.compile("sgd", kr.CE(from_logits=True))
    with pytest.raises(ValueError, match="None where the data bring two views"):
        model.fit(BOTH, Y, verbose=0)
    with pytest.raises(ValueError, match="None: the model begins with data.Preprocessing"):
        GJS(images_and_model()[2], augment=keras.layers.Identity())


@once
def test_without_augmentation_preprocessing_gives_one_view():
    images = np.zeros((N, 6, 6, 1), "uint8")
    front = Preprocessing(RECIPE, augment=False)
    model = GJS(
        keras.Sequential([keras.Input((6, 6, 1), dtype="uint8"), front, keras.layers.Flatten(), keras.layers.Dense(K)])
    )
    model.compile("sgd", kr.CE(from_logits=True))
    with pytest.raises(ValueError, match="GJS needs two views"):
        model.fit(images, Y, verbose=0)
