"""Labels in all their forms, and what is said about wrong ones."""

import keras
import numpy as np
import pytest
from harness import BACKEND, as_numpy, value_and_gradient
from keras import ops

import keras_robust as kr

Z = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
Y = np.array([0, 2, 1, 2])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64"])
def test_ids_of_any_integer_dtype(dtype):
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(Y, Z)
    for labels in (Y.astype(dtype), Y.astype(dtype)[:, None]):
        assert float(kr.CE(from_logits=True)(labels, Z)) == pytest.approx(float(expected), rel=1e-6)
    assert float(kr.CE(from_logits=True)(Y.tolist(), Z)) == pytest.approx(float(expected), rel=1e-6)


def test_ids_beyond_2048_survive_half_precision():
    z = np.zeros((2, 2100), "float32")
    z[:, 2049] = 20.0
    for y_pred in (z, ops.cast(z, "float16"), ops.cast(z, "bfloat16")):
        for dtype in ("float16", "bfloat16", None):
            losses = as_numpy(kr.CE(from_logits=True, dtype=dtype, reduction=None)(np.array([2049, 2048]), y_pred))
            np.testing.assert_allclose(losses, [4.3e-6, 20.0], atol=1e-5)


def test_dense_labels():
    rng = np.random.default_rng(1)
    z, y = rng.normal(size=(2, 3, 4, 5)).astype("float32"), rng.integers(0, 5, (2, 3, 4))
    for loss in (kr.ANLCE(from_logits=True), kr.MAEStar(1.0, from_logits=True)):
        flat = as_numpy(loss.call(y.reshape(-1), z.reshape(-1, 5))).reshape(2, 3, 4)
        for labels in (y, y[..., None], np.eye(5, dtype="float32")[y]):
            losses = as_numpy(loss.call(labels, z))
            assert losses.shape == (2, 3, 4)
            np.testing.assert_allclose(losses, flat, rtol=1e-5, atol=1e-6)
        assert tuple(loss.implicit_weight(y, z).shape) == (2, 3, 4)
        weighted = as_numpy(loss(y, z, sample_weight=np.array([0.0, 1.0])))
        assert weighted == pytest.approx(flat[1].sum() / 24, rel=1e-5)


@pytest.mark.parametrize("ignored", [255, -1, 1])
def test_ignored_class(ignored):
    y, z = Y.copy(), Z.copy()
    y[1] = ignored
    if ignored == 1:
        y[2] = 0
    kept = y != ignored
    z[1] = np.nan
    loss = kr.GCE(from_logits=True, ignore_class=ignored)
    values, gradient = value_and_gradient(loss, y, z)
    expected = as_numpy(kr.GCE(from_logits=True).call(y[kept], z[kept]))
    np.testing.assert_allclose(values[kept], expected, rtol=1e-6)
    assert values[1] == 0
    assert np.all(gradient[1] == 0)
    assert np.all(np.isfinite(gradient))
    # As in Keras: the mean is over the samples that count.
    assert float(loss(y, z)) == pytest.approx(expected.mean(), rel=1e-6)
    assert as_numpy(loss.implicit_weight(y, np.nan_to_num(z)))[1] == 0
    if ignored == 1:
        one_hot = np.eye(3, dtype="float32")[y]
        assert float(loss(one_hot, z)) == pytest.approx(expected.mean(), rel=1e-6)


def test_weight_zero_keeps_nan_out_of_loss_and_gradient():
    z = Z.copy()
    z[3] = np.nan
    w = np.array([1.0, 2.0, 0.5, 0.0], "float32")
    for loss, y_pred in ((kr.ANLCE(from_logits=True), z), (kr.GCE(), ops.softmax(z))):
        values, gradient = value_and_gradient(loss, Y, y_pred, sample_weight=w)
        assert np.isfinite(values)
        assert np.all(np.isfinite(gradient))
        assert np.all(gradient[3] == 0)


def test_mask_of_the_model_is_used_as_keras_uses_it():
    x = np.array([[1, 2, 0], [3, 0, 0]])
    y = np.array([[0, 1, 1], [1, 0, 0]])
    results = []
    for loss in (kr.CE(from_logits=True), keras.losses.SparseCategoricalCrossentropy(from_logits=True)):
        keras.utils.set_random_seed(3)
        model = keras.Sequential([keras.layers.Embedding(4, 5, mask_zero=True), keras.layers.Dense(2)])
        model.compile("sgd", loss=loss)
        results.append(model.evaluate(x, y, verbose=0))
    assert results[0] == pytest.approx(results[1], rel=1e-6)


