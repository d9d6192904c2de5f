"""What comes into a loss besides labels of the usual form: one row, masks, odd dtypes, nothing at all."""

import warnings

import keras
import numpy as np
import pytest
from harness import BACKEND, as_numpy, value_and_gradient
from keras import ops
from keras.src.backend.common.masking import set_keras_mask

import keras_robust as kr

Z = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
Y = np.array([0, 2, 1, 2])
LOSS = kr.GCE(from_logits=True)
EACH = np.asarray(as_numpy(LOSS.call(Y, Z)))


def test_one_row_gives_a_scalar():
    for loss in (
        LOSS,
        kr.ANLCE(from_logits=True),
        kr.BiTempered(from_logits=True),
        kr.NCE() + kr.MSE(from_logits=True),
    ):
        expected = as_numpy(loss.call(Y, Z))[1]
        for label in (2, np.array(2), [2], np.array([2]), np.array([0.0, 0.0, 1.0])):
            values, gradient = value_and_gradient(loss, label, Z[1])
            assert values.shape == ()
            assert values == pytest.approx(expected, rel=1e-5)
            assert gradient.shape == (3,)
            assert float(loss(label, Z[1])) == pytest.approx(expected, rel=1e-5)
        assert as_numpy(loss.implicit_weight(2, Z[1])).shape == ()
    with pytest.raises(ValueError, match=r"Received: y_pred of shape \(\)"):
        LOSS(0, np.float32(1.0))


class TestTargets:
    """A target row that counts is a distribution, up to rounding."""

    @pytest.mark.parametrize(
        ("row", "told"),
        [
            ([1.0, 1.0, 0.0], "a sum of 2"),
            ([0.0, 0.0, 0.0], "a sum of 0"),
            ([2.0, -1.0, 0.0], "an entry of -1"),
            ([3, 1, 0], "a sum of 4"),
            ([0.5, 0.503, 0.0], "a sum of 1.003"),
        ],
    )
    def test_no_distribution(self, row, told):
        t = np.eye(3, dtype=np.asarray(row).dtype)[Y]
        t[1] = row
        with pytest.raises(ValueError, match=f"1 of 4 rows.*the first has {told}.*keras_robust.Binary"):
            LOSS(t, Z)
        if BACKEND != "torch":
            values, gradient = value_and_gradient(LOSS, t, Z, compiled=True)
            assert np.isnan(values).tolist() == [False, True, False, False]
            assert np.isfinite(gradient).all()
        # Where it does not count it may be anything.
        w = np.array([1.0, 0.0, 1.0, 1.0])
        assert float(LOSS(t, Z, sample_weight=w)) == pytest.approx((EACH * w).sum() / 4, rel=1e-5)

    def test_rounded(self):
        for dtype, above in (("float32", 1.0009), ("float16", 1.015), ("bfloat16", 1.015)):
            t = ops.cast(np.eye(3)[Y] * above, dtype)
            assert np.isfinite(float(LOSS(t, Z)))
        assert np.isfinite(float(LOSS(np.eye(3)[Y] * 0.3, Z)))

    def test_nan_under_weight_zero(self):
        t = np.eye(3, dtype="float32")[Y]
        t[1] = np.nan
        values, gradient = value_and_gradient(LOSS, t, Z, sample_weight=np.array([1.0, 0.0, 1.0, 1.0]))
        assert np.isfinite(values)
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("shape", "mask"), [((4,), (4, 1)), ((4,), (4,)), ((3, 1), (3,)), ((3, 3, 3), (3, 3)), ((2, 3), (2, 3, 1))]
)
@pytest.mark.parametrize("one_hot", [False, True])
def test_a_mask_is_aligned_as_weights_are(shape, mask, one_hot):
    rng = np.random.default_rng(1)
    z, y = rng.normal(size=(*shape, 5)).astype("float32"), rng.integers(0, 5, shape)
    m = rng.random(mask) < 0.6
    m.flat[0], m.flat[1] = True, False
    each = as_numpy(LOSS.call(y, z))
    kept = np.broadcast_to(m.reshape(mask[: len(shape)] + (1,) * (len(shape) - len(mask))), shape)
    z[~kept] = np.nan
    y_pred = ops.convert_to_tensor(z)
    set_keras_mask(y_pred, ops.convert_to_tensor(m))
    got = float(LOSS(np.eye(5, dtype="float32")[y] if one_hot else y, y_pred))
    assert got == pytest.approx(each[kept].mean(), rel=1e-5)


