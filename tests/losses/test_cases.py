"""Every row of the table of cases: value, gradient, label forms, reductions, configuration, one training step."""

import functools
import json

import keras
import numpy as np
import pytest
import reference
from cases import BATCH_CASES, CASES, NAMES
from harness import (
    BACKEND,
    as_numpy,
    as_users_trace,
    assert_close,
    value_and_gradient,
    values_and_gradients,
    wide_floats,
)
from keras import ops

import keras_robust as kr

RNG = np.random.default_rng(7)
EVERY = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


def logits_of(kind, classes=10, batch=6):
    """Logits as a network has them at the start, after training (confident, right or wrong), and at the extremes."""
    rng = np.random.default_rng(classes)
    z = rng.normal(size=(batch, classes))
    if kind == "trained":
        z[np.arange(batch), rng.integers(0, classes, batch)] += 12.0
    if kind == "extreme":
        z *= rng.choice([1.0, 30.0, 1000.0, 10000.0 / 3], size=(batch, 1))
        z = np.clip(z, -1e4, 1e4)
    y = rng.integers(0, classes, batch)
    y[0] = z[0].argmax()  # one label that is right, one that is confidently wrong
    y[1] = z[1].argmin()
    return z.astype("float32"), y.astype("int32")


def group_of(case):
    """Rows that are compiled together, once: eight or more, so that Keras names the losses of their model."""
    return CASES.index(case) * (len(CASES) // 8) // len(CASES)


def probabilities(classes=10, batch=6):
    p = RNG.dirichlet(np.ones(classes), size=batch).astype("float32")
    return p, RNG.integers(0, classes, batch).astype("int32")


def test_every_public_loss_has_a_row():
    public = {name for name in kr.losses.__all__ if name != "RobustLoss"}
    assert public == NAMES


@EVERY
@pytest.mark.parametrize("classes", [2, 10])
def test_value_and_gradient(case, classes):
    parts = [logits_of(kind, classes) for kind in ("init", "trained", "extreme")]
    z, y = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    values, gradient = value_and_gradient(case.make(from_logits=True), y, z)
    start = 0
    for z, y in parts:
        rows, start = slice(start, start + len(y)), start + len(y)
        expected = reference.value(case.reference, z, y), reference.gradient(case.reference, z, y)
        assert_close(values[rows], gradient[rows], *expected, z)


@functools.cache
def of_a_thousand_classes(group):
    """Of every row of a group, by its id, losses and gradients of `logits_of("trained", 1000, batch=2)`, compiled."""
    z, y = logits_of("trained", 1000, batch=2)
    cases = [case for case in CASES if group_of(case) == group]
    results = values_and_gradients([case.make(from_logits=True) for case in cases], y, z, compiled=True)
    return {case.id: result for case, result in zip(cases, results, strict=True)}


@EVERY
def test_a_thousand_classes(case):
    z, y = logits_of("trained", 1000, batch=2)
    entries = sorted({int(y[0]), int(y[1]), int(z[0].argmax()), 17})
    values, gradient = of_a_thousand_classes(group_of(case))[case.id]
    expected = reference.gradient(case.reference, z, y, entries=entries)
    assert_close(values, gradient[:, entries], reference.value(case.reference, z, y), expected[:, entries], z)


@EVERY
def test_ids_equal_one_hot_labels(case):
    z, y = logits_of("trained")
    loss = case.make(from_logits=True)
    by_ids = value_and_gradient(loss, y, z)
    for labels in (np.eye(10, dtype="float32")[y], np.eye(10, dtype="int64")[y]):
        for got, expected in zip(value_and_gradient(loss, labels, z), by_ids, strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=2e-5)
    np.testing.assert_allclose(as_numpy(loss.call(y[:, None], z)), by_ids[0], rtol=1e-5, atol=1e-6)


# A logit bias moves with the label, so its soft labels are another thing: see test_algebra.
UNBIASED = [case for case in CASES if not any(name in case.id for name in ("LogitBias", "Star", "MarginShift"))]


@pytest.mark.parametrize("case", UNBIASED, ids=lambda case: case.id)
def test_soft_labels_are_the_expected_loss(case):
    z, _ = logits_of("init")
    t = np.random.default_rng(1).dirichlet(np.full(10, 0.3), size=6).astype("float32")
    t[0], t[1] = np.eye(10)[1], 0.1
    loss = case.make(from_logits=True)
    pairs = np.repeat(z, 10, axis=0), np.tile(np.arange(10), 6)
    by_label = as_numpy(loss.call(*pairs[::-1])).reshape(6, 10)
    np.testing.assert_allclose(as_numpy(loss.call(t, z)), (t * by_label).sum(axis=-1), rtol=2e-5, atol=2e-6)


@EVERY
def test_logits_equal_probabilities(case):
    if case.from_logits_only:
        with pytest.raises(ValueError, match="`from_logits` of SparseRegularized must be True"):
            case.make()
        return
    p, y = probabilities()
    for unnormalized in (1.0, 3.0):
        got = as_numpy(case.make().call(y, p * unnormalized))
        np.testing.assert_allclose(got, as_numpy(case.make(from_logits=True).call(y, np.log(p))), rtol=1e-5, atol=1e-6)


def with_every_label(rows):
    """Every row once with each class for a label."""
    rows = np.array(rows, "float32")
    return np.repeat(rows, rows.shape[-1], axis=0), np.tile(np.arange(rows.shape[-1]), len(rows))


@EVERY
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_finite_at_extreme_logits(case, dtype):
    z, y = with_every_label(
        [[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4], [1e4, 1e4, 1e4], [-1e4, -1e4, 1e4], [0.0, 0.0, 0.0]],
    )
    values, gradient = value_and_gradient(case.make(from_logits=True), y, ops.cast(z, dtype))
    assert np.all(np.isfinite(values))
    assert np.all(np.isfinite(gradient))


@EVERY
def test_finite_at_probabilities_zero_and_one(case):
    if case.from_logits_only:
        return
    p, y = with_every_label(
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.5, 0.0], [1e-38, 1.0, 0.0], [1e-30, 1e-20, 1.0]],
    )
    values, gradient = value_and_gradient(case.make(), y, p)
    assert np.all(np.isfinite(values))
    assert np.all(np.isfinite(gradient))


