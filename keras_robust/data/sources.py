"""Where images and clean labels come from that fit into memory."""

import os
import pathlib
from dataclasses import dataclass, replace

import keras
import numpy as np

from keras_robust.catalog import CATALOG, row_of
from keras_robust.checks import missing
from keras_robust.data import archives


@dataclass(frozen=True)
class Arrays:
    """A data set in memory: images (n, height, width, channels) and class ids (n,), int32.

    Attributes:
        x_train, x_test: float32 in [0, 1]; uint8 where they are kept as they were stored.
        ids_train: what the training images are called where they were stored; None where they have no name.
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
        data_dir: folder that holds the data set, in the first of these layouts: NAME.npz or NAME/NAME.npz (arrays
            x_train, y_train, x_test, y_test), MNIST's official idx files, CIFAR as `keras.datasets` keeps it, CIFAR's
            official binary version, what TFDS prepared. By default the folders of `keras.datasets` and of TFDS. The
            digits need none. Only what TFDS prepared needs TensorFlow.
        download: whether `keras.datasets` may download what is not there, to its own folder.

    Raises:
        ValueError: for an unknown name, or a file that does not hold the data set.
        FileNotFoundError: if the data set is not there.
        ImportError: if the package that reads the data is not installed.

    Example:

    >>> keras_robust.data.load_arrays("digits").x_train.shape
    (1438, 8, 8, 1)
    """
    own = tuple(row.name for row in CATALOG.values() if row.reader in IN_MEMORY and row.stored == row.name)
    row = row_of(name, "load_arrays", "name", own)
    arrays = IN_MEMORY[row.reader](row, data_dir, download)
    if arrays.x_train.dtype != np.uint8:
        return arrays
    scaled = (np.divide(x, 255, dtype="float32") for x in (arrays.x_train, arrays.x_test))
    return replace(arrays, **dict(zip(("x_train", "x_test"), scaled, strict=True)))


def _digits(row, data_dir, download) -> Arrays:
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
    return Arrays(row.stored, x[~test], y[~test], x[test], y[test], row.class_names)


def _archive(row, data_dir, download) -> Arrays:
    """A data set in the first of the layouts that are there, in the order in which it was stored."""
    folders = [archives.keras_folder(), _default_folder()]
    if data_dir is not None:
        folders = [pathlib.Path(data_dir).expanduser()]
    found = _found(row, folders)
    if found is None and download:
        getattr(keras.datasets, row.stored).load_data()
        found = _found(row, [archives.keras_folder()])
    if found is None:
        places = " and ".join(map(str, folders))
        raise FileNotFoundError(
            f"No {row.stored} in {places}: looked for {row.stored}.npz, alone or in {row.stored}/, the official files, "
            f"what keras.datasets keeps, and {row.stored}/ and tfds/{row.stored}/ as TFDS prepares them. Pass another "
            "`data_dir`, or download=True to let keras.datasets fetch it."
        )
    return found


def _found(row, folders):
    """The data set, from the first folder that holds it, or None."""
    for read in (*archives.LAYOUTS, _from_tfds):
        for folder in folders:
            if (found := read(folder, row)) is not None:
                return found if isinstance(found, Arrays) else _checked(*found, row)
    return None


def _checked(place, splits, row):
    checked = {}
    for split in archives.SPLITS:
        x, y = splits[f"x_{split}"], splits[f"y_{split}"]
        checked |= _check(f"{place}, {split}", split, x, y, row.num_classes)
    ids = np.arange(len(checked["y_train"]))
    return Arrays(row.stored, class_names=row.class_names, ids_train=ids, **checked)


def _default_folder():
    return pathlib.Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()


def _prepared(folder, name):
    """The newest version that TFDS prepared, or None."""
    found = folder.glob(f"{name}/*/dataset_info.json")
    versions = {tuple(int(part) for part in path.parent.name.split(".")): path.parent for path in found}
    return versions[max(versions)] if versions else None


def _from_tfds(folder, row):
    """What TFDS prepared, read with it."""
    prepared = _prepared(folder, row.stored) or _prepared(folder / "tfds", row.stored)
    if prepared is None:
        return None
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise missing(f"{prepared} is read with TFDS", "tfds") from error
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
        checked |= _check(f"{builder.data_dir}, {split}", split, x, y, row.num_classes)
        if split == "train" and "id" in builder.info.features:
            ids = np.concatenate([batch["id"] for batch in batches])
    return Arrays(row.stored, class_names=row.class_names, ids_train=ids, **checked)


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


IN_MEMORY = {"digits": _digits, "archive": _archive}
"""What reads data sets that fit in memory, (row, data_dir, download) -> Arrays, as the catalog calls it."""
