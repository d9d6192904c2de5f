"""Which loss, and which numbers of it? KerasTuner on digits of which 40% of the labels are wrong, in validation too.

Needs the extra `tuner`: pip install -e '.[tuner]' in the clone. Takes about two minutes on two CPU cores.
EXAMPLE_EPOCHS shortens it.

The objective is the accuracy on labels that were held out, as wrong as the others. With a share r of wrong labels,
spread evenly over K classes, a model of accuracy a on clean labels has (1 - r) a + r / (K - 1) (1 - a) on those: it
rises with a as long as r < (K - 1) / K, so the best model is the same. Not `val_loss`: losses, and one loss with other
numbers, have no common scale. Not the accuracy in training: it rises as wrong labels are memorized.
"""

import os
import tempfile

import keras
import keras_tuner
import numpy as np

import keras_robust
from keras_robust import data, models, noise, search

EPOCHS = int(os.environ.get("EXAMPLE_EPOCHS", 15))
TRIALS = 12 if EPOCHS > 1 else 2
LOSSES = {
    "GCE": keras_robust.GCE(q=0.7, from_logits=True),
    "ANLCE": keras_robust.ANLCE(alpha=5, beta=5, from_logits=True),
    "NCEandAGCE": keras_robust.NCEandAGCE(alpha=1, beta=4, a=6, q=1.5, from_logits=True),
}

digits = data.load_arrays("digits")
labels = noise.corrupt(digits.y_train, noise.symmetric(10, 0.4), seed=0)
order = np.random.default_rng(0).permutation(len(labels.noisy))
held_out, kept = order[:400], order[400:]


def build(hp):
    kind = hp.Choice("loss", list(LOSSES))
    with hp.conditional_scope("loss", [kind]):
        loss = search.tuned_loss(hp, LOSSES[kind])
    model = models.cnn2(digits.input_shape, 10, classifier_activation=None)
    rate = hp.Float("learning_rate", 0.003, 0.1, sampling="log")
    optimizer = keras.optimizers.SGD(rate, momentum=0.9, global_clipnorm=5.0)
    model.compile(optimizer, loss=loss, metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")])
    return model


tuner = keras_tuner.RandomSearch(
    build,
    objective=keras_tuner.Objective("val_accuracy", "max"),
    max_trials=TRIALS,
    seed=0,
    directory=tempfile.mkdtemp(),
)
tuner.search(
    digits.x_train[kept],
    labels.noisy[kept],
    validation_data=(digits.x_train[held_out], labels.noisy[held_out]),
    batch_size=64,
    epochs=EPOCHS,
    verbose=0,
)
best, *others = tuner.oracle.get_best_trials(3)
for trial in (best, *others):
    print(f"{trial.score:.1%} of the labels held out, wrong ones included, by {trial.hyperparameters.values}")
model = build(best.hyperparameters)
model.fit(digits.x_train, labels.noisy, batch_size=64, epochs=EPOCHS, verbose=0)
accuracy = model.evaluate(digits.x_test, digits.y_test, verbose=0, return_dict=True)["accuracy"]
expected = (best.score - 0.4 / 9) / (1 - 0.4 * 10 / 9)
print(f"trained on all labels, the best has {accuracy:.1%} of the clean test labels right; expected: {expected:.1%}")
