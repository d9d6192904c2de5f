"""Images from files without TensorFlow: read and cut to size by threads, each with draws of its own."""

import contextlib
import functools
import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import keras
import numpy as np

from keras_robust.catalog import ImageRecipe
from keras_robust.checks import missing, refuse
from keras_robust.data.feed import Feed
from keras_robust.data.folders import Files, Records

AREA, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)  # of the part of an image that a "resized" crop takes
AHEAD = 4  # batches that are read while the model works on one
_THREADS = min(32, (os.cpu_count() or 1) + 4)


@dataclass(frozen=True)
class Cut:
    """Reads images and cuts squares out of them, uint8.

    Attributes:
        source: where they are.
        recipe: how large the squares are, and how they are found.
        training: whether they are found at random, where the recipe says so.
    """

    source: Files | Records
    recipe: ImageRecipe
    training: bool

    @property
    def shape(self) -> tuple:
        """Of one image."""
        return (self.recipe.size, self.recipe.size, 3)

    def image(self, position: int, draws: tuple) -> np.ndarray:
        """One square.

        Args:
            position: of the image in the source.
            draws: whole numbers that decide where it is cut.

        Raises:
            ValueError: naming the file, if it is not a readable image.
        """
        if isinstance(self.source, Records):
            return self.source.read([position])[0]
        with opened(self.source.paths[position]) as image:
            return np.asarray(self._square(image, np.random.default_rng(draws)))

    def _square(self, image, rng):
        row, square, bilinear = self.recipe, (self.recipe.size,) * 2, _pillow().Resampling.BILINEAR
        if self.training and row.crop == "resized":
            return image.resize(square, bilinear, box=_part(image.size, rng))
        if row.resize:
            scale = row.resize / min(image.size)
            target = tuple(round(side * scale) for side in image.size)
            image = image if target == image.size else image.resize(target, bilinear)
        spare = [side - row.size for side in image.size]
        start = [room // 2 for room in spare]
        if self.training and row.crop == "random":
            start = [int(rng.integers(room + 1)) for room in spare]
        return image.crop((*start, *(at + row.size for at in start)))


def _part(size, rng, tries=10):
    """A box of a random area and ratio of sides inside an image, the whole image if none fits."""
    width, height = size
    for _ in range(tries):
        area, ratio = rng.uniform(*AREA) * width * height, math.exp(rng.uniform(*map(math.log, RATIO)))
        wide, high = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < high <= height:
            x, y = int(rng.integers(width - wide + 1)), int(rng.integers(height - high + 1))
            return (x, y, x + wide, y + high)
    return (0, 0, width, height)


@functools.cache
def _pillow():
    try:
        from PIL import Image
    except ImportError as error:
        raise missing("Images are read with Pillow", "data") from error
    return Image


@contextlib.contextmanager
def opened(path, near: int | None = None):
    """An image from a file, in three colors; an error in reading it names the file.

    Args:
        path: of the file.
        near: how many pixels of a side are enough: a large JPEG is read faster at a part of its size.

    Raises:
        ValueError: if it is not a readable image.
        FileNotFoundError: if it is not there.
    """
    try:
        with _pillow().open(path) as image:
            if near is not None:
                image.draft("RGB", (near, near))
            yield image.convert("RGB")
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no image {path}.") from None
    except (OSError, SyntaxError, _pillow().DecompressionBombError) as error:
        raise ValueError(f"{path} is not a readable image: {error}") from None


def size_of(path) -> tuple[int, int]:
    """Width and height of an image, from the head of its file.

    Raises:
        ValueError: if it is not a readable image.
    """
    try:
        with _pillow().open(path) as image:
            return image.size
    except (OSError, SyntaxError, _pillow().DecompressionBombError) as error:
        raise ValueError(f"{path} is not a readable image: {error}") from None


class FileFeed(Feed):
    """A `Feed` of images from files, which threads read ahead of the model.

    Where an image is cut follows from seed, epoch and image alone, not from the threads.

    Args:
        cut: the images.
        y, batch_size, seed, rows, drop_remainder, preprocessing: as `Feed` takes them.
    """

    def __init__(self, cut: Cut, y, batch_size, seed=None, **keywords):
        self.cut, self._pool, self._ahead = cut, None, {}
        super().__init__(np.arange(len(keras.tree.flatten(y)[0])), y, batch_size, seed, **keywords)

    def keep_on_device(self) -> None:
        """Refused: the images are not in memory."""
        refuse("keep_on_device", "feed", "one of images in memory", type(self).__name__)

    def in_order(self) -> "FileFeed":
        """The same samples in the order of the files, cut as for testing, to look at."""
        cut = replace(self.cut, training=False)
        return FileFeed(cut, self.columns[1], self.batch_size, rows=np.sort(self.rows), weights=self.weights)

    def begin(self, epoch, told=True):
        for futures in self._ahead.values():
            for future in futures:
                future.cancel()
        self.epoch, self._ahead = epoch, {}
        super().begin(epoch, told)

    def __getitem__(self, place):
        _, *rest = super().__getitem__(place)
        for number in range(place, min(place + 1 + AHEAD, len(self))):
            if number not in self._ahead:
                self._ahead[number] = [self._read(int(row)) for row in self.numbers(number)]
        return np.stack([future.result() for future in self._ahead.pop(place)]), *rest

    def _read(self, row):
        if self._pool is None:  # threads do not survive a copy of the process
            self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="keras_robust-images")
        return self._pool.submit(self.cut.image, row, (self.seed or 0, self.epoch, row))


def raw_feed(images, y, recipe: ImageRecipe, batch_size: int, seed=None, training: bool = False, **keywords) -> Feed:
    """A feed of raw images, from memory or from files.

    Args:
        images: an array, `Files` or `Records`.
        training: whether those from files are cut as for training.
        y, batch_size, seed, keywords: as `Feed` takes them.
    """
    if isinstance(images, np.ndarray):
        return Feed(images, y, batch_size, seed, **keywords)
    return FileFeed(Cut(images, recipe, training), y, batch_size, seed, **keywords)
