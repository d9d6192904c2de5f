"""A symmetric loss is robust in theory, whatever the training. In practice it depends on the learning rate and on time.

NCE + RCE on digits of which 40% carry wrong labels: 60 epochs with a learning rate that falls to 0, and ten times as
many with a constant one. After Ou & Zhang 2023, a curriculum view of robust loss functions.

Takes about 90 seconds on two CPU cores. EXAMPLE_EPOCHS shortens it.
"""

import os

import keras

import keras_robust
from keras_robust import data, models, noise, optimizers, schedules, theory

EPOCHS = int(os.environ.get("EXAMPLE_EPOCHS", 600))
SHORT = max(EPOCHS // 10, 1)

digits = data.load_arrays("digits")
labels = noise.corrupt(digits.y_train, noise.symmetric(10, 0.4), seed=0)
loss = keras_robust.NCEandRCE(from_logits=True)
print(f"{loss.name} is symmetric at 10 classes: {theory.is_symmetric(loss, 10)}")


def train(epochs, rate):
    """Prints, ten times over the training, accuracy on clean test labels and the share of wrong labels predicted."""
    keras.utils.set_random_seed(0)
    model = models.cnn2(digits.input_shape, 10, classifier_activation=None)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9, global_clipnorm=5.0), loss=loss)

    def look(epoch, logs=None):
        if (epoch + 1) % max(epochs // 10, 1) == 0:
            right = model.predict(digits.x_test, verbose=0).argmax(axis=-1) == digits.y_test
            memorized = (model.predict(digits.x_train, verbose=0).argmax(axis=-1) == labels.noisy)[labels.mask]
            print(
                f"  epoch {epoch + 1:3}: {right.mean():6.1%} right, {memorized.mean():6.1%} of wrong labels memorized"
            )

    callbacks = [rate, keras.callbacks.LambdaCallback(on_epoch_end=look)]
    model.fit(digits.x_train, labels.noisy, batch_size=128, epochs=epochs, callbacks=callbacks, verbose=0)


print(f"learning rate 0.01, falling to 0 in {SHORT} epochs")
train(SHORT, optimizers.cosine(0.01, SHORT))
print(f"learning rate 0.01, constant, {EPOCHS} epochs")
train(EPOCHS, optimizers.by_epoch(schedules.Constant(0.01), EPOCHS))
