"""Co-teaching against its formula in numpy: each network learns on the choice of the other."""

import keras
import numpy as np
import pytest
from harness import once
from steps import LOSSES, RATE, WEIGHTS, N, X, Y, assert_step, cross_entropy, dal, logits, network, networks, smallest

import keras_robust as kr
from keras_robust.algorithms import CoTeaching
from keras_robust.schedules import DALBootstrapping, DALExponent


def pair(kind=CoTeaching, **keywords):
    first, second = networks(2)
    return kind(first, second=second, **{"forget_rate": 0.4, "gradual": 0, **keywords})


@pytest.mark.parametrize("name", LOSSES)
def test_a_step_is_that_of_the_formula(name):
    make, loss = LOSSES[name]
    of_first, of_second = (smallest(loss(logits(weights), Y), 0.28) for weights in WEIGHTS)
    assert set(of_first) != set(of_second)

    def objective(weights):
        first, second = (loss(logits(one), Y) for one in weights)
        return first[of_second].mean() + second[of_first].mean()

    assert_step(pair(forget_rate=0.28), objective, make())


def test_each_learns_on_the_choice_of_the_other():
    """A feature that only one sample has moves its weights if, and only if, the other network chose the sample."""
    x = np.eye(N, dtype="float32")  # a row of the kernel for each sample
    weights = [(np.random.default_rng(seed).normal(size=(N, 3)).astype("float32"), np.zeros(3)) for seed in (1, 2)]
    models = [keras.Sequential([keras.Input((N,)), keras.layers.Dense(3)]) for _ in weights]
    for one, values in zip(models, weights, strict=True):
        one.set_weights(values)
    model = CoTeaching(models[0], forget_rate=0.5, gradual=0, second=models[1])
    model.compile(keras.optimizers.SGD(RATE), kr.CE(from_logits=True))
    model.train_on_batch(x, Y)
    for one, (kernel, _), (other, _) in zip(models, weights, weights[::-1], strict=True):
        moved = np.flatnonzero((one.get_weights()[0] != kernel).any(axis=-1))
        assert np.array_equal(moved, np.sort(smallest(cross_entropy(other.astype("float64"), Y), 0.5)))


@once
def test_without_forgetting_two_networks_train_alone():
    model = pair(forget_rate=0.0)
    model.compile(keras.optimizers.Adam(0.1), kr.ANLCE(from_logits=True))
    model.fit(X, Y, batch_size=3, epochs=3, shuffle=False, verbose=0)
    for trained, weights in zip((model.model, model.second), WEIGHTS, strict=True):
        alone = network(weights)
        alone.compile(keras.optimizers.Adam(0.1), kr.ANLCE(from_logits=True))
        alone.fit(X, Y, batch_size=3, epochs=3, shuffle=False, verbose=0)
        for found, expected in zip(trained.get_weights(), alone.get_weights(), strict=True):
            assert np.allclose(found, expected, atol=1e-6)


def test_the_loss_of_each_epoch_while_rate_and_loss_move():
    epochs = 4
    model = pair(forget_rate=0.5, gradual=3, exponent=2.0)
    model.compile(keras.optimizers.SGD(0.0), kr.DAL(from_logits=True))
    schedule = kr.callbacks.DALSchedule(0.2, 1.6)
    history = model.fit(X, Y, batch_size=4, epochs=epochs, shuffle=False, verbose=0, callbacks=[schedule]).history
    assert np.allclose(history["forget_rate"], [0.0, 0.125, 0.25, 0.5])
    q, lam = DALExponent(0.2, 1.6), DALBootstrapping(0.2, 1.6, 1.0)
    for epoch, told in enumerate(history["loss"]):
        losses = [dal(logits(weights), Y, q(epoch, epochs), lam(epoch, epochs)) for weights in WEIGHTS]
        rate, total = [0.0, 0.125, 0.25, 0.5][epoch], 0.0
        for part in (slice(0, 4), slice(4, N)):
            first, second = (one[part] for one in losses)
            size = max(1, int((1 - rate) * len(first)))
            total += len(first) * (first[np.argsort(second)[:size]].mean() + second[np.argsort(first)[:size]].mean())
        assert np.isclose(told, total / N, rtol=1e-5)


def test_sample_weights_and_the_class_to_ignore():
    weight = np.linspace(0.5, 2.0, N).astype("float32")
    weight[:2] = 0.0
    counted = np.flatnonzero((weight > 0) & (Y != 1))
    chosen = [counted[smallest(cross_entropy(logits(weights), Y)[counted], 0.4)] for weights in WEIGHTS]

    def objective(weights):
        losses = [weight * cross_entropy(logits(one), Y) for one in weights]
        return sum(one[places].mean() for one, places in zip(losses, chosen[::-1], strict=True))

    assert_step(pair(), objective, kr.CE(from_logits=True, ignore_class=1), sample_weight=weight)


@once
def test_arguments():
    for name, value in (("forget_rate", 1.0), ("gradual", -1), ("exponent", 0.0)):
        with pytest.raises(ValueError, match=f"`{name}` of CoTeaching must be"):
            pair(**{name: value})
