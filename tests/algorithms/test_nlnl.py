"""Negative learning against its formula in numpy, and the labels that it draws."""

import keras
import numpy as np
import pytest
from harness import assert_fits, once
from keras import ops
from steps import (
    INDEX,
    LOSSES,
    WEIGHTS,
    K,
    N,
    X,
    Y,
    assert_step,
    dal,
    log_softmax,
    logits,
    network,
    networks,
    numpy,
    targets,
)

import keras_robust as kr
from keras_robust.algorithms import NLNL
from keras_robust.schedules import DALBootstrapping, DALExponent

#: What the network said of the given labels at earlier visits: their mean is 0.1, 0.2, ... 0.7.
MEANS = np.linspace(0.1, 0.7, N)
NL, SEL_NL, SEL_PL = (1, 0, 0), (0, 1, 0), (0, 0, 1)


def model(**keywords):
    return NLNL(*networks(), num_samples=N, num_classes=K, **{"stages": NL, **keywords})


def remembering(**keywords):
    """A model that has seen each sample three times."""
    made = model(**keywords)
    rows = np.zeros((N + 1, 10), "float32")
    rows[INDEX, :3] = MEANS[:, None] + np.array([0.05, -0.05, 0.0])
    made.predicted.assign(rows)
    return made


def drawn_by(made, ids):
    return numpy(made.complementary(ops.convert_to_tensor(ids.astype("int32"))))


def negative(z, others):
    p = np.exp(log_softmax(z))
    return -np.log(1 - np.take_along_axis(p, others, axis=-1)).sum(axis=-1)


@pytest.mark.parametrize(("stages", "draws"), [(NL, 1), (NL, 5), (SEL_NL, 2)])
def test_a_negative_step_is_that_of_the_formula(stages, draws):
    others = drawn_by(model(draws=draws, seed=3), Y)
    sizes = 50 / np.array([50, 20, 30])
    taken = np.flatnonzero(MEANS > 1 / K) if stages == SEL_NL else np.arange(N)
    assert len(taken) == (4 if stages == SEL_NL else N)

    def objective(weights):
        return (sizes[Y] * negative(logits(weights[0]), others))[taken].mean()

    made = remembering(draws=draws, stages=stages, seed=3, class_counts=(50, 20, 30))
    assert_step(made, objective, kr.CE(from_logits=True))


@pytest.mark.parametrize("name", LOSSES)
def test_a_positive_step_is_that_of_the_formula(name):
    make, loss = LOSSES[name]
    taken = np.flatnonzero(MEANS > 0.5)
    assert len(taken) == 2
    made = remembering(stages=SEL_PL)
    assert_step(made, lambda weights: loss(logits(weights[0]), Y)[taken].mean(), make())


def test_what_counts_for_nothing_is_neither_learned_nor_remembered():
    labels = np.where(Y == 1, 255, Y).astype("int32")
    weight = np.linspace(0.5, 2.0, N).astype("float32")
    weight[0] = 0.0
    others = drawn_by(model(), Y)
    kept = (Y != 1) & (weight > 0)

    def objective(weights):
        return (weight * negative(logits(weights[0]), others))[kept].mean()

    made = model()
    loss = kr.CE(from_logits=True, ignore_class=255)
    assert_step(made, objective, loss, y={"label": labels, "index": INDEX}, sample_weight=weight)
    assert np.array_equal(numpy(made.predicted)[INDEX].any(axis=-1), kept)


@pytest.mark.parametrize("stages", [SEL_NL, SEL_PL])
def test_where_nothing_is_taken_nothing_changes(stages):
    """As in the first epoch of a training that begins with a selective stage."""
    assert_step(model(stages=stages), lambda weights: 0.0, kr.CE(from_logits=True))


def test_saturated_logits_have_finite_gradients():
    made = NLNL(network([1e4 * one for one in WEIGHTS[0]]), num_samples=N, num_classes=K, draws=4, stages=NL)
    made.compile(keras.optimizers.SGD(0.1), kr.CE(from_logits=True))
    told = made.train_on_batch(X, targets())
    assert np.isfinite(float(told))
    assert all(np.isfinite(one).all() for one in made.model.get_weights())


