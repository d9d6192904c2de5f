"""Labels that people gave: CIFAR-10N and CIFAR-100N, joined to images by number."""

import functools
import pathlib
from dataclasses import dataclass
from functools import partial

import numpy as np

from keras_robust.catalog import CATALOG
from keras_robust.checks import OneOf, refuse
from keras_robust.noise.corruption import NoisyLabels, checked_ids
from keras_robust.noise.label_files import read_arrays, read_records, record_numbers


@dataclass(frozen=True)
class Source:
    """Where labels of a data set may lie in a folder, and what their column is called there."""

    dataset: str
    builder: str
    files: tuple
    columns: tuple

    @property
    def num_classes(self) -> int:
        return CATALOG[self.dataset].num_classes


_CIFAR10N = partial(Source, "cifar10n", "cifar10_n", ("cifar10n_labels.npz", "CIFAR-10_human.pt"))
_CIFAR100N = partial(Source, "cifar100n", "cifar100_n", ("cifar100n_labels.npz", "CIFAR-100_human.pt"))
# Columns as in the npz archive, the published file, TFDS.
CLEAN = ("clean", "clean_label", "label")
HUMAN = {
    "aggregate": _CIFAR10N(("aggre", "aggre_label")),
    "random1": _CIFAR10N(("random1", "random_label1")),
    "random2": _CIFAR10N(("random2", "random_label2")),
    "random3": _CIFAR10N(("random3", "random_label3")),
    "worst": _CIFAR10N(("worse", "worse_label")),
    "cifar100n": _CIFAR100N(("noisy", "noisy_label", "noise_label")),
}


def human(name: str, path, ids=None, labels=None) -> NoisyLabels:
    """Labels of CIFAR-10N or CIFAR-100N for the images named by `ids`. Nothing is bundled; their license is printed.

    Realized rates: aggregate 9.01%, random1 17.23%, random2 18.12%, random3 17.64%, worst 40.21%, cifar100n 40.20%.

    The files hold the clean labels too, so a wrong join can be noticed: pass `labels` whenever you have them.

    Reference: Wei et al. 2022. Files from github.com/UCSC-REAL/cifar-10-100n: `CIFAR-10_human.pt`,
    `CIFAR-100_human.pt` (read without running their pickle), or prepared TFDS records `cifar10_n`, `cifar100_n`, or a
    npz archive with arrays clean, aggre, worse, random1, random2, random3 / clean, noisy in the original order.

    Args:
        name: "aggregate" (majority of three), "random1", "random2", "random3", "worst" (a wrong one of the three, if
            any) of CIFAR-10N; "cifar100n".
        path: one of these files, or a folder that holds one under its usual name, or TFDS's data folder.
        ids: numbers of the images in the original order of the training set, or TFDS record ids such as
            "train_00123"; by default all, in that order.
        labels: clean labels (n,) of the same images, checked against the file's.

    Returns:
        `NoisyLabels`, without a seed.

    Raises:
        FileNotFoundError: if there is no label file at `path`.
        ValueError: naming the file, for a file that is no label file, ids it does not hold, or clean labels that are
            not its own.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "cifar10n_labels.npz"
    >>> np.savez(path, clean=np.array([3, 5, 0, 9]), worse=np.array([3, 4, 0, 1]))
    >>> keras_robust.noise.human("worst", path, ids=["train_00003", "train_00000"]).noisy.tolist()
    CIFAR-N labels: CC BY-NC 4.0, not for commercial use (Wei et al., Learning with Noisy Labels Revisited, ICLR 2022).
    [1, 3]
    """
    source = HUMAN[OneOf(tuple(HUMAN)).check("human", "name", name)]
    place, arrays = _find(source, pathlib.Path(path))
    clean, noisy = _column(place, arrays, CLEAN), _column(place, arrays, source.columns)
    K = source.num_classes
    both = np.stack([clean, noisy]) if clean.shape == noisy.shape else np.array(-1)
    if both.ndim != 2 or not np.all((both >= 0) & (both < K)):
        raise ValueError(f"{place} does not hold a clean and a noisy label of {K} classes for each image.")
    numbers = np.arange(len(clean)) if ids is None else record_numbers(ids)
    if numbers.ndim != 1 or (numbers.size and not 0 <= numbers.min() <= numbers.max() < len(clean)):
        refuse("human", "ids", f"of shape (n,), with numbers in [0, {len(clean)}) as in {place}", ids)
    clean, noisy = clean[numbers].astype("int64"), noisy[numbers].astype("int64")
    if labels is not None:
        labels = checked_ids("human", labels, K)
        _check_join(place, labels, clean, ids)
        clean, noisy = labels.copy(), noisy.astype(labels.dtype)
    _print_license(place)
    return NoisyLabels(noisy, clean, K, None, f"human:{name}")


def _find(source, path):
    if not path.is_dir():
        return path, read_arrays(path)
    for file in source.files:
        if (path / file).is_file():
            return path / file, read_arrays(path / file)
    if (path / source.builder).is_dir():
        return path / source.builder, read_records(source.builder, path, ("label", source.columns[-1]))
    looked_for = ", ".join((*source.files, f"{source.builder}/"))
    raise FileNotFoundError(f"{path} holds no human labels: looked for {looked_for}.")


def _column(place, arrays, keys):
    for key in keys:
        if key in arrays:
            return arrays[key]
    wanted = " or ".join(repr(key) for key in keys)
    raise ValueError(f"{place} has no labels {wanted}, only {', '.join(map(repr, arrays))}.")


def _check_join(place, labels, clean, ids):
    if labels.shape != clean.shape:
        rule = f"one for each of {len(clean)} images" + (", or `ids` must name the images" if ids is None else "")
        refuse("human", "labels", rule, f"{len(labels)} labels")
    wrong = np.flatnonzero(labels != clean)
    if wrong.size:
        raise ValueError(
            f"{wrong.size:,} of {clean.size:,} clean labels differ from those in {place}, the first at position "
            f"{wrong[0]}: these labels belong to other images, or `ids` are not the numbers of the original order."
        )


@functools.cache
def _print_license(place):
    print(
        "CIFAR-N labels: CC BY-NC 4.0, not for commercial use (Wei et al., Learning with Noisy Labels Revisited, "
        "ICLR 2022)."
    )
