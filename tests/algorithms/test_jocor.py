"""JoCoR against its formula in numpy."""

import keras
import numpy as np
import pytest
from harness import once, value_and_gradient
from steps import LOSSES, WEIGHTS, N, X, Y, assert_step, cross_entropy, dal, log_softmax, logits, networks, smallest

import keras_robust as kr
from keras_robust.algorithms import JoCoR
from keras_robust.algorithms.jocor import two_way_divergence
from keras_robust.schedules import DALBootstrapping, DALExponent


def divergence(p, q):
    return (np.exp(p) * (p - q)).sum(axis=-1)


def joint(loss, weights, lam):
    first, second = (logits(one) for one in weights)
    p, q = log_softmax(first), log_softmax(second)
    return (1 - lam) * (loss(first, Y) + loss(second, Y)) + lam * (divergence(p, q) + divergence(q, p))


def pair(**keywords):
    first, second = networks(2)
    return JoCoR(first, second=second, **{"forget_rate": 0.4, "gradual": 0, **keywords})


@pytest.mark.parametrize("name", LOSSES)
def test_a_step_is_that_of_the_formula(name):
    make, loss = LOSSES[name]
    chosen = smallest(joint(loss, WEIGHTS, 0.65), 0.4)
    assert_step(pair(lam=0.65), lambda weights: joint(loss, weights, 0.65)[chosen].mean(), make())


def test_sample_weights_and_the_class_to_ignore():
    weight = np.linspace(0.5, 2.0, N).astype("float32")
    weight[:2] = 0.0
    counted = np.flatnonzero((weight > 0) & (Y != 1))
    chosen = counted[smallest(joint(cross_entropy, WEIGHTS, 0.9)[counted], 0.4)]

    def objective(weights):
        return (weight * joint(cross_entropy, weights, 0.9))[chosen].mean()

    assert_step(pair(), objective, kr.CE(from_logits=True, ignore_class=1), sample_weight=weight)


def test_the_loss_of_each_epoch_while_rate_and_loss_move():
    epochs = 3
    model = pair(forget_rate=0.5, gradual=3, lam=0.65)
    model.compile(keras.optimizers.SGD(0.0), kr.DAL(from_logits=True))
    schedule = kr.callbacks.DALSchedule(0.2, 1.6)
    history = model.fit(X, Y, batch_size=4, epochs=epochs, shuffle=False, verbose=0, callbacks=[schedule]).history
    assert np.allclose(history["forget_rate"], [0.0, 0.25, 0.5])
    q, lam = DALExponent(0.2, 1.6), DALBootstrapping(0.2, 1.6, 1.0)
    for epoch, told in enumerate(history["loss"]):
        numbers = q(epoch, epochs), lam(epoch, epochs)
        values = joint(lambda z, y, numbers=numbers: dal(z, y, *numbers), WEIGHTS, 0.65)
        batches = values[:4], values[4:]
        means = [part[smallest(part, history["forget_rate"][epoch])].mean() for part in batches]
        assert np.isclose(told, (4 * means[0] + 3 * means[1]) / N, rtol=1e-5)


@once
def test_the_networks_may_be_exchanged():
    trained = []
    for order in (slice(None), slice(None, None, -1)):
        first, second = networks(2)[order]
        model = JoCoR(first, forget_rate=0.4, second=second)
        model.compile(keras.optimizers.SGD(0.1), kr.CE(from_logits=True))
        history = model.fit(X, Y, batch_size=4, epochs=3, shuffle=False, verbose=0).history
        found = [model.model.get_weights(), model.second.get_weights()][order]
        trained.append([*found[0], *found[1], np.array(history["loss"])])
    assert all(np.allclose(*both, rtol=1e-5, atol=1e-7) for both in zip(*trained, strict=True))


def test_divergence_of_extreme_logits():
    class Apart(kr.RobustLoss):
        def call(self, y_true, y_pred):
            return two_way_divergence(y_pred, np.zeros((2, 3), "float32"))

    z = np.array([[1e4, 0.0, -1e4], [-1e4, -1e4, 1e4]], "float32")
    value, gradient = value_and_gradient(Apart(from_logits=True), np.zeros(2, "int32"), z)
    assert np.allclose(value, [1e4, 2 / 3 * 2e4], rtol=1e-3)
    assert np.isfinite(gradient).all()


@once
def test_arguments():
    for name, value in (("forget_rate", 1.0), ("lam", 1.1), ("gradual", -1)):
        with pytest.raises(ValueError, match=f"`{name}` of JoCoR must be"):
            pair(**{name: value})
