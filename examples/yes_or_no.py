"""Yes/no questions with wrong answers: one logit, two logits, and many labels at once.

First: is a digit 5 or more? 30% of the answers are wrong, a network ends in `Dense(1)` or in `Dense(2)`. Then: which of
ten properties does a sample have? 30% of all entries are flipped, and `Binary` trains the ten outputs of one network.

Takes about 40 seconds on two CPU cores. EXAMPLE_EPOCHS shortens it.
"""

import os

import keras
import numpy as np

import keras_robust as kr

EPOCHS = int(os.environ.get("EXAMPLE_EPOCHS", 40))


def train(outputs, loss, x, y):
    """A network of two layers that learns from answers of which 30% are wrong."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(128, "relu"), keras.layers.Dense(outputs)]
    model = keras.Sequential([keras.Input(x.shape[1:]), *layers])
    model.compile(keras.optimizers.Adam(0.003), loss=loss)
    model.fit(x, y, batch_size=128, epochs=EPOCHS, verbose=0)
    return model


def flipped(answers):
    return answers ^ (np.random.default_rng(0).uniform(size=answers.shape) < 0.3)


digits = kr.data.load_arrays("digits")
x_train, x_test = (np.reshape(x, (len(x), -1)).astype("float32") for x in (digits.x_train, digits.x_test))
large, truth = flipped(digits.y_train >= 5), digits.y_test >= 5
print("Is it 5 or more? 30% of the answers are wrong.")
for kind in (kr.CE, kr.GCE, kr.ANLCE):
    one = train(1, kr.Binary(kind(), from_logits=True), x_train, large).predict(x_test, verbose=0)
    two = train(2, kind(from_logits=True), x_train, large.astype(int)).predict(x_test, verbose=0)
    right = np.mean((one[:, 0] > 0) == truth), np.mean(two.argmax(axis=1) == truth)
    print(f"  {kind.__name__}: Dense(1) {right[0]:.1%} right, Dense(2) {right[1]:.1%}")

rng = np.random.default_rng(1)
samples, directions = rng.normal(size=(4000, 20)).astype("float32"), rng.normal(size=(20, 10))
tags = samples @ directions > 1.0
wrong = flipped(tags[:2000]).astype("float32")
print("Which of ten properties? 30% of the entries are flipped.")
for name, loss in (
    ("binary cross entropy of Keras", keras.losses.BinaryCrossentropy(from_logits=True)),
    ("Binary(CE)", kr.Binary(kr.CE(), from_logits=True)),
    ("Binary(GCE)", kr.Binary(kr.GCE(), from_logits=True)),
):
    model = train(10, loss, samples[:2000], wrong)
    right = np.mean((model.predict(samples[2000:], verbose=0) > 0) == tags[2000:])
    print(f"  {name}: {right:.1%} of the entries right")