class TestWrongUse:
    """Every message says what came and what would be right."""

    def test_shapes(self):
        with pytest.raises(ValueError, match=r"shape \(4,\) or \(4, 1\), or one-hot .* \(4, 3\).*Received.*\(4, 2\)"):
            kr.CE()(np.zeros((4, 2), "int32"), Z)
        with pytest.raises(ValueError, match=r"Received: y_true of shape \(5,\)"):
            kr.CE()(np.zeros(5, "int32"), Z)
        with pytest.raises(ValueError, match=r"Received: y_true of shape \(2, 2, 1\)"):
            kr.CE()(np.zeros((2, 2, 1), "int32"), Z)
        with pytest.raises(ValueError, match=r"Received: y_true of shape \(5, 3\)"):
            kr.CE()(np.zeros((5, 3), "float32"), Z)

    def test_float_ids(self):
        for labels in (Y.astype("float32"), Y.astype("float32")[:, None]):
            with pytest.raises(ValueError, match=r"must be integers.*float32"):
                kr.CE(from_logits=True)(labels, Z)

    def test_integer_predictions(self):
        with pytest.raises(ValueError, match="y_pred must hold floats.*int"):
            kr.CE()(Y, np.zeros((4, 3), "int32"))

    @pytest.mark.parametrize("wrong", [3, -1, 255])
    def test_ids_out_of_range(self, wrong):
        y = Y.copy()
        y[2] = wrong
        with pytest.raises(ValueError, match=rf"\[0, 3\).*outside: \[{wrong}\].*ignore_class"):
            kr.CE(from_logits=True)(y, Z)
        if BACKEND != "torch":
            values, _ = value_and_gradient(kr.CE(from_logits=True), y, Z, compiled=True)
            assert np.isnan(values).tolist() == [False, False, True, False]

    def test_logits_passed_as_probabilities(self):
        with pytest.raises(ValueError, match="reads probabilities.*smallest value -.*from_logits=True"):
            kr.ANLCE()(Y, Z)
        if BACKEND != "torch":
            values, _ = value_and_gradient(kr.CE(), Y, Z, compiled=True)
            assert np.all(np.isnan(values[(Z < 0).any(axis=1)]))

    def test_probabilities_passed_as_logits(self):
        p = ops.softmax(Z)
        loss = kr.CE(from_logits=True)
        with pytest.warns(UserWarning, match="sums to 1"):
            loss(Y, p)
        loss(Y, p)  # once is enough
        kr.CE(from_logits=True)(Y, Z)

    def test_half_precision_probabilities(self):
        p = np.array([[1.0, 0.0, 0.0], [1e-7, 0.5, 0.5], [1e-4, 0.0, 1.0]])
        for dtype in ("float16", "bfloat16"):
            loss = kr.ANLCE(alpha=5.0, beta=5.0)
            with pytest.warns(UserWarning, match=f"probabilities in {dtype}.*from_logits=True"):
                values, gradient = value_and_gradient(loss, np.array([1, 0, 0]), ops.cast(p, dtype))
            assert np.all(np.isfinite(values))
            assert np.all(np.isfinite(gradient))

    @pytest.mark.parametrize("shape", [(4, 3), (3,), (4, 1, 1), (3, 1)])
    def test_sample_weights_that_do_not_fit(self, shape):
        with pytest.raises(ValueError, match=r"sample_weight must fit .*\(4,\).*Received: sample_weight of shape"):
            kr.CE(from_logits=True)(Y, Z, sample_weight=np.ones(shape))

    @pytest.mark.parametrize("weight", [2.0, [2.0], np.full((1, 1), 2.0)])
    def test_one_weight_for_all(self, weight):
        assert float(kr.CE(from_logits=True)(Y, Z, sample_weight=weight)) == pytest.approx(
            2 * float(kr.CE(from_logits=True)(Y, Z)), rel=1e-6
        )

    def test_a_nan_that_came_in_goes_out(self):
        z = Z.copy()
        z[0] = np.nan
        assert np.isnan(float(kr.CE(from_logits=True)(Y, z)))
