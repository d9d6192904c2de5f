"""Cross entropy and ANL-CE on digits of which 60% carry wrong labels.

Takes about 20 seconds on two CPU cores. EXAMPLE_EPOCHS shortens it.
"""

import math
import os

import keras

import keras_robust
from keras_robust import data, models, noise

EPOCHS = int(os.environ.get("EXAMPLE_EPOCHS", 60))

digits = data.load_arrays("digits")
labels = noise.corrupt(digits.y_train, noise.symmetric(10, 0.6), seed=0)
print(f"{labels.rate:.1%} of {len(labels.noisy)} training labels are wrong")

for loss, l1 in (
    (keras_robust.CE(from_logits=True), 0.0),
    (keras_robust.ANLCE(alpha=5, beta=5, from_logits=True), 5e-5),
):
    keras.utils.set_random_seed(0)
    model = keras_robust.regularize(models.cnn2(digits.input_shape, 10, classifier_activation=None), l1=l1)
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9, global_clipnorm=5.0),
        loss=loss,
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    cosine = keras.callbacks.LearningRateScheduler(lambda epoch: 0.005 * (1 + math.cos(math.pi * epoch / EPOCHS)))
    model.fit(digits.x_train, labels.noisy, batch_size=128, epochs=EPOCHS, callbacks=[cosine], verbose=0)
    predicted = model.predict(digits.x_train, verbose=0).argmax(axis=-1)
    accuracy = model.evaluate(digits.x_test, digits.y_test, verbose=0, return_dict=True)["accuracy"]
    memorized = (predicted == labels.noisy)[labels.mask].mean()
    print(f"{loss.name}: {accuracy:.1%} of clean test labels right, {memorized:.1%} of wrong labels memorized")
