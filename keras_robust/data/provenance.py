"""Ids, and clean labels where they are known, for a user's own data."""

import sys

import keras
import numpy as np

from keras_robust.checks import Interval, refuse
from keras_robust.data.choice import checked_pipeline
from keras_robust.data.feed import Feed
from keras_robust.data.ordering import unsteady_step
from keras_robust.data.pipeline import hide_gpus_from_tensorflow, import_tensorflow, order, ready

BATCH_SIZE = Interval(1, integer=True)
SEED = Interval(0, integer=True)
LARGEST = 2**31 - 1  # ids and numbers are int32


def with_provenance(
    data,
    clean=None,
    batch_size: int = 128,
    shuffle: bool | None = None,
    seed: int = 0,
    drop_remainder: bool = False,
    pipeline: str | None = None,
):
    """Your own data with targets that say which sample a label belongs to: {"label", "index"} and, if known, "clean".

    What is logged about a sample while a model trains can then be traced back to it, whatever the order of training.

    - Arrays (x, y) or (x, y, sample_weight): the index of a sample is its position. x may be nested. For a model of
      several outputs y, `clean` and sample_weight are dicts by output; labels of an output that are floats, as those of
      a regression, are kept as they are.
    - A `tf.data.Dataset` of (x, y) or (x, y, sample_weight), in batches or not: its samples are counted in the order in
      which they come. That order must be the same every time: number the data set first, then shuffle it. One whose
      steps shuffle, draw samples or hand on what is ready first is refused; Keras' `image_dataset_from_directory` needs
      `shuffle=False`. `shuffle(..., reshuffle_each_iteration=False)` is taken; without a seed its order, and so the
      numbers, are others in the next process. What Python code does, as in `from_generator`, nobody sees.

    Args:
        data: arrays or a data set; y holds class ids, one a sample, or is a dict of these by output.
        clean: ids of the true classes (n,), by position, if they are known; of several outputs a dict, perhaps of some.
        batch_size: samples a batch, at least 1. A data set that has batches keeps its own.
        shuffle: for arrays: whether each epoch has a new random order, by default it has. A data set keeps its order;
            shuffle what you get.
        seed: a whole number; the same seed gives the same orders.
        drop_remainder: for arrays: whether a last batch that is not full is left out of the epoch, as JAX's
            `DataParallel` wants it.
        pipeline: for arrays: "tf.data", or "device": a `Feed`, without TensorFlow; `ProvenanceModel` tells it its
            epochs, a plain `fit` needs its callback `epochs`. None: "tf.data" where TensorFlow is installed.

    Returns:
        A `tf.data.Dataset` or `Feed` of (x, targets) or (x, targets, sample_weight) in batches; targets are int32.

    Raises:
        ValueError: for labels that are not class ids below 2^31, arrays of different lengths, or a data set with an
            order of its own.
        ImportError: without TensorFlow.

    Example:

    >>> x, y = np.zeros((5, 8, 8, 1), "float32"), np.array([3, 1, 4, 1, 5])
    >>> images, targets = next(iter(keras_robust.data.with_provenance((x, y), batch_size=3, shuffle=False)))
    >>> {name: values.numpy().tolist() for name, values in targets.items()}
    {'label': [3, 1, 4], 'index': [0, 1, 2]}
    """
    batch_size = BATCH_SIZE.check("with_provenance", "batch_size", batch_size)
    seed = SEED.check("with_provenance", "seed", seed)
    clean = None if clean is None else _labels("clean", clean)
    tf = sys.modules.get("tensorflow")
    if tf is not None and isinstance(data, tf.data.Dataset):
        if pipeline == "device":
            refuse("with_provenance", "pipeline", '"tf.data" for a tf.data.Dataset', pipeline)
        if shuffle or drop_remainder:
            refuse("with_provenance", "shuffle", "left to you for a data set: shuffle or batch what you get", shuffle)
        return _counted(data, clean, batch_size)
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        refuse("with_provenance", "data", "(x, y), (x, y, sample_weight) or a tf.data.Dataset", type(data).__name__)
    x, y = keras.tree.map_structure(np.asarray, data[0]), _labels("y", data[1])
    _check_outputs(y, clean)
    count = len(keras.tree.flatten(y)[0])
    targets = {"label": y, "index": np.arange(count, dtype="int32")} | ({} if clean is None else {"clean": clean})
    parts = (x, targets, *(keras.tree.map_structure(np.asarray, weights) for weights in data[2:]))
    lengths = {len(array) for array in keras.tree.flatten(parts)}
    if len(lengths) > 1:
        refuse("with_provenance", "data", f"arrays of the same length, `clean` too, {count} as y has", sorted(lengths))
    if checked_pipeline("with_provenance", pipeline) == "device":
        return Feed(*parts[:2], batch_size, None if shuffle is False else seed, None, drop_remainder, *parts[2:])
    hide_gpus_from_tensorflow()
    tf = import_tensorflow()
    with tf.device("CPU:0"):
        columns = tf.nest.map_structure(tf.constant, parts)
        positions = order(count, None if shuffle is False else seed).map(lambda position, _: position)
    return ready(
        positions.batch(batch_size, drop_remainder).map(
            lambda chosen: tf.nest.map_structure(lambda column: tf.gather(column, chosen), columns),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
    )


def _labels(name, labels):
    """Class ids; of several outputs a dict, in which floats stay what they are."""
    if not isinstance(labels, dict):
        return _ids(name, labels)
    if not labels:
        refuse("with_provenance", name, "labels of at least one output", labels)
    kept = {output: np.asarray(values) for output, values in labels.items()}
    return {o: v if np.issubdtype(v.dtype, np.floating) and v.ndim else _ids(name, v) for o, v in kept.items()}


def _check_outputs(y, clean):
    """Refuses clean labels of other outputs than labels."""
    several = isinstance(y, dict)
    if clean is not None and (several != isinstance(clean, dict) or (several and clean.keys() - y.keys())):
        rule = f"a dict by output, of {', '.join(map(str, y))}" if several else "class ids, as y holds"
        refuse("with_provenance", "clean", rule, clean)


def _ids(name, labels):
    labels = np.asarray(labels)
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    whole = labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer)
    if not whole or (labels.size and not 0 <= labels.min() <= labels.max() <= LARGEST):
        refuse("with_provenance", name, "class ids of shape (n,), whole numbers from 0 and below 2^31", labels)
    return labels.astype("int32")