def test_what_is_remembered_is_what_was_said_at_the_last_ten_visits():
    made = model(stages=(4, 9, 1))
    made.compile(keras.optimizers.SGD(0.5), kr.CE(from_logits=True))
    said = []

    class Said(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):  # an epoch of one step
            p = np.exp(log_softmax(logits(made.model.get_weights())))
            said.append(p[np.arange(N), Y])

    made.fit(X, targets(), batch_size=N, epochs=13, verbose=0, callbacks=[Said()])
    assert len(said) == 13
    assert np.abs(said[3] - said[12]).max() > 0.1
    assert np.allclose(numpy(made.predicted)[INDEX], np.array(said[:2:-1]).T, atol=1e-5)


def test_the_loss_of_each_epoch_while_stage_and_loss_move():
    """At learning rate 0 what is believed is what is said, so that each stage takes what the formula takes."""
    epochs, z = 4, logits(WEIGHTS[0])
    p = np.exp(log_softmax(z))[np.arange(N), Y]
    bars = {1: -1.0, 2: 1 / K, 3: 0.5}
    assert N > (p > 1 / K).sum() > (p > 0.5).sum() > 0
    made, same = model(stages=(1, 1, 2)), model(stages=(1, 1, 2))
    made.compile(keras.optimizers.SGD(0.0), kr.DAL(from_logits=True))
    schedule = kr.callbacks.DALSchedule(0.2, 1.6)
    told = made.fit(X, targets(), batch_size=4, epochs=epochs, shuffle=False, verbose=0, callbacks=[schedule]).history
    assert told["stage"] == [1, 2, 3, 3]
    q, lam = DALExponent(0.2, 1.6), DALBootstrapping(0.2, 1.6, 1.0)
    for epoch, stage in enumerate(told["stage"]):
        same.begin_epoch(epoch)
        total = 0.0
        for part in (slice(0, 4), slice(4, N)):
            if stage == 3:
                losses = dal(z[part], Y[part], q(epoch, epochs), lam(epoch, epochs))
            else:
                losses = negative(z[part], drawn_by(same, Y[part]))
            taken = p[part] > bars[stage]
            total += len(losses) * (losses[taken].mean() if taken.any() else 0.0)
        assert np.isclose(told["loss"][epoch], total / N, rtol=1e-5)


@once
def test_drawn_labels_are_uniform_over_the_others():
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(7)])
    made = NLNL(network, num_samples=1, num_classes=7, draws=3)
    ids = np.arange(7000) % 7
    counts = np.zeros((7, 7))
    drawn = []
    for _ in range(3):
        drawn.append(drawn_by(made, ids))
        np.add.at(counts, (ids[:, None], drawn[-1]), 1)
    assert_fits(counts, (1 - np.eye(7)) / 6)
    assert len({one.tobytes() for one in drawn}) == 3
    for epoch, same in ((0, True), (1, False)):
        made.begin_epoch(epoch)
        assert np.array_equal(drawn_by(made, ids), drawn[0]) == same


@once
def test_stages():
    def of(*stages):
        return [model(stages=stages).stage(epoch, 6)["stage"] for epoch in range(6)]

    assert of(2, 1, 2) == [1, 1, 2, 3, 3, 3]
    assert of(1, 0, 0) == [1] * 6
    assert of(2, 0, 1) == [1, 1, 3, 3, 3, 3]
    assert of(0, 2, 0) == [2] * 6


@once
def test_arguments():
    wrong = {
        "draws": [0],
        "stages": [(0, 0, 0), (1, 1), 3, (1, -1, 0)],
        "class_counts": [(1, 2), (0, 0, 0)],
        "num_classes": [4],
    }
    for name, values in wrong.items():
        for value in values:
            with pytest.raises(ValueError, match=f"`{name}` of NLNL must be"):
                NLNL(*networks(), **{"num_samples": N, "num_classes": K, name: value})