@EVERY
def test_implicit_weight(case):
    z, y = logits_of("init")
    z[2, y[2]] += 9.0
    loss = case.make(from_logits=True)
    expected = 0.5 * np.abs(reference.gradient(case.reference, z, y)).sum(axis=-1)
    np.testing.assert_allclose(as_numpy(loss.implicit_weight(y, z)), expected, rtol=2e-4, atol=1e-7)
    np.testing.assert_allclose(
        as_numpy(loss.implicit_weight(np.eye(10, dtype="float32")[y], z)), expected, rtol=2e-4, atol=1e-6
    )


@EVERY
def test_sample_weights_and_reductions(case):
    z, y = logits_of("init")
    w = np.array([1.0, 0.0, 2.0, 0.5, 1.0, 0.0], "float32")
    per_sample = as_numpy(case.make(from_logits=True, reduction=None)(y, z))
    assert per_sample.shape == (6,)
    expected = {
        "sum": (per_sample * w).sum(),
        "sum_over_batch_size": (per_sample * w).sum() / 6,
        "mean": (per_sample * w).sum() / 6,
        "mean_with_sample_weight": (per_sample * w).sum() / w.sum(),
    }
    for reduction, value in expected.items():
        loss = case.make(from_logits=True, reduction=reduction)
        for weights in (w, w[:, None]):
            np.testing.assert_allclose(float(loss(y, z, sample_weight=weights)), value, rtol=1e-5)
    for reduction in (None, "none"):
        loss = case.make(from_logits=True, reduction=reduction)
        np.testing.assert_allclose(as_numpy(loss(y, z, sample_weight=w)), per_sample * w, rtol=1e-6)


@EVERY
def test_configuration_round_trip(case):
    keywords = {"from_logits": True, "ignore_class": 255, "reduction": "sum", "name": "mine", "dtype": "float64"}
    loss = case.make(**keywords)
    config = loss.get_config()
    if isinstance(loss, kr.WeightedSum):  # a sum takes all but the name from its parts
        keywords["name"] = "weighted_sum"
    assert {key: config[key] for key in keywords} == keywords
    text = json.dumps(keras.saving.serialize_keras_object(loss))
    again = keras.saving.deserialize_keras_object(json.loads(text))
    assert type(again) is type(loss)
    assert again.get_config() == config
    assert again.hyperparameters == loss.hyperparameters
    z, y = logits_of("init")
    with wide_floats():
        assert float(again(y, z)) == float(loss(y, z))
    plain = case.make(from_logits=True)
    assert type(plain).from_config(plain.get_config()).get_config() == plain.get_config()


