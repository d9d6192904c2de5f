"""Self-adaptive training against its formula in numpy."""

import functools

import keras
import numpy as np
import pytest
from harness import once
from steps import (
    INDEX,
    LOSSES,
    WEIGHTS,
    K,
    N,
    X,
    Y,
    assert_step,
    cross_entropy,
    dal,
    log_softmax,
    logits,
    networks,
    numpy,
)
from steps import targets as given

import keras_robust as kr
from keras_robust.algorithms import SelfAdaptive
from keras_robust.schedules import DALBootstrapping, DALExponent

ONE_HOT = np.eye(K)[Y]
P = np.exp(log_softmax(logits(WEIGHTS[0])))


def of_soft(loss, z, targets):
    """sum_k t_k L(k)."""
    return sum(targets[:, k] * loss(z, np.full(len(z), k)) for k in range(K))


def model(**keywords):
    return SelfAdaptive(*networks(), num_samples=N, num_classes=K, **{"start": 0, **keywords})


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("name", LOSSES)
def test_a_step_is_that_of_the_formula(name, weighted):
    make, loss = LOSSES[name]
    targets = 0.7 * ONE_HOT + 0.3 * P
    w = targets.max(axis=-1) if weighted else np.ones(N)

    def objective(weights):
        return (w * of_soft(loss, logits(weights[0]), targets)).sum() / w.sum()

    trained = model(alpha=0.7, weighted=weighted)
    assert_step(trained, objective, make())
    assert np.allclose(numpy(trained.targets)[INDEX], targets, atol=1e-6)


@pytest.mark.parametrize("ignored", [1, 255])
def test_what_counts_for_nothing_is_neither_written_nor_learned(ignored):
    labels = np.where(Y == 1, ignored, Y).astype("int32")
    weight = np.linspace(0.5, 2.0, N).astype("float32")
    weight[0] = 0.0
    targets = 0.9 * ONE_HOT + 0.1 * P
    targets[0] = 1 / K
    kept = Y != 1

    def objective(weights):
        losses = of_soft(cross_entropy, logits(weights[0]), targets)
        w = targets.max(axis=-1)
        return (weight * w * losses)[kept].sum() / w[kept].sum()

    trained = model()
    loss = kr.CE(from_logits=True, ignore_class=ignored)
    assert_step(trained, objective, loss, y={"label": labels, "index": INDEX}, sample_weight=weight)
    written = numpy(trained.targets)[INDEX].any(axis=-1)
    assert np.array_equal(written, kept & (np.arange(N) != 0))


@once
def test_a_batch_of_the_class_to_ignore_alone_changes_nothing():
    y = {"label": np.full(N, 255, "int32"), "index": INDEX}
    assert_step(model(), lambda weights: 0.0, kr.CE(from_logits=True, ignore_class=255), y=y)


def test_targets_move_from_the_start_on_while_the_loss_moves():
    """At learning rate 0 a target is, after m visits that move it, alpha^m of the label and else the prediction."""
    trained = model(start=2, alpha=0.6)
    trained.compile(keras.optimizers.SGD(0.0), kr.DAL(from_logits=True))
    schedule = kr.callbacks.DALSchedule(0.2, 1.6)
    history = trained.fit(X, given(), batch_size=4, epochs=4, shuffle=False, verbose=0, callbacks=[schedule]).history
    assert history["alpha"] == [1.0, 1.0, 0.6, 0.6]
    q, lam = DALExponent(0.2, 1.6), DALBootstrapping(0.2, 1.6, 1.0)
    for epoch, told in enumerate(history["loss"]):
        share = 0.6 ** max(0, epoch - 1)
        targets = share * ONE_HOT + (1 - share) * P
        loss = functools.partial(dal, q=q(epoch, 4), lam=lam(epoch, 4))
        losses, w = of_soft(loss, logits(WEIGHTS[0]), targets), targets.max(axis=-1)
        batches = slice(0, 4), slice(4, N)
        means = [(w * losses)[part].sum() / w[part].sum() for part in batches]
        assert np.isclose(told, (4 * means[0] + 3 * means[1]) / N, rtol=1e-5)
    assert np.allclose(numpy(trained.targets)[INDEX], targets, atol=1e-6)


@once
def test_soft_labels_are_where_targets_start():
    soft = (0.8 * ONE_HOT + 0.2 / K).astype("float32")
    trained = model(start=9)
    trained.compile(keras.optimizers.SGD(0.0), kr.CE(from_logits=True))
    trained.fit(X, {"label": soft, "index": INDEX}, verbose=0)
    assert np.allclose(numpy(trained.targets)[INDEX], soft, atol=1e-6)


@once
def test_arguments():
    for name, value in (("alpha", 1.1), ("start", -1), ("num_classes", 4)):
        with pytest.raises(ValueError, match=f"`{name}` of SelfAdaptive must be"):
            SelfAdaptive(*networks(), **{"num_samples": N, "num_classes": K, name: value})
