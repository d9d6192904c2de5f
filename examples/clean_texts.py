"""Texts with wrong labels, from the log to corrected labels: suspects are read, corrected, and trained on again.

Generated reviews of three kinds of goods; 30% carry the label of another kind. Words are numbers from a dictionary, so
that the network sees (samples, words). Here the model is taken at its word; a person would look at the suspects first,
on `diagnostics.review_page`.

On JAX, 4.6% of the labels are wrong after the corrections, and cross entropy is right for 94.5% of unseen texts on the
corrected labels, 87.7% on the given ones. Takes about 35 seconds on two CPU cores. EXAMPLE_EPOCHS shortens it.
"""

import os
import tempfile

import keras
import numpy as np

import keras_robust as kr
from keras_robust import diagnostics

EPOCHS = int(os.environ.get("EXAMPLE_EPOCHS", 15))
KINDS = {
    "book": "chapter author plot read pages story writer ending novel characters",
    "phone": "battery screen camera charger signal apps speaker memory calls display",
    "shoe": "heel size leather walk laces fits sole comfortable running toes",
}
COMMON = "the a very good bad not this is was it i my for with too much never again nice great poor but and"
LENGTH, WORDS = 10, sorted({*" ".join([*KINDS.values(), COMMON]).split()})
rng = np.random.default_rng(0)


def reviews(count):
    """Texts, most of whose words say nothing of the kind, and one in ten of another kind; and their kinds."""
    kinds = rng.integers(0, 3, count)
    names = list(KINDS)
    texts = []
    for kind in kinds:
        telling = [names[kind] if rng.random() > 0.1 else names[rng.integers(3)] for _ in range(3)]
        words = [rng.choice(KINDS[name].split()) for name in telling] + list(rng.choice(COMMON.split(), LENGTH - 3))
        texts.append(" ".join(rng.permutation(words)))
    return texts, kinds


def tokens(texts):
    return np.array([[1 + WORDS.index(word) for word in text.split()] for text in texts])


texts, truth = reviews(1500)
test_texts, test_truth = reviews(1500)
given = kr.noise.corrupt(truth, kr.noise.symmetric(3, 0.3), seed=0).noisy


def train(rows, labels, loss, callbacks=()):
    """Accuracy on clean test texts of a network that was trained on rows and labels."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Embedding(len(WORDS) + 1, 32), keras.layers.Conv1D(32, 3, activation="relu")]
    layers += [keras.layers.GlobalMaxPooling1D(), keras.layers.Dense(3)]
    model = kr.ProvenanceModel(keras.Sequential([keras.Input((LENGTH,), dtype="int32"), *layers]))
    model.compile(keras.optimizers.Adam(2e-3), loss)
    targets = {"label": labels, "index": np.arange(len(labels))}
    model.fit(rows, targets, epochs=EPOCHS, verbose=0, callbacks=list(callbacks))
    return np.mean(model.predict(tokens(test_texts), verbose=0).argmax(axis=1) == test_truth)


logger = kr.callbacks.SampleWeightLogger(tempfile.mkdtemp(), num_samples=len(texts))
print(f"cross entropy on the given labels: {train(tokens(texts), given, kr.CE(from_logits=True)):.1%} right")
print(f"GCE on the given labels: {train(tokens(texts), given, kr.GCE(from_logits=True), [logger]):.1%} right")

log = logger.log()
count = diagnostics.review_count(log).count
suspects = diagnostics.suspect_table(log, max(count, 1), list(KINDS), texts=texts)
for one in suspects[:4]:
    print(f'  "{one.text}": {one.given_name} -> {one.believed_name}')
labels, drop, report = diagnostics.Corrections.of_suspects(suspects).apply(given)
print(report)
print(f"wrong labels: {np.mean(given != truth):.1%} before, {np.mean(labels != truth):.1%} after")
right = train(tokens(texts)[~drop], labels[~drop], kr.CE(from_logits=True))
print(f"cross entropy on the corrected labels: {right:.1%} right")