def test_a_mask_that_does_not_fit():
    y_pred = ops.convert_to_tensor(Z)
    set_keras_mask(y_pred, ops.ones((3,), "bool"))
    with pytest.raises(ValueError, match=r"The mask of y_pred must fit .*\(4,\).*shape \(3,\)"):
        LOSS(Y, y_pred)


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "uint64", "int64"])
def test_wide_and_unsigned_ids(dtype):
    assert float(LOSS(Y.astype(dtype), Z)) == pytest.approx(EACH.mean(), rel=1e-6)
    if BACKEND != "jax":
        tensor = ops.convert_to_tensor(Y.astype("int64"))
        if BACKEND == "torch":
            import torch

            tensor = tensor.to(getattr(torch, dtype))
        else:
            tensor = ops.cast(tensor, dtype)
        assert float(LOSS(tensor, Z)) == pytest.approx(EACH.mean(), rel=1e-6)
    far = Y.astype(dtype)
    far[1] = 2**16 - 1 if dtype == "uint16" else 2**32 - 1 if dtype == "uint32" else 2**32 + 1
    for labels in (far, far[:, None], far.tolist()):
        with pytest.raises(ValueError, match=rf"outside: \[{far[1]}\]"):
            LOSS(labels, Z)
    if BACKEND != "jax" and dtype == "int64":
        with pytest.raises(ValueError, match="outside: .4294967297."):
            LOSS(ops.convert_to_tensor(far), Z)


def test_nothing():
    for labels in (np.zeros(0, "int32"), np.zeros((0, 1), "int32"), np.zeros((0, 3), "float32")):
        for loss in (LOSS, kr.ANLCE(), kr.BiTempered()):
            assert float(loss(labels, Z[:0])) == 0.0
            assert as_numpy(loss.call(labels, Z[:0])).shape == (0,)
    assert float(kr.Binary(kr.CE())(np.zeros((0, 3)), Z[:0])) == 0.0
    assert float(LOSS(np.zeros((2, 0), int), np.zeros((2, 0, 3), "float32"))) == 0.0


@pytest.mark.only("tensorflow", "jax")  # Keras has no sparse labels on PyTorch
def test_sparse_labels_are_refused():
    if BACKEND == "jax":
        from jax.experimental.sparse import BCOO

        labels = BCOO.fromdense(ops.convert_to_tensor(np.eye(3, dtype="float32")[Y]))
    else:
        import tensorflow as tf

        labels = tf.sparse.from_dense(np.eye(3, dtype="float32")[Y])
    with pytest.raises(ValueError, match=r"y_true must be dense.*\(4, 3\).*sparse=False"):
        LOSS(labels, Z)


@pytest.mark.only("tensorflow")  # AutoGraph is its
def test_autograph_is_silent(caplog, capfd):
    import tensorflow as tf

    @tf.function
    def step(y, z):
        loss = kr.ANLCE(from_logits=True)
        return loss(y, z) + tf.reduce_sum(loss.call(y, z)) + tf.reduce_sum(loss.implicit_weight(y, z))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(float(step(tf.constant(Y), tf.constant(Z))))
    assert "AutoGraph" not in caplog.text + "".join(capfd.readouterr())


@pytest.mark.only("jax")  # its steps do not see variables
def test_a_train_step_of_its_own_with_a_schedule():
    """As the guide of Keras writes it."""

    class Custom(keras.Model):
        def __init__(self, inner, stateless):
            super().__init__()
            self.inner, self.stateless = inner, stateless

        def call(self, x, training=False):
            return self.inner(x)

        def loss_and_updates(self, trainable, non_trainable, metrics, x, y, training=False):
            y_pred, non_trainable = self.stateless_call(trainable, non_trainable, x, training=training)
            if not self.stateless:
                return self.compute_loss(x, y, y_pred), (y_pred, non_trainable)
            loss, *_ = self.stateless_compute_loss(
                trainable, non_trainable, metrics, x=x, y=y, y_pred=y_pred, training=training
            )
            return loss, (y_pred, non_trainable)

        def train_step(self, state, data):
            import jax

            trainable, non_trainable, optimizer, metrics = state
            x, y = data
            step = jax.value_and_grad(self.loss_and_updates, has_aux=True)
            (loss, (_, non_trainable)), gradients = step(trainable, non_trainable, metrics, x, y, training=True)
            trainable, optimizer = self.optimizer.stateless_apply(optimizer, gradients, trainable)
            kept, at = [], 0
            for metric in self.metrics:
                these = metrics[at : at + len(metric.variables)]
                at += len(metric.variables)
                if metric.name == "loss":
                    these = metric.stateless_update_state(these, loss)
                kept += these
            logs = {"loss": self.metrics[0].stateless_result(kept[: len(self.metrics[0].variables)])}
            return logs, (trainable, non_trainable, optimizer, kept)

    def history(stateless):
        model = Custom(keras.layers.Dense(4, kernel_initializer="zeros"), stateless)
        model.compile(keras.optimizers.SGD(0.0), loss=kr.GCE(0.5, from_logits=True))
        x, y = np.ones((8, 2), "float32"), np.zeros(8, int)
        moving = kr.callbacks.HyperparameterSchedule({"q": kr.schedules.Linear(0.5, 1.0)})
        return model.fit(x, y, epochs=2, verbose=0, callbacks=[moving]).history["loss"]

    with pytest.raises(ValueError, match="call self.stateless_compute_loss"):
        history(stateless=False)
    history = history(stateless=True)
    assert history == pytest.approx([(1 - 0.25**q) / q for q in (0.5, 1.0)], rel=1e-5)
