"""Numbers for the samples of a `tf.data` pipeline, in the order in which they come."""

import numpy as np

from keras_robust.checks import refuse
from keras_robust.data.ordering import unsteady_step
from keras_robust.data.own_labels import given_labels, ids_of_batch
from keras_robust.data.pipeline import hide_gpus_from_tensorflow, import_tensorflow, ready


def counted(dataset, clean, batch_size: int, class_names):
    """The data set with targets {"label", "index"} and, if known, "clean"; as `with_provenance` says."""
    hide_gpus_from_tensorflow()
    tf = import_tensorflow()

    spec, paths = dataset.element_spec, getattr(dataset, "file_paths", None)
    labels = spec[1] if isinstance(spec, tuple) and len(spec) in (2, 3) else None
    several = isinstance(labels, dict)
    class_names = getattr(dataset, "class_names", None) if class_names is None else class_names
    positions = [size or 0 for size in labels.shape[1:]] if _are_maps(tf, spec, labels) else []
    none_yet = np.zeros((0, *positions), "int32")
    _, clean, names = given_labels(dict.fromkeys(labels, none_yet) if several else none_yet, clean, class_names)
    if several:
        ids, batched = _ids_by_output(tf, spec, labels)
    else:
        _check_labels(tf, spec, labels, names)
        ids, batched = None, labels.shape.rank > 1 or (labels.shape.rank == 1 and not labels.dtype.is_floating)
    if step := unsteady_step(dataset):
        raise ValueError(
            f"`data` of with_provenance has an order of its own, so that a position is no sample's number: {step}."
        )
    lengths = {len(one) for one in tf.nest.flatten(clean)} if clean is not None else set()
    if len(lengths) > 1:
        refuse("with_provenance", "clean", "arrays of the same length", sorted(lengths))
    if not batched:
        count = dataset.cardinality().numpy()
        if lengths and count not in (*lengths, -1, -2):
            refuse("with_provenance", "clean", f"of {count} labels, as many as samples", clean)
        dataset = dataset.batch(batch_size)
    known = None if clean is None else tf.nest.map_structure(tf.constant, clean)

    def number(first, x, y, *weight):
        y = _ids_of(y, ids) if several else ids_of_batch(y, names)
        index = first + tf.range(tf.shape(y[ids[0]] if several else y)[0])
        targets = {"label": y, "index": index}
        after = first + tf.size(index)
        if known is not None:
            words = ["`clean` of with_provenance has fewer labels than the data set"]
            with tf.control_dependencies([tf.debugging.Assert(after <= max(lengths), words)]):
                targets["clean"] = tf.nest.map_structure(lambda one: tf.gather(one, index), known)
        return after, (x, targets, *weight)

    numbered = ready(dataset.scan(tf.constant(0), lambda first, element: number(first, *element)))
    return named(numbered, names, paths)


def named(numbered, names, paths=None):
    """The data set, which knows its classes and files, as those that Keras makes of folders do."""
    numbered.class_names, numbered.file_paths = names, paths
    return numbered


def _ids_of(y, ids):
    return {output: ids_of_batch(one) if output in ids else one for output, one in y.items()}


def _ids_by_output(tf, spec, labels):
    """The outputs whose labels are class ids, the others being floats, and whether they come in batches."""
    ids = [output for output, one in labels.items() if _holds_ids(tf, one)]
    others = [one for output, one in labels.items() if output not in ids]
    batched = {labels[output].shape.rank > 0 for output in ids}
    floats = all(isinstance(one, tf.TensorSpec) and one.dtype.is_floating for one in others)
    if not ids or not floats or len(batched) > 1:
        rule = "a data set of (x, y), y whole numbers by output: class ids, one a sample, at least of one output"
        refuse("with_provenance", "data", rule, spec)
    return ids, batched.pop()


def _holds_ids(tf, spec):
    """Whether a column of a data set holds whole numbers, one a sample, by batch or not."""
    if not isinstance(spec, tf.TensorSpec) or not spec.dtype.is_integer or spec.shape.rank is None:
        return False
    return spec.shape.rank <= 1 or (spec.shape.rank == 2 and spec.shape[1] == 1)


def _are_maps(tf, spec, labels):
    """Whether labels are batches of maps of class ids, (batch, height, width) or of one axis more, of such inputs."""
    known = isinstance(labels, tf.TensorSpec) and labels.shape.rank is not None and labels.dtype.is_integer
    if not known or not 3 <= labels.shape.rank <= 4 or labels.shape[0] is not None:
        return False
    return any((leaf.shape.rank or 0) >= labels.shape.rank for leaf in tf.nest.flatten(spec[0]))


def _check_labels(tf, spec, labels, names):
    """Refuses what is no label of a sample: ids, one-hot rows, or names where it is known what they stand for."""
    if _are_maps(tf, spec, labels):
        return
    rule = "a data set of (x, y), y one label a sample: a class id, a one-hot row or a name; or batches of label maps"
    if not isinstance(labels, tf.TensorSpec) or labels.shape.rank is None or labels.shape.rank > 2:
        refuse("with_provenance", "data", rule, spec)
    rank, last = labels.shape.rank, labels.shape[-1] if labels.shape.rank else None
    if labels.dtype == tf.string:
        if names is None:
            refuse("with_provenance", "class_names", "the names of the classes, for labels that are names", None)
        fits = rank <= 1 or last == 1
    elif labels.dtype.is_floating:  # one-hot rows, or yes and no as Keras' folders have them
        fits = last is not None and (rank == 2 or last > 1)
    else:
        fits = labels.dtype.is_integer or labels.dtype == tf.bool
    if rank == 2 or (rank == 1 and not labels.dtype.is_floating):  # a batch, or what one sample of a data set has?
        sizes = {leaf.shape[0] for leaf in tf.nest.flatten(spec[0]) if leaf.shape.rank}
        fits = fits and (labels.shape[0] is None or all(size in (None, labels.shape[0]) for size in sizes))
    if not fits:
        refuse("with_provenance", "data", rule, spec)
