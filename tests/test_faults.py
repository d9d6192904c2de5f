"""What goes wrong around a training: it is said, or it does no harm."""

import os
import resource
import warnings

import keras
import numpy as np
import pytest
from harness import BACKEND, once

import keras_robust as kr
from keras_robust.callbacks import SampleWeightLogger
from keras_robust.training import Checkpoint
from keras_robust.weight_log import WeightLog

N, K = 10, 3  # the last of the batches of four is smaller
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(N, 4)).astype("float32"), np.arange(N) % K
SOFT = np.eye(K, dtype="float32")[Y]
FIT = {"batch_size": 4, "shuffle": False, "verbose": 0}


def compiled(loss):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(K)])
    model.compile(keras.optimizers.SGD(0.1), loss)
    return model


def with_nan(labels):
    labels = labels.astype("float32")
    labels.flat[3] = np.nan
    return labels


# What holds NaN, and what is said: None: nothing inside a compiled step, and the loss is NaN.
NAN = {
    "ids": (with_nan(Y), "Class ids must be integers. Received: y_true of dtype float32"),
    "ids of shape (N, 1)": (with_nan(Y)[:, None], "Class ids must be integers. Received: y_true of dtype float32"),
    "soft labels": (with_nan(SOFT), "labels must be numbers. Received: NaN in y_true of shape .* in 1 of 4 samples"),
}


@pytest.mark.parametrize("kind", NAN)
def test_labels_that_hold_nan(kind):
    labels, message = NAN[kind]
    for loss in (kr.ANLCE(from_logits=True), 2.0 * kr.MAEStar(from_logits=True) + kr.DAL()):
        with pytest.raises(ValueError, match=message):
            loss(labels[:4], X[:4, :K])
    for step in ("evaluate", "fit"):
        model = compiled(kr.ANLCE(from_logits=True))
        if kind == "soft labels" and BACKEND != "torch":  # a compiled step cannot look: the loss shows it
            result = getattr(model, step)(X, labels, **(FIT if step == "fit" else {"batch_size": 4, "verbose": 0}))
            assert np.isnan(result if step == "evaluate" else result.history["loss"][0])
            continue
        with pytest.raises(ValueError, match=message):
            getattr(model, step)(X, labels, **(FIT if step == "fit" else {"batch_size": 4, "verbose": 0}))


def test_nan_under_weight_zero_does_no_harm():
    weight = np.ones(N, "float32")
    weight[1] = 0.0  # the sample of flat entry 3
    model = compiled(kr.ANLCE(from_logits=True))
    history = model.fit(X, with_nan(SOFT), sample_weight=weight, **FIT).history["loss"]
    assert np.isfinite([*history, *model.get_weights()[0].ravel()]).all()


LOSSES = {
    "ANLCE": kr.ANLCE(from_logits=True, ignore_class=255),
    "MAEStar + DAL": kr.MAEStar(from_logits=True, ignore_class=255) + kr.DAL(lam=0.5),
    "ANLCEER": kr.ANLCEER(1.0, 1.0, 0.5, from_logits=True, ignore_class=255),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_batch_without_a_sample_that_counts(loss):
    labels = Y.copy()
    labels[:4] = labels[9] = 255  # all of the first batch, half of the last, smaller one
    model = compiled(LOSSES[loss])
    before = model.get_weights()
    value = model.evaluate(X, labels, batch_size=4, verbose=0)
    assert model.fit(X[:4], labels[:4], **FIT).history["loss"] == [0.0]
    for got, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(got, expected)
    kept = [
        float(LOSSES[loss](labels[part][labels[part] < K], model.predict_on_batch(X[part][labels[part] < K])))
        for part in (slice(4, 8), slice(8, 10))
    ]
    # Keras weighs batches by their size, ignored samples included.
    assert value == pytest.approx((4 * kept[0] + 2 * kept[1]) / N, rel=1e-5)
    assert np.isfinite(model.fit(X, labels, epochs=2, **FIT).history["loss"]).all()
    assert np.isfinite(np.concatenate([weight.ravel() for weight in model.get_weights()])).all()


def test_ignored_samples_are_not_in_the_log(tmp_path):
    labels = Y.copy()
    labels[[0, 1, 2, 3, 9]] = 255
    targets = {"label": labels, "index": np.arange(N)}
    model = kr.ProvenanceModel(keras.Sequential([keras.Input((4,)), keras.layers.Dense(K)]))
    model.compile("sgd", kr.ANLCE(from_logits=True, ignore_class=255))
    step = SampleWeightLogger(tmp_path / "step", num_samples=N)
    probe = SampleWeightLogger(tmp_path / "probe", probe=(X, targets))
    model.fit(X, targets, epochs=2, callbacks=[step, probe], **FIT)
    for log in (step.log(), probe.log()):
        assert log.labels.tolist() == np.where(labels < K, labels, -1).tolist()
        assert np.flatnonzero(np.isnan(log.mean_margin())).tolist() == [0, 1, 2, 3, 9]
        assert set(log.suspects(5).tolist()) == {4, 5, 6, 7, 8}
        assert np.isfinite(log.alpha()).all()


def test_an_empty_data_set_trains_nothing():
    """TensorFlow says nothing, the others raise; what must not be is a loss of no sample."""
    model = compiled(kr.ANLCE(from_logits=True))
    before = model.get_weights()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            history = model.fit(X[:0], Y[:0], **FIT).history
    except (ValueError, StopIteration, RuntimeError):
        assert BACKEND != "tensorflow"
    else:
        assert "loss" not in history
    for got, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(got, expected)


@once
def test_a_disk_that_fills_while_samples_are_logged(tmp_path):
    samples = 2000
    x, y = RNG.normal(size=(samples, 4)).astype("float32"), np.arange(samples) % K
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(epoch, logs=None):
        if epoch == 1:  # half of what an epoch takes
            resource.setrlimit(resource.RLIMIT_FSIZE, (16 * samples, hard))

    model = compiled(kr.GCE(from_logits=True))
    logger = SampleWeightLogger(tmp_path, probe=(x, y))
    full = keras.callbacks.LambdaCallback(on_epoch_begin=fill)
    try:
        with pytest.raises(OSError, match="epoch-00001.npy"):
            model.fit(x, y, epochs=3, batch_size=500, verbose=0, callbacks=[full, logger])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [name for name in os.listdir(tmp_path) if not name.startswith(".")] == ["epoch-00000.npy"]
    first = WeightLog(tmp_path).array("margin")
    model.fit(x, y, initial_epoch=1, epochs=3, batch_size=500, verbose=0, callbacks=[logger])
    assert logger.log().epochs == [0, 1, 2]
    np.testing.assert_array_equal(logger.log().array("margin")[:1], first)


@once
def test_a_damaged_checkpoint_is_named(tmp_path):
    model = compiled(kr.GCE(from_logits=True))
    model.fit(X, Y, callbacks=[Checkpoint(tmp_path)], **FIT)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    Checkpoint(tmp_path).restore(model)
    for damaged in (content[: len(content) // 2], b"", b"garbage" * 100):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match="checkpoint-00001.weights.h5 is damaged, or of another model.*Remove its"):
            Checkpoint(tmp_path).restore(model)
