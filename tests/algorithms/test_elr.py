"""Early-learning regularization against its formula in numpy."""

import keras
import numpy as np
import pytest
from steps import INDEX, LOSSES, WEIGHTS, K, N, X, Y, assert_step, log_softmax, logits, networks, numpy, targets

import keras_robust as kr
from keras_robust.algorithms import ELR


def clipped(z, clip=1e-4):
    return np.clip(np.exp(log_softmax(z)), clip, 1 - clip)


def normalized(p):
    return p / p.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("name", LOSSES)
def test_a_step_is_that_of_the_formula(name):
    make, loss = LOSSES[name]
    memory = (1 - 0.7) * normalized(clipped(logits(WEIGHTS[0])))

    def objective(weights):
        z = logits(weights[0])
        return loss(z, Y).mean() + 3.0 * np.log(1 - (memory * clipped(z)).sum(axis=-1)).mean()

    model = ELR(*networks(), num_samples=N, num_classes=K)
    assert_step(model, objective, make())
    assert np.allclose(numpy(model.targets)[INDEX], memory, atol=1e-6)
    assert not numpy(model.targets)[N].any()


def test_the_memory_of_a_network_that_stays_is_a_geometric_sum():
    model = ELR(*networks(), num_samples=N + 2, num_classes=K, beta=0.9)
    model.compile(keras.optimizers.SGD(0.0), kr.CE(from_logits=True))
    model.fit(X, targets(), batch_size=3, epochs=5, verbose=0)
    expected = (1 - 0.9**5) * normalized(clipped(logits(WEIGHTS[0])))
    assert np.allclose(numpy(model.targets)[INDEX], expected, atol=1e-6)
    assert not numpy(model.targets)[N:].any()


def test_saturated_logits_have_finite_gradients():
    [network] = networks()
    network.set_weights([100 * one for one in WEIGHTS[0]])
    model = ELR(network, num_samples=N, num_classes=K)
    model.compile(keras.optimizers.SGD(0.1), kr.CE(from_logits=True))
    model.fit(X, targets(), epochs=2, verbose=0)
    assert all(np.isfinite(one).all() for one in network.get_weights())


def test_what_counts_for_nothing_is_not_written():
    model = ELR(*networks(), num_samples=N, num_classes=K)
    model.compile(keras.optimizers.SGD(0.0), kr.CE(from_logits=True, ignore_class=1))
    weight = np.ones(N, "float32")
    weight[0] = 0.0
    model.fit(X, targets(), sample_weight=weight, verbose=0)
    untouched = (np.arange(N) == 0) | (Y == 1)
    assert np.array_equal(numpy(model.targets)[INDEX].any(axis=-1), ~untouched)


def test_refusals():
    [network] = networks()
    with pytest.raises(ValueError, match="`num_classes` of ELR must be 3, the outputs of the model"):
        ELR(network, num_samples=N, num_classes=4)
    with pytest.raises(ValueError, match="`beta` of ELR"):
        ELR(network, num_samples=N, num_classes=K, beta=1.0)
    model = ELR(network, num_samples=3, num_classes=K)
    model.compile("sgd", kr.CE(from_logits=True))
    with pytest.raises(ValueError, match=r"outside \[0, 3\), the numbers that num_samples=3 of ELR allows"):
        model.fit(X, targets(), verbose=0)
    with pytest.raises(ValueError, match="`index` of ELR must be given"):
        model.fit(X, Y, verbose=0)
