"""Where the textbook formulas fail: tiny probabilities, limits of parameters, half precision training."""

import keras
import numpy as np
import pytest
from harness import as_numpy, value_and_gradient, wide_floats
from keras import ops

import keras_robust as kr


@pytest.mark.parametrize(
    ("loss", "slope"),
    [
        (kr.CE(from_logits=True), 1.0),
        (kr.MAE(from_logits=True), 1e-12),
        (kr.GCE(0.7, from_logits=True), 1e-12**0.7),
        (kr.GCE(1.5, from_logits=True), 1e-12**1.5),
        (kr.TCE(3, from_logits=True), 3e-12),
        (kr.JS(1.0, from_logits=True), 1e-12),
        (kr.PHuberCE(10.0, from_logits=True), 1e-11),
        (kr.AGCE(0.5, 2.0, from_logits=True), 0.5e-12),
        (kr.AUL(2.0, 2.0, from_logits=True), 2e-12),
        (kr.AEL(2.0, from_logits=True), 0.5e-12),
        (kr.RCE(-4.0, from_logits=True), 4e-12),
        (kr.MAEStar(2.0, from_logits=True), np.exp(2.0) * 1e-12),
    ],
    ids=lambda value: repr(value) if isinstance(value, kr.RobustLoss) else None,
)
def test_a_confidently_wrong_sample_keeps_its_gradient(loss, slope):
    z = np.array([[np.log(1e-12), 0.0]], "float32")
    _, gradient = value_and_gradient(loss, np.array([0]), z)
    np.testing.assert_allclose(gradient, [[-slope, slope]], rtol=1e-4)
    np.testing.assert_allclose(as_numpy(loss.implicit_weight(np.array([0]), z)), [slope], rtol=1e-4)


def test_gradient_through_probabilities_at_1e_12():
    p = np.array([[1e-12, 1.0]], "float32")
    values, gradient = value_and_gradient(kr.GCE(0.7), np.array([0]), p)
    assert gradient[0, 0] == pytest.approx(-(1e-12**-0.3), rel=1e-4)
    assert values[0] == pytest.approx(1 / 0.7, rel=1e-5)


@pytest.mark.parametrize("q", [0.0, 1e-45, 1e-38, 1e-20, 1e-8])
def test_gce_at_small_q_is_ce(q):
    z, y = np.array([[3.0, -2.0, 0.5], [-30.0, 40.0, 0.0]], "float32"), np.array([1, 0])
    for got, expected in zip(
        value_and_gradient(kr.GCE(q, from_logits=True), y, z),
        value_and_gradient(kr.CE(from_logits=True), y, z),
        strict=True,
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_dal_without_bootstrapping_is_gce_also_at_q_zero():
    z, y = np.array([[3.0, -2.0, 0.5]], "float32"), np.array([1])
    for q in (0.0, 0.6):
        got = value_and_gradient(kr.DAL(q, 0.0, from_logits=True), y, z)
        expected = value_and_gradient(kr.GCE(q, from_logits=True), y, z)
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_sparse_regularized_logits_of_zeros_have_a_gradient():
    loss = kr.SparseRegularized(kr.CE(), from_logits=True)
    values, gradient = value_and_gradient(loss, np.array([0]), np.zeros((1, 4), "float32"))
    assert values[0] == pytest.approx(np.log(4) + 4**0.9, rel=1e-6)
    assert gradient[0, 0] == pytest.approx(-2 * 0.75, rel=1e-5)


def test_tempered_normalizer_converges():
    for t2 in (1.0, 1.5, 4.0, 30.0):
        z = np.random.default_rng(0).normal(size=(8, 50)).astype("float32") * np.logspace(-2, 3, 8)[:, None]
        p = as_numpy(kr.losses.tempered_softmax(z.astype("float32"), t2))
        np.testing.assert_allclose(p.sum(axis=-1), 1.0, rtol=3e-5)


def test_float64_all_the_way():
    z, y = np.random.default_rng(0).normal(size=(6, 3)), np.array([0, 1, 2, 0, 1, 2])
    p = np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)
    expected = (1 - p[np.arange(6), y] ** 0.3) / 0.3
    w = np.array([1.0, 0.0, 2.0, 0.3, 1.0, 1.0])
    with wide_floats():
        for keywords in ({"dtype": "float64"}, {}):
            for reduction, value in (
                ("sum_over_batch_size", np.mean(w * expected)),
                ("mean_with_sample_weight", np.average(expected, weights=w)),
                ("sum", np.sum(w * expected)),
            ):
                loss = kr.GCE(0.3, from_logits=True, reduction=reduction, **keywords)
                assert float(loss(y, z, sample_weight=w)) == pytest.approx(value, rel=1e-12)


def test_symbolic_tensors():
    y, z = keras.KerasTensor((None,), dtype="int32"), keras.KerasTensor((None, 3))
    assert kr.ANLCE(from_logits=True)(y, z).shape == ()
    assert kr.MAEStar(1.0, reduction=None)(y, z).shape == (None,)


def test_dtype_of_the_result():
    z, y = np.zeros((2, 3), "float32"), np.array([0, 1])
    for dtype, expected in ((None, "float32"), ("float16", "float32"), ("bfloat16", "float32"), ("float32", "float32")):
        for given in ("float32", "float16", "bfloat16"):
            losses = kr.GCE(from_logits=True, dtype=dtype)(y, ops.cast(z, given))
            assert keras.backend.standardize_dtype(losses.dtype) == expected


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("activation", [None, "softmax"])
def test_mixed_precision_training_learns(policy, activation):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 96)
    x = (np.eye(3)[y] + 0.1 * rng.normal(size=(96, 3))).astype("float32")
    keras.config.set_dtype_policy(policy)
    try:
        model = keras.Sequential(
            [keras.layers.Dense(16, activation="relu"), keras.layers.Dense(3, activation=activation, dtype="float32")]
        )
        model.compile(keras.optimizers.SGD(0.5), loss=kr.ANLCE(5.0, 5.0, from_logits=activation is None))
        losses = model.fit(x, y, batch_size=32, epochs=6, verbose=0).history["loss"]
    finally:
        keras.config.set_dtype_policy("float32")
    assert losses[-1] < 0.8 * losses[0]
