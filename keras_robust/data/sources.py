"""Where images and clean labels come from that fit into memory."""

import os
import pathlib
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from keras_robust.checks import OneOf, missing

FASHION = "T-shirt/top|Trouser|Pullover|Dress|Coat|Sandal|Shirt|Sneaker|Bag|Ankle boot".split("|")
CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck".split()
CIFAR100 = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm""".split()


@dataclass(frozen=True)
class Arrays:
    """A data set in memory: images (n, height, width, channels) and class ids (n,), int32.

    Attributes:
        x_train, x_test: float32 in [0, 1]; uint8 where they are kept as they were stored.
        ids_train: what the training images are called where they were stored; None where nothing is joined to them.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple
    ids_train: np.ndarray | None = None

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def input_shape(self) -> tuple:
        return self.x_train.shape[1:]


def load_arrays(name: str, data_dir=None, download: bool = False) -> Arrays:
    """The data set of that name, whole, in memory, images in [0, 1], float32.

    Args:
        name: "digits", "mnist", "fashion_mnist", "cifar10" or "cifar100".
        data_dir: folder that holds NAME.npz (arrays x_train, y_train, x_test, y_test) or NAME/NAME.npz, or the data set
            as TFDS prepared it. By default TFDS' own folder. The digits need none.
        download: whether TFDS may download and prepare what is not there.

    Raises:
        ValueError: for an unknown name, or a file that does not hold the data set.
        FileNotFoundError: if the data set is not there.
        ImportError: if the package that reads the data is not installed.

    Example:

    >>> keras_robust.data.load_arrays("digits").x_train.shape
    (1438, 8, 8, 1)
    """
    arrays = read_arrays(name, data_dir, download, owner="load_arrays")
    if arrays.x_train.dtype != np.uint8:
        return arrays
    scaled = (np.divide(x, 255, dtype="float32") for x in (arrays.x_train, arrays.x_test))
    return replace(arrays, **dict(zip(("x_train", "x_test"), scaled, strict=True)))


def read_arrays(name: str, data_dir=None, download: bool = False, owner: str = "read_arrays") -> Arrays:
    """As `load_arrays`, images as they were stored."""
    return SOURCES[OneOf(tuple(SOURCES)).check(owner, "name", name)](data_dir, download)


def digits(data_dir=None, download: bool = False) -> Arrays:
    """scikit-learn's digits: 1,797 real 8x8 images of handwritten digits, embedded in the package, no network.

    Every fifth image is a test image: 1,438 to train on, 359 to test.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise missing("The digits come with scikit-learn", "data") from error
    x, y = load_digits(return_X_y=True)
    x = (x / 16.0).astype("float32").reshape(-1, 8, 8, 1)
    y = y.astype("int32")
    test = np.arange(len(x)) % 5 == 4
    return Arrays("digits", x[~test], y[~test], x[test], y[test], tuple("0123456789"))


def _stored(name, class_names, has_ids, data_dir, download) -> Arrays:
    """A data set from a npz archive or from TFDS, in the order in which it was stored."""
    folder = _default_folder() if data_dir is None else pathlib.Path(data_dir).expanduser()
    for archive in (folder / f"{name}.npz", folder / name / f"{name}.npz"):
        if archive.is_file():
            return _from_npz(archive, name, class_names, has_ids)
    prepared = _prepared(folder, name) or _prepared(folder / "tfds", name)
    if prepared is None and not download:
        raise FileNotFoundError(
            f"{folder} holds no {name}: looked for {name}.npz, {name}/{name}.npz, and {name}/ and tfds/{name}/ as TFDS "
            "prepares them. Pass another `data_dir`, or download=True to let TFDS fetch it."
        )
    return _from_tfds(prepared, folder, name, class_names, has_ids)


def _default_folder():
    return pathlib.Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()


def _prepared(folder, name):
    """The newest version that TFDS prepared, or None."""
    found = folder.glob(f"{name}/*/dataset_info.json")
    versions = {tuple(int(part) for part in path.parent.name.split(".")): path.parent for path in found}
    return versions[max(versions)] if versions else None


def _from_npz(path, name, class_names, has_ids):
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            splits = {key: archive[key] for key in ("x_train", "y_train", "x_test", "y_test")}
    except Exception as error:  # a damaged archive may raise anything
        raise ValueError(f"{path} does not hold readable arrays x_train, y_train, x_test, y_test: {error}") from error
    checked = {}
    for split in ("train", "test"):
        x, y = splits[f"x_{split}"], splits[f"y_{split}"]
        checked |= _check(f"{path}, {split}", split, x, y, len(class_names))
    ids = np.arange(len(checked["y_train"])) if has_ids else None
    return Arrays(name, class_names=tuple(class_names), ids_train=ids, **checked)


def _from_tfds(prepared, folder, name, class_names, has_ids):
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise missing(f"{prepared or name} is read with TFDS", "data") from error
    if prepared is None:
        builder = tfds.builder(name, data_dir=str(folder))
        builder.download_and_prepare()
    else:
        builder = tfds.builder_from_directory(str(prepared))
    checked, ids = {}, None
    for split in ("train", "test"):
        count = builder.info.splits[split].num_examples
        # One file after the other: the order of the records, whatever number of files they were written to.
        in_order = tfds.ReadConfig(try_autocache=False, interleave_cycle_length=1)
        records = builder.as_dataset(split=split, shuffle_files=False, read_config=in_order).batch(1000)
        try:
            batches = list(records.as_numpy_iterator())
        except Exception as error:  # TensorFlow's errors share no base class with Python's
            raise ValueError(f"{builder.data_dir}, {split}: {error}") from error
        x, y = (np.concatenate([batch[key] for batch in batches]) for key in ("image", "label"))
        if len(x) != count:
            raise ValueError(f"{builder.data_dir}, {split}, holds {len(x)} records. It should hold {count}.")
        checked |= _check(f"{builder.data_dir}, {split}", split, x, y, len(class_names))
        if has_ids and split == "train":
            ids = np.concatenate([batch["id"] for batch in batches])
    return Arrays(name, class_names=tuple(class_names), ids_train=ids, **checked)


def _check(place, split, x, y, num_classes):
    """Images (n, h, w, c), uint8, and labels (n,), int32, if they are a data set of so many classes."""
    x, y = x[..., None] if x.ndim == 3 else x, y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if x.dtype != np.uint8 or x.ndim != 4:
        raise ValueError(
            f"{place}: images must be uint8 of shape (n, height, width, channels), not {x.dtype} {x.shape}."
        )
    if not np.issubdtype(y.dtype, np.integer) or y.shape != x.shape[:1]:
        raise ValueError(f"{place}: {len(x)} images need {len(x)} integer labels, not {y.dtype} {y.shape}.")
    wrong = np.flatnonzero((y < 0) | (y >= num_classes))
    if wrong.size:
        raise ValueError(f"{place}: labels must lie in [0, {num_classes}). Label {wrong[0]} of them is {y[wrong[0]]}.")
    return {f"x_{split}": x, f"y_{split}": y.astype("int32")}


SOURCES = {
    "digits": digits,
    "mnist": partial(_stored, "mnist", "0123456789", False),
    "fashion_mnist": partial(_stored, "fashion_mnist", FASHION, False),
    "cifar10": partial(_stored, "cifar10", CIFAR10, True),
    "cifar100": partial(_stored, "cifar100", CIFAR100, True),
}
"""Data sets that fit in memory, by name, and what reads each."""
