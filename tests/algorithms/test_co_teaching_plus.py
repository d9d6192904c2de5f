"""Co-teaching+ against its formula in numpy: among the samples that the two networks disagree on."""

import keras
import numpy as np
import pytest
from harness import once
from steps import LOSSES, WEIGHTS, N, X, Y, assert_step, cross_entropy, logits, network, networks, smallest

import keras_robust as kr
from keras_robust.algorithms import CoTeaching, CoTeachingPlus


def pair(start=0, kind=CoTeachingPlus, **keywords):
    first, second = networks(2)
    keywords |= {"start": start} if kind is CoTeachingPlus else {}
    return kind(first, second=second, **{"forget_rate": 0.4, "gradual": 0, **keywords})


def disagreed_on(weights):
    first, second = (logits(one).argmax(axis=-1) for one in weights)
    return np.flatnonzero(first != second)


@pytest.mark.parametrize("name", LOSSES)
def test_a_step_is_that_of_the_formula(name):
    make, loss = LOSSES[name]
    places = disagreed_on(WEIGHTS)
    assert 2 < len(places) < N
    chosen = [places[smallest(loss(logits(weights), Y)[places], 0.4)] for weights in WEIGHTS]

    def objective(weights):
        first, second = (loss(logits(one), Y) for one in weights)
        return first[chosen[1]].mean() + second[chosen[0]].mean()

    assert_step(pair(), objective, make())


def test_without_disagreement_it_is_the_mean_over_the_batch():
    """Three times the logits have the same largest one. A sample that counts for nothing may well be disagreed on."""
    kernel, bias = WEIGHTS[0]
    weights = [WEIGHTS[0], (3 * kernel, 3 * bias)]
    assert not len(disagreed_on(weights))
    models = [network(one) for one in weights]
    model = CoTeachingPlus(models[0], forget_rate=0.4, gradual=0, start=0, second=models[1])

    def objective(weights):
        return sum(cross_entropy(logits(one), Y).mean() for one in weights)

    assert_step(model, objective, kr.CE(from_logits=True), weights=weights)


def test_what_counts_for_nothing_is_no_disagreement():
    weight = np.ones(N, "float32")
    weight[disagreed_on(WEIGHTS)] = 0.0

    def objective(weights):
        return sum(cross_entropy(logits(one), Y)[weight > 0].mean() for one in weights)

    assert_step(pair(), objective, kr.CE(from_logits=True), sample_weight=weight)


@once
def test_before_it_starts_it_is_co_teaching():
    trained = []
    for kind in (CoTeaching, CoTeachingPlus):
        model = pair(2, kind)
        model.compile(keras.optimizers.SGD(0.1), kr.CE(from_logits=True))
        histories = [model.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0).history]
        trained.append((model.model.get_weights(), model.second.get_weights()))
        histories.append(model.fit(X, Y, batch_size=4, epochs=4, initial_epoch=2, shuffle=False, verbose=0).history)
    assert all(np.array_equal(*both) for both in zip(*map(np.hstack, map(flat, trained)), strict=True))
    assert [history["disagreement"] for history in histories] == [[0.0, 0.0], [1.0, 1.0]]


def flat(weights):
    return [np.ravel(one) for pair in weights for one in pair]
