"""Two virtual CPU devices train as one does: same losses, schedule, penalty, skipped steps, log, augmentation."""

import json

import numpy as np
import pytest
from harness import BACKEND, printed_by, run_here

import keras_robust as kr
from keras_robust.diagnostics import WeightLog

CODE = """
import json, os, sys
import numpy as np
devices = int(sys.argv[1])
if os.environ["KERAS_BACKEND"] == "jax" and devices > 1:
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
import keras
scope = None
if devices == 1:
    pass  # what every process has
elif os.environ["KERAS_BACKEND"] == "jax":
    keras.distribution.set_distribution(keras.distribution.DataParallel())
else:
    import tensorflow as tf
    cpus = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpus[0], [tf.config.LogicalDeviceConfiguration()] * devices)
    scope = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(devices)]).scope()
    scope.__enter__()
import keras_robust as kr
x, y = np.random.default_rng(0).normal(size=(32, 5)).astype("float32"), np.arange(32) % 4
keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)])
kr.regularize(model, l1=0.01)
loss = kr.LogitBias(kr.DAL(from_logits=True), 1.0, from_logits=True)
model.compile(keras.optimizers.SGD(0.1), loss=loss)
keywords = dict(batch_size=8, verbose=0, shuffle=False, validation_data=(x, y), validation_batch_size=8)
moves = [kr.callbacks.DALSchedule(), kr.callbacks.LogitBiasCycle((2.0, 0.5), 1, loss)]
one = model.fit(x, y, epochs=4, callbacks=moves, **keywords).history
model.compile(keras.optimizers.SGD(0.1), loss=kr.ANLCE(5.0, 5.0, from_logits=True) + kr.CR(0.1))
two = model.fit(x, y, batch_size=8, epochs=2, verbose=0, shuffle=False).history
model.compile(keras.optimizers.SGD(0.1), loss=kr.PeerLoss(kr.CE(), 0.5, from_logits=True) + kr.ANLCEER(5.0, 1.0, 0.5))
coupled = model.evaluate(x, y, batch_size=8, verbose=0)
penalty = float(keras.ops.convert_to_numpy(sum(model.losses)))
coupled = [coupled, penalty, model.predict(x, batch_size=8, verbose=0).tolist()]
model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=4.0), loss=loss)
# In the first replica: Keras' optimizer does not see it in another one under a TensorFlow strategy.
broken = np.where(np.arange(32)[:, None] == 1, np.nan, x)
four = model.fit(broken, y, batch_size=8, verbose=0, shuffle=False, callbacks=[kr.callbacks.SkippedSteps()]).history
del four["loss"]  # not a number
wrapped = kr.ProvenanceModel(model)
wrapped.compile(keras.optimizers.SGD(0.1), loss=loss)
keras.utils.set_random_seed(0)
recipe = dict(name="own", mean=[0.5], std=[0.25], source="here", shift=2, flip=True)
prepared = kr.data.Preprocessing(recipe, seed=1)
images = np.random.default_rng(0).integers(0, 256, (34, 6, 6, 1)).astype("uint8")
numbered = {"label": np.arange(34) % 4, "index": np.arange(34)}
feed = kr.data.Feed(images, numbered, 8, seed=1, drop_remainder=True, preprocessing=prepared)
network = [prepared, keras.layers.Flatten(), keras.layers.Dense(4)]
raw = kr.ProvenanceModel(keras.Sequential([keras.Input((6, 6, 1), dtype="uint8"), *network]))
raw.compile(keras.optimizers.SGD(0.01), loss=kr.ANLCE(from_logits=True))
if scope is not None:
    scope.__exit__(None, None, None)  # fit finds the strategy by the model
logger = kr.callbacks.SampleWeightLogger(sys.argv[2], num_samples=32)
targets = {"label": y, "index": np.arange(32)[::-1].copy(), "clean": y % 2}
three = wrapped.fit(x, targets, epochs=3, callbacks=[logger, kr.callbacks.DALSchedule()], **keywords).history
five = raw.fit(feed, epochs=3, verbose=0).history
five["weights"] = raw.get_weights()[0].ravel().tolist()
found = json.dumps([one, two, three, four, five, coupled])
print(found)
"""


def assert_coupled_losses_see(rows, evaluated):
    """JAX gives a loss the whole batch of 8, TensorFlow the 4 rows of a replica: their mean is what comes."""
    value, penalty, z = evaluated
    y, z = np.arange(32) % 4, np.array(z, "float32")
    losses = kr.PeerLoss(kr.CE(), 0.5, from_logits=True), kr.ANLCEER(5.0, 1.0, 0.5, from_logits=True)
    parts = [sum(float(loss(y[i : i + rows], z[i : i + rows])) for loss in losses) for i in range(0, 32, rows)]
    assert value == pytest.approx(np.mean(parts) + penalty, rel=1e-5)


@pytest.mark.only("tensorflow", "jax")  # Keras trains on one device with PyTorch
def test_two_devices_equal_one(tmp_path):
    alone = run_here(CODE, 1, tmp_path / "1")["found"]
    together = printed_by(CODE, 2, tmp_path / "2").splitlines()[-1]
    runs = [json.loads(found) for found in (alone, together)]
    assert_coupled_losses_see(8, runs[0].pop())
    assert_coupled_losses_see(8 if BACKEND == "jax" else 4, runs[1].pop())
    assert runs[0][3] == {"skipped_steps": [1], "loss_scale": [2.0]}
    for single, double in zip(*runs, strict=True):
        assert single.keys() == double.keys()
        for name, values in single.items():
            assert double[name] == pytest.approx(values, rel=1e-5, abs=1e-7), name
    single, double = (WeightLog(tmp_path / str(devices)) for devices in (1, 2))
    assert double.epochs == [0, 1, 2]
    for field in ("margin", "weight", "loss", "learning_rate"):
        np.testing.assert_allclose(double.array(field), single.array(field), rtol=1e-5, atol=1e-6, err_msg=field)
    for field in ("label", "clean", "predicted", "step"):
        np.testing.assert_array_equal(double.array(field), single.array(field), err_msg=field)
