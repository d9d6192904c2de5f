"""Streaming noise: the label of a sample depends on the seed and its id alone."""

import importlib

import numpy as np
import pytest
import tensorflow as tf
from harness import assert_fits

from keras_robust import noise

IDS = np.arange(1500)
LABELS = np.random.default_rng(0).integers(0, 10, len(IDS))
MATRIX = noise.symmetric(10, 0.4)
ADD = noise.stream(MATRIX, seed=3)


def elements():
    return tf.data.Dataset.from_tensor_slices((np.zeros((len(IDS), 2), "float32"), LABELS, IDS))


def by_id(dataset):
    """Labels as they arrive, put in the order of ids."""
    labels, ids = (np.concatenate([np.atleast_1d(part) for part in parts]) for parts in zip(*dataset, strict=True))
    assert np.array_equal(np.sort(ids), IDS)
    return labels[np.argsort(ids)]


def without_x(dataset):
    return dataset.map(lambda x, label, id: (label, id)).as_numpy_iterator()


def python_label(label, id, seed, matrix):
    """The definition, in Python's own integers and floats."""
    mask = 2**64 - 1

    def mix(z):
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    step = 0x9E3779B97F4A7C15
    u = (mix((mix((seed + step) & mask) + step * id) & mask) >> 11) / 2**53
    return int(np.searchsorted(np.cumsum(matrix[label]), u, side="right"))


def test_labels_are_those_of_the_definition():
    got = by_id(without_x(elements().map(ADD)))
    expected = [python_label(label, id, 3, MATRIX) for label, id in zip(LABELS.tolist(), IDS.tolist(), strict=True)]
    np.testing.assert_array_equal(got, expected)
    assert 0.36 < np.mean(got != LABELS) < 0.44


@pytest.mark.parametrize(
    "pipeline",
    [
        lambda data: data.batch(1).map(ADD),
        lambda data: data.batch(7).map(ADD),
        lambda data: data.map(ADD).batch(1024),
        lambda data: data.shuffle(1500, seed=1).batch(64).map(ADD),
        lambda data: data.shuffle(500, seed=2).map(ADD, num_parallel_calls=4, deterministic=False),
        lambda data: data.batch(100).map(ADD, num_parallel_calls=tf.data.AUTOTUNE).unbatch(),
        lambda data: data.shard(3, 0).concatenate(data.shard(3, 2)).concatenate(data.shard(3, 1)).map(ADD),
        lambda data: tf.data.Dataset.range(5).interleave(lambda i: data.shard(5, i).map(ADD), num_parallel_calls=2),
        lambda data: data.map(lambda x, label, id: (x, tf.cast(label, tf.uint8), tf.cast(id, tf.int32))).map(ADD),
    ],
)
def test_order_batches_shards_and_parallelism_do_not_matter(pipeline):
    expected = by_id(without_x(elements().batch(len(IDS)).map(ADD)))
    np.testing.assert_array_equal(by_id(without_x(pipeline(elements()))), expected)


def test_features_ids_types_and_epochs_stay():
    data = elements().batch(8).map(ADD)
    x, label, id = next(iter(data))
    assert x.shape == (8, 2)
    assert label.dtype == tf.int64
    np.testing.assert_array_equal(id, IDS[:8])
    for one, again in zip(data.take(3), data.take(3), strict=True):
        np.testing.assert_array_equal(one[1], again[1])


@pytest.mark.parametrize("seed", [0, 1, 2**70])
def test_distribution_is_that_of_the_matrix(seed):
    """Chi-square at 50,000 labels, and no trace of neighboring ids in each other."""
    labels = np.random.default_rng(1).integers(0, 6, 50_000)
    matrix = np.random.default_rng(7).dirichlet(np.full(6, 0.3), size=6)
    matrix[2] = [0.5, 0, 0, 0.5, 0, 0]
    _, noisy, _ = noise.stream(matrix, seed)(0.0, tf.constant(labels), tf.range(50_000))
    counts = np.zeros((6, 6))
    np.add.at(counts, (labels, noisy.numpy()), 1)
    assert_fits(counts, matrix)
    wrong = noise.stream(noise.pair_flip(2, 0.5), seed)(0.0, tf.zeros(50_000, tf.int32), tf.range(50_000))[1].numpy()
    assert abs(wrong.mean() - 0.5) < 0.01
    assert abs(np.corrcoef(wrong[1:], wrong[:-1])[0, 1]) < 0.02


def test_seeds_give_other_labels():
    flips = [noise.stream(MATRIX, seed)(0.0, tf.zeros(1500, tf.int64), tf.constant(IDS))[1].numpy() for seed in (0, 1)]
    assert 0.3 < np.mean(flips[0] != flips[1]) < 0.8


def test_text_ids():
    ids = tf.constant([f"train_{number:05d}" for number in IDS])
    _, noisy, same = ADD(0.0, tf.constant(LABELS), ids)
    assert 0.36 < np.mean(noisy.numpy() != LABELS) < 0.44
    assert same is ids
    _, reverse, _ = ADD(0.0, tf.constant(LABELS[::-1].copy()), ids[::-1])
    np.testing.assert_array_equal(reverse[::-1], noisy)


@pytest.mark.parametrize("u", [0.0, 1.0 - 2.0**-53])
def test_impossible_classes_are_never_reached(monkeypatch, u):
    """Not by the extremes of u either; ten times 0.1 is less than 1 in floating point."""
    module = importlib.import_module("keras_robust.noise.stream")
    monkeypatch.setattr(module, "_uniform", lambda tf, id, key: tf.fill(tf.shape(id), tf.constant(u, tf.float64)))
    matrix = np.zeros((12, 12))
    matrix[:, 1:11] = 0.1
    _, noisy, _ = noise.stream(matrix, 0)(0.0, tf.constant([0, 11]), tf.constant([0, 1]))
    np.testing.assert_array_equal(noisy, [1, 1] if u == 0 else [10, 10])


def test_wrong_arguments():
    with pytest.raises(ValueError, match="`transition` of stream must be"):
        noise.stream(np.ones((3, 3)), 0)
    with pytest.raises(ValueError, match="`seed` of stream must be"):
        noise.stream(MATRIX, -1)
    with pytest.raises(ValueError, match="`label` of stream must be integer ids"):
        ADD(0.0, tf.constant([0.5]), tf.constant([0]))
    with pytest.raises(ValueError, match="`label` of stream must be integer ids of a type that holds 1000 classes"):
        noise.stream(noise.symmetric(1000, 0.4), 0)(0.0, tf.zeros(3, tf.uint8), tf.range(3))
    with pytest.raises(ValueError, match="`id` of stream must be integers or strings"):
        ADD(0.0, tf.constant([1]), tf.constant([0.5]))
    with pytest.raises(ValueError, match="`id` of stream must be one for each label"):
        elements().batch(8, drop_remainder=True).map(lambda x, label, id: ADD(x, label[:, None], id))
    with pytest.raises(tf.errors.InvalidArgumentError):
        ADD(0.0, tf.constant([10]), tf.constant([0]))
