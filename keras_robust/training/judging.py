"""How good a trained model is on clean labels, told from held-out noisy ones."""

import pathlib
from collections.abc import Callable, Iterable
from typing import NamedTuple

import keras
import numpy as np

from keras_robust import noise
from keras_robust.diagnostics.accuracy import clean_accuracy
from keras_robust.measures import ESTIMATED, WORDS
from keras_robust.noise import storage
from keras_robust.training.probes import outputs

_FILE = "judged.npz"
#: What is said wherever T is not that of drawn labels.
CAUTION = "trust the order of models under one T, not the numbers, which tend to be too high"


class Judged(NamedTuple):
    """What a model makes of held-out samples, and the noise in their labels.

    Attributes:
        predicted, given: class ids (m,), of the model and of the noisy labels.
        transition: T (K, K); None where there is none.
        known: whether T is that of the noise that was drawn; otherwise it is estimated from these predictions.
        why: why there is no T.
    """

    predicted: np.ndarray
    given: np.ndarray
    transition: np.ndarray | None
    known: bool = False
    why: str = ""

    @property
    def agreement(self) -> float:
        """Share of the samples whose noisy label is predicted."""
        return float(np.mean(self.predicted == self.given))

    def accuracy(self, transition=None, origin: str = "the run's own") -> dict:
        """What a result says of the accuracy on clean labels: the estimate, its interval, and words on it.

        Args:
            transition: a T to take in place of its own.
            origin: whose held-out predictions T is estimated from.
        """
        T = self.transition if transition is None else transition
        nothing = dict.fromkeys((ESTIMATED, f"{ESTIMATED}_low", f"{ESTIMATED}_high"))
        if T is None:
            return nothing | {WORDS: f"accuracy on clean labels is not estimated: {self.why}"}
        try:
            found = clean_accuracy(self.predicted, self.given, T)
        except ValueError as error:
            return nothing | {WORDS: f"accuracy on clean labels is not estimated: {error}"}
        words = "accuracy on clean labels: estimated with the T of the labels that were drawn"
        if not self.known:
            words = f"accuracy on clean labels: T is itself estimated, from {origin} held-out predictions; {CAUTION}"
        return {ESTIMATED: found.estimate, f"{ESTIMATED}_low": found.low, f"{ESTIMATED}_high": found.high, WORDS: words}

    def save(self, folder) -> None:
        """Writes judged.npz."""
        arrays = {"predicted": self.predicted, "given": self.given}
        if self.transition is not None:
            arrays["transition"] = self.transition
        storage.write(pathlib.Path(folder) / _FILE, arrays, {"known": self.known, "why": self.why})

    @classmethod
    def load(cls, folder) -> "Judged | None":
        """What `save` wrote into the folder of a run; None where there is nothing.

        Raises:
            ValueError: naming the file, if it is damaged.
        """
        path = pathlib.Path(folder) / _FILE
        if not path.is_file():
            return None
        arrays, facts = storage.read(path)
        return cls(**{"transition": None, **arrays, **facts})


def judge(batches: Iterable, transition) -> Callable[[keras.Model], Judged]:
    """A function that judges a model which ends in logits.

    Args:
        batches: of (images, noisy labels) that it was not trained on.
        transition: of the noise; None: `noise.estimate` from the predictions, where cleanlab is installed.
    """

    def judged(model):
        logits, given = outputs(model, batches)
        predicted = np.argmax(logits, axis=-1)
        if transition is not None:
            return Judged(predicted, given, np.asarray(transition), known=True)
        try:
            return Judged(predicted, given, noise.estimate(_softmax(logits), given).transition)
        except (ImportError, ValueError) as error:
            return Judged(predicted, given, None, why=" ".join(str(error).split()))

    return judged


def with_one_transition(runs: dict[str, Judged]) -> tuple[dict[str, dict], str]:
    """Accuracies of several models that compare, for all are estimated with one T.

    T is that of the model which agrees best with its held-out labels, of those whose T can be inverted.

    Args:
        runs: models by name.

    Returns:
        What `Judged.accuracy` gives, by name, and the words on all of them.
    """
    first = next(iter(runs.values()))
    for name in sorted(runs, key=lambda name: -runs[name].agreement):
        T = runs[name].transition
        if T is not None and runs[name].accuracy()[ESTIMATED] is not None:
            found = {other: one.accuracy(T, f"{name}'s") for other, one in runs.items()}
            return found, next(iter(found.values()))[WORDS]
    return {name: one.accuracy() for name, one in runs.items()}, first.accuracy()[WORDS]


def _softmax(logits):
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True), dtype="float64")
    return shifted / shifted.sum(axis=-1, keepdims=True)
