"""A table of rows with wrong yes/no answers, from the log to corrected answers.

scikit-learn's breast cancer data: 30 measurements of a tumor; is it benign? A quarter of the answers is flipped, and a
network of one logit learns them by `Binary`. Suspects are shown as rows of the table, corrected by what the model
believes, and trained on again: five times, each with another noise and split.

On JAX, 24.4% of the answers are wrong before and 13.3% after. Of unseen rows cross entropy is right for 89.4% on the
given answers and for 92.1% on the corrected ones; GCE for 94.0% on the given ones already. Takes about a minute on two
CPU cores. EXAMPLE_EPOCHS shortens it.
"""

import os
import tempfile
from importlib.util import find_spec

import keras
import numpy as np
from sklearn.datasets import load_breast_cancer

import keras_robust as kr
from keras_robust import diagnostics

EPOCHS = int(os.environ.get("EXAMPLE_EPOCHS", 25))
SEEDS = 5 if EPOCHS > 1 else 1

table = load_breast_cancer(as_frame=find_spec("pandas") is not None)  # a DataFrame, or else an array
rows, answers = np.asarray(table.data), np.asarray(table.target)
values = ((rows - rows.mean(axis=0)) / rows.std(axis=0)).astype("float32")


def train(x, y, loss, callbacks=()):
    """A network that was trained on answers."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(32, "relu"), keras.layers.Dense(1)]
    model = kr.ProvenanceModel(keras.Sequential([keras.Input(x.shape[1:]), *layers]))
    model.compile(keras.optimizers.Adam(3e-3), kr.Binary(loss, from_logits=True))
    targets = {"label": y, "index": np.arange(len(y))}
    model.fit(x, targets, batch_size=32, epochs=EPOCHS, verbose=0, callbacks=list(callbacks))
    return model


def right(model, x, y):
    return np.mean((model.predict(x, verbose=0)[:, 0] > 0) == y)


found = {"wrong before": [], "wrong after": [], "CE, given": [], "GCE, given": [], "CE, corrected": []}
for seed in range(SEEDS):
    train_rows, test_rows = np.split(np.random.default_rng(seed).permutation(len(rows)), [380])
    x, truth, unseen = values[train_rows], answers[train_rows], (values[test_rows], answers[test_rows])
    given = kr.noise.corrupt(truth, kr.noise.symmetric(2, 0.25), seed=seed).noisy
    logger = kr.callbacks.SampleWeightLogger(tempfile.mkdtemp(), num_samples=len(x))
    robust = train(x, given, kr.GCE(), [logger])

    count = diagnostics.review_count(logger.log()).count
    texts = [", ".join(map("{}: {:.1f}".format, table.feature_names[:3], row)) for row in rows[train_rows]]
    suspects = diagnostics.suspect_table(logger.log(), max(count, 1), ["malignant", "benign"], texts=texts)
    labels, drop, report = diagnostics.Corrections.of_suspects(suspects).apply(given)
    if seed == 0:
        for one in suspects[:3]:
            print(f"{one.given_name} -> {one.believed_name}: {one.text}")
        print(report)
    for name, share in (
        ("wrong before", np.mean(given != truth)),
        ("wrong after", np.mean(labels != truth)),
        ("CE, given", right(train(x, given, kr.CE()), *unseen)),
        ("GCE, given", right(robust, *unseen)),
        ("CE, corrected", right(train(x[~drop], labels[~drop], kr.CE()), *unseen)),
    ):
        found[name].append(share)
for name, shares in found.items():
    print(f"{name}: {np.mean(shares):.1%} ± {np.std(shares):.1%}")
