"""What is learned in a comparison: a data set with wrong labels, and the network that suits it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_robust import models
from keras_robust.checks import OneOf
from keras_robust.data import load, load_noisy
from keras_robust.noise import NoisyLabels

NETWORKS = {
    "digits": models.cnn2,
    "mnist": models.cnn4,
    "fashion_mnist": models.cnn4,
    "cifar10": models.cnn8,
    "cifar10n": models.cnn8,
    "cifar100": models.resnet34,
    "cifar100n": models.resnet34,
}


@dataclass(frozen=True)
class Task:
    """Training data with provenance targets, test data with clean labels, and a network for them.

    Attributes:
        train: what `fit` takes: arrays and a batch size, or a dataset of batches.
        test: what `fit` takes to validate.
        labels: the wrong labels, sample by sample.
        network: a function of (input_shape, num_classes, classifier_activation) that makes a model.
    """

    train: dict[str, Any]
    test: dict[str, Any]
    labels: NoisyLabels
    input_shape: tuple
    num_classes: int
    network: Any

    def model(self):
        """A new network that ends in logits."""
        return self.network(self.input_shape, self.num_classes, classifier_activation=None)


def task(dataset: str, noise: str | None, seed: int, data_dir=None, batch_size: int = 128) -> Task:
    """The task of learning a data set with wrong labels; the seed draws the labels and the order.

    The digits are learned from arrays, without TensorFlow; other data sets from their pipeline, with its augmentation.

    Raises:
        ValueError: for an unknown data set or noise, or a data set whose clean labels are unknown.
    """
    OneOf(tuple(NETWORKS)).check("task", "dataset", dataset)
    if dataset == "digits":
        arrays, labels = load_noisy(dataset, noise, seed)
        targets = {"label": labels.noisy, "index": np.arange(len(labels.noisy)), "clean": labels.clean}
        train = {"x": arrays.x_train, "y": targets, "batch_size": batch_size}
        test = {
            "validation_data": (arrays.x_test, arrays.y_test),
            "validation_batch_size": len(arrays.x_test),
        }
        return Task(train, test, labels, arrays.input_shape, arrays.num_classes, NETWORKS[dataset])
    if noise is None and not dataset.endswith("n"):
        noise = "symmetric:0"  # no wrong labels, and on record as such
    splits = load(dataset, noise, batch_size, seed, data_dir, provenance=True)
    return Task(
        {"x": splits.train, "shuffle": False},
        {"validation_data": splits.test},
        splits.noise,
        splits.info.input_shape,
        splits.info.num_classes,
        NETWORKS[dataset],
    )
