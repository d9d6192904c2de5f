"""Data sets by name, with wrong labels, ready for `model.fit`."""

import pathlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_robust.catalog import CATALOG, ImageRecipe
from keras_robust.checks import Interval, OneOf, refuse
from keras_robust.data.augment import Augmentation, augmentation_layers, image_recipe
from keras_robust.data.pipeline import Preparation, hide_gpus_from_tensorflow, image_batches
from keras_robust.data.provenance import BATCH_SIZE, SEED
from keras_robust.data.reading import read_dataset
from keras_robust.data.sources import IN_MEMORY, Arrays
from keras_robust.noise.corruption import NoisyLabels, corrupt
from keras_robust.noise.grammar import parse
from keras_robust.noise.specification import draw


@dataclass(frozen=True)
class DatasetInfo:
    """What `load` loaded.

    Attributes:
        input_shape: shape of one image as the model gets it.
        train_size, test_size: numbers of images in the data set; with a `fraction` only that share of them is used.
        complete: whether these are the published numbers, as far as they are known.
        mean, std: what was subtracted from and divided into images in [0, 1], by channel.
        normalization: where mean and std are from.
        augmentation: name of the recipe, "none", or the class of your own layer.
    """

    name: str
    num_classes: int
    class_names: tuple
    input_shape: tuple
    train_size: int
    test_size: int
    complete: bool
    mean: tuple
    std: tuple
    normalization: str
    augmentation: str


class Splits(NamedTuple):
    """Data to train and to test on, as `tf.data.Dataset`s of batches, what they are, and the noise in the labels.

    `train` is None where a data set is for testing alone. `noise` is None without noise, and where wrong labels came
    with the data and the true ones are unknown.
    """

    train: Any
    test: Any
    info: DatasetInfo
    noise: NoisyLabels | None


def load(
    name: str = "digits",
    noise=None,
    batch_size: int = 128,
    seed: int = 0,
    data_dir=None,
    augment=True,
    provenance: bool = False,
    *,
    exact: bool = False,
    fraction: float = 1.0,
    first_epoch: int = 0,
    left_out=(),
    arrays: Arrays | None = None,
    drop_remainder: bool = False,
    download: bool = False,
) -> Splits:
    """A data set by name, wrong labels to train on and clean ones to test on, ready for `model.fit` on any backend.

    - In memory: "digits" (embedded), "mnist", "fashion_mnist", "cifar10", "cifar100", from a npz archive or from TFDS.
    - With the labels that people gave: "cifar10n", "cifar100n", images as above joined to the labels by number.
    - From disk, in their official layouts, with the wrong labels that they came with: "webvision" (what Google found),
      "mini_webvision", "webvision200", "webvision400" (its first 50, 200 and 400 classes), "animal10n", "clothing1m";
      `data.folders` has the layouts.
    - From disk, to test on alone: "ilsvrc12" (the validation images), "mini_ilsvrc12" (its first 50 classes).

    Each epoch has a new order and a new augmentation. The k-th time that a split is iterated, the same `seed` gives the
    same batches, on every backend; Keras iterates one more time to build a model that is not built yet.

    Images are augmented in [0, 255], as Keras' layers expect them, then normalized, as the papers do it (`recipes` of a
    row of `catalog.CATALOG`): CIFAR-10 padded crop (4) and flip; CIFAR-100 a rotation up to 20 degrees as well (15 in
    "logit_bias"); WebVision a random part of the image, flip and color jitter; MNIST nothing.

    Args:
        name: one of the names above.
        noise: a noise string such as "symmetric:0.4" (see `noise.draw`), a transition matrix (K, K), `NoisyLabels` of
            these training samples in their order, or None. "human:worst" for "cifar10n" unless you choose another.
            Data with wrong labels of its own takes None or `NoisyLabels`.
        batch_size: samples a batch, at least 1.
        seed: a whole number, for the noise, the orders and the augmentation.
        data_dir: folder that holds the data set, by itself or in a folder of its name; for npz and TFDS see
            `load_arrays`. Human labels are looked for in it, or in noisy_labels/ in it if there is such a folder.
        augment: True for the data set's own augmentation, False or None for none, the name of another recipe of the
            data set ("anl", "dal", "logit_bias", "dividemix"), which brings its normalization too, or a Keras or
            KerasCV layer. KerasCV's layers draw from TensorFlow's own generators: this seed does not fix them.
        provenance: whether targets of training are {"label", "index", "clean"}, int32, instead of labels: index is the
            position of the sample in the data set, in [0, info.train_size); "clean" is left out where it is unknown.
        exact: whether exactly floor(n_i T_ij) labels of class i become j; for a noise string with a transition matrix.
        fraction: share of the training and of the test samples that is used, in (0, 1], the same ones for every seed.
            Numbers of samples, and the noise, stay those of the whole data set.
        first_epoch: epochs that count as past: a run resumed after so many sees what an uninterrupted one would.
        left_out: positions of training samples that are not trained on, such as `held_out` draws.
        arrays: images and labels to use in place of the data set's own, such as `data.generated(name)`.
        drop_remainder: whether a last training batch that is not full is left out of the epoch, as JAX's `DataParallel`
            wants it.
        download: whether TFDS may download and prepare what is not there.

    Returns:
        `Splits`: train, test, info, noise. Test batches are (image, label), in the order of the data set.

    Raises:
        ValueError: for an argument that does not fit, or a file that does not hold what it should.
        FileNotFoundError: naming the file that is missing.
        ImportError: if a package that reads the data is not installed.
        tf.errors.InvalidArgumentError: naming the file, from a batch, for an image on disk that cannot be read.

    Example:

    >>> train, test, info, noise = keras_robust.data.load("digits", noise="symmetric:0.4", provenance=True)
    >>> images, targets = next(iter(train))
    >>> images.shape, sorted(targets)
    (TensorShape([128, 8, 8, 1]), ['clean', 'index', 'label'])
    >>> bool(np.all(noise.noisy[targets["index"]] == targets["label"]))
    True
    """
    row = CATALOG[OneOf(tuple(CATALOG)).check("load", "name", name)]
    batch_size = BATCH_SIZE.check("load", "batch_size", batch_size)
    seed = SEED.check("load", "seed", seed)
    fraction = Interval(0.0, 1.0, open_low=True).check("load", "fraction", fraction)
    first_epoch = Interval(0, integer=True).check("load", "first_epoch", first_epoch)
    recipe = image_recipe(name, augment if isinstance(augment, str) else None)
    hide_gpus_from_tensorflow()
    stored = read_dataset(row, data_dir, download) if arrays is None else arrays
    drawn = _labels(row, noise, stored, recipe, seed, data_dir, exact)
    augmentation, called = _augmentation(augment, recipe, stored.x_test)
    sizes = (0 if row.test_only else len(stored.y_train), len(stored.y_test))
    published = (row.train_size, row.test_size)
    picked = [chosen(size, fraction) for size in sizes]
    picked[0] = without(left_out, picked[0], sizes[0])
    train = None
    if not row.test_only:
        targets, prepared = _targets(row, stored, drawn), Preparation(recipe, augmentation)
        wanted = targets if provenance else targets["label"]
        train = image_batches(
            stored.x_train, wanted, batch_size, prepared, seed, drop_remainder, first_epoch, picked[0]
        )
    test = image_batches(stored.x_test, stored.y_test, batch_size, Preparation(recipe), chosen=picked[1])
    info = DatasetInfo(
        name=name,
        num_classes=len(stored.class_names),
        class_names=tuple(stored.class_names),
        input_shape=tuple(test.element_spec[0].shape[1:]),
        train_size=sizes[0],
        test_size=sizes[1],
        complete=all(known in (None, size) for known, size in zip(published, sizes, strict=True)),
        mean=recipe.mean,
        std=recipe.std,
        normalization=recipe.source,
        augmentation=called,
    )
    return Splits(train, test, info, drawn)


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
    row = CATALOG[OneOf(known).check("load_noisy", "name", name)]
    stored = read_dataset(row, data_dir, download) if arrays is None else arrays
    drawn = _drawn(row, noise, stored, image_recipe(name), seed, data_dir, exact)
    return stored, corrupt(stored.y_train, np.eye(stored.num_classes), seed) if drawn is None else drawn


