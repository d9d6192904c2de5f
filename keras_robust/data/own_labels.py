"""Labels as people have them, class ids, one-hot rows or names, brought to class ids."""

import numpy as np

from keras_robust.checks import refuse
from keras_robust.class_names import names_by_id
from keras_robust.sample_numbers import LARGEST_INDEX

_RULE = "class ids of shape (n,), whole numbers from 0 and below 2^31; one-hot rows (n, classes); names of classes; "
_RULE += "or maps of class ids (n, height, width)"


def given_ids(labels, clean=None, class_names=None):
    """Class ids of the given labels and the clean ones, and the names of the classes.

    Args:
        labels: class ids (n,) or (n, 1), maps of them (n, height, width) or (n, depth, height, width), one-hot rows
            (n, classes), names (n,), or a categorical Series.
        clean: the same of the true classes, or None.
        class_names: names by id, which say what names stand for; None: the categories, or the names that come, sorted.

    Returns:
        Ids (n,), or maps, int32; clean ids or None; names, a list, or None where nobody knows them.

    Raises:
        ValueError: for anything else.

    Example:

    >>> ids, clean, names = given_ids(["dog", "cat", "dog"], clean=["cat", "cat", "owl"])
    >>> ids.tolist(), clean.tolist(), names
    ([1, 0, 1], [0, 0, 2], ['cat', 'dog', 'owl'])
    """
    columns = {name: _column(one) for name, one in (("y", labels), ("clean", clean)) if one is not None}
    if class_names is not None:
        class_names = _listed(class_names)
    elif _is_categorical(labels):
        class_names = [str(name) for name in labels.dtype.categories]
    else:
        named = [column for column in columns.values() if column.dtype.kind == "U" and column.ndim == 1]
        if 0 < len(named) < len(columns):
            refuse("with_provenance", "class_names", "names by id, where some labels are ids and others names", None)
        class_names = sorted(set(np.concatenate(named).tolist())) if named else None
    ids = {name: _ids(name, column, class_names) for name, column in columns.items()}
    return ids["y"], ids.get("clean"), class_names


def given_labels(labels, clean=None, class_names=None):
    """`given_ids` of a model of one output; of several, dicts by output of class ids, or of floats as they are."""
    several = isinstance(labels, dict)
    if clean is not None and (several != isinstance(clean, dict) or (several and clean.keys() - labels.keys())):
        rule = f"a dict by output, of {', '.join(map(str, labels))}" if several else "class ids, as y holds"
        refuse("with_provenance", "clean", rule, clean)
    if not several:
        ids, clean, names = given_ids(labels, clean, class_names)
        if clean is not None and clean.shape[1:] != ids.shape[1:]:
            rule = f"maps of {ids.shape[1:]}, as y holds" if ids.ndim > 1 else "one label a sample, as y holds"
            refuse("with_provenance", "clean", rule, f"shape {clean.shape}")
        return ids, clean, names
    if not labels:
        refuse("with_provenance", "y", "labels of at least one output", labels)
    if class_names is not None:
        refuse("with_provenance", "class_names", "None where y is a dict by output", class_names)
    return _by_output("y", labels), None if clean is None else _by_output("clean", clean), None


def _by_output(name, labels):
    columns = {output: _column(one) for output, one in labels.items()}
    return {o: c if c.dtype.kind == "f" and c.ndim else _ids(name, c, None) for o, c in columns.items()}


def ids_of_batch(labels, class_names=None):
    """The same of a batch of a tf.data pipeline, in its graph: an assertion stops what is no class id.

    Args:
        labels: a tensor (batch,), (batch, 1) or (batch, classes), of any dtype, or maps (batch, height, width).
        class_names: a list of names; needed for labels that are texts.
    """
    import tensorflow as tf

    if labels.dtype == tf.string:
        hits = tf.equal(tf.reshape(labels, (-1, 1)), tf.constant(class_names))
        words, right = "labels of a data set for with_provenance must be names of `class_names`", tf.reduce_any(hits, 1)
        ids = tf.argmax(hits, axis=1, output_type=tf.int32)
    elif labels.shape.rank == 2 and labels.shape[1] != 1:
        words = "labels of a data set for with_provenance must be one-hot rows"
        ids = tf.argmax(labels, axis=1, output_type=tf.int32)
        right = tf.equal(labels, tf.one_hot(ids, tf.shape(labels)[1], dtype=labels.dtype))
    else:
        words = "labels of a data set for with_provenance must be class ids, whole numbers from 0 and below 2^31"
        kept = tf.cast(labels, tf.int32)
        ids = kept if labels.shape.rank > 2 else tf.reshape(kept, (-1,))
        right = (kept >= 0) & (tf.cast(kept, labels.dtype) == labels)
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(right), [words, labels])]):
        return tf.identity(ids)


def of_one_hot(rows):
    """Class ids (n,) of one-hot rows (n, classes), or None where a row is none."""
    if rows.dtype.kind not in "iufb":
        return None
    hot = rows.argmax(axis=1)
    return hot if np.array_equal(rows, np.eye(rows.shape[1])[hot]) else None


def _is_categorical(labels):
    return hasattr(getattr(labels, "dtype", None), "categories")


def _listed(class_names):
    count = len(class_names) if hasattr(class_names, "__len__") else 0
    names = names_by_id("with_provenance", class_names, count)
    if len(set(names)) < len(names):
        refuse("with_provenance", "class_names", "names that are different", class_names)
    return names


def _column(labels):
    """One array, names as texts."""
    if _is_categorical(labels):
        return np.asarray(labels.astype(str)).astype(str)
    labels = np.asarray(labels)
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.dtype.kind in "SO" and labels.ndim == 1:
        given = [one.decode() if isinstance(one, bytes) else one for one in labels.tolist()]
        if given and all(isinstance(one, str) for one in given):
            return np.array(given)
    return labels.astype("int32") if labels.dtype.kind == "b" else labels


def _ids(name, labels, class_names):
    if labels.dtype.kind == "U" and labels.ndim == 1:
        by_name = {one: id for id, one in enumerate(class_names or ())}
        if unknown := sorted(set(labels.tolist()) - by_name.keys()):
            refuse("with_provenance", name, f"names of classes, {_few(class_names)}", unknown[0])
        return np.array([by_name[one] for one in labels.tolist()], "int32")
    if labels.ndim == 2 and labels.shape[1] > 1 and (hot := of_one_hot(labels)) is not None:
        return hot.astype("int32")
    whole = labels.ndim in (1, 3, 4) and labels.dtype.kind in "iu"
    if not whole or (labels.size and not 0 <= labels.min() <= labels.max() <= LARGEST_INDEX):
        refuse("with_provenance", name, _RULE, labels)
    if class_names is not None and labels.size and labels.max() >= len(class_names):
        refuse("with_provenance", "class_names", f"names of at least {labels.max() + 1} classes", class_names)
    return labels.astype("int32")


def _few(names):
    names = names or ()
    return ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")
