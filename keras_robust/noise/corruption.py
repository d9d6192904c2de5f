"""Drawing wrong labels from a transition matrix, and what is known about labels that were drawn."""

import pathlib
from dataclasses import dataclass

import numpy as np

from keras_robust.checks import Interval, refuse
from keras_robust.noise import storage
from keras_robust.noise.grammar import convention
from keras_robust.noise.transition import realized

CLASSES, SEED = Interval(2, integer=True), Interval(0, integer=True)
# Matrices of up to this many classes are printed whole.
_PRINTED_WHOLE = 20


@dataclass(frozen=True, eq=False)
class NoisyLabels:
    """Labels before and after corruption, and how they were made. `print` shows the report.

    Attributes:
        noisy: ids (n,) after corruption.
        clean: ids (n,) before.
        num_classes: K.
        seed: seed of the draw; None where nothing was drawn, as for labels of people.
        spec: what was asked for, in words; None for a matrix of the user's own.
        exact: whether floor(n_i T_ij) labels were changed, instead of each label by itself.
        dataset: name of the data set whose similar classes asymmetric noise confuses; None for other noise.
    """

    noisy: np.ndarray
    clean: np.ndarray
    num_classes: int
    seed: int | None
    spec: str | None = None
    exact: bool = False
    dataset: str | None = None

    @property
    def mask(self) -> np.ndarray:
        """Boolean (n,), true where the label is wrong."""
        return self.noisy != self.clean

    @property
    def rate(self) -> float:
        """The realized share of wrong labels; 0 of no labels."""
        return float(self.mask.mean()) if self.mask.size else 0.0

    @property
    def transition(self) -> np.ndarray:
        """The realized transition matrix (K, K); the row of a class without samples is that of no noise."""
        return realized(self.clean, self.noisy, self.num_classes)

    def report(self) -> str:
        """What was asked for, the convention in words, the realized rate and the realized transition matrix.

        With more than 20 classes the matrix shows its largest flips; `transition` has it whole.

        Example:

        >>> labels = np.arange(1000) % 2
        >>> print(keras_robust.noise.draw("pair:0.25", labels, num_classes=2, seed=0, exact=True).report())
        noise       pair:0.25
        convention  class i becomes i + 1, the last one 0; floor(n_i T_ij) labels of class i become j
        labels      1,000 of 2 classes, seed 0
        wrong       250 (25.00%)
        transition  P(noisy = column | clean = row), %
                 0     1
           0  75.0  25.0
           1  25.0  75.0
        """
        wrong = int(self.mask.sum())
        unnamed = "none" if wrong == 0 else "a transition matrix of your own"
        meaning = convention(self.spec, self.exact, self.dataset)
        classes = "" if self.dataset is None else f", of {self.dataset}"
        seed = "" if self.seed is None else f", seed {self.seed}"
        return "\n".join(
            [
                f"noise       {self.spec or unnamed}{classes}",
                *([] if meaning is None else [f"convention  {meaning}"]),
                f"labels      {len(self.noisy):,} of {self.num_classes} classes{seed}",
                f"wrong       {wrong:,} ({self.rate:.2%})",
                *_printed(self.transition),
            ]
        )

    def __str__(self):
        return self.report()

    def save(self, path) -> pathlib.Path:
        """Writes everything to one npz file without pickle, under exactly this path, whole or not at all.

        Example:

        >>> import pathlib, tempfile
        >>> drawn = keras_robust.noise.draw("pair:0.25", np.arange(100) % 10, num_classes=10, seed=0)
        >>> path = drawn.save(pathlib.Path(tempfile.mkdtemp()) / "labels.npz")
        >>> bool(np.all(keras_robust.noise.NoisyLabels.load(path).noisy == drawn.noisy))
        True
        """
        facts = {name: getattr(self, name) for name in ("num_classes", "seed", "spec", "exact", "dataset")}
        return storage.write(path, {"noisy": self.noisy, "clean": self.clean}, facts)

    @classmethod
    def load(cls, path) -> "NoisyLabels":
        """Reads what `save` wrote.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: naming the file, if it is damaged, no file of saved labels, or holds what no labels are.
        """
        arrays, facts = storage.read(path)
        try:
            return cls(**arrays, **facts)._checked()
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path} is not a file of saved labels: {error}.") from error

    def _checked(self):
        """These labels, if they make sense: a file may have been written by another program."""
        own = type(self).__name__
        CLASSES.check(own, "num_classes", self.num_classes)
        for name in ("noisy", "clean"):
            if getattr(self, name).ndim != 1:
                refuse(own, name, "of shape (n,)", f"shape {getattr(self, name).shape}")
            checked_ids(own, getattr(self, name), self.num_classes)
        if len(self.noisy) != len(self.clean):
            refuse(own, "noisy", f"as many as `clean`, {len(self.clean)}", f"{len(self.noisy)} labels")
        if self.seed is not None:
            SEED.check(own, "seed", self.seed)
        if not isinstance(self.exact, bool):
            refuse(own, "exact", "True or False", self.exact)
        for name in ("spec", "dataset"):
            if not isinstance(getattr(self, name), str | None):
                refuse(own, name, "a text or None", getattr(self, name))
        return self


