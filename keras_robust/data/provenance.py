"""Ids, and clean labels where they are known, for a user's own data."""

import sys

import keras
import numpy as np

from keras_robust.checks import Interval, refuse
from keras_robust.data.choice import checked_pipeline
from keras_robust.data.counted import counted, named
from keras_robust.data.feed import Feed
from keras_robust.data.numbered import Numbered
from keras_robust.data.own_labels import given_ids, given_labels
from keras_robust.data.pipeline import hide_gpus_from_tensorflow, import_tensorflow, order, ready

BATCH_SIZE = Interval(1, integer=True)
SEED = Interval(0, integer=True)


def with_provenance(
    data,
    clean=None,
    batch_size: int = 128,
    shuffle: bool | None = None,
    seed: int = 0,
    drop_remainder: bool = False,
    pipeline: str | None = None,
    class_names=None,
):
    """Your own data with targets that say which sample a label belongs to: {"label", "index"} and, if known, "clean".

    What is logged about a sample while a model trains can then be traced back to it, whatever the order of training.

    - Arrays (x, y) or (x, y, sample_weight): a sample's index is its position. x may be nested, a list of texts, or a
      DataFrame, which is an array where all is numbers, else a dict of its columns. For a model of several outputs y,
      `clean` and sample_weight are dicts by output; labels of an output that are floats, as those of a regression, are
      kept as they are.
    - A `tf.data.Dataset` of (x, y) or (x, y, sample_weight), in batches or not: its samples are counted in the order in
      which they come. That order must be the same every time: number the data set first, then shuffle it. One whose
      steps shuffle, draw samples or hand on what is ready first is refused; Keras' `image_dataset_from_directory` needs
      `shuffle=False`. `shuffle(..., reshuffle_each_iteration=False)` is taken; without a seed its order, and so the
      numbers, are others in the next process. What Python code does, as in `from_generator`, nobody sees.
    - A `keras.utils.PyDataset` with a fixed order, in batches of one size but for the last: one whose `shuffle` is on
      or that acts between epochs is refused, and one whose batches change their labels when they do. Keras' `fit` may
      shuffle its batches.

    Labels are class ids, one-hot rows or names of classes. What is returned has `class_names`, a list where names are
    known, and `file_paths` where Keras knows the files: the path of each sample by its number, for
    `diagnostics.write_suspects(paths=)`.

    Args:
        data: arrays or a data set; y holds one label a sample, a class id, a one-hot row or a name, or is a dict of
            class ids by output. Of arrays, and of a data set in batches, y may be maps of class ids,
            (n, height, width) or with a depth.
        clean: the true classes, by position, if they are known; the same forms; of several outputs perhaps of some.
        batch_size: samples a batch, at least 1. A data set that has batches keeps its own.
        shuffle: for arrays: whether each epoch has a new random order, by default it has. A data set keeps its order;
            shuffle what you get.
        seed: a whole number; the same seed gives the same orders.
        drop_remainder: for arrays: whether a last batch that is not full is left out of the epoch, as JAX's
            `DataParallel` wants it.
        pipeline: for arrays: "tf.data", or "device": a `Feed`, without TensorFlow; `ProvenanceModel` tells it its
            epochs, a plain `fit` needs its callback `epochs`. None: "tf.data" where TensorFlow is installed.
        class_names: names of the classes by id, a list, an array, a Series or a dict {id: name}, which say what labels
            that are names stand for. None: the categories of a Series, the folders of Keras, or the names that come,
            sorted.

    Returns:
        A `tf.data.Dataset`, `Feed` or `PyDataset` of (x, targets) or (x, targets, sample_weight) in batches; targets
        are int32.

    Raises:
        ValueError: for labels that are not class ids below 2^31, one-hot rows or known names, arrays of different
            lengths, or a data set with an order of its own.
        ImportError: without TensorFlow.

    Example:

    >>> x, y = np.zeros((5, 8, 8, 1), "float32"), np.array([3, 1, 4, 1, 5])
    >>> images, targets = next(iter(keras_robust.data.with_provenance((x, y), batch_size=3, shuffle=False)))
    >>> {name: values.numpy().tolist() for name, values in targets.items()}
    {'label': [3, 1, 4], 'index': [0, 1, 2]}
    """
    batch_size = BATCH_SIZE.check("with_provenance", "batch_size", batch_size)
    seed = SEED.check("with_provenance", "seed", seed)
    tf = sys.modules.get("tensorflow")
    if tf is not None and isinstance(data, tf.data.Dataset):
        _left_alone(pipeline, shuffle, drop_remainder)
        return counted(data, clean, batch_size, class_names)
    if isinstance(data, keras.utils.PyDataset):
        _left_alone("tf.data", shuffle, drop_remainder)
        _, clean, names = given_ids(np.zeros(0, "int32"), clean, class_names)
        return Numbered(data, clean, names)
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        rule = "(x, y), (x, y, sample_weight), a tf.data.Dataset or a PyDataset"
        refuse("with_provenance", "data", rule, type(data).__name__)
    x, (y, clean, names) = _features(data[0]), given_labels(data[1], clean, class_names)
    count = len(keras.tree.flatten(y)[0])
    targets = {"label": y, "index": np.arange(count, dtype="int32")} | ({} if clean is None else {"clean": clean})
    parts = (x, targets, *(keras.tree.map_structure(np.asarray, weights) for weights in data[2:]))
    lengths = {len(array) for array in keras.tree.flatten(parts)}
    if len(lengths) > 1:
        refuse("with_provenance", "data", f"arrays of the same length, `clean` too, {count} as y has", sorted(lengths))
    if checked_pipeline("with_provenance", pipeline) == "device":
        feed = Feed(*parts[:2], batch_size, None if shuffle is False else seed, None, drop_remainder, *parts[2:])
        return named(feed, names)
    hide_gpus_from_tensorflow()
    tf = import_tensorflow()
    with tf.device("CPU:0"):
        columns = tf.nest.map_structure(tf.constant, parts)
        positions = order(count, None if shuffle is False else seed).map(lambda position, _: position)
    batches = positions.batch(batch_size, drop_remainder).map(
        lambda chosen: tf.nest.map_structure(lambda column: tf.gather(column, chosen), columns),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return named(ready(batches), names)


def _left_alone(pipeline, shuffle, drop_remainder):
    if pipeline == "device":
        refuse("with_provenance", "pipeline", '"tf.data" for a tf.data.Dataset', pipeline)
    if shuffle or drop_remainder:
        refuse("with_provenance", "shuffle", "left to you for a data set: shuffle or batch what you get", shuffle)


def _features(x):
    """Inputs as arrays: a DataFrame of numbers is one, another one a dict of its columns."""
    if hasattr(x, "columns") and hasattr(x, "dtypes"):
        if all(kind.kind in "iufb" for kind in map(np.dtype, map(_plain_dtype, x.dtypes))):
            return x.to_numpy(np.result_type(*map(_plain_dtype, x.dtypes)))
        return {str(name): _texts_too(np.asarray(x[name])) for name in x.columns}
    if isinstance(x, list) and x and all(isinstance(one, str | bytes) for one in x):
        return np.asarray(x)
    return keras.tree.map_structure(lambda one: _texts_too(np.asarray(one)), x)


def _plain_dtype(kind):
    """numpy's dtype of a column; that of objects for one that is pandas' own."""
    return kind if isinstance(kind, np.dtype) else np.dtype(object)


def _texts_too(column):
    """Texts as numpy has them, where they were objects."""
    return (
        column.astype(str) if column.dtype.kind == "O" and all(isinstance(one, str) for one in column.flat) else column
    )
