"""Batches without TensorFlow: arrays in an order that seed and epoch decide, the same on all backends."""

import keras
import numpy as np

from keras_robust.backend import gathered, on_device
from keras_robust.checks import Interval, refuse
from keras_robust.data.preprocessing import preprocessing_of


class Feed(keras.utils.PyDataset):
    """Arrays in batches, raw as they are stored, for `fit` on any backend.

    With a seed each epoch has a new order, which `begin` sets: `epochs` is the callback that does so in `fit`. Which
    epoch it is nobody else tells, so a second epoch without it is refused.

    Args:
        x: images (n, ...), or a nested structure of arrays.
        y: labels, or a dict of arrays by name.
        batch_size: samples of a batch; the last one may have fewer.
        seed: a whole number, or None for the order of the arrays.
        rows: positions of the samples that are used; None for all.
        drop_remainder: whether a last batch that is not full is left out.
        weights: of the samples, or None.
        preprocessing: the `Preprocessing` of the model that learns from it, which follows the epoch; or None.

    Attributes:
        served: batches that were taken since the epoch began.
        part: (index, count): which of so many equal parts of each batch it serves; see `share`.

    Example:

    >>> feed = Feed(np.arange(5), {"label": np.arange(5)}, batch_size=2, seed=0)
    >>> [images.tolist() for images, targets in feed]
    [[2, 4], [3, 0], [1]]
    >>> feed.begin(1)
    >>> feed[0][0].tolist()
    [1, 4]
    """

    def __init__(self, x, y, batch_size, seed=None, rows=None, drop_remainder=False, weights=None, preprocessing=None):
        super().__init__()
        self.part = (0, 1)
        self.columns = (x, y) if weights is None else (x, y, weights)
        self.batch_size, self.seed, self.preprocessing = batch_size, seed, preprocessing
        count = len(keras.tree.flatten(y)[0])
        self.rows = np.arange(count) if rows is None else np.asarray(rows)
        self.used = len(self.rows) // batch_size * batch_size if drop_remainder else len(self.rows)
        if not self.used:
            refuse("Feed", "batch_size", f"at most {len(self.rows)}, the number of samples", batch_size)
        self.begin(0, told=False)

    @property
    def epochs(self) -> "Epochs":
        """The callback that tells each epoch of `fit` to the order, and to the augmentation in the step."""
        return Epochs(self)

    def begin(self, epoch: int, told: bool = True) -> None:
        """Takes the order of an epoch, counted from 0, and has the augmentation follow.

        Args:
            told: whether somebody counts the epochs; False for the first of them alone.
        """
        self.served, self._told = 0, told
        self._order = self.rows
        if self.seed is not None:
            self._order = self.rows[np.random.default_rng([self.seed, epoch]).permutation(len(self.rows))]
        if self.preprocessing is not None:
            self.preprocessing.begin(epoch)

    def share(self, index: int, count: int) -> None:
        """Serves one of `count` equal parts of each batch from now on: that of a process among several.

        `batch_size` stays that of all of them together, and so do order and augmentation: an image has the crop and
        the flip that it would have in one process. (Keras layers that augment in place of the recipe draw in each
        process for itself.)

        Args:
            index: which part, counted from 0: the rank of the process.
            count: number of processes.

        Raises:
            ValueError: for an index out of range, and for batches that do not divide into so many parts.

        Example:

        >>> feed = Feed(np.arange(8), np.arange(8), batch_size=4)
        >>> feed.share(1, 2)
        >>> [images.tolist() for images, labels in feed]
        [[2, 3], [6, 7]]
        """
        count = Interval(1, integer=True).check("share", "count", count)
        index = Interval(0, count - 1, integer=True).check("share", "index", index)
        if self.batch_size % count:
            refuse("share", "count", f"a divisor of the batch size, {self.batch_size}", count)
        if self.used % self.batch_size % count:
            last = self.used % self.batch_size
            refuse("share", "count", f"a divisor of the last batch, {last} samples, or drop_remainder=True", count)
        self.part = (index, count)
        if self.preprocessing is not None:
            self.preprocessing.part = self.part

    def keep_on_device(self) -> None:
        """Moves the images to the accelerator once and for all, where batches are then gathered.

        It takes as many bytes there as the images have here.
        """
        self.columns = (keras.tree.map_structure(on_device, self.columns[0]), *self.columns[1:])

    def __len__(self):
        return -(-self.used // self.batch_size)

    def __getitem__(self, place):
        rows = self.numbers(place)
        self.served += 1
        return keras.tree.map_structure(lambda column: gathered(column, rows), self.columns)

    @property
    def weights(self) -> np.ndarray | None:
        """Weights of the samples, or None."""
        return self.columns[2] if len(self.columns) > 2 else None

    @property
    def left_out(self) -> np.ndarray:
        """Numbers of the samples that it has and never serves: their "index", or else their positions."""
        y = self.columns[1]
        index = y["index"] if isinstance(y, dict) and "index" in y else np.arange(len(keras.tree.flatten(y)[0]))
        return np.delete(index, self.rows)

    def in_order(self) -> "Feed":
        """The same samples in the order of the arrays, to look at."""
        return Feed(*self.columns[:2], self.batch_size, rows=np.sort(self.rows), weights=self.weights)

    def numbers(self, place: int) -> np.ndarray:
        """Positions of the samples of a batch, counted from 0, of this epoch; of its own part of it."""
        if not 0 <= place < len(self):
            raise IndexError(f"A batch of [0, {len(self)}) was asked for. Received: {place}.")
        whole = self._order[place * self.batch_size : min((place + 1) * self.batch_size, self.used)]
        index, count = self.part
        size = len(whole) // count
        return whole[index * size : (index + 1) * size]

    def on_epoch_begin(self):
        if self.workers > 1 or self.use_multiprocessing:
            refuse("Feed", "workers", "1, for Keras' workers mix the batches of two epochs", self.workers)
        if self._moves and not self._told and self.served >= len(self):
            raise RuntimeError(
                "A second pass over this data would have the order and the augmentation of the first: nobody told it "
                "the epoch. Give `fit` the callback `splits.epochs` (`feed.epochs`; ProvenanceModel adds it), or call "
                "`begin(epoch)`."
            )

    @property
    def _moves(self):
        """Whether epochs differ."""
        return self.seed is not None or (self.preprocessing is not None and self.preprocessing.augments)


class Epochs(keras.callbacks.Callback):
    """Tells each epoch of `fit` to a feed, and so to the augmentation in the model's step.

    Args:
        feed: what `fit` trains on.

    Raises:
        ValueError: from `fit`, for a model without the preprocessing that the raw images of the feed need, or epochs
            that leave batches out.

    Example:

    >>> splits = keras_robust.data.load("digits", pipeline="device")
    >>> network = keras_robust.models.cnn2(splits.info.input_shape, 10)
    >>> model = keras.Sequential([splits.info.preprocessing, network])
    >>> model.compile("sgd", "sparse_categorical_crossentropy")
    >>> history = model.fit(splits.train, epochs=2, callbacks=[splits.epochs], shuffle=False, verbose=0)
    """

    def __init__(self, feed: Feed):
        super().__init__()
        self.feed = feed

    def set_model(self, model):
        wanted = self.feed.preprocessing
        if wanted is not None and not any(layer is wanted for layer in preprocessing_of(model)):
            rule = "one whose first layer is info.preprocessing: the images of this pipeline are raw"
            refuse("Epochs", "model", rule, f"{model.name}, which has not that layer")
        super().set_model(model)

    def on_epoch_begin(self, epoch, logs=None):
        self.feed.begin(epoch)

    def on_epoch_end(self, epoch, logs=None):
        if self.feed.served < len(self.feed) and not self.model.stop_training:
            raise ValueError(
                f"Epoch {epoch + 1} ended after {self.feed.served} of {len(self.feed)} batches, and the next one would "
                "go on with the rest. Leave `steps_per_epoch` of `fit` out; `fraction` of data.load takes a share."
            )