def _counted(dataset, clean, batch_size):
    hide_gpus_from_tensorflow()
    tf = import_tensorflow()

    spec = dataset.element_spec
    labels = spec[1] if isinstance(spec, tuple) and len(spec) in (2, 3) else None
    columns = labels if isinstance(labels, dict) else {None: labels}
    several = None not in columns
    ids = {output: one for output, one in columns.items() if _holds_ids(tf, one)}
    others = [one for output, one in columns.items() if output not in ids]
    kept = several and all(isinstance(one, tf.TensorSpec) and one.dtype.is_floating for one in others)
    batched = {one.shape.rank > 0 for one in ids.values()}
    if not ids or (others and not kept) or len(batched) > 1:
        refuse("with_provenance", "data", "a data set of (x, y), y whole numbers: class ids, one a sample", spec)
    _check_outputs(labels, clean)
    if step := unsteady_step(dataset):
        raise ValueError(
            f"`data` of with_provenance has an order of its own, so that a position is no sample's number: {step}."
        )
    known = {} if clean is None else clean if several else {None: clean}
    lengths = {len(one) for one in known.values()}
    if len(lengths) > 1:
        refuse("with_provenance", "clean", "arrays of the same length", sorted(lengths))
    if batched == {False}:
        count = dataset.cardinality().numpy()
        if lengths and count not in (*lengths, -1, -2):
            refuse("with_provenance", "clean", f"of {count} labels, as many as samples", clean)
        dataset = dataset.batch(batch_size)
    total = max(lengths, default=0)
    known = {output: tf.constant(one) for output, one in known.items()}

    def checked(y):
        kept = tf.cast(y, tf.int32)
        whole = tf.reduce_all((kept >= 0) & (tf.cast(kept, y.dtype) == y))
        words = "labels of a data set for with_provenance must be class ids, whole numbers from 0 and below 2^31"
        with tf.control_dependencies([tf.debugging.Assert(whole, [words, y])]):
            return tf.reshape(kept, (-1,))

    def number(first, x, y, *weight):
        y = {output: checked(one) if output in ids else one for output, one in (y if several else {None: y}).items()}
        count = tf.size(y[next(iter(ids))])
        index = first + tf.range(count)
        targets = {"label": y if several else y[None], "index": index}
        if known:
            enough = tf.debugging.Assert(
                first + count <= total, ["`clean` of with_provenance has fewer labels than the data set"]
            )
            with tf.control_dependencies([enough]):
                of_batch = {output: tf.gather(one, index) for output, one in known.items()}
            targets["clean"] = of_batch if several else of_batch[None]
        return first + count, (x, targets, *weight)

    return ready(dataset.scan(tf.constant(0), lambda first, element: number(first, *element)))


def _holds_ids(tf, spec):
    """Whether a column of a data set holds whole numbers, one a sample, by batch or not."""
    if not isinstance(spec, tf.TensorSpec) or not spec.dtype.is_integer or spec.shape.rank is None:
        return False
    return spec.shape.rank <= 1 or (spec.shape.rank == 2 and spec.shape[1] == 1)
