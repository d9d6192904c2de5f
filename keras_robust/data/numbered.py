"""A user's PyDataset with the number of each sample, as long as its order stays the same."""

import keras
import numpy as np

from keras_robust.checks import refuse
from keras_robust.data.feed import Feed
from keras_robust.data.own_labels import given_ids


class Numbered(keras.utils.PyDataset):
    """A PyDataset whose targets say which sample a label belongs to: batch b starts with number b times its size.

    Args:
        dataset: batches (x, y) or (x, y, sample_weight); all but the last one have the size of the first.
        clean: true class ids (n,), or None.
        class_names: names of the classes, or None.

    Raises:
        ValueError: for an order that changes, as far as it can be seen: a `shuffle` that is on, a class that acts
            between epochs, labels that differ when a batch is read again. Also later, when a batch comes with other
            labels, or another size, than before.
    """

    def __init__(self, dataset, clean=None, class_names=None):
        settings = {"workers": 1, "use_multiprocessing": False, "max_queue_size": 10}
        super().__init__(**{name: getattr(dataset, name, usual) for name, usual in settings.items()})
        self.dataset, self.clean, self.class_names = dataset, clean, class_names
        if step := _unsteady(dataset):
            raise ValueError(
                f"`data` of with_provenance has an order of its own, so that a position is no sample's number: {step}."
            )
        if dataset.num_batches is None or not len(dataset):
            refuse("with_provenance", "data", "a PyDataset with a number of batches", type(dataset).__name__)
        if class_names is None and hasattr(dataset, "class_indices"):
            self.class_names = sorted(dataset.class_indices, key=dataset.class_indices.get)
        self._labels = {}
        self.size = len(self[0][1]["label"])
        _ = self[0]  # read again: another order would show
        self.file_paths = getattr(dataset, "filepaths", None)
        most = len(self) * self.size
        if clean is not None and not most - self.size < len(clean) <= most:
            refuse("with_provenance", "clean", f"as many labels as samples, at most {most}", f"{len(clean)} labels")

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, place):
        batch = self.dataset[place]
        if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
            refuse("with_provenance", "data", "a PyDataset of (x, y) or (x, y, sample_weight)", type(batch).__name__)
        x, y, *weight = batch
        ids, _, names = given_ids(y, None, self.class_names)
        if names is not None and self.class_names is None:  # those of one batch are not those of all
            refuse("with_provenance", "class_names", "the names of the classes, for labels that are names", None)
        self._check(place, ids)
        index = place * getattr(self, "size", 0) + np.arange(len(ids), dtype="int32")
        targets = {"label": ids, "index": index}
        if self.clean is not None:
            count = index[0] + len(ids)
            if count > len(self.clean) or (place == len(self) - 1 and count < len(self.clean)):
                refuse(
                    "with_provenance", "clean", f"of {count} labels, as many as samples", f"{len(self.clean)} labels"
                )
            if self.clean.shape[1:] != ids.shape[1:]:
                refuse("with_provenance", "clean", f"of the shape of y, {ids.shape}", f"shape {self.clean.shape}")
            targets["clean"] = self.clean[index]
        return (x, targets, *weight)

    def _check(self, place, ids):
        known = self._labels.setdefault(place, ids)
        if not np.array_equal(known, ids):
            raise ValueError(
                f"`data` of with_provenance has an order of its own: batch {place} has other labels when it is read "
                "again. Let it give the same samples in every epoch."
            )
        size = getattr(self, "size", len(ids))
        if len(ids) != size and (place < len(self) - 1 or len(ids) > size):
            rule = f"batches of the same size but for the last, {size} samples as the first has"
            refuse("with_provenance", "data", rule, f"{len(ids)} samples in batch {place}")

    def on_epoch_begin(self):
        self.dataset.on_epoch_begin()

    def on_epoch_end(self):
        self.dataset.on_epoch_end()


def _unsteady(dataset):
    """What may make the order another one in each epoch; None for what is not seen."""
    kind = type(dataset)
    if isinstance(dataset, Feed):
        return None if dataset.seed is None else "Feed with a seed has a new order each epoch. Give it none"
    if getattr(dataset, "shuffle", None):
        return f"{kind.__name__}.shuffle is on. Switch it off: Keras' fit shuffles the batches by itself"
    for name in ("on_epoch_begin", "on_epoch_end"):
        if not hasattr(dataset, "shuffle") and getattr(kind, name) is not getattr(keras.utils.PyDataset, name):
            return f"{kind.__name__}.{name} may change it. Leave it out, or give the class a `shuffle` that is False"
    return None
