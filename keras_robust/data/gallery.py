"""Training images by number, to look at."""

from dataclasses import dataclass

import numpy as np

from keras_robust.catalog import CATALOG, row_of
from keras_robust.checks import refuse
from keras_robust.data.decoding import opened
from keras_robust.data.folders import Files, Records
from keras_robust.data.reading import read_dataset

# Pixels of the longer side of an image from a file: enough for a thumbnail.
_SIDE = 96


@dataclass(frozen=True)
class Gallery:
    """The training images of a data set, for people.

    Attributes:
        class_names: of the data set.
        size: how many training images it has.
        source: where they are.
    """

    class_names: tuple
    size: int
    source: np.ndarray | Files | Records

    def images(self, numbers) -> np.ndarray:
        """Some of the images, (n, height, width, channels), in [0, 1], or uint8 where they were stored so.

        Those from files of their own come scaled to a square of 96 pixels, their shape kept, the rest black.

        Args:
            numbers: positions (n,), each in [0, size).

        Raises:
            ValueError: for a position out of range, or a file that is not an image.
        """
        numbers = np.asarray(numbers)
        whole = numbers.ndim == 1 and (np.issubdtype(numbers.dtype, np.integer) or not numbers.size)
        if not whole or np.any((numbers < 0) | (numbers >= self.size)):
            refuse("images", "numbers", f"positions (n,) in [0, {self.size})", numbers)
        numbers = numbers.astype("int64")
        if isinstance(self.source, np.ndarray):
            return self.source[numbers]
        if isinstance(self.source, Records):
            return self.source.read(numbers)
        images = np.empty((len(numbers), _SIDE, _SIDE, 3), "uint8")
        for place, number in enumerate(numbers):
            images[place] = _thumbnail(self.source.paths[number])
        return images


def gallery(name: str, data_dir=None) -> Gallery:
    """The training images of a data set, by their position in it: what "index" of `load(provenance=True)` counts.

    Args:
        name: a data set of `load` that has images to train on.
        data_dir: its folder, as `load` takes it.

    Raises:
        ValueError: for an unknown name.
        FileNotFoundError: if the data set is not there.
        ImportError: if a package that reads the data is not installed.

    Example:

    >>> digits = keras_robust.data.gallery("digits")
    >>> digits.images([3, 0]).shape, digits.class_names[3], digits.size
    ((2, 8, 8, 1), '3', 1438)
    """
    known = tuple(row.name for row in CATALOG.values() if not row.test_only)
    stored = read_dataset(row_of(name, "gallery", "name", known), data_dir)
    return Gallery(tuple(stored.class_names), len(stored.y_train), stored.x_train)


def _thumbnail(path):
    with opened(path) as image:
        from PIL import ImageOps

        return np.asarray(ImageOps.pad(image, (_SIDE, _SIDE)))
