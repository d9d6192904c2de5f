"""Losses corrected by a transition matrix."""

import json
from collections import namedtuple

import keras
import numpy as np
import pytest
import reference as ref
from harness import as_numpy, assert_close, once, value_and_gradient

import keras_robust as kr

T = np.array(ref.TRANSITION)
Z = np.random.default_rng(0).normal(size=(9, 3)).astype("float32")
Z[3:6] += np.eye(3, dtype="float32") * 12
Z[6:] = [[80.0, 0.0, -80.0], [-300.0, 0.0, 1.0], [5000.0, -5000.0, 0.0]]
Y = np.array([0, 1, 2, 0, 1, 2, 0, 0, 1])

FORWARD = [
    (kr.CE(), lambda p, y: ref.CE(p[y])),
    (kr.GCE(0.5), lambda p, y: ref.GCE(p[y], q=0.5)),
    (kr.NCE(), ref.NCE),
    (kr.MSE(), ref.MSE),
]
BACKWARD = [
    (kr.CE(), ref.REFERENCE["CE"]),
    (kr.GCE(0.5) + kr.MAE(), lambda z, y: ref.REFERENCE["GCE"](z, y, q=0.5) + ref.REFERENCE["MAE"](z, y)),
    (kr.NCE(), ref.REFERENCE["NCE"]),
    (kr.LogitBias(kr.GCE(0.5), 1.5), ref.logit_bias(lambda z, y: ref.REFERENCE["GCE"](z, y, q=0.5), 1.5)),
]


@pytest.mark.parametrize(("inner", "formula"), FORWARD, ids=lambda value: repr(value) if hasattr(value, "loss") else "")
def test_forward(inner, formula):
    loss, expected = kr.ForwardCorrected(inner, T, from_logits=True), ref.forward_corrected(formula, T)
    values, gradient = value_and_gradient(loss, Y, Z)
    reached = np.arange(len(Z)) < 7  # a label that no likely class is flipped to is floored for some losses
    z, y = Z[reached], Y[reached]
    assert_close(values[reached], gradient[reached], ref.value(expected, z, y), ref.gradient(expected, z, y), z)
    assert np.isfinite(values).all()
    assert np.isfinite(gradient).all()
    one_hot = as_numpy(loss.call(np.eye(3)[Y], Z))
    np.testing.assert_allclose(one_hot[reached], values[reached], rtol=1e-4, atol=1e-5)
    weights = 0.5 * np.abs(gradient).sum(axis=-1)
    np.testing.assert_allclose(as_numpy(loss.implicit_weight(Y, Z)), weights, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("inner", "formula"), BACKWARD, ids=["CE", "sum", "NCE", "LogitBias"])
def test_backward(inner, formula):
    loss, expected = kr.BackwardCorrected(inner, T, from_logits=True), ref.backward_corrected(formula, ref.TRANSITION)
    values, gradient = value_and_gradient(loss, Y, Z)
    assert_close(values, gradient, ref.value(expected, Z, Y), ref.gradient(expected, Z, Y), Z)
    np.testing.assert_allclose(as_numpy(loss.call(np.eye(3)[Y], Z)), values, rtol=1e-4, atol=1e-3)
    weights = 0.5 * np.abs(gradient).sum(axis=-1)
    np.testing.assert_allclose(as_numpy(loss.implicit_weight(Y, Z)), weights, rtol=1e-4, atol=1e-6)


def test_backward_is_unbiased():
    by_noisy = np.stack([as_numpy(kr.BackwardCorrected(kr.GCE(), T).call(np.full(3, j), T)) for j in range(3)], axis=-1)
    clean = np.stack([as_numpy(kr.GCE().call(np.full(3, i), T)) for i in range(3)], axis=-1)
    np.testing.assert_allclose(by_noisy @ T.T, clean, rtol=1e-4, atol=1e-5)


def test_a_label_that_no_class_is_flipped_to():
    never = [[1.0, 0.0], [1.0, 0.0]]
    loss = kr.ForwardCorrected(kr.CE(), never, from_logits=True)
    values, gradient = value_and_gradient(loss, np.array([0, 1]), np.array([[1.0, 2.0], [3.0, -4.0]], "float32"))
    assert values.tolist() == pytest.approx([0.0, 126 * np.log(2)], abs=1e-5)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-7)


