"""Noise for data that streams by: a sample's label depends on the seed and the sample's id alone."""

import numpy as np

from keras_robust.checks import refuse
from keras_robust.noise.corruption import SEED, stochastic

_STEP = 0x9E3779B97F4A7C15
_ROUNDS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_LAST_SHIFT = 31


def stream(transition, seed: int):
    """A function for `tf.data.Dataset.map` over (x, label, id) that puts noise on the labels, in constant memory.

    A label does not change with order, batch size, shuffling, sharding or parallelism, nor from epoch to epoch, as
    long as the ids are given before any of these, for example with `dataset.enumerate()`. The labels are not those
    that `corrupt` draws from the same seed; they have the same distribution.

    It works on single elements and on batches, on any machine: u = hash(seed, id) / 2^53 by integer arithmetic
    (the finalizer of SplitMix64), and the new label is the first j with T[y, 0] + ... + T[y, j] > u.

    Reference: Steele, Lea & Flood 2014 (SplitMix64).

    Args:
        transition: T (K, K), rows summing to 1, T[i, j] = P(noisy = j | clean = i).
        seed: a whole number; the same seed and id give the same label.

    Returns:
        f(x, label, id) -> (x, noisy label, id), traced by tf.data. Labels are integer ids; ids are integers, or
        strings as TFDS records have them. Both have the same shape, () or (batch,).

    Raises:
        ValueError: for a matrix that is not row-stochastic, or labels and ids that do not fit.

    Example:

    >>> import tensorflow as tf
    >>> data = tf.data.Dataset.from_tensor_slices((tf.zeros((1000, 4)), tf.zeros(1000, tf.int64), tf.range(1000)))
    >>> noisy = data.shuffle(1000).batch(100).map(keras_robust.noise.stream(keras_robust.noise.symmetric(10, 0.4), 0))
    >>> sum(int(tf.math.count_nonzero(label)) for x, label, id in noisy)
    387
    """
    transition = stochastic("stream", transition)
    key = _mixed((SEED.check("stream", "seed", seed) + _STEP) % 2**64)
    bounds = np.cumsum(transition, axis=1)
    # Rounding must not leave a gap below 1 through which a class of probability 0 could be reached.
    last = transition.shape[1] - 1 - np.argmax(transition[:, ::-1] > 0, axis=1)
    bounds[np.arange(len(bounds)) >= last[:, None]] = 1.0

    def noisy(x, label, id):
        import tensorflow as tf

        label, id = tf.convert_to_tensor(label), tf.convert_to_tensor(id)
        if not label.dtype.is_integer or label.dtype.max < len(bounds) - 1:
            refuse("stream", "label", f"integer ids of a type that holds {len(bounds)} classes", label)
        if not label.shape.is_compatible_with(id.shape):
            refuse("stream", "id", f"one for each label, of shape {label.shape}", id)
        uniform = _uniform(tf, id, key)
        passed = tf.gather(tf.constant(bounds), tf.cast(label, tf.int64)) <= uniform[..., None]
        return x, tf.cast(tf.reduce_sum(tf.cast(passed, tf.int32), axis=-1), label.dtype), id

    return noisy


def _mixed(number):
    """SplitMix64's finalizer in Python's integers."""
    for shift, factor in _ROUNDS:
        number = ((number ^ (number >> shift)) * factor) % 2**64
    return number ^ (number >> _LAST_SHIFT)


def _uniform(tf, id, key):
    """hash(key, id) in [0, 1), a multiple of 2^-53."""
    if id.dtype == tf.string:
        id = tf.strings.to_hash_bucket_fast(id, 2**63 - 1)
    elif not id.dtype.is_integer:
        refuse("stream", "id", "integers or strings", id)
    number = tf.constant(key, tf.uint64) + tf.constant(_STEP, tf.uint64) * tf.cast(id, tf.uint64)
    for shift, factor in _ROUNDS:
        number = _shaken(tf, number, shift) * tf.constant(factor, tf.uint64)
    number = _shaken(tf, number, _LAST_SHIFT)
    return tf.cast(tf.bitwise.right_shift(number, tf.constant(11, tf.uint64)), tf.float64) * 2.0**-53


def _shaken(tf, number, shift):
    return tf.bitwise.bitwise_xor(number, tf.bitwise.right_shift(number, tf.constant(shift, tf.uint64)))
