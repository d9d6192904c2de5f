"""The labels to train on: those that are stored, or wrong ones, drawn or given by people."""

import pathlib

import numpy as np

from keras_robust.catalog import CATALOG, ImageRecipe, row_of
from keras_robust.checks import refuse
from keras_robust.data.augment import image_recipe
from keras_robust.data.reading import read_dataset
from keras_robust.data.sources import IN_MEMORY, Arrays
from keras_robust.noise.corruption import NoisyLabels, corrupt
from keras_robust.noise.grammar import parse
from keras_robust.noise.specification import draw


def load_noisy(
    name: str = "digits",
    noise=None,
    seed: int = 0,
    data_dir=None,
    download: bool = False,
    *,
    exact: bool = False,
    arrays: Arrays | None = None,
):
    """A data set in memory, whole, and the wrong labels that `load` gives its training samples.

    Args:
        name: "digits", "mnist", "fashion_mnist", "cifar10", "cifar100", "cifar10n" or "cifar100n".
        noise, seed, data_dir, download, exact, arrays: as in `load`.

    Returns:
        `Arrays`, images as they were stored, and `NoisyLabels`; without noise they record that nothing is wrong.

    Raises:
        ValueError, FileNotFoundError, ImportError: as `load`.

    Example:

    >>> arrays, labels = keras_robust.data.load_noisy("digits", "symmetric:0.4")
    >>> arrays.x_train.shape, labels.noisy.shape
    ((1438, 8, 8, 1), (1438,))
    """
    known = tuple(row.name for row in CATALOG.values() if row.reader in IN_MEMORY)
    row = row_of(name, "load_noisy", "name", known)
    stored = read_dataset(row, data_dir, download) if arrays is None else arrays
    drawn = _drawn(row, noise, stored, image_recipe(name), seed, data_dir, exact)
    return stored, corrupt(stored.y_train, np.eye(stored.num_classes), seed) if drawn is None else drawn


def noisy_labels(row, noise, stored, recipe, seed, data_dir, exact) -> NoisyLabels | None:
    """The labels to train on; None for those that are stored."""
    if row.test_only:
        if noise is not None:
            refuse("load", "noise", f"None: {row.name} is for testing alone", noise)
        return None
    if row.wrong_as_given:
        return _natural(row.name, noise, stored.y_train, len(stored.class_names))
    return _drawn(row, noise, stored, recipe, seed, data_dir, exact)


def _drawn(row, noise, arrays, recipe, seed, data_dir, exact=False):
    """The labels to train on, of a data set whose own labels are clean."""
    K, labels = arrays.num_classes, arrays.y_train
    if isinstance(noise, NoisyLabels):
        return _fitting(row.name, noise, labels, K)
    if noise is not None and not isinstance(noise, str):
        return corrupt(labels, noise, seed, exact)
    noise = row.human if noise is None else noise
    if noise is None:
        return None
    of_people = parse(noise).kind == "human"
    if row.human is not None and not of_people:
        refuse("load", "noise", f'"human:..." for {row.name}; other noise goes with {row.stored!r}', noise)
    features = _Normalized(arrays.x_train, recipe)
    whole = {"exact": exact, "dataset": row.name, "features": features, "ids": arrays.ids_train}
    if not of_people:
        return draw(noise, labels, K, seed, **whole)
    if data_dir is None:
        refuse("load", "data_dir", f'the folder that holds the human labels, for noise "{noise}"', None)
    folder = pathlib.Path(data_dir).expanduser()
    beside = folder / "noisy_labels"
    return draw(noise, labels, K, seed, path=beside if beside.is_dir() else folder, **whole)


def _natural(name, noise, labels, K):
    """The labels to train on, of a data set with wrong labels of its own."""
    if noise is None:
        return None
    if not isinstance(noise, NoisyLabels):
        rule = f"None or NoisyLabels: {name} has wrong labels of its own, and its true labels are unknown"
        refuse("load", "noise", rule, noise)
    return _fitting(name, noise, None, K, len(labels))


def _fitting(name, noise, labels, K, count=None):
    count = len(labels) if count is None else count
    if len(noise.noisy) != count or noise.num_classes != K:
        raise ValueError(
            f"`noise` of load must hold one label of {K} classes for each of the {count:,} training samples of {name}. "
            f"It holds {len(noise.noisy):,} labels of {noise.num_classes} classes."
        )
    if labels is not None and not np.array_equal(noise.clean, labels):
        raise ValueError(
            f"`noise` of load was drawn for other samples, or for another order: {np.mean(noise.clean != labels):.1%} "
            f"of its clean labels differ from those of {name}."
        )
    return noise


class _Normalized:
    """Images as the network sees them, some rows at a time: all of them would need several times the memory."""

    def __init__(self, images, recipe: ImageRecipe):
        self.images, self.recipe, self.shape = images, recipe, images.shape

    def __len__(self):
        return len(self.images)

    def __getitem__(self, rows):
        unit = 255.0 if self.images.dtype == np.uint8 else 1.0
        return (self.images[rows].astype("float32") / unit - self.recipe.mean) / self.recipe.std