@pytest.mark.parametrize("kind", [kr.ForwardCorrected, kr.BackwardCorrected])
def test_no_noise_is_no_correction(kind):
    for got, expected in zip(
        value_and_gradient(kind(kr.GCE(), np.eye(3), from_logits=True), Y, Z),
        value_and_gradient(kr.GCE(from_logits=True), Y, Z),
        strict=True,
    ):
        np.testing.assert_allclose(got[:7], expected[:7], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("kind", [kr.ForwardCorrected, kr.BackwardCorrected])
def test_arguments_and_configuration(kind):
    estimate = namedtuple("Estimate", "transition rate")(T, 0.3)
    loss = kind(kr.GCE(0.5), estimate, from_logits=True)
    config = loss.get_config()
    assert config["transition"] == T.tolist()
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(keras.saving.serialize_keras_object(loss))))
    assert again.get_config() == config
    assert again.hyperparameters == {"q": 0.5}
    assert float(again(Y, Z)) == float(loss(Y, Z))
    for wrong in (np.ones((3, 3)), np.eye(3)[:2], [[1.5, -0.5], [0.0, 1.0]], "symmetric", [[np.nan, 1.0], [0.0, 1.0]]):
        with pytest.raises(ValueError, match=r"`transition` of \w+ must be a matrix \(K, K\)"):
            kind(kr.CE(), wrong)
    with pytest.raises(ValueError, match=r"must be a matrix \(2, 2\).*Received: transition of shape \(3, 3\)"):
        kind(kr.CE(), T)(np.array([0]), np.array([[0.5, 0.5]]))


def test_one_output_and_binary():
    flips = [[0.8, 0.2], [0.4, 0.6]]
    z, y = Z[:6, :1], np.array([0, 1, 1, 0, 1, 0])
    pair = np.concatenate([np.zeros_like(z), z], axis=-1)
    for loss in (
        kr.ForwardCorrected(kr.CE(), flips, from_logits=True),
        kr.BackwardCorrected(kr.CE(), flips, from_logits=True),
    ):
        expected = as_numpy(loss.call(y, pair))
        np.testing.assert_allclose(as_numpy(loss.call(y, z)), expected, rtol=1e-5)
        np.testing.assert_allclose(as_numpy(kr.Binary(loss, from_logits=True).call(y * 1.0, z)), expected, rtol=1e-5)


def test_refused():
    with pytest.raises(ValueError, match=r"condition number may be at most 10000. Received.*inf|e\+"):
        kr.BackwardCorrected(kr.CE(), [[0.5, 0.5], [0.5, 0.5]])
    with pytest.raises(ValueError, match="does not couple the samples"):
        kr.BackwardCorrected(kr.PeerLoss(kr.CE(), 0.5), np.eye(2))


@once
def test_forward_correction_learns_the_clean_classes():
    digits = kr.data.load_arrays("digits")
    x, y = digits.x_train.reshape(len(digits.y_train), -1).astype("float32"), digits.y_train
    transition = np.eye(10) * 0.6 + np.eye(10)[[0, 7, 7, 8, 4, 6, 5, 7, 8, 9]] * 0.4
    noisy = kr.noise.corrupt(y, transition, seed=0).noisy
    accuracy = {}
    for name, loss in (
        ("CE", kr.CE(from_logits=True)),
        ("forward", kr.ForwardCorrected(kr.CE(), transition, from_logits=True)),
    ):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((x.shape[1],)), keras.layers.Dense(64, "relu"), keras.layers.Dense(10)])
        model.compile(keras.optimizers.Adam(0.005), loss=loss, metrics=["accuracy"])
        model.fit(x, noisy, batch_size=128, epochs=30, verbose=0)
        clean = digits.x_test.reshape(len(digits.y_test), -1).astype("float32")
        accuracy[name] = model.evaluate(clean, digits.y_test, verbose=0)[1]
    assert accuracy["forward"] > accuracy["CE"] + 0.01, accuracy
