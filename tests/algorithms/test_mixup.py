"""Mixup against its formula in numpy, with the draws of the step."""

import keras
import numpy as np
import pytest
from harness import once
from scipy import stats
from steps import LOSSES, RATE, K, N, X, Y, assert_resumed_is_whole, assert_step, logits, networks, numpy

import keras_robust as kr
from keras_robust.algorithms import Mixup
from keras_robust.algorithms.mixing import _beta_table, beta_quantile
from keras_robust.callbacks import SampleWeightLogger
from keras_robust.catalog import ImageRecipe
from keras_robust.data.draws import epoch_key, uniform
from keras_robust.data.preprocessing import Preprocessing


def drawn(alpha, seed=0, epoch=0, step=0, count=N):
    """lam and the partners of a step, from the uniform numbers that it draws."""
    draws = numpy(uniform(np.array([epoch_key(seed, epoch) + step, step]), (1 + count,)))
    return stats.beta(alpha, alpha).ppf(draws[0]), draws[1:].argsort()


@pytest.mark.parametrize("name", LOSSES)
def test_a_step_is_that_of_the_formula(name):
    make, loss = LOSSES[name]
    weight = np.linspace(0.0, 2.0, N).astype("float32")
    lam, partner = drawn(1.0, seed=3)
    assert 0.1 < lam < 0.9
    assert (partner != np.arange(N)).any()

    def objective(weights):
        z = logits(weights[0], lam * X + (1 - lam) * X[partner])
        return (lam * weight * loss(z, Y) + (1 - lam) * weight[partner] * loss(z, Y[partner])).mean()

    assert_step(Mixup(*networks(), seed=3), objective, make(), sample_weight=weight)


@once
def test_labels_may_be_soft():
    one_hot = np.eye(K, dtype="float32")[Y]
    given = []
    for y in (Y, one_hot, Y[:, None]):
        model = Mixup(*networks(), alpha=0.4, seed=1)
        model.compile(keras.optimizers.SGD(RATE), kr.CE(from_logits=True))
        model.fit(X, y, batch_size=3, epochs=2, shuffle=False, verbose=0)
        given.append(model.model.get_weights())
    for other in given[1:]:
        assert all(np.allclose(*pair, atol=1e-6) for pair in zip(given[0], other, strict=True))


def test_every_step_of_every_epoch_mixes_anew():
    """What was learned from: the label's term alone tells lam and the partner of a step."""
    expected = [[drawn(1.0, epoch=epoch, step=step) for step in range(3)] for epoch in range(2)]
    model = Mixup(*networks())
    model.compile(keras.optimizers.SGD(0.0), kr.CE(from_logits=True))
    for epoch in range(2):
        model.begin(epoch, 2)
        for step in range(3):
            lam, partner = expected[epoch][step]
            z = logits([numpy(one) for one in model.model.weights], lam * X + (1 - lam) * X[partner])
            loss = LOSSES["CE"][1]
            expected_loss = (lam * loss(z, Y) + (1 - lam) * loss(z, Y[partner])).mean()
            assert np.isclose(float(model.train_on_batch(X, Y)), expected_loss, rtol=1e-5)
    assert len({lam for epoch in expected for lam, _ in epoch}) == 6


@once
@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 4.0, 32.0, 3000.0])
def test_the_quantiles_are_those_of_beta(alpha):
    u = np.concatenate([[1 - 2.0**-24], np.random.default_rng(0).random(200), np.geomspace(2.0**-24, 0.5, 50)])
    u = u.astype("float32")
    found = np.array([float(beta_quantile(keras.ops.convert_to_tensor(one), alpha)) for one in u])
    assert np.abs(found - stats.beta(alpha, alpha).ppf(u.astype("float64"))).max() <= 1 / 4096
    places = np.arange(2049) / 4096
    assert np.allclose(_beta_table(alpha), stats.beta(alpha, alpha).cdf(places), rtol=1e-6, atol=1e-30)
    assert 0.0 <= float(beta_quantile(keras.ops.convert_to_tensor(0.0), alpha)) < found.min()


def test_a_resumed_run_is_that_of_one_piece(tmp_path):
    def started():
        model = Mixup(*networks(), alpha=0.4)
        model.compile(keras.optimizers.SGD(RATE, momentum=0.9), kr.CE(from_logits=True))
        return model

    assert_resumed_is_whole(started, tmp_path / "all.weights.h5")


@once
def test_images_are_mixed_after_their_preprocessing():
    images = np.arange(N * 36).reshape(N, 6, 6, 1).astype("uint8")
    front = Preprocessing(ImageRecipe("of tests", (0.5,), (0.25,), "none"))
    network = keras.Sequential(
        [keras.Input((6, 6, 1), dtype="uint8"), front, keras.layers.Flatten(), keras.layers.Dense(K)]
    )
    lam, partner = drawn(1.0)
    prepared = (images / 255.0 - 0.5) / 0.25
    z = logits(network.layers[-1].get_weights(), (lam * prepared + (1 - lam) * prepared[partner]).reshape(N, -1))
    loss = LOSSES["CE"][1]
    model = Mixup(network)
    model.compile(keras.optimizers.SGD(0.0), kr.CE(from_logits=True))
    found = model.train_on_batch(images, Y)
    assert np.isclose(float(found), (lam * loss(z, Y) + (1 - lam) * loss(z, Y[partner])).mean(), rtol=1e-4)


@once
def test_refusals(tmp_path):
    [network] = networks()
    with pytest.raises(ValueError, match="`alpha` of Mixup must be greater than 0"):
        Mixup(network, alpha=0.0)
    with pytest.raises(ValueError, match="`seed` of Mixup must be a whole number"):
        Mixup(network, seed=-1)
    model = Mixup(network)
    model.compile("sgd", kr.CE(from_logits=True))
    with pytest.raises(ValueError, match="`x` of Mixup must be floats"):
        model.fit(np.ones((N, 4), "uint8"), Y, verbose=0)
    targets = {"label": Y, "index": np.arange(N)}
    with pytest.raises(ValueError, match="Give SampleWeightLogger a `probe`"):
        model.fit(X, targets, callbacks=[SampleWeightLogger(tmp_path / "log", num_samples=N)], verbose=0)
    model.fit(X, targets, callbacks=[SampleWeightLogger(tmp_path / "log", probe=(X, targets))], verbose=0)
