"""What is learned in a comparison: a data set with wrong labels, and the network that suits it."""

import numpy as np

from keras_robust import models
from keras_robust.catalog import CATALOG
from keras_robust.checks import OneOf
from keras_robust.data import load, load_noisy
from keras_robust.trainer import Task


def task(dataset: str, noise: str | None, seed: int, data_dir=None, batch_size: int = 128) -> Task:
    """The task of learning a data set with wrong labels; the seed draws the labels and the order.

    The digits are learned from arrays, without TensorFlow; other data sets from their pipeline, with its augmentation.

    Raises:
        ValueError: for an unknown data set or noise, or a data set whose clean labels are unknown.
    """
    known = tuple(row.name for row in CATALOG.values() if row.network)
    row = CATALOG[OneOf(known).check("task", "dataset", dataset)]
    network = getattr(models, row.network)
    if row.reader == "digits":
        arrays, labels = load_noisy(dataset, noise, seed)
        targets = {"label": labels.noisy, "index": np.arange(len(labels.noisy)), "clean": labels.clean}
        train = {"x": arrays.x_train, "y": targets, "batch_size": batch_size}
        test = {
            "validation_data": (arrays.x_test, arrays.y_test),
            "validation_batch_size": len(arrays.x_test),
        }
        size = len(labels.noisy)
        return Task(train, test, labels, size, arrays.input_shape, arrays.num_classes, network)
    if noise is None and row.human is None:
        noise = "symmetric:0"  # no wrong labels, and recorded as such
    splits = load(dataset, noise, batch_size, seed, data_dir, provenance=True)
    return Task.of(splits, network)
