"""Yes/no outputs: `Binary`, and every loss at one output."""

import json

import keras
import numpy as np
import pytest
import reference
from cases import BATCH_CASES, CASES
from harness import BACKEND, as_numpy, assert_close, in_turn, once, value_and_gradient, wide_floats
from keras import ops

import keras_robust as kr

#: One of each kind of loss. `Binary` lies above all that differs between backends: each takes a third of them.
KINDS = "FL GCE JS NCE ANLCE DAL MSE BiTempered GLS LogitBias MarginScale UnitWeight WeightedSum".split()
EVERY = pytest.mark.parametrize(
    "case", in_turn({case.name: case for case in CASES if case.name in KINDS}.values()), ids=lambda case: case.id
)
COMPILED = BACKEND != "torch"

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(6, 4)).astype("float32") * 3
Y = RNG.integers(0, 2, (6, 4))


def two_classes(z):
    """(0, z), classes last."""
    return np.stack([np.zeros_like(z), z], axis=-1)


@EVERY
def test_every_output_is_a_problem_of_two_classes(case):
    loss = kr.Binary(case.make(), from_logits=True)
    inner = case.make(from_logits=True)
    each, slopes = value_and_gradient(inner, Y, two_classes(Z))
    values, gradient = value_and_gradient(loss, Y, Z)
    np.testing.assert_allclose(values, each.mean(axis=-1), rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(gradient, slopes[..., 1] / 4, rtol=1e-5, atol=1e-7)
    weights = np.abs(slopes[..., 1]).mean(axis=-1)
    np.testing.assert_allclose(as_numpy(loss.implicit_weight(Y, Z)), weights, rtol=1e-4, atol=1e-6)
    # One output of any other loss is Binary of itself.
    for labels in (Y[:, 0], Y[:, :1], Y[:, 0].astype("float32"), Y[:, :1] == 1):
        values, gradient = value_and_gradient(inner, labels, Z[:, :1])
        np.testing.assert_allclose(values, each[:, 0], rtol=2e-5, atol=2e-6)
        np.testing.assert_allclose(gradient[:, 0], slopes[:, 0, 1], rtol=1e-4, atol=1e-6)


def right_and_wrong(margins):
    """Logits of one output, and its answers: each margin once with yes and once with no."""
    margins = np.array(margins, "float32")
    return np.concatenate([margins, -margins])[:, None], np.repeat([1, 0], len(margins))


@EVERY
def test_accuracy_at_all_margins(case):
    z, y = right_and_wrong([-80.0, -30.0, -3.0, 0.3, 4.0, 30.0, 80.0])
    expected = reference.value(case.reference, two_classes(z[:, 0]), y)
    slopes = reference.gradient(case.reference, two_classes(z[:, 0]), y)[:, 1:]
    for labels in (y, y.astype("float32")):
        values, gradient = value_and_gradient(kr.Binary(case.make(), from_logits=True), labels, z)
        assert_close(values, gradient, expected, slopes, z)


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_no_digit_is_lost(dtype):
    """Without absolute terms, where the loss is all but 0 and where it is all but its bound."""
    z, y = right_and_wrong([-75.0, -50.0, -20.0, -10.0, 20.0, 50.0, 75.0])  # as many as above: compiled once
    for case in CASES:
        if case.id in ("CE()", "MAE()", "GCE(q=0.7)", "NCE()", "ANLCE(alpha=5.0,beta=5.0,p_min=1e-07)"):
            values, gradient = value_and_gradient(case.make(from_logits=True), y.astype(dtype), z)
            pair = two_classes(z[:, 0])
            np.testing.assert_allclose(values, reference.value(case.reference, pair, y), rtol=1e-5, err_msg=case.id)
            slopes = reference.gradient(case.reference, pair, y)[:, 1:]
            np.testing.assert_allclose(gradient, slopes, rtol=1e-4, err_msg=case.id)


@EVERY
def test_soft_answers_are_the_expected_loss(case):
    t = RNG.random(Z.shape).astype("float32")
    t[0] = 0.5
    loss, inner = kr.Binary(case.make(), from_logits=True), case.make(from_logits=True)
    expected, slopes = value_and_gradient(inner, np.stack([1 - t, t], axis=-1), two_classes(Z))
    values, gradient = value_and_gradient(loss, t, Z)
    np.testing.assert_allclose(values, expected.mean(axis=-1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient, slopes[..., 1] / 4, rtol=1e-4, atol=1e-6)


@EVERY
def test_probabilities(case):
    s = 1 / (1 + np.exp(-Z))
    for labels in (Y, Y.astype("float32")):
        got, slopes = value_and_gradient(kr.Binary(case.make()), labels, s)
        want, of_logits = value_and_gradient(kr.Binary(case.make(), from_logits=True), labels, Z)
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(slopes * s * (1 - s), of_logits, rtol=1e-4, atol=1e-6)
    edges = np.array([[0.0, 1.0, 1e-38, 1e-30, 1 - 6e-8, 0.5]], "float32")
    for answer in (0, 1, 0.0, 1.0, 0.5):
        values, gradient = value_and_gradient(kr.Binary(case.make()), np.full_like(edges, answer), edges)
        assert np.isfinite(values).all()
        assert np.isfinite(gradient).all()


def test_small_probabilities_keep_their_digits():
    s = np.array([[1e-10], [1e-20]], "float32")
    np.testing.assert_allclose(as_numpy(kr.CE().call(np.zeros((2, 1), int), s)), s[:, 0], rtol=1e-5)


def test_against_keras():
    z, y, s = Z, Y.astype("float32"), 1 / (1 + np.exp(-Z))
    expected = float(keras.losses.BinaryCrossentropy(from_logits=True)(y, z))
    assert float(kr.Binary(kr.CE(), from_logits=True)(y, z)) == pytest.approx(expected, rel=1e-6)
    assert float(kr.Binary(kr.CE())(Y == 1, s)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int32", "int64", "uint64", "float16", "float32"])
def test_answers_of_any_dtype(dtype):
    expected = float(kr.Binary(kr.GCE(), from_logits=True)(Y, Z))
    assert float(kr.Binary(kr.GCE(), from_logits=True)(Y.astype(dtype), Z)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("compiled", [False, True] if COMPILED else [False])
@pytest.mark.parametrize("kind", ["int", "float", "nan"])
def test_outputs_that_do_not_count(kind, compiled):
    y, z = Y.astype("float32" if kind != "int" else "int32"), Z.copy()
    gone = RNG.random(y.shape) < 0.4
    gone[2], gone[0, 0], gone[0, 1] = True, True, False
    y[gone], z[gone] = np.nan if kind == "nan" else -1, np.nan
    loss = kr.Binary(kr.GCE(), from_logits=True, ignore_class=None if kind == "nan" else -1)
    each = as_numpy(kr.GCE(from_logits=True).call(Y, two_classes(Z)))
    number = (~gone).sum(axis=-1)
    expected = np.where(gone, 0, each).sum(axis=-1) / np.maximum(number, 1)
    values, gradient = value_and_gradient(loss, y, z, compiled=compiled)
    np.testing.assert_allclose(values, expected, rtol=1e-5)
    assert np.all(gradient[gone] == 0)
    assert np.isfinite(gradient).all()
    assert np.all(gradient[~gone] != 0)
    assert float(loss(y, z)) == pytest.approx(expected.sum() / (number > 0).sum(), rel=1e-5)
    assert as_numpy(loss.implicit_weight(y, z))[2] == 0
    # With weights and masks around it.
    w = np.array([1, 2, 3, 0, 1, 1], "float32")
    z[3] = np.nan
    assert float(loss(y, z, sample_weight=w)) == pytest.approx((expected * w).sum() / (number > 0).sum(), rel=1e-5)


def test_weights_of_outputs_and_of_yes():
    each = as_numpy(kr.MAE(from_logits=True).call(Y, two_classes(Z)))
    w, v = np.array([1.0, 0.0, 2.0, 0.5]), np.array([3.0, 1.0, 0.5, 2.0])
    for labels in (Y, Y.astype("float32")):
        loss = kr.Binary(kr.MAE(), weights=w, positive_weight=v, from_logits=True)
        expected = (each * w * np.where(Y == 1, v, 1)).mean(axis=-1)
        np.testing.assert_allclose(as_numpy(loss.call(labels, Z)), expected, rtol=1e-5)
        loss = kr.Binary(kr.MAE(), positive_weight=2, from_logits=True)
        expected = (each * np.where(Y == 1, 2, 1)).mean(axis=-1)
        np.testing.assert_allclose(as_numpy(loss.call(labels, Z)), expected, rtol=1e-5)
    t = np.full(Z.shape, 0.25, "float32")
    yes, no = (as_numpy(kr.MAE(from_logits=True).call(np.full_like(Y, k), two_classes(Z))) for k in (1, 0))
    np.testing.assert_allclose(as_numpy(loss.call(t, Z)), (0.5 * yes + 0.75 * no).mean(axis=-1), rtol=1e-5)


class TestAlgebra:
    """Sums and wrappers at one output, and of `Binary`."""

    def test_one_output(self):
        z, y = Z[:, :1], Y[:, 0]
        for make in (
            lambda **k: kr.CE(**k) + 2.0 * kr.MAE(),
            lambda **k: kr.MarginScale(kr.MAE(), tau=2.0, expected_margin=1.0, **k),
            lambda **k: kr.LogitBias(kr.Normalized(kr.CE()), epsilon=1.0, **k),
        ):
            loss = make(from_logits=True)
            expected = as_numpy(loss.call(y, two_classes(z[:, 0])))
            np.testing.assert_allclose(as_numpy(loss.call(y, z)), expected, rtol=1e-5)
        with pytest.raises(ValueError, match="expected_margin.*K = 2"):
            kr.MarginScale(kr.MAE(), tau=2.0, from_logits=True)(y, z)

    def test_sums_of_binary(self):
        loss = 2.0 * kr.Binary(kr.CE(), weights=[1, 2, 3, 4], from_logits=True) + kr.Binary(kr.MAE())
        first = as_numpy(kr.Binary(kr.CE(), weights=[1, 2, 3, 4], from_logits=True).call(Y, Z))
        second = as_numpy(kr.Binary(kr.MAE(), from_logits=True).call(Y, Z))
        np.testing.assert_allclose(as_numpy(loss.call(Y, Z)), 2 * first + second, rtol=1e-5)
        again = keras.saving.deserialize_keras_object(json.loads(json.dumps(keras.saving.serialize_keras_object(loss))))
        assert float(again(Y, Z)) == float(loss(Y, Z))

    @pytest.mark.parametrize(
        "make",
        [
            lambda: kr.Binary(kr.CE()) + kr.MAE(),
            lambda: kr.LogitBias(kr.Binary(kr.CE()), 1.0),
            lambda: kr.Binary(kr.Binary(kr.CE())),
            lambda: kr.APL(kr.Binary(kr.NCE()), kr.Binary(kr.MAE())),
        ],
    )
    def test_binary_goes_outside(self, make):
        with pytest.raises(ValueError, match="Binary goes outside"):
            make()

    @pytest.mark.parametrize(("kind", "make", "_"), BATCH_CASES, ids=lambda value: getattr(value, "__name__", None))
    def test_batch_coupled(self, kind, make, _):
        loss = kr.Binary(make(), from_logits=True)
        with pytest.raises(ValueError, match="one yes/no output"):
            loss(Y, Z)
        for labels in (Y[:, 0], Y[:, 0].astype("float32")):
            expected = as_numpy(make(from_logits=True).call(Y[:, 0], two_classes(Z[:, 0])))
            np.testing.assert_allclose(as_numpy(loss.call(labels, Z[:, :1])), expected, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(
                as_numpy(make(from_logits=True).call(labels, Z[:, :1])), expected, rtol=1e-5, atol=1e-6
            )

    def test_no_gradient_at_one_logit(self):
        with pytest.raises(ValueError, match="`loss` of Binary must be a loss that learns from one logit"):
            kr.Binary(kr.CE() + kr.SparseRegularized(kr.CE(), from_logits=True), from_logits=True)
        with pytest.raises(ValueError, match="SparseRegularized cannot learn"):
            kr.SparseRegularized(kr.CE(), from_logits=True)(Y[:, 0], Z[:, :1])


class TestWrongUse:
    @pytest.mark.parametrize("wrong", [2, -1, 1.5, -0.1])
    def test_answers_outside(self, wrong):
        y = Y.astype("float32" if isinstance(wrong, float) else "int32")
        y[1, 2] = wrong
        loss = kr.Binary(kr.CE(), from_logits=True)
        with pytest.raises(ValueError, match=rf"\[0, 1\]. Received: y_true with \[{wrong}.*ignore_class"):
            loss(y, Z)
        if COMPILED:
            values, gradient = value_and_gradient(loss, y, Z, compiled=True)
            assert np.isnan(values).tolist() == [False, True, False, False, False, False]
            assert np.isfinite(np.delete(gradient, 1, axis=0)).all()

    @pytest.mark.parametrize("wrong", [-0.1, 1.1])
    def test_probabilities_outside(self, wrong):
        s = np.full((3, 2), 0.5, "float32")
        s[1, 0] = wrong
        with pytest.raises(ValueError, match="reads probabilities, which lie in.*from_logits=True"):
            kr.Binary(kr.CE())(np.ones((3, 2), int), s)
        if COMPILED:
            values, gradient = value_and_gradient(kr.Binary(kr.CE()), np.ones((3, 2), int), s, compiled=True)
            assert np.isnan(values).tolist() == [False, True, False]
            assert np.isfinite(gradient[[0, 2]]).all()

    def test_shapes(self):
        with pytest.raises(ValueError, match=r"yes or no.*shape \(6, 4\).*Received: y_true of shape \(6,\)"):
            kr.Binary(kr.CE(), from_logits=True)(Y[:, 0], Z)
        with pytest.raises(ValueError, match=r"shape \(6,\) or \(6, 1\).*Received: y_true of shape \(5,\)"):
            kr.CE(from_logits=True)(Y[:5, 0], Z[:, :1])
        with pytest.raises(ValueError, match="`weights` of Binary must be 4 numbers"):
            kr.Binary(kr.CE(), weights=[1, 2], from_logits=True)(Y, Z)
        for wrong in ("a", [-1.0], [[1.0]], [np.nan], 2.0, True):
            with pytest.raises(ValueError, match="`weights` of Binary must be a list"):
                kr.Binary(kr.CE(), weights=wrong)

    def test_statistics_of_one_output(self):
        with pytest.raises(ValueError, match="one output"):
            kr.Binary(kr.CE(), from_logits=True).sample_statistics(Y, Z)


def test_sample_statistics():
    loss = kr.GCE(from_logits=True, ignore_class=-1)
    y, z = Y[:, 0].copy(), Z[:, :1]
    y[4] = -1
    statistics = [as_numpy(value) for value in loss.sample_statistics(y, z)]
    margin = np.where(y == -1, np.nan, (2 * y - 1) * z[:, 0])
    np.testing.assert_allclose(statistics[0], margin, rtol=1e-6)
    np.testing.assert_array_equal(statistics[3], y)
    np.testing.assert_array_equal(statistics[4], z[:, 0] > 0, strict=False)
    by_binary = kr.Binary(kr.GCE(), from_logits=True, ignore_class=-1).sample_statistics(y.astype("float32"), z)
    for got, expected in zip(by_binary, statistics, strict=True):
        np.testing.assert_allclose(as_numpy(got), expected, rtol=1e-5)
    by_probability = kr.GCE(ignore_class=-1).sample_statistics(y, 1 / (1 + np.exp(-z)))
    for got, expected in zip(by_probability, statistics, strict=True):
        np.testing.assert_allclose(as_numpy(got), expected, rtol=1e-4)


def test_dense_outputs_and_one_row():
    z, y = RNG.normal(size=(2, 3, 5)).astype("float32"), RNG.integers(0, 2, (2, 3, 5))
    loss = kr.Binary(kr.ANLCE(), from_logits=True)
    flat = as_numpy(loss.call(y.reshape(-1, 5), z.reshape(-1, 5))).reshape(2, 3)
    np.testing.assert_allclose(as_numpy(loss.call(y, z)), flat, rtol=1e-6)
    assert float(loss(y[0, 0], z[0, 0])) == pytest.approx(flat[0, 0], rel=1e-6)
    assert float(kr.CE(from_logits=True)(1, z[0, 0, :1])) == pytest.approx(np.log1p(np.exp(-z[0, 0, 0])), rel=1e-5)


def test_float64():
    with wide_floats():
        z = np.array([[-3.0, 40.0]])
        values, gradient = value_and_gradient(kr.Binary(kr.CE(), from_logits=True), np.array([[1, 1]]), z)
        np.testing.assert_allclose(values, np.log1p(np.exp(-z)).mean(axis=-1), rtol=1e-13)
        np.testing.assert_allclose(gradient, -0.5 / (1 + np.exp(z)), rtol=1e-13)


def test_configuration_hyperparameters_and_a_saved_model(tmp_path):
    loss = kr.Binary(kr.GCE(0.5), weights=(1, 2, 3, 4), positive_weight=2, from_logits=True, ignore_class=-1)
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(keras.saving.serialize_keras_object(loss))))
    assert again.get_config() == loss.get_config()
    assert loss.hyperparameters == {"q": 0.5}
    x = RNG.normal(size=(32, 3)).astype("float32")
    y = (x @ RNG.normal(size=(3, 4)) > 0).astype("int32")
    y[0] = -1
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(0.0), loss=loss)
    moving = kr.callbacks.HyperparameterSchedule({"q": kr.schedules.Linear(0.5, 1.0)})
    history = model.fit(x, y, epochs=2, verbose=0, callbacks=[moving]).history["loss"]
    factor = (np.array([1, 2, 3, 4]) * np.where(y[1:] == 1, 2, 1)).mean()
    for got, q in zip(history, (0.5, 1.0), strict=True):
        assert got == pytest.approx(factor * (1 - 0.5**q) / q, rel=1e-4)
    model.save(tmp_path / "model.keras")
    assert keras.models.load_model(tmp_path / "model.keras").loss.hyperparameters == {"q": 1.0}


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_one_dense_output_just_works(activation):
    x = RNG.normal(size=(256, 3)).astype("float32")
    y = (x[:, 0] > 0).astype("int32")
    for labels in (y, y[:, None], y.astype("float32")):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, activation=activation)])
        accuracy = keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.5 if activation else 0.0)
        model.compile(keras.optimizers.Adam(0.1), loss=kr.ANLCE(from_logits=activation is None), metrics=[accuracy])
        history = model.fit(x, labels, epochs=8, verbose=0).history
        assert history["loss"][-1] < history["loss"][0]
        assert history["accuracy"][-1] > 0.9


