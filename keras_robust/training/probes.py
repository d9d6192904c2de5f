"""What is measured after each epoch beside the accuracy on clean test images."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import keras
import numpy as np

from keras_robust.measures import ATTACK, HELD_OUT
from keras_robust.noise import attack_success_rate


@dataclass(frozen=True)
class Probe:
    """A number of a model.

    Attributes:
        name: what the history calls it.
        measure: a function of a model.
    """

    name: str
    measure: Callable[[keras.Model], float]


def held_out_accuracy(batches: Iterable) -> Probe:
    """The accuracy on training images that are not trained on, batches of (images, labels)."""

    def measure(model):
        predicted, labels = classes(model, batches)
        return float(np.mean(predicted == labels))

    return Probe(HELD_OUT, measure)


def success_of_attack(tested: Iterable, triggered: Iterable, target: int) -> Probe:
    """The share of test images that a trigger turns into the target's, of those that are not taken for it without.

    NaN where a model takes every image for the target.

    Reference: Li et al. 2023, section 5.6, which leaves out what is classified as the target anyway.
    """

    def measure(model):
        before, after = classes(model, tested)[0], classes(model, triggered)[0]
        if np.all(before == target):
            return float("nan")
        return attack_success_rate(after, before, target)

    return Probe(ATTACK, measure)


def classes(model: keras.Model, batches: Iterable) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and given class ids of batches of (images, labels)."""
    scores, labels = outputs(model, batches)
    return np.argmax(scores, axis=-1), labels


def outputs(model: keras.Model, batches: Iterable) -> tuple[np.ndarray, np.ndarray]:
    """What a model makes of batches of (images, labels), and the labels."""
    pairs = [(np.asarray(model.predict_on_batch(np.asarray(x))), np.asarray(y)) for x, y in batches]
    return tuple(np.concatenate(column) for column in zip(*pairs, strict=True))


class Probing(keras.callbacks.Callback):
    """Adds the probes' numbers to what Keras logs of an epoch, for the callbacks behind it."""

    def __init__(self, probes: tuple[Probe, ...]):
        super().__init__()
        self.probes = probes

    def on_epoch_end(self, epoch, logs=None):
        for probe in self.probes:
            logs[probe.name] = probe.measure(self.model)
