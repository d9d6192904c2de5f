"""Small-loss selection against its formula in numpy: how many are kept, which, and what they cost."""

import keras
import numpy as np
import pytest
from harness import once
from keras import ops
from steps import LOSSES, WEIGHTS, N, X, Y, assert_step, cross_entropy, dal, logits, networks, numpy, smallest

import keras_robust as kr
from keras_robust.algorithms import SmallLoss
from keras_robust.schedules import DALBootstrapping, DALExponent


@pytest.mark.parametrize("name", LOSSES)
def test_a_step_is_that_of_the_formula(name):
    make, loss = LOSSES[name]
    chosen = smallest(loss(logits(WEIGHTS[0]), Y), 0.4)
    assert len(chosen) == 4
    model = SmallLoss(*networks(), forget_rate=0.4, gradual=0)
    assert_step(model, lambda weights: loss(logits(weights[0]), Y)[chosen].mean(), make())


def test_what_counts_for_nothing_is_never_kept():
    """Sample weights multiply the losses; a weight of 0 and the class to ignore take no place among the kept."""
    weight = np.linspace(0.5, 2.0, N).astype("float32")
    weight[:2] = 0.0
    values = cross_entropy(logits(WEIGHTS[0]), Y)
    counted = np.flatnonzero((weight > 0) & (Y != 1))
    chosen = counted[smallest(values[counted], 0.4)]
    assert len(chosen) == 2

    def objective(weights):
        return (weight * cross_entropy(logits(weights[0]), Y))[chosen].mean()

    model = SmallLoss(*networks(), forget_rate=0.4, gradual=0)
    assert_step(model, objective, kr.CE(from_logits=True, ignore_class=1), sample_weight=weight)


def test_a_batch_of_which_nothing_counts_changes_nothing():
    model = SmallLoss(*networks(), forget_rate=0.4, gradual=0)
    assert_step(model, lambda weights: 0.0, kr.CE(from_logits=True), sample_weight=np.zeros(N, "float32"))


@once
def test_how_many_are_kept_for_every_rate_in_hundredths():
    model = SmallLoss(*networks(), forget_rate=0.4)
    values = np.random.default_rng(0).permutation(512).astype("float32")
    grid = {(R, n) for R in range(100) for n in (1, 7, 100, 128, 256)}
    grid |= {(R, n) for R in (20, 29, 57, 60) for n in range(1, 257)}
    for R, n in grid:
        counts = np.zeros(512, bool)
        counts[np.random.default_rng(n).permutation(512)[:n]] = True
        rate = ops.convert_to_tensor(np.float32(R / 100))  # as a step has it
        chosen = numpy(model.selected(ops.convert_to_tensor(values), ops.convert_to_tensor(counts), rate))
        places = np.flatnonzero(counts)
        assert np.array_equal(np.flatnonzero(chosen), np.sort(places[smallest(values[places], R / 100)])), (R, n)
        assert chosen.sum() == max(1, (100 - R) * n // 100)


def test_the_loss_of_each_epoch_while_rate_and_loss_move():
    """Batches of 4 and 3 samples; at learning rate 0 the loss of an epoch is what the formula says."""
    epochs = 5
    model = SmallLoss(*networks(), forget_rate=0.5, gradual=3)
    model.compile(keras.optimizers.SGD(0.0), kr.DAL(from_logits=True))
    schedule = kr.callbacks.DALSchedule(0.2, 1.6)
    history = model.fit(X, Y, batch_size=4, epochs=epochs, shuffle=False, verbose=0, callbacks=[schedule]).history
    assert np.allclose(history["forget_rate"], [0.0, 0.25, 0.5, 0.5, 0.5])
    q, lam = DALExponent(0.2, 1.6), DALBootstrapping(0.2, 1.6, 1.0)
    for epoch, told in enumerate(history["loss"]):
        values = dal(logits(WEIGHTS[0]), Y, q(epoch, epochs), lam(epoch, epochs))
        batches = values[:4], values[4:]
        means = [part[smallest(part, history["forget_rate"][epoch])].mean() for part in batches]
        assert np.isclose(told, (4 * means[0] + 3 * means[1]) / N, rtol=1e-5)
    assert history["lam"][-1] == 1.0


@once
def test_arguments():
    [network] = networks()
    for name, value in (("forget_rate", 1.0), ("forget_rate", -0.1), ("gradual", 1.5)):
        with pytest.raises(ValueError, match=f"`{name}` of SmallLoss must be"):
            SmallLoss(network, **{"forget_rate": 0.2, name: value})