def test_half_precision():
    for dtype in ("float16", "bfloat16"):
        values, gradient = value_and_gradient(kr.Binary(kr.GCE(), from_logits=True), Y, ops.cast(Z * 1000, dtype))
        assert np.isfinite(values).all()
        assert np.isfinite(gradient).all()


def test_dense_1_trains_as_two_logits_do():
    """Dense(1) with `Binary`, and the logits (0, z) with the loss of two classes: equal losses from equal weights."""

    class ZeroFirst(keras.layers.Layer):
        def call(self, z):
            return ops.concatenate([ops.zeros_like(z), z], axis=-1)

    x = RNG.normal(size=(64, 3)).astype("float32")
    y = RNG.integers(0, 2, 64)
    histories = []
    for loss, layers in ((kr.Binary(kr.ANLCE(), from_logits=True), []), (kr.ANLCE(from_logits=True), [ZeroFirst()])):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1), *layers])
        model.compile(keras.optimizers.Adam(0.05), loss=loss)
        histories.append(model.fit(x, y, epochs=3, verbose=0).history["loss"])
    assert histories[0] == pytest.approx(histories[1], rel=1e-5)


@once
def test_flipped_entries_of_many_labels_are_not_memorized():
    rng = np.random.default_rng(1)
    samples, directions = rng.normal(size=(3000, 20)).astype("float32"), rng.normal(size=(20, 10))
    tags = samples @ directions > 1.0
    given = (tags[:2000] ^ (rng.uniform(size=(2000, 10)) < 0.3)).astype("float32")
    right = {}
    for name, loss in (
        ("cross entropy", keras.losses.BinaryCrossentropy(from_logits=True)),
        ("robust", kr.Binary(kr.GCE(), from_logits=True)),
    ):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((20,)), keras.layers.Dense(128, "relu"), keras.layers.Dense(10)])
        model.compile(keras.optimizers.Adam(0.003), loss=loss)
        model.fit(samples[:2000], given, batch_size=128, epochs=20, verbose=0)
        right[name] = np.mean((model.predict(samples[2000:], verbose=0) > 0) == tags[2000:])
    assert right["robust"] > right["cross entropy"] + 0.05, right
