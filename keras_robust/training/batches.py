"""Arrays in batches, whose order seed and epoch decide: one on all backends, and the same after a resume."""

import keras
import numpy as np


class Batches(keras.utils.PyDataset):
    """Arrays in shuffled batches, with the order of epoch 0 until `begin` says another.

    Args:
        x: images (n, ...).
        y: targets, arrays (n,) by name.
        batch_size: samples of a batch; the last one may have fewer.
        seed: a whole number.

    Example:

    >>> batches = Batches(np.arange(5), {"label": np.arange(5)}, batch_size=2, seed=0)
    >>> [batches[place][0].tolist() for place in range(len(batches))]
    [[2, 4], [3, 0], [1]]
    >>> batches.begin(1)
    >>> batches[0][0].tolist()
    [1, 4]
    """

    def __init__(self, x, y: dict, batch_size: int, seed: int):
        super().__init__()
        self.x, self.y, self.batch_size, self.seed = x, y, batch_size, seed
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Takes the order of an epoch, counted from 0."""
        self._order = np.random.default_rng([self.seed, epoch]).permutation(len(self.x))

    def follower(self) -> keras.callbacks.Callback:
        """A callback that begins each epoch."""
        return keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: self.begin(epoch))

    def __len__(self):
        return -(-len(self.x) // self.batch_size)

    def __getitem__(self, place):
        rows = self._order[place * self.batch_size : (place + 1) * self.batch_size]
        return self.x[rows], {name: values[rows] for name, values in self.y.items()}
