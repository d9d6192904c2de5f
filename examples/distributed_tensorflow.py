"""Training on several devices with TensorFlow: a schedule, an L1 penalty and a log of every sample, as on one device.

With several GPUs `tf.distribute.MirroredStrategy()` takes them all. Here two virtual devices share the CPU.
Takes about 40 seconds on two CPU cores. EXAMPLE_EPOCHS shortens it.
"""

import os
import tempfile

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

import keras_robust
from keras_robust import callbacks, data, models, noise

EPOCHS = int(os.environ.get("EXAMPLE_EPOCHS", 20))
BATCH = 64  # of all devices together

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
keras.utils.set_random_seed(0)

digits = data.load_arrays("digits")
labels = noise.corrupt(digits.y_train, noise.symmetric(10, 0.4), seed=0)
N = len(labels.noisy)
targets = {"label": labels.noisy, "index": np.arange(N), "clean": labels.clean}

with strategy.scope():
    inside = keras_robust.regularize(models.cnn2(digits.input_shape, 10, classifier_activation=None), l1=1e-5)
    model = keras_robust.ProvenanceModel(inside)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), keras_robust.DAL(from_logits=True), metrics=["accuracy"])
logger = callbacks.SampleWeightLogger(tempfile.mkdtemp(), num_samples=N)
model.fit(
    digits.x_train,
    targets,
    batch_size=BATCH,
    epochs=EPOCHS,
    callbacks=[callbacks.DALSchedule(), logger],
    verbose=0,
)
print(f"on {strategy.num_replicas_in_sync} devices: the log holds {np.sum(logger.log().labels >= 0)} samples")
print(f"{logger.log().detection().precision:.1%} of the most suspect labels are wrong")
print(f"loss and accuracy on clean test labels: {model.evaluate(digits.x_test, digits.y_test, verbose=0)}")
