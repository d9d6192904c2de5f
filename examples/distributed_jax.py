"""Training on several devices with JAX: a schedule, an L1 penalty and a log of every sample, as on one device.

On a machine with accelerators leave XLA_FLAGS alone: JAX finds them. Here two virtual devices share the CPU.
Takes about 15 seconds on two CPU cores. EXAMPLE_EPOCHS shortens it.
"""

import os
import tempfile

os.environ["KERAS_BACKEND"] = "jax"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

import keras
import numpy as np

import keras_robust
from keras_robust import callbacks, data, models, noise

EPOCHS = int(os.environ.get("EXAMPLE_EPOCHS", 20))
BATCH = 64  # of all devices together

# Before any variable exists, those of a loss included.
keras.distribution.set_distribution(keras.distribution.DataParallel())
keras.utils.set_random_seed(0)

digits = data.load_arrays("digits")
labels = noise.corrupt(digits.y_train, noise.symmetric(10, 0.4), seed=0)
N = len(labels.noisy) // BATCH * BATCH  # JAX cannot share out a smaller last batch
targets = {"label": labels.noisy[:N], "index": np.arange(N), "clean": labels.clean[:N]}

inside = keras_robust.regularize(models.cnn2(digits.input_shape, 10, classifier_activation=None), l1=1e-5)
model = keras_robust.ProvenanceModel(inside)
model.compile(keras.optimizers.SGD(0.01, momentum=0.9), keras_robust.DAL(from_logits=True), metrics=["accuracy"])
logger = callbacks.SampleWeightLogger(tempfile.mkdtemp(), num_samples=N)
model.fit(
    digits.x_train[:N],
    targets,
    batch_size=BATCH,
    epochs=EPOCHS,
    callbacks=[callbacks.DALSchedule(), logger],
    verbose=0,
)
print(f"on {len(keras.distribution.list_devices())} devices: the log holds {np.sum(logger.log().labels >= 0)} samples")
print(f"{logger.log().detection().precision:.1%} of the most suspect labels are wrong")
whole = len(digits.y_test) // BATCH * BATCH
print(
    f"loss and accuracy on clean test labels: {model.evaluate(digits.x_test[:whole], digits.y_test[:whole], verbose=0)}"
)
