"""A look at every training sample as it is: by number, each one once."""

import keras
import numpy as np

from keras_robust.checks import refuse
from keras_robust.targets import read_provenance


class Probe:
    """The training data, not augmented, in batches of numpy arrays: x, class ids, numbers of the samples, who counts.

    Args:
        owner: the class that the errors name.
        data: (x, y), whose numbers are positions unless y is a dict with "index"; or a data set of batches
            (x, {"label", "index"}). Both may have weights, (x, y, sample_weight): samples of weight 0 do not count.
        num_samples: how many samples there are.
        batch_size: of a look at (x, y).

    Raises:
        ValueError: for data that are neither.
    """

    def __init__(self, owner, data, num_samples, batch_size=256):
        self.owner, self.data, self.num_samples, self.batch_size = owner, data, num_samples, batch_size
        self._arrays = isinstance(data, tuple) and len(data) in (2, 3)
        goes = hasattr(data, "__getitem__") or hasattr(data, "__iter__")
        if not self._arrays and (not goes or isinstance(data, np.ndarray | dict | str)):
            self._refuse(type(data).__name__)
        if not self._arrays and hasattr(data, "__iter__") and iter(data) is data:
            self._refuse("an iterator, which can be gone through once")
        if self._arrays and (lengths := {len(one) for one in keras.tree.flatten(data)}) != {num_samples}:
            self._refuse(f"arrays of {sorted(lengths)} samples")

    def __iter__(self):
        first = 0
        for x, y, *weights in self._batches():
            provenance = read_provenance(y, f"the probe of {self.owner}")
            label = np.asarray(provenance.label)
            if label.ndim == 2:
                label = label[:, 0] if label.shape[1] == 1 else label.argmax(axis=1)
            index = provenance.index
            if index is None and not self._arrays:
                self._refuse('targets without "index"')
            index = np.arange(first, first + len(label)) if index is None else np.reshape(np.asarray(index), -1)
            counts = np.ones(len(label), bool)
            if weights and weights[0] is not None:
                counts = np.reshape(np.asarray(weights[0]), (len(label), -1))[:, 0] != 0
            yield keras.tree.map_structure(np.asarray, x), label, index, counts
            first += len(label)

    def check(self, num_classes, ignore_class=None) -> None:
        """Goes through the targets. A data set may say in `left_out` which numbers it lacks, as `data.Feed` does.

        Raises:
            ValueError: for samples that are missing or there twice, or labels that are no class.
        """
        seen = np.zeros(self.num_samples, "int64")
        for _, label, index, counts in self:
            known = (index >= 0) & (index < self.num_samples)
            if not known.all():
                self._refuse(f"sample {index[~known][0]}")
            np.add.at(seen, index, 1)
            wrong = counts & ((label < 0) | (label >= num_classes))
            if ignore_class is not None:
                wrong &= label != ignore_class
            if wrong.any():
                refuse(self.owner, "probe", f"labeled with class ids in [0, {num_classes})", label[wrong][0].item())
        missing = seen == 0
        missing[np.asarray(getattr(self.data, "left_out", []), "int64")] = False
        if np.any(missing) or np.any(seen > 1):
            self._refuse(f"{np.sum(missing):,} samples that never come and {np.sum(seen > 1):,} that come again")

    def _batches(self):
        if self._arrays:
            for start in range(0, self.num_samples, self.batch_size):
                yield keras.tree.map_structure(lambda a, start=start: a[start : start + self.batch_size], self.data)
        elif isinstance(self.data, keras.utils.PyDataset):
            for place in range(len(self.data)):
                yield self.data[place]
        else:
            yield from self.data

    def _refuse(self, came):
        rule = (
            '(x, y) by sample number, or a data set of (x, {"label", "index"}) that can be gone through every epoch, '
            f"with each of the samples [0, {self.num_samples:,}) once"
        )
        refuse(self.owner, "probe", rule, came)
