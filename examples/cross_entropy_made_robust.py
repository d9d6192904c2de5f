"""Cross entropy that does not memorize: nothing is changed but the learning rate.

A robust loss gives samples less weight as training goes, and so lowers its effective learning rate alpha_t by itself.
Cross entropy is given one that falls by the rate alone. Digits, 40% of them mislabeled, the same 60 epochs for all.
After Ou & Zhang 2023, a curriculum view of robust loss functions.

Takes about 45 seconds on two CPU cores. EXAMPLE_EPOCHS shortens it.
"""

import os
import tempfile

import keras
import numpy as np

import keras_robust
from keras_robust import callbacks, data, diagnostics, models, noise, optimizers, schedules

EPOCHS = int(os.environ.get("EXAMPLE_EPOCHS", 60))

digits = data.load_arrays("digits")
labels = noise.corrupt(digits.y_train, noise.symmetric(10, 0.4), seed=0)
targets = {"label": labels.noisy, "index": np.arange(len(labels.noisy)), "clean": labels.clean}


def train(loss, rate):
    keras.utils.set_random_seed(0)
    model = keras_robust.ProvenanceModel(models.cnn2(digits.input_shape, 10, classifier_activation=None))
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9, global_clipnorm=5.0), loss=loss, metrics=["accuracy"])
    logger = callbacks.SampleWeightLogger(tempfile.mkdtemp(), num_samples=len(labels.noisy))
    moves = [rate, logger]
    model.fit(digits.x_train, targets, batch_size=128, epochs=EPOCHS, callbacks=moves, verbose=0)
    accuracy = model.evaluate(digits.x_test, digits.y_test, verbose=0, return_dict=True)["accuracy"]
    return accuracy, logger.log()


usual = optimizers.cosine(0.01, EPOCHS)
falling = optimizers.by_epoch(schedules.Exponential(0.01, 0.85), EPOCHS)
small = optimizers.by_epoch(schedules.Constant(0.0003), EPOCHS)
for name, loss, rate in (
    ("cross entropy, rate on a cosine", keras_robust.CE(from_logits=True), usual),
    (
        "cross entropy, rate falling by 15% an epoch",
        keras_robust.CE(from_logits=True),
        falling,
    ),
    ("cross entropy, rate 0.0003", keras_robust.CE(from_logits=True), small),
    ("NCE + RCE, rate on a cosine", keras_robust.NCEandRCE(from_logits=True), usual),
):
    accuracy, log = train(loss, rate)
    memorized = diagnostics.memorization_curves(log)["wrong labels, memorized"].values[-1]
    alpha = diagnostics.effective_rate(log)
    print(f"{name}: {accuracy:.1%} of clean test labels right, {memorized:.1%} of wrong labels memorized")
    print(f"  effective learning rate: {alpha[0]:.1e} at the start, {alpha[len(alpha) // 2]:.1e} halfway")
