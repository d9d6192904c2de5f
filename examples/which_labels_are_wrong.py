"""Which labels are wrong? Train on digits of which 40% are mislabeled, log every sample, and read off the suspects.

Takes about 15 seconds on two CPU cores. EXAMPLE_EPOCHS shortens it.
"""

import os
import tempfile

import keras
import numpy as np

import keras_robust
from keras_robust import callbacks, data, metrics, models, noise

EPOCHS = int(os.environ.get("EXAMPLE_EPOCHS", 40))

digits = data.load_arrays("digits")
labels = noise.corrupt(digits.y_train, noise.symmetric(10, 0.4), seed=0)
N = len(labels.noisy)

keras.utils.set_random_seed(0)
loss = keras_robust.DAL(from_logits=True)
model = keras_robust.ProvenanceModel(models.cnn2(digits.input_shape, 10, classifier_activation=None))
model.compile(
    keras.optimizers.SGD(0.01, momentum=0.9),
    loss=loss,
    metrics=["accuracy", metrics.MemorizedShare(), metrics.CorrectedShare(), metrics.MeanImplicitWeight(loss, "wrong")],
)
# In practice nobody knows the clean labels: leave out "clean" and the metrics that need it; all else works.
targets = {"label": labels.noisy, "index": np.arange(N), "clean": labels.clean}
logger = callbacks.SampleWeightLogger(tempfile.mkdtemp(), num_samples=N)
history = model.fit(
    digits.x_train,
    targets,
    batch_size=128,
    epochs=EPOCHS,
    callbacks=[callbacks.DALSchedule(epochs=EPOCHS), logger],
    verbose=0,
).history
print(f"last epoch: {history['memorized_share'][-1]:.1%} memorized, {history['corrected_share'][-1]:.1%} corrected")

log = logger.log()
print("most suspect samples:", log.suspects(8))
found = log.detection()
print(f"{found.precision:.1%} of the {labels.mask.sum()} most suspect labels are wrong; AUROC {found.auroc:.3f}")
print(f"signal to noise, mean weight of clean over wrong labels: {log.snr():.1f}")