def _printed(transition):
    K = len(transition)
    if K <= _PRINTED_WHOLE:
        width = max(5, len(str(K - 1))) + 1
        yield "transition  P(noisy = column | clean = row), %"
        yield " " * 4 + "".join(f"{column:{width}d}" for column in range(K))
        for clean, row in enumerate(100 * transition):
            yield f"{clean:4d}" + "".join(f"{share:{width}.1f}" for share in row)
        return
    diagonal = 100 * np.diag(transition)
    flips = 100 * transition * (1.0 - np.eye(K))
    largest = [place for place in np.argsort(-flips, axis=None, kind="stable")[:10] if flips.flat[place] > 0]
    yield "transition  P(noisy | clean), %"
    yield f"  unchanged: {diagonal.mean():.1f} on average, {diagonal.min():.1f} to {diagonal.max():.1f} by class"
    if largest:
        shown = (f"{place // K} -> {place % K} {flips.flat[place]:.1f}" for place in largest)
        yield "  largest flips: " + ", ".join(shown)


def checked_ids(owner: str, labels, K: int) -> np.ndarray:
    """The labels (n,) as an array whose type holds K ids, if they are ids of K classes, (n,) or (n, 1)."""
    labels = np.asarray(labels)
    # As keras.datasets.cifar10 has them.
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    is_ids = labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer)
    if not is_ids or (labels.size and not 0 <= labels.min() <= labels.max() < K):
        refuse(owner, "labels", f"integer ids of shape (n,) or (n, 1) in [0, {K})", labels)
    return labels if np.iinfo(labels.dtype).max >= K - 1 else labels.astype("int64")


def stochastic(owner: str, transition) -> np.ndarray:
    """The transition matrix as float64, if it is one."""
    transition = np.asarray(transition, dtype="float64")
    square = transition.ndim == 2 and transition.shape[0] == transition.shape[1] >= 2
    if not square or not np.all(transition >= 0) or not np.allclose(transition.sum(axis=1), 1.0, atol=1e-8):
        refuse(owner, "transition", "a (K, K) matrix of non-negative rows that sum to 1", transition)
    return transition


def corrupt(labels, transition, seed: int, exact: bool = False, spec: str | None = None) -> NoisyLabels:
    """Draws a noisy label for each clean one; the input is left alone.

    Args:
        labels: clean class ids (n,) or (n, 1), integers; the result has (n,).
        transition: T (K, K), rows summing to 1, T[i, j] = P(noisy = j | clean = i).
        seed: a whole number; the same seed gives the same labels.
        exact: False: each label is drawn by itself. True: exactly floor(n_i T_ij) labels of class i become j, as
            published code does; with few labels and many classes that rounds down to few flips, or none.
        spec: a description to keep with the result.

    Raises:
        ValueError: for labels that are not ids of the matrix, or a matrix that is not row-stochastic.

    Example:

    >>> labels = np.zeros(1000, "int64")
    >>> keras_robust.noise.corrupt(labels, keras_robust.noise.symmetric(10, 0.4), seed=0, exact=True).rate
    0.396
    """
    transition = stochastic("corrupt", transition)
    K = len(transition)
    labels = checked_ids("corrupt", labels, K)
    seed = SEED.check("corrupt", "seed", seed)
    rng = np.random.default_rng(seed)
    noisy, uniform = labels.copy(), rng.random(len(labels))
    order = np.argsort(labels, kind="stable")
    for clean, members in enumerate(np.split(order, np.searchsorted(labels[order], np.arange(1, K)))):
        if exact:
            # + 1e-9: 1000 * 0.3 is just below 300 in floating point.
            counts = np.floor(len(members) * transition[clean] + 1e-9).astype(int)
            counts[clean] = 0
            flips = np.repeat(np.arange(K), counts)
            noisy[members[np.argsort(uniform[members])[: len(flips)]]] = flips
        else:
            reached = np.searchsorted(np.cumsum(transition[clean]), uniform[members], side="right")
            noisy[members] = np.minimum(reached, np.flatnonzero(transition[clean])[-1])
    return NoisyLabels(noisy, labels.copy(), K, seed, spec, bool(exact))
