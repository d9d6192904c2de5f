"""Data sets by name, with wrong labels, ready for `model.fit`."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_robust.catalog import Dataset, row_of
from keras_robust.checks import Interval, refuse
from keras_robust.data.augment import Augmentation, augmentation_layers, image_recipe
from keras_robust.data.choice import checked_pipeline
from keras_robust.data.decoding import raw_feed
from keras_robust.data.feed import Epochs, Feed
from keras_robust.data.noisy import noisy_labels
from keras_robust.data.pipeline import Preparation, hide_gpus_from_tensorflow, image_batches
from keras_robust.data.preprocessing import Preprocessing
from keras_robust.data.provenance import BATCH_SIZE, SEED
from keras_robust.data.reading import read_dataset
from keras_robust.data.sources import Arrays
from keras_robust.noise.corruption import NoisyLabels


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
        preprocessing: for `pipeline="device"` the layer that stands before the network; None where tf.data prepares the
            images.
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
    preprocessing: Preprocessing | None = None


class Splits(NamedTuple):
    """Data to train and to test on, what they are, and the noise in the labels.

    `train` and `test` are `tf.data.Dataset`s of batches, or `data.Feed`s of raw images (`pipeline="device"`). `train`
    is None where a data set is for testing alone. `noise` is None without noise, and where wrong labels came with the
    data and the true ones are unknown.
    """

    train: Any
    test: Any
    info: DatasetInfo
    noise: NoisyLabels | None

    @property
    def epochs(self) -> Epochs:
        """The callback that `fit` needs on a `Feed`: it tells order and augmentation which epoch it is.

        Raises:
            ValueError: for a pipeline of tf.data, which counts its epochs itself.
        """
        if not isinstance(self.train, Feed):
            refuse("Splits", "epochs", 'asked for with pipeline="device"', type(self.train).__name__)
        return self.train.epochs


def load(
    name: str | Dataset = "digits",
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
    pipeline: str | None = None,
) -> Splits:
    """A data set by name, wrong labels to train on and clean ones to test on, ready for `model.fit` on any backend.

    - In memory: "digits" (embedded), "mnist", "fashion_mnist", "cifar10", "cifar100", from what `load_arrays` reads.
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
        name: one of the names above; or a row, such as `own_images` makes.
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
        download: whether `keras.datasets` may download what is not there.
        pipeline: "tf.data": TensorFlow reads, augments and normalizes on the processor. "device": without TensorFlow;
            `train` and `test` are `Feed`s of raw images, and `info.preprocessing` is a layer that stands before the
            network and prepares them in the compiled step, on the accelerator. Give `fit` the callback
            `splits.epochs` and `shuffle=False`. None: "tf.data" where TensorFlow is installed.

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
    row = row_of(name, "load", "name")
    batch_size = BATCH_SIZE.check("load", "batch_size", batch_size)
    seed = SEED.check("load", "seed", seed)
    fraction = Interval(0.0, 1.0, open_low=True).check("load", "fraction", fraction)
    first_epoch = Interval(0, integer=True).check("load", "first_epoch", first_epoch)
    recipe = image_recipe(name, augment if isinstance(augment, str) else None)
    if augment not in (None, True, False) and not isinstance(augment, str | keras.layers.Layer):
        refuse("load", "augment", "True, False, the name of a recipe, or a Keras layer", augment)
    make = PIPELINES[checked_pipeline("load", pipeline)]
    stored = read_dataset(row, data_dir, download) if arrays is None else arrays
    if not row.test_only and not len(stored.y_test):
        rule = f"given with test images: {row.name} has none, so hold out some of its own (`data.held_out`)"
        refuse("load", "arrays", rule, arrays)
    drawn = noisy_labels(row, noise, stored, recipe, seed, data_dir, exact)
    sizes = (0 if row.test_only else len(stored.y_train), len(stored.y_test))
    published = (row.train_size, row.test_size)
    picked = [chosen(size, fraction) for size in sizes]
    picked[0] = without(left_out, picked[0], sizes[0])
    targets = None if row.test_only else _targets(row, stored, drawn)
    split = Split(stored.x_train, targets if provenance else (targets or {}).get("label"), seed, picked[0])
    tested = Split(stored.x_test, stored.y_test, None, picked[1])
    made = make(None if row.test_only else split, tested, recipe, augment, batch_size, drop_remainder, first_epoch)
    info = DatasetInfo(
        name=row.name,
        num_classes=len(stored.class_names),
        class_names=tuple(stored.class_names),
        input_shape=made.input_shape,
        train_size=sizes[0],
        test_size=sizes[1],
        complete=all(known in (None, size) for known, size in zip(published, sizes, strict=True)),
        mean=recipe.mean,
        std=recipe.std,
        normalization=recipe.source,
        augmentation=_called(augment, recipe),
        preprocessing=made.preprocessing,
    )
    return Splits(made.train, made.test, info, drawn)


@dataclass(frozen=True)
class Split:
    """Images, labels or targets, the seed of the order or None, and the positions of those that are used or None."""

    images: Any
    targets: Any
    seed: int | None
    rows: Any


class Made(NamedTuple):
    """What a pipeline makes of two splits."""

    train: Any
    test: Any
    input_shape: tuple
    preprocessing: Preprocessing | None = None


def _with_tf_data(split, tested, recipe, augment, batch_size, drop_remainder, first_epoch):
    hide_gpus_from_tensorflow()
    plain, train = Preparation(recipe), None
    if split is not None:
        prepared = Preparation(recipe, _augmentation(augment, recipe, split.images))
        train = image_batches(
            split.images, split.targets, batch_size, prepared, split.seed, drop_remainder, first_epoch, split.rows
        )
    test = image_batches(tested.images, tested.targets, batch_size, plain, chosen=tested.rows)
    return Made(train, test, tuple(test.element_spec[0].shape[1:]))


def _on_device(split, tested, recipe, augment, batch_size, drop_remainder, first_epoch):
    in_memory = isinstance(tested.images, np.ndarray)
    unit = 255.0 if not in_memory or tested.images.dtype == np.uint8 else 1.0
    layers = [augment] if isinstance(augment, keras.layers.Layer) else []
    seed = 0 if split is None else split.seed
    preprocessing, train = Preprocessing(recipe, unit, bool(augment), layers, seed), None
    if split is not None:
        train = raw_feed(
            split.images,
            split.targets,
            recipe,
            batch_size,
            split.seed,
            training=bool(augment) and not layers,
            rows=split.rows,
            drop_remainder=drop_remainder,
            preprocessing=preprocessing,
        )
        train.begin(first_epoch, told=False)
    test = raw_feed(tested.images, tested.targets, recipe, batch_size, rows=tested.rows)
    return Made(train, test, tested.images.shape[1:] if in_memory else (recipe.size, recipe.size, 3), preprocessing)


PIPELINES = {"tf.data": _with_tf_data, "device": _on_device}
"""What makes batches of a data set."""


def _called(augment, recipe):
    """What an augmentation is called."""
    if augment is None or augment is False:
        return "none"
    return type(augment).__name__ if isinstance(augment, keras.layers.Layer) else recipe.name


def _augmentation(augment, recipe, images):
    """What `augment` stands for in tf.data."""
    if augment is None or augment is False:
        return None
    if isinstance(augment, keras.layers.Layer):
        return Augmentation([augment])
    height, width = images.shape[1:3] if isinstance(images, np.ndarray) else (recipe.size, recipe.size)
    return Augmentation(augmentation_layers(recipe, height, width))


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