def _augmentation(augment, recipe, images):
    """What `augment` stands for, and what it is called."""
    if augment is None or augment is False:
        return None, "none"
    if isinstance(augment, keras.layers.Layer):
        return Augmentation([augment]), type(augment).__name__
    if augment is not True and not isinstance(augment, str):
        refuse("load", "augment", "True, False, the name of a recipe, or a Keras layer", augment)
    height, width = images.shape[1:3] if isinstance(images, np.ndarray) else (recipe.size, recipe.size)
    return Augmentation(augmentation_layers(recipe, height, width)), recipe.name


def _targets(row, stored, drawn):
    """What `provenance` gives to train on: "clean" only where it is known."""
    given, clean = (stored.y_train,) * 2 if drawn is None else (drawn.noisy, drawn.clean)
    targets = {"label": given, "index": np.arange(len(given)), "clean": clean}
    if drawn is None and row.wrong_as_given:
        del targets["clean"]
    return {name: np.asarray(values, "int32") for name, values in targets.items()}


def chosen(size: int, fraction: float):
    """Positions of a share of the samples, in order; None for all. The same ones in every run."""
    if fraction == 1.0:
        return None
    return np.sort(np.random.default_rng(0).permutation(size)[: max(1, round(fraction * size))])


def without(left_out, used, size: int):
    """Positions of the samples that are used and not left out; None for all."""
    if not len(left_out):
        return used
    left_out = np.asarray(left_out)
    if left_out.ndim != 1 or not np.issubdtype(left_out.dtype, np.integer) or not np.isin(left_out, range(size)).all():
        refuse("load", "left_out", f"positions of training samples from 0 and below {size:,}", left_out)
    return np.setdiff1d(np.arange(size) if used is None else used, left_out)


def _labels(row, noise, stored, recipe, seed, data_dir, exact):
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