@functools.cache
def two_training_steps(group):
    """Of every row of a group, by its id, the loss as it is called, and those of two steps. Each has its own layer."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(24, 6)).astype("float32"), rng.integers(0, 3, 24)
    cases = {f"row{place}": case for place, case in enumerate(CASES) if group_of(case) == group}
    inputs, start = keras.Input((6,)), keras.initializers.GlorotUniform(0)
    model = keras.Model(inputs, {row: keras.layers.Dense(3, kernel_initializer=start)(inputs) for row in cases})
    losses, labels = {row: case.make(from_logits=True) for row, case in cases.items()}, dict.fromkeys(cases, y)
    outputs = model(x)
    called = {row: float(as_numpy(losses[row](y, logits))) for row, logits in outputs.items()}
    # On TensorFlow XLA compiles them all above, with a thousand classes.
    model.compile(keras.optimizers.SGD(0.01), loss=losses, jit_compile="auto" if BACKEND == "jax" else False)
    if BACKEND == "tensorflow":  # it traces a step twice that makes variables, here the metrics of the losses
        model.compute_loss(x, labels, outputs)
    with as_users_trace():
        history = model.fit(x, labels, batch_size=24, epochs=2, verbose=0).history
    return {case.id: (called[row], *history[f"{row}_loss"]) for row, case in cases.items()}


@EVERY
def test_a_training_step_lowers_the_loss(case):
    called, first, second = two_training_steps(group_of(case))[case.id]
    assert first == pytest.approx(called, rel=1e-5)
    assert second < first


@pytest.mark.parametrize(("kind", "make", "expected"), BATCH_CASES, ids=lambda value: getattr(value, "__name__", None))
class TestBatchCoupled:
    """Losses in which the samples of a batch meet."""

    def test_value(self, kind, make, expected):
        z, y = logits_of("trained", 5, batch=7)
        want = np.array([float(v) for v in expected(z.astype("float64"), y)])
        for labels in (y, y[:, None], np.eye(5, dtype="float32")[y]):
            np.testing.assert_allclose(as_numpy(make(from_logits=True).call(labels, z)), want, rtol=1e-5, atol=1e-6)

    def test_rows_that_do_not_count_are_nobodys_neighbors(self, kind, make, expected):
        z, y = logits_of("trained", 5, batch=9)
        keep = np.array([1, 1, 0, 1, 1, 0, 1, 1, 1], bool)
        want = np.zeros(9)
        want[keep] = [float(v) for v in expected(z[keep].astype("float64"), y[keep])]
        z[2] = np.nan
        losses = make(from_logits=True, reduction=None)(y, z, sample_weight=keep.astype("float32"))
        np.testing.assert_allclose(as_numpy(losses), want, rtol=1e-5, atol=1e-6)
        y[~keep] = 255
        losses, gradient = value_and_gradient(make(from_logits=True, ignore_class=255), y, z, compiled=True)
        np.testing.assert_allclose(losses, want, rtol=1e-5, atol=1e-6)
        assert np.all(gradient[~keep] == 0)
        assert np.all(np.isfinite(gradient))

    def test_dense_labels(self, kind, make, expected):
        z, y = logits_of("trained", 5, batch=8)
        loss = make(from_logits=True)
        flat = as_numpy(loss.call(y, z))
        dense = as_numpy(loss.call(y.reshape(2, 2, 2), z.reshape(2, 2, 2, 5)))
        np.testing.assert_allclose(dense, flat.reshape(2, 2, 2), rtol=1e-6)

    def test_no_implicit_weight(self, kind, make, expected):
        z, y = logits_of("init", 5)
        for loss in (make(from_logits=True), 2.0 * make(from_logits=True) + kr.CE()):
            with pytest.raises(ValueError, match="no implicit sample weight"):
                loss.implicit_weight(y, z)

    def test_configuration_and_finite_values(self, kind, make, expected):
        loss = make(from_logits=True)
        assert kind.from_config(loss.get_config()).get_config() == loss.get_config()
        z = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4], [1e4, 1e4, 1e4], [0.0, 0.0, 0.0]], "float32")
        values, gradient = value_and_gradient(loss, np.array([0, 0, 1, 2]), z)
        assert np.all(np.isfinite(values))
        assert np.all(np.isfinite(gradient))
